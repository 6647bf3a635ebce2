"""A whole search: from what it is about to the files that are left in the end."""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bpcompile.errors import UserError, printable, quote
from bpcompile.lower import lower
from bpcompile.messages import NOTE
from bpcompile.render import Renderer
from bpcompile.source import Document
from bpcompile.source.override import overridden
from bpcompile.spec import canonical_json, digest
from bpcompile.target import Target
from bpcompile.threads import THREADS
from bpcompile.tuning import study as studies
from bpcompile.tuning.attempt import Search
from bpcompile.tuning.data import Data
from bpcompile.tuning.folds import Split
from bpcompile.tuning.objective import Objective
from bpcompile.tuning.outcome import Found, leave, refuse_other
from bpcompile.tuning.reading import SpaceFile
from bpcompile.tuning.trainer import build
from bpcompile.tuning.worker import Worker
from bpcompile.validate import validate

DATABASE = "study.db"


@dataclass(frozen=True)
class Task:
    """What is searched; see `bpcompile.tuning.attempt.Search`.

    spec   the file, as the command line names it
    name   of the study
    """

    spec: str
    document: Document
    split: Split
    file: SpaceFile
    objective: Objective
    target: Target
    data: Data
    name: str


def search(task: Task, options: argparse.Namespace) -> int:
    """Begin or go on with a study, then write what was found; the exit code.

    Raises UserError where the storage, the data or the trainer make that impossible.
    """
    folder = _folder(task.name)
    digest_of_data = task.data.digest()
    settings = _settings(task, digest_of_data)
    folder.mkdir(exist_ok=True)
    data = task.data.options(folder, digest_of_data)
    renderer = Renderer(task.target)
    _try_trainer(task, renderer, folder, data)
    url = options.storage or f"sqlite:///{folder / DATABASE}"
    pruning, spec = not options.no_pruning, Path(task.spec).name
    storage = studies.open_study(url, task.name, task.objective, pruning)
    with studies.reached():
        studies.check_settings(storage, settings)
        if options.output:
            refuse_other(Path(options.output), storage.study, options.force)
        work = Search(
            task.document,
            task.file.space,
            task.objective,
            task.target,
            renderer,
            folder,
            data,
            task.split,
            options.trials,
            options.jobs,
            options.seed,
            lambda said: options.messages.say(said, NOTE),
        )
        Worker(work, storage).run()
        found = Found(task.document, task.objective, storage.study, folder, spec)
        return leave(found, options.output, options.force)


def _folder(name: str) -> Path:
    if not name or not all(c.isalnum() or c in "_-." for c in name) or name[0] == ".":
        raise UserError(f"--study {quote(name)}: letters, digits, _ - and . alone")
    return Path(f"{name}.tune")


def _settings(task: Task, digest_of_data: str) -> dict[str, str]:
    """What the trials of a study have in common, each as one short text."""
    space = canonical_json(task.file.document.value)
    return {
        "spec": digest(validate(task.document)),
        "space": hashlib.sha256(space.encode()).hexdigest(),
        "metric": task.objective.series,
        "number of folds": str(task.split.folds or ""),
        "validation fraction": ", ".join(task.split.given),
        "data": digest_of_data,
        "target": task.target.name,
    }


def _try_trainer(
    task: Task, renderer: Renderer, folder: Path, data: tuple[str, ...]
) -> None:
    """Train the spec for no epoch: data that do not fit it are no trial's fault."""
    inside = folder / "check"
    spec = validate(overridden(task.document, task.split.assignments()))
    module, *_ = renderer.render(lower(spec), False)
    command = build(module.text, task.target, inside)
    weights = ("--weights-out", str(inside / "weights.safetensors"))
    tried = subprocess.run(
        [*command, "train", *data, "--epochs", "0", "--quiet", *weights],
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **dict.fromkeys(THREADS, "1")},
    )
    if tried.returncode:
        said = tried.stderr.decode("utf-8", "replace").strip().splitlines() or [""]
        reason = printable(said[-1].removeprefix("error: "))
        raise UserError(f"the trainer: {reason or f'exit code {tried.returncode}'}")
