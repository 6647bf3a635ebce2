"""Whole training runs of generated C against generated NumPy, feature by feature.

Random specs are elsewhere: here stands what they meet too rarely, or not at all.
"""

from __future__ import annotations

import subprocess
from typing import Any

import c_modules
import numpy as np
import pytest
from c_modules import DOUBLE, NO_MAIN, TARGET, compiled
from numpy.typing import NDArray
from support import difference, module_of, spec_of, text_of

from bpcompile.operators import SCALINGS
from bpcompile.spec import NetworkSpec

Array = NDArray[Any]

#: The contract's, of parameters in another language after 50 steps; no run is longer
#: than 120, and none of them sees more than rounding.
EXACT = 1e-10
N, N_TEST, CLASSES = 23, 11, 4
SOFTMAX = {"size": CLASSES, "activation": "softmax"}
SERIES = ("cost", "total_cost", "accuracy")

EVERYTHING: dict[str, Any] = {
    "layers": [
        {"size": 19, "scaling": "standardize", "dropout": 0.2},
        {"size": 5, "dropout": 0.5},
        SOFTMAX,
    ],
    "cost": {"kind": "log_likelihood", "label_smoothing": 0.1},
    "hyperparameters": {
        "learning_rate": 0.3,
        "mini_batch_size": 4,
        "validation_fraction": 0.3,
        "early_stopping": {"patience": 4},
        "class_weights": [1, 2.5, 0.5, 1],
        "schedule": {"kind": "halve_on_plateau", "patience": 2},
        "regularization": {"l2": 2.0, "l1": 0.1, "max_norm": 2.0},
        "clipping": {"norm": 0.5},
        "optimizer": "adam",
    },
}


def network_spec(inputs: Any = 19, **hyper: Any) -> NetworkSpec:
    given = {"mini_batch_size": 4, "learning_rate": 0.05, **hyper}
    fields = {"layers": [inputs, 5, SOFTMAX], "cost": "log_likelihood"}
    return spec_of(**fields, dtype="float64", hyperparameters=given)


