"""Every entry of the registries against mpmath: values and intervals."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from operator_accuracy import (
    BOUND,
    RELATIVE,
    TYPES,
    Row,
    activation,
    activation_row,
    calm,
    capped,
    cost_row,
    derivative_row,
    error_row,
    module,
    ulps,
)
from operator_oracle import (
    ACTIVATION_ORACLE,
    COST_ORACLE,
    FUSED,
    OUTPUTS,
    columns,
    exact_cost,
    precise,
    targets_of,
)
from random_specs import PAIRS, spec_of_triple
from support import TARGETS

from bpcompile.lower import lower
from bpcompile.operators import ACTIVATIONS, COSTS
from bpcompile.operators.entry import Interval


def test_the_oracle_knows_every_operator() -> None:
    assert set(ACTIVATION_ORACLE) == set(ACTIVATIONS)
    assert set(COST_ORACLE) == set(COSTS)


# ---- Activations -------------------------------------------------------------------

#: The identity is left out of modules altogether.
NAMED = [kind for kind, entry in ACTIVATIONS.items() if not entry.is_identity]


def judge(row: Row) -> None:
    """The rows are the table: `pytest -rP tests/test_operators.py`."""
    print(row)
    assert row.worst <= BOUND


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", NAMED)
def test_emitted_activations(name: str, kind: Any, target: str) -> None:
    """At |z| up to 1e4: finite, silent, of the type of z."""
    judge(activation_row(name, kind, target))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", [k for k, e in ACTIVATIONS.items() if e.elementwise])
def test_emitted_derivatives(name: str, kind: Any, target: str) -> None:
    judge(derivative_row(name, kind, target))


def inside(value: Any, interval: Interval) -> bool:
    low = interval.low <= value if interval.closed_low else interval.low < value
    high = value <= interval.high if interval.closed_high else value < interval.high
    return low and high


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_definitions(name: str) -> None:
    entry = ACTIVATIONS[name]
    for column in columns():
        found = entry.define(column, **entry.defaults)
        with mpmath.workdps(60):
            exact = ACTIVATION_ORACLE[name](precise(column))
            for mine, value in zip(found, exact, strict=True):
                value = capped(value, np.float64)
                # Relative to the value itself. Where it is exp(z - top), rounding of
                # the difference grows with it; what is subnormal has fewer digits.
                beside = abs(value) if name in (*RELATIVE, "softmax") else 1
                ulp = 2.0**-52 * max(abs(value), beside)
                grown = 0 if entry.elementwise else max(map(abs, column))
                apart = abs(mpmath.mpf(mine) - value)
                least = 5e-324 * max(1, *map(abs, column))
                assert apart <= (4 + grown) * ulp + least, column


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_intervals(name: str) -> None:
    """Up to |z| = 120: telling tanh z from 1 takes 0.87 |z| digits."""
    for column in columns():
        if max(map(abs, column)) <= 120:
            with mpmath.workdps(120):
                exact = ACTIVATION_ORACLE[name](precise(column))
            interval = ACTIVATIONS[name].interval
            assert all(inside(value, interval) for value in exact), column


@pytest.mark.fault("NUM-03")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("size", [1e300, 1e308])
def test_the_largest_numbers_there_are(name: str, size: float, target: str) -> None:
    with np.errstate(over="raise"):
        z = np.array([[size] * 3, [-size] * 3]).T
        a = activation(name, target)(z)
    for column, found in zip(z.T, a.T, strict=True):
        exact = ACTIVATION_ORACLE[name](precise(column))
        assert found.tolist() == [float(capped(v, np.float64)) for v in exact]


# ---- Costs -------------------------------------------------------------------------


@pytest.mark.fault("NUM-04")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_emitted_costs(pair: tuple[str, str], kind: Any, target: str) -> None:
    """From z where the entry fuses the two, else from the outputs as rounded."""
    judge(cost_row(pair, kind, target))


@pytest.mark.fault("NUM-04")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_emitted_output_errors(pair: tuple[str, str], kind: Any, target: str) -> None:
    """BP1, fused or not, at |z| up to 1e4."""
    judge(error_row(pair, kind, target))


@pytest.mark.fault("NUM-03")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("size", [-1e308, -1e300, 1e300, 1e308])
@pytest.mark.parametrize("pair", FUSED, ids="-".join)
def test_costs_of_the_largest_numbers_there_are(
    pair: tuple[str, str], size: float, target: str
) -> None:
    """All of one sign: of opposite signs their difference is not a number any more.

    And y at most 1, for the product of the two is no number either where y is 2.
    """
    output, cost = pair
    value = lower(spec_of_triple("tanh", output, cost)).cost
    f = getattr(module(output, cost, target), value.function)
    for y in targets_of(cost):
        terms = calm(f, np.full((3, 1), size), np.minimum([y], 1).T)
        assert (terms >= 0).all()


@pytest.mark.parametrize("pair", FUSED, ids="-".join)
def test_definitions_of_costs_from_z(pair: tuple[str, str]) -> None:
    output, cost = pair
    for column in columns()[::4]:
        for y in targets_of(cost):
            define = COSTS[cost].define_from_z[output]
            found = define(column, y, **COSTS[cost].defaults)
            with mpmath.workdps(60):
                exact = exact_cost(output, cost, precise(column), precise(y))
                if exact > np.finfo(float).max:
                    continue
                assert ulps(found, exact, np.float64) <= 4, column


@pytest.mark.parametrize("name", COSTS)
def test_definitions_of_costs(name: str) -> None:
    for a in OUTPUTS:
        for y in targets_of(name):
            exact = COST_ORACLE[name](precise(a), precise(y))
            found = COSTS[name].define(a, y, **COSTS[name].defaults)
            assert math.isclose(found, exact, rel_tol=1e-14)
