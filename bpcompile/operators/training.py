"""Initializers, optimizers, regularizers and input scalings: one entry each."""

from __future__ import annotations

import math
from collections.abc import Callable

from bpcompile.expr import Const, Var, sqrt
from bpcompile.operators.entry import (
    Initializer,
    Map,
    Optimizer,
    Parameter,
    Regularizer,
    Scaling,
)

w, nabla, draw = Var("w"), Var("nabla"), Var("draw")
eta, lmbda = Var("eta", scalar=True), Var("lmbda", scalar=True)
m, n, n_in = Var("m", scalar=True), Var("n", scalar=True), Var("n_in", scalar=True)
rate = Var("rate", scalar=True)


def _scaled_normal(draw: Callable[[], float], n_in: int, n_out: int) -> float:
    return draw() / math.sqrt(n_in)


def _standard_normal(draw: Callable[[], float], n_in: int, n_out: int) -> float:
    return draw()


SCALED_NORMAL = Initializer(
    kind="scaled_normal",
    description="N(0, 1) over the square root of the inputs (the book, chapter 3)",
    formula="N(0, 1) / √{n_in}",
    define=_scaled_normal,
    value=draw / sqrt(n_in),
)

STANDARD_NORMAL = Initializer(
    kind="standard_normal",
    description="N(0, 1) (the book, chapter 1)",
    formula="N(0, 1)",
    define=_standard_normal,
    value=draw,
)

SGD = Optimizer(
    kind="sgd",
    description="plain stochastic gradient descent",
    symbol="SGD",
    formula="{p} → {p} - η/m Σ ∂C/∂{p}",
    source="Nielsen, chapter 1, equations (20) and (21)",
    scalars=(("rate", eta / m),),
    body=(Map("w", w - rate * nabla),),
    folds_decay=True,
)

L2 = Regularizer(
    kind="l2",
    description="weight decay: lmbda/2n times the sum of the squared weights",
    symbol="λ",
    penalty=lmbda / (2 * n) * (w * w),
    penalty_formula="λ/2n Σ w²",
    gradient=Var("shrink", scalar=True) * w,
    gradient_formula="λ/n w",
    shrink=lmbda * m / n,
    decay=1 - eta * lmbda / n,
    decay_formula="1 - η λ/n",
)

NONE = Scaling(
    kind="none",
    description="inputs as they are",
    shift=Const(0),
    divisor=Const(1),
    fitted=False,
    formula="x",
)

DIVIDE = Scaling(
    kind="divide",
    description="every input divided by one number",
    # Beyond these float32 inputs become infinite, or all 0.
    parameters=(
        Parameter("by", None, at_least=1e-30, at_most=1e30, description="the divisor"),
    ),
    shift=Const(0),
    divisor=Var("by", scalar=True),
    fitted=False,
    formula="x / {by}",
)

STANDARDIZE = Scaling(
    kind="standardize",
    description="every column to mean 0 and standard deviation 1",
    shift=Var("mean"),
    divisor=Var("std"),
    fitted=True,
    formula="(x - mean) / standard deviation, by column",
)

MIN_MAX = Scaling(
    kind="min_max",
    description="every column from 0 to 1",
    shift=Var("min"),
    divisor=Var("max") - Var("min"),
    fitted=True,
    formula="(x - min) / (max - min), by column",
)

INITIALIZERS = {entry.kind: entry for entry in (SCALED_NORMAL, STANDARD_NORMAL)}
OPTIMIZERS = {entry.kind: entry for entry in (SGD,)}
REGULARIZERS = {entry.kind: entry for entry in (L2,)}
SCALINGS = {entry.kind: entry for entry in (NONE, DIVIDE, STANDARDIZE, MIN_MAX)}
