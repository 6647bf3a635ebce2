"""The terms that a spec may add to the cost: one entry each."""

from __future__ import annotations

from bpcompile.expr import Number, Var
from bpcompile.operators.training import Regularizer

w = Var("w")
eta, lmbda = Var("eta", scalar=True), Var("lmbda", scalar=True)
m, n = Var("m", scalar=True), Var("n", scalar=True)


def _l2(w: Number, lmbda: float, n: int) -> Number:
    return lmbda / (2 * n) * (w * w)


L2 = Regularizer(
    kind="l2",
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

REGULARIZERS = {entry.kind: entry for entry in (L2,)}
