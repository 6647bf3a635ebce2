"""What is to be built, and its texts: all of them before the first file is written."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bpcompile.api import load_spec_with_warnings
from bpcompile.errors import SpecError, SpecErrors, UserError, printable
from bpcompile.lower import lower
from bpcompile.messages import Messages
from bpcompile.output import write_outputs
from bpcompile.plan import Plan
from bpcompile.records import dataclass
from bpcompile.render import Renderer, SourceFile
from bpcompile.source import Document, pointer
from bpcompile.spec import NetworkSpec
from bpcompile.target import (
    Target,
    default_target_name,
    load_target,
    target_folder,
    target_name_of_suffix,
)

STREAM = "-"


@dataclass(frozen=True)
class Origin:
    """Where a configuration asks for an output: the table at a path of a document."""

    document: Document
    path: tuple[str | int, ...]


@dataclass(frozen=True)
class Job:
    """One spec and what becomes of it.

    spec, weights   files to read; weights are for inference alone
    output          a file, a folder with a slash, or "-"
    target          None: what the output's suffix says, else the default
    overrides       each PATH=VALUE
    """

    spec: str
    output: str
    target: str | None = None
    overrides: tuple[str, ...] = ()
    library: bool = False
    header: bool = False
    weights: str | None = None
    origin: Origin | None = None


def compiled(jobs: Sequence[Job], messages: Messages) -> dict[str, str]:
    """The text of every file by its path; warnings about specs are said.

    Raises SpecErrors with the mistakes of all specs, UserError where something else
    is wrong. What a configuration asks for in vain is a mistake at its place there.
    """
    compiler = _Compiler(messages)
    inputs = {_identity(file) for job in jobs for file in files_of(job)}
    texts: dict[str, str] = {}
    owners: dict[str, str] = {}
    mistakes: list[SpecError] = []
    for job in jobs:
        try:
            files = compiler.files(job)
            for path in files:
                _refuse_taken(path, owners)
                _refuse_same_file(path, inputs)
        except SpecErrors as failure:
            mistakes += (_placed(error, job) for error in failure.errors)
        except UserError as failure:
            if job.origin is None:
                raise
            mistakes.append(_of_output(str(failure), job.origin))
        else:
            texts |= files
    if mistakes:
        # Two outputs of one spec have its mistakes in common.
        raise SpecErrors(dict.fromkeys(mistakes))
    return texts


def files_of(job: Job) -> tuple[str, ...]:
    """The files that it reads, templates apart."""
    configuration = job.origin.document.file if job.origin else None
    read = (job.spec, job.weights, configuration)
    return tuple(file for file in read if file is not None and file != STREAM)


def folders_of(job: Job) -> tuple[Path, ...]:
    """The folders of its templates, as far as they can be found."""
    try:
        return target_of(job.target, job.output).folders
    except UserError:
        return (target_folder(job.target),) if job.target else ()


def write(texts: Mapping[str, str], force: bool) -> list[Path]:
    """Write all of them or none; the paths of what has changed."""
    return write_outputs({Path(path): text for path, text in texts.items()}, force)


def loaded(path: str, overrides: Iterable[str], messages: Messages) -> NetworkSpec:
    """A spec; what there is to know of it is said."""
    spec, warnings = load_spec_with_warnings(path, overrides)
    messages.found(warnings)
    return spec


def target_of(name: str | None, output: str) -> Target:
    """The target of that name, or else for that output."""
    if name is not None:
        return load_target(name)
    suffix = _suffix(output)
    return load_target(target_name_of_suffix(suffix) or default_target_name())


def _suffix(output: str) -> str:
    return "" if output.endswith("/") else "." + output.rpartition(".")[2]


class _Compiler:
    """Compiles job after job; what several have in common is read once."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._plans: dict[tuple[str, tuple[str, ...]], Plan] = {}
        self._targets: dict[tuple[str | None, str], Target] = {}
        self._renderers: dict[str, Renderer] = {}

    def files(self, job: Job) -> dict[str, str]:
        """The text of each file by its path, the module's first."""
        target = self._target(job)
        plan = self._plan(job)
        with _own_templates(job, target):
            module, *beside = _rendered(self._renderer(target), plan, job)
        path = _path(job, plan, module.suffix)
        if target.runs == "import":
            _refuse_hiding(path, module.text)
        if path == STREAM:
            return {path: module.text}
        stem = path.removesuffix(module.suffix)
        others = {stem + file.suffix: file.text for file in beside}
        return {path: module.text, **others}

    def _target(self, job: Job) -> Target:
        key = (job.target, _suffix(job.output))
        if key not in self._targets:
            self._targets[key] = target_of(job.target, job.output)
        return self._targets[key]

    def _renderer(self, target: Target) -> Renderer:
        key = str(target.folders[0])
        if key not in self._renderers:
            self._renderers[key] = Renderer(target)
        return self._renderers[key]

    def _plan(self, job: Job) -> Plan:
        key = (job.spec, job.overrides)
        if key not in self._plans:
            self._plans[key] = lower(loaded(*key, self._messages))
        return self._plans[key]


