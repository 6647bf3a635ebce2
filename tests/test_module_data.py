"""What a module says of wrong data, and that it still works afterwards."""

from __future__ import annotations

import re
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
    spec_for,
)
from support import TARGETS, difference, module_of, spec_of

every = pytest.mark.parametrize(("kind", "target"), ALL)

NAN, INF = float("nan"), float("inf")


def put(array: Any, place: Any, value: Any) -> Any:
    """A copy of an array with another value in one place."""
    given = np.asarray(array)
    changed = given.astype(np.result_type(given, type(value)))
    changed[place] = value
    return changed


def refused(f: Any, message: str) -> None:
    """f raises a ValueError of one line that holds the message."""
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        f()
    assert "\n" not in str(caught.value)
    assert type(caught.value).__name__ == "InputError"


def refused_everywhere(kind: str, target: str, x: Any, y: Any, message: str) -> None:
    """By every method that takes x and y; the network is as before."""
    net = network(kind, target)
    before, good = bytes_of(net), network(kind, target)
    calls = [net.cost, net.total_cost, net.backprop, net.train]
    calls += [net.accuracy] if kind in CLASSIFIERS else []
    for call in calls:
        refused(lambda call=call: call(x, y), message)
    refused(lambda: net.update_mini_batch(x, y, N), message)
    of_test = re.sub("^([xy]) ", r"\1_test ", message)
    refused(lambda: net.train(inputs(), labels(kind), x, y), of_test)
    assert (bytes_of(net), net.epoch) == (before, 0)
    for each in (net, good):
        each.train(inputs(), labels(kind), epochs=1)
    assert bytes_of(net) == bytes_of(good)


X = inputs()

WRONG_X: dict[str, tuple[Any, str]] = {
    "narrow": (X[:, :2], "x has shape (6, 2), expected (n, 3)"),
    "wide": (np.ones((6, 4)), "x has shape (6, 4), expected (n, 3)"),
    "one row, 1-D": (X[0], "x has shape (3,), expected (n, 3)"),
    "3-D": (X[np.newaxis], "x has shape (1, 6, 3), expected (n, 3)"),
    "a number": (1.5, "x has shape (), expected (n, 3)"),
    "nothing": (X[:0], "x has no rows, expected one example or more"),
    "NaN": (put(X, (3, 1), NAN), "x is nan at row 3, column 1, not finite"),
    "inf": (put(X, (0, 2), INF), "x is inf at row 0, column 2, not finite"),
    "-inf": (put(X, (5, 0), -INF), "x is -inf at row 5, column 0, not finite"),
    "texts": (X.astype(str), "expected numbers"),
    "objects": (X.astype(object), "x has dtype object, expected numbers"),
    "complex": (X.astype(complex), "x has dtype complex128, expected numbers"),
    "dates": (X.astype("datetime64[s]"), "x has dtype datetime64[s], expected numbers"),
    "no array": ({}, "x has dtype object, expected numbers"),
}


@pytest.mark.fault("DAT-03", "DAT-05")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", WRONG_X)
def test_wrong_inputs(name: str, target: str) -> None:
    x, message = WRONG_X[name]
    for kind in ("classes", "one_value"):
        refused_everywhere(kind, target, x, labels(kind), message)
        net = network(kind, target)
        refused(lambda net=net: net.feedforward(x), message)
        refused(lambda net=net: net.predict(x), message)


SHAPES = {
    "classes": "expected labels (6,) or values (6, 4)",
    "sides": "expected labels (6,) or values (6, 2)",
    "tanh_classes": "expected labels (6,) or values (6, 2)",
    "one": "expected (6,) or (6, 1)",
    "one_tanh": "expected (6,) or (6, 1)",
    "values": "expected (6, 2)",
    "one_value": "expected (6,) or (6, 1)",
}


