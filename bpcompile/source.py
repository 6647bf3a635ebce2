"""Spec text -> its value and where each key and value stands (line:column).

Strict JSON (RFC 8259), the same data in TOML, and `--set` assignments. The standard
`json` module is not used: it accepts NaN, duplicate keys and lone surrogates, and its
messages do not say how to mend the text.
"""

from __future__ import annotations

import math
import os
import re
import stat
import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, NoReturn, TypeAlias

from bpcompile.errors import Place, SpecError, SpecErrors, UserError, printable, quote

MAX_BYTES = 8 * 2**20
MAX_DEPTH = 64
MAX_DIGITS = 300
MAX_VALUES = 200_000

Path: TypeAlias = tuple[str | int, ...]
Span: TypeAlias = tuple[int, int]

_LINE_END = re.compile(r"\r\n?|\n")
_SPACE = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f\x7f-\x9f]*')
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_HEX4 = re.compile(r"[0-9A-Fa-f]{4}")
_LOW_HALF = re.compile(r"\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})")
_WORD = re.compile(r"[^\W\d][\w$]*|\$[\w$]*")
_NUMBER_LIKE = re.compile(r"[-+.\w]+", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_SET_STEP = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]{1,9})\]")
_SET_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Every alternative takes an unclosed string too: otherwise the search would begin again
# at each of its quotes, in quadratic time.
_TOML_OPAQUE = re.compile(
    r'"""(?:\\.|[^\\])*?(?:"{3,5}|\Z)|\'\'\'.*?(?:\'{3,5}|\Z)'
    r'|"(?:\\[^\n]|[^"\\\n])*+"?|\'[^\'\n]*+\'?|#[^\n]*',
    re.DOTALL,
)
_TOML_KEY = r"[A-Za-z0-9_-]++"
_TOML_DOTTED = rf"{_TOML_KEY}(?:[ \t]*+\.[ \t]*+{_TOML_KEY})*+"
_TOML_PART = re.compile(_TOML_KEY)
_TOML_HEADER = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_TOML_DOTTED})[ \t]*\]\]?[ \t]*$")
_TOML_PAIR = re.compile(rf"[ \t]*({_TOML_DOTTED})[ \t]*=[ \t]*")
_TOML_VALUE = re.compile(r"[\[{]|[^\s,\]}]+")
_TOML_DEEP = re.compile(
    rf"(?<![A-Za-z0-9_-])(?:{_TOML_KEY}[ \t]*+\.[ \t]*+){{{MAX_DEPTH}}}"
)
_TOML_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")

_CONSTANTS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None}
_NOT_FINITE = frozenset({"nan", "inf", "infinity"})
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "n": "\n", "t": "\t"}
_REFUSED_ESCAPES = {"b": "\b", "f": "\f", "r": "\r"}
_MISSING = object()


@dataclass(frozen=True)
class Document:
    """A value read from a spec, and the place of each part of it.

    Objects are dicts and arrays are tuples; nobody may change the dicts. A path is
    the tuple of keys and indices that leads to a value, () for the whole. The place
    of a scalar covers its whole literal, that of an object or array its opening
    bracket. `key_places` has the place of a key under the path of its value.
    """

    value: Any
    file: str
    places: Mapping[Path, Place]
    key_places: Mapping[Path, Place]

    def place(self, path: Path, key: bool = False) -> Place:
        """The place of a value (or of its key), or else that of its nearest ancestor
        which has one."""
        if key and path in self.key_places:
            return self.key_places[path]
        known = (path[:n] for n in range(len(path), 0, -1) if path[:n] in self.places)
        return self.places[next(known, ())]


