"""The cost of counts, in its stable form for every output whose range is above 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from bpcompile.expr import (
    Expr,
    Number,
    Var,
    abs_,
    exp,
    expm1,
    finite,
    log,
    log1p,
    max_,
    min_,
)
from bpcompile.operators import plain
from bpcompile.operators.entry import (
    Cost,
    FusedError,
    Interval,
    Map,
    Reduce,
    Targets,
)

z, a, y, g = Var("z"), Var("a"), Var("y"), Var("g")
d, e, s, t = Var("d"), Var("e"), Var("s"), Var("t")
top, total = Var("top"), Var("total")

#: Below it ln(1 + eᶻ) is eᶻ to all digits, and float32 still holds it.
_SMALL = 1e-30


def _poisson(a: Sequence[Number], y: Sequence[float]) -> Number:
    return sum(
        a_j - y_j * plain.log(a_j) if y_j else a_j
        for a_j, y_j in zip(a, y, strict=True)
    )


def _from_z(
    value: Callable[[Number], Number], logarithm: Callable[[Number], Number]
) -> Callable[[Sequence[Number], Sequence[float]], Number]:
    """The same from z by σ(z) and ln σ(z)."""

    def define(z: Sequence[Number], y: Sequence[float]) -> Number:
        return sum(
            value(z_j) - y_j * logarithm(z_j) for z_j, y_j in zip(z, y, strict=True)
        )

    return define


def _log_softplus(z: Number) -> Number:
    # ln(1 + eᶻ) is eᶻ there, and later 0.
    return z if z.real < -40 else plain.log(plain.softplus(z))


def _of_softmax(z: Sequence[Number], y: Sequence[float]) -> Number:
    logs = plain.log_softmax(z)
    return sum(plain.exp(l_j) - y_j * l_j for l_j, y_j in zip(logs, y, strict=True))


def _softplus(of: Expr) -> Expr:
    return max_(of, 0) + log1p(exp(-abs_(of)))


_lifted = max_(a, _SMALL)

_OF_EXP = FusedError(
    value=(Map("e", exp(z)), Map("terms", finite(e) - y * z)),
    error=a - y,
    reason="the division by a cancels σ'",
    overflows=True,
)

_OF_SOFTPLUS = FusedError(
    value=(
        Map("s", _softplus(z)),
        # ln s is below z everywhere, and is z itself where s has no more digits.
        Map("terms", s - y * min_(z, log(max_(s, _SMALL)))),
    ),
    # σ' = 1 - e⁻ᵃ, over a it tends to 1.
    error=expm1(-_lifted) / _lifted * (y - a),
    reason="σ' is divided by a before both vanish",
    left=(1 - exp(-a)) * (1 - y / a),
)

_OF_SIGMOID = FusedError(
    value=(
        Map("e", exp(-abs_(z))),
        Map("s", max_(-z, 0) + log1p(e)),
        Map("terms", max_(e, z >= 0) / (1 + e) + y * s),
    ),
    error=(a - y) * (1 - a),
    reason="the division by a cancels half of σ'",
)

_OF_SOFTMAX = FusedError(
    value=(
        Reduce("top", "max", z),
        Map("d", z - top),
        Reduce("total", "sum", exp(d)),
        Map("terms", exp(d) / total + y * (log(total) - d)),
    ),
    error=a,
    reason="the division by a cancels most of the Jacobian",
    through=(Reduce("t", "sum", y), Map("delta", g * t - y)),
    left=a * Var("Σy") - y,
)

POISSON = Cost(
    kind="poisson",
    aliases=("poisson_loss", "poisson_nll_loss"),
    description="for counts: y is Poisson with the mean a (no Stirling term)",
    symbol="Poisson",
    formula="Σ (a - y ln a)",
    define=_poisson,
    define_from_z={
        "exp": _from_z(plain.finite_exp, lambda z: z),
        "softplus": _from_z(plain.softplus, _log_softplus),
        "sigmoid": _from_z(plain.sigmoid, lambda z: -plain.softplus(-z)),
        "softmax": _of_softmax,
    },
    body=(Map("terms", a - y * log(a)),),
    gradient=1 - y / a,
    outputs=Interval(0, math.inf),
    targets=Targets(Interval(0, math.inf, closed_low=True)),
    fused={
        "exp": _OF_EXP,
        "softplus": _OF_SOFTPLUS,
        "sigmoid": _OF_SIGMOID,
        "softmax": _OF_SOFTMAX,
    },
)
