"""`--set PATH=VALUE` -> a Document with one value changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, TypeAlias

from bpcompile.errors import MAX_QUOTED, Place, quote
from bpcompile.source.document import (
    Document,
    Mark,
    Path,
    Text,
    pointer,
    refuse,
    refuse_surrogate,
)
from bpcompile.source.literals import is_reserved
from bpcompile.source.scanner import Scanner

# A key or index of the path, and where it stands in the assignment.
_Step: TypeAlias = tuple[str | int, Mark]

_STEP = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]{1,9})\]")
_BARE_WORD = re.compile(r"[ \t\r\n]*([A-Za-z_][A-Za-z0-9_]*)[ \t]*")
_MISSING = object()


def override(document: Document, assignment: str) -> Document:
    """The document with one `PATH=VALUE` applied, as `layers[1].size=40`.

    VALUE is JSON, or a bare word for a string. Objects missing on the way are made;
    on the way, a string becomes `{"kind": string}` and an integer among the layers
    `{"size": integer}`. Raises SpecErrors, placed in the assignment as file "--set".
    """
    source = Text(assignment, "--set", single=True)
    refuse_surrogate(source)
    steps, at = _steps(source)
    path = tuple(step for step, _ in steps)
    scanner = Scanner(source)
    word = _BARE_WORD.fullmatch(assignment, at)
    if word and not is_reserved(word[1]):
        value: Any = word[1]
        scanner.marks[path] = (source, *word.span(1))
    else:
        value = scanner.read(at, path)

    nodes: list[Any] = []
    node: Any = document.value
    for depth, (step, mark) in enumerate(steps):
        node = _entered(node, path[:depth], step, source.place(*mark[1:]))
        nodes.append(node)
        node = node.get(step, _MISSING) if isinstance(node, dict) else node[step]
        # Unmarked too is what a string was short for.
        if node is _MISSING or path[: depth + 1] not in document.marks:
            scanner.marks.setdefault(path[: depth + 1], mark)
        if isinstance(step, str):
            scanner.key_marks[path[: depth + 1]] = mark
    for node, step in zip(reversed(nodes), reversed(path), strict=True):
        if isinstance(node, dict):
            value = {**node, step: value}
        else:
            value = tuple(value if i == step else old for i, old in enumerate(node))

    # What the assignment only passes through keeps the place it had.
    marks = scanner.marks | _outside(document.marks, path)
    key_marks = scanner.key_marks | _outside(document.key_marks, path)
    return Document(value, document.file, marks, key_marks)


def overridden(document: Document, assignments: Iterable[str]) -> Document:
    """The document with every PATH=VALUE applied, in order. Raises SpecErrors."""
    for assignment in assignments:
        document = override(document, assignment)
    return document


def path_of(text: str) -> Path:
    """The path that stands before the "=" of an assignment. Raises SpecErrors."""
    source = Text(f"{text}=", "--set", single=True)
    steps, at = _steps(source)
    if at <= len(text):
        _refuse_path(source, at - 1)
    return tuple(step for step, _ in steps)


def _outside(marks: Mapping[Path, Mark], path: Path) -> dict[Path, Mark]:
    return {p: mark for p, mark in marks.items() if p[: len(path)] != path}


def _steps(source: Text) -> tuple[list[_Step], int]:
    """The steps of the path, and the offset after the "="."""
    text = source.text
    steps: list[_Step] = []
    at = 0
    while True:
        match = _STEP.match(text, at)
        # A name stands first and after each point; an index stands anywhere else.
        named = text[at - 1 : at] in ("", ".")
        if match is None or (match[1] is not None) != named:
            _refuse_path(source, at)
        step = match[1] if match[1] else int(match[2])
        steps.append((step, (source, *match.span())))
        at = match.end()
        if text.startswith("=", at):
            return steps, at + 1
        if text.startswith(".", at):
            at += 1
        elif not text.startswith("[", at):
            _refuse_path(source, at)


def _refuse_path(source: Text, at: int) -> NoReturn:
    got = f"got {quote(source.text[at])}" if at < len(source.text) else "got its end"
    message = f"malformed assignment: expected PATH=VALUE, {got}"
    refuse(source.place(at, at + 1), "syntax", message, _path_advice(source.text, at))


def _path_advice(text: str, at: int) -> str:
    path = text.partition("=")[0]
    if len(path) <= MAX_QUOTED:
        if text[at : at + 1].isspace():
            return "write it without spaces, as in layers[1].size=40"
        indexed = re.sub(r"\.([0-9]+)(?![^.\[])", r"[\1]", path)
        if text[at : at + 1].isdigit() and indexed != path:
            return f"an index goes in brackets: {indexed}"
    return "such as layers[1].size=40"


def _entered(node: Any, path: Path, step: str | int, place: Place) -> Any:
    """The value at `path` as something that `step` can go into: a dict for a key, a
    tuple that has the index for an index. Raises SpecErrors, at `place`."""
    name, inner = pointer(path) or "the spec", (*path, step)
    if isinstance(step, str):
        if node is _MISSING:
            return {}
        if isinstance(node, dict):
            return node
        if isinstance(node, str):
            return {"kind": node}
        is_layer = len(path) == 2 and path[0] == "layers" and isinstance(path[1], int)
        if is_layer and isinstance(node, int) and not isinstance(node, bool):
            return {"size": node}
        is_array = isinstance(node, tuple)
        hint = "an index goes in brackets, as in layers[1]" if is_array else ""
        message = f"{name} is {quote(node)}, not an object"
        refuse(place, "wrong-type", message, hint, inner)
    if not isinstance(node, tuple):
        found = "missing" if node is _MISSING else quote(node)
        refuse(place, "wrong-type", f"{name} is {found}, not an array", path=inner)
    if step >= len(node):
        hint = f"it has {len(node)}, counted from 0"
        refuse(place, "out-of-range", f"{name} has no element {step}", hint, inner)
    return node
