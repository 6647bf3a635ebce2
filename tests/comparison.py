"""How far a generated network is from the reference and from complex steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from oracle import apart, as_lists, complex_steps_apart
from support import difference

from bpcompile import reference
from bpcompile.spec import NetworkSpec


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
        apart(gradient, reference.backprop(*point)),
    ]
    return float(np.max(found))  # NaN counts
