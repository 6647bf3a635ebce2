"""Random networks of the whole language, each proven by the whole chain.

generated module <- reference <- complex step of the reference's cost, at 1e-12. Every
spec is compiled for one of the targets that can be imported, in turn; a run of CI draws
2,000, `make fuzz` 10,000, always the same ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparison import EXACT, moved_by_rounding, reference_apart, steps_apart
from fuzzing import PARTS, share
from hypothesis import Phase, given, reject, seed, settings
from hypothesis import strategies as st
from oracle import BeyondComparison, apart, as_lists, library, scaling_of
from random_specs import data_for, repeatable, specs, without_validation
from support import TARGETS, spec_of

from bpcompile import reference
from bpcompile.check import MARGIN
from bpcompile.operators import ACTIVATIONS
from bpcompile.spec import NetworkSpec

PHASES = (Phase.generate, Phase.shrink)


@pytest.mark.parametrize("part", range(PARTS))
def test_random_specs(part: int, figures: Callable[..., None]) -> None:
    found: list[float] = []

    @seed(part)
    @settings(repeatable, max_examples=share(10_000, 2_000), phases=PHASES)
    @given(specs(), st.integers(1, 9), st.integers(0, 2**20))
    def check(spec: NetworkSpec, n: int, data_seed: int) -> None:
        try:
            apart_by = proven(without_validation(spec), n, data_seed, len(found))
        except BeyondComparison:
            reject()  # does not count as one of the examples
        found.append(apart_by)
        assert apart_by <= EXACT

    check()
    assert len(found) >= share(10_000, 2_000)
    figures(
        "random specs against reference and complex step",
        **{"proven": len(found), "largest difference": max(found)},
    )


def proven(spec: NetworkSpec, n: int, data_seed: int, number: int) -> float:
    """The largest difference, before and after the scaling has been fitted."""
    x, y = data_for(spec, n, data_seed)
    net = library(spec, TARGETS[number % len(TARGETS)]).Network()
    initial = reference.initial_parameters(spec)
    unfitted = scaling_of(spec, x, fitted=False)
    # Bytes that nothing scales down yet would overflow the first exp.
    calm = x if unfitted else x / max(1.0, float(np.abs(x).max()))
    found = [apart(net.parameters, initial), chained(spec, net, calm, y, unfitted)]
    # No epoch trains nothing, but fits the scaling.
    net.train(x, y, epochs=0)
    fitted = scaling_of(spec, x)
    found.append(apart(net.parameters, initial))
    if fitted != unfitted:
        found.append(chained(spec, net, x, y, fitted))
    return float(np.max(found))  # NaN counts


def chained(spec: NetworkSpec, net: Any, x: Any, y: Any, scaling: Any) -> float:
    """The largest difference; BeyondComparison where numbers are too large, such as exp
    of exp of exp, or where a complex step passes to the other side of a kink, at which
    there is no derivative, or is no small step for so large an activation, or where a
    gradient is a sum of which rounding alone is left."""
    point = (spec, as_lists(net.parameters), x.tolist(), y.tolist(), scaling)
    found = [reference.cost(*point), *reference.backprop(*point).values()]
    if not all(np.isfinite(np.array(values)).all() for values in found):
        raise BeyondComparison
    worst = reference_apart(spec, net, x, y, scaling)
    assert worst <= EXACT
    off = steps_apart(spec, net, x, y, scaling)
    if not off <= EXACT and (at_a_kink(*point) or at_a_step_too_long(*point)):
        raise BeyondComparison
    if EXACT < off <= MARGIN * max(moved_by_rounding(*point).values()):
        raise BeyondComparison
    return float(np.max([worst, off]))


def at_a_kink(
    spec: NetworkSpec, parameters: Any, rows: Any, targets: Any, scaling: Any
) -> bool:
    """Whether a weighted input is exactly where its activation has no derivative, or an
    output where its cost may have none: at a target, as given or as classes are coded."""
    kinked = spec.cost.kind in KINKED
    given = {-1.0, 0.0, 1.0, *np.ravel(targets)} if kinked else set()
    for row in rows:
        zs, activations = reference.feedforward(spec, parameters, row, scaling)
        if given & set(activations[-1]):
            return True
        for layer, z in zip(spec.layers[1:], zs, strict=True):
            places = {place for place, _ in ACTIVATIONS[layer.activation.kind].kinks}
            if places & set(z):
                return True
    return False


def at_a_step_too_long(
    spec: NetworkSpec, parameters: Any, rows: Any, _targets: Any, scaling: Any
) -> bool:
    """Whether 1e-30 in a weight moves the layer above by more than rounding, squared."""
    for row in rows:
        _, activations = reference.feedforward(spec, parameters, row, scaling)
        if max(abs(a) for layer in activations for a in layer) > 1e20:
            return True
    return False


#: Costs without a derivative at y, or at 1 / y.
KINKED = ("absolute", "hinge")
NO_WEIGHTS = {
    "initializer": {"kind": "constant", "value": 0.0},
    "bias_initializer": "zeros",
}
#: What random specs came to: layers, seeds of parameters and data, number of examples.
BEYOND_COMPARISON: dict[str, tuple[list[Any], int, int, int]] = {
    "at a kink of the cost": (
        [
            {"size": 1},
            {"size": 1, "activation": "gelu", **NO_WEIGHTS},
            {"size": 2, "activation": "identity", "bias_initializer": "zeros"},
        ],
        *(0, 1, 1),
    ),
    "too large": (
        [
            {"size": 2},
            {"size": 2, "activation": "identity"},
            {"size": 2, "activation": "exp", "initializer": "glorot_uniform"},
            {"size": 6, "activation": "exp"},
            {"size": 1, "activation": "exp"},
            {"size": 1, "activation": "identity"},
        ],
        *(3, 4, 1),
    ),
    "a step too long": (
        [
            2,
            {"size": 1, "activation": "exp", "bias_initializer": "scaled_normal"},
            {"size": 1, "activation": "exp", "bias_initializer": "scaled_normal"},
            {"size": 1, "activation": "identity", "bias_initializer": "scaled_normal"},
            {"size": 1, "initializer": {"kind": "constant", "value": 0.0}},
        ],
        *(0, 7815, 1),
    ),
    "at a kink": (
        [
            {"size": 1, "scaling": "standardize"},
            {"size": 1, "activation": "gelu", "bias_initializer": "zeros"},
            {"size": 2, "activation": "relu", "bias_initializer": "zeros"},
        ],
        *(0, 0, 1),
    ),
    "a sum of rounding": (
        [
            {"size": 1, "scaling": "standardize"},
            {
                "size": 1,
                "activation": "exp",
                "initializer": NO_WEIGHTS["initializer"],
                "bias_initializer": {"kind": "constant", "value": 20.0},
            },
            {"size": 1, "activation": "identity"},
        ],
        *(0, 0, 4),
    ),
}


@pytest.mark.parametrize("name", BEYOND_COMPARISON)
def test_what_cannot_be_compared_is_drawn_again(name: str) -> None:
    layers, parameter_seed, data_seed, n = BEYOND_COMPARISON[name]
    hyper = {"seed": parameter_seed}
    fields = {"layers": layers, "cost": "quadratic", "hyperparameters": hyper}
    if "cost" in name:
        fields |= {"cost": "absolute", "task": "classification"}
    with np.errstate(all="ignore"), pytest.raises(BeyondComparison):
        proven(spec_of(**fields, dtype="float64"), n, data_seed, 0)
