"""What lowering decides, on operators that no registry holds yet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up import MADE_UP, register
from oracle import apart, as_lists, library, library_text
from random_specs import PAIRS, spec_of_triple
from support import TARGETS, spec_of

from bpcompile import reference
from bpcompile.check import check, table
from bpcompile.expr import Var, where
from bpcompile.fields import Operator
from bpcompile.lower import lower
from bpcompile.operators import ACTIVATIONS, OPTIMIZERS
from bpcompile.operators.entry import REALS, Activation, Map, Parameter, elementwise
from bpcompile.step import ErrorStep
from bpcompile.steps import HiddenError
from bpcompile.target import load_target

z = Var("z")
slope = Var("slope", scalar=True)

LEAKY = Activation(
    kind="leaky",
    description="made up",
    symbol="leaky",
    formula="z if z > 0 else {slope} z",
    parameters=(Parameter("slope", 0.01),),
    define=elementwise(lambda z, slope: z if z.real > 0 else slope * z),
    body=(Map("a", where(z > 0, z, slope * z)),),
    derivative=where(z > 0, 1, slope),
    interval=REALS,
)


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(ACTIVATIONS, LEAKY.kind, LEAKY)
    register(monkeypatch)


def with_activations(*chosen):
    """A 3-4-4-2 network for values with these activations in its hidden layers."""
    identity = {"size": 2, "activation": "identity"}
    spec = spec_of(layers=[3, 4, 4, identity], cost="quadratic", dtype="float64")
    first, *hidden, last = spec.layers
    later = [
        layer.model_copy(update={"activation": operator})
        for layer, operator in zip(hidden, chosen, strict=True)
    ]
    return spec.model_copy(update={"layers": (first, *later, last)})


@pytest.mark.parametrize("target", TARGETS)
def test_each_choice_of_parameters_is_a_function_of_its_own(target):
    chosen = (0.01, 0.2)
    spec = with_activations(*(Operator("leaky", (("slope", v),)) for v in chosen))
    text = library_text(spec, target)
    assert text.count("def leaky(") == text.count("def leaky_0_2(") == 1
    assert "leaky(z) = z if z > 0 else 0.2 z" in text
    assert "slope" not in text
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    net = library(spec, target).Network()
    parameters = as_lists(net.parameters)
    exact = reference.backprop(spec, parameters, x.tolist(), y.tolist())
    assert apart(net.backprop(x, y), exact) <= 1e-12


@pytest.mark.parametrize("target", TARGETS)
def test_a_long_derivative_is_a_function_of_its_own(target):
    """More than two operations: named, so that the line of BP2 stays one line."""
    spec = with_activations(Operator("made_up_silu"), Operator("tanh"))
    text = library_text(spec, target)
    assert text.count("def made_up_silu_prime(") == 1
    assert "# BP2  δ² = (w³)ᵀ δ³ ⊙ made_up_silu'(z²)\n" in text
    assert "tanh_prime" not in text
    if target == "numpy-textbook":
        assert "delta2 = (self.w3.T @ delta3) * made_up_silu_prime(z2, a2)\n" in text


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_no_derivative_is_defined_that_no_step_calls(pair):
    """As where the cost's error is one with that of the output's activation."""
    output, cost = pair
    plan = lower(spec_of_triple("tanh", output, cost))
    steps = [step for block in plan.backward for step in block.steps]
    called = {c.function for s in steps if isinstance(s, ErrorStep) for c in s.calls}
    assert {f.name for f in plan.functions if f.purpose == "derivative"} == called


def test_a_step_consumes_only_what_nothing_reads_later():
    spec = with_activations(Operator("tanh"), Operator("made_up_silu"))
    steps = [step for block in lower(spec).backward for step in block.steps]
    for index, step in enumerate(steps):
        if isinstance(step, ErrorStep):
            later = {t.name for s in steps[index + 1 :] for t in s.reads}
            assert not later & set(step.freed)
    hidden = [step for step in steps if isinstance(step, HiddenError)]
    assert [step.freed for step in hidden] == [["z3", "a3"], ["a2"]]


def test_an_array_that_is_read_again_is_not_written_over():
    """As where a target moves BP2 in front of BP4 of the layer above."""
    step = next(
        s
        for block in lower(
            with_activations(Operator("tanh"), Operator("tanh"))
        ).backward
        for s in block.steps
        if isinstance(s, HiddenError)
    )
    assert step.freed == ["a3"]
    assert replace(step, consumes=("g", "prime")).freed == []


SOFTMAX = {"size": 3, "activation": "softmax"}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "fields",
    [
        {"layers": [3, SOFTMAX], "cost": "log_likelihood", "task": "regression"},
        {"layers": [3, SOFTMAX], "cost": "log_likelihood"},
        {"layers": [{"size": 2, "scaling": "min_max"}, 1], "cost": "cross_entropy"},
        {"layers": [2, 3], "cost": "cross_entropy", "task": "regression"},
        {
            "layers": [2, {"size": 1, "activation": "identity"}],
            "cost": "quadratic",
            "task": "classification",
        },
    ],
    ids=["values adding up", "classes", "one", "values", "one of identity"],
)
def test_check_finds_targets_for_every_task(fields, target):
    report = check(spec_of(**fields), load_target(target))
    assert report.passed, table(report)
    assert {row.array for row in report.rows} == {"w2", "b2"}


def test_check_finds_a_fault(monkeypatch):
    """The derivative of an entry is wrong, its definition is right."""
    wrong = replace(ACTIVATIONS["tanh"], derivative=1 - Var("a"))
    monkeypatch.setitem(ACTIVATIONS, "tanh", wrong)
    spec = with_activations(Operator("tanh"), Operator("tanh"))
    report = check(spec, load_target("numpy"))
    assert not report.passed
    assert "FAIL" in table(report) and "NOT all within" in table(report)
    assert set(MADE_UP) <= set(ACTIVATIONS)


# ---- An optimizer with state ---------------------------------------------------------

w, nabla, v = Var("w"), Var("nabla"), Var("v")
mu, rate = Var("mu", scalar=True), Var("rate", scalar=True)

MOMENTUM = replace(
    OPTIMIZERS["sgd"],
    kind="made_up_momentum",
    formula="v → μ v - η/m Σ ∂C/∂{p}, {p} → {p} + v",
    parameters=(Parameter("mu", 0.9),),
    body=(Map("v", mu * v - rate * nabla), Map("w", w + v)),
    state=("v",),
    folds_decay=False,
)


@pytest.mark.parametrize("l2", [0.0, 3.0])
@pytest.mark.parametrize("target", TARGETS)
def test_an_optimizer_may_keep_a_state(monkeypatch, target, l2):
    """Momentum, by hand beside it; L2 goes into the gradient, not into a decay."""
    monkeypatch.setitem(OPTIMIZERS, MOMENTUM.kind, MOMENTUM)
    spec = spec_of(
        layers=[3, 4, 2],
        cost="quadratic",
        dtype="float64",
        hyperparameters={"regularization": {"l2": l2}},
    )
    chosen = {"optimizer": Operator(MOMENTUM.kind, (("mu", 0.9),))}
    hyper = spec.hyperparameters.model_copy(update=chosen)
    spec = spec.model_copy(update={"hyperparameters": hyper})
    text = library_text(spec, target)
    assert text.count("MU = 0.9") == 1 and "decay" not in text
    assert "self.v_w2 = np.zeros_like(self.w2)" in text
    net = library(spec, target).Network()
    rng = np.random.default_rng(2)
    x, y, n = rng.normal(size=(5, 3)), rng.random((5, 2)), 50
    by_hand = {name: p.copy() for name, p in net.parameters.items()}
    kept = {name: np.zeros_like(p) for name, p in by_hand.items()}
    for _ in range(3):
        gradient = net.backprop(x, y)
        for name, p in by_hand.items():
            slope_of_penalty = l2 / n * p if name.startswith("w") else 0
            kept[name] = 0.9 * kept[name] - 0.5 * (gradient[name] + slope_of_penalty)
            by_hand[name] = p + kept[name]
        net.update_mini_batch(x, y, n)
        assert apart(net.parameters, as_lists(by_hand)) <= 1e-12


def test_an_update_says_what_it_keeps(monkeypatch):
    monkeypatch.setitem(OPTIMIZERS, MOMENTUM.kind, MOMENTUM)
    spec = spec_of(layers=[3, 2], cost="quadratic")
    chosen = {"optimizer": Operator(MOMENTUM.kind, (("mu", 0.9),))}
    hyper = spec.hyperparameters.model_copy(update=chosen)
    plan = lower(spec.model_copy(update={"hyperparameters": hyper}))
    weights, biases = plan.update[0].steps
    assert [tensor.name for tensor in weights.writes] == ["w2", "v_w2"]
    assert [tensor.name for tensor in biases.writes] == ["b2", "v_b2"]
    assert [tensor.name for tensor, _ in plan.layers[0].state] == ["v_w2", "v_b2"]


@pytest.mark.parametrize("target", TARGETS)
def test_layers_with_almost_the_same_number_share_no_function(target: str) -> None:
    slopes = (0.1234567, 0.12345678, 1e-5)
    chosen = [{"kind": "leaky_relu", "slope": slope} for slope in slopes]
    layers = [2, *({"size": 2, "activation": one} for one in chosen)]
    text = library_text(spec_of(layers=layers, cost="quadratic"), target)
    for slope in slopes:
        assert text.count(f"leaky_relu(z) = max(z, {slope!r} z)") == 1


@pytest.mark.parametrize("target", TARGETS)
def test_a_negative_number_is_no_operation(target: str) -> None:
    text = library_text(spec_of(layers=[2, 2], cost="huber"), target)
    assert "-1" in next(line for line in text.splitlines() if "np.maximum" in line)
    assert "np.negative" not in text.partition("class Network")[2]


@pytest.mark.parametrize("target", TARGETS)
def test_what_a_fused_error_s_function_takes_is_said(target: str) -> None:
    layers = [2, {"size": 2, "activation": "softmax"}]
    text = library_text(spec_of(layers=layers, cost="poisson"), target)
    assert '"""δ = a ⊙ Σy - y of Poisson cost and softmax, from g = a' in text


@pytest.mark.parametrize("target", TARGETS)
def test_class_weights_are_never_none(target: str) -> None:
    hyper = {"class_weights": [1.0, 2.0]}
    spec = spec_of(layers=[2, 2], cost="cross_entropy", hyperparameters=hyper)
    assert "else weight[batch]" not in library_text(spec, target)
