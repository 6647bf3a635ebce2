"""Where the parts of a TOML text stand, which tomllib does not say.

What is looked through is `veiled` text: every string has become a bare word of the same
length and every comment white space, so that brackets, commas and signs are TOML's own.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any, TypeAlias

from bpcompile.source.document import Mark, Path, Text

_Span: TypeAlias = tuple[int, int]
_Marks: TypeAlias = dict[Path, Mark]

KEY = r"[A-Za-z0-9_-]++"
DOTTED = rf"{KEY}(?:[ \t]*+\.[ \t]*+{KEY})*+"
# A header, or a key and the beginning of its value, on a line.
LINE = re.compile(
    rf"^[ \t]*(?:(\[\[?)[ \t]*({DOTTED})[ \t]*\]\]?[ \t]*$"
    rf"|({DOTTED})[ \t]*=[ \t]*([\[{{]|[^\s,\]}}]+)?)",
    re.MULTILINE,
)
_PART = re.compile(KEY)
_WORD = r"[^\s\[\]{},]++"
# Inside an array or an inline table: a key, a bracket or comma, or a value, which is one
# word or, as a date with its time, two.
_TOKEN = re.compile(rf"({DOTTED})[ \t]*+=|([\[\]{{}},])|{_WORD}(?: {_WORD})?")


def located(source: Text, veiled: str, value: Any) -> tuple[_Marks, _Marks]:
    """The mark of every value and table, and of every key under its value's path."""
    marks: _Marks = {(): (source, 0, 1)}
    key_marks: _Marks = {}
    table: Path = ()
    counts: dict[Path, int] = {}
    end = 0
    for line in LINE.finditer(veiled):
        # A line inside an array can look like a header.
        if line.start() < end:
            continue
        bracket = line[1]
        named = parts(source.text, veiled, line.span(2 if bracket else 3))
        if not bracket:
            path = _mark_key(source, table, named, marks, key_marks)
            if line[4]:
                marks[path] = (source, *line.span(4))
            if line[4] in ("[", "{"):
                end = _mark_inside(
                    source, veiled, line.start(4), path, marks, key_marks
                )
            continue
        path = ()
        for part, _ in named[:-1]:
            path = _newest((*path, part), counts)
        # Of an array of tables, the array itself.
        path = (*path, named[-1][0])
        if bracket == "[[":
            counts[path] = counts.get(path, 0) + 1
        if _exists(value, _newest(path, counts)):
            table = _newest(path, counts)
            mark = (source, line.start(1), line.start(1) + 1)
            marks.setdefault(path, mark)
            marks.setdefault(table, mark)
            key_marks.setdefault(path, (source, *named[-1][1]))
    return marks, key_marks


def parts(text: str, veiled: str, within: _Span) -> list[tuple[str, _Span]]:
    """The parts of a dotted key, with their spans."""
    spans = [part.span() for part in _PART.finditer(veiled, *within)]
    return [(_name(text[start:end]), (start, end)) for start, end in spans]


def _mark_key(
    source: Text,
    table: Path,
    named: list[tuple[str, _Span]],
    marks: _Marks,
    key_marks: _Marks,
) -> Path:
    """The path of the value under a dotted key; what it passes through is marked."""
    path = table
    for part, span in named:
        path = (*path, part)
        key_marks.setdefault(path, (source, *span))
        marks.setdefault(path, (source, *span))
    return path


def _mark_inside(
    source: Text,
    veiled: str,
    start: int,
    path: Path,
    marks: _Marks,
    key_marks: _Marks,
) -> int:
    """Mark all that is in the array or inline table that opens at an offset; the offset
    behind it."""
    # What is open: its path, and the number of the next value (of an array), or None.
    opened: list[tuple[Path, int | None]] = []
    for token in _TOKEN.finditer(veiled, start):
        key, sign = token[1], token[2]
        if key:
            named = parts(source.text, veiled, token.span(1))
            path = _mark_key(source, opened[-1][0], named, marks, key_marks)
        elif sign in ("]", "}"):
            opened.pop()
            if not opened:
                return token.end()
        elif sign == ",":
            outer, count = opened[-1]
            if count is not None:
                opened[-1] = (outer, count + 1)
                path = (*outer, count + 1)
        else:
            marks[path] = (source, *token.span())
        if sign in ("[", "{"):
            opened.append((path, 0 if sign == "[" else None))
            path = (*path, 0) if sign == "[" else path
    return len(veiled)


def _name(part: str) -> str:
    if part[0] not in "\"'":
        return part
    try:
        return str(tomllib.loads(f"k = {part}")["k"])
    except tomllib.TOMLDecodeError:
        # Not a key then, but something inside an array.
        return ""


def _newest(path: Path, counts: Mapping[Path, int]) -> Path:
    """Of an array of tables, its last table so far."""
    return (*path, counts[path] - 1) if path in counts else path


def _exists(value: Any, path: Path) -> bool:
    try:
        for step in path:
            value = value[step]
    except (KeyError, IndexError, TypeError):
        return False
    return True