def pointer(path: Path) -> str:
    """The path as a JSON pointer (RFC 6901)."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return "".join(f"/{step}" for step in steps)


def read_json(data: bytes | str, file: str) -> Document:
    """Strict JSON. Raises SpecErrors: the first syntax error and every duplicate key
    before it. `file` is the name shown to the user."""
    scanner = _Scanner(_Text(_decoded(data, file), file))
    start = scanner.start(0)
    value, end = scanner.value(start, (), 0)
    scanner.finish(start, end)
    return scanner.document(value)


# Text, lines and places


@dataclass(frozen=True)
class _Text:
    """A text and its lines. Lines end at LF, CR LF or CR and nowhere else:
    `str.splitlines` would also break at U+0085 and U+2028."""

    text: str
    file: str
    # One line whatever it holds, as for `--set`.
    single: bool = False
    lines: dict[int, str] = field(default_factory=dict, compare=False)

    @cached_property
    def starts(self) -> array[int]:
        ends = () if self.single else _LINE_END.finditer(self.text)
        return array("Q", chain((0,), (match.end() for match in ends)))

    def place(self, start: int, end: int) -> Place:
        line = bisect_right(self.starts, start)
        text = self.line(line)
        column = min(start - self.starts[line - 1], len(text))
        width = max(1, min(end - start, len(text) - column))
        return Place(self.file, line, column + 1, text, width)

    def line(self, number: int) -> str:
        # Kept, because thousands of places may share one line of megabytes.
        if number not in self.lines:
            last = number == len(self.starts)
            end = len(self.text) if last else self.starts[number]
            text = self.text[self.starts[number - 1] : end]
            self.lines[number] = text if self.single else text.rstrip("\r\n")
        return self.lines[number]

    def where(self, offset: int) -> str:
        place = self.place(offset, offset)
        return f"{place.line}:{place.column}"


@dataclass(frozen=True, eq=False)
class _Places(Mapping[Path, Place]):
    """Places made when asked for: most runs ask for none."""

    source: _Text
    spans: Mapping[Path, Span]

    def __getitem__(self, path: Path) -> Place:
        return self.source.place(*self.spans[path])

    def __contains__(self, path: object) -> bool:
        return path in self.spans

    def __iter__(self) -> Iterator[Path]:
        return iter(self.spans)

    def __len__(self) -> int:
        return len(self.spans)


def _refuse(place: Place, code: str, message: str, hint: str = "") -> NoReturn:
    raise SpecErrors([SpecError("", place, code, message, hint)])


def _decoded(data: bytes | str, file: str) -> str:
    """The text of a file that must be UTF-8 without a BOM. Raises SpecErrors."""
    if len(data) > MAX_BYTES:
        message = f"larger than {MAX_BYTES >> 20} MiB"
        _refuse(Place(file, 1, 1, "", 1), "too-large", message)
    if isinstance(data, str):
        _refuse_surrogate(_Text(data, file))
        text = data
    else:
        _refuse_utf16_and_32(data, file)
        text = _utf8(data, file)
    if text.startswith("\ufeff"):
        place = _Text(text[1:], file).place(0, 1)
        _refuse(place, "encoding", "file starts with a UTF-8 BOM", "save it without")
    return text


def _refuse_surrogate(source: _Text) -> None:
    found = _SURROGATE.search(source.text)
    if found:
        message = f"invalid Unicode: lone surrogate U+{ord(found[0]):04X}"
        _refuse(source.place(*found.span()), "encoding", message)


def _refuse_utf16_and_32(data: bytes, file: str) -> None:
    zeros = tuple(byte == 0 for byte in data[:4])
    found = ""
    # UTF-32 first: the BOM of UTF-16-LE begins that of UTF-32-LE.
    if len(data) % 4 == 0:
        if data[:4] == b"\xff\xfe\0\0" or zeros == (False, True, True, True):
            found = "utf-32-le"
        elif data[:4] == b"\0\0\xfe\xff" or zeros == (True, True, True, False):
            found = "utf-32-be"
    # JSON begins with an ASCII character, so one zero byte of the first two tells.
    if not found:
        even = len(data) % 2 == 0
        if data[:2] == b"\xff\xfe" or (even and zeros[:2] == (False, True)):
            found = "utf-16-le"
        elif data[:2] == b"\xfe\xff" or (even and zeros[:2] == (True, False)):
            found = "utf-16-be"
    if found:
        text = data[:1000].decode(found, "replace").lstrip("\ufeff")
        name = found[:6].upper()
        place = _Text(text, file).place(0, 1)
        _refuse(place, "encoding", f"file is {name}", "save it as UTF-8")


def _utf8(data: bytes, file: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        text = before + data[error.start :].decode("utf-8", "backslashreplace")
        # Each bad byte is shown as the four characters of "\xff".
        width = 4 * (error.end - error.start)
        place = _Text(text, file).place(len(before), len(before) + width)
        message = f"invalid UTF-8: byte 0x{data[error.start]:02X}"
        if error.end == len(data) and error.reason == "unexpected end of data":
            message = "unexpected end of file in a UTF-8 character"
        _refuse(place, "encoding", message, "save the file as UTF-8")


# The JSON scanner


@dataclass(frozen=True)
class _Scanner:
    """A recursive descent over one text, by offsets; depth is limited to MAX_DEPTH.

    Methods named after a rule take the offset where it begins and return its value
    with the offset after it.
    """

    source: _Text
    spans: dict[Path, Span] = field(default_factory=dict)
    key_spans: dict[Path, Span] = field(default_factory=dict)
    duplicates: list[SpecError] = field(default_factory=list)

    def document(self, value: Any) -> Document:
        source = self.source
        places, keys = _Places(source, self.spans), _Places(source, self.key_spans)
        return Document(value, source.file, places, keys)

    def fail(
        self,
        span: Span,
        path: Path,
        message: str,
        hint: str = "",
        code: str = "syntax",
    ) -> NoReturn:
        place = self.source.place(*span)
        error = SpecError(pointer(path), place, code, message, hint)
        raise SpecErrors([*self.duplicates, error])

    def fail_at_end(self, path: Path, opened: int) -> NoReturn:
        text = self.source.text
        whole = "value" if self.source.single else "file"
        kind = {"{": "object", "[": "array", '"': "string"}[text[opened]]
        end = len(text) if kind == "string" else len(text.rstrip(" \t\r\n"))
        message = (
            f"unexpected end of {whole}: unclosed {kind}, "
            f"opened at {self.source.where(opened)}"
        )
        self.fail((end, end), path, message)

    def fail_if_cut_off(self, end: int, path: Path) -> None:
        """Of a token that could still have become a value, but for the file's end."""
        outer = self.spans.get(path[:-1]) if path else None
        if end == len(self.source.text) and outer:
            self.fail_at_end(path, outer[0])

    def fail_if_unclosed(self, at: int, path: Path, opened: int) -> None:
        """Of an escape in a string: the file may be cut off in the middle of it."""
        if self.source.text.find('"', at) < 0:
            self.fail_at_end(path, opened)

    def fail_at(self, at: int, path: Path, expected: str) -> NoReturn:
        """Something else stands where `expected` should; `at` is not the end."""
        text = self.source.text
        line_end = re.compile(r"[^\r\n]*").match(text, at)
        assert line_end is not None
        if text.startswith(("//", "/*", "#"), at):
            span = (at, line_end.end())
            self.fail(span, path, "comments are not JSON", "remove the comment")
        if text[at] == "'":
            close = text.find("'", at + 1, line_end.end())
            span = (at, close + 1 if close > 0 else at + 1)
            hint = 'use double quotes (")'
            self.fail(span, path, "single quotes are not JSON", hint)
        word = _WORD.match(text, at)
        if word:
            self.fail(word.span(), path, *_word_advice(word[0], expected))
        message = f"expected {expected}, got {self.shown(at)}"
        self.fail((at, at + 1), path, message)

    def shown(self, at: int) -> str:
        character = self.source.text[at]
        plain = character.isprintable()
        return quote(character) if plain else f"U+{ord(character):04X}"

    def start(self, at: int) -> int:
        """The offset of the first value at or after `at`."""
        text = self.source.text
        start = self.space(at)
        if start == len(text):
            empty = (
                "the value is missing" if self.source.single else "the file is empty"
            )
            self.fail((at, at), (), empty)
        return start

    def finish(self, start: int, end: int) -> None:
        """Refuses what follows the value, and reports the duplicate keys."""
        text = self.source.text
        after = self.space(end)
        if after < len(text):
            if text.startswith(("//", "/*", "#"), after):
                self.fail_at(after, (), "the end")
            kind = {"{": "object", "[": "array"}.get(text[start], "value")
            self.fail((after, after + 1), (), f"extra text after the {kind}")
        if self.duplicates:
            raise SpecErrors(self.duplicates)

    def space(self, at: int) -> int:
        match = _SPACE.match(self.source.text, at)
        return match.end() if match else at

    def inner(self, at: int, path: Path, opened: int) -> int:
        """Skips white space inside the object or array opened at `opened`."""
        at = self.space(at)
        if at == len(self.source.text):
            self.fail_at_end(path, opened)
        return at

    def value(self, at: int, path: Path, depth: int) -> tuple[Any, int]:
        text = self.source.text
        character = text[at]
        if len(self.spans) >= MAX_VALUES:
            message = f"more than {MAX_VALUES} values"
            self.fail((at, at + 1), path, message, code="too-large")
        if character in "{[":
            if depth == MAX_DEPTH:
                message = f"nested too deeply (at most {MAX_DEPTH})"
                self.fail((at, at + 1), path, message, code="too-large")
            self.spans[path] = (at, at + 1)
            rule = self.object if character == "{" else self.array
            return rule(at, path, depth + 1)
        value: Any
        if character == '"':
            value, end = self.string(at, path)
        elif character in "-+.0123456789":
            value, end = self.number(at, path)
        else:
            word = _WORD.match(text, at)
            if word is None or word[0] not in _CONSTANTS:
                if word and any(name.startswith(word[0]) for name in _CONSTANTS):
                    self.fail_if_cut_off(word.end(), path)
                self.fail_at(at, path, "a value")
            value, end = _CONSTANTS[word[0]], word.end()
        self.spans[path] = (at, end)
        return value, end

    def object(self, opened: int, path: Path, depth: int) -> tuple[dict[str, Any], int]:
        text = self.source.text
        result: dict[str, Any] = {}
        at = self.inner(opened + 1, path, opened)
        if text[at] == "}":
            return result, at + 1
        while True:
            if text[at] != '"':
                self.fail_at(at, path, "a key in double quotes")
            key, end = self.string(at, path, key=True)
            inner = (*path, key)
            if key in result:
                self.add_duplicate(inner, (at, end))
            else:
                self.key_spans[inner] = (at, end)
            at = self.inner(end, path, opened)
            if text[at] != ":":
                if text.startswith(("//", "/*", "#"), at):
                    self.fail_at(at, inner, "a colon")
                message = f'missing ":" after the key {quote(key)}'
                self.fail((at, at + 1), inner, message)
            at = self.inner(at + 1, inner, opened)
            result[key], end = self.value(at, inner, depth)
            at, closed = self.separator(end, path, opened, "}")
            if closed:
                return result, at

    def array(self, opened: int, path: Path, depth: int) -> tuple[tuple[Any, ...], int]:
        result: list[Any] = []
        at = self.inner(opened + 1, path, opened)
        if self.source.text[at] == "]":
            return (), at + 1
        while True:
            value, end = self.value(at, (*path, len(result)), depth)
            result.append(value)
            at, closed = self.separator(end, path, opened, "]")
            if closed:
                return tuple(result), at

    def separator(
        self, end: int, path: Path, opened: int, closing: str
    ) -> tuple[int, bool]:
        """After an element: the offset of the next one, or, with True, the offset
        after the closing bracket."""
        text = self.source.text
        at = self.inner(end, path, opened)
        if text[at] == closing:
            return at + 1, True
        if text[at] == ",":
            following = self.inner(at + 1, path, opened)
            if text[following] == closing:
                self.fail((at, at + 1), path, "trailing comma", "remove it")
            return following, False
        if text.startswith(("//", "/*", "#", "'"), at):
            self.fail_at(at, path, "a comma")
        if text[at] in '"{[-.' or text[at].isalnum():
            self.fail((at, at + 1), path, 'missing "," before this')
        message = f'expected "," or "{closing}", got {self.shown(at)}'
        self.fail((at, at + 1), path, message, f"opened at {self.source.where(opened)}")

    def add_duplicate(self, path: Path, span: Span) -> None:
        first = self.source.where(self.key_spans[path][0])
        message = f"duplicate key {quote(path[-1])}, first at {first}"
        place = self.source.place(*span)
        error = SpecError(pointer(path), place, "duplicate-key", message)
        self.duplicates.append(error)

    def string(self, opened: int, path: Path, key: bool = False) -> tuple[str, int]:
        text = self.source.text
        parts: list[str] = []
        at = opened + 1
        while True:
            plain = _PLAIN.match(text, at)
            assert plain is not None
            parts.append(plain[0])
            at = plain.end()
            if at == len(text):
                self.fail_at_end(path, opened)
            if text[at] == '"':
                return "".join(parts), at + 1
            if text[at] != "\\":
                self.fail_control_in_string(at, opened, path, key)
            character, end = self.escape(at, opened, path)
            if _CONTROL.match(character):
                message = _control_message(character, path, key)
                self.fail((at, end), path, message, "remove it", code="encoding")
            parts.append(character)
            at = end

    def escape(self, at: int, opened: int, path: Path) -> tuple[str, int]:
        text = self.source.text
        if at + 1 == len(text):
            self.fail_at_end(path, opened)
        letter = text[at + 1]
        character = _ESCAPES.get(letter) or _REFUSED_ESCAPES.get(letter)
        if character:
            return character, at + 2
        if letter != "u":
            message = f"invalid escape \\{printable(letter)}"
            hint = 'a backslash itself is written "\\\\"'
            self.fail((at, at + 2), path, message, hint)
        digits = _HEX4.match(text, at + 2)
        if digits is None:
            self.fail_if_unclosed(at, path, opened)
            self.fail((at, at + 2), path, "\\u needs four hexadecimal digits")
        code, end = int(digits[0], 16), at + 6
        low = _LOW_HALF.match(text, end)
        if 0xD800 <= code < 0xDC00 and low:
            pair = 0x10000 + ((code & 0x3FF) << 10) + (int(low[1], 16) & 0x3FF)
            return chr(pair), low.end()
        if 0xD800 <= code < 0xE000:
            self.fail_if_unclosed(at, path, opened)
            message = f"invalid Unicode: lone surrogate \\u{digits[0]}"
            self.fail((at, end), path, message, code="encoding")
        return chr(code), end

    def fail_control_in_string(
        self, at: int, opened: int, path: Path, key: bool
    ) -> NoReturn:
        character = self.source.text[at]
        if character >= "\x7f":
            # Legal JSON, but refused like its escape.
            message = _control_message(character, path, key)
            self.fail((at, at + 1), path, message, "remove it", code="encoding")
        message = f"control character U+{ord(character):04X} in a string"
        hint = "remove it"
        if character == "\t":
            hint = 'write it as "\\t"'
        elif character in "\r\n":
            where = self.source.where(opened)
            hint = f'close the string opened at {where}, or write "\\n"'
        self.fail((at, at + 1), path, message, hint)

    def number(self, at: int, path: Path) -> tuple[int | float, int]:
        token = _NUMBER_LIKE.match(self.source.text, at)
        assert token is not None
        literal, span = token[0], token.span()
        match = _NUMBER.fullmatch(literal)
        if match is None:
            if _NUMBER.fullmatch(literal + "0"):
                self.fail_if_cut_off(span[1], path)
            self.fail(span, path, *_number_advice(literal))
        value, message = _number(literal, whole=not (match[1] or match[2]))
        if message:
            code = "syntax" if "underflows" in message else "too-large"
            self.fail(span, path, message, code=code)
        return value, span[1]


