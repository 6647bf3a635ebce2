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


ACTIVATION_ORACLE: dict[str, Callable[[Vector], Vector]] = {
    "identity": _each(lambda z: z),
    "sigmoid": _each(lambda z: 1 / (1 + mpmath.exp(-z))),
    "tanh": _each(mpmath.tanh),
    "relu": _each(lambda z: max(z, mpmath.mpf(0))),
    "softmax": _softmax,
}
COST_ORACLE: dict[str, Callable[[Vector, Vector], Any]] = {
    "quadratic": _sum(lambda a, y: (a - y) ** 2 / 2),
    "cross_entropy": _sum(lambda a, y: -_log(y, a) - _log(1 - y, 1 - a)),
    "log_likelihood": _sum(lambda a, y: -_log(y, a)),
}
#: Targets that a cost may be given, for three outputs.
TARGETS_OF: dict[str, list[list[float]]] = {
    "any": [[0.0, 1.0, 0.25], [-3.0, 2.0, 1.0]],
    "unit": [[0.0, 1.0, 0.25], [1.0, 1.0, 0.0]],
    "distribution": [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.25, 0.5, 0.25]],
}


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
