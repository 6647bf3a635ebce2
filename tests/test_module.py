"""A generated module as a library: what its methods take, return and change."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from modules import (
    ALL,
    CLASSIFIERS,
    OUTPUTS,
    N,
    built,
    bytes_of,
    inputs,
    labels,
    network,
    rows_of,
)
from oracle import library
from support import TARGETS, difference, shared, spec_of

from bpcompile import reference

every = pytest.mark.parametrize(("kind", "target"), ALL)


# ---- Parameters --------------------------------------------------------------------


@every
def test_shapes(kind: str, target: str) -> None:
    net, outputs = network(kind, target), OUTPUTS.get(kind, 2)
    shapes = {"w2": (5, 3), "b2": (5, 1), "w3": (outputs, 5), "b3": (outputs, 1)}
    assert {name: p.shape for name, p in net.parameters.items()} == shapes
    x, y = inputs(), labels(kind)
    assert net.feedforward(x).shape == (N, outputs)
    assert {name: g.shape for name, g in net.backprop(x, y).items()} == shapes
    assert isinstance(net.cost(x, y), float)
    assert isinstance(net.total_cost(x, y), float)
    assert net.epoch == 0


@every
def test_parameters_are_live_and_gradients_are_copies(kind: str, target: str) -> None:
    net, x, y = network(kind, target), inputs(), labels(kind)
    before, first = net.feedforward(x), net.backprop(x, y)
    kept = {name: g.copy() for name, g in first.items()}
    net.parameters["w2"] *= 2
    assert not np.allclose(before, net.feedforward(x))
    net.backprop(2 * x, y)
    assert all(np.array_equal(first[name], kept[name]) for name in kept)
    array = net.parameters["w3"]
    net.train(x, y, epochs=1)
    assert net.parameters["w3"] is array


@every
def test_what_is_returned_belongs_to_the_caller(kind: str, target: str) -> None:
    net, x, y = network(kind, target), inputs(), labels(kind)
    given = x.copy(), y.copy()
    out = net.feedforward(x)
    kept = out.copy()
    net.feedforward(3 * x)
    net.train(x, y, x, y, epochs=1, monitor=("cost",))
    assert np.array_equal(out, kept)
    assert np.array_equal(x, given[0])
    assert np.array_equal(y, given[1])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("asked", "given"),
    [("float32", np.float32), (np.float32, np.float32), (np.float64, np.float64)],
)
def test_dtype_by_name_or_type(asked: Any, given: Any, target: str) -> None:
    net, x, y = network("classes", target, dtype=asked), inputs(), labels("classes")
    assert {p.dtype for p in net.parameters.values()} == {np.dtype(given)}
    assert net.feedforward(x).dtype == given
    assert {g.dtype for g in net.backprop(x, y).values()} == {np.dtype(given)}
    net.train(x, y, epochs=1)
    assert {p.dtype for p in net.parameters.values()} == {np.dtype(given)}


@pytest.mark.parametrize("target", TARGETS)
def test_first_values_are_the_known_ones(target: str) -> None:
    cases = json.loads(shared("cases/randomness.json").read_text())["normals"]
    assert {case["stream"] for case in cases} == {0, 1}
    for case in cases:
        seed, layer = case["seed"], case["layer"]
        layers = [*(3, 5, 4, 6)[: layer - 1], 7]
        module = library(spec_of(layers=layers, cost="quadratic"), target)
        net = module.Network(seed=seed, dtype="float64")
        if case["stream"] == 1:
            found = net.parameters[f"b{layer}"].ravel()
        else:
            found = net.parameters[f"w{layer}"].ravel() * np.sqrt(layers[-2])
        count = len(case["values"])
        assert difference(found[:count], case["values"]) <= 1e-15


def test_seeds_give_other_values_and_targets_the_same() -> None:
    book, fast = (network("classes", target, seed=3) for target in reversed(TARGETS))
    assert bytes_of(book) == bytes_of(fast)
    assert bytes_of(network("classes", TARGETS[0], seed=4)) != bytes_of(fast)
    largest = 2**53 - 1
    assert np.isfinite(network("classes", TARGETS[0], seed=largest).w2).all()


# ---- Costs, predictions ------------------------------------------------------------


@every
def test_labels_are_short_for_rows_of_values(kind: str, target: str) -> None:
    net, x, y = network(kind, target), inputs(), labels(kind)
    rows = rows_of(kind, y)
    assert net.cost(x, y) == net.cost(x, rows)
    one, other = net.backprop(x, y), net.backprop(x, rows)
    assert all(np.array_equal(one[name], other[name]) for name in one)
    if kind in CLASSIFIERS:
        assert net.accuracy(x, y) == net.accuracy(x, rows)


@every
def test_total_cost_adds_l2_with_n_of_the_data(kind: str, target: str) -> None:
    net, x, y = network(kind, target), inputs(), labels(kind)
    squares = sum((net.parameters[name] ** 2).sum() for name in ("w2", "w3"))
    expected = net.cost(x, y) + 0.5 / (2 * N) * squares
    assert difference(net.total_cost(x, y), expected) <= 1e-14
    assert difference(net.total_cost(x.tolist(), y.tolist()), expected) <= 1e-14


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", ["classes", "sides", "tanh_classes"])
def test_predict_is_the_most_likely_class(kind: str, target: str) -> None:
    net, x, y = network(kind, target), inputs(40), labels(kind, 40)
    middle = np.median(net._weighted_output(x), axis=1, keepdims=True)
    net.parameters["b3"][...] -= middle
    classes = net.predict(x)
    assert classes.shape == (40,)
    assert classes.dtype.kind == "i"
    assert np.array_equal(classes, np.argmax(net.feedforward(x), axis=1))
    assert set(classes) == set(range(OUTPUTS.get(kind, 2)))
    assert net.accuracy(x, y) == np.mean(classes == y)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("kind", "sides", "boundary"), [("one", (0, 1), 0.5), ("one_tanh", (-1, 1), 0)]
)
def test_predict_of_one_output_is_its_side(
    kind: str, sides: tuple[int, int], boundary: float, target: str
) -> None:
    net, x, y = network(kind, target), inputs(40), labels(kind, 40)
    net.parameters["b3"][...] -= np.median(net._weighted_output(x))
    found, outputs = net.predict(x), net.feedforward(x)[:, 0]
    assert found.shape == (40,)
    assert set(found) == set(sides)
    assert np.array_equal(found, np.where(outputs > boundary, sides[1], sides[0]))
    assert net.accuracy(x, y) == np.mean(found == y)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", ["values", "one_value"])
def test_a_regression_predicts_its_outputs(kind: str, target: str) -> None:
    net, x, y = network(kind, target), inputs(), labels(kind)
    assert net.predict(x).shape == y.shape
    assert np.array_equal(net.predict(x).ravel(), net.feedforward(x).ravel())
    with pytest.raises(ValueError, match="regression"):
        net.accuracy(x, y)
    with pytest.raises(ValueError, match="regression"):
        net.train(x, y, monitor=("accuracy",))


# ---- One step ----------------------------------------------------------------------


@pytest.mark.fault("GRD-03")
@every
def test_a_step_is_the_book_s(kind: str, target: str) -> None:
    net, x, y = network(kind, target), inputs(), labels(kind)
    gradient = net.backprop(x, y)
    decay = {"w": 1 - 0.3 * 0.5 / 50, "b": 1.0}
    expected = {
        name: decay[name[0]] * p - 0.3 * gradient[name]
        for name, p in net.parameters.items()
    }
    net.update_mini_batch(x, y, 50)
    for name, p in net.parameters.items():
        assert difference(p, expected[name]) <= 1e-15
    assert net.epoch == 0


#: Where relu has no derivative, or is about to: all of them must be as in the entry.
AT_THE_KINK = (0.0, -0.0, 5e-324, -5e-324, 2.3e-308, 1e-300)


@pytest.mark.fault("NUM-05")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("bias", AT_THE_KINK)
def test_relu_at_its_kink_is_the_reference_s(bias: float, target: str) -> None:
    layers = [
        2,
        {"size": 3, "activation": "relu"},
        {"size": 2, **{"activation": "identity"}},
    ]
    spec = spec_of(layers=layers, cost="quadratic", dtype="float64")
    net = library(spec, target).Network()
    net.parameters["w2"][...] = 0
    net.parameters["b2"][...] = bias
    x, y = np.ones((2, 2)), np.array([[1.0, -2.0], [0.5, 3.0]])
    gradient = net.backprop(x, y)
    values = {
        name: (p.ravel() if name.startswith("b") else p).tolist()
        for name, p in net.parameters.items()
    }
    exact = reference.backprop(spec, values, x.tolist(), y.tolist())
    for name, g in gradient.items():
        assert difference(g, exact[name]) <= 1e-15
    assert bool(np.any(gradient["b2"])) == (bias > 0)


@pytest.mark.parametrize("target", TARGETS)
def test_networks_of_one_module_share_nothing(target: str) -> None:
    module, x, y = built("values", target), inputs(), labels("values")
    one, other = module.Network(seed=1), module.Network(seed=2)
    alone = module.Network(seed=1)
    alone.train(x, y, epochs=2)
    for _ in range(2):
        one.train(x, y, epochs=1)
        other.train(2 * x, y, epochs=1)
    assert bytes_of(one) == bytes_of(alone)
