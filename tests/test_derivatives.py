"""Derivatives given by hand against complex steps and symbolic differentiation."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from operator_oracle import (
    FUSED,
    OUTPUTS,
    Vector,
    targets_of,
)

from bpcompile.expr import Expr, differentiate, evaluate, substitute
from bpcompile.fields import Operator
from bpcompile.lower_operators import resolved, resolved_cost
from bpcompile.operators import ACTIVATIONS, COSTS
from bpcompile.operators.entry import Body, Cost, Map, Reduce

#: Complex steps round as the formula itself does.
EXACT = 1e-13
STEP = 1e-30


def run(body: Body, **vectors: list[float]) -> list[float]:
    """A body's result for one example, in plain Python."""
    known: dict[str, Any] = dict(vectors)
    neurons = range(len(next(iter(vectors.values()))))
    for statement in body:
        values = [float(evaluate(statement.value, _at(known, j)).real) for j in neurons]
        if isinstance(statement, Reduce):
            known[statement.target] = {"sum": sum, "max": max}[statement.how](values)
        else:
            known[statement.target] = values
    return list(known[body[-1].target])


def _at(known: dict[str, Any], j: int) -> dict[str, Any]:
    return {k: v[j] if isinstance(v, list) else v for k, v in known.items()}


def inlined(body: Body) -> Expr:
    """A body without reductions as one tree."""
    known: dict[str, Expr] = {}
    for statement in body:
        assert isinstance(statement, Map)
        known[statement.target] = substitute(statement.value, known)
    return known[body[-1].target]


def steps(f: Callable[[Vector], Any], at: list[float]) -> Iterator[Any]:
    """f with one entry after the other a step into the imaginary."""
    for k in range(len(at)):
        yield f([v + STEP * 1j if k == j else v + 0j for j, v in enumerate(at)])


def near(found: list[float], exact: list[float]) -> bool:
    scale = max(1.0, *map(abs, exact))
    return all(abs(f - e) <= EXACT * scale for f, e in zip(found, exact, strict=True))


ORDINARY = [[0.3, -1.7, 2.2], [-5.0, 0.01, 9.0], [-0.4, -0.5, -30.0], [12.0, 3.0, 1e-9]]


@pytest.mark.parametrize("z", ORDINARY, ids=str)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivatives(name: str, z: list[float]) -> None:
    entry, g = ACTIVATIONS[name], [0.7, -1.3, 0.2]
    define = functools.partial(entry.define, **entry.defaults)
    entry = resolved(entry, Operator(name, tuple(entry.defaults.items())))
    a = run(entry.body, z=z)
    jacobian = [[v.imag / STEP for v in column] for column in steps(define, z)]
    exact = [sum(g_j * d for g_j, d in zip(g, row, strict=True)) for row in jacobian]
    if entry.derivative is None:
        assert near(run(entry.vjp, g=g, z=z, a=a), exact)
        return
    prime = run(entry.way_back, z=z, a=a)
    assert near([g_j * d for g_j, d in zip(g, prime, strict=True)], exact)
    derived = differentiate(inlined(entry.body), "z")
    assert near(run((Map("delta", derived),), z=z), prime)


@pytest.mark.fault("NUM-05")
@pytest.mark.parametrize("name", [k for k, e in ACTIVATIONS.items() if e.kinks])
def test_kinks_are_where_the_entry_says(name: str) -> None:
    define = functools.partial(ACTIVATIONS[name].define, **ACTIVATIONS[name].defaults)
    chosen = Operator(name, tuple(ACTIVATIONS[name].defaults.items()))
    entry = resolved(ACTIVATIONS[name], chosen)
    for place, slope in entry.kinks:
        taken = evaluate(slope, {})
        for at in {float(place), -0.0 if place == 0 else float(place)}:
            a = run(entry.body, z=[at])
            assert math.isclose(run(entry.way_back, z=[at], a=a)[0], taken.real)
            (stepped,) = steps(define, [at])
            assert math.isclose(complex(stepped[0]).imag / STEP, taken.real)


def test_kinks_are_pytorchs() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch comes with the extra")
    own = {"relu": "relu", "leaky_relu": "leaky_relu", "elu": "elu", "selu": "selu"}
    own["hard_tanh"] = "hardtanh"
    found = {name for name, entry in ACTIVATIONS.items() if entry.kinks}
    assert found == set(own)
    for name, function in own.items():
        filled = resolved(
            ACTIVATIONS[name], Operator(name, tuple(ACTIVATIONS[name].defaults.items()))
        )
        for place, slope in filled.kinks:
            z = torch.tensor(float(place), dtype=torch.float64, requires_grad=True)
            getattr(torch.nn.functional, function)(z).backward()
            assert math.isclose(z.grad.item(), evaluate(slope, {}).real)


def with_defaults(name: str) -> Cost:
    return resolved_cost(
        COSTS[name], Operator(name, tuple(COSTS[name].defaults.items()))
    )


@pytest.mark.parametrize("a", OUTPUTS, ids=str)
@pytest.mark.parametrize("name", COSTS)
def test_cost_gradients(name: str, a: list[float]) -> None:
    cost = with_defaults(name)
    for y in targets_of(cost.kind):
        define = functools.partial(cost.define, y=y, **cost.defaults)
        exact = [complex(c).imag / STEP for c in steps(define, a)]
        gradient = run((Map("g", cost.gradient),), a=a, y=y)
        assert near(gradient, exact)
        derived = differentiate(inlined(cost.body), "a")
        assert near(run((Map("g", derived),), a=a, y=y), gradient)


@pytest.mark.parametrize("z", ORDINARY[:2], ids=str)
@pytest.mark.parametrize("pair", FUSED, ids="-".join)
def test_fused_errors_are_bp1_unfused(pair: tuple[str, str], z: list[float]) -> None:
    entry, cost = ACTIVATIONS[pair[0]], COSTS[pair[1]]
    a = entry.define(z)
    for y in targets_of(cost.kind):
        fused = run((Map("delta", cost.fused[pair[0]].error),), a=a, y=y)
        if cost.fused[pair[0]].through:
            fused = run(cost.fused[pair[0]].through, g=fused, y=y)
        g = run((Map("g", cost.gradient),), a=a, y=y)
        if entry.derivative is None:
            unfused = run(entry.vjp, g=g, z=z, a=a)
        else:
            prime = run(entry.way_back, z=z, a=a)
            unfused = [u * v for u, v in zip(g, prime, strict=True)]
        assert near(fused, unfused)
        from_z = functools.partial(cost.define_from_z[pair[0]], y=y, **cost.defaults)
        exact = [c.imag / STEP for c in steps(from_z, z)]
        assert near(fused, exact)