@pytest.mark.fault("DAT-03")
@every
def test_targets_of_another_shape(kind: str, target: str) -> None:
    rows, outputs = rows_of(kind, labels(kind)), OUTPUTS.get(kind, 2)
    wrong = [rows[:5], rows[np.newaxis], rows[:, 0][:5], np.array(1.0), rows[:0]]
    wrong.append(np.hstack([rows, rows]))
    if outputs > 1:
        # (n, 1) against (n, NL) would broadcast without a word.
        wrong.append(rows[:, :1])
    if kind == "values":
        wrong.append(rows[:, 0])
    for y in wrong:
        message = f"y has shape {y.shape}, {SHAPES[kind]}"
        refused_everywhere(kind, target, X, y, message)


@pytest.mark.fault("DAT-05")
@every
def test_targets_that_are_no_finite_numbers(kind: str, target: str) -> None:
    y = labels(kind)
    rows = rows_of(kind, y)
    wrong = [
        (
            put(rows, (2, -1), NAN),
            f"y is nan at row 2, column {rows.shape[1] - 1}, not",
        ),
        (put(rows, (4, 0), -INF), "y is -inf at row 4, column 0, not finite"),
        (y.astype(str), "expected numbers"),
        (rows.astype(object), "y has dtype object, expected numbers"),
        (rows.astype(complex), "y has dtype complex128, expected numbers"),
    ]
    if y.ndim == 1:
        wrong.append((put(y, 3, NAN), "y is nan at row 3, not finite"))
    for values, message in wrong:
        refused_everywhere(kind, target, X, values, message)


@pytest.mark.fault("DAT-06")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("label", [-1, 1.5, 9])
@pytest.mark.parametrize("kind", ["classes", "sides", "tanh_classes"])
def test_labels_out_of_range(kind: str, label: float, target: str) -> None:
    y = put(labels(kind), 2, label)
    largest = OUTPUTS.get(kind, 2) - 1
    expected = f"at row 2, expected a whole number from 0 to {largest}"
    refused_everywhere(kind, target, X, y, f"y is {y[2]} {expected}")
    at_the_end = put(labels(kind), 5, largest + 1)
    refused_everywhere(kind, target, X, at_the_end, f"y is {largest + 1} at row 5")


@pytest.mark.fault("DAT-07")
@pytest.mark.parametrize("target", TARGETS)
def test_values_that_the_cost_has_no_meaning_for(target: str) -> None:
    unit, both = "expected within 0 to 1", [[1.0, 0.0, 0.0, 0.0]] * N
    cases = [
        ("sides", put([[1.0, 0.0]] * N, (3, 1), 1.2), "y is [1.0, 1.2] at row 3"),
        ("sides", put([[1.0, 0.0]] * N, (1, 0), -0.1), "y is [-0.1, 0.0] at row 1"),
        ("one", put(np.ones(N), 4, 2.0), "y is [2.0] at row 4"),
        ("one", put(np.ones(N), 4, -1.0), "y is [-1.0] at row 4"),
        ("classes", put(both, (2, 1), 0.5), "y is [1.0, 0.5, 0.0, 0.0] at row 2"),
        ("classes", put(both, (0, 0), 0.0), "y is [0.0, 0.0, 0.0, 0.0] at row 0"),
        ("classes", put(both, (5, 2), -0.5), "y is [1.0, 0.0, -0.5, 0.0] at row 5"),
    ]
    for kind, y, message in cases:
        also = ", each row adding up to 1" if kind == "classes" else ""
        refused_everywhere(kind, target, X, y, f"{message}, {unit}{also}")


def test_what_the_cost_allows() -> None:
    """Probabilities, and values of any size for a quadratic cost."""
    soft = np.full((N, 4), 0.25)
    assert np.isfinite(network("classes", "numpy").cost(X, soft))
    third = np.full((N, 3), np.float32(1) / 3)
    assert abs(third.sum(axis=1) - 1).max() < 1e-6
    assert np.isfinite(network("sides", "numpy").cost(X, soft[:, :2]))
    assert np.isfinite(network("values", "numpy").cost(X, 1e6 * soft[:, :2]))
    assert np.isfinite(network("tanh_classes", "numpy").cost(X, 9 * soft[:, :2]))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", ["uint8", "int64", "float32", "float16", ">f8", "?"])
