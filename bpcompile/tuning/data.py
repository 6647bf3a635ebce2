"""The data that trials are given: of an .npz what training is for, and nothing else.

What a trainer never reads cannot help to choose between variants: the test part of an
archive stays where it is. Validation data of one's own are what a trainer calls test
data, by which training then goes, too.
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

#: Files by the options that trainers have for them.
TRAINING, VALIDATION = "--data", "--test"
#: Of such an archive the arrays that may be meant, what they are as files, and what
#: trainers call these.
_ARCHIVES: Mapping[str, tuple[tuple[tuple[str, str], ...], str, tuple[str, str]]] = {
    TRAINING: ((("x_train", "y_train"), ("x", "y")), "data", ("--x", "--y")),
    VALIDATION: ((("x", "y"),), "validation", ("--test-x", "--test-y")),
}
_HELD = ("x.npy", "y.npy")


@dataclass(frozen=True)
class Data:
    """Files by the options that trainers have for them: `--data`, `--target`, `--x`,
    `--y`, and `--test` for those to validate on."""

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
        for option, (choices, stem, names) in _ARCHIVES.items():
            archive = given.get(option)
            if archive is not None and zipfile.is_zipfile(archive):
                del given[option]
                inside = folder / f"{stem}-{digest[:16]}"
                _unpack(archive, choices, inside)
                files = (str(inside / held) for held in _HELD)
                given |= dict(zip(names, files, strict=True))
        return tuple(word for pair in given.items() for word in pair)


def _unpack(archive: str, choices: tuple[tuple[str, str], ...], folder: Path) -> None:
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
            pairs = [pair for pair in choices if names.issuperset(pair)]
            if not pairs:
                wanted = " or ".join(", ".join(pair) for pair in choices)
                raise UserError(f"{shown}: has no {wanted}")
            for name, to in zip(pairs[0], _HELD, strict=True):
                with held.open(f"{name}.npy") as source, open(part / to, "wb") as out:
                    shutil.copyfileobj(source, out)
        if not folder.is_dir():
            part.rename(folder)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as failure:
        raise UserError(f"{shown}: {str(failure).lower()}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
