"""How far each operator of a generated module is from mpmath, in ULP.

One ULP is 2^-23 of a number in float32, 2^-52 in float64. Numbers below the smallest
normal one count as large as that: they have fewer digits.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
from operator_oracle import (
    ACTIVATION_ORACLE,
    COST_ORACLE,
    SPECIAL,
    Array,
    columns,
    digits,
    precise,
    targets_of,
)
from oracle import library
from random_specs import PAIRS, minimal
from support import spec_of

from bpcompile.lower import lower
from bpcompile.operators import ACTIVATIONS, COSTS
from bpcompile.spec import NetworkSpec

TYPES = (np.float32, np.float64)
#: Of the value itself, however small; the others are held to max(1, |value|).
RELATIVE = ("sigmoid", "tanh", "softplus", "silu")
#: What the issue allows.
BOUND = 8.0

#: Where a module is allowed more, and why.
EXPLAINED = {
    "sigmoid": "0 where e⁻ᶻ is infinite; the value is below the normal numbers there",
}


@dataclass(frozen=True)
class Row:
    """The worst error of one operator, and where it was found."""

    name: str
    what: str
    kind: str
    worst: float
    at: str
    note: str = ""

    def __str__(self) -> str:
        return (
            f"{self.name:28} {self.what:11} {self.kind:8} {self.worst:8.2f}"
            f"  {self.at:24} {self.note}"
        )


def calm(f: Callable[..., Any], *arguments: Array) -> Array:
    """What f returns, or leaves in its last argument; a warning is an error."""
    copies = [array.copy() for array in arguments]
    with np.errstate(all="raise", under="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        returned = f(*copies)
    result = copies[-1] if returned is None else returned
    assert np.isfinite(result).all()
    return np.asarray(result)


def ulps(found: Any, exact: Any, kind: Any, beside: float = 1.0) -> float:
    """The difference in ULP of the largest of |exact| and `beside`."""
    scale = max(abs(exact), mpmath.mpf(beside))
    return float(abs(mpmath.mpf(float(found)) - exact) / scale / np.finfo(kind).eps)


def capped(value: Any, kind: Any) -> Any:
    """The largest finite number instead of what lies beyond."""
    return min(value, mpmath.mpf(float(np.finfo(kind).max)))


def grid() -> list[float]:
    """Weighted inputs, dense where functions bend, up to 1e4 on both sides."""
    rng = np.random.default_rng(5)
    near, far = rng.normal(size=300) * 3, 10 ** rng.uniform(-9, 4, 200)
    return [*SPECIAL, *near.tolist(), *far.tolist(), *(-far).tolist()]


def one_layer(kind: str, cost: str, width: int) -> NetworkSpec:
    layer = {"size": width, "activation": minimal(ACTIVATIONS[kind])}
    layers = [{"size": width}, layer]
    return spec_of(layers=layers, cost=minimal(COSTS[cost]), task="regression")


@functools.cache
def module(kind: str, cost: str, target: str, width: int = 3) -> Any:
    return library(one_layer(kind, cost, width), target)


def activation(name: str, target: str) -> Callable[[Array], Array]:
    """The function that a module has for an activation, on arrays (3, n)."""
    cost = next(cost for output, cost in PAIRS if output == name)
    f = getattr(module(name, cost, target), name)

    def call(z: Array) -> Array:
        takes_a = f.__code__.co_argcount == 2
        return calm(f, z, np.empty_like(z)) if takes_a else calm(f, z)

    return call


def activation_row(name: str, kind: Any, target: str) -> Row:
    """The worst error of an activation's values."""
    z = np.array([[v] * 3 for v in grid()] + columns(), kind).T
    a = activation(name, target)(z)
    assert a.dtype == kind
    tiny = float(np.finfo(kind).smallest_normal)
    worst, place = 0.0, ""
    for column, outputs in zip(z.T, a.T, strict=True):
        with mpmath.workdps(60):
            exact = ACTIVATION_ORACLE[name](precise(column))
            for at, found, value in zip(column, outputs, exact, strict=True):
                if name in RELATIVE and abs(value) < tiny:
                    # What has no digits left may be 0.
                    assert abs(float(found)) <= tiny, (name, at)
                    continue
                beside = tiny if name in RELATIVE else 1.0
                off = ulps(found, capped(value, kind), kind, beside)
                if off > worst:
                    worst, place = off, f"z = {float(at):.6g}"
    return Row(name, "value", kind.__name__, worst, place, EXPLAINED.get(name, ""))


