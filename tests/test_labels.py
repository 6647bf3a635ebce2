"""What y becomes before anything reads it: smoothed labels, labels of -1 and 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import apart, as_lists, library
from support import TARGETS, difference, module_of, spec_of

from bpcompile import reference
from bpcompile.spec import NetworkSpec

EXACT = 1e-12
LABELS = np.array([2, 0, 1, 1, 2])
ROWS = {0: [1, -1, -1], 1: [-1, 1, -1], 2: [-1, -1, 1]}


def inputs(n: int = 5) -> Any:
    return np.random.default_rng(8).normal(size=(n, 3))


def classes_of(output: str, width: int, cost: Any) -> NetworkSpec:
    layers = [3, {"size": width, "activation": output}]
    return spec_of(layers=layers, cost=cost, dtype="float64")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("smoothing", [0.1, 0.99])
@pytest.mark.parametrize("given", ["labels", "shares"])
def test_label_smoothing_is_pytorchs(given: str, smoothing: float, target: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch comes with the extra")
    cost = {"kind": "log_likelihood", "label_smoothing": smoothing}
    net = library(classes_of("softmax", 3, cost), target).Network()
    x, y = inputs(), LABELS
    if given == "shares":
        y = np.random.default_rng(9).dirichlet([1, 1, 1], size=5)
    w, b = (
        torch.tensor(net.parameters[name], requires_grad=True) for name in ("w2", "b2")
    )
    z = torch.nn.functional.linear(torch.tensor(x), w, b[:, 0])
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=smoothing)
    loss = criterion(z, torch.tensor(y))
    loss.backward()
    assert difference(net.cost(x, y), loss.item()) <= EXACT
    expected = {"w2": w.grad.numpy(), "b2": b.grad.numpy()}
    assert apart(net.backprop(x, y), expected) <= EXACT


@pytest.mark.parametrize("target", TARGETS)
def test_smoothing_is_of_the_cost_alone(target: str) -> None:
    """Accuracy compares classes, as y has them and not as the cost sees them."""
    cost = {"kind": "log_likelihood", "label_smoothing": 0.9}
    net = library(classes_of("softmax", 3, cost), target).Network()
    x = inputs()
    assert net.accuracy(x, net.predict(x)) == 1.0


@pytest.mark.parametrize("output", ["identity", "tanh"])
def test_the_reference_codes_labels_of_a_hinge(output: str) -> None:
    spec = classes_of(output, 3, "hinge")
    assert reference.targets(spec, LABELS.tolist()) == [ROWS[k] for k in LABELS]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("output", ["identity", "tanh"])
def test_labels_of_a_hinge(output: str, target: str) -> None:
    spec = classes_of(output, 3, "hinge")
    net = library(spec, target).Network()
    x, rows = inputs(), np.array([ROWS[k] for k in LABELS])
    point = (spec, as_lists(net.parameters), x.tolist(), rows.tolist())
    for y in (LABELS, rows):
        assert difference(net.cost(x, y), reference.cost(*point)) <= EXACT
        assert apart(net.backprop(x, y), reference.backprop(*point)) <= EXACT
    outputs = net.feedforward(x)
    assert (net.predict(x) == outputs.argmax(axis=1)).all()
    right = float((outputs.argmax(axis=1) == LABELS).mean())
    assert net.accuracy(x, LABELS) == net.accuracy(x, rows) == right
    with pytest.raises(ValueError, match="-1 or 1"):
        net.cost(x, (rows + 1) / 2)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("output", ["identity", "tanh"])
def test_one_output_of_a_hinge_is_a_side(output: str, target: str) -> None:
    net = library(classes_of(output, 1, "hinge"), target).Network()
    x = inputs(40)
    side = np.where(net.feedforward(x)[:, 0] > 0, 1, -1)
    assert set(side) == {-1, 1}
    assert (net.predict(x) == side).all()
    assert net.accuracy(x, side) == 1.0 and net.accuracy(x, -side) == 0.0


@pytest.mark.parametrize("target", TARGETS)
def test_gradcheck_smooths_labels_once(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = [2, {"size": 4, "activation": "softmax"}]
    cost = {"kind": "log_likelihood", "label_smoothing": 0.2}
    module = module_of(spec_of(layers=layers, cost=cost), target)
    seen: list[float] = []
    gradient = module.Network._gradient

    def watched(net: Any, x: Any, y: Any) -> Any:
        seen.append(float(y.max()))
        return gradient(net, x, y)

    monkeypatch.setattr(module.Network, "_gradient", watched)
    assert all(check.ok for check in module.gradcheck(*module.sample()))
    assert seen == [pytest.approx(0.85)]
