"""Every optimizer of the registry: steps of a module against its entry's definition,
and the update around it: penalties, clipping, max-norm."""

from __future__ import annotations

import copy
import functools
import pickle
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from oracle import apart, library, library_text
from support import TARGETS, module_of, spec_of
from updates import NEAR, PENALTIES, Array, Arrays, N, data, mini_batches, spec_with

from bpcompile.fields import Operator
from bpcompile.operators import OPTIMIZERS, REGULARIZERS
from bpcompile.spec import NetworkSpec


def chosen(spec: NetworkSpec) -> tuple[Operator, Mapping[str, float]]:
    hyper = spec.hyperparameters
    return hyper.optimizer, hyper.regularization.penalties


# ---- The definition ----------------------------------------------------------------


def slopes(penalties: Mapping[str, float], w: Array) -> dict[str, Array]:
    """The gradient of each penalty by its definition, symmetric about each weight."""
    h = 1e-30

    def slope(kind: str, lmbda: float, value: float) -> float:
        if value == 0:
            return 0.0
        return complex(REGULARIZERS[kind].define(value + 1j * h, lmbda, N)).imag / h

    return {
        kind: np.vectorize(functools.partial(slope, kind, lmbda))(w)
        for kind, lmbda in penalties.items()
    }


def defined(
    spec: NetworkSpec, parameters: Arrays, gradients: Iterator[Arrays]
) -> Iterator[Arrays]:
    """The parameters after each step, entry by entry by the definition."""
    optimizer, penalties = chosen(spec)
    entry, eta = OPTIMIZERS[optimizer.kind], spec.hyperparameters.learning_rate
    fresh = dict.fromkeys(entry.state, 0.0)
    state = {name: [fresh] * p.size for name, p in parameters.items()}
    current = {name: p.copy() for name, p in parameters.items()}
    for t, gradient in enumerate(gradients, start=1):
        for name, p in current.items():
            g, w = gradient[name].copy(), p.copy()
            for kind, slope in slopes(penalties if name[0] == "w" else {}, p).items():
                if entry.folds_decay and REGULARIZERS[kind].decay:
                    w -= eta * slope
                else:
                    g += slope
            stepped = [
                entry.define(w_k, g_k, kept, eta, t, **optimizer.parameters)
                for w_k, g_k, kept in zip(
                    w.ravel().tolist(), g.ravel().tolist(), state[name], strict=True
                )
            ]
            p.flat = [new for new, _ in stepped]
            state[name] = [kept for _, kept in stepped]
        yield current


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("penalties", PENALTIES)
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_steps_are_those_of_the_definition(
    kind: str, penalties: str, target: str
) -> None:
    spec = spec_with(optimizer=kind, regularization=PENALTIES[penalties])
    x, y = data()
    net = library(spec, target).Network()
    before = {name: p.copy() for name, p in net.parameters.items()}
    batch = np.arange(0)

    def gradients() -> Iterator[Arrays]:
        while True:
            yield net.backprop(x[batch], y[batch])

    expected = defined(spec, before, gradients())
    for batch in mini_batches():
        wanted = next(expected)
        net.update_mini_batch(x[batch], y[batch], N)
        assert apart(net.parameters, wanted) <= NEAR
    assert apart(net.parameters, before) > 1e-3


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_parameters_of_an_optimizer_count(kind: str) -> None:
    """Each of them changes the step, in both targets alike."""
    x, y = data()

    def trained(target: str, **given: float) -> Arrays:
        net = library(spec_with(optimizer={"kind": kind, **given}), target).Network()
        net.train(x, y, epochs=2)
        return dict(net.parameters)

    plain = trained(TARGETS[0])
    for parameter in OPTIMIZERS[kind].parameters:
        assert isinstance(parameter.default, float)
        # No upper bound is as near as that.
        other = {parameter.name: 0.5 * parameter.default}
        one, two = (trained(target, **other) for target in TARGETS)
        assert apart(one, plain) > 0, parameter.name
        assert apart(one, two) <= NEAR


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_float32_stays_float32(kind: str, target: str) -> None:
    """A number of NumPy's own would make a float64 of all that it meets."""
    hyper: dict[str, Any] = {
        "optimizer": kind,
        "regularization": {"l1": 0.1, "l2": 0.1, "max_norm": 2},
        "clipping": {"norm": 1},
    }
    net = library(spec_with("float32", **hyper), target).Network()
    exact = library(spec_with("float64", **hyper), target).Network()
    x, y = data()
    for network in (net, exact):
        network.train(x, y, epochs=1)
    kept = [value for value in vars(net).values() if isinstance(value, np.ndarray)]
    assert {array.dtype for array in kept} == {np.dtype(np.float32)}
    counts = [name for name, _ in OPTIMIZERS[kind].scalar_state]
    assert all(type(vars(net)[name]) in (int, float) for name in counts)
    # Four steps of size eta, of which Lion and Adagrad may take one in the other
    # direction where float32 does not know a gradient's sign.
    assert apart(net.parameters, exact.parameters) <= 8 * 0.05


