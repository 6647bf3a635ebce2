"""How far a generated network is from the reference and from complex steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from oracle import BeyondComparison, apart, as_lists, complex_steps_apart
from support import difference

from bpcompile import reference
from bpcompile.check import MARGIN
from bpcompile.spec import NetworkSpec

EXACT = 1e-12


def values_apart(spec: NetworkSpec, net: Any, x: Any, y: Any, scaling: Any) -> float:
    """The largest difference of outputs, costs and gradient."""
    given = (spec, net, x, y, scaling)
    # NaN counts
    return float(np.max([reference_apart(*given), steps_apart(*given)]))


def steps_apart(spec: NetworkSpec, net: Any, x: Any, y: Any, scaling: Any) -> float:
    """That of the gradient from complex steps."""
    gradient = as_lists(net.backprop(x, y))
    point = (spec, as_lists(net.parameters), x.tolist(), y.tolist(), scaling)
    return complex_steps_apart(gradient, *point)


def reference_apart(spec: NetworkSpec, net: Any, x: Any, y: Any, scaling: Any) -> float:
    """That of outputs, costs and gradient from the reference's."""
    parameters = as_lists(net.parameters)
    rows, targets = x.tolist(), y.tolist()
    point = (spec, parameters, rows, targets, scaling)
    outputs = [
        reference.feedforward(spec, parameters, row, scaling)[1][-1] for row in rows
    ]
    assert net.feedforward(x).shape == (len(x), spec.layers[-1].size)
    gradient = net.backprop(x, y)
    assert {name: g.shape for name, g in gradient.items()} == {
        name: p.shape for name, p in net.parameters.items()
    }
    found = [
        difference(net.feedforward(x), outputs),
        difference(net.cost(x, y), reference.cost(*point)),
        difference(net.total_cost(x, y), reference.total_cost(*point)),
        gradient_apart(gradient, reference.backprop(*point), *point),
    ]
    return float(np.max(found))  # NaN counts


def gradient_apart(
    gradient: Mapping[str, Any], expected: Mapping[str, Any], *point: Any
) -> float:
    """The largest difference of two gradients at a point, as the reference takes it.

    BeyondComparison where it is of rounding: inputs that are scaled to a mean of 0, times
    errors that are large and alike, add up to what the last bits of them make it.
    """
    off = apart(gradient, expected)
    if not EXACT < off < np.inf:
        return off
    for name, moved in moved_by_rounding(*point).items():
        bound = max(EXACT, MARGIN * moved)
        if not difference(gradient[name], expected[name]) <= bound:
            return off
    raise BeyondComparison


def moved_by_rounding(
    spec: NetworkSpec, parameters: Any, rows: Any, targets: Any, scaling: Any
) -> dict[str, float]:
    """How far the reference's gradient goes, by name, where the parameters and weights of
    examples do by a last bit or two."""
    rng = np.random.default_rng(0)

    def near(values: Any) -> Any:
        array = np.array(values)
        nudges = rng.choice([-2, -1, 1, 2], array.shape)
        return (array * (1 + nudges * np.finfo(float).eps)).tolist()

    data = (rows, targets, scaling)
    there = {name: near(values) for name, values in parameters.items()}
    moved = reference.backprop(spec, there, *data, near(np.ones(len(rows))))
    exact = reference.backprop(spec, parameters, *data)
    return {name: difference(moved[name], exact[name]) for name in exact}
