"""The terms that a spec may add to the cost: one entry each."""

from __future__ import annotations

from bpcompile.expr import Number, Var, abs_, sign
from bpcompile.operators.training import Regularizer

w = Var("w")
eta, lmbda = Var("eta", scalar=True), Var("lmbda", scalar=True)
lmbda1 = Var("lmbda1", scalar=True)
m, n = Var("m", scalar=True), Var("n", scalar=True)


def _l2(w: Number, lmbda: float, n: int) -> Number:
    return lmbda / (2 * n) * (w * w)


L2 = Regularizer(
    kind="l2",
    aliases=("lmbda", "lambda", "weight_decay"),
    description="weight decay, the book's lmbda: lmbda/2n Σ w², weights only",
    symbol="λ",
    constant="lmbda",
    define=_l2,
    penalty=lmbda / (2 * n) * (w * w),
    penalty_formula="λ/2n Σ w²",
    gradient=Var("shrink", scalar=True) * w,
    gradient_formula="λ/n w",
    shrink=("shrink", lmbda * m / n),
    decay=("decay", 1 - eta * lmbda / n),
    decay_formula="1 - η λ/n",
)


def _l1(w: Number, lmbda: float, n: int) -> Number:
    return lmbda / n * (w if w.real > 0 else -w)


L1 = Regularizer(
    kind="l1",
    description="the book's L1, few weights far from 0: lmbda1/n Σ |w|, weights only",
    symbol="λ₁",
    constant="lmbda1",
    define=_l1,
    penalty=lmbda1 / n * abs_(w),
    penalty_formula="λ₁/n Σ |w|",
    # The sign of 0 is 0, as the book has it: a weight of 0 stays.
    gradient=Var("pull", scalar=True) * sign(w),
    gradient_formula="λ₁/n sign(w)",
    shrink=("pull", lmbda1 * m / n),
)

REGULARIZERS = {entry.kind: entry for entry in (L2, L1)}
