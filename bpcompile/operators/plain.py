"""What `define` needs of mathematics: of real numbers and of complex ones alike.

Apart from `bpcompile.expr`, for definitions are what its trees are checked against.
"""

from __future__ import annotations

import cmath
import math
from typing import TypeAlias

Number: TypeAlias = float | complex


def exp(value: Number) -> Number:
    return cmath.exp(value) if isinstance(value, complex) else math.exp(value)


def log(value: Number) -> Number:
    return cmath.log(value) if isinstance(value, complex) else math.log(value)


def tanh(value: Number) -> Number:
    return cmath.tanh(value) if isinstance(value, complex) else math.tanh(value)
