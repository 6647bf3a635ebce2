"""The activations: one entry each."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bpcompile.expr import Const, Number, Var, exp, max_, tanh
from bpcompile.operators import plain
from bpcompile.operators.entry import (
    REALS,
    Activation,
    Interval,
    Map,
    Reduce,
    elementwise,
)

z, a, g = Var("z"), Var("a"), Var("g")


def _identity(z: Number) -> Number:
    return z


def _sigmoid(z: Number) -> Number:
    if z.real >= 0:
        return 1 / (1 + plain.exp(-z))
    return plain.exp(z) / (1 + plain.exp(z))


def _relu(z: Number) -> Number:
    return z if z.real > 0 else 0 * z


def _softmax(z: Sequence[Number]) -> list[Number]:
    top = max(z_j.real for z_j in z)
    powers = [plain.exp(z_j - top) for z_j in z]
    total = sum(powers)
    return [power / total for power in powers]


IDENTITY = Activation(
    kind="identity",
    description="the weighted input itself, for regression",
    symbol="id",
    formula="z",
    define=elementwise(_identity),
    body=(Map("a", z),),
    derivative=Const(1),
    interval=REALS,
)

SIGMOID = Activation(
    kind="sigmoid",
    description="the logistic function, the book's own",
    symbol="σ",
    formula="1 / (1 + e⁻ᶻ)",
    define=elementwise(_sigmoid),
    body=(Map("a", 1 / (1 + exp(-z))),),
    derivative=a * (1 - a),
    interval=Interval(0, 1),
    classifies=True,
    overflows=True,
)

TANH = Activation(
    kind="tanh",
    description="the hyperbolic tangent; labels are coded -1 and 1",
    symbol="tanh",
    formula="(eᶻ - e⁻ᶻ) / (eᶻ + e⁻ᶻ)",
    define=elementwise(plain.tanh),
    body=(Map("a", tanh(z)),),
    derivative=1 - a * a,
    interval=Interval(-1, 1),
    classifies=True,
    codes_minus_one=True,
)

RELU = Activation(
    kind="relu",
    description="the rectified linear unit",
    symbol="relu",
    formula="max(z, 0)",
    define=elementwise(_relu),
    body=(Map("a", max_(z, 0)),),
    derivative=a > 0,
    interval=Interval(0, math.inf, closed_low=True),
    kink="relu'(0) is taken as 0",
)

SOFTMAX = Activation(
    kind="softmax",
    description="a probability for each class, adding up to 1; output layer only",
    symbol="softmax",
    formula="eᶻ / Σ eᶻ, the largest z taken off first",
    define=_softmax,
    body=(
        Reduce("top", "max", z),
        Map("e", exp(z - Var("top"))),
        Reduce("total", "sum", Var("e")),
        Map("a", Var("e") / Var("total")),
    ),
    # a ⊙ (g - Σ g ⊙ a), in the order that needs no array beside g and a.
    vjp=(
        Map("p", g * a),
        Reduce("s", "sum", Var("p")),
        Map("delta", Var("p") - a * Var("s")),
    ),
    vjp_formula="a ⊙ (g - Σ g ⊙ a)",
    interval=Interval(0, 1),
    output_only=True,
    least_size=2,
    classifies=True,
)

ACTIVATIONS = {entry.kind: entry for entry in (IDENTITY, SIGMOID, TANH, RELU, SOFTMAX)}
