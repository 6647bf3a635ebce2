"""What follows an epoch: validation, early stopping, class weights, monitors."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from modules import (
    ALL,
    CLASSIFIERS,
    LAYERS,
    N,
    built,
    bytes_of,
    inputs,
    labels,
    network,
    rows_of,
    spec_for,
)
from oracle import library
from random_specs import minimal
from support import TARGETS, difference, shared, spec_of

from bpcompile import reference
from bpcompile.operators import OPTIMIZERS
from bpcompile.operators.entry import label_values

every = pytest.mark.parametrize(("kind", "target"), ALL)
every_target = pytest.mark.parametrize("target", TARGETS)

HYPER: dict[str, Any] = {"learning_rate": 0.3, "mini_batch_size": 4, "epochs": 60}


def module_with(kind: str, target: str, **hyper: Any) -> Any:
    return library(spec_for(kind, hyperparameters={**HYPER, **hyper}), target)


def noisy(kind: str, n: int = 30) -> dict[str, Any]:
    """Labels that follow the inputs only in part, so that validation turns."""
    return {"x": inputs(n, 3), "y": labels(kind, n, 4)}


def validating(kind: str) -> dict[str, Any]:
    return {"x_test": inputs(15, 5), "y_test": labels(kind, 15, 6)}


# ---- The validation set ----------------------------------------------------------------


@pytest.mark.parametrize("fraction", [0.001, 0.25, 0.5, 0.999])
@pytest.mark.parametrize("n", [2, 3, 10, 47])
def test_the_split_is_disjoint_and_complete(n: int, fraction: float) -> None:
    splits = []
    for target in TARGETS:
        module = module_with("values", target, validation_fraction=fraction)
        net = module.Network(seed=3)
        rows, held_out = net._split(np.zeros((n, 2)))
        count = min(n - 1, math.ceil(fraction * n))
        first = np.argsort(module.words(n, 3, 4), kind="stable")[:count]
        assert held_out.tolist() == sorted(first.tolist())
        assert rows.tolist() == sorted(set(range(n)) - set(first.tolist()))
        splits.append((rows.tolist(), held_out.tolist()))
        y = np.zeros((47, 2))
        other = module.Network(seed=4)._split(y)[1].tolist()
        assert other != module.Network(seed=3)._split(y)[1].tolist()
    assert splits[0] == splits[1]


@every
@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.3, 0.999])
def test_each_class_gives_its_share(kind: str, target: str, fraction: float) -> None:
    """And the rows are those of the reference, whatever form the targets have."""
    hyper = {**HYPER, "validation_fraction": fraction}
    spec = spec_for(kind, hyperparameters=hyper)
    module, y = library(spec, target), labels(kind, 101, 2)
    y[:7] = y[7]  # classes of different sizes
    classes = reference.split_classes(spec, y)
    for seed in (0, 2**53 - 1):
        net = module.Network(seed=seed)
        rows, held_out = net._split(net._targets(y, 101))
        expected = reference.held_out(101, fraction, seed, classes)
        assert held_out.tolist() == expected
        assert rows.tolist() == [i for i in range(101) if i not in expected]
        coded = net._targets(rows_of(kind, y), 101)
        assert np.array_equal(net._split(coded)[1], held_out)
        if classes is None:
            continue
        assert kind in CLASSIFIERS
        count = min(100, math.ceil(fraction * 101))
        assert len(held_out) == count
        for c in set(classes):
            share = count * classes.count(c) / 101
            held = sum(classes[i] == c for i in expected)
            assert math.floor(share) <= held <= math.ceil(share)


@every
def test_what_is_held_out_is_not_trained_on(kind: str, target: str) -> None:
    """Training is that of the rest alone, by a network that holds nothing out."""
    held = module_with(kind, target, validation_fraction=0.3, epochs=4)
    plain = module_with(kind, target, epochs=4)
    data, weight = noisy(kind), np.linspace(0.5, 1.5, 30)
    net, other = held.Network(), plain.Network()
    rows, held_out = net._split(net._targets(data["y"], 30))
    history = net.train(**data, sample_weight=weight, monitor="cost")
    part = data["x"][rows], data["y"][rows]
    expected = other.train(*part, sample_weight=weight[rows], monitor="cost")
    assert bytes_of(net) == bytes_of(other)
    assert [r["cost"] for r in history] == [r["cost"] for r in expected]
    measured = other.cost(data["x"][held_out], data["y"][held_out])
    assert history[-1]["validation_cost"] == pytest.approx(measured, rel=1e-14)


@every_target
@pytest.mark.parametrize("scaling", ["standardize", "min_max"])
def test_scaling_is_fitted_on_the_rest(scaling: str, target: str) -> None:
    layers = [{"size": 3, "scaling": scaling}, 4, 2]
    fields = {"layers": layers, "cost": "quadratic", "dtype": "float64"}
    held = spec_of(**fields, hyperparameters={**HYPER, "validation_fraction": 0.4})
    net = library(held, target).Network()
    other = library(spec_of(**fields, hyperparameters=HYPER), target).Network()
    data = noisy("sides")
    rows, _ = net._split(net._targets(data["y"], 30))
    net.train(**data, epochs=2)
    other.train(data["x"][rows], data["y"][rows], epochs=2)
    assert np.array_equal(net.shift, other.shift)
    assert bytes_of(net) == bytes_of(other)


@every_target
def test_regularization_and_steps_count_the_rest(target: str) -> None:
    """Held out, an example counts neither in lmbda / n nor in the steps of an epoch."""
    also = {
        "regularization": {"l2": 2.0},
        "schedule": {"kind": "cosine", "unit": "step"},
    }
    net = module_with("sides", target, validation_fraction=0.5, **also).Network()
    other = module_with("sides", target, **also).Network()
    data = noisy("sides")
    rows, _ = net._split(net._targets(data["y"], 30))
    net.train(**data, epochs=3)
    other.train(data["x"][rows], data["y"][rows], epochs=3)
    assert bytes_of(net) == bytes_of(other)


@every_target
def test_one_row_cannot_be_split(target: str) -> None:
    module = module_with("sides", target, validation_fraction=0.5)
    with pytest.raises(ValueError, match="x has 1 row: there is none to hold out"):
        module.Network().train(inputs(1), labels("sides", 1))


# ---- Folds -----------------------------------------------------------------------------


def folded(kind: str, target: str, number: int, of: int, **hyper: Any) -> Any:
    fold = {"number": number, "of": of}
    return module_with(kind, target, validation_fold=fold, **hyper)


@every
def test_every_row_is_in_one_fold(kind: str, target: str) -> None:
    """Of each class as many in one as in the other, and they are the reference's."""
    y, seed, of = labels(kind, 47, 2), 2**53 - 1, 3
    spec = spec_for(kind)
    classes = reference.split_classes(spec, y)
    folds = []
    for number in range(1, of + 1):
        net = folded(kind, target, number, of).Network(seed=seed)
        rows, held_out = net._split(net._targets(y, 47))
        assert held_out.tolist() == reference.fold(47, number, of, seed, classes)
        assert sorted([*rows, *held_out]) == [*range(47)]
        assert rows.tolist() == sorted(rows)
        folds.append(held_out.tolist())
        for c in set(classes or ()):
            assert classes
            held, share = sum(classes[i] == c for i in held_out), classes.count(c) / of
            assert math.floor(share) <= held <= math.ceil(share)
    assert sorted(itertools.chain(*folds)) == [*range(47)]
    assert sorted(map(len, folds)) == [15, 16, 16]