def _number(literal: str, whole: bool) -> tuple[int | float, str]:
    """A well-formed literal -> its value, with a message if it cannot be held."""
    if whole:
        digits = len(literal.lstrip("+-").replace("_", ""))
        if digits > MAX_DIGITS:
            return 0, f"integer of {digits} digits (at most {MAX_DIGITS})"
        return int(literal), ""
    value = float(literal)
    if math.isinf(value):
        return value, f"{_short(literal)} is too large (at most {sys.float_info.max})"
    if value == 0 and re.search("[1-9]", re.split("[eE]", literal)[0]):
        return value, f"{_short(literal)} underflows to 0"
    return value, ""


def _short(literal: str) -> str:
    return literal if len(literal) <= 40 else f"{literal[:40]}..."


def _control_message(character: str, path: Path, key: bool) -> str:
    """Not the words for a raw control character: JSON allows the escape, the spec
    language has no use for it."""
    name = pointer(path)
    name = name if len(name) <= 100 else f"{name[:100]}..."
    inside = f"a key of {name or 'the top level'}" if key else name or "the string"
    return f"control character U+{ord(character):04X} in {inside}"


def _is_reserved(word: str) -> bool:
    # Not "none", which is the name of a kind.
    return word == "None" or word.lower() in _CONSTANTS or word.lower() in _NOT_FINITE


