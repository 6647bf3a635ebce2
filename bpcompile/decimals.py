"""Numbers of a type as decimal text, and such text in lines."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable

#: So many digits tell any two numbers of float32 apart.
_MOST = 9
_FLOAT32 = struct.Struct("<f")
_LINE = 88


def decimals(values: array[float], suffix: str = "") -> list[str]:
    """Each number as the shortest decimal that reads back to the same bits, and after
    it the suffix by which a language tells its type.

    A float32 does so whether it is read as one or read as a float64 and then rounded.
    All have a point or an exponent, as a number that is not whole needs in most
    languages: 1.0, -0.0, 1e-05.
    """
    word = repr if values.typecode == "d" else _shortest
    return [word(value) + suffix for value in values]


def _shortest(value: float) -> str:
    """Of a float32, which is given as a float64."""
    text = f"{value:.{_MOST}g}"
    for digits in range(_MOST - 1, 0, -1):
        shorter = f"{value:.{digits}g}"
        if not _reads_back(shorter, value):
            break
        text = shorter
    return text if "." in text or "e" in text else f"{text}.0"


def _reads_back(text: str, value: float) -> bool:
    read = float(text)
    if _rounded(read) != value:
        return False
    # Read as half way between two float32, the decimal itself may lie beyond, and who
    # reads it at once would take the neighbour.
    mirrored = 2 * read - value
    return read == value or _rounded(mirrored) != mirrored


def _rounded(value: float) -> float:
    """The nearest float32; infinity beyond the largest."""
    try:
        (rounded,) = _FLOAT32.unpack(_FLOAT32.pack(value))
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    return float(rounded)


def in_lines(words: Iterable[str], indent: int = 0, between: str = "") -> str:
    """Words in lines of at most 88 columns, `between` after each but the last.

    The first line begins at `indent`, the others four columns further to the right.
    """
    first, further = " " * indent, " " * (indent + 4)
    filled, line, alone = [], first, True
    for word in words:
        # The comma that may follow must fit too.
        if not alone and len(line) + 1 + len(word) + len(between) > _LINE:
            filled.append(line)
            line, alone = further, True
        line += word if alone else f" {word}"
        alone = False
        line += between
    filled.append(line.removesuffix(between) if between else line)
    return "\n".join(filled)
