"""The words of formulas, and what is to be said of words that are none."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e}

TOKEN = re.compile(
    r"[ \t\n]*(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>\*\*|<=|>=|==|!=|<|>|[-+*/(),=])|(?P<other>.|\Z))",
    re.DOTALL,
)
COMPARISONS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
SUMS = {"+": "add", "-": "sub"}
PRODUCTS = {"*": "mul", "/": "div"}
HOW_TO_CHOOSE = "write where(z > 0, THIS, THAT) to choose"
#: What people write for something else.
INSTEAD: Mapping[str, str] = {
    "^": "a power is written **",
    "==": "comparisons are <, <=, > and >=",
    "!=": "comparisons are <, <=, > and >=",
    "=": "comparisons are <, <=, > and >=",
    "|": "write abs(z)",
    "&": HOW_TO_CHOOSE,
    "?": HOW_TO_CHOOSE,
    "%": "there is no remainder",
    "!": "there is no factorial",
    "[": "write (",
    "{": "write (",
    "]": "write )",
    "}": "write )",
    ".": "a number needs a digit",
    "×": "write *",
    "·": "write *",
    "−": "write -",
    "–": "write -",
}
CONDITIONS = ("if", "else", "and", "or", "not")
WORDS: Mapping[str, str] = {
    **{"ln": "log", "maximum": "max", "minimum": "min", "fabs": "abs", "sgn": "sign"},
    **{"power": "**", "pow": "**", "sqr": "**", "square": "**"},
}


@dataclass(frozen=True)
class Token:
    """A word of the formula: `kind` is "number", "name", "sign", "other" or "end"."""

    kind: str
    text: str
    start: int

    @property
    def span(self) -> tuple[int, int]:
        return self.start, self.start + max(1, len(self.text))