def _word_advice(word: str, expected: str) -> tuple[str, str]:
    shown, folded = _short(word), word.lower()
    if expected.startswith("a key"):
        return f"bare key {shown}", f'write "{shown}"'
    if folded in _NOT_FINITE:
        return f"{shown} is not JSON", "numbers must be finite"
    if _is_reserved(word):
        meant = "null" if word == "None" else folded
        return f"{shown} is not JSON", f"write {meant}"
    return f"expected {expected}, got {shown}", f'write "{shown}" in double quotes'


def _number_advice(literal: str) -> tuple[str, str]:
    """Message and hint for a token that is almost a number."""
    shown = _short(literal)
    sign = "-" if literal[0] == "-" else ""
    rest = literal[1:] if literal[0] in "+-" else literal
    if rest.lower() in _NOT_FINITE:
        return f"{shown} is not JSON", "numbers must be finite"
    if re.match("0[xX]", rest):
        hexadecimal = re.fullmatch("0[xX][0-9a-fA-F]{1,16}", rest)
        hint = f"write {sign}{int(rest, 16)}" if hexadecimal else ""
        return f"hexadecimal number {shown} is not JSON", hint
    # The advice is to write what is left when every one of the faults is mended.
    mended = re.sub(r"^0+(?=[0-9])", "", rest)
    mended = re.sub(r"^\.(?=[0-9])", "0.", mended)
    mended = sign + re.sub(r"(?<=[0-9])\.(?![0-9])", ".0", mended)
    hint = f"write {_short(mended)}" if _NUMBER.fullmatch(mended) else ""
    if literal[0] == "+":
        return f'number {shown} starts with "+"', hint
    if rest.startswith("."):
        return f"number {shown} has no digit before its point", hint
    if re.match("0[0-9]", rest):
        return f"number {shown} starts with 0", hint
    if re.search(r"[0-9]\.(?![0-9])", rest):
        return f"number {shown} has no digit after its point", hint
    if re.fullmatch(r"[0-9.]+[eE][+-]?", rest):
        return f"number {shown} has no digit in its exponent", ""
    return f"malformed number {shown}", ""


