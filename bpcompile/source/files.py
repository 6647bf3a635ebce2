"""A spec file -> a Document, by the reader for its language.

The readers are loaded on first use: a spec is either JSON or TOML, and most runs need
no more than one of them.
"""

from __future__ import annotations

import os
import stat
import sys

from bpcompile.errors import UserError, printable
from bpcompile.source.document import MAX_BYTES, Document


def read_file(path: str) -> Document:
    """The spec in a file, TOML if its name ends in `.toml`, else JSON; "-" is standard
    input, as JSON. Raises UserError for a file that cannot be read, SpecErrors for
    its text. Limit: 8 MiB."""
    if path.lower().endswith(".toml"):
        from bpcompile.source.toml import read_toml

        return read_toml(file_bytes(path), path)
    from bpcompile.source.scanner import read_json

    if path == "-":
        return read_json(standard_input(), "<stdin>")
    return read_json(file_bytes(path), path)


def file_bytes(path: str, most: int = MAX_BYTES) -> bytes:
    """All of a regular file; UserError where there is none, or it is larger."""
    if not path:
        raise UserError('cannot read "": give the name of a file')
    name = printable(path)
    try:
        about = os.stat(path)
        # Before opening: opening a FIFO waits for ever.
        if stat.S_ISDIR(about.st_mode):
            raise UserError(f"cannot read {name}: it is a directory")
        if not stat.S_ISREG(about.st_mode):
            raise UserError(f"cannot read {name}: not a regular file")
        if about.st_size > most:
            raise UserError(f"cannot read {name}: larger than {most >> 20} MiB")
        with open(path, "rb") as file:
            return file.read(most + 1)
    except FileNotFoundError:
        raise UserError(f"cannot read {name}: no such file") from None
    except PermissionError:
        raise UserError(f"cannot read {name}: permission denied") from None
    except (OSError, ValueError) as error:
        # ValueError: a NUL in the path.
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {name}: {reason}") from None


def standard_input(most: int = MAX_BYTES) -> bytes:
    """All of standard input, or one byte more than `most`; UserError if it is closed."""
    if sys.stdin is None:
        raise UserError("cannot read standard input: it is closed")
    try:
        return sys.stdin.buffer.read(most + 1)
    except OSError as error:
        raise UserError(f"cannot read standard input: {error.strerror}") from None
