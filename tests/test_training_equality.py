"""Whole training runs: against the reference, between targets, in parts.

Where the reference's cost does not stay finite or rises, two right programs may drift
apart without bound, so the learning rate is redrawn; each test prints how many were
(`pytest -n 0 -rP tests/test_training_equality.py`) and fails if it were nearly all.
The cost of some networks rises at any rate: dropout goes down another one's. Their runs
need only be finite.

A step that divides the gradient by its own size, or takes its sign alone, is as large
for a gradient of rounding errors as for any other: where that is 0 in exact arithmetic
(neurons that are alike, errors that add up to 0), two right programs take different
steps. A run that is no further off than `MARGIN` times what the reference moves by, when
the last bits of its inputs, parameters and weights of examples do before every step, is
therefore redrawn as well, and counted as unsteady; any other difference is a fault.
"""

from __future__ import annotations

import pathlib
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, seed, settings
from hypothesis import strategies as st
from oracle import (
    BeyondComparison,
    Data,
    Settled,
    apart,
    at_rate,
    epochs_for,
    library,
    moved_by_rounding,
    settled,
)
from random_specs import (
    EXAMPLES,
    HIDDEN,
    PAIRS,
    data_for,
    minimal,
    repeatable,
    spec_of_triple,
    specs,
    validation_for,
)
from support import TARGETS, difference, module_of, spec_of

from bpcompile import reference
from bpcompile.check import MARGIN
from bpcompile.operators import INITIALIZERS, OPTIMIZERS, SCHEDULES
from bpcompile.spec import NetworkSpec

EXACT = 1e-12
#: Of the learning rates, at most this share may have been redrawn.
REDRAWN = 0.6
#: Most runs move some number this far, or they would show nothing.
MOVED = 1e-3
#: And at most this share of the runs may be left out, unsteady at every rate.
LEFT_OUT = 0.02


def trained(
    spec: NetworkSpec, target: str, x: Any, y: Any, epochs: int, **also: Any
) -> Any:
    """A network of its own after so many epochs."""
    net = library(spec, target).Network()
    net.train(x, y, epochs=epochs, **also)
    return net


def bits(net: Any) -> list[bytes]:
    return [array.tobytes() for array in net.parameters.values()]


def series_of(run: reference.Training, spec: NetworkSpec) -> dict[str, Any]:
    """What a module records of the reference's run, by the name in its records."""
    prefix = "validation" if spec.hyperparameters.validates else "test"
    watched = run.validation[0] if run.validation else ()
    return {
        "cost": run.costs,
        "learning_rate": run.rates,
        **{f"{prefix}_{k}": [values[k] for values in run.validation] for k in watched},
    }


def off_by(net: Any, history: list[dict[str, Any]], run: Settled) -> float:
    """How far a trained network and its history are from the reference's run."""
    found = [apart(net.parameters, run.training.parameters)]
    if len(history) != len(run.training.costs) or net.epoch != run.training.epoch:
        return float("inf")
    assert ("stopped" in history[-1]) == bool(run.training.stopped)
    for name, expected in series_of(run.training, run.spec).items():
        if name in history[0]:
            found.append(difference([r[name] for r in history], expected))
        else:
            assert name == "learning_rate"
            assert set(expected) == {run.spec.hyperparameters.learning_rate}
    return max(found)


def check_run(
    spec: NetworkSpec, data: Data, epochs: int, seed: int, counts: Counter[str]
) -> None:
    """Both targets against the reference and each other, at a rate that settles.

    Another spec is drawn where the reference itself leaves the numbers at any rate.
    """
    rng = np.random.default_rng(seed)
    for attempt in range(4):
        run = settled(spec, data, epochs, rng)
        counts["runs"] += attempt == 0
        nets = {}
        worst = 0.0
        for target in TARGETS:
            net = nets[target] = library(run.spec, target).Network()
            history = net.train(**data.for_module(), epochs=epochs, monitor=("cost",))
            worst = max(worst, off_by(net, history, run))
        one, other = nets.values()
        if max(worst, apart(one.parameters, other.parameters)) <= EXACT:
            counts["redrawn"] += attempt + run.drawn > 0
            counts["only finite"] += not run.falls
            counts["same bits"] += bits(one) == bits(other)
            first = reference.initial_parameters(run.spec)
            counts["moved"] += apart(one.parameters, first) > MOVED
            return
        moved = moved_by_rounding(run, data, epochs)
        assert worst <= MARGIN * moved, (worst, moved, run.spec.normalised())
        counts["unsteady"] += 1
        spec = at_rate(spec, run.spec.hyperparameters.learning_rate * 0.1)
    counts["left out"] += 1