def data(n: int = N, dtype: str = "float64", seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    whole = np.dtype(dtype).kind in "iu"
    x = rng.integers(0, 128, (n, 19)) if whole else rng.normal(size=(n, 19))
    return x.astype(dtype), rng.integers(0, CLASSES, n)


def same_runs(spec: NetworkSpec, *flags: str, **run: Any) -> list[dict[str, Any]]:
    """Train both; the records of NumPy's, which are equal but for the seconds."""
    net, other = module_of(spec).Network(), c_modules.library(spec, *flags).Network()
    records: list[dict[str, Any]] = net.train(**run)
    found = other.train(**run)
    for record in records:
        del record["seconds"]
    assert len(found) == len(records)
    for ours, theirs in zip(found, records, strict=True):
        assert ours.get("stopped") == theirs.pop("stopped", None)
        assert difference([ours[k] for k in theirs], list(theirs.values())) < EXACT
    assert other.epoch == net.epoch
    for name, values in net.parameters.items():
        assert difference(other.parameters[name], values) < EXACT
    return records


@pytest.mark.parametrize("flags", [(), ("-O3", "-march=native"), ("-DBPC_PORTABLE",)])
def test_everything_at_once(flags: tuple[str, ...]) -> None:
    spec = spec_of(**EVERYTHING, dtype="float64")
    x, y = data()
    weight = np.random.default_rng(2).uniform(0, 2, N)
    x_test, y_test = data(N_TEST, seed=1)
    records = same_runs(
        spec,
        *flags,
        x=x,
        y=y,
        x_test=x_test,
        y_test=y_test,
        epochs=30,
        monitor=SERIES,
        sample_weight=weight,
    )
    assert len(records) < 30, "nothing was stopped early"


@pytest.mark.parametrize(("number", "values"), [(1, False), (3, True)])
def test_a_fold_holds_out_the_same_rows(number: int, values: bool) -> None:
    """The last of three has one of 23 rows less than the first."""
    hyper = {**EVERYTHING["hyperparameters"], "validation_fraction": None}
    hyper |= {"validation_fold": {"number": number, "of": 3}}
    layers = EVERYTHING["layers"]
    if values:
        layers = [*layers[:-1], {"size": CLASSES, "activation": "identity"}]
        hyper |= {"class_weights": None, "schedule": "cosine"}
    cost = "quadratic" if values else EVERYTHING["cost"]
    fields = {"layers": layers, "cost": cost, "hyperparameters": hyper}
    spec = spec_of(**fields, dtype="float64")
    x, y = data()
    y = np.random.default_rng(3).normal(size=(N, CLASSES)) if values else y
    also = ("cost", "accuracy")[: 1 if values else 2]
    assert "validation_cost" in same_runs(spec, x=x, y=y, epochs=5, monitor=also)[0]
    with pytest.raises(AssertionError):  # more folds than rows
        c_modules.library(spec).Network().train(x[:2], y[:2])


@pytest.mark.parametrize("dtype", c_modules.TYPES)
@pytest.mark.parametrize("scaling", SCALINGS)
def test_data_of_every_type_are_scaled_alike(scaling: str, dtype: str) -> None:
    """The loops over common types among them; 23 rows of 19 fill no register."""
    given = {"kind": scaling, "by": 100} if SCALINGS[scaling].parameters else scaling
    spec = network_spec({"size": 19, "scaling": given}, learning_rate=0.01)
    x, y = data(dtype=dtype)
    x[:, 3] = x[0, 3]  # a constant column
    same_runs(spec, x=x, y=y, epochs=2, monitor=("cost",))


@pytest.mark.parametrize("n", [1, 3, 4, 5, 23])
def test_short_mini_batches(n: int) -> None:
    x, y = data(n)
    same_runs(network_spec(optimizer="adam"), x=x, y=y, epochs=3)


def test_a_step_of_any_number_of_examples_there_is_room_for() -> None:
    spec = network_spec()
    net, other = module_of(spec).Network(), c_modules.library(spec).Network()
    x, y = data()
    for m in (1, 2, 3, 4, 1):
        net.update_mini_batch(x[:m], y[:m], N)
        other.update_mini_batch(x[:m], y[:m], N)
    for name, values in net.parameters.items():
        assert difference(other.parameters[name], values) < EXACT
    before = other.parameters
    for m, n in ((0, N), (5, N), (3, 0)):
        with pytest.raises(AssertionError):
            other.update_mini_batch(x[:m], y[:m], n)
    assert all((other.parameters[k] == v).all() for k, v in before.items())


def test_more_epochs_of_plain_descent_continue_the_run() -> None:
    spec, (x, y) = network_spec(), data()
    once, twice = (c_modules.library(spec).Network() for _ in range(2))
    once.train(x, y, epochs=10)
    twice.train(x, y, epochs=5)
    twice.train(x, y, epochs=5)
    assert twice.epoch == 10
    assert all((twice.parameters[k] == v).all() for k, v in once.parameters.items())


def test_who_is_told_of_an_epoch_may_end_training_as_it_is() -> None:
    spec, (x, y) = network_spec(early_stopping={"patience": 9}), data()
    x_test, y_test = data(N_TEST, seed=1)
    test: dict[str, Any] = {"x_test": x_test, "y_test": y_test}
    other, whole = (c_modules.library(spec).Network() for _ in range(2))
    assert len(other.train(x, y, **test, epochs=10, last=3)) == 3
    assert other.epoch == 3
    plain = c_modules.library(network_spec()).Network()
    plain.train(x, y, epochs=3)
    # nothing is restored, whichever epoch was the best
    for name, values in plain.parameters.items():
        assert (other.parameters[name] == values).all()
    assert len(whole.train(x, y, **test, epochs=10)) == 10


@pytest.mark.parametrize(
    "wrong",
    [
        {"x": data(3)[0][:, :4]},
        {"y": np.zeros(4)},
        {"y": np.zeros((3, 3))},
        {"x_test": data(2)[0], "y_test": np.zeros(3)},
        {"sample_weight": np.ones(4)},
    ],
)
def test_wrong_sizes_are_refused(wrong: dict[str, Any]) -> None:
    x, y = data(3)
    net = c_modules.library(network_spec()).Network()
    before = net.parameters
    with pytest.raises(AssertionError):
        net.train(**{"x": x, "y": y, "epochs": 1, **wrong})
    assert net.epoch == 0
    assert all((net.parameters[k] == v).all() for k, v in before.items())


def test_without_room_for_a_mini_batch_a_network_learns_from_single_examples() -> None:
    spec, (x, y) = network_spec(), data()
    net = module_of(spec).Network()
    other = c_modules.library(spec, "-DROWS=1").Network()
    with pytest.raises(AssertionError):
        other.train(x, y, epochs=1)
    for i in range(N):
        net.update_mini_batch(x[i : i + 1], y[i : i + 1], N)
        other.update_mini_batch(x[i : i + 1], y[i : i + 1], N)
    assert difference(other.feedforward(x), net.feedforward(x)) < EXACT
    assert difference(other.cost(x, y), net.cost(x, y)) < EXACT
    other.train(x[:1], y[:1], epochs=1)  # a mini-batch of one has room
    assert other.epoch == 1


def test_a_prefix_lets_a_program_have_two_networks() -> None:
    text = text_of(network_spec(), TARGET)
    objects = []
    for prefix in ("first_", "second_"):
        flags = ("-std=c11", DOUBLE, NO_MAIN, f"-DBPC_PREFIX={prefix}", "-c")
        objects.append(compiled(text, flags))
    main = """
    #include <stddef.h>
    size_t first_network_size(void);
    size_t second_network_size(void);
    int main(void) { return first_network_size() != second_network_size(); }
    """
    program = compiled(main, (*map(str, objects),))
    assert subprocess.run([program]).returncode == 0
    names = subprocess.run(
        [c_modules.tool("nm"), "-g", "--defined-only", objects[0]],
        capture_output=True,
        text=True,
    ).stdout
    public = [line.split()[-1] for line in names.splitlines()]
    assert public
    assert [name for name in public if not name.startswith("first_network_")] == []
