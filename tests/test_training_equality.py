"""Whole training runs: against the reference, between targets, in parts.

Where the reference's cost does not stay finite or rises, two right programs may drift
apart without bound, so the learning rate is redrawn; each test prints how many were
(`pytest -n 0 -rP tests/test_training_equality.py`) and fails if it were nearly all.
"""

from __future__ import annotations

import pathlib
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Settled, apart, at_rate, epochs_for, library, settled
from random_specs import (
    EXAMPLES,
    PAIRS,
    TRIPLES,
    data_for,
    repeatable,
    spec_of_triple,
    specs,
)
from support import TARGETS, difference, module_of, spec_of

from bpcompile import reference
from bpcompile.spec import NetworkSpec

EXACT = 1e-12
#: Of the learning rates, at most this share may have been redrawn.
REDRAWN = 0.6


def trained(
    spec: NetworkSpec, target: str, x: Any, y: Any, epochs: int, **also: Any
) -> Any:
    """A network of its own after so many epochs."""
    net = library(spec, target).Network()
    net.train(x, y, epochs=epochs, **also)
    return net


def bits(net: Any) -> list[bytes]:
    return [array.tobytes() for array in net.parameters.values()]


def check_run(run: Settled, x: Any, y: Any, epochs: int) -> dict[str, Any]:
    """Both targets against the reference and each other; the networks, trained."""
    nets = {}
    for target in TARGETS:
        net = nets[target] = library(run.spec, target).Network()
        history = net.train(x, y, epochs=epochs, monitor=("cost",))
        assert apart(net.parameters, run.training.parameters) <= EXACT
        assert difference([r["cost"] for r in history], run.training.costs) <= EXACT
        assert net.epoch == run.training.epoch == epochs
    one, other = nets.values()
    assert apart(one.parameters, other.parameters) <= EXACT
    return nets


def report(counts: Counter[str], what: str) -> None:
    runs, drawn = counts["runs"], counts["redrawn"]
    print(
        f"{what}: {drawn} of {runs} learning rates redrawn; "
        f"the two targets equal bit for bit in {counts['same bits']} runs"
    )
    assert drawn <= REDRAWN * runs


def counted(counts: Counter[str], run: Settled, nets: dict[str, Any]) -> None:
    one, other = nets.values()
    counts["runs"] += 1
    counts["redrawn"] += run.drawn > 0
    counts["same bits"] += bits(one) == bits(other)


def test_fifty_steps_of_every_triple() -> None:
    counts: Counter[str] = Counter()
    for number, triple in enumerate(TRIPLES):
        rng = np.random.default_rng(number)
        hyper = {
            "learning_rate": 10 ** rng.uniform(-2.5, -0.5),
            "mini_batch_size": 3,
            "regularization": {"l2": float(number % 2)},
        }
        spec = spec_of_triple(*triple, hyperparameters=hyper)
        x, y = data_for(spec, 7, seed=number)
        epochs = epochs_for(spec, len(x))
        run = settled(spec, x, y, epochs, rng)
        nets = check_run(run, x, y, epochs)
        moved = apart(nets[TARGETS[0]].parameters, reference.initial_parameters(spec))
        assert moved > 1e-3, triple
        counted(counts, run, nets)
    report(counts, "triples")


def test_fifty_steps_of_random_specs() -> None:
    counts: Counter[str] = Counter()

    @repeatable
    @given(specs(), st.integers(1, 7), st.integers(0, 2**20))
    def check(spec: NetworkSpec, n: int, seed: int) -> None:
        x, y = data_for(spec, n, seed)
        epochs = epochs_for(spec, n)
        run = settled(spec, x, y, epochs, np.random.default_rng(seed))
        counted(counts, run, check_run(run, x, y, epochs))

    check()
    report(counts, "random specs")
    assert counts["runs"] >= EXAMPLES


