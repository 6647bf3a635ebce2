"""A small network and mini-batches on which single updates are compared."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from support import spec_of

from bpcompile.spec import NetworkSpec

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]

#: Two ways to round the same formulas: a few ULP in each of 30 steps, which the divisor
#: of an adaptive step enlarges where a gradient is small beside the others.
NEAR = 1e-10
STEPS = 30
N = 40

PENALTIES: Mapping[str, Mapping[str, float]] = {
    "none": {},
    "l2": {"l2": 2.0},
    "l1": {"l1": 0.5},
    "both": {"l2": 2.0, "l1": 0.5},
}


def spec_with(dtype: str = "float64", eta: float = 0.05, **hyper: Any) -> NetworkSpec:
    return spec_of(
        layers=[4, {"size": 5, "activation": "tanh"}, 3],
        cost="cross_entropy",
        dtype=dtype,
        hyperparameters={"learning_rate": eta, **hyper},
    )


@functools.cache
def data() -> tuple[Array, Array]:
    rng = np.random.default_rng(31)
    return rng.normal(size=(N, 4)), rng.random((N, 3))


def mini_batches(steps: int = STEPS) -> Iterator[Array]:
    """Index arrays of changing lengths, 1 among them."""
    rng = np.random.default_rng(32)
    for step in range(steps):
        yield rng.permutation(N)[: 1 + step % 7]