def test_numbers_of_any_type_are_taken(kind: str, target: str) -> None:
    net, x, y = network("sides", target), np.abs(X).round().clip(0, 1), labels("sides")
    for other in (y.astype(kind), y.astype(kind).tolist()):
        assert net.cost(x.astype(kind), other) == net.cost(x, y)


# ---- The other arguments of train() --------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x_test": X}, "x_test and y_test go together"),
        ({"y_test": labels("classes")}, "x_test and y_test go together"),
        ({"x_test": X[:, :2], "y_test": [0] * N}, "x_test has shape (6, 2), expected"),
        ({"x_test": X, "y_test": [0] * 5}, "y_test has shape (5,), expected labels"),
        ({"x_test": X, "y_test": [0] * 5 + [7]}, "y_test is 7 at row 5"),
        ({"sample_weight": [1] * 5}, "sample_weight has shape (5,), expected (6,)"),
        ({"sample_weight": [[1]] * 6}, "sample_weight has shape (6, 1), expected (6,)"),
        ({"sample_weight": [1, 1, -0.5, 1, 1, 1]}, "sample_weight is -0.5 at row 2"),
        ({"sample_weight": [1, NAN, 1, 1, 1, 1]}, "sample_weight is nan at row 1"),
        ({"sample_weight": ["a"] * 6}, "sample_weight has dtype <U1, expected numbers"),
        ({"monitor": ("loss",)}, "monitor has 'loss', expected some of"),
        ({"monitor": ("cost", "test_cost")}, "'test_cost', but no test data is given"),
        ({"epochs": 1.5}, "epochs is 1.5, expected a whole number of 0 or more"),
        ({"epochs": -1}, "epochs is -1, expected a whole number of 0 or more"),
    ],
)
def test_wrong_arguments_of_train(
    options: dict[str, Any], message: str, target: str
) -> None:
    net = network("classes", target)
    before = bytes_of(net)
    refused(lambda: net.train(X, labels("classes"), **options), message)
    assert (bytes_of(net), net.epoch) == (before, 0)


@pytest.mark.parametrize("target", TARGETS)
def test_wrong_numbers_for_a_network_and_a_step(target: str) -> None:
    network_of = built("classes", target).Network
    for seed in (-1, 2**53, NAN, 1.5, "1", True, None):
        message = "expected a whole number of 0 or more and below 9007199254740992"
        refused(lambda seed=seed: network_of(seed=seed), f"seed is {seed!r}, {message}")
    assert network_of(seed=np.int8(3)).seed == 3
    for dtype in ("float16", "int32", np.int64, complex, "text"):
        refused(
            lambda dtype=dtype: network_of(dtype=dtype), "expected float32 or float64"
        )
    net = network_of()
    for n in (0, -3, NAN, 2.5):
        refused(
            lambda n=n: net.update_mini_batch(X, labels("classes"), n),
            f"n is {n}, expected a whole number of 1 or more",
        )


@pytest.mark.parametrize("target", TARGETS)
def test_numbers_too_large_for_the_dtype(target: str) -> None:
    """They would be infinite in float32, and every result not a number."""
    net = built("values", target).Network(dtype="float32")
    y = rows_of("values", labels("values"))
    for wrong_x, wrong_y, name in ((X * 1e300, y, "x"), (X, y * 1e300 + 1e300, "y")):
        message = f"{name} holds a number that is too large for float32"
        refused(lambda x=wrong_x, y=wrong_y: net.train(x, y), message)
        refused(lambda x=wrong_x, y=wrong_y: net.cost(x, y), message)
    refused(lambda: net.feedforward(X * 1e300), "x holds a number that is too large")


@pytest.mark.parametrize("target", TARGETS)
def test_one_series_may_stand_alone(target: str) -> None:
    net = network("classes", target)
    (record,) = net.train(X, labels("classes"), epochs=1, monitor="cost")
    assert set(record) == {"epoch", "seconds", "cost"}


# ---- Scaling -------------------------------------------------------------------------

SCALED = {
    "standardize": lambda x: (x - x.mean(axis=0)) / x.std(axis=0),
    "min_max": lambda x: (x - x.min(axis=0)) / (x.max(axis=0) - x.min(axis=0)),
}


