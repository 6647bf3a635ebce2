"""What to say of TOML that cannot be read, where tomllib's own words say too little."""

from __future__ import annotations

import re
from typing import TypeAlias

from bpcompile.errors import quote
from bpcompile.source.document import Text
from bpcompile.source.literals import (
    BACKSLASH,
    CONSTANTS,
    NOT_FINITE,
    NUMBER,
    is_reserved,
    number_advice,
    short,
    sign_advice,
)

#: A span of the text, message and hint.
Advice: TypeAlias = tuple[tuple[int, int], str, str]

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_NUMBER_LIKE = re.compile(r"[-+.\w]+", re.ASCII)
_KINDS = {"[": ("array", "]"), "{": ("inline table", "}")}


def advice(said: str, source: Text, veiled: str, offset: int) -> Advice:
    """Of what tomllib has said of a text at an offset."""
    text, span = source.text, (offset, offset + 1)
    here = text[offset : offset + 1] if text[offset:].strip() else ""
    opened = _opened(veiled, offset)
    if here == "\r":
        return span, "a lone CR is no line end in TOML", "save it with LF"
    if said.startswith("Expected '='"):
        hint = 'write "=" instead of ":"' if here == ":" else "write key = value"
        return span, 'missing "=" after the key', hint
    if said.startswith("Invalid statement"):
        hint = "a comment begins with #" if text.startswith("//", offset) else ""
        return span, "expected a key or a [table]", hint or sign_advice(here)
    if said.startswith("Illegal character"):
        if text[offset] == "\n":
            return span, "the string is not closed on its line", "close it"
        message = f"control character U+{ord(text[offset]):04X}"
        return span, message, "remove it"
    if said.startswith(("Unescaped", "Invalid hex", "Escaped char")):
        return _of_escape(text, offset)
    if said.startswith("Expected ']'"):
        return span, 'missing "]" after the name of a table', ""
    if said.startswith(("Unterminated", 'Expected "\'"')):
        return span, "unexpected end of file: unclosed string", ""
    if opened >= 0 and not here:
        kind, _ = _KINDS[text[opened]]
        where = source.where(opened)
        return span, f"unexpected end of file: unclosed {kind}, opened at {where}", ""
    if said.startswith("Invalid value") and here in ("", "\n"):
        return span, "the value is missing", "write key = value"
    if said.startswith(
        ("Invalid value", "Expected newline", "Unclosed", "Invalid ini")
    ):
        return _of_value(said, source, opened, offset)
    return span, said[:1].lower() + said[1:], ""


def _of_escape(text: str, offset: int) -> Advice:
    """tomllib has read on behind the escape."""
    at = text.rindex("\\", 0, offset + 1)
    span = (at, at + 2)
    if text[at + 1 : at + 2] not in ("u", "U"):
        return span, f"invalid escape {text[at:][:2]}", BACKSLASH
    if re.match(r"u[Dd][89A-Fa-f]|U0000[Dd][89A-Fa-f]", text[at + 1 : at + 8]):
        return span, "invalid Unicode: lone surrogate", ""
    digits = "four" if text[at + 1] == "u" else "eight"
    message = f"{text[at : at + 2]} needs {digits} hexadecimal digits"
    return span, message, BACKSLASH


def _of_value(said: str, source: Text, opened: int, offset: int) -> Advice:
    """A value is not written as one, or something else stands behind it."""
    text, span = source.text, (offset, offset + 1)
    here = text[offset : offset + 1]
    if here == "\n" and opened >= 0 and text[opened] == "{":
        hint = "write it on one line, or as a [table]"
        return span, "an inline table ends on its line", hint
    if token := _number_like(text, offset):
        if token[0][:2] in ("0x", "0o", "0b"):
            return token.span(), f"malformed number {short(token[0])}", ""
        return token.span(), *number_advice(token[0])
    word = _WORD.match(text, offset)
    if word and said.startswith("Invalid value"):
        return word.span(), *_word_advice(word[0])
    expected, hint = "a value", sign_advice(here)
    if said.startswith("Unclosed") and opened >= 0:
        _, closing = _KINDS[text[opened]]
        expected = f'"," or "{closing}"'
        hint = hint or f"opened at {source.where(opened)}"
    elif said.startswith("Expected newline"):
        expected = "the end of the line"
    elif said.startswith("Invalid ini"):
        before = text[:offset].rstrip()
        # "{a.}" has no comma at all.
        if here == "}" and before.endswith(","):
            comma = len(before) - 1
            return (comma, comma + 1), "trailing comma", "remove it"
        expected = "a key"
    return span, f"expected {expected}, got {quote(here)}", hint


def _number_like(text: str, offset: int) -> re.Match[str] | None:
    """What stands at an offset, or ends there, and is almost a number."""
    start = offset
    while start and _NUMBER_LIKE.match(text, start - 1, start):
        start -= 1
    token = _NUMBER_LIKE.match(text, start)
    almost = token and re.match(r"[-+]?\.?[0-9]|[-+.]+\Z", token[0])
    return token if almost and token and not NUMBER.fullmatch(token[0]) else None


def _opened(veiled: str, offset: int) -> int:
    """The innermost bracket that is open at an offset; -1 where none is."""
    opened = [-1]
    for bracket in re.finditer(r"[\[\]{}]", veiled[:offset]):
        if bracket[0] in "[{":
            opened.append(bracket.start())
        elif len(opened) > 1:
            opened.pop()
    return opened[-1]


def _word_advice(word: str) -> tuple[str, str]:
    shown, folded = short(word), word.lower()
    if not is_reserved(word):
        return f"expected a value, got {shown}", f'write "{shown}" in double quotes'
    if folded in NOT_FINITE:
        return f"{shown} is not allowed", "numbers must be finite"
    hint = f"write {folded}" if CONSTANTS.get(folded) is not None else "leave it out"
    return f"{shown} is not TOML", hint
