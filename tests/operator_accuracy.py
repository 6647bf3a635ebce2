"""How far each operator of a generated module is from mpmath, in ULP.

One ULP is 2^-23 of a number in float32, 2^-52 in float64: of max(1, |value|), and for
the operators of `RELATIVE` of the value itself. A row says what it leaves out.
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
    SPECIAL,
    Array,
    columns,
    exact_cost,
    exact_error,
    precise,
    step,
    targets_of,
)
from oracle import arguments_of, library
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
#: Points drawn beside the special ones. Errors are largest where functions bend and at
#: the ends of a type, which the special ones are; `bench/accuracy_ulp.py` draws more.
DRAWN = 60

#: Where the values of a pair, and its errors, are no numbers of the type any more.
BEYOND = {("exp", "quadratic"): "its square is larger than any number of the type"}


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


def calm(f: Callable[..., Any], *arguments: Array, over: str = "raise") -> Array:
    """What f returns, or leaves in its last argument; a warning is an error.

    But for an overflow, where f leaves it to its callers to let that pass.
    """
    copies = [array.copy() for array in arguments]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with np.errstate(all="raise", under="ignore", over=over):  # type: ignore[arg-type]
            returned = f(*copies)
    result = copies[-1] if returned is None else returned
    assert np.isfinite(result).all()
    return np.asarray(result)


def ulps(found: Any, exact: Any, kind: Any, beside: float = 1.0) -> float:
    """The difference in ULP of the largest of |exact| and `beside`."""
    scale = max(abs(exact), mpmath.mpf(beside))
    return float(abs(mpmath.mpf(found) - exact) / scale / np.finfo(kind).eps)


def capped(value: Any, kind: Any) -> Any:
    """The largest finite number, with its sign, instead of what lies beyond."""
    most = mpmath.mpf(float(np.finfo(kind).max))
    return max(min(value, most), -most)


@dataclass
class Worst:
    """The largest of many errors so far, and what was left out on the way."""

    kind: Any
    off: float = 0.0
    at: str = ""

    def take(self, found: Any, exact: Any, at: str, beside: float = 1.0) -> None:
        off = ulps(found, exact, self.kind, beside)
        if not off <= self.off:  # NaN is the worst
            self.off, self.at = off, at

    def row(self, name: str, what: str, *notes: str) -> Row:
        said = "; ".join(filter(None, notes))
        return Row(name, what, self.kind.__name__, self.off, self.at, said)


def left_out(count: int, why: str) -> str:
    """What a row says of the points that it does not judge."""
    return f"{count} left out: {why}" if count else ""


def grid(drawn: int) -> list[float]:
    """Weighted inputs, dense where functions bend, up to 1e4 on both sides.

    The drawn ones are numbers of float32, so that mpmath is asked once for both types.
    """
    rng = np.random.default_rng(5)
    near, far = rng.normal(size=drawn) * 3, 10 ** rng.uniform(-9, 4, drawn // 2)
    rounded = np.concatenate([near, far, -far]).astype(np.float32)
    return [*SPECIAL, *map(float, rounded)]


def one_layer(kind: str, cost: str, width: int = 3) -> NetworkSpec:
    layer = {"size": width, "activation": minimal(ACTIVATIONS[kind])}
    layers = [{"size": width}, layer]
    return spec_of(layers=layers, cost=minimal(COSTS[cost]), task="regression")


@functools.cache
def module(kind: str, cost: str, target: str) -> Any:
    return library(one_layer(kind, cost), target)


def activation(name: str, target: str) -> Callable[[Array], Array]:
    """The function that a module has for an activation, on arrays (neurons, n)."""
    cost = next(cost for output, cost in PAIRS if output == name)
    f = getattr(module(name, cost, target), name)

    def call(z: Array) -> Array:
        takes_a = arguments_of(f) == 2
        over = "ignore" if ACTIVATIONS[name].overflows else "raise"
        return calm(f, *((z, np.empty_like(z)) if takes_a else (z,)), over=over)

    return call


@functools.cache
def _outputs(name: str, *column: float) -> list[Any]:
    with mpmath.workdps(60):
        return ACTIVATION_ORACLE[name](precise(column))


def activation_row(name: str, kind: Any, target: str, drawn: int = DRAWN) -> Row:
    """The worst error of an activation's values."""
    tried = columns()
    if ACTIVATIONS[name].elementwise:
        tried = [[value] for value in grid(drawn)]
    z = np.array(tried, kind).T
    a = activation(name, target)(z)
    assert a.dtype == kind
    tiny, least = map(
        float, (np.finfo(kind).smallest_normal, np.finfo(kind).smallest_subnormal)
    )
    beside = tiny if name in RELATIVE else 1.0
    worst, lost = Worst(kind), 0
    for column, found in zip(z.T.tolist(), a.T.tolist(), strict=True):
        for at, mine, exact in zip(column, found, _outputs(name, *column), strict=True):
            if mine == 0 and beside == tiny and tiny > abs(exact) > least:
                lost += 1
            else:
                worst.take(mine, capped(exact, kind), f"z = {at:.6g}", beside)
    why = "0 where the value is subnormal"
    return worst.row(name, "value", left_out(lost, why))


@functools.cache
def _slope(name: str, at: float) -> Any:
    """σ' by a central difference of so many digits that its error is none."""
    with mpmath.workdps(120):
        z = mpmath.mpf(at)
        h = step(name, z)
        above, below = (ACTIVATION_ORACLE[name]([z + d])[0] for d in (h, -h))
        return (above - below) / (2 * h)


