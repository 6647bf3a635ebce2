"""TOML 1.0 -> a Document: the spec language of the JSON reader in other clothes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any, NoReturn, TypeAlias

from bpcompile.errors import SpecError, SpecErrors, quote
from bpcompile.source.document import (
    MAX_DEPTH,
    MAX_DIGITS,
    TOO_DEEP,
    Document,
    Mark,
    Path,
    Text,
    decoded,
    pointer,
    refuse,
)
from bpcompile.source.literals import (
    CONSTANTS,
    CONTROL,
    NOT_FINITE,
    control_message,
    is_reserved,
    number,
    short,
)

# Path, code and message of a value that a spec must not hold.
_Fault: TypeAlias = tuple[Path, str, str]
_Span: TypeAlias = tuple[int, int]

# Every alternative takes an unclosed string too: otherwise the search would begin again
# at each of its quotes, in quadratic time.
_OPAQUE = re.compile(
    r'"""(?:\\.|[^\\])*?(?:"{3,5}|\Z)|\'\'\'.*?(?:\'{3,5}|\Z)'
    r'|"(?:\\[^\n]|[^"\\\n])*+"?|\'[^\'\n]*+\'?|#[^\n]*',
    re.DOTALL,
)
_KEY = r"[A-Za-z0-9_-]++"
_DOTTED = rf"{_KEY}(?:[ \t]*+\.[ \t]*+{_KEY})*+"
_PART = re.compile(_KEY)
# A header, or a key and the beginning of its value, on a line of veiled text.
_LINE = re.compile(
    rf"^[ \t]*(?:(\[\[?)[ \t]*({_DOTTED})[ \t]*\]\]?[ \t]*$"
    rf"|({_DOTTED})[ \t]*=[ \t]*([\[{{]|[^\s,\]}}]+)?)",
    re.MULTILINE,
)
_DEEP = re.compile(
    rf"(?<![A-Za-z0-9_-])(?:{_KEY}[ \t]*+\.[ \t]*+){{{MAX_DEPTH}}}",
)
_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
# How tomllib begins to say that a key or table stands there already.
_TWICE = ("Cannot overwrite", "Cannot declare", "Duplicate inline", "Cannot redefine")
_TOO_LONG = f"integer of more than {MAX_DIGITS} digits"


class _Literal(str):
    """A float, kept as written until its path is known."""


def read_toml(data: bytes, file: str) -> Document:
    """The same spec language in TOML 1.0. Raises SpecErrors, for the values that the
    JSON reader refuses too (control characters, NaN, overflow ...) and for dates.

    Tables, arrays of tables and `key =` lines have places of their own; what stands
    inside an inline array or table has that of its line's value.
    """
    # tomllib counts lines by LF only, so CR LF must not differ from it.
    source = Text(decoded(data, file).replace("\r\n", "\n"), file)
    if not source.text.strip():
        refuse(source.place(0, 0), "syntax", "the file is empty")
    veiled = _OPAQUE.sub(_veil, source.text)
    raw = _parsed(source, veiled)
    faults: list[_Fault] = []
    value = _converted(raw, (), faults)
    document = Document(value, file, *_located(source, veiled, raw))
    if faults:
        raise SpecErrors(
            SpecError(pointer(path), document.place(path), code, message)
            for path, code, message in faults
        )
    return document


def _veil(opaque: re.Match[str]) -> str:
    """A string becomes a bare word of the same length, a comment white space."""
    return (" " if opaque[0].startswith("#") else "x") * len(opaque[0])


def _parsed(source: Text, veiled: str) -> dict[str, Any]:
    deep = _DEEP.search(veiled)
    if deep:
        # tomllib takes time quadratic in the parts of a dotted key.
        refuse(source.place(deep.start(), deep.start() + 1), "too-large", TOO_DEEP)
    try:
        return tomllib.loads(source.text, parse_float=_Literal)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        where = _WHERE.search(message)
        offset = len(source.text.rstrip())
        if where and where[1]:
            offset = source.starts[int(where[1]) - 1] + int(where[2]) - 1
        _refuse_syntax(source, veiled, _WHERE.sub("", message), offset)
    except RecursionError:
        refuse(source.place(0, 1), "too-large", TOO_DEEP)
    except ValueError:
        # Python's own limit on the digits of int().
        digits = re.search(rf"[0-9][0-9_]{{{MAX_DIGITS},}}", veiled)
        start, end = digits.span() if digits else (0, 1)
        refuse(source.place(start, end), "too-large", _TOO_LONG)


