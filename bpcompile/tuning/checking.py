"""Whether every value of a space makes a spec, found out before the first trial."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from bpcompile.errors import SpecError, SpecErrors
from bpcompile.source import Document, pointer
from bpcompile.source.override import overridden, path_of
from bpcompile.tuning.reading import SpaceFile
from bpcompile.tuning.space import Space, Values
from bpcompile.tuning.variants import HIDDEN, SIZE, assignments
from bpcompile.validate import validate

_Path = tuple[str | int, ...]


@dataclass(frozen=True)
class _Tried:
    """One value of a parameter: what the parameter is called, where both stand."""

    name: str
    value: Any
    parameter: _Path
    place: _Path


def check_space(document: Document, file: SpaceFile) -> None:
    """Compile the spec with both ends of every range and with every choice.

    A value is refused that makes no spec, neither with the values that the spec has
    elsewhere nor with one other value of the space. Raises SpecErrors with every
    mistake, at its place in the space file.
    """
    found = list(_mistakes_of_paths(file))
    if found:
        raise SpecErrors(found)
    tried = list(_tried(file.space))
    for one in tried:
        errors = _errors(document, file.space, [one])
        conflict = errors and all(error.code == "conflict" for error in errors)
        if conflict and _goes_with_another(document, file.space, one, tried):
            continue
        found += (_placed(error, one, file.document) for error in errors)
    if found:
        raise SpecErrors(dict.fromkeys(found))


def _mistakes_of_paths(file: SpaceFile) -> Iterator[SpecError]:
    """Paths that are none, and those of which one stands in the other."""
    known: dict[_Path, str] = {}
    for text in file.space.set:
        try:
            path = path_of(text)
        except SpecErrors as failure:
            message, hint = failure.errors[0].message, failure.errors[0].hint
            yield _of_key(file, text, "syntax", message, hint)
            continue
        written = path[0] == "layers" and path[1:2] != (0,)
        if written and file.space.hidden_layers is not None:
            hint = f"say it in {HIDDEN}, or leave that out"
            message = f"{HIDDEN} writes all layers but the first"
            yield _of_key(file, text, "conflict", message, hint)
        for other, name in known.items():
            shorter = min(len(path), len(other))
            if path[:shorter] == other[:shorter]:
                message = f"it is {name}, or one of the two stands in the other"
                yield _of_key(file, text, "conflict", message, "leave one of them out")
        known[path] = text


def _of_key(
    file: SpaceFile, text: str, code: str, message: str, hint: str
) -> SpecError:
    path = ("set", text)
    place = file.document.place(path, key=True)
    return SpecError(pointer(path), place, code, f"{pointer(path)}: {message}", hint)


def _tried(space: Space) -> Iterator[_Tried]:
    """Every value that stands for others; those of one hidden layer stand for all."""
    named: list[tuple[str, _Path, Values]] = [
        (path, ("set", path), values) for path, values in space.set.items()
    ]
    if space.hidden_layers is not None:
        counted = space.hidden_layers.count
        named.append((HIDDEN, (HIDDEN, "count"), counted))
        for key, held in space.hidden_layers.keys.items():
            name = f"{HIDDEN}.{key}" if held.shared else f"layers[1].{key}"
            named.append((name, (HIDDEN, key), held))
    for name, path, values in named:
        for place, value in values.ends.items():
            yield _Tried(name, value, path, (*path, *place))


def _errors(
    document: Document, space: Space, given: Iterable[_Tried]
) -> tuple[SpecError, ...]:
    """What is wrong with the spec that has these values, and elsewhere its own."""
    values = {one.name: one.value for one in given}
    hidden = space.hidden_layers
    if hidden is not None and any(name not in space.set for name in values):
        count = len(document.value["layers"]) - 2
        values.setdefault(HIDDEN, max(1, count))
        if not count and SIZE in hidden.keys:
            # There is no layer whose size the new ones could have.
            size = next(iter(hidden.keys[SIZE].ends.values()))
            named = f"{HIDDEN}.{SIZE}" if hidden.keys[SIZE].shared else ""
            for number in range(1, values[HIDDEN] + 1):
                values.setdefault(named or f"layers[{number}].{SIZE}", size)
    try:
        validate(overridden(document, assignments(document, space, values)))
    except SpecErrors as failure:
        return failure.errors
    return ()


def _goes_with_another(
    document: Document, space: Space, one: _Tried, others: Iterable[_Tried]
) -> bool:
    rest = (other for other in others if other.name != one.name)
    return any(not _errors(document, space, [one, other]) for other in rest)


def _placed(error: SpecError, one: _Tried, document: Document) -> SpecError:
    """The mistake at its place in the space: a key that is none, else the value."""
    text, place = error.place.text, error.place
    in_path = place.file == "--set" and place.column <= len(text.partition("=")[0])
    if error.code == "unknown-key" or (in_path and one.parameter[0] == "set"):
        return replace(error, place=document.place(one.parameter, key=True))
    message = error.message
    if error.code == "conflict":
        message = f"{message}, where {one.name} is {json.dumps(one.value)}"
    return replace(error, place=document.place(one.place), message=message)