def slope_spec(name: str, width: int) -> NetworkSpec:
    """Neurons with this activation under a cost whose gradient is 1 for y low."""
    hidden = {"size": width, "activation": minimal(ACTIVATIONS[name])}
    out = {"size": 1, "activation": "identity"}
    return spec_of(layers=[1, hidden, out], cost="absolute", dtype="float64")


def derivative_row(name: str, kind: Any, target: str, drawn: int = DRAWN) -> Row:
    """The worst error of σ', as BP2 of a generated module has it."""
    z = np.array(grid(drawn), kind)
    net = library(slope_spec(name, z.size), target).Network(dtype=kind)
    # So small that the sum of the outputs is finite; a power of 2 rounds nothing.
    weight = 2.0**-20
    net.w2[...], net.b2[:, 0], net.w3[...], net.b3[...] = 0, z, weight, 0
    x, y = np.zeros((1, 1), kind), np.full((1, 1), -1e30, kind)
    found = calm(lambda x: net.backprop(x, y)["b2"], x)[:, 0]
    assert found.dtype == kind
    kinks = [float(place) for place, _ in ACTIVATIONS[name].kinks]
    worst, at_kinks = Worst(kind), 0
    for at, mine in zip(z.tolist(), (found / weight).tolist(), strict=True):
        if at in kinks:
            at_kinks += 1
        else:
            worst.take(mine, capped(_slope(name, at), kind), f"z = {at:.6g}")
    return worst.row(name, "derivative", left_out(at_kinks, "on a kink"))


def examples(cost: str, every: int) -> Iterator[tuple[list[float], list[float]]]:
    """Weighted inputs and targets of three outputs: every such column, each target."""
    targets = targets_of(cost)
    for number, column in enumerate(columns()[::every]):
        rounded = np.array(column, np.float32).tolist()
        for y in targets if every == 1 else targets[number % 2 :: 2]:
            yield rounded, y


def cost_row(pair: tuple[str, str], kind: Any, target: str, every: int = 3) -> Row:
    """The worst error of C_x from z where the two are fused, else from the outputs."""
    output, cost = pair
    value = lower(one_layer(output, cost)).cost
    f = getattr(module(output, cost, target), value.function)
    worst, beyond = Worst(kind), 0
    for column, y in examples(cost, every):
        z, targets = np.array([column], kind).T, np.array([y], kind).T
        given = z
        if value.reads == "a" and output != "identity":
            given = activation(output, target)(z)
        exact = _terms(output, cost, value.reads, tuple(given[:, 0].tolist()), tuple(y))
        if pair in BEYOND and max(exact) > float(np.finfo(kind).max):
            beyond += 1
            continue
        terms = calm(f, given, targets).ravel().tolist()
        with mpmath.workdps(60):
            # Every neuron's is a number of the type; of exp their sum need not be.
            found = mpmath.fsum(map(mpmath.mpf, terms))
            whole = mpmath.fsum(capped(term, kind) for term in exact)
            worst.take(found, whole, f"z = {column[0]:.6g}, y = {y[0]:g}")
    note = left_out(beyond, BEYOND.get(pair, ""))
    return worst.row(f"{cost} of {output}", "cost", note)


@functools.cache
def _terms(output: str, cost: str, reads: str, column: Any, y: Any) -> list[Any]:
    """The cost of each neuron; of a layer that has no such parts, the whole."""
    with mpmath.workdps(60):
        if reads == "z" and not ACTIVATIONS[output].elementwise:
            return [exact_cost(output, cost, precise(column), precise(y))]
        known = output if reads == "z" else "identity"
        parts = zip(precise(column), precise(y), strict=True)
        return [exact_cost(known, cost, [v], [t]) for v, t in parts]


def error_row(pair: tuple[str, str], kind: Any, target: str, every: int = 3) -> Row:
    """The worst error of δ of the output layer, as BP1 of a generated module has it."""
    output, cost = pair
    net = module(output, cost, target).Network(dtype=kind)
    net.w2[...] = 0
    x = np.zeros((1, net.w2.shape[1]), kind)
    worst, beyond, kinks = Worst(kind), 0, 0
    for column, y in examples(cost, every):
        exact = _errors(output, cost, tuple(column), tuple(y))
        largest = max(map(abs, filter(None, exact)), default=0)
        if pair in BEYOND and largest > float(np.finfo(kind).max):
            beyond += 1
            continue
        net.b2[:, 0] = column
        found = calm(lambda x, y: net.backprop(x, y)["b2"], x, np.array([y], kind))
        for at, mine, value in zip(column, found[:, 0].tolist(), exact, strict=True):
            if value is None:
                kinks += 1
            else:
                worst.take(mine, capped(value, kind), f"z = {at:.6g}, y = {y[0]:g}")
    notes = (
        left_out(beyond, BEYOND.get(pair, "")),
        left_out(kinks, "on a kink"),
    )
    return worst.row(f"{cost} of {output}", "BP1", *notes)


@functools.cache
def _errors(output: str, cost: str, column: Any, y: Any) -> list[Any]:
    with mpmath.workdps(120):
        z, t = precise(column), precise(y)
        if not ACTIVATIONS[output].elementwise:
            return exact_error(output, cost, z, t)
        parts = [([v], [u]) for v, u in zip(z, t, strict=True)]
        return [exact_error(output, cost, *part)[0] for part in parts]


def rows(target: str, drawn: int, every: int) -> Iterator[Row]:
    """The whole table of a target."""
    for kind in TYPES:
        for name, entry in ACTIVATIONS.items():
            if entry.is_identity:
                continue
            yield activation_row(name, kind, target, drawn)
            if entry.elementwise:
                yield derivative_row(name, kind, target, drawn)
        for pair in PAIRS:
            yield cost_row(pair, kind, target, every)
            yield error_row(pair, kind, target, every)