def slope_spec(name: str) -> NetworkSpec:
    """One neuron with this activation under a cost whose gradient is 1 for y low."""
    hidden = {"size": 1, "activation": minimal(ACTIVATIONS[name])}
    out = {"size": 1, "activation": "identity"}
    return spec_of(layers=[1, hidden, out], cost="absolute", dtype="float64")


def derivative_row(name: str, kind: Any, target: str) -> Row:
    """The worst error of σ', as BP2 of a generated module has it."""
    net = library(slope_spec(name), target).Network(dtype=kind)
    net.w2[...], net.b2[...], net.w3[...], net.b3[...] = 1, 0, 1, 0
    y = np.full((1, 1), -1e30, kind)
    kinks = [z for z, _ in ACTIVATIONS[name].kinks]
    worst, place = 0.0, ""
    # Matrix products may take a subnormal number for 0, and exp near the largest
    # number overflows in those of the next layer.
    low, high = float(np.finfo(kind).smallest_normal), np.log(np.finfo(kind).max) - 1
    for value in grid():
        z = np.array([[value]], kind)
        subnormal, beyond = 0 < abs(z[0, 0]) < low, name == "exp" and z[0, 0] > high
        if float(z[0, 0]) in kinks or subnormal or beyond:
            continue
        found = calm(lambda x: net.backprop(x, y)["b2"], z)
        assert found.dtype == kind
        with mpmath.workdps(120):
            at = mpmath.mpf(float(z[0, 0]))
            exact = capped(_slope(name, at), kind)
            off = ulps(found[0, 0], exact, kind)
        if off > worst:
            worst, place = off, f"z = {float(z[0, 0]):.6g}"
    return Row(name, "derivative", kind.__name__, worst, place)


def _slope(name: str, at: Any) -> Any:
    """σ' by a central difference of so many digits that its error is none."""
    h = mpmath.mpf(10) ** -25 * max(abs(at), mpmath.mpf(10) ** -20)
    above, below = (ACTIVATION_ORACLE[name]([at + d])[0] for d in (h, -h))
    return (above - below) / (2 * h)


def cost_row(pair: tuple[str, str], kind: Any, target: str) -> Row:
    """The worst error of C_x from z where the two are fused, else from the outputs."""
    output, cost = pair
    value = lower(one_layer(output, cost, 3)).cost
    f = getattr(module(output, cost, target), value.function)
    worst, place = 0.0, ""
    for column, y in extremes(pair, kind):
        z = np.array([column], kind).T
        given = z
        if value.reads == "a" and output != "identity":
            given = activation(output, target)(z)
        with digits(column) if value.reads == "z" else mpmath.workdps(60):
            values = precise(given[:, 0])
            a = ACTIVATION_ORACLE[output](values) if value.reads == "z" else values
            targets = np.array([y], kind).T
            exact = COST_ORACLE[cost](a, precise(targets[:, 0]))
            if exact > float(np.finfo(kind).max) / 4 and output == "exp":
                continue  # no number of this type, and honestly infinite
            found = np.sum(calm(f, given, targets), dtype=np.float64)
            off = ulps(found, exact, kind)
        if off > worst:
            worst, place = off, f"z = {float(column[0]):.6g}, y = {y[0]:g}"
    return Row(f"{cost} of {output}", "cost", kind.__name__, worst, place)


def extremes(pair: tuple[str, str], kind: Any) -> Iterator[tuple[Any, list[float]]]:
    """Weighted inputs and targets of three outputs."""
    for column in columns()[::3]:
        for y in targets_of(pair[1]):
            yield np.array(column, kind), y


def rows(target: str) -> Iterator[Row]:
    """The whole table of a target."""
    for kind in TYPES:
        for name, entry in ACTIVATIONS.items():
            if entry.is_identity:
                continue
            yield activation_row(name, kind, target)
            if entry.elementwise:
                yield derivative_row(name, kind, target)
        for pair in PAIRS:
            yield cost_row(pair, kind, target)
