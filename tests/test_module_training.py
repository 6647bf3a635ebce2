"""train() of a generated module: its epochs, its records and its order."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest
from modules import (
    ALL,
    N,
    built,
    bytes_of,
    inputs,
    labels,
    network,
    spec_for,
)
from oracle import library
from support import TARGETS, difference, shared

every = pytest.mark.parametrize(("kind", "target"), ALL)

CLASSES = "classes"
EVALUATES = ("cost", "total_cost", "_cost", "accuracy", "_accuracy", "predict")
FORWARD = ("feedforward", "_output", "_weighted_output")


# ---- Records -----------------------------------------------------------------------


@every
def test_a_record_for_each_epoch(kind: str, target: str, capsys: Any) -> None:
    net = network(kind, target)
    history = net.train(inputs(), labels(kind))
    assert [record["epoch"] for record in history] == [1, 2, 3]
    assert all(set(record) == {"epoch", "seconds"} for record in history)
    assert net.epoch == 3
    (last,) = net.train(inputs(), labels(kind), epochs=1, monitor=["cost"])
    assert last["epoch"] == 4
    assert last["seconds"] >= 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("monitor", "tested", "recorded"),
    [
        ((), True, ()),
        (("cost",), False, ("cost",)),
        (("accuracy",), False, ("accuracy",)),
        (("cost",), True, ("cost", "test_cost")),
        (("accuracy", "cost"), False, ("cost", "accuracy")),
        (
            ("cost", "accuracy"),
            True,
            ("cost", "accuracy", "test_cost", "test_accuracy"),
        ),
        (("test_accuracy",), True, ("test_accuracy",)),
    ],
)
def test_monitored_series(
    monitor: tuple[str, ...], tested: bool, recorded: tuple[str, ...], target: str
) -> None:
    net, x, y = network(CLASSES, target), inputs(), labels(CLASSES)
    test = (inputs(9, 5), labels(CLASSES, 9, 6))
    history = net.train(x, y, *(test if tested else ()), epochs=2, monitor=monitor)
    assert [tuple(r)[2:] for r in history] == [recorded] * 2
    own = {
        "cost": net.cost(x, y),
        "accuracy": net.accuracy(x, y),
        "test_cost": net.cost(*test),
        "test_accuracy": net.accuracy(*test),
    }
    assert {name: history[-1][name] for name in recorded} == {
        name: own[name] for name in recorded
    }


@pytest.mark.parametrize("target", TARGETS)
def test_training_evaluates_nothing_that_is_not_asked_for(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, x, y = built(CLASSES, target), inputs(), labels(CLASSES)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("evaluated")

    for name in EVALUATES + FORWARD:
        monkeypatch.setattr(module.Network, name, refuse)
    module.Network().train(x, y, x, y, epochs=1)
    monkeypatch.undo()
    monkeypatch.setattr(module.Network, "_accuracy", refuse)
    record = module.Network().train(x, y, x, y, epochs=1, monitor=("cost",))[0]
    assert set(record) == {"epoch", "seconds", "cost", "test_cost"}


# ---- Epochs ------------------------------------------------------------------------


@every
def test_five_and_five_epochs_are_ten(kind: str, target: str, tmp_path: Any) -> None:
    x, y = inputs(11), labels(kind, 11)
    whole, parts = network(kind, target, seed=5), network(kind, target, seed=5)
    whole.train(x, y, epochs=10)
    parts.train(x, y, epochs=5)
    parts.save(tmp_path / "half.safetensors")
    saved = built(kind, target).Network.load(tmp_path / "half.safetensors")
    assert (saved.epoch, saved.seed) == (5, 5)
    for half in (parts, saved):
        half.train(x, y, epochs=5)
        assert bytes_of(half) == bytes_of(whole)
        assert half.epoch == 10


@pytest.mark.fault("NUM-08")
@every
def test_no_epochs_and_no_gradient_change_nothing(kind: str, target: str) -> None:
    spec = spec_for(kind, hyperparameters={"learning_rate": 0.3})
    net, x, y = library(spec, target).Network(), inputs(), labels(kind)
    before = bytes_of(net)
    assert net.train(x, y, epochs=0) == []
    assert (bytes_of(net), net.epoch) == (before, 0)
    net.train(x, y, epochs=2, sample_weight=np.zeros(N))
    assert (bytes_of(net), net.epoch) == (before, 2)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("n", [1, 3, 4, 5, 8, 13])
def test_every_row_is_used_and_a_short_batch_counts_its_own_length(
    n: int, target: str
) -> None:
    kind = "values"
    x, y = inputs(n), labels(kind, n)
    trained, stepped = network(kind, target), network(kind, target)
    trained.train(x, y, epochs=2)
    module = built(kind, target)
    for epoch in range(2):
        order = np.argsort(module.words(n, 0, 2, epoch), kind="stable")
        assert sorted(order) == list(range(n))
        for start in range(0, n, 4):
            batch = order[start : start + 4]
            gradient = stepped.backprop(x[batch], y[batch])
            for name, p in stepped.parameters.items():
                decay = 1 - 0.3 * 0.5 / n if name.startswith("w") else 1
                p[...] = decay * p - 0.3 * gradient[name]
    for name, p in stepped.parameters.items():
        assert difference(trained.parameters[name], p) <= 1e-13


@pytest.mark.parametrize("target", TARGETS)
def test_orders_are_the_known_ones(target: str) -> None:
    cases = json.loads(shared("cases/randomness.json").read_text())["orders"]
    kind = "values"
    for case in cases:
        n, order = case["n"], np.array(case["order"])
        x, y = inputs(n), labels(kind, n)
        trained = network(kind, target, seed=case["seed"])
        stepped = network(kind, target, seed=case["seed"])
        trained.epoch = case["epoch"]
        trained.train(x, y, epochs=1)
        for start in range(0, n, 4):
            batch = order[start : start + 4]
            stepped.update_mini_batch(x[batch], y[batch], n)
        assert bytes_of(trained) == bytes_of(stepped)


@pytest.mark.parametrize("target", TARGETS)
def test_a_mini_batch_larger_than_the_data_is_one_of_n(target: str) -> None:
    hyper = {"learning_rate": 0.3, "mini_batch_size": 10**9}
    module = library(spec_for("values", hyperparameters=hyper), target)
    x, y = inputs(), labels("values")
    tracemalloc.start()
    try:
        net = module.Network()
        first = {name: p.copy() for name, p in net.parameters.items()}
        gradient = net.backprop(x, y)
        net.train(x, y, epochs=1)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    for name, p in net.parameters.items():
        assert difference(p, first[name] - 0.3 * gradient[name]) <= 1e-14


# ---- Weighted examples -------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_sample_weights_multiply_each_example_s_gradient(target: str) -> None:
    kind, hyper = "classes", {"learning_rate": 0.3, "mini_batch_size": N}
    net = library(spec_for(kind, hyperparameters=hyper), target).Network()
    x, y, weight = inputs(), labels(kind), np.array([0, 1, 2, 0.5, 3, 1.5])
    expected = {name: p.copy() for name, p in net.parameters.items()}
    for i in range(N):
        for name, g in net.backprop(x[i : i + 1], y[i : i + 1]).items():
            expected[name] -= 0.3 / N * weight[i] * g
    net.train(x, y, epochs=1, sample_weight=weight)
    for name, p in net.parameters.items():
        assert difference(p, expected[name]) <= 1e-14
    # The weights belong to that call alone.
    plain = net.backprop(x, y)
    fresh = library(spec_for(kind, hyperparameters=hyper), target).Network()
    for name, p in fresh.parameters.items():
        p[...] = net.parameters[name]
    assert all(np.array_equal(plain[n], g) for n, g in fresh.backprop(x, y).items())


@every
def test_weights_of_1_change_no_bit(kind: str, target: str) -> None:
    x, y = inputs(9), labels(kind, 9)
    plain, weighted = network(kind, target), network(kind, target)
    plain.train(x, y, epochs=2)
    weighted.train(x, y, epochs=2, sample_weight=[1] * 9)
    assert bytes_of(plain) == bytes_of(weighted)


@pytest.mark.parametrize("target", TARGETS)
def test_float32_training_is_close_to_float64(target: str) -> None:
    x, y = inputs(20), labels(CLASSES, 20)
    nets = [network(CLASSES, target, dtype=kind) for kind in ("float32", "float64")]
    for net in nets:
        net.train(x, y, epochs=3)
    single, double = nets
    for name, p in double.parameters.items():
        assert difference(single.parameters[name], p) <= 2e-6
