"""Every entry of the registries against mpmath: values and intervals."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from operator_accuracy import (
    BOUND,
    RELATIVE,
    TYPES,
    activation_row,
    calm,
    cost_row,
    derivative_row,
    ulps,
)
from operator_oracle import (
    ACTIVATION_ORACLE,
    COST_ORACLE,
    FUSED,
    OUTPUTS,
    Array,
    columns,
    digits,
    precise,
    targets_of,
)
from oracle import library
from random_specs import PAIRS, spec_of_triple
from support import TARGETS

from bpcompile.lower import lower
from bpcompile.operators import ACTIVATIONS, COSTS
from bpcompile.operators.entry import Interval


def test_the_oracle_knows_every_operator() -> None:
    assert set(ACTIVATION_ORACLE) == set(ACTIVATIONS)
    assert set(COST_ORACLE) == set(COSTS)


@functools.cache
def module(output: str, cost: str, target: str) -> Any:
    return library(spec_of_triple("tanh", output, cost), target)


def emitted_activation(kind: str, target: str) -> Callable[[Array], Array]:
    """The function that a module has for an activation, on arrays (3, n)."""
    cost = next(cost for output, cost in PAIRS if output == kind)
    f = getattr(module(kind, cost, target), kind)
    return lambda z: calm(f, z)


# ---- Activations -------------------------------------------------------------------

#: The identity is left out of modules altogether.
NAMED = [kind for kind in ACTIVATIONS if kind != "identity"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", NAMED)
def test_emitted_activations(name: str, kind: Any, target: str) -> None:
    """At |z| up to 1e4: finite, silent, of the type of z; see the table by -rP."""
    row = activation_row(name, kind, target)
    print(row)
    assert row.worst <= BOUND


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", [k for k, e in ACTIVATIONS.items() if e.elementwise])
def test_emitted_derivatives(name: str, kind: Any, target: str) -> None:
    row = derivative_row(name, kind, target)
    print(row)
    assert row.worst <= BOUND


def inside(value: Any, interval: Interval) -> bool:
    low = interval.low <= value if interval.closed_low else interval.low < value
    high = value <= interval.high if interval.closed_high else value < interval.high
    return low and high


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_definitions_and_their_intervals(name: str) -> None:
    entry = ACTIVATIONS[name]
    for column in columns():
        found = entry.define(column, **entry.defaults)
        with digits(column):
            exact = ACTIVATION_ORACLE[name](precise(column))
            assert all(inside(value, entry.interval) for value in exact), column
            for mine, value in zip(found, exact, strict=True):
                # Relative to the value itself. Where it is exp(z - top), rounding of
                # the difference grows with it; what is subnormal has fewer digits.
                beside = abs(value) if name in (*RELATIVE, "softmax") else 1
                ulp = 2.0**-52 * max(abs(value), beside)
                grown = max(map(abs, column)) if entry.derivative is None else 0
                apart = abs(mpmath.mpf(mine) - value)
                assert apart <= (4 + grown) * ulp + 5e-324, column


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("size", [1e300, 1e308])
def test_the_largest_numbers_there_are(name: str, size: float, target: str) -> None:
    with np.errstate(over="raise"):
        z = np.array([[size] * 3, [-size] * 3]).T
        a = emitted_activation(name, target)(z)
    exact = [ACTIVATION_ORACLE[name](precise(column)) for column in z.T]
    assert np.array_equal(a.T, np.array(exact, float))


# ---- Costs -------------------------------------------------------------------------


def exact_cost(cost: str, output: str, reads: str, column: Any, y: list[float]) -> Any:
    """C_x of what a cost function is given: the outputs, or z of the output layer."""
    values = precise(column)
    a = ACTIVATION_ORACLE[output](values) if reads == "z" else values
    return COST_ORACLE[cost](a, precise(y))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_emitted_costs(pair: tuple[str, str], kind: Any, target: str) -> None:
    """From z where the entry fuses the two, else from the outputs as rounded."""
    row = cost_row(pair, kind, target)
    print(row)
    assert row.worst <= BOUND


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("size", [-1e308, -1e300, 1e300, 1e308])
@pytest.mark.parametrize("pair", FUSED, ids="-".join)
def test_costs_of_the_largest_numbers_there_are(
    pair: tuple[str, str], size: float, target: str
) -> None:
    """All of one sign: of opposite signs their difference is not a number any more."""
    output, cost = pair
    value = lower(spec_of_triple("tanh", output, cost)).cost
    f = getattr(module(output, cost, target), value.function)
    for y in targets_of(cost):
        terms = calm(f, np.full((3, 1), size), np.array([y]).T)
        assert (terms >= 0).all()


@pytest.mark.parametrize("pair", FUSED, ids="-".join)
def test_definitions_of_costs_from_z(pair: tuple[str, str]) -> None:
    output, cost = pair
    for column in columns()[::4]:
        for y in targets_of(cost):
            define = COSTS[cost].define_from_z[output]
            found = define(column, y, **COSTS[cost].defaults)
            with digits(column):
                exact = exact_cost(cost, output, "z", column, y)
                assert ulps(found, exact, np.float64) <= 4, column


@pytest.mark.parametrize("name", COSTS)
def test_definitions_of_costs(name: str) -> None:
    for a in OUTPUTS:
        for y in targets_of(name):
            exact = COST_ORACLE[name](precise(a), precise(y))
            found = COSTS[name].define(a, y, **COSTS[name].defaults)
            assert math.isclose(found, exact, rel_tol=1e-14)
