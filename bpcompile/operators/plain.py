"""What `define` needs of mathematics: of real numbers and of complex steps alike.

Apart from `bpcompile.expr`, for definitions are what its trees are checked against.
Of a complex number the imaginary part is taken to be tiny, as a complex step makes it:
f(x + ih) = f(x) + ih f'(x).
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from typing import TypeAlias

Number: TypeAlias = float | complex


def exp(value: Number) -> Number:
    return cmath.exp(value) if isinstance(value, complex) else math.exp(value)


def log(value: Number) -> Number:
    return cmath.log(value) if isinstance(value, complex) else math.log(value)


def tanh(value: Number) -> Number:
    return cmath.tanh(value) if isinstance(value, complex) else math.tanh(value)


def sin(value: Number) -> Number:
    return cmath.sin(value) if isinstance(value, complex) else math.sin(value)


def log1p(value: Number) -> Number:
    slope = 1 / (1 + value.real)
    return _stepped(value, math.log1p(value.real), slope)


def expm1(value: Number) -> Number:
    return _stepped(value, math.expm1(value.real), math.exp(value.real))


def erfc(value: Number) -> Number:
    slope = -2 / math.sqrt(math.pi) * math.exp(-(value.real**2))
    return _stepped(value, math.erfc(value.real), slope)


def absolute(value: Number) -> Number:
    return value if value.real > 0 else -value if value.real < 0 else 0 * value


def softplus(value: Number) -> Number:
    """ln(1 + e^value), without overflow and with all digits where it is small."""
    if value.real > 0:
        return value + log1p(exp(-value))
    return log1p(exp(value))


def sigmoid(value: Number) -> Number:
    if value.real >= 0:
        return 1 / (1 + exp(-value))
    return exp(value) / (1 + exp(value))


def log_softmax(z: Sequence[Number]) -> list[Number]:
    """z - ln Σ eᶻ over a layer, with all digits of a term near 0."""
    top = max(z_j.real for z_j in z)
    log_total = log(sum(exp(z_j - top) for z_j in z))
    # The largest z is taken off each z, not put back: a large one would swallow ln Σ.
    return [(z_j - top) - log_total for z_j in z]


def _stepped(value: Number, real: float, slope: float) -> Number:
    if isinstance(value, complex):
        return complex(real, slope * value.imag)
    return real
