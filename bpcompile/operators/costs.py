"""The costs of classes: one entry each; `distances` and `counts` hold the others."""

from __future__ import annotations

from collections.abc import Sequence

from bpcompile.expr import Number, Var, abs_, exp, log, log1p, max_
from bpcompile.operators import plain
from bpcompile.operators.counts import POISSON
from bpcompile.operators.distances import DISTANCES
from bpcompile.operators.entry import (
    Cost,
    FusedError,
    Interval,
    Map,
    Parameter,
    Reduce,
    Targets,
)

z, a, y = Var("z"), Var("a"), Var("y")
n_out = Var("n_out", scalar=True)
smoothing = Var("label_smoothing", scalar=True)


def _cross_entropy(a: Sequence[Number], y: Sequence[float]) -> Number:
    return -sum(
        y_j * plain.log(a_j) + (1 - y_j) * plain.log(1 - a_j)
        for a_j, y_j in zip(a, y, strict=True)
    )


def _cross_entropy_of_sigmoid(z: Sequence[Number], y: Sequence[float]) -> Number:
    """-Σ y ln σ(z) + (1 - y) ln (1 - σ(z)), where -ln σ(z) = ln(1 + e⁻ᶻ)."""
    return sum(
        plain.softplus(z_j) - y_j * z_j
        if y_j < 0.5
        else plain.softplus(-z_j) + (1 - y_j) * z_j
        for z_j, y_j in zip(z, y, strict=True)
    )


def _smoothed(y: Sequence[float], label_smoothing: float) -> list[float]:
    """Szegedy et al., 2016: a share of every example is spread over all classes."""
    return [(1 - label_smoothing) * y_j + label_smoothing / len(y) for y_j in y]


def _log_likelihood(
    a: Sequence[Number], y: Sequence[float], label_smoothing: float
) -> Number:
    y = _smoothed(y, label_smoothing)
    return -sum(y_j * plain.log(a_j) for a_j, y_j in zip(a, y, strict=True) if y_j)


def _log_likelihood_of_softmax(
    z: Sequence[Number], y: Sequence[float], label_smoothing: float
) -> Number:
    """Σ y (ln Σ eᶻ - z), as -ln softmax(z)_j = ln Σ eᶻ - z_j."""
    y = _smoothed(y, label_smoothing)
    logs = plain.log_softmax(z)
    return sum(-y_j * l_j for l_j, y_j in zip(logs, y, strict=True))


def _hinge(a: Sequence[Number], y: Sequence[float]) -> Number:
    margins = (1 - y_j * a_j for a_j, y_j in zip(a, y, strict=True))
    return sum(m_j if m_j.real > 0 else 0 * m_j for m_j in margins)


CROSS_ENTROPY = Cost(
    kind="cross_entropy",
    aliases=(
        "bce",
        "bce_loss",
        "binary_crossentropy",
        "binary_cross_entropy",
        "log_loss",
    ),
    description="for outputs that are each a probability of their own",
    symbol="cross-entropy",
    formula="-Σ (y ln a + (1 - y) ln (1 - a))",
    define=_cross_entropy,
    define_from_z={"sigmoid": _cross_entropy_of_sigmoid},
    body=(Map("terms", -(y * log(a) + (1 - y) * log(1 - a))),),
    gradient=(a - y) / (a * (1 - a)),
    outputs=Interval(0, 1),
    targets=Targets(Interval(0, 1)),
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
    aliases=(
        "nll",
        "nll_loss",
        "negative_log_likelihood",
        "categorical_crossentropy",
        "categorical_cross_entropy",
        "sparse_categorical_crossentropy",
        "softmax_cross_entropy",
    ),
    description="for one class out of many; goes with softmax",
    symbol="log-likelihood",
    formula="-Σ y ln a",
    parameters=(
        Parameter(
            "label_smoothing",
            0.0,
            at_least=0,
            at_most=0.99,  # with 1 all classes would be alike
            off=0.0,
            description="the share of an example that goes to all classes alike",
        ),
    ),
    define=_log_likelihood,
    define_from_z={"softmax": _log_likelihood_of_softmax},
    body=(Map("terms", -(y * log(a))),),
    gradient=-(y / a),
    outputs=Interval(0, 1),
    targets=Targets(Interval(0, 1), sums_to_one=True),
    coded=(1 - smoothing) * y + smoothing / n_out,
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

HINGE = Cost(
    kind="hinge",
    aliases=("hinge_loss", "svm"),
    description="a margin of 1 on the right side (Cortes and Vapnik, 1995)",
    symbol="hinge",
    formula="Σ max(1 - y a, 0)",
    define=_hinge,
    body=(Map("terms", max_(1 - y * a, 0)),),
    gradient=-(y * (y * a < 1)),
    targets=Targets(values=(-1, 1)),
    classifies=True,
    codes_minus_one=True,
    needs=frozenset({"identity", "tanh"}),
)

COSTS = {
    entry.kind: entry
    for entry in (*DISTANCES, CROSS_ENTROPY, LOG_LIKELIHOOD, HINGE, POISSON)
}
