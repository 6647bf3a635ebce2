"""Strict JSON (RFC 8259) -> a Document.

The standard `json` module is not used: it accepts NaN, duplicate keys and lone
surrogates, keeps no places, and its messages do not say how to mend the text.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import Any, NoReturn

from bpcompile.errors import SpecError, SpecErrors, printable, quote
from bpcompile.records import dataclass
from bpcompile.source.document import (
    MAX_DEPTH,
    MAX_VALUES,
    TOO_DEEP,
    Document,
    Mark,
    Path,
    Text,
    decoded,
    pointer,
    refuse,
)
from bpcompile.source.languages import another_language
from bpcompile.source.literals import (
    BACKSLASH,
    CONSTANTS,
    CONTROL,
    NUMBER,
    comma_advice,
    control_message,
    number,
    number_advice,
    sign_advice,
    word_advice,
)

_SPACE = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f\x7f-\x9f]*')
_UNICODE = re.compile(
    r"\\u([0-9A-Fa-f]{4})(?:(?<=[Dd][89ABab]..)\\u([Dd][C-Fc-f][0-9A-Fa-f]{2}))?"
)
_WORD = re.compile(r"[^\W\d][\w$]*|\$[\w$]*")
_NUMBER_LIKE = re.compile(r"[-+.\w]+", re.ASCII)

_ESCAPES = dict(zip('"\\/ntbfr', '"\\/\n\t\b\f\r', strict=True))


def read_json(data: bytes | str, file: str) -> Document:
    """Strict JSON. Raises SpecErrors: the first syntax error and every duplicate key
    before it. `file` is the name shown to the user."""
    source = Text(decoded(data, file), file)
    scanner = Scanner(source)
    try:
        value = scanner.read()
    except SpecErrors:
        language = another_language(source.text)
        if language:
            span, message, hint = language
            refuse(source.place(*span), "syntax", message, hint)
        raise
    return Document(value, file, scanner.marks, scanner.key_marks)


@dataclass(frozen=True)
class Scanner:
    """A recursive descent over one text, by offsets; depth is limited to MAX_DEPTH.

    Methods named after a rule take the offset where it begins and return its value
    with the offset after it.
    """

    source: Text
    marks: dict[Path, Mark] = field(default_factory=dict)
    key_marks: dict[Path, Mark] = field(default_factory=dict)
    duplicates: list[SpecError] = field(default_factory=list)

    def read(self, at: int = 0, path: Path = ()) -> Any:
        """The value between `at` and the end of the text, which becomes that of
        `path`. Raises SpecErrors."""
        text = self.source.text
        start = self.space(at)
        if start == len(text):
            single = self.source.single
            message = "the value is missing" if single else "the file is empty"
            self.fail(at, at, (), message)
        value, end = self.value(start, path)
        after = self.space(end)
        if after < len(text):
            self.refuse_comment(after, ())
            kind = {"{": "object", "[": "array"}.get(text[start], "value")
            message, hint = (
                f"extra text after the {kind}",
                comma_advice(text, after + 1),
            )
            self.fail(after, after + 1, (), message, hint)
        if self.duplicates:
            raise SpecErrors(self.duplicates)
        return value

    # What is refused

    def fail(
        self,
        start: int,
        end: int,
        path: Path,
        message: str,
        hint: str = "",
        code: str = "syntax",
    ) -> NoReturn:
        place = self.source.place(start, end)
        error = SpecError(pointer(path), place, code, message, hint)
        raise SpecErrors([*self.duplicates, error])

    def fail_at_end(self, path: Path, opened: int) -> NoReturn:
        text = self.source.text
        whole = "value" if self.source.single else "file"
        kind = {"{": "object", "[": "array", '"': "string"}[text[opened]]
        end = len(text) if kind == "string" else len(text.rstrip(" \t\r\n"))
        where = self.source.where(opened)
        message = f"unexpected end of {whole}: unclosed {kind}, opened at {where}"
        self.fail(end, end, path, message)

    def fail_if_cut_off(self, end: int, path: Path) -> None:
        """Of a token that could still have become a value, but for the file's end."""
        if path and end == len(self.source.text) and path[:-1] in self.marks:
            self.fail_at_end(path, self.marks[path[:-1]][1])

    def fail_at(self, at: int, path: Path, expected: str) -> NoReturn:
        """Something else stands where `expected` should; `at` is not the end."""
        self.refuse_comment(at, path)
        self.refuse_single_quotes(at, path)
        word = _WORD.match(self.source.text, at)
        if word:
            self.fail(*word.span(), path, *word_advice(word[0], expected))
        message = f"expected {expected}, got {self.shown(at)}"
        self.fail(at, at + 1, path, message, sign_advice(self.source.text[at]))

    def refuse_comment(self, at: int, path: Path) -> None:
        text = self.source.text
        if text.startswith(("//", "/*", "#"), at):
            message = "comments are not JSON"
            self.fail(at, len(text), path, message, "remove the comment")

    def refuse_single_quotes(self, at: int, path: Path) -> None:
        text = self.source.text
        if text[at] == "'":
            end = text.find("'", at + 1) + 1
            message, hint = "single quotes are not JSON", 'use double quotes (")'
            self.fail(at, end or at + 1, path, message, hint)

    def shown(self, at: int) -> str:
        character = self.source.text[at]
        plain = character.isprintable()
        return quote(character) if plain else f"U+{ord(character):04X}"

    # What is read

    def space(self, at: int) -> int:
        match = _SPACE.match(self.source.text, at)
        return match.end() if match else at

    def inner(self, at: int, path: Path, opened: int) -> int:
        """Skips white space inside the object or array opened at `opened`."""
        at = self.space(at)
        if at == len(self.source.text):
            self.fail_at_end(path, opened)
        return at

    def value(self, at: int, path: Path) -> tuple[Any, int]:
        character = self.source.text[at]
        if len(self.marks) >= MAX_VALUES:
            message = f"more than {MAX_VALUES} values"
            self.fail(at, at + 1, path, message, code="too-large")
        if character in "{[":
            return self.container(at, path)
        value: Any
        if character == '"':
            value, end = self.string(at, path)
        elif character in "-+.0123456789":
            value, end = self.number(at, path)
        else:
            value, end = self.constant(at, path)
        self.marks[path] = (self.source, at, end)
        return value, end

    def container(self, opened: int, path: Path) -> tuple[Any, int]:
        text = self.source.text
        if len(path) >= MAX_DEPTH:
            self.fail(opened, opened + 1, path, TOO_DEEP, code="too-large")
        self.marks[path] = (self.source, opened, opened + 1)
        closing = "}" if text[opened] == "{" else "]"
        result: dict[Any, Any] = {}
        at = self.inner(opened + 1, path, opened)
        while text[at] != closing:
            step: str | int = len(result)
            if closing == "}":
                step, at = self.key(at, path, opened)
            inner = (*path, step)
            result[step], end = self.value(at, inner)
            at = self.separator(end, path, opened, closing)
        return (result if closing == "}" else tuple(result.values())), at + 1

    def key(self, at: int, path: Path, opened: int) -> tuple[str, int]:
        """A key; the offset is that of its value."""
        text = self.source.text
        if text[at] != '"':
            if hint := comma_advice(text, at):
                message = f"expected a key in double quotes, got {self.shown(at)}"
                self.fail(at, at + 1, path, message, hint)
            self.fail_at(at, path, "a key in double quotes")
        key, end = self.string(at, path, key=True)
        inner = (*path, key)
        if inner in self.key_marks:
            first = self.source.where(self.key_marks[inner][1])
            message = f"duplicate key {quote(key)}, first at {first}"
            place = self.source.place(at, end)
            error = SpecError(pointer(inner), place, "duplicate-key", message)
            self.duplicates.append(error)
        else:
            self.key_marks[inner] = (self.source, at, end)
        at = self.inner(end, path, opened)
        if text[at] != ":":
            self.refuse_comment(at, inner)
            message = f'missing ":" after the key {quote(key)}'
            hint = 'write ":" instead of "="' if text[at] == "=" else ""
            self.fail(at, at + 1, inner, message, hint)
        return key, self.inner(at + 1, inner, opened)

    def separator(self, end: int, path: Path, opened: int, closing: str) -> int:
        """After an element: the offset of the next one or of the closing bracket."""
        text = self.source.text
        at = self.inner(end, path, opened)
        if text[at] == closing:
            return at
        if text[at] == ",":
            following = self.inner(at + 1, path, opened)
            if text[following] == closing:
                self.fail(at, at + 1, path, "trailing comma", "remove it")
            return following
        self.refuse_comment(at, path)
        self.refuse_single_quotes(at, path)
        if text[at] in '"{[-.' or text[at].isalnum():
            self.fail(at, at + 1, path, 'missing "," before this')
        message = f'expected "," or "{closing}", got {self.shown(at)}'
        hint = sign_advice(text[at]) or f"opened at {self.source.where(opened)}"
        self.fail(at, at + 1, path, message, hint)

    def constant(self, at: int, path: Path) -> tuple[bool | None, int]:
        word = _WORD.match(self.source.text, at)
        if word and word[0] in CONSTANTS:
            return CONSTANTS[word[0]], word.end()
        if word and any(name.startswith(word[0]) for name in CONSTANTS):
            self.fail_if_cut_off(word.end(), path)
        self.fail_at(at, path, "a value")

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
            character, end = text[at], at + 1
            if character == '"':
                return "".join(parts), end
            if character < " ":
                self.fail_raw_control(at, opened, path)
            if character == "\\":
                character, end = self.escape(at, opened, path)
            if CONTROL.match(character):
                message = control_message(character, path, key)
                self.fail(at, end, path, message, "remove it", code="encoding")
            parts.append(character)
            at = end

    def escape(self, at: int, opened: int, path: Path) -> tuple[str, int]:
        text = self.source.text
        letter = text[at + 1 : at + 2]
        if letter in _ESCAPES:
            return _ESCAPES[letter], at + 2
        match = _UNICODE.match(text, at)
        code = int(match[1], 16) if match else 0
        if match and match[2]:
            low = int(match[2], 16) & 0x3FF
            return chr(0x10000 + ((code & 0x3FF) << 10) + low), match.end()
        if match and not 0xD800 <= code < 0xE000:
            return chr(code), match.end()
        if letter not in ("", "u"):
            message = f"invalid escape \\{printable(letter)}"
            self.fail(at, at + 2, path, message, BACKSLASH)
        # The file may be cut off in the middle of the escape.
        if text.find('"', at + 2) < 0:
            self.fail_at_end(path, opened)
        if match:
            message = f"invalid Unicode: lone surrogate \\u{match[1]}"
            self.fail(at, match.end(), path, message, code="encoding")
        self.fail(at, at + 2, path, "\\u needs four hexadecimal digits", BACKSLASH)

    def fail_raw_control(self, at: int, opened: int, path: Path) -> NoReturn:
        character = self.source.text[at]
        hint = "remove it"
        if character == "\t":
            hint = 'write it as "\\t"'
        elif character in "\r\n":
            where = self.source.where(opened)
            hint = f'close the string opened at {where}, or write "\\n"'
        message = f"control character U+{ord(character):04X} in a string"
        self.fail(at, at + 1, path, message, hint)

    def number(self, at: int, path: Path) -> tuple[int | float, int]:
        token = _NUMBER_LIKE.match(self.source.text, at)
        assert token is not None
        literal, span = token[0], token.span()
        match = NUMBER.fullmatch(literal)
        if match is None:
            if NUMBER.fullmatch(literal + "0"):
                self.fail_if_cut_off(span[1], path)
            before = self.source.text[max(0, at - 2) : at]
            self.fail(*span, path, *number_advice(literal, before))
        value, code, message = number(literal, whole=not (match[1] or match[2]))
        if code:
            self.fail(*span, path, message, code=code)
        return value, span[1]
