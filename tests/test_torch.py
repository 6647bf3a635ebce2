"""A second opinion: PyTorch's autograd in float64 on the same networks.

PyTorch's own functions stand for the operators that it has. Of one that it has not,
the registry's body is evaluated on tensors, so that autograd still differentiates it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from oracle import apart, library
from random_specs import PAIRS, TRIPLES, data_for, spec_of_triple
from support import TARGETS, difference

from bpcompile.expr import Apply, Const, Expr, Var
from bpcompile.fields import Operator
from bpcompile.operators import ACTIVATIONS, COSTS
from bpcompile.operators.entry import Body, Map, label_values
from bpcompile.spec import NetworkSpec

torch: Any = pytest.importorskip(
    "torch", reason="PyTorch comes with the extra: pip install 'bpcompile[bench]'"
)

EXACT = 1e-12

OWN_ACTIVATIONS: Mapping[str, Callable[[Any], Any]] = {
    "identity": lambda z: z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "softmax": lambda z: torch.softmax(z, dim=1),
    "leaky_relu": torch.nn.functional.leaky_relu,
    "elu": torch.nn.functional.elu,
    "selu": torch.selu,
    "gelu": torch.nn.functional.gelu,
    "gelu_tanh": lambda z: torch.nn.functional.gelu(z, approximate="tanh"),
    "silu": torch.nn.functional.silu,
    "mish": torch.nn.functional.mish,
    "softplus": torch.nn.functional.softplus,
    "softsign": torch.nn.functional.softsign,
    "hard_tanh": torch.nn.functional.hardtanh,
    "exp": torch.exp,
    "sine": torch.sin,
}

#: C_x from z, a and y, summed over all examples.
OWN_COSTS: Mapping[str, Callable[[Any, Any, Any], Any]] = {
    "quadratic": lambda z, a, y: (
        torch.nn.functional.mse_loss(a, y, reduction="sum") / 2
    ),
    "cross_entropy": lambda z, a, y: torch.nn.functional.binary_cross_entropy(
        a, y, reduction="sum"
    ),
    "log_likelihood": lambda z, a, y: torch.nn.functional.cross_entropy(
        z, y, reduction="sum"
    ),
    "huber": lambda z, a, y: torch.nn.functional.huber_loss(a, y, reduction="sum"),
    "absolute": lambda z, a, y: torch.nn.functional.l1_loss(a, y, reduction="sum"),
    "poisson": lambda z, a, y: torch.nn.functional.poisson_nll_loss(
        a, y, log_input=False, eps=0.0, reduction="sum"
    ),
}

_PRIMITIVES: Mapping[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: -x,
    "finite": lambda x: x,
    "pow": lambda x, y: x**y,
    "max": torch.maximum,
    "min": torch.minimum,
    "where": lambda c, x, y: torch.where(c > 0, x, y),
    "lt": lambda x, y: (x < y).to(torch.float64),
    "le": lambda x, y: (x <= y).to(torch.float64),
    "gt": lambda x, y: (x > y).to(torch.float64),
    "ge": lambda x, y: (x >= y).to(torch.float64),
}


def value(expr: Expr, names: Mapping[str, Any]) -> Any:
    """An expression on tensors."""
    if isinstance(expr, Const):
        return torch.tensor(float(expr.value), dtype=torch.float64)
    if isinstance(expr, Var):
        return names[expr.name]
    assert isinstance(expr, Apply)
    call = _PRIMITIVES.get(expr.primitive) or getattr(torch, expr.primitive)
    return call(*(value(arg, names) for arg in expr.args))


def result(body: Body, names: Mapping[str, Any]) -> Any:
    """What the last statement of a body assigns, its rows being examples."""
    known = dict(names)
    for statement in body:
        found = value(statement.value, known)
        if not isinstance(statement, Map):
            reduce = {"sum": torch.sum, "max": torch.amax}[statement.how]
            found = reduce(found, dim=1, keepdim=True)
        known[statement.target] = found
    return found


def settings(operator: Operator) -> dict[str, Any]:
    return {
        name: torch.tensor(number, dtype=torch.float64)
        for name, number in operator.values
    }


def activation(operator: Operator, z: Any) -> Any:
    own = OWN_ACTIVATIONS.get(operator.kind)
    if own:
        return own(z)
    return result(ACTIVATIONS[operator.kind].body, {"z": z, **settings(operator)})


def mean_cost(spec: NetworkSpec, parameters: Mapping[str, Any], x: Any, y: Any) -> Any:
    """The mean of C_x over the rows of x and y, as a tensor to differentiate."""
    a = x
    for number, layer in enumerate(spec.layers[1:], start=2):
        z = torch.nn.functional.linear(
            a, parameters[f"w{number}"], parameters[f"b{number}"][:, 0]
        )
        a = activation(layer.activation, z)
    own = OWN_COSTS.get(spec.cost.kind)
    if own:
        return own(z, a, y) / len(x)
    names = {"a": a, "y": y, **settings(spec.cost)}
    return result(COSTS[spec.cost.kind].body, names).sum() / len(x)


def tensors(net: Any) -> dict[str, Any]:
    return {
        name: torch.tensor(array, requires_grad=True)
        for name, array in net.parameters.items()
    }


def rows(spec: NetworkSpec, y: Any) -> Any:
    """Targets as a tensor (n, NL), labels as the contract codes them."""
    width = spec.layers[-1].size
    if y.ndim == 1 and width > 1:
        low, _ = label_values(spec.cost_entry, spec.output_activation)
        return torch.tensor(np.where(np.eye(width)[y] > 0, 1.0, low))
    return torch.tensor(y.reshape(len(y), width).astype(float))


@pytest.mark.fault("GRD-07")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("triple", TRIPLES, ids="-".join)
def test_gradients_are_autograds(triple: tuple[str, str, str], target: str) -> None:
    spec = spec_of_triple(*triple)
    x, y = data_for(spec, 6, seed=21)
    net = library(spec, target).Network()
    parameters = tensors(net)
    cost = mean_cost(spec, parameters, torch.tensor(x.astype(float)), rows(spec, y))
    cost.backward()
    assert difference(net.cost(x, y), cost.item()) <= EXACT
    expected = {name: p.grad.numpy() for name, p in parameters.items()}
    assert apart(net.backprop(x, y), expected) <= EXACT


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_a_step_with_l2_is_sgd_with_weight_decay(
    pair: tuple[str, str], target: str
) -> None:
    eta, lmbda, n = 0.2, 3.0, 40
    hyper = {"learning_rate": eta, "regularization": {"l2": lmbda}}
    spec = spec_of_triple("tanh", *pair, hyperparameters=hyper)
    x, y = data_for(spec, 6, seed=22)
    net = library(spec, target).Network()
    parameters = tensors(net)
    weights = [p for name, p in parameters.items() if name.startswith("w")]
    biases = [p for name, p in parameters.items() if name.startswith("b")]
    optimizer = torch.optim.SGD(
        [{"params": weights, "weight_decay": lmbda / n}, {"params": biases}], lr=eta
    )
    mean_cost(spec, parameters, torch.tensor(x.astype(float)), rows(spec, y)).backward()
    optimizer.step()
    net.update_mini_batch(x, y, n)
    expected = {name: p.detach().numpy() for name, p in parameters.items()}
    assert apart(net.parameters, expected) <= EXACT


@pytest.mark.parametrize("kind", OWN_ACTIVATIONS)
def test_bodies_on_tensors_are_pytorchs_own_functions(kind: str) -> None:
    """What stands in where PyTorch has no function of its own does the same."""
    z = torch.linspace(-5, 5, 40, dtype=torch.float64).reshape(8, 5)
    operator = Operator(kind, tuple(ACTIVATIONS[kind].defaults.items()))
    body = result(ACTIVATIONS[kind].body, {"z": z, **settings(operator)})
    assert difference(body.numpy(), activation(operator, z).numpy()) <= EXACT