# TOML


def read_toml(data: bytes, file: str) -> Document:
    """The same spec language in TOML 1.0. Raises SpecErrors, for the values that the
    JSON reader refuses too (control characters, NaN, overflow ...) and for dates.

    Tables, arrays of tables and `key =` lines have places of their own; what stands
    inside an inline array or table has that of its line's value.
    """
    # tomllib counts lines by LF only, so CR LF must not differ from it.
    source = _Text(_decoded(data, file).replace("\r\n", "\n"), file)
    veiled = _TOML_OPAQUE.sub(_veil, source.text)
    raw = _toml(source, veiled)
    spans: dict[Path, Span] = {(): (0, 1)}
    key_spans: dict[Path, Span] = {}
    _locate_toml(source.text, veiled, raw, spans, key_spans)
    faults: list[tuple[Path, str, str]] = []
    value = _from_toml(raw, (), faults)
    places, keys = _Places(source, spans), _Places(source, key_spans)
    document = Document(value, file, places, keys)
    if faults:
        raise SpecErrors(
            SpecError(pointer(path), document.place(path), code, message)
            for path, code, message in faults
        )
    return document


class _Literal(str):
    """A float of a TOML file, kept as written until its path is known."""


def _veil(opaque: re.Match[str]) -> str:
    """A string becomes a bare word of the same length, a comment white space."""
    return (" " if opaque[0].startswith("#") else "x") * len(opaque[0])