@every
def test_a_fold_is_not_trained_on(kind: str, target: str) -> None:
    module = folded(kind, target, 2, 3, epochs=4)
    net, other = module.Network(), module_with(kind, target, epochs=4).Network()
    data = noisy(kind)
    rows, held_out = net._split(net._targets(data["y"], 30))
    history = net.train(**data, monitor="cost")
    other.train(data["x"][rows], data["y"][rows])
    assert bytes_of(net) == bytes_of(other)
    measured = other.cost(data["x"][held_out], data["y"][held_out])
    assert history[-1]["validation_cost"] == pytest.approx(measured, rel=1e-14)


@every_target
def test_there_are_as_many_rows_as_folds(target: str) -> None:
    net = folded("sides", target, 1, 5).Network()
    with pytest.raises(ValueError, match="5 folds need as many rows, x has 4"):
        net.train(inputs(4), labels("sides", 4))
    assert len(net._split(np.eye(2)[[0, 1, 0, 1, 0]])[1]) == 1
    spec = spec_for(
        "sides", hyperparameters={"validation_fold": {"number": 1, "of": 5}}
    )
    with pytest.raises(ValueError, match="expected at least 5 examples"):
        reference.train(spec, inputs(4).tolist(), labels("sides", 4).tolist(), 1)


