"""A space file -> a Space and where each of its values stands, with every mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from bpcompile.errors import SpecError, SpecErrors, nearest, quote
from bpcompile.source import Document, pointer, read_file
from bpcompile.tuning.space import Count, HiddenLayers, Shared, Space, Values

#: What Pydantic finds -> code and what was expected.
_EXPECTED: Mapping[str, tuple[str, str]] = {
    "model_type": ("wrong-type", "an object"),
    "model_attributes_type": ("wrong-type", "an object"),
    "dict_type": ("wrong-type", "an object"),
    "int_type": ("wrong-type", "a whole number"),
    "float_type": ("wrong-type", "a number"),
    "bool_type": ("wrong-type", "true or false"),
    "string_type": ("wrong-type", "a string"),
    "bounds": ("wrong-type", "[lowest, highest]"),
    "several": ("wrong-type", "an array of values"),
    "literal_error": ("unknown-value", "1"),
    "greater_than": ("out-of-range", "a number above 0"),
}
_EXAMPLE = (
    '{"set": {"hyperparameters.learning_rate": {"float": [0.01, 1], "log": true}}}'
)


@dataclass(frozen=True)
class SpaceFile:
    """A space with the document that it was read from."""

    space: Space
    document: Document


def read_space(path: str) -> SpaceFile:
    """The space in a file, JSON or by its suffix TOML.

    Raises UserError where the file cannot be read, SpecErrors with every mistake.
    """
    document = read_file(path)
    try:
        return SpaceFile(Space.model_validate(document.value), document)
    except ValidationError as failure:
        details = failure.errors(include_url=False)
    # A misspelt key is one mistake, though the right one is missing then.
    found = [error for detail in details for error in _errors(dict(detail), document)]
    misspelt = {e.path.rpartition("/")[0] for e in found if "did you mean" in e.hint}
    raise SpecErrors(
        error
        for error in found
        if error.code != "missing-key" or error.path.rpartition("/")[0] not in misspelt
    )


def _errors(detail: dict[str, Any], document: Document) -> Iterator[SpecError]:
    path, value = tuple(detail["loc"]), detail["input"]
    kind, code, hint = detail["type"], "wrong-value", ""
    message = f"is {quote(value)}: {detail['msg'].lower()}"
    if kind == "rule":
        code, message = "conflict", detail["ctx"]["message"]
        path = (*path, *filter(None, [detail["ctx"]["key"]]))
        hint = f"such as {_EXAMPLE}" if path == () else ""
    elif kind == "extra_forbidden":
        known = _keys_at(path[:-1])
        meant = nearest(str(path[-1]), known)
        code, message = "unknown-key", "is not a key of a space"
        listed = f"one of: {', '.join(known)}"
        hint = f'did you mean "{meant}"? ({listed})' if meant else listed
    elif kind == "missing":
        code, message, hint = "missing-key", "is missing", f'add "{path[-1]}"'
    elif kind in _EXPECTED:
        code, expected = _EXPECTED[kind]
        message = f"is {quote(value)}, expected {expected}"
    place = document.place(path, key=code == "unknown-key")
    shown = pointer(path) or "the space"
    yield SpecError(pointer(path), place, code, f"{shown} {message}", hint)


def _keys_at(path: tuple[str | int, ...]) -> tuple[str, ...]:
    """The keys that the object at a path may have."""
    section: type[Any] = Values
    if path in ((), ("hidden_layers",)):
        section = HiddenLayers if path else Space
    elif path == ("hidden_layers", "count"):
        section = Count
    elif path[0] == "hidden_layers":
        section = Shared
    fields = section.model_fields
    names = tuple(fields[name].alias or name for name in fields)
    return tuple(name for name in names if not name.startswith("$"))
