"""The costs that measure how far an output is from y: one entry each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bpcompile.expr import Number, Var, abs_, expm1, log1p, max_, min_, sign, tanh
from bpcompile.operators import plain
from bpcompile.operators.entry import Cost, Map, Parameter

a, y = Var("a"), Var("y")
d, q, r = Var("d"), Var("q"), Var("r")
delta = Var("delta", scalar=True)


def _distance(f: Callable[..., Number]) -> Callable[..., Number]:
    """`define` of the sum of f(a - y) over the outputs."""

    def define(a: Sequence[Number], y: Sequence[float], **parameters: float) -> Number:
        return sum(f(a_j - y_j, **parameters) for a_j, y_j in zip(a, y, strict=True))

    return define


def _quadratic(d: Number) -> Number:
    return d * d / 2


def _huber(d: Number, delta: float) -> Number:
    if abs(d.real) <= delta:
        return d * d / 2
    return delta * (plain.absolute(d) - delta / 2)


def _log_cosh(d: Number) -> Number:
    r = plain.absolute(d)
    return r + plain.log1p(plain.expm1(-2 * r) / 2)


QUADRATIC = Cost(
    kind="quadratic",
    aliases=("mse", "mse_loss", "mean_squared_error", "squared_error"),
    description="half the squared distance, the book's first cost",
    symbol="quadratic",
    formula="½ Σ (a - y)²",
    define=_distance(_quadratic),
    body=(Map("d", a - y), Map("terms", 0.5 * (d * d))),
    gradient=a - y,
)

HUBER = Cost(
    kind="huber",
    aliases=("huber_loss", "smooth_l1", "smooth_l1_loss"),
    description="quadratic near 0, then linear, for data with outliers (Huber, 1964)",
    symbol="Huber",
    formula="Σ q (|a - y| - ½ q), q = min(|a - y|, {delta})",
    # Beyond these its square is no number of float32, or 0.
    parameters=(
        Parameter(
            "delta", 1.0, at_least=1e-15, at_most=1e15, description="where it bends"
        ),
    ),
    define=_distance(_huber),
    body=(
        Map("r", abs_(a - y)),
        Map("q", min_(r, delta)),
        Map("terms", q * (r - 0.5 * q)),
    ),
    gradient=max_(min_(a - y, delta), -delta),
)

ABSOLUTE = Cost(
    kind="absolute",
    aliases=("mae", "mae_loss", "l1_loss", "absolute_error", "mean_absolute_error"),
    description="the distance itself: the median instead of the mean",
    symbol="absolute",
    formula="Σ |a - y|",
    define=_distance(plain.absolute),
    body=(Map("terms", abs_(a - y)),),
    gradient=sign(a - y),
)

LOG_COSH = Cost(
    kind="log_cosh",
    aliases=("logcosh", "log_cosh_loss"),
    description="as huber, but smooth everywhere",
    symbol="log-cosh",
    formula="Σ ln cosh(a - y)",
    define=_distance(_log_cosh),
    # cosh d = e^|d| (1 + e^(-2|d|)) / 2, which is e^|d| (1 + expm1(-2|d|) / 2). From
    # 40 on expm1 is -1, and 2|d| might overflow.
    body=(
        Map("r", abs_(a - y)),
        Map("terms", r + log1p(0.5 * expm1(-2 * min_(r, 40)))),
    ),
    gradient=tanh(a - y),
)

DISTANCES = (QUADRATIC, HUBER, ABSOLUTE, LOG_COSH)
