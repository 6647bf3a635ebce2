"""Formulas and code with layers counted from the layer itself.

So the same line of layer 4 and, one layer having been inserted, of layer 5 are equal.
"""

from __future__ import annotations

import re

_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_DIGITS = str.maketrans(_SUPERSCRIPTS, "0123456789")
_RAISED = re.compile(f"[{_SUPERSCRIPTS}]+")
#: The number at the end of a name, as in delta3 and N2, but not in 0.3 or x32y, nor
#: that of an equation.
_NAMED = re.compile(r"(?<=[A-Za-z_])(?<!\bBP)\d+\b")
_NEIGHBOURS = {-1: "[l-1]", 0: "[l]", 1: "[l+1]"}


def relative(formula: str, layer: int) -> str:
    """A formula in which l-1, l and l+1 stand for this layer and its neighbours."""

    def shifted(match: re.Match[str]) -> str:
        number = int(match[0].translate(_DIGITS))
        return _NEIGHBOURS.get(number - layer, match[0])

    return _RAISED.sub(shifted, formula)


def relative_code(line: str, layer: int) -> str:
    """A line of code, or a comment of it, likewise."""

    def shifted(match: re.Match[str]) -> str:
        return _NEIGHBOURS.get(int(match[0]) - layer, match[0])

    return _NAMED.sub(shifted, relative(line, layer))