def _refuse_syntax(source: Text, veiled: str, message: str, offset: int) -> NoReturn:
    """In the user's terms where tomllib's own say too little."""
    text = source.text
    start = len(text) - len(text.lstrip())
    # No statement of TOML begins so.
    if text[start] == "{":
        hint = "rename it to end in .json"
        refuse(source.place(start, start + 1), "syntax", "this is JSON, not TOML", hint)
    if message.startswith(_TWICE):
        _refuse_twice(source, veiled, offset)
    word = _WORD.match(text, offset)
    if message == "Invalid value" and word:
        refuse(source.place(*word.span()), "syntax", *_word_advice(word[0]))
    message = message[:1].lower() + message[1:]
    refuse(source.place(offset, offset + 1), "syntax", message)


def _word_advice(word: str) -> tuple[str, str]:
    shown, folded = short(word), word.lower()
    if not is_reserved(word):
        return f"expected a value, got {shown}", f'write "{shown}" in double quotes'
    if folded in NOT_FINITE:
        return f"{shown} is not allowed", "numbers must be finite"
    hint = f"write {folded}" if CONSTANTS.get(folded) is not None else "leave it out"
    return f"{shown} is not TOML", hint


def _refuse_twice(source: Text, veiled: str, offset: int) -> NoReturn:
    """Of the statement at or before the offset: its key exists already."""
    before = [line for line in _LINE.finditer(veiled) if line.start() < offset]
    last = before[-1]
    header = last[1] is not None
    span = last.span(2 if header else 3)
    inline = re.compile(rf"[{{,][ \t]*({_DOTTED})[ \t]*=")
    nested = [] if header else list(inline.finditer(veiled, last.start(), offset))
    if nested:
        span = nested[-1].span(1)
    name = ".".join(part for part, _ in _parts(source.text, veiled, span))
    message = f"duplicate key {quote(name)}"
    refuse(source.place(*span), "duplicate-key", message)


def _converted(node: Any, path: Path, faults: list[_Fault]) -> Any:
    """The value in the types of a Document; what it must not hold goes to `faults`."""
    if len(path) > MAX_DEPTH:
        faults.append((path, "too-large", TOO_DEEP))
        return None
    if isinstance(node, dict):
        for key in node:
            _check_text(key, path, faults, key=True)
        return {key: _converted(node[key], (*path, key), faults) for key in node}
    if isinstance(node, list):
        return tuple(_converted(v, (*path, i), faults) for i, v in enumerate(node))
    if isinstance(node, _Literal):
        return _float(node, path, faults)
    if isinstance(node, str):
        _check_text(node, path, faults, key=False)
    elif not isinstance(node, int):
        message = f"{node} is a date or time; a spec holds none"
        faults.append((path, "syntax", message))
    # Compared as numbers: str() of a long integer is itself refused by Python.
    elif abs(node) >= 10**MAX_DIGITS:
        faults.append((path, "too-large", _TOO_LONG))
    return node


def _check_text(text: str, path: Path, faults: list[_Fault], key: bool) -> None:
    control = CONTROL.search(text)
    if control:
        faults.append((path, "encoding", control_message(control[0], path, key)))


def _float(literal: str, path: Path, faults: list[_Fault]) -> float:
    if literal.lstrip("+-") in NOT_FINITE:
        message = f"{literal} is not allowed: numbers must be finite"
        faults.append((path, "syntax", message))
        return 0.0
    value, code, message = number(str(literal), whole=False)
    if code:
        faults.append((path, code, message))
    return value


def _located(
    source: Text, veiled: str, value: Any
) -> tuple[dict[Path, Mark], dict[Path, Mark]]:
    """Where tables, keys and the values beside them stand.

    A line inside an array can look like a header; only what leads to a part of
    `value` counts.
    """
    marks: dict[Path, Mark] = {(): (source, 0, 1)}
    key_marks: dict[Path, Mark] = {}
    table: Path = ()
    counts: dict[Path, int] = {}
    for line in _LINE.finditer(veiled):
        bracket = line[1]
        parts = _parts(source.text, veiled, line.span(2 if bracket else 3))
        if not bracket:
            path = table
            for part, span in parts:
                path = (*path, part)
                if _exists(value, path):
                    key_marks.setdefault(path, (source, *span))
                    marks.setdefault(path, (source, *span))
            if line[4] and _exists(value, path):
                marks[path] = (source, *line.span(4))
            continue
        path = ()
        for part, _ in parts[:-1]:
            path = _newest((*path, part), counts)
        # Of an array of tables, the array itself.
        path = (*path, parts[-1][0])
        if bracket == "[[":
            counts[path] = counts.get(path, 0) + 1
        if _exists(value, _newest(path, counts)):
            table = _newest(path, counts)
            mark = (source, line.start(1), line.start(1) + 1)
            marks.setdefault(path, mark)
            marks.setdefault(table, mark)
            key_marks.setdefault(path, (source, *parts[-1][1]))
    return marks, key_marks


def _parts(text: str, veiled: str, within: _Span) -> list[tuple[str, _Span]]:
    """The parts of a dotted key, with their spans."""
    spans = [part.span() for part in _PART.finditer(veiled, *within)]
    return [(_name(text[start:end]), (start, end)) for start, end in spans]


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