# ---- Early stopping ----------------------------------------------------------------------


def expected_end(values: list[float], patience: int) -> tuple[int, int]:
    """After how many epochs training ends, and the epoch that is best until then."""
    best, epoch = -math.inf, 0
    for number, value in enumerate(values, start=1):
        if value > best:
            best, epoch = value, number
        elif number - epoch == patience:
            return number, epoch
    return len(values), epoch


@pytest.mark.parametrize("split", [False, True], ids=["test data", "split"])
@pytest.mark.parametrize("patience", [1, 3, 50])
@pytest.mark.parametrize(("kind", "target"), ALL)
def test_training_ends_where_a_plain_loop_would(
    kind: str, target: str, patience: int, split: bool
) -> None:
    also = {"validation_fraction": 0.3} if split else {}
    data = noisy(kind) | ({} if split else validating(kind))
    stopping = {"early_stopping": {"patience": patience}}
    net = module_with(kind, target, **also, **stopping, epochs=25).Network()
    history = net.train(**data)
    # The same run without stopping, and what it would have been stopped by.
    accurate = kind in CLASSIFIERS
    name = f"{'validation' if split else 'test'}_{'accuracy' if accurate else 'cost'}"
    free = module_with(kind, target, **also, epochs=25)
    whole = free.Network().train(**data, monitor=[name])
    values = [record[name] if accurate else -record[name] for record in whole]
    last, best = expected_end(values, patience)
    assert len(history) == last
    assert [r[name] for r in history] == [r[name] for r in whole[:last]]
    assert ("stopped" in history[-1]) == (last < 25 or last - best == patience)
    assert net.epoch == best
    again = free.Network()
    again.train(**data, epochs=best)
    assert bytes_of(net) == bytes_of(again)


@every_target
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_going_on_from_the_best_is_going_on_from_that_epoch(
    optimizer: str, target: str
) -> None:
    """So the optimizer's own state was restored with the weights."""
    also = {
        "optimizer": minimal(OPTIMIZERS[optimizer]),
        "schedule": {"kind": "halve_on_plateau", "patience": 2, "monitor": "cost"},
        "learning_rate": 0.05,
    }
    stopping = {"early_stopping": {"patience": 6, "monitor": "cost"}}
    data = noisy("classes") | validating("classes")
    stopped = module_with("classes", target, **also, **stopping).Network()
    stopped.train(**data, epochs=40)
    plain = module_with("classes", target, **also).Network()
    plain.train(**data, epochs=stopped.epoch)
    assert bytes_of(stopped) == bytes_of(plain)
    assert stopped.train(**data, epochs=1)[0]["epoch"] == plain.epoch + 1
    record = plain.train(**data, epochs=1)[0]
    one, other = ({k: v for k, v in vars(n).items()} for n in (stopped, plain))
    assert record["learning_rate"] == plain._eta(30) or plain.waited == 0
    for name in ("halvings", "best", "waited", *stopped.parameters):
        assert np.array_equal(one[name], other[name]), name


@every_target
def test_live_arrays_stay_the_same_ones(target: str) -> None:
    net = module_with("sides", target, early_stopping={"patience": 2}).Network()
    w2 = net.parameters["w2"]
    net.train(**noisy("sides"), **validating("sides"), epochs=20)
    assert w2 is net.parameters["w2"]