@pytest.mark.fault("NUM-08")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_gradient_of_nothing_moves_nothing(kind: str, target: str) -> None:
    """No 0/0 where a neuron is dead, from the first step on."""
    spec = spec_of(
        layers=[2, {"size": 2, "activation": "identity"}],
        cost="quadratic",
        hyperparameters={"optimizer": kind},
    )
    net = library(spec, target).Network()
    for p in net.parameters.values():
        p[...] = 0
    x, y = np.ones((3, 2)), np.zeros((3, 2))
    with np.errstate(all="raise"):
        net.train(x, y, epochs=2)
    assert all(not p.any() for p in net.parameters.values())


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_formula_for_every_statement(kind: str) -> None:
    entry = OPTIMIZERS[kind]
    assert len(entry.formulas("w")) == len(entry.body)
    for formula, statement in zip(entry.formulas("b"), entry.body, strict=True):
        left = "b" if statement.target == "w" else statement.target
        assert formula.startswith((f"{left} → ", f"{left} = "))
    assert entry.source


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_what_is_kept_is_the_networks_own(kind: str, target: str) -> None:
    """Two networks of one module do not share what their optimizers remember."""
    module = module_of(spec_with(optimizer=kind), target)
    x, y = data()
    alone, other, beside = module.Network(), module.Network(), module.Network()
    for batch in mini_batches(6):
        alone.update_mini_batch(x[batch], y[batch], N)
    for batch in mini_batches(6):
        beside.update_mini_batch(x[batch], y[batch], N)
        other.update_mini_batch(y[batch] @ np.ones((3, 4)), y[batch], N)
    assert apart(beside.parameters, alone.parameters) == 0


def through_pickle(net: Any) -> Any:
    return pickle.loads(pickle.dumps(net))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", ["adam", "nesterov", "momentum"])
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, through_pickle])
def test_a_copy_of_a_network_trains_as_it_would_have(
    kind: str, copied: Any, target: str
) -> None:
    """Of arrays that are parts of another a copy has its own: the parts must be those
    of the copy's, or its optimizer steps by gradients that nobody fills."""
    module = module_of(spec_with(optimizer=kind), target)
    x, y = data()
    net, other = module.Network(), module.Network()
    for network in (net, other):
        network.update_mini_batch(x[:4], y[:4], N)
    net = copied(net)
    for _ in range(2):
        net.update_mini_batch(x[4:8], y[4:8], N)
        other.update_mini_batch(x[4:8], y[4:8], N)
    assert apart(net.parameters, other.parameters) == 0


# ---- Lion, of which PyTorch has none -----------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_lion_is_its_papers_algorithm(target: str) -> None:
    """Chen et al., 2023, algorithm 2, its lambda being lmbda/n."""
    eta, lmbda = 0.05, 2.0
    spec = spec_with(optimizer="lion", regularization={"l2": lmbda})
    net = library(spec, target).Network()
    x, y = data()
    theta = {name: p.copy() for name, p in net.parameters.items()}
    m = {name: np.zeros_like(p) for name, p in theta.items()}
    for batch in mini_batches():
        g = net.backprop(x[batch], y[batch])
        net.update_mini_batch(x[batch], y[batch], N)
        for name, p in theta.items():
            c = 0.9 * m[name] + 0.1 * g[name]
            weight_decay = lmbda / N if name[0] == "w" else 0
            theta[name] = p - eta * (np.sign(c) + weight_decay * p)
            m[name] = 0.99 * m[name] + 0.01 * g[name]
        assert apart(net.parameters, theta) <= NEAR


