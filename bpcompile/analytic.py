"""Values of primitives for real numbers, and for complex ones as a complex step needs.

Comparisons act on real parts, and a tiny imaginary part never drowns in the real one.
Source: Squire and Trapp, SIAM Review 40 (1998).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

Number = float | complex

ERF_SLOPE = 2 / math.sqrt(math.pi)


def real(value: Number) -> float:
    return value.real


def sign(value: Number) -> float:
    return float((real(value) > 0) - (real(value) < 0))


def absolute(value: Number) -> Number:
    return value if real(value) > 0 else -value if real(value) < 0 else 0 * value


def by(
    real: Callable[[float], float], complex_: Callable[[complex], complex]
) -> Callable[[Number], Number]:
    return lambda value: complex_(value) if isinstance(value, complex) else real(value)


def log1p(value: complex) -> complex:
    # log(1 + x) loses the small part of x; ln|1 + x| from its square does not.
    re, im = value.real, value.imag
    return complex(0.5 * math.log1p(re * (2 + re) + im * im), math.atan2(im, 1 + re))


def expm1(value: complex) -> complex:
    re, im = value.real, value.imag
    grown = math.exp(re)
    half = math.sin(im / 2)
    return complex(math.expm1(re) - 2 * grown * half * half, grown * math.sin(im))


def erf(value: complex) -> complex:
    """Of a complex step, whose imaginary part is tiny: there is no other use for it."""
    re = value.real
    return complex(math.erf(re), value.imag * ERF_SLOPE * math.exp(-re * re))


def finite(value: Number) -> Number:
    return min(value.real, sys.float_info.max) if math.isinf(value.real) else value