def report(counts: Counter[str], what: str) -> None:
    runs = counts["runs"]
    print(
        f"{what}: {counts['redrawn']} of {runs} learning rates redrawn, "
        f"{counts['unsteady']} of them for unsteady runs, {counts['left out']} left "
        f"out; {counts['only finite']} runs whose cost is finite but rises; the two "
        f"targets equal bit for bit in {counts['same bits']}"
    )
    assert counts["redrawn"] <= REDRAWN * runs
    assert counts["moved"] >= 0.7 * runs
    assert counts["left out"] <= LEFT_OUT * runs


@pytest.mark.fault("GRD-06")
def test_fifty_steps_of_every_kind() -> None:
    """Every one with others, in turn: not the product of all, which would take hours."""
    counts: Counter[str] = Counter()
    lists: Any = [HIDDEN, PAIRS, OPTIMIZERS, SCHEDULES, INITIALIZERS]
    for number in range(max(map(len, lists))):
        hidden, pair, optimizer, schedule, initializer = (
            list(kinds)[number % len(kinds)] for kinds in lists
        )
        rng = np.random.default_rng(number)
        hyper = {
            "learning_rate": 10 ** rng.uniform(-3, -1),
            "mini_batch_size": 3,
            "epochs": 20,
            "regularization": {"l2": float(number % 2)},
            "optimizer": minimal(OPTIMIZERS[optimizer]),
            "schedule": minimal(SCHEDULES[schedule]),
        }
        spec = spec_of_triple(hidden, *pair, hyperparameters=hyper)
        spec = with_initializer(spec, minimal(INITIALIZERS[initializer]))
        x, y = data_for(spec, 7, seed=number)
        data = Data(x, y, validation_for(spec, number))
        check_run(spec, data, epochs_for(spec, len(x)), number, counts)
    report(counts, "every kind")


def with_initializer(spec: NetworkSpec, initializer: dict[str, Any]) -> NetworkSpec:
    fields = spec.normalised()
    for layer in fields["layers"][1:]:
        layer["initializer"] = initializer
    return spec_of(**fields)


@pytest.mark.fault("GRD-06")
def test_fifty_steps_of_random_specs() -> None:
    counts: Counter[str] = Counter()

    @settings(repeatable, max_examples=EXAMPLES // 2)
    @given(specs(), st.integers(2, 8), st.integers(0, 2**20))
    def check(spec: NetworkSpec, n: int, seed: int) -> None:
        data = Data(*data_for(spec, n, seed), validation_for(spec, seed))
        try:
            check_run(spec, data, epochs_for(spec, n), seed, counts)
        except BeyondComparison:
            reject()  # does not count as one of the examples

    check()
    report(counts, "random specs")
    assert counts["runs"] >= EXAMPLES // 2


def test_what_no_rate_keeps_finite_is_drawn_again() -> None:
    """Poisson's error of exp is e⁴⁰⁰, whose square adam would keep."""
    output = {"size": 1, "activation": "exp"}
    output["bias_initializer"] = {"kind": "constant", "value": 400.0}
    hyper = {"optimizer": "adam"}
    spec = spec_of(layers=[1, output], cost="poisson", hyperparameters=hyper)
    data = Data(*data_for(spec, 2, 0))
    with pytest.raises(BeyondComparison):
        settled(spec, data, 1, np.random.default_rng(0))


def test_sample_weights() -> None:
    counts: Counter[str] = Counter()

    @seed(0)
    @settings(repeatable, max_examples=EXAMPLES // 8)
    @given(specs(), st.integers(2, 8), st.integers(0, 2**20))
    def check(spec: NetworkSpec, n: int, number: int) -> None:
        # Some are 0.
        weight = np.round(np.random.default_rng(number).random(n), 1)
        x, y = data_for(spec, n, number)
        test = validation_for(spec, number)
        try:
            check_run(spec, Data(x, y, test, weight), 3, number, counts)
        except BeyondComparison:
            reject()
        for target in TARGETS:
            also = dict(zip(("x_test", "y_test"), test or (None, None), strict=True))
            ones = trained(spec, target, x, y, 3, sample_weight=np.ones(n), **also)
            assert bits(ones) == bits(trained(spec, target, x, y, 3, **also))

    check()
    report(counts, "sample weights")


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


@pytest.mark.fault("DAT-09")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("size", [1, 4, 11, 12, 100])
def test_last_mini_batch_short_or_the_only_one(size: int, target: str) -> None:
    spec = small(("softmax", "log_likelihood"), size)
    x, y = data_for(spec, 11, seed=6)
    net = trained(spec, target, x, y, 4)
    expected = reference.train(spec, x.tolist(), y.tolist(), 4)
    assert apart(net.parameters, expected.parameters) <= EXACT


@pytest.mark.fault("DAT-09")
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