@settings(repeatable, max_examples=EXAMPLES // 4)
@given(specs(), st.integers(2, 8), st.integers(0, 2**20))
def test_sample_weights(spec: NetworkSpec, n: int, seed: int) -> None:
    x, y = data_for(spec, n, seed)
    rng = np.random.default_rng(seed)
    run = settled(spec, x, y, 3, rng)
    # None above 1, so that no step is larger than the settled ones; some are 0.
    weight = np.round(rng.random(n), 1)
    expected = reference.train(
        run.spec, x.tolist(), y.tolist(), 3, sample_weight=weight.tolist()
    )
    for target in TARGETS:
        net = trained(run.spec, target, x, y, 3, sample_weight=weight)
        assert apart(net.parameters, expected.parameters) <= EXACT
        ones = trained(run.spec, target, x, y, 3, sample_weight=np.ones(n))
        assert bits(ones) == bits(trained(run.spec, target, x, y, 3))


# ---- Mini-batches, single steps, parts ---------------------------------------------


def small(pair: tuple[str, str], size: int, **rest: Any) -> NetworkSpec:
    hyper = {
        "learning_rate": 0.05,
        "mini_batch_size": size,
        "regularization": {"l2": 0.3},
        "seed": 2,
    }
    return spec_of_triple("tanh", *pair, hyperparameters=hyper, **rest)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_update_mini_batch_is_a_step_of_the_reference(
    pair: tuple[str, str], target: str
) -> None:
    spec = small(pair, 10)
    x, y = data_for(spec, 9, seed=5)
    net = library(spec, target).Network()
    parameters = reference.initial_parameters(spec)
    for part in (slice(0, 4), slice(4, 5), slice(5, 9)):
        net.update_mini_batch(x[part], y[part], 100)
        batch = x[part].tolist(), y[part].tolist()
        gradient = reference.backprop(spec, parameters, *batch)
        parameters, _ = reference.update(spec, parameters, gradient, 100)
        assert apart(net.parameters, parameters) <= EXACT


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("size", [1, 4, 11, 12, 100])
def test_last_mini_batch_short_or_the_only_one(size: int, target: str) -> None:
    spec = small(("softmax", "log_likelihood"), size)
    x, y = data_for(spec, 11, seed=6)
    net = trained(spec, target, x, y, 4)
    expected = reference.train(spec, x.tolist(), y.tolist(), 4)
    assert apart(net.parameters, expected.parameters) <= EXACT


@pytest.mark.parametrize("target", TARGETS)
def test_mini_batch_larger_than_the_data_is_all_of_it(target: str) -> None:
    large, whole = (small(("sigmoid", "cross_entropy"), m) for m in (100, 11))
    x, y = data_for(whole, 11, seed=6)
    assert bits(trained(large, target, x, y, 4)) == bits(
        trained(whole, target, x, y, 4)
    )


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scaling", ["none", "standardize", "min_max"])
def test_five_and_five_epochs_are_ten(
    scaling: str, dtype: str, target: str, tmp_path: pathlib.Path
) -> None:
    layers = [{"size": 3, "scaling": scaling}, 4, 2]
    hyper = {"mini_batch_size": 4, "regularization": {"l2": 0.1}, "seed": 9}
    spec = spec_of(
        layers=layers, cost="cross_entropy", dtype=dtype, hyperparameters=hyper
    )
    x, y = data_for(spec, 10, seed=7)
    module = module_of(spec, target)
    ten, parts = module.Network(), module.Network()
    ten.train(x, y, epochs=10)
    parts.train(x, y, epochs=5)
    # On the way to its second half, it is asked this and that and saved.
    parts.backprop(x[:3], y[:3])
    parts.save(tmp_path / "half.safetensors")
    loaded = module.Network.load(tmp_path / "half.safetensors")
    assert loaded.epoch == 5
    for net in (parts, loaded):
        net.train(x, y, epochs=5, monitor=("cost", "accuracy"))
        assert net.epoch == 10
        assert bits(net) == bits(ten)
        assert net.feedforward(x).tobytes() == ten.feedforward(x).tobytes()


@pytest.mark.parametrize("target", TARGETS)
def test_seed_and_learning_rate_are_the_specs_own(target: str) -> None:
    spec = small(("identity", "quadratic"), 4)
    x, y = data_for(spec, 10, seed=8)
    base = trained(spec, target, x, y, 2)
    slower = trained(at_rate(spec, 0.04), target, x, y, 2)
    assert bits(slower) != bits(base)
    net = library(spec, target).Network(seed=2**53 - 1)
    expected = reference.train(spec, x.tolist(), y.tolist(), 2, seed=2**53 - 1)
    net.train(x, y, epochs=2)
    assert apart(net.parameters, expected.parameters) <= EXACT