def _toml(source: _Text, veiled: str) -> dict[str, Any]:
    import tomllib

    text = source.text
    too_deep = f"nested too deeply (at most {MAX_DEPTH})"
    deep = _TOML_DEEP.search(veiled)
    if deep:
        # tomllib takes time quadratic in the parts of a dotted key.
        place = source.place(deep.start(), deep.start() + 1)
        _refuse(place, "too-large", too_deep)
    try:
        return tomllib.loads(text, parse_float=_Literal)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        where = _TOML_WHERE.search(message)
        offset = len(text)
        if where and where[1]:
            lines = (match.end() for match in re.finditer("\n", text))
            starts = [0, *lines]
            offset = starts[int(where[1]) - 1] + int(where[2]) - 1
        elif text.endswith("\n"):
            offset = len(text.rstrip())
        message = _TOML_WHERE.sub("", message)
        message = message[:1].lower() + message[1:]
        _refuse(source.place(offset, offset + 1), "syntax", message)
    except RecursionError:
        _refuse(source.place(0, 1), "too-large", too_deep)
    except ValueError:
        # Python's own limit on the digits of int(), or a date such as 2026-02-30.
        digits = re.search(rf"[0-9][0-9_]{{{MAX_DIGITS},}}", text)
        start, end = digits.span() if digits else (0, 1)
        message = f"integer of more than {MAX_DIGITS} digits" if digits else "bad value"
        code = "too-large" if digits else "syntax"
        _refuse(source.place(start, end), code, message)


def _from_toml(node: Any, path: Path, faults: list[tuple[Path, str, str]]) -> Any:
    """The value in this module's types; what it must not hold goes to `faults`."""
    if len(path) > MAX_DEPTH:
        faults.append((path, "too-large", f"nested too deeply (at most {MAX_DEPTH})"))
        return None
    if isinstance(node, dict):
        for key in node:
            control = _CONTROL.search(key)
            if control:
                message = _control_message(control[0], path, key=True)
                faults.append((path, "encoding", message))
        return {key: _from_toml(node[key], (*path, key), faults) for key in node}
    if isinstance(node, list):
        return tuple(_from_toml(v, (*path, i), faults) for i, v in enumerate(node))
    if isinstance(node, _Literal):
        return _toml_float(node, path, faults)
    if isinstance(node, str):
        control = _CONTROL.search(node)
        if control:
            message = _control_message(control[0], path, key=False)
            faults.append((path, "encoding", message))
    elif isinstance(node, int):
        # Compared as numbers: str() of a long integer is itself refused by Python.
        if abs(node) >= 10**MAX_DIGITS:
            message = f"integer of more than {MAX_DIGITS} digits"
            faults.append((path, "too-large", message))
    else:
        message = f"{node} is a date or time; a spec holds none"
        faults.append((path, "syntax", message))
    return node


