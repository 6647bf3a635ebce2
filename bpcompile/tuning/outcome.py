"""What a search leaves behind: the best spec, a table, a page."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial

from bpcompile.errors import UserError, printable
from bpcompile.output import write_bytes
from bpcompile.source import Document
from bpcompile.source.override import overridden
from bpcompile.streams import result
from bpcompile.tuning import study as studies
from bpcompile.tuning import table
from bpcompile.tuning.best import spec_text
from bpcompile.tuning.objective import Objective

BEST, PAGE = "best.json", "trials.html"


@dataclass(frozen=True)
class Found:
    """A study when its trials are done; `spec` is the file that it began with."""

    document: Document
    objective: Objective
    study: optuna.Study
    folder: Path
    spec: str

    def text(self, trial: FrozenTrial) -> str:
        """The spec of a trial."""
        changed = overridden(self.document, trial.user_attrs[studies.SET])
        return spec_text(changed, self.document)

    def command(self, trial: FrozenTrial) -> str:
        """How the compiler makes it."""
        given = (f"--set {shlex.quote(one)}" for one in trial.user_attrs[studies.SET])
        return f"bpcompile {shlex.quote(self.spec)} {' '.join(given)} -o ..."


def leave(found: Found, output: str | None, force: bool) -> int:
    """Write the best spec and the page, print the table; the exit code: 0, or 1 where
    no trial has come to its end."""
    best = studies.best(found.study)
    written = (
        [] if best is None else _write_best(found, found.text(best), output, force)
    )
    # Loaded here, because it needs Matplotlib.
    from bpcompile.tuning.page import page

    path = found.folder / PAGE
    write_bytes(path, page(found, best).encode(), True, _nobodys)
    result(table.text(found.study, found.objective))
    names = (printable(str(one)) for one in (*written, path))
    result(f"\nwrote {', '.join(names)}\n")
    return 0 if best is not None else 1


def _write_best(found: Found, text: str, output: str | None, force: bool) -> list[Path]:
    """Write it into the study's folder, and where else it is wanted."""
    own = found.folder / BEST
    write_bytes(own, text.encode(), True, _nobodys)
    if output is None:
        return [own]
    path = Path(output)
    write_bytes(path, text.encode(), force, lambda old: _work(old, found.study))
    _note_written(text, found.study)
    return [path, own]


def _nobodys(old: bytes) -> str:
    """Of files in the study's own folder: nobody's work is lost."""
    return ""


def refuse_other(path: Path, study: optuna.Study, force: bool) -> None:
    """Before the search: whether its best spec may go there. Raises UserError."""
    if path.is_dir() or not path.resolve().parent.is_dir():
        what = "is a directory" if path.is_dir() else "its directory does not exist"
        raise UserError(f"{printable(str(path))}: {what}")
    work = _work(path.read_bytes(), study) if path.is_file() else ""
    if work and not force:
        shown = printable(str(path))
        raise UserError(f"{shown}: {work}; --force replaces it and keeps a copy")


def _work(old: bytes, study: optuna.Study) -> str:
    """Why a file is somebody's work: it is no best spec that this study has written."""
    known = study.user_attrs.get(studies.WRITTEN, [])
    ours = not old or hashlib.sha256(old).hexdigest() in known
    return "" if ours else "was not written by this study"


def _note_written(text: str, study: optuna.Study) -> None:
    known = study.user_attrs.get(studies.WRITTEN, [])
    own = hashlib.sha256(text.encode()).hexdigest()
    if own not in known:
        study.set_user_attr(studies.WRITTEN, [*known, own])
