"""The first values of weights and biases: one entry each."""

from __future__ import annotations

import math

from bpcompile.expr import Var, sqrt
from bpcompile.operators.training import Initializer

draw = Var("draw")
n_in, n_out = Var("n_in", scalar=True), Var("n_out", scalar=True)


def _scaled_normal(draw: float, n_in: int, n_out: int) -> float:
    return draw / math.sqrt(n_in)


def _standard_normal(draw: float, n_in: int, n_out: int) -> float:
    return draw


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

INITIALIZERS = {entry.kind: entry for entry in (SCALED_NORMAL, STANDARD_NORMAL)}