def _toml_float(literal: str, path: Path, faults: list[tuple[Path, str, str]]) -> float:
    if literal.lstrip("+-") in _NOT_FINITE:
        message = f"{literal} is not allowed: numbers must be finite"
        faults.append((path, "syntax", message))
        return 0.0
    value, message = _number(str(literal), whole=False)
    if message:
        code = "syntax" if "underflows" in message else "too-large"
        faults.append((path, code, message))
    return value


def _locate_toml(
    text: str,
    veiled: str,
    value: Any,
    spans: dict[Path, Span],
    key_spans: dict[Path, Span],
) -> None:
    """Fills in where tables, keys and the values beside them stand.

    A line inside an array can look like a header; only what leads to a part of
    `value` counts.
    """
    table: Path = ()
    counts: dict[Path, int] = {}
    for match in re.finditer(r"[^\r\n]+", veiled):
        begin, end = match.span()
        header = _TOML_HEADER.match(match[0])
        pair = _TOML_PAIR.match(match[0])
        if header:
            *outer, last = _toml_parts(text, begin, header.span(2))
            path = _toml_walk((), outer, counts)
            many = (*path, last[0])
            if header[1] == "[[":
                counts[many] = counts.get(many, 0) + 1
            found = _toml_walk(path, [last], counts)
            if _exists(value, found):
                table = found
                bracket = begin + header.start(1)
                spans.setdefault(many, (bracket, bracket + 1))
                spans.setdefault(found, (bracket, bracket + 1))
                key_spans.setdefault(many, last[1])
        elif pair:
            path = table
            for part, span in _toml_parts(text, begin, pair.span(1)):
                path = (*path, part)
                if _exists(value, path):
                    key_spans.setdefault(path, span)
                    spans.setdefault(path, span)
            literal = _TOML_VALUE.match(veiled, begin + pair.end(), end)
            if literal and _exists(value, path):
                spans[path] = literal.span()


def _toml_parts(text: str, begin: int, within: Span) -> list[tuple[str, Span]]:
    """The parts of the dotted key at `begin + within`, with their spans."""
    parts: list[tuple[str, Span]] = []
    at, end = begin + within[0], begin + within[1]
    while at < end:
        part = _TOML_OPAQUE.match(text, at, end) or _TOML_PART.match(text, at, end)
        if part is None:
            # A point or white space between two parts.
            at += 1
            continue
        parts.append((_toml_name(part[0]), part.span()))
        at = part.end()
    return parts


def _toml_name(part: str) -> str:
    if part[0] not in "\"'":
        return part
    import tomllib

    try:
        return str(tomllib.loads(f"k = {part}")["k"])
    except tomllib.TOMLDecodeError:
        # Not a key then, but something inside an array.
        return ""


def _toml_walk(
    path: Path, parts: list[tuple[str, Span]], counts: Mapping[Path, int]
) -> Path:
    """The path under `path`; an array of tables stands for its last table so far."""
    for part, _ in parts:
        path = (*path, part)
        if path in counts:
            path = (*path, counts[path] - 1)
    return path


def _exists(value: Any, path: Path) -> bool:
    for step in path:
        if not isinstance(value, dict | list):
            return False
        container: Any = value
        try:
            value = container[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True


# Files


def read_file(path: str) -> Document:
    """The spec in a file, TOML if its name ends in `.toml`, else JSON; "-" is standard
    input, as JSON. Raises UserError for a file that cannot be read, SpecErrors for
    its text. Limit: 8 MiB."""
    if path == "-":
        return read_json(_standard_input(), "<stdin>")
    name = printable(path)
    try:
        about = os.stat(path)
        # Before opening: opening a FIFO waits for ever.
        if stat.S_ISDIR(about.st_mode):
            raise UserError(f"cannot read {name}: it is a directory")
        if not stat.S_ISREG(about.st_mode):
            raise UserError(f"cannot read {name}: not a regular file")
        if about.st_size > MAX_BYTES:
            raise UserError(f"cannot read {name}: larger than {MAX_BYTES >> 20} MiB")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"cannot read {name}: no such file") from None
    except PermissionError:
        raise UserError(f"cannot read {name}: permission denied") from None
    except (OSError, ValueError) as error:
        # ValueError: a NUL in the path.
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {name}: {reason}") from None
    if path.lower().endswith(".toml"):
        return read_toml(data, path)
    return read_json(data, path)


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise UserError("cannot read standard input: it is closed")
    try:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"cannot read standard input: {error.strerror}") from None


