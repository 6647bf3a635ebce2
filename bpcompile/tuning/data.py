"""The data that trials are given: of an .npz what training is for, and nothing else.

What a trainer never reads cannot help to choose between variants: the test part of an
archive stays where it is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bpcompile.errors import UserError, printable

#: The arrays of an archive, by the option that names them; the first that is there.
_CHOICES = (("x_train", "y_train"), ("x", "y"))


@dataclass(frozen=True)
class Data:
    """Files by the options that name them: `--data`, `--target`, `--x`, `--y`."""

    given: Mapping[str, str]

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(file for name, file in self.given.items() if name != "--target")

    def digest(self) -> str:
        """SHA-256 of all of it, in hexadecimal. Raises UserError."""
        found = hashlib.sha256(self.given.get("--target", "").encode())
        for path in self.files:
            try:
                with open(path, "rb") as file:
                    found.update(hashlib.file_digest(file, "sha256").digest())
            except OSError as failure:
                reason = failure.strerror
                raise UserError(f"cannot read {printable(path)}: {reason}") from None
        return found.hexdigest()

    def options(self, folder: Path, digest: str) -> tuple[str, ...]:
        """What a trainer is told, with the arrays of an archive put into the folder.

        As .npy files they are mapped, so that all trials together hold them once.
        Raises UserError where an archive has no examples.
        """
        given = dict(self.given)
        archive = given.get("--data")
        if archive is not None and zipfile.is_zipfile(archive):
            del given["--data"]
            inside = folder / f"data-{digest[:16]}"
            _unpack(archive, inside)
            given |= {"--x": str(inside / "x.npy"), "--y": str(inside / "y.npy")}
        return tuple(word for pair in given.items() for word in pair)


def _unpack(archive: str, folder: Path) -> None:
    """Both arrays, byte for byte: a member of an .npz is an .npy file."""
    if folder.is_dir():
        return
    shown = printable(archive)
    # Another worker may do the same at the same time.
    part = folder.with_name(f"{folder.name}.{os.getpid()}")
    part.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(archive) as held:
            names = {name.removesuffix(".npy") for name in held.namelist()}
            pairs = [pair for pair in _CHOICES if names.issuperset(pair)]
            if not pairs:
                wanted = " or ".join(", ".join(pair) for pair in _CHOICES)
                raise UserError(f"{shown}: has no {wanted}")
            for name, to in zip(pairs[0], ("x.npy", "y.npy"), strict=True):
                with held.open(f"{name}.npy") as source, open(part / to, "wb") as out:
                    shutil.copyfileobj(source, out)
        if not folder.is_dir():
            part.rename(folder)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as failure:
        raise UserError(f"{shown}: {str(failure).lower()}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