@every_target
@pytest.mark.parametrize(
    "also",
    [{"early_stopping": {"patience": 3}}, {"schedule": "halve_on_plateau"}],
    ids=["early_stopping", "halve_on_plateau"],
)
def test_no_validation_set_is_refused_before_any_work(also: Any, target: str) -> None:
    layers = [{"size": 3, "scaling": "standardize"}, 2]
    spec = spec_of(layers=layers, cost="quadratic", hyperparameters=also)
    net = library(spec, target).Network()
    before = bytes_of(net)
    with pytest.raises(ValueError, match="needs a validation set: give test data, or"):
        net.train(**noisy("sides"))
    assert bytes_of(net) == before
    assert not net.fitted


@every_target
def test_a_cost_that_is_no_number_is_never_better(target: str) -> None:
    stopping = {"patience": 3, "monitor": "cost"}
    net = module_with("values", target, early_stopping=stopping).Network()
    net.w2[...] = np.nan
    with np.errstate(invalid="ignore"):
        history = net.train(**noisy("values"), **validating("values"))
    assert len(history) == net.epoch == 3
    assert history[-1]["stopped"] == "no better test_cost in 3 epochs"


@every_target
def test_stopping_evaluates_its_series_alone(target: str, monkeypatch: Any) -> None:
    module = module_with("sides", target, early_stopping={"patience": 3})

    def refuse(*_: Any) -> None:
        raise AssertionError("evaluated")

    for name in ("_cost", "_total_cost", "_gradient_norms"):
        monkeypatch.setattr(module.Network, name, refuse)
    history = module.Network().train(**noisy("sides"), **validating("sides"), epochs=2)
    assert set(history[0]) == {"epoch", "seconds", "test_accuracy"}


# ---- Class weights -----------------------------------------------------------------------


def classes_of(kind: str, y: Any) -> Any:
    spec = spec_for(kind)
    rows = rows_of(kind, y)
    if rows.shape[1] > 1:
        return rows.argmax(axis=1)
    low, high = label_values(spec.cost_entry, spec.output_activation)
    return (rows[:, 0] > (low + high) / 2).astype(int)


@pytest.mark.parametrize("given", [False, True], ids=["alone", "with sample weights"])
@pytest.mark.parametrize("as_rows", [False, True], ids=["labels", "values"])
@pytest.mark.parametrize("kind", CLASSIFIERS)
@every_target
def test_class_weights_are_sample_weights_by_class(
    target: str, kind: str, as_rows: bool, given: bool
) -> None:
    layers, _ = LAYERS[kind]
    last = layers[-1] if isinstance(layers[-1], int) else layers[-1]["size"]
    factors = [0.5, 2.0, 0.0, 1.25][: max(2, last)]
    weighted = module_with(kind, target, class_weights=factors).Network()
    plain = module_with(kind, target).Network()
    x, y = inputs(11), labels(kind, 11)
    if as_rows:
        y = rows_of(kind, y)
    own = np.linspace(0.5, 1.5, 11) if given else None
    by_class = np.array(factors)[classes_of(kind, y)]
    weighted.train(x, y, epochs=3, sample_weight=own)
    plain.train(
        x, y, epochs=3, sample_weight=by_class if own is None else own * by_class
    )
    assert bytes_of(weighted) == bytes_of(plain)
    # Neither the cost nor its gradient has them.
    assert weighted.cost(x, y) == plain.cost(x, y)
    gradients = weighted.backprop(x, y), plain.backprop(x, y)
    assert all(np.array_equal(g, gradients[1][n]) for n, g in gradients[0].items())


@every_target
def test_update_mini_batch_weighs_classes(target: str) -> None:
    module = module_with("classes", target, class_weights=[1, 2, 3, 4])
    net, x, y = module.Network(), inputs(), labels("classes")
    expected = {name: p.copy() for name, p in net.parameters.items()}
    for i in range(N):
        for name, g in net.backprop(x[i : i + 1], y[i : i + 1]).items():
            expected[name] -= 0.3 / N * (1 + y[i]) * g
    net.update_mini_batch(x, y, N)
    for name, p in net.parameters.items():
        assert difference(p, expected[name]) <= 1e-14


# ---- Monitors --------------------------------------------------------------------------


