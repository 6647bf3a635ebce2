"""TOML 1.0 -> a Document: the spec language of the JSON reader in other clothes."""

from __future__ import annotations

import re
import tomllib
from typing import Any, NoReturn, TypeAlias

from bpcompile.errors import SpecError, SpecErrors, quote
from bpcompile.source.document import (
    MAX_DEPTH,
    MAX_DIGITS,
    TOO_DEEP,
    Document,
    Path,
    Text,
    decoded,
    pointer,
    refuse,
)
from bpcompile.source.literals import (
    CONTROL,
    NOT_FINITE,
    control_message,
    number,
)
from bpcompile.source.toml_places import DOTTED, KEY, LINE, located, parts
from bpcompile.source.toml_words import advice

# Path, code and message of a value that a spec must not hold.
_Fault: TypeAlias = tuple[Path, str, str]

# Every alternative takes an unclosed string too: otherwise the search would begin again
# at each of its quotes, in quadratic time.
_OPAQUE = re.compile(
    r'"""(?:\\.|[^\\])*?(?:"{3,5}|\Z)|\'\'\'.*?(?:\'{3,5}|\Z)'
    r'|"(?:\\[^\n]|[^"\\\n])*+"?|\'[^\'\n]*+\'?|#[^\n]*',
    re.DOTALL,
)
_DEEP = re.compile(
    rf"(?<![A-Za-z0-9_-])(?:{KEY}[ \t]*+\.[ \t]*+){{{MAX_DEPTH}}}",
)
_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
# How tomllib begins to say that a key or table stands there already.
_TWICE = ("Cannot overwrite", "Cannot declare", "Duplicate inline", "Cannot redefine")
_TOO_LONG = f"integer of more than {MAX_DIGITS} digits"


class _Literal(str):
    """A float, kept as written until its path is known."""


def read_toml(data: bytes, file: str, within: tuple[str, ...] = ()) -> Document:
    """The same spec language in TOML 1.0. Raises SpecErrors, for the values that the
    JSON reader refuses too (control characters, NaN, overflow ...) and for dates.

    Of a file that others share, as pyproject.toml, only the table `within` is looked
    at and held, under its own path: what the others may write is theirs.
    """
    # tomllib counts lines by LF only, so CR LF must not differ from it.
    source = Text(decoded(data, file).replace("\r\n", "\n"), file)
    if not source.text.strip():
        refuse(source.place(0, 0), "syntax", "the file is empty")
    veiled = _OPAQUE.sub(_veil, source.text)
    raw = _parsed(source, veiled)
    faults: list[_Fault] = []
    value = _converted(_kept(raw, within), (), faults)
    document = Document(value, file, *located(source, veiled, raw))
    if faults:
        raise SpecErrors(
            SpecError(pointer(path), document.place(path), code, message)
            for path, code, message in faults
        )
    return document


def _kept(raw: Any, within: tuple[str, ...]) -> Any:
    """What stands in a table, and nothing beside it on the way there."""
    if not within:
        return raw
    name, *deeper = within
    if not isinstance(raw, dict) or name not in raw:
        return {}
    return {name: _kept(raw[name], tuple(deeper))}


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
    span, message, hint = advice(message, source, veiled, offset)
    refuse(source.place(*span), "syntax", message, hint)


def _refuse_twice(source: Text, veiled: str, offset: int) -> NoReturn:
    """Of the statement at or before the offset: its key exists already."""
    before = [line for line in LINE.finditer(veiled) if line.start() < offset]
    last = before[-1]
    header = last[1] is not None
    span = last.span(2 if header else 3)
    inline = re.compile(rf"[{{,][ \t]*({DOTTED})[ \t]*=")
    nested = [] if header else list(inline.finditer(veiled, last.start(), offset))
    if nested:
        span = nested[-1].span(1)
    name = ".".join(part for part, _ in parts(source.text, veiled, span))
    message = f"duplicate key {quote(name)}"
    first = None if nested else _first(source, veiled, before)
    if first is not None:
        message += f", first at {source.where(first)}"
    refuse(source.place(*span), "duplicate-key", message)


def _first(source: Text, veiled: str, before: list[re.Match[str]]) -> int | None:
    """Where the key of the last of these statements stood before, if it is said there
    in the same words and in the same table."""
    firsts: dict[tuple[object, ...], int] = {}
    table: tuple[object, ...] = ()
    for line in before:
        span = line.span(2 if line[1] else 3)
        words = tuple(word for word, _ in parts(source.text, veiled, span))
        if line[1] == "[[":
            # Each is a table of its own.
            table = (*words, line.start())
            continue
        said = words if line[1] else (*table, *words)
        table = words if line[1] else table
        if line is before[-1]:
            return firsts.get(said)
        firsts.setdefault(said, span[0])
    return None


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
        message = f"{node} is a date or time, where none is expected"
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
