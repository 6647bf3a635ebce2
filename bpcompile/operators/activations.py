"""The activations: one entry each; the relatives of relu are in `units`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bpcompile.expr import (
    Const,
    Number,
    Var,
    abs_,
    cos,
    exp,
    expm1,
    finite,
    log1p,
    max_,
    min_,
    sin,
    tanh,
)
from bpcompile.operators import plain
from bpcompile.operators.entry import (
    REALS,
    Activation,
    Interval,
    Map,
    Reduce,
    elementwise,
)
from bpcompile.operators.units import UNITS

z, a, g = Var("z"), Var("a"), Var("g")


def _identity(z: Number) -> Number:
    return z


def _softmax(z: Sequence[Number]) -> list[Number]:
    top = max(z_j.real for z_j in z)
    powers = [plain.exp(z_j - top) for z_j in z]
    total = sum(powers)
    return [power / total for power in powers]


def _softsign(z: Number) -> Number:
    return z / (1 + plain.absolute(z))


def _hard_tanh(z: Number) -> Number:
    return z if -1 < z.real < 1 else 1.0 if z.real > 0 else -1.0


IDENTITY = Activation(
    kind="identity",
    aliases=("linear", "none"),
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
    aliases=("logistic",),
    description="the logistic function, the book's own",
    symbol="σ",
    formula="1 / (1 + e⁻ᶻ)",
    define=elementwise(plain.sigmoid),
    body=(Map("a", 1 / (1 + exp(-z))),),
    derivative=a * (1 - a),
    interval=Interval(0, 1),
    classifies=True,
    overflows=True,
)

TANH = Activation(
    kind="tanh",
    aliases=("hyperbolic_tangent",),
    description="the hyperbolic tangent",
    symbol="tanh",
    formula="(eᶻ - e⁻ᶻ) / (eᶻ + e⁻ᶻ)",
    define=elementwise(plain.tanh),
    body=(Map("a", tanh(z)),),
    derivative=1 - a * a,
    interval=Interval(-1, 1),
    classifies=True,
    codes_minus_one=True,
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

SOFTPLUS = Activation(
    kind="softplus",
    description="a smooth relu, always above 0 (Dugas et al., 2001)",
    symbol="softplus",
    formula="ln(1 + eᶻ)",
    define=elementwise(plain.softplus),
    body=(Map("a", max_(z, 0) + log1p(exp(-abs_(z)))),),
    # σ(z) = 1 - e⁻ᵃ, with all digits where a is small.
    derivative=-expm1(-a),
    derivative_formula="1 - exp(-a)",
    interval=Interval(0, math.inf),
)

SOFTSIGN = Activation(
    kind="softsign",
    description="from -1 to 1 as tanh, but slowly (Turian et al., 2009)",
    symbol="softsign",
    formula="z / (1 + |z|)",
    define=elementwise(_softsign),
    body=(Map("a", z / (1 + abs_(z))),),
    beforehand=(Map("d", 1 - abs_(a)),),
    derivative=Var("d") * Var("d"),
    derivative_formula="(1 - |a|)²",
    interval=Interval(-1, 1),
)

HARD_TANH = Activation(
    kind="hard_tanh",
    aliases=("hardtanh",),
    description="z cut off at -1 and 1",
    symbol="hard_tanh",
    formula="max(min(z, 1), -1)",
    define=elementwise(_hard_tanh),
    body=(Map("a", max_(min_(z, 1), -1)),),
    derivative=abs_(a) < 1,
    kinks=((-1, Const(0)), (1, Const(0))),
    interval=Interval(-1, 1, closed_low=True, closed_high=True),
)

EXP = Activation(
    kind="exp",
    aliases=("exponential",),
    description="the exponential, for counts and rates; at most the largest number",
    symbol="exp",
    formula="eᶻ, at most the largest finite number",
    define=elementwise(plain.finite_exp),
    body=(Map("e", exp(z)), Map("a", finite(Var("e")))),
    derivative=a,
    interval=Interval(0, math.inf),
    overflows=True,
)

SINE = Activation(
    kind="sine",
    aliases=("sin",),
    description="the sine, for periodic data (Sitzmann et al., 2020, with ω = 1)",
    symbol="sin",
    formula="sin z",
    define=elementwise(plain.sin),
    body=(Map("a", sin(z)),),
    derivative=cos(z),
    interval=Interval(-1, 1, closed_low=True, closed_high=True),
)

_ENTRIES = (IDENTITY, SIGMOID, TANH, *UNITS, SOFTMAX)
_MORE = (SOFTPLUS, SOFTSIGN, HARD_TANH, EXP, SINE)
ACTIVATIONS = {entry.kind: entry for entry in (*_ENTRIES, *_MORE)}