def _rendered(renderer: Renderer, plan: Plan, job: Job) -> tuple[SourceFile, ...]:
    if job.header:
        return (renderer.header(plan),)
    if job.weights is None:
        return renderer.render(plan, job.library)
    from bpcompile.trained import read_trained

    return (renderer.inference(plan, read_trained(job.weights, plan)),)


@contextlib.contextmanager
def _own_templates(job: Job, target: Target) -> Iterator[None]:
    """A mistake in templates that are the user's own, as a message with its place."""
    try:
        yield
    except (UserError, SpecErrors):
        raise
    except Exception as failure:
        if "/" not in (job.target or ""):
            raise
        if isinstance(failure, SyntaxError):
            where = f'target "{target.name}": line {failure.lineno} of its module'
            raise UserError(f"{where}: {failure.msg}") from failure
        import traceback

        frames = traceback.extract_tb(failure.__traceback__)
        inside = [f for f in frames if Path(f.filename).parent in target.folders]
        if not inside:
            raise
        shown = printable(os.path.relpath(inside[-1].filename))
        raise UserError(f"{shown}:{inside[-1].lineno}: {failure}") from failure


def _path(job: Job, plan: Plan, suffix: str) -> str:
    if not job.output.endswith("/"):
        return job.output
    stem = plan.name if job.spec == STREAM else Path(job.spec).stem
    return job.output + stem + suffix


def _refuse_taken(path: str, owners: dict[str, str]) -> None:
    """Of two outputs in one file; by another way there, it is the same file still."""
    found = os.path.realpath(path)
    if path != STREAM and found in owners:
        raise UserError(f"two outputs would be one file, {printable(path)}; rename one")
    owners[found] = path


def _refuse_same_file(path: str, inputs: Container[object]) -> None:
    if path != STREAM and _identity(path) in inputs:
        raise UserError(f"{printable(path)}: input and output are the same file")


def _identity(path: str) -> object:
    """Equal for all names of one file; what does not exist is equal to nothing."""
    try:
        found = os.stat(path)
    except OSError:
        return object()
    return found.st_dev, found.st_ino


def _refuse_hiding(path: str, text: str) -> None:
    """A module must not stand in the way of what it imports itself."""
    stem = Path(path).stem
    # Looked for first, because the expression is tried at every line.
    named = f"import {stem}" in text or f"from {stem}" in text
    if named and re.search(
        rf"^ *(?:import|from) {re.escape(stem)}\b", text, re.MULTILINE
    ):
        raise UserError(
            f"{printable(path)}: would be taken for the module {stem} that it "
            "imports; choose another name"
        )


# ---- Mistakes of what a configuration asks for -------------------------------------


def _placed(error: SpecError, job: Job) -> SpecError:
    """The same; in an assignment of the configuration, at its place there."""
    place = error.place
    if job.origin is None or place.text not in job.overrides or place.file == job.spec:
        return error
    document, path = job.origin.document, job.origin.path
    at = (*path, "set", job.overrides.index(place.text))
    start = place.column - 1
    return replace(error, place=document.place_within(at, start, start + place.width))


def _of_output(message: str, origin: Origin) -> SpecError:
    place = origin.document.place(origin.path)
    at = pointer(origin.path)
    return SpecError(at, place, "wrong-value", f"{at}: {message}")
