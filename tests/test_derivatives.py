"""Derivatives given by hand against complex steps and symbolic differentiation."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from operator_oracle import (
    FUSED,
    OUTPUTS,
    TARGETS_OF,
    Vector,
)

from bpcompile.expr import Expr, differentiate, evaluate, substitute
from bpcompile.operators import ACTIVATIONS, COSTS
from bpcompile.operators.entry import Body, Map, Reduce

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
    a = run(entry.body, z=z)
    jacobian = [[v.imag / STEP for v in column] for column in steps(entry.define, z)]
    exact = [sum(g_j * d for g_j, d in zip(g, row, strict=True)) for row in jacobian]
    if entry.derivative is None:
        assert near(run(entry.vjp, g=g, z=z, a=a), exact)
        return
    by_hand = (Map("delta", entry.derivative),)
    prime = run(by_hand, z=z, a=a)
    assert near([g_j * d for g_j, d in zip(g, prime, strict=True)], exact)
    derived = differentiate(inlined(entry.body), "z")
    assert near(run((Map("delta", derived),), z=z), prime)


@pytest.mark.parametrize("name", [k for k, e in ACTIVATIONS.items() if e.kink])
def test_kinks_are_where_the_entry_says(name: str) -> None:
    entry = ACTIVATIONS[name]
    assert entry.kink == f"{entry.symbol}'(0) is taken as 0"
    assert entry.derivative is not None
    for zero in (0.0, -0.0):
        a = run(entry.body, z=[zero])
        assert run((Map("delta", entry.derivative),), z=[zero], a=a) == [0]
        (stepped,) = steps(entry.define, [zero])
        assert stepped[0].imag == 0


@pytest.mark.parametrize("a", OUTPUTS, ids=str)
@pytest.mark.parametrize("name", COSTS)
def test_cost_gradients(name: str, a: list[float]) -> None:
    cost = COSTS[name]
    for y in TARGETS_OF[cost.targets]:
        exact = [c.imag / STEP for c in steps(functools.partial(cost.define, y=y), a)]
        gradient = run((Map("g", cost.gradient),), a=a, y=y)
        assert near(gradient, exact)
        derived = differentiate(inlined(cost.body), "a")
        assert near(run((Map("g", derived),), a=a, y=y), gradient)


@pytest.mark.parametrize("z", ORDINARY[:2], ids=str)
@pytest.mark.parametrize("pair", FUSED, ids="-".join)
def test_fused_errors_are_bp1_unfused(pair: tuple[str, str], z: list[float]) -> None:
    entry, cost = ACTIVATIONS[pair[0]], COSTS[pair[1]]
    a = entry.define(z)
    for y in TARGETS_OF[cost.targets]:
        fused = run((Map("delta", cost.fused[pair[0]].error),), a=a, y=y)
        g = run((Map("g", cost.gradient),), a=a, y=y)
        if entry.derivative is None:
            unfused = run(entry.vjp, g=g, z=z, a=a)
        else:
            prime = run((Map("d", entry.derivative),), z=z, a=a)
            unfused = [u * v for u, v in zip(g, prime, strict=True)]
        assert near(fused, unfused)
        from_z = functools.partial(cost.define_from_z[pair[0]], y=y)
        exact = [c.imag / STEP for c in steps(from_z, z)]
        assert near(fused, exact)
