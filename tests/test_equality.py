"""Generated modules against the reference: initial values, costs and gradients."""

from __future__ import annotations

import pathlib
from collections import Counter
from typing import Any

import numpy as np
import pytest
from comparison import values_apart
from hypothesis import given
from hypothesis import strategies as st
from oracle import apart, library, scaling_of
from random_specs import (
    PAIRS,
    TRIPLES,
    data_for,
    outputs_for,
    repeatable,
    spec_of_triple,
    specs,
    without_validation,
)
from support import TARGETS, difference, spec_of

from bpcompile import reference
from bpcompile.operators import ACTIVATIONS, COSTS
from bpcompile.spec import NetworkSpec

EXACT = 1e-12
SINGLE = 2e-6


def test_pairs_cover_every_cost_and_output_activation() -> None:
    assert {cost for _, cost in PAIRS} == set(COSTS)
    assert {output for output, _ in PAIRS} == set(ACTIVATIONS)
    assert outputs_for("log_likelihood") == ("softmax",)


@repeatable
@given(specs(), st.integers(1, 9), st.integers(0, 2**20))
def test_random_specs(spec: NetworkSpec, n: int, seed: int) -> None:
    spec = without_validation(spec)
    x, y = data_for(spec, n, seed)
    for target in TARGETS:
        net = library(spec, target).Network()
        assert apart(net.parameters, reference.initial_parameters(spec)) <= EXACT
        unfitted = scaling_of(spec, x, fitted=False)
        assert values_apart(spec, net, x, y, unfitted) <= EXACT
        # No epoch trains nothing, but fits the scaling.
        net.train(x, y, epochs=0)
        assert apart(net.parameters, reference.initial_parameters(spec)) <= EXACT
        assert values_apart(spec, net, x, y, scaling_of(spec, x)) <= EXACT


def single_and_double(
    spec: NetworkSpec, target: str, x: Any, y: Any
) -> tuple[float, float]:
    """How far the float32 gradient is from float64's at the same parameters.

    And how far that of float64 moves when every parameter does by float32's rounding:
    no program in float32 can be expected to be nearer than that.
    """
    module = library(spec, target)
    single, double = module.Network(), module.Network(dtype=np.float64)
    for net in (single, double):
        net.train(x, y, epochs=0)
    for name, array in single.parameters.items():
        double.parameters[name][...] = array
    exact, gradient = double.backprop(x, y), single.backprop(x, y)
    assert {g.dtype for g in gradient.values()} == {np.dtype(np.float32)}
    rng = np.random.default_rng(0)
    for array in double.parameters.values():
        array *= 1 + 2.0**-24 * rng.choice([-1, 1], array.shape)
    return apart(gradient, exact), apart(double.backprop(x, y), exact)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("triple", TRIPLES, ids="-".join)
def test_float32_gradients(triple: tuple[str, str, str], target: str) -> None:
    spec = spec_of_triple(*triple, dtype="float32")
    x, y = data_for(spec, 8, seed=2)
    assert single_and_double(spec, target, x, y)[0] <= SINGLE


def test_float32_gradients_of_random_specs() -> None:
    counts: Counter[str] = Counter()

    @repeatable
    @given(specs("float32"), st.integers(1, 9), st.integers(0, 2**20))
    def check(spec: NetworkSpec, n: int, seed: int) -> None:
        spec = without_validation(spec)
        x, y = data_for(spec, n, seed)
        for target in TARGETS:
            off, moved = single_and_double(spec, target, x, y)
            counts["runs"] += 1
            counts["left out"] += moved > SINGLE / 10
            assert off <= SINGLE or moved > SINGLE / 10

    check()
    print(f"float32: {counts['left out']} of {counts['runs']} gradients too sensitive")
    assert counts["left out"] <= 0.2 * counts["runs"]


# ---- How the examples are handed over ----------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_rows_one_by_one_are_the_batch(pair: tuple[str, str], target: str) -> None:
    spec = spec_of_triple("tanh", *pair)
    x, y = data_for(spec, 7, seed=3)
    net = library(spec, target).Network()
    rows = [(x[i : i + 1], y[i : i + 1]) for i in range(len(x))]
    outputs = np.concatenate([net.feedforward(row) for row, _ in rows])
    assert difference(net.feedforward(x), outputs) <= EXACT
    costs = [net.cost(*row) for row in rows]
    assert difference(net.cost(x, y), np.mean(costs)) <= EXACT
    gradients = [net.backprop(*row) for row in rows]
    mean = {
        name: np.mean([g[name] for g in gradients], axis=0) for name in ["w2", "b4"]
    }
    whole = net.backprop(x, y)
    assert apart({name: whole[name] for name in mean}, mean) <= EXACT


def layouts(array: Any, folder: pathlib.Path) -> dict[str, Any]:
    """The same numbers in other places: order, stride, file, plain Python."""
    wide = np.repeat(array, 2, axis=0)
    np.save(folder / "rows.npy", array)
    return {
        "Fortran order": np.asfortranarray(array),
        "every second row": wide[::2],
        "read backwards": np.ascontiguousarray(array[::-1])[::-1],
        "memory-mapped": np.load(folder / "rows.npy", mmap_mode="r"),
        "lists": array.tolist(),
    }


@pytest.mark.fault("DAT-15")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("scaling", ["none", "standardize", "min_max"])
@pytest.mark.parametrize("kind", [np.float64, np.uint8])
def test_layout_of_the_inputs_changes_no_bit(
    target: str, scaling: str, kind: Any, tmp_path: pathlib.Path
) -> None:
    hidden = {"size": 5, "activation": "tanh"}
    layers = [{"size": 4, "scaling": scaling}, hidden, 3]
    spec = spec_of(layers=layers, cost="quadratic", dtype="float64")
    rng = np.random.default_rng(4)
    x, y = (rng.normal(size=(23, 4)) * 9 + 40).astype(kind), rng.random((23, 3))

    def everything(x: Any, y: Any) -> list[bytes]:
        net = library(spec, target).Network()
        history = net.train(x, y, epochs=2, monitor=("cost",))
        arrays = [
            net.feedforward(x),
            *net.backprop(x, y).values(),
            *net.parameters.values(),
        ]
        costs = [record["cost"] for record in history] + [net.cost(x, y)]
        return [array.tobytes() for array in arrays] + [np.array(costs).tobytes()]

    expected = everything(x, y)
    (tmp_path / "y").mkdir()
    for name, other in layouts(x, tmp_path).items():
        assert everything(other, y) == expected, f"x: {name}"
    for name, other in layouts(y, tmp_path / "y").items():
        assert everything(x, other) == expected, f"y: {name}"