def scaled(kind: str, target: str) -> Any:
    layers = [{"size": 3, "scaling": kind}, 5, {"size": 2, "activation": "identity"}]
    return module_of(spec_for("values", layers=layers), target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", SCALED)
def test_fitted_scaling(kind: str, target: str, tmp_path: Any) -> None:
    module, plain = scaled(kind, target), network("values", target)
    net = module.Network()
    x, y, other = 7 * inputs() + 30, labels("values"), inputs(9, 3)
    assert np.array_equal(net.feedforward(x), plain.feedforward(x))
    net.save(tmp_path / "unfitted.safetensors")
    net.train(x, y, 3 * x, y, epochs=0)
    seen = SCALED[kind](x)
    assert difference(net.feedforward(x), plain.feedforward(seen)) <= 1e-14
    # Test data, and later training data, are seen as the first training data were.
    net.train(other, labels("values", 9), epochs=0)
    assert difference(net.feedforward(x), plain.feedforward(seen)) <= 1e-14
    net.train(x, y, epochs=2)
    plain.train(seen, y, epochs=2)
    assert difference(net.feedforward(x), plain.feedforward(seen)) <= 1e-13
    net.save(tmp_path / "fitted.safetensors")
    loaded = module.Network.load(tmp_path / "fitted.safetensors")
    assert np.array_equal(loaded.feedforward(x), net.feedforward(x))
    loaded.train(other, labels("values", 9), epochs=0)
    assert np.array_equal(loaded.feedforward(x), net.feedforward(x))
    late = module.Network.load(tmp_path / "unfitted.safetensors")
    late.train(x, y, epochs=2)
    assert bytes_of(late) == bytes_of(net)


@pytest.mark.fault("DAT-10")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("value", [0.0, 0.1, 1e30, 255])
@pytest.mark.parametrize("kind", SCALED)
def test_a_constant_column_is_divided_by_1(
    kind: str, value: float, target: str
) -> None:
    net, plain = scaled(kind, target).Network(), network("values", target)
    x = inputs()
    seen = SCALED[kind](x)
    x[:, 1], seen[:, 1] = value, 0
    net.train(x, labels("values"), epochs=0)
    found = net.feedforward(x)
    # The mean of equal numbers may differ from them in the last bit.
    assert difference(found, plain.feedforward(seen)) <= 1e-14 * max(1, value)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", SCALED)
def test_bytes_are_scaled_without_wrapping_around(kind: str, target: str) -> None:
    x = np.array([[0, 255, 3], [255, 0, 4], [128, 7, 5]], np.uint8)
    one, other = scaled(kind, target).Network(), scaled(kind, target).Network()
    one.train(x, labels("values", 3), epochs=2)
    other.train(x.astype(float), labels("values", 3), epochs=2)
    assert bytes_of(one) == bytes_of(other)


# ---- What is refused leaves no trace -------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", ["standardize", "min_max"])
def test_a_refused_train_does_not_fit_the_scaling(kind: str, target: str) -> None:
    layers = [{"size": 3, "scaling": kind}, 5, {"size": 2, "activation": "identity"}]
    module = module_of(spec_of(layers=layers, cost="quadratic"), target)
    net, y = module.Network(), rows_of("values", labels("values"))
    huge = np.where(X.mean() < X, 1.7e308, -1.7e308)
    test = {"x_test": huge, "y_test": y}
    refused(lambda: net.train(huge, y), "x: the numbers of column 0 cannot be scaled")
    refused(lambda: net.train(X, y, **test), "x_test holds a number that is too large")
    assert not net.fitted and not net.shift.any() and (net.divisor == 1).all()
    net.train(X, y, epochs=1)
    assert net.fitted


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", ["classes", "one", "values"])
def test_a_diverged_network_has_no_predictions(kind: str, target: str) -> None:
    net = network(kind, target)
    first = next(iter(net.parameters.values()))
    first[...] = NAN
    refused(lambda: net.predict(X), "not finite: this network has diverged")
    if kind != "values":
        assert net.accuracy(X, labels(kind)) == 0
