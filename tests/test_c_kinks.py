"""Where an activation has no derivative, C takes what NumPy and the entry take."""

from __future__ import annotations

from typing import Any

import c_modules
import numpy as np
import pytest
from oracle import library
from support import TARGETS, difference, spec_of

from bpcompile import reference
from bpcompile.operators import ACTIVATIONS

#: At a kink, a last bit beside it, and the smallest numbers there are.
BESIDE = (0.0, -0.0, 5e-324, -5e-324, 2.3e-308)
KINKED = [kind for kind, entry in ACTIVATIONS.items() if entry.kinks]


@pytest.mark.fault("NUM-05")
@pytest.mark.parametrize("kind", KINKED)
def test_every_target_takes_the_same_side_of_a_kink(kind: str) -> None:
    hidden = {"size": 3, "activation": kind}
    output = {"size": 2, "activation": "identity"}
    fields: dict[str, Any] = {"layers": [2, hidden, output], "cost": "quadratic"}
    spec = spec_of(**fields, dtype="float64")
    nets = [library(spec, target).Network() for target in TARGETS]
    nets.append(c_modules.library(spec).Network())
    x, y = np.ones((2, 2)), np.array([[1.0, -2.0], [0.5, 3.0]])
    given = {name: p.copy() for name, p in nets[0].parameters.items()}
    given["w2"][...] = 0
    for kink, _ in ACTIVATIONS[kind].kinks:
        for beside in BESIDE:
            given["b2"][...] = kink + beside
            values = {
                name: p.ravel().tolist() if name.startswith("b") else p.tolist()
                for name, p in given.items()
            }
            exact = reference.backprop(spec, values, x.tolist(), y.tolist())
            for net in nets:
                set_to(net, given)
                for name, gradient in net.backprop(x, y).items():
                    assert difference(gradient, exact[name]) <= 1e-15


def set_to(net: Any, parameters: dict[str, Any]) -> None:
    if hasattr(net, "set"):
        net.set(parameters)
        return
    for name, p in net.parameters.items():
        p[...] = parameters[name]
