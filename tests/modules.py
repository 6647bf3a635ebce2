"""Modules for every kind of task, with data, for the tests of what a module does."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from support import TARGETS, module_of, spec_of

from bpcompile.spec import NetworkSpec

Array = NDArray[Any]

#: Rows of `inputs`, chosen so that the mini-batches of 4 leave a short one.
N = 6
IDENTITY = {"activation": "identity"}

LAYERS: dict[str, tuple[list[Any], str]] = {
    "classes": ([3, 5, {"size": 4, "activation": "softmax"}], "log_likelihood"),
    "sides": ([3, 5, 2], "cross_entropy"),
    "tanh_classes": ([3, 5, {"size": 2, "activation": "tanh"}], "quadratic"),
    "one": ([3, 5, 1], "cross_entropy"),
    "one_tanh": ([3, 5, {"size": 1, "activation": "tanh"}], "quadratic"),
    "values": ([3, 5, {"size": 2, **IDENTITY}], "quadratic"),
    "one_value": ([3, 5, {"size": 1, **IDENTITY}], "quadratic"),
}
CLASSIFIERS = [kind for kind in LAYERS if "value" not in kind]
ALL = [(kind, target) for kind in LAYERS for target in TARGETS]
OUTPUTS = {"classes": 4, "one": 1, "one_tanh": 1, "one_value": 1}


def spec_for(kind: str, **changes: Any) -> NetworkSpec:
    """A float64 spec of that kind: 3 inputs, mini-batches of 4, some L2."""
    layers, cost = LAYERS[kind]
    hyper = {"learning_rate": 0.3, "mini_batch_size": 4, "epochs": 3}
    fields = {"name": kind, "layers": layers, "cost": cost, "dtype": "float64"}
    fields["hyperparameters"] = {**hyper, "regularization": {"l2": 0.5}}
    return spec_of(**{**fields, **changes})


@functools.cache
def built(kind: str, target: str) -> ModuleType:
    """The whole module for a kind; tests must not change it."""
    return module_of(spec_for(kind), target)


def network(kind: str, target: str, **options: Any) -> Any:
    return built(kind, target).Network(**options)


def inputs(n: int = N, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(n, 3))


def labels(kind: str, n: int = N, seed: int = 1) -> Array:
    """y as a user would first give it: labels where there are classes, else values."""
    rng = np.random.default_rng(seed)
    outputs = OUTPUTS.get(kind, 2)
    if kind == "one_tanh":
        return 2 * rng.integers(0, 2, n) - 1
    if kind in CLASSIFIERS:
        return rng.integers(0, max(outputs, 2), n)
    return rng.normal(size=(n, outputs) if outputs > 1 else n)


def rows_of(kind: str, y: Array) -> Array:
    """The same y as values, one row for each example."""
    outputs = OUTPUTS.get(kind, 2)
    if y.ndim == 2:
        return y
    if outputs == 1:
        return y[:, np.newaxis].astype(float)
    low = -1.0 if kind == "tanh_classes" else 0.0
    return np.where(np.arange(outputs) == y[:, np.newaxis], 1.0, low)


def bytes_of(net: Any) -> dict[str, bytes]:
    """Every bit of the parameters."""
    return {name: array.tobytes() for name, array in net.parameters.items()}
