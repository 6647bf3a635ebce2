"""A network that does not learn is told why, and what to do; others are left alone."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

import numpy as np
import pytest
from support import LONG, SPECS, TARGETS, module_of, shared, spec_of

from bpcompile import load_spec
from bpcompile.lower import lower
from bpcompile.operators import ACTIVATIONS

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
SIGMOID: dict[str, Any] = {"size": 8, "activation": "sigmoid"}
RELU: dict[str, Any] = {"size": 8, "activation": "relu"}
SOFTMAX = {"size": 2, "activation": "softmax"}
IDENTITY = {"size": 1, "activation": "identity"}
FAR_BELOW = {"bias_initializer": {"kind": "constant", "value": -50.0}}
FAR_ABOVE = {"bias_initializer": {"kind": "constant", "value": 50.0}}


def network(*hidden: Any, **hyper: Any) -> Any:
    """The spec of a network that learns which side of a line its inputs are on."""
    hyper = {"learning_rate": 0.5, "mini_batch_size": 10, "epochs": 30, **hyper}
    layers = [4, *hidden, SOFTMAX]
    return spec_of(layers=layers, cost="log_likelihood", hyperparameters=hyper)


def regression(**hyper: Any) -> Any:
    hyper = {"learning_rate": 0.05, "mini_batch_size": 10, "epochs": 30, **hyper}
    return spec_of(layers=[4, 8, IDENTITY], cost="quadratic", hyperparameters=hyper)


GOOD = network(SIGMOID)
ROWS = (np.arange(400) // 200, np.arange(400) % 200)  # of labels without a pattern
#: Of each kind: a network and data that trigger it, and what is said.
BAD: dict[str, tuple[Any, Any, Any, str]] = {
    "inputs": (
        GOOD,
        X * [1, 1, 1, 5000] + [0, 0, 0, 1e4],
        Y,
        r"inputs are not scaled: 1 of 4 columns are far from mean 0 and spread 1; "
        r"column 3 has mean \S+, spread \S+: "
        r'give the first layer a "scaling", standardize or min_max',
    ),
    "small inputs": (
        GOOD,
        X / 1e4,
        Y,
        r"inputs are not scaled: no column has a mean or a spread above \S+: .*",
    ),
    "labels": (
        GOOD,
        X,
        np.ones(200, int),
        "all training examples are of one class: "
        "check which column the labels are read from",
    ),
    "values": (
        regression(),
        X,
        np.full(200, 2.5),
        "output 0 of y is 2.5 in all training examples: "
        "check which column it is read from",
    ),
    "chance": (
        network(SIGMOID, learning_rate=1e-6),
        X,
        np.arange(200) % 2,
        r"the accuracy on training data is \S+, the most frequent class alone gives "
        r"\S+: try a larger learning rate, and see whether labels and inputs belong "
        "together",
    ),
    "rising": (
        regression(learning_rate=2.0, mini_batch_size=200),
        X,
        X[:, 0],
        r"the cost on training data rose from \S+ to \S+: try a smaller learning rate",
    ),
    "dead": (
        network({**RELU, **FAR_BELOW}),
        X,
        Y,
        "100% of the neurons of layer 2 are dead for all examples, so that they do not "
        "learn: try a smaller learning rate, another initializer, an activation with "
        "a slope on both sides",
    ),
    "saturated": (
        network({**SIGMOID, **FAR_ABOVE}),
        X,
        Y,
        "100% of the neurons of layer 2 are saturated for all examples, so that they do "
        "not learn: try a smaller learning rate, smaller first weights, inputs nearer "
        "to 0",
    ),
    "vanishing": (
        network(*[SIGMOID] * 7, mini_batch_size=2),
        X,
        Y,
        r"the gradient vanishes, \S+ in layer 2, up to \S+ above it: try fewer layers, "
        "other first weights, or an activation that is steeper",
    ),
}
#: The same with what the message advises; what is left out is GOOD with X and Y.
MENDED: dict[str, tuple[Any, Any, Any]] = {
    "inputs": (
        load_spec,
        BAD["inputs"][1],
        Y,
    ),
    "values": (regression(), X, X[:, 0]),
    "rising": (regression(learning_rate=0.05), X, X[:, 0]),
    "dead": (network(RELU), X, Y),
    "vanishing": (
        # Few epochs: in many a rounding error grows to another course of the cost.
        network(*[{**SIGMOID, "activation": "tanh"}] * 3, mini_batch_size=2, epochs=3),
        X,
        Y,
    ),
}


def said(
    spec: Any, x: Any, y: Any, capsys: Any, *words: str, target: str = TARGETS[0]
) -> list[str]:
    """What training says on stderr, line by line."""
    np.savez("data.npz", x=x, y=y)
    module = module_of(spec, target)
    assert module.main(["train", "--data", "data.npz", *words]) == 0
    return list(capsys.readouterr().err.splitlines())


@pytest.fixture(autouse=True)
def _folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", BAD)
def test_warning_is_given_once_with_its_fix(
    kind: str, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, x, y, message = BAD[kind]
    lines = said(spec, x, y, capsys, target=target)
    assert [bool(re.fullmatch(f"warning: {message}", line)) for line in lines].count(
        True
    ) == 1, lines
    assert len(set(lines)) == len(lines)


@pytest.mark.parametrize("kind", BAD)
def test_what_it_advises_ends_it(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    spec, x, y = MENDED.get(kind, (GOOD, X, Y))
    if kind == "inputs":
        layers = [{"size": 4, "scaling": "standardize"}, SIGMOID, SOFTMAX]
        spec = spec_of(layers=layers, cost="log_likelihood")
    assert said(spec, x, y, capsys) == []


def test_no_warnings_where_none_are_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    spec, x, y, _ = BAD["dead"]
    for word in ("--no-warnings", "--quiet"):
        assert said(spec, x, y, capsys, word) == []


def test_a_warning_is_an_event_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    spec, x, y, _ = BAD["dead"]
    line, *_ = said(spec, x, y, capsys, "--log", "run.jsonl")
    events = map(json.loads, pathlib.Path("run.jsonl").read_text().splitlines())
    (event, *_) = [e for e in events if e["event"] == "warning"]
    assert event["layer"] == 2
    assert (event["epoch"], event["kind"]) == (1, "dead")
    assert line == f"warning: {event['message']}"


def test_each_layer_is_said_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    below = {**RELU, **FAR_BELOW}
    lines = said(network(below, RELU, below), X, Y, capsys)
    layers = [re.findall(r"layer \d", line)[0] for line in lines if "dead" in line]
    # What is left of layer 3 depends on nothing, so that it may be dead or not.
    assert {"layer 2", "layer 4"} <= set(layers)
    assert len(set(layers)) == len(layers)


# ---- Nothing is said of networks that learn -----------------------------------------

DATA = {
    "xor": "xor",
    "sine": "sine",
    "own": "sine",
    "digits": "digits",
    "deep": "digits",
}


@pytest.mark.parametrize("name", DATA)
def test_the_gallery_has_nothing_to_hear(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module = module_of(load_spec(SPECS / f"{name}.json"))
    data = SPECS / "data" / f"{DATA[name]}.npz"
    assert module.main(["train", "--data", str(data)]) == 0
    assert capsys.readouterr().err == ""


#: Those that the book shows to fail, with what is said of them.
FAILING = {
    "ch1_eta_0_001": "chance",
    "ch1_eta_100": "chance",
    "ch3_hunt_no_hidden": "chance",
    "ch3_hunt_noise": "saturated",
}
BOOK = sorted(path.stem for path in (SPECS / "book").glob("*.json"))
# What needs the 50,000 images of the book to begin to learn.
SLOW = {"ch5_4_hidden", "ch5_speed_3_hidden", "ch5_speed_4_hidden"}
CHOSEN = BOOK if LONG else [*FAILING, "ch1_30_hidden", "ch3_relu"]


@pytest.mark.parametrize("name", [n for n in CHOSEN if n not in SLOW])
def test_the_book_hears_what_it_says_itself(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module = module_of(load_spec(SPECS / "book" / f"{name}.json"))
    data = ["--data", str(shared("data/mnist_10k.npz")), "--epochs", "4"]
    assert module.main(["train", *data, "--log", "run.jsonl"]) == 0
    events = map(json.loads, pathlib.Path("run.jsonl").read_text().splitlines())
    kinds = {event["kind"] for event in events if event["event"] == "warning"}
    assert (FAILING[name] in kinds) if name in FAILING else (kinds == set())


# ---- What the plan knows -------------------------------------------------------------


def test_flat_sides_follow_from_the_entries() -> None:
    def sides(kind: str) -> bool | None:
        found = lower(network({"size": 3, "activation": kind})).slopes
        return found[0].two_sided if found else None

    hidden = [kind for kind, entry in ACTIVATIONS.items() if not entry.output_only]
    found = {kind: sides(kind) for kind in hidden}
    bounded = {"sigmoid", "tanh", "softsign", "hard_tanh"}
    assert {kind for kind, two in found.items() if two} == bounded
    never = {"identity", "leaky_relu", "sine"}
    assert {kind for kind, two in found.items() if two is None} == never
    steep = {"kind": "leaky_relu", "slope": 0}
    assert lower(network({"size": 3, "activation": steep})).slopes


@pytest.mark.parametrize("target", TARGETS)
def test_every_activation_has_its_slope(target: str) -> None:
    """Beside the numbers that training computes from the same entry."""
    hidden = [kind for kind, entry in ACTIVATIONS.items() if not entry.output_only]
    for kind in hidden:
        layers = [4, {"size": 5, "activation": kind}, SOFTMAX]
        spec = spec_of(layers=layers, cost="log_likelihood", dtype="float64")
        module, plan = module_of(spec, target), lower(spec)
        net = module.Network()
        values = net._values(net._scaled(X))
        assert np.allclose(values["a3"], net.feedforward(X).T)
        for slope in plan.slopes:
            found = getattr(module, slope.function.name)(
                *(values[tensor.name] for tensor in slope.operands)
            )
            h = 1e-6
            net.b2 += h
            above = net._values(net._scaled(X))["a2"]
            net.b2 -= 2 * h
            below = net._values(net._scaled(X))["a2"]
            net.b2 += h
            apart = np.abs(found - (above - below) / (2 * h))
            # central differences, but for the neurons whose kink lies between
            assert np.mean(apart > 1e-7) < 0.01, kind
