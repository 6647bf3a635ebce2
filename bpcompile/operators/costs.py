"""The costs: one entry each. C_x is the sum over the output neurons."""

from __future__ import annotations

from collections.abc import Sequence

from bpcompile.expr import Number, Var, abs_, exp, log, log1p, max_
from bpcompile.operators import plain
from bpcompile.operators.entry import Cost, FusedError, Interval, Map, Reduce

z, a, y = Var("z"), Var("a"), Var("y")


def _quadratic(a: Sequence[Number], y: Sequence[float]) -> Number:
    return sum((a_j - y_j) * (a_j - y_j) for a_j, y_j in zip(a, y, strict=True)) / 2


def _cross_entropy(a: Sequence[Number], y: Sequence[float]) -> Number:
    return -sum(
        y_j * plain.log(a_j) + (1 - y_j) * plain.log(1 - a_j)
        for a_j, y_j in zip(a, y, strict=True)
    )


def _cross_entropy_of_sigmoid(z: Sequence[Number], y: Sequence[float]) -> Number:
    """-Σ y ln σ(z) + (1 - y) ln (1 - σ(z)), where -ln σ(z) = ln(1 + e⁻ᶻ)."""
    total: Number = 0.0
    for z_j, y_j in zip(z, y, strict=True):
        small = plain.exp(-z_j if z_j.real >= 0 else z_j)
        softplus = (z_j if z_j.real >= 0 else 0.0) + plain.log(1 + small)
        total += softplus - y_j * z_j
    return total


def _log_likelihood(a: Sequence[Number], y: Sequence[float]) -> Number:
    return -sum(y_j * plain.log(a_j) for a_j, y_j in zip(a, y, strict=True) if y_j)


def _log_likelihood_of_softmax(z: Sequence[Number], y: Sequence[float]) -> Number:
    """Σ y (ln Σ eᶻ - z), as -ln softmax(z)_j = ln Σ eᶻ - z_j."""
    top = max(z_j.real for z_j in z)
    log_total = plain.log(sum(plain.exp(z_j - top) for z_j in z))
    # The largest z is taken off each z, not put back: a large one would swallow ln Σ.
    return sum(y_j * (log_total - (z_j - top)) for z_j, y_j in zip(z, y, strict=True))


QUADRATIC = Cost(
    kind="quadratic",
    description="half the squared distance, the book's first cost",
    symbol="quadratic",
    formula="½ Σ (a - y)²",
    define=_quadratic,
    body=(Map("d", a - y), Map("terms", 0.5 * (Var("d") * Var("d")))),
    gradient=a - y,
)

CROSS_ENTROPY = Cost(
    kind="cross_entropy",
    description="for outputs that are each a probability of their own",
    symbol="cross-entropy",
    formula="-Σ (y ln a + (1 - y) ln (1 - a))",
    define=_cross_entropy,
    define_from_z={"sigmoid": _cross_entropy_of_sigmoid},
    body=(Map("terms", -(y * log(a) + (1 - y) * log(1 - a))),),
    gradient=(a - y) / (a * (1 - a)),
    outputs=Interval(0, 1),
    targets="unit",
    classifies=True,
    fused={
        "sigmoid": FusedError(
            value=(Map("terms", max_(z, 0) - y * z + log1p(exp(-abs_(z)))),),
            error=a - y,
            reason="cross-entropy cancels σ'",
        )
    },
    refuses={"softmax": "log_likelihood"},
)

LOG_LIKELIHOOD = Cost(
    kind="log_likelihood",
    description="for one class out of many; goes with softmax",
    symbol="log-likelihood",
    formula="-Σ y ln a",
    define=_log_likelihood,
    define_from_z={"softmax": _log_likelihood_of_softmax},
    body=(Map("terms", -(y * log(a))),),
    gradient=-(y / a),
    outputs=Interval(0, 1),
    targets="distribution",
    classifies=True,
    fused={
        "softmax": FusedError(
            value=(
                Reduce("top", "max", z),
                Map("d", z - Var("top")),
                Reduce("total", "sum", exp(Var("d"))),
                Map("terms", y * (log(Var("total")) - Var("d"))),
            ),
            error=a - y,
            reason="log-likelihood cancels the Jacobian",
        )
    },
    needs=frozenset({"softmax"}),
)

COSTS = {entry.kind: entry for entry in (QUADRATIC, CROSS_ENTROPY, LOG_LIKELIHOOD)}
