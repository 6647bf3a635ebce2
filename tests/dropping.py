"""One step with dropout, worked out apart from the reference: its masks are given.

The gradient of the dropped network is a complex step of its mean cost, entry by entry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpcompile import reference
from bpcompile.reference.forward import activate, cost_of_z, numbered_layers
from bpcompile.spec import NetworkSpec

Array = NDArray[Any]

MASKS = 3
_H = 1e-30


def factors(
    p: float, seed: int, epoch: int, step: int, layer: int, units: int, examples: int
) -> list[list[float]]:
    """0 or 1/(1 - p) of each unit, a row for each example, as the contract has it."""
    words = reference.philox_words(
        (units * examples + 1) // 2, seed, MASKS, epoch, step, layer
    )
    halves = [half for word in words for half in (word & 0xFFFFFFFF, word >> 32)]
    flat = [0.0 if half < p * 2**32 else 1 / (1 - p) for half in halves]
    return [flat[i * units : (i + 1) * units] for i in range(examples)]


def factors_of_step(
    spec: NetworkSpec, seed: int, epoch: int, step: int, examples: int
) -> dict[int, list[list[float]]]:
    """Those of every layer, 1 where nothing is dropped."""
    return {
        number: factors(layer.dropout, seed, epoch, step, number, layer.size, examples)
        for number, layer in enumerate(spec.layers, start=1)
    }


def _dropped_cost(
    spec: NetworkSpec,
    parameters: Mapping[str, Any],
    x: Sequence[Sequence[float]],
    y: Any,
    r: Mapping[int, Sequence[Sequence[float]]],
) -> complex:
    """The mean cost where layer l sends on r * a, for inputs that are scaled already."""
    from_z, total = cost_of_z(spec), 0j
    for i, (row, y_row) in enumerate(zip(x, reference.targets(spec, y), strict=True)):
        a: list[Any] = list(row)
        for number, layer in numbered_layers(spec):
            kept = [f * v for f, v in zip(r[number - 1][i], a, strict=True)]
            w, b = parameters[f"w{number}"], parameters[f"b{number}"]
            z = [
                sum(w_jk * k for w_jk, k in zip(w_j, kept, strict=True)) + b_j
                for w_j, b_j in zip(w, b, strict=True)
            ]
            a = activate(spec, layer, z)
        cost = spec.cost_entry.define
        value = from_z(z, y_row) if from_z else cost(a, y_row, **spec.cost.parameters)
        total += value
    return total / len(x)


def dropped_gradient(
    spec: NetworkSpec, parameters: Mapping[str, Array], x: Array, y: Any, r: Any
) -> dict[str, Array]:
    """Every entry's derivative, in the shapes of a module's parameters."""
    gradient = {}
    for name, array in parameters.items():
        slopes = np.empty_like(array)
        for place in np.ndindex(*array.shape):
            moved = {n: p.astype(complex) for n, p in parameters.items()}
            moved[name][place] += 1j * _H
            lists = {n: p.tolist() for n, p in moved.items()}
            lists |= {n: p.ravel().tolist() for n, p in moved.items() if n[0] == "b"}
            value = _dropped_cost(spec, lists, x.tolist(), y.tolist(), r)
            slopes[place] = value.imag / _H
        gradient[name] = slopes
    return gradient