@every
def test_total_cost_counts_the_examples_it_is_of(kind: str, target: str) -> None:
    """The book's network2.py: lmbda / 2n with the n of the evaluation data."""
    net, data, test = network(kind, target), noisy(kind), validating(kind)
    (record,) = net.train(**data, **test, epochs=1, monitor=["total_cost"])
    assert set(record) == {"epoch", "seconds", "total_cost", "test_total_cost"}
    squares = sum(float((p**2).sum()) for n, p in net.parameters.items() if n[0] == "w")
    for name, (x, y) in {
        "total_cost": data.values(),
        "test_total_cost": test.values(),
    }.items():
        penalty = 0.5 / (2 * len(x)) * squares
        assert record[name] == pytest.approx(net.cost(x, y) + penalty, rel=1e-13)
        assert record[name] == net.total_cost(x, y)


@every_target
@pytest.mark.parametrize("n", [7, 2300])
def test_gradient_norms_are_those_of_backprop(n: int, target: str) -> None:
    """More examples than are looked at in one piece, too."""
    net, x, y = network("classes", target), inputs(n), labels("classes", n)
    (record,) = net.train(x, y, epochs=1, monitor="gradient_norms")
    nabla = net.backprop(x, y)
    expected = [np.linalg.norm(nabla[name]) for name in ("b2", "b3")]
    assert difference(record["gradient_norms"], expected) <= 1e-14
    assert all(type(norm) is float for norm in record["gradient_norms"])


@every_target
def test_gradient_norms_do_not_change_training(target: str) -> None:
    x, y = inputs(11), labels("classes", 11)
    watched, plain = network("classes", target), network("classes", target)
    names = ("gradient_norms", "total_cost", "cost", "accuracy")
    watched.train(x, y, epochs=3, monitor=names)
    plain.train(x, y, epochs=3)
    assert bytes_of(watched) == bytes_of(plain)


@every_target
def test_series_have_a_fixed_order(target: str) -> None:
    module = module_with("sides", target, validation_fraction=0.5)
    names = ["gradient_norms", "accuracy", "total_cost", "cost"]
    (record,) = module.Network().train(
        **noisy("sides"), **validating("sides"), epochs=1, monitor=names
    )
    of_data = ["cost", "total_cost", "accuracy"]
    assert list(record)[2:] == [
        *of_data,
        "gradient_norms",
        *(f"test_{name}" for name in of_data),
        *(f"validation_{name}" for name in of_data),
    ]
    (one,) = module.Network().train(
        **noisy("sides"), epochs=1, monitor=["validation_cost"]
    )
    assert list(one)[2:] == ["validation_cost"]


@every_target
@pytest.mark.parametrize("name", ["validation_cost", "test_gradient_norms", "loss"])
def test_unknown_series_are_refused(name: str, target: str) -> None:
    with pytest.raises(ValueError, match=f"monitor has '{name}', expected some of"):
        built("sides", target).Network().train(
            **noisy("sides"), **validating("sides"), monitor=[name]
        )


# ---- Real data -------------------------------------------------------------------------


def test_a_real_run_is_stopped_and_restored() -> None:
    """500 of the book's images: the cost turns, the best network is what remains."""
    with np.load(shared("data/mnist_10k.npz")) as held:
        arrays = {name: held[name] for name in held.files}
    x, y = arrays["x_train"][:500], arrays["y_train"][:500]
    spec = spec_of(
        layers=[{"size": 784, "scaling": {"kind": "divide", "by": 255}}, 30, 10],
        cost="cross_entropy",
        hyperparameters={
            "learning_rate": 0.5,
            "epochs": 60,
            "validation_fraction": 0.2,
            "early_stopping": {"patience": 5, "monitor": "cost"},
        },
    )
    net = library(spec, TARGETS[0]).Network()
    history = net.train(x, y)
    costs = [record["validation_cost"] for record in history]
    assert len(history) < 60
    assert net.epoch == 1 + int(np.argmin(costs)) == len(history) - 5
    _, held_out = net._split(net._targets(y, 500))
    assert net.cost(x[held_out], y[held_out]) == pytest.approx(min(costs), rel=1e-6)
