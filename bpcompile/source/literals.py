"""Numbers, words and characters: their values, and what to say of the wrong ones."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping

from bpcompile.source.document import MAX_DIGITS, Path, pointer

CONSTANTS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None}
BACKSLASH = 'a backslash itself is written "\\\\"'
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
NOT_FINITE = frozenset({"nan", "inf", "infinity"})
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")

# What a number that is not one begins with -> what is wrong with it.
_NUMBER_FAULTS: Mapping[str, str] = {
    r"\+": 'starts with "+"',
    r"-?\.": "has no digit before its point",
    r"-?0[0-9]": "starts with 0",
    r".*[0-9]\.(?![0-9])": "has no digit after its point",
    r"-?[0-9.]+[eE][+-]?$": "has no digit in its exponent",
}


def number(literal: str, whole: bool) -> tuple[int | float, str, str]:
    """The value of a well-formed literal, and code and message if it cannot be held
    ("" otherwise)."""
    if whole:
        digits = len(literal.lstrip("-"))
        if digits > MAX_DIGITS:
            message = f"integer of {digits} digits (at most {MAX_DIGITS})"
            return 0, "too-large", message
        return int(literal), "", ""
    value = float(literal)
    if math.isinf(value):
        message = f"{short(literal)} is too large (at most {sys.float_info.max})"
        return value, "too-large", message
    if value == 0 and literal.lower().partition("e")[0].strip("+-0._"):
        return value, "syntax", f"{short(literal)} underflows to 0"
    return value, "", ""


# What stands where JSON has something else -> what to write.
_SIGNS: Mapping[str, str] = {
    **dict.fromkeys("“”„‟«»‘’‚`´", 'use straight double quotes (")'),
    **dict.fromkeys("()", "an array is written [...]"),
    ",": "remove it",
    ";": 'write ","',
}


def comma_advice(text: str, at: int) -> str:
    """Where digits stand behind a comma that may have been meant as a point."""
    before = re.search(r"[0-9]+,\Z", text[max(0, at - 20) : at])
    after = re.match(r"[0-9]+", text[at : at + 20])
    if not before or not after:
        return ""
    return f"write {before[0][:-1]}.{after[0]}, with a point"


def sign_advice(sign: str) -> str:
    """The way out where a character stands that begins nothing of JSON."""
    return _SIGNS.get(sign, "write a plain space" if sign.isspace() else "")


def control_message(character: str, path: Path, key: bool) -> str:
    """Of a control character in the value at `path`, or in a key of it. Not the words
    for a raw one: JSON allows the escape, the spec language has no use for it."""
    name = pointer(path)
    name = name if len(name) <= 100 else f"{name[:100]}..."
    inside = f"a key of {name or 'the top level'}" if key else name or "the string"
    return f"control character U+{ord(character):04X} in {inside}"


def is_reserved(word: str) -> bool:
    """Whether a bare word was probably meant as a constant or number of JSON."""
    # Not "none", which is the name of a kind.
    return word == "None" or word.lower() in CONSTANTS or word.lower() in NOT_FINITE


def short(literal: str) -> str:
    return literal if len(literal) <= 40 else f"{literal[:40]}..."


def word_advice(word: str, expected: str) -> tuple[str, str]:
    shown, folded = short(word), word.lower()
    if expected.startswith("a key"):
        return f"bare key {shown}", f'write "{shown}"'
    if folded in NOT_FINITE:
        return f"{shown} is not JSON", "numbers must be finite"
    if word == "undefined":
        return f"{shown} is not JSON", "leave the key out"
    if is_reserved(word):
        meant = "null" if word == "None" else folded
        return f"{shown} is not JSON", f"write {meant}"
    return f"expected {expected}, got {shown}", f'write "{shown}" in double quotes'


def number_advice(literal: str, before: str = "") -> tuple[str, str]:
    """Message and hint for a token that is almost a number, after two characters."""
    shown = short(literal)
    if not re.search("[0-9A-Za-z]", literal):
        return f"expected a value, got {shown}", ""
    if re.fullmatch("[0-9],", before) and re.fullmatch("0[0-9]{2}", literal):
        return f"number {shown} starts with 0", "write 1000, not 1,000"
    sign = "-" if literal[0] == "-" else ""
    rest = literal[1:] if literal[0] in "+-" else literal
    if rest.lower() in NOT_FINITE:
        return f"{shown} is not JSON", "numbers must be finite"
    if re.match("0[xX]", rest):
        hexadecimal = re.fullmatch("0[xX][0-9a-fA-F]{1,16}", rest)
        hint = f"write {sign}{int(rest, 16)}" if hexadecimal else ""
        return f"hexadecimal number {shown} is not JSON", hint
    # The advice is to write what is left when every one of the faults is mended.
    plain = rest.replace("_", "") if re.fullmatch(r"\d+(_\d+)+", rest) else rest
    mended = re.sub(r"^0+(?=[0-9])", "", plain)
    mended = re.sub(r"^\.(?=[0-9])", "0.", mended)
    mended = sign + re.sub(r"(?<=[0-9])\.(?![0-9])", ".0", mended)
    hint = f"write {short(mended)}" if NUMBER.fullmatch(mended) else ""
    for pattern, fault in _NUMBER_FAULTS.items():
        if re.match(pattern, literal):
            return f"number {shown} {fault}", hint
    return f"malformed number {shown}", hint
