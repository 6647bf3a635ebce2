"""What every operator is, in arithmetic of any precision, and where it is tried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from bpcompile.operators import COSTS

Array = NDArray[Any]
Vector = list[Any]

# ---- What the operators are --------------------------------------------------------


def _each(f: Callable[[Any], Any]) -> Callable[[Vector], Vector]:
    return lambda z: [f(v) for v in z]


def _softmax(z: Vector) -> Vector:
    powers = [mpmath.exp(v - max(z)) for v in z]
    return [power / mpmath.fsum(powers) for power in powers]


def _sum(f: Callable[[Any, Any], Any]) -> Callable[[Vector, Vector], Any]:
    return lambda a, y: mpmath.fsum(map(f, a, y))


def _log(factor: Any, value: Any) -> Any:
    """factor ln value, 0 where the factor is."""
    return factor * mpmath.log(value) if factor else mpmath.mpf(0)


def _sigmoid(z: Any) -> Any:
    return 1 / (1 + mpmath.exp(-z))


def _softplus(z: Any) -> Any:
    """ln(1 + eᶻ), where 1 + eᶻ has more digits than anyone asks for."""
    return mpmath.log1p(mpmath.exp(z)) if z < 0 else z + mpmath.log1p(mpmath.exp(-z))


def _elu(z: Any, alpha: float = 1.0) -> Any:
    return z if z > 0 else mpmath.mpf(alpha) * mpmath.expm1(z)


def _bent(z: Any) -> Any:
    return mpmath.sqrt(2 / mpmath.pi) * (z + mpmath.mpf("0.044715") * z**3)


#: Klambauer et al., 2017, as PyTorch has them.
_SCALE, _ALPHA = mpmath.mpf("1.0507009873554805"), 1.6732632423543772

ACTIVATION_ORACLE: dict[str, Callable[[Vector], Vector]] = {
    "identity": _each(lambda z: z),
    "leaky_relu": _each(lambda z: z if z > 0 else z * mpmath.mpf(0.01)),
    "elu": _each(_elu),
    "selu": _each(lambda z: _SCALE * _elu(z, _ALPHA)),
    "gelu": _each(lambda z: z * mpmath.erfc(-z / mpmath.sqrt(2)) / 2),
    "gelu_tanh": _each(lambda z: z * _sigmoid(2 * _bent(z))),
    "silu": _each(lambda z: z * _sigmoid(z)),
    "mish": _each(lambda z: z * mpmath.tanh(_softplus(z))),
    "softplus": _each(lambda z: _softplus(z)),
    "softsign": _each(lambda z: z / (1 + abs(z))),
    "hard_tanh": _each(lambda z: max(min(z, mpmath.mpf(1)), mpmath.mpf(-1))),
    "exp": _each(mpmath.exp),
    "sine": _each(mpmath.sin),
    "sigmoid": _each(lambda z: _sigmoid(z)),
    "tanh": _each(mpmath.tanh),
    "relu": _each(lambda z: max(z, mpmath.mpf(0))),
    "softmax": _softmax,
}


def _huber(d: Any) -> Any:
    return d * d / 2 if d <= 1 else d - mpmath.mpf(0.5)


def _log_cosh(d: Any) -> Any:
    return d + mpmath.log1p(mpmath.exp(-2 * d)) - mpmath.log(2)


COST_ORACLE: dict[str, Callable[[Vector, Vector], Any]] = {
    "quadratic": _sum(lambda a, y: (a - y) ** 2 / 2),
    "cross_entropy": _sum(lambda a, y: -_log(y, a) - _log(1 - y, 1 - a)),
    "log_likelihood": _sum(lambda a, y: -_log(y, a)),
    "hinge": _sum(lambda a, y: max(1 - y * a, mpmath.mpf(0))),
    "poisson": _sum(lambda a, y: a - _log(y, a)),
    "huber": _sum(lambda a, y: _huber(abs(a - y))),
    "absolute": _sum(lambda a, y: abs(a - y)),
    "log_cosh": _sum(lambda a, y: _log_cosh(abs(a - y))),
}
_ROWS = [[0.0, 1.0, 0.25], [-3.0, 2.0, 1.0], [1.0, 0.0, 0.0], [1.0, 1.0, -1.0]]


def targets_of(cost: str) -> list[list[float]]:
    """Targets that a cost may be given, for three outputs."""
    allowed = COSTS[cost].targets
    rows = [
        [min(max(v, allowed.within.low), allowed.within.high) for v in row]
        for row in _ROWS
    ]
    if allowed.values:
        rows = [
            [max(allowed.values) if v > 0 else min(allowed.values) for v in row]
            for row in rows
        ]
    if allowed.sums_to_one:
        rows = [[v / sum(row) for v in row] for row in rows]
    return rows


FUSED = [(output, cost) for cost, e in COSTS.items() for output in e.fused]
OUTPUTS = [[0.3, 0.1, 0.6], [0.999, 1e-6, 0.5], [0.2, 0.2, 0.6]]
# ---- Where they are tried ----------------------------------------------------------

#: 0, subnormals of both types, where exp over- and underflows, and far beyond.
SPECIAL = (
    *(0.0, -0.0, 5e-324, -5e-324, 1e-45, -1e-45, 1e-38, 1e-9, -1e-9, 0.5, -2.0),
    *(40.0, -40.0, 88.8, -88.8, 104.0, -104.0, 709.9, -709.9, 745.2, -745.2),
    *(750.0, -750.0, 1e4, -1e4),
)


def columns() -> list[list[float]]:
    """Weighted inputs of three neurons: equal, far apart, random."""
    equal = [[value] * 3 for value in SPECIAL]
    mixed = [[40, -40, 40], [750, -750, 750], [1e4, -1e4, 9999], [1e4, 1e4, -40]]
    rng = np.random.default_rng(0)
    drawn = [*rng.normal(size=(20, 3)), *(30 * rng.normal(size=(20, 3)))]
    return [*equal, *mixed, *(row.tolist() for row in drawn)]


def digits(column: Any) -> Any:
    """As many as it takes to tell tanh z from 1: 1 - tanh z is about 2 exp(-2z)."""
    return mpmath.workdps(60 + int(0.9 * max(map(abs, column))))


def precise(values: Any) -> Vector:
    return [mpmath.mpf(float(value)) for value in values]
