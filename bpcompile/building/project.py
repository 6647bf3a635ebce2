"""The outputs that a project keeps in step, from its pyproject.toml.

    [tool.bpcompile]
    outputs = [
      {spec = "net.json", output = "net.py"},
      {spec = "net.json", output = "src/", target = "...", set = ["name=other"]},
    ]

The keys of an output are the options of `bpcompile build`, and paths are relative to the
file they stand in. A bpcompile.toml has the same keys at its top level.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from bpcompile.building.jobs import STREAM, Job, Origin
from bpcompile.errors import SpecError, SpecErrors, UserError, nearest, quote
from bpcompile.source import Document, pointer
from bpcompile.source.files import file_bytes
from bpcompile.source.toml import read_toml
from bpcompile.target import target_names

Table: TypeAlias = Mapping[str, Any]
_Path: TypeAlias = tuple[str | int, ...]

SHARED = "pyproject.toml"
#: Both names of a configuration, the one that counts where both are, and where in the
#: file the keys stand.
PLACES: Mapping[str, tuple[str, ...]] = {
    "bpcompile.toml": (),
    SHARED: ("tool", "bpcompile"),
}
OUTPUTS = "outputs"

_TEXT, _FLAG, _TEXTS = "a text", "true or false", "an array of texts"
#: What each key of an output holds.
_KEYS: Mapping[str, str] = {
    "spec": _TEXT,
    "output": _TEXT,
    "target": _TEXT,
    "set": _TEXTS,
    "library": _FLAG,
    "inference": _FLAG,
    "weights": _TEXT,
    "header": _FLAG,
}
_TYPES: Mapping[str, Any] = {_TEXT: str, _FLAG: bool, _TEXTS: tuple}
_REQUIRED = ("spec", "output")
_FORMS = ("library", "inference", "header")
_EXAMPLE = '{spec = "net.json", output = "net.py"}'


def candidates(folder: Path) -> Iterator[Path]:
    """Where a configuration may stand, the nearest first."""
    for place in (folder, *folder.parents):
        yield from (place / name for name in PLACES)


def nearest_configuration(folder: Path) -> Path:
    """The nearest configuration from that folder upwards.

    A pyproject.toml that does not speak of bpcompile is none. Raises UserError where
    there is none, SpecErrors where a file on the way cannot be read as TOML.
    """
    for path in candidates(folder):
        shared = path.name == SHARED
        if path.is_file() and not (shared and _held(_document(path)) is None):
            return path
    table = ".".join(PLACES[SHARED])
    message = f"no SPEC is given, and no {SHARED} here or above has a [{table}]"
    raise UserError(f"{message}; list its {OUTPUTS} there, or name a SPEC")


def jobs(configuration: Path) -> tuple[Job, ...]:
    """What a configuration asks for. Raises SpecErrors with every mistake in it."""
    document = _document(configuration)
    at = PLACES.get(configuration.name, ())
    table = _held(document)
    mistakes = list(_mistakes(document, at, table))
    if mistakes:
        raise SpecErrors(mistakes)
    folder = os.path.dirname(document.file)
    return tuple(
        _job(output, folder, Origin(document, (*at, OUTPUTS, i)))
        for i, output in enumerate(table[OUTPUTS])
    )


def _document(path: Path) -> Document:
    # Relative, because what is printed must not depend on where the project lies.
    shown = os.path.relpath(path)
    return read_toml(file_bytes(shown), shown, PLACES.get(path.name, ()))


def _held(document: Document) -> Any:
    """What stands where the keys should be; None where nothing does."""
    held = document.value
    for name in PLACES.get(os.path.basename(document.file), ()):
        held = held.get(name) if isinstance(held, dict) else None
    return held


def _job(output: Table, folder: str, origin: Origin) -> Job:
    def path(name: str) -> str:
        # Not normalised: a folder keeps its slash.
        return os.path.join(folder, name)

    target, weights = output.get("target"), output.get("weights")
    return Job(
        path(output["spec"]),
        path(output["output"]),
        path(target) if target and "/" in target else target,
        tuple(output.get("set", ())),
        output.get("library", False),
        output.get("header", False),
        path(weights) if weights else None,
        origin,
    )


# ---- Mistakes ----------------------------------------------------------------------


def _mistakes(document: Document, at: _Path, table: Any) -> Iterator[SpecError]:
    if not isinstance(table, dict):
        message = f"is {quote(table)}, expected a table"
        if table is None:
            message = "is missing"
        yield _mistake(document, at, "wrong-type", message, f"it lists {OUTPUTS}")
        return
    shared, own = PLACES[SHARED]
    if not at and isinstance(table.get(shared), dict) and own in table[shared]:
        message = f"is that of a {SHARED}"
        hint = f"other files have {OUTPUTS} at the top, under no [{shared}.{own}]"
        yield _mistake(document, PLACES[SHARED], "unknown-key", message, hint)
        return
    for key in table.keys() - {OUTPUTS}:
        yield _unknown(document, (*at, key), (OUTPUTS,))
    path, outputs = (*at, OUTPUTS), table.get(OUTPUTS)
    if OUTPUTS not in table:
        if not any(nearest(key, [OUTPUTS]) for key in table):
            hint = f"add {OUTPUTS} = [{_EXAMPLE}]"
            yield _mistake(document, path, "missing-key", "is missing", hint)
    elif not isinstance(outputs, tuple):
        message = f"is {quote(outputs)}, expected an array of tables"
        yield _mistake(document, path, "wrong-type", message, f"such as [{_EXAMPLE}]")
    elif not outputs:
        message = "is empty: there is nothing to build"
        yield _mistake(document, path, "out-of-range", message, f"add {_EXAMPLE}")
    else:
        for i, output in enumerate(outputs):
            yield from _mistakes_of_output(document, (*path, i), output)


def _mistakes_of_output(
    document: Document, path: _Path, output: Any
) -> Iterator[SpecError]:
    if not isinstance(output, dict):
        message = f"is {quote(output)}, expected a table"
        yield _mistake(document, path, "wrong-type", message, f"such as {_EXAMPLE}")
        return
    unknown = [key for key in output if key not in _KEYS]
    meant = {nearest(key, _KEYS) for key in unknown}
    for key in unknown:
        yield _unknown(document, (*path, key), _KEYS)
    for key in _REQUIRED:
        if key not in output and key not in meant:
            message, hint = "is missing", f'add {key} = "..."'
            yield _mistake(document, (*path, key), "missing-key", message, hint)
    for key in output.keys() & _KEYS.keys():
        yield from _mistakes_of_value(document, (*path, key), output[key])
    yield from _conflicts(document, path, output)


def _mistakes_of_value(
    document: Document, path: _Path, value: Any
) -> Iterator[SpecError]:
    kind = _KEYS[str(path[-1])]
    if type(value) is not _TYPES[kind]:
        message = f"is {quote(value)}, expected {kind}"
        yield _mistake(document, path, "wrong-type", message)
    elif kind == _TEXTS:
        for i, part in enumerate(value):
            if not isinstance(part, str):
                message = f"is {quote(part)}, expected {_TEXT}"
                yield _mistake(document, (*path, i), "wrong-type", message)
    elif value in ("", STREAM):
        message = f"is {quote(value)}, expected the name of a file"
        yield _mistake(document, path, "wrong-value", message)
    elif path[-1] == "target" and "/" not in value and value not in target_names():
        hint = _one_of(value, target_names())
        yield _mistake(document, path, "unknown-value", f"is {quote(value)}", hint)


def _conflicts(document: Document, path: _Path, output: Table) -> Iterator[SpecError]:
    first, *others = [form for form in _FORMS if output.get(form) is True] or [""]
    for form in others:
        message = f"does not go with {first}"
        yield _mistake(document, (*path, form), "conflict", message)
    if "weights" in output and output.get("inference") is not True:
        hint = "add inference = true"
        message = "goes with inference"
        yield _mistake(document, (*path, "weights"), "conflict", message, hint)
    if output.get("inference") is True and "weights" not in output:
        message, hint = "needs weights", 'add weights = "....safetensors"'
        yield _mistake(document, (*path, "inference"), "conflict", message, hint)


def _unknown(document: Document, path: _Path, keys: Iterable[str]) -> SpecError:
    message = "is not a key of the configuration"
    hint = _one_of(str(path[-1]), keys)
    return _mistake(document, path, "unknown-key", message, hint)


def _one_of(word: str, words: Iterable[str]) -> str:
    near, listed = nearest(word, words), f"one of: {', '.join(words)}"
    return f'did you mean "{near}"? ({listed})' if near else listed


def _mistake(
    document: Document, path: _Path, code: str, message: str, hint: str = ""
) -> SpecError:
    place = document.place(path, key=code in ("unknown-key", "conflict"))
    at = pointer(path)
    return SpecError(at, place, code, f"{at or 'the configuration'} {message}", hint)