# --set


def override(document: Document, assignment: str) -> Document:
    """The document with one `PATH=VALUE` applied, as `layers[1].size=40`.

    VALUE is JSON, or a bare word for a string. Objects missing on the way are made;
    on the way, a string becomes `{"kind": string}` and an integer among the layers
    `{"size": integer}`. Raises SpecErrors, placed in the assignment as file "--set".
    """
    source = _Text(assignment, "--set", single=True)
    _refuse_surrogate(source)
    steps, at = _set_path(source)
    path = tuple(step for step, _ in steps)
    scanner = _Scanner(source)
    start = scanner.start(at)
    word = _SET_WORD.fullmatch(assignment.rstrip(" \t"), start)
    value: Any
    if word and not _is_reserved(word[0]):
        value = word[0]
        scanner.spans[path] = word.span()
    else:
        value, end = scanner.value(start, path, 0)
        scanner.finish(start, end)

    nodes: list[Any] = []
    node: Any = document.value
    for depth, (step, span) in enumerate(steps):
        node = _entered(node, path[:depth], step, source.place(*span))
        nodes.append(node)
        node = node.get(step, _MISSING) if isinstance(node, dict) else node[step]
        if node is _MISSING:
            scanner.spans.setdefault(path[: depth + 1], span)
        if isinstance(step, str):
            scanner.key_spans[path[: depth + 1]] = span
    for node, (step, _) in zip(reversed(nodes), reversed(steps), strict=True):
        if isinstance(node, dict):
            value = {**node, step: value}
        else:
            value = tuple(value if i == step else old for i, old in enumerate(node))
    return _placed(document, value, path, scanner)


def _placed(document: Document, value: Any, path: Path, scanner: _Scanner) -> Document:
    """The document with its new value, and the scanner's places over the old ones."""
    new = scanner.document(value)
    places = {p: at for p, at in document.places.items() if p[: len(path)] != path}
    keys = {p: at for p, at in document.key_places.items() if p[: len(path)] != path}
    # What the assignment only passes through keeps the place it had.
    places |= {p: at for p, at in new.places.items() if p not in places}
    keys |= {p: at for p, at in new.key_places.items() if p not in keys}
    return Document(value, document.file, places, keys)


def _set_path(source: _Text) -> tuple[list[tuple[str | int, Span]], int]:
    """The steps of the path with their spans, and the offset after the "="."""
    text = source.text
    steps: list[tuple[str | int, Span]] = []
    at = 0
    while True:
        match = _SET_STEP.match(text, at)
        # A name stands first and after each point; an index stands anywhere else.
        if match is None or (match[2] is not None) != (
            text[at - 1 : at] not in ("", ".")
        ):
            _refuse_set_path(source, at)
        steps.append((match[1] if match[1] else int(match[2]), match.span()))
        at = match.end()
        if text.startswith("=", at):
            return steps, at + 1
        if text.startswith(".", at):
            at += 1
        elif not text.startswith("[", at):
            _refuse_set_path(source, at)


def _refuse_set_path(source: _Text, at: int) -> NoReturn:
    got = f"got {quote(source.text[at])}" if at < len(source.text) else "got its end"
    message = f"malformed assignment: expected PATH=VALUE, {got}"
    hint = "such as layers[1].size=40"
    _refuse(source.place(at, at + 1), "syntax", message, hint)


def _entered(node: Any, path: Path, step: str | int, place: Place) -> Any:
    """The value at `path` as something that `step` can go into: a dict for a key, a
    tuple that has the index for an index. Raises SpecErrors, at `place`."""
    name = pointer(path) or "the spec"
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
        message, hint = f"{name} is {quote(node)}, not an object", ""
        if isinstance(node, tuple):
            hint = "an index goes in brackets, as in layers[1]"
        code = "wrong-type"
    elif isinstance(node, tuple):
        if step < len(node):
            return node
        code, message = "out-of-range", f"{name} has no element {step}"
        hint = f"it has {len(node)}, counted from 0"
    else:
        found = "missing" if node is _MISSING else quote(node)
        code, message, hint = "wrong-type", f"{name} is {found}, not an array", ""
    raise SpecErrors([SpecError(pointer((*path, step)), place, code, message, hint)])