# ---- Clipping and max-norm ---------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("limit", [1e-3, 1e-2, 0.1, 100.0])
def test_clipping_by_value_is_of_the_mean_gradient(limit: float, target: str) -> None:
    spec = spec_with(clipping={"value": limit}, regularization={"l2": 1.0})
    net = library(spec, target).Network()
    x, y = data()
    for batch in mini_batches(5):
        before = {name: p.copy() for name, p in net.parameters.items()}
        gradient = net.backprop(x[batch], y[batch])
        net.update_mini_batch(x[batch], y[batch], N)
        for name, p in before.items():
            decay = 1.0 / N * p if name[0] == "w" else 0
            p -= 0.05 * (np.clip(gradient[name], -limit, limit) + decay)
        assert apart(net.parameters, before) <= 1e-12


@pytest.mark.parametrize("target", TARGETS)
def test_clipping_by_norm_leaves_a_short_gradient_alone(target: str) -> None:
    x, y = data()
    nets = [
        library(spec_with(clipping=c), target).Network() for c in ({}, {"norm": 100})
    ]
    for net in nets:
        net.train(x, y, epochs=2)
    # the rate multiplies the last error in one, and each gradient in the other
    assert apart(nets[0].parameters, nets[1].parameters) <= 1e-15


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_no_row_of_weights_is_longer_than_max_norm(kind: str, target: str) -> None:
    limit = 0.8
    free = library(spec_with(optimizer=kind), target).Network()
    spec = spec_with(optimizer=kind, regularization={"max_norm": limit})
    net = library(spec, target).Network()
    x, y = data()
    free.w2[0] = net.w2[0] = 0.0  # a norm of 0 is no divisor
    free.update_mini_batch(x[:5], y[:5], N)
    net.update_mini_batch(x[:5], y[:5], N)
    for name, p in free.parameters.items():
        if name[0] == "w":
            norms = np.sqrt((p**2).sum(axis=1))
            p *= np.array([min(1.0, limit / norm) for norm in norms])[:, None]
    assert apart(net.parameters, free.parameters) <= 1e-12
    lengths = np.linalg.norm(net.w2, axis=1)
    assert lengths.max() == pytest.approx(limit) and lengths.min() < limit


@pytest.mark.parametrize("target", TARGETS)
def test_max_norm_of_weights_that_are_all_0(target: str) -> None:
    spec = spec_with(eta=1e-6, regularization={"max_norm": 1.0})
    net = library(spec, target).Network()
    x, y = data()
    net.w3[...] = 0.0
    net.w2[...] = 0.0
    with np.errstate(all="raise"):
        net.update_mini_batch(x, y, N)
    assert np.isfinite(net.w2).all() and not net.w2.any()


# ---- The code ----------------------------------------------------------------------


def lines_a_layer(target: str, **hyper: Any) -> float:
    """Up to and including the update, measured between 4 and 8 layers."""

    def lines(depth: int) -> int:
        fields: dict[str, Any] = {"cost": "cross_entropy", "hyperparameters": hyper}
        text = library_text(spec_of(layers=[3] * depth, **fields), target)
        return text[: text.index("    def feedforward(")].count("\n")

    return (lines(8) - lines(4)) / 4


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_an_optimizer_adds_few_lines_to_a_layer(kind: str, target: str) -> None:
    """Two parameters, for each of them what is kept, its mean gradient and a call.

    Where a penalty is added to a gradient, it is divided by m in a line of its own. In
    place there is an array to compute it in, and a line for each operation.
    """
    plain = lines_a_layer(target, optimizer="sgd")
    kept = len(OPTIMIZERS[kind].state)
    assert lines_a_layer(target, optimizer=kind) - plain <= 2 * (kept + 3)
    both = lines_a_layer(target, optimizer=kind, regularization={"l1": 1, "l2": 1})
    most = 8 if target == "numpy" else 4
    assert both - lines_a_layer(target, optimizer=kind) <= most


@pytest.mark.parametrize("target", TARGETS)
def test_a_library_imports_what_it_needs_and_no_more(target: str) -> None:
    with_root = library_text(spec_with(optimizer="adam"), target)
    without = library_text(spec_with(optimizer="rmsprop"), target)
    assert "\nimport math\n" in with_root
    assert "import math" not in without
