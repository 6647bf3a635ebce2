"""What a target's templates were compiled to, kept from one run to the next.

They lie where Python keeps the bytecode of modules, `__pycache__` beside the source
(or under PYTHONPYCACHEPREFIX), by its rules: whoever may write there may change the
program itself, PYTHONDONTWRITEBYTECODE is obeyed, and where nothing can be written
every run compiles the templates that it needs.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import marshal
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket, BytecodeCache

from bpcompile import __version__

_DIGEST = hashlib.sha256
_SIZE = _DIGEST().digest_size


class TemplateCode(BytecodeCache):
    """The code of a folder's templates in one file, each with its source's checksum.

    Before everything stands a digest of all that follows and of what compiled it:
    the versions of Python, Jinja2 and bpcompile, Jinja2's options, the folder. A file
    that is damaged or of another making is as none.

    valid   digests of generated code that this Python has compiled: that of the last
            module for which templates were compiled, lest the file grow with every spec
    """

    def __init__(self, folder: Path, options: Mapping[str, object]) -> None:
        made = (__version__, jinja2.__version__, sorted(map(repr, options.items())))
        self._making = repr((importlib.util.MAGIC_NUMBER, *made, str(folder))).encode()
        self._path = _path(folder)
        self._held, valid = self._read()
        self.valid = frozenset(valid)
        self._grown = False

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give the bucket its code, if it is that of the template as it is now."""
        checksum, code = self._held.get(bucket.key, ("", b""))
        if checksum == bucket.checksum:
            bucket.code = marshal.loads(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Hold what has just been compiled, for `keep`."""
        self._held[bucket.key] = bucket.checksum, marshal.dumps(bucket.code)
        self._grown = True

    def keep(self, valid: Iterable[bytes]) -> None:
        """Write the file if it lacks a template, whole or not at all."""
        if not self._grown or self._path is None or sys.dont_write_bytecode:
            return
        self._grown = False
        data = marshal.dumps((self._held, sorted(valid)))
        unique = self._path.with_name(f"{self._path.name}.{os.urandom(8).hex()}")
        # A folder that may not be written, a full disk: then there is no cache.
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                unique.write_bytes(self._digest(data) + data)
                os.replace(unique, self._path)
            finally:
                unique.unlink(missing_ok=True)

    def _read(self) -> tuple[dict[str, tuple[str, bytes]], list[bytes]]:
        found = b""
        if self._path:
            with contextlib.suppress(OSError):
                found = self._path.read_bytes()
        digest, data = found[:_SIZE], found[_SIZE:]
        # Damaged marshal data can end the process: nothing of it is looked at.
        if digest != self._digest(data):
            return {}, []
        held, valid = marshal.loads(data)
        return held, valid

    def _digest(self, data: bytes) -> bytes:
        return _DIGEST(self._making + data).digest()


def _path(folder: Path) -> Path | None:
    try:
        path = importlib.util.cache_from_source(str(folder / "templates.py"))
    except NotImplementedError:  # a Python that keeps no bytecode
        return None
    return Path(path).with_suffix(".jinjac")
