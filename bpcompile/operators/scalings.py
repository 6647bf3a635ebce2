"""How raw inputs are scaled inside the network: one entry each."""

from __future__ import annotations

from bpcompile.expr import Const, Var
from bpcompile.operators.entry import Parameter
from bpcompile.operators.training import Column, Scaling


def _none(column: Column) -> tuple[float, float]:
    return 0.0, 1.0


def _divide(column: Column, by: float) -> tuple[float, float]:
    return 0.0, by


def _standardize(column: Column) -> tuple[float, float]:
    # The mean of equal numbers may round away from them, and the deviation would
    # then be tiny instead of 0.
    if min(column) == max(column):
        return column[0], 1.0
    mean = sum(column) / len(column)
    deviation = (sum((value - mean) ** 2 for value in column) / len(column)) ** 0.5
    return mean, deviation or 1.0


def _min_max(column: Column) -> tuple[float, float]:
    return min(column), (max(column) - min(column)) or 1.0


NONE = Scaling(
    kind="none",
    description="inputs as they are",
    shift=Const(0),
    divisor=Const(1),
    fitted=False,
    formula="x",
    define=_none,
)

DIVIDE = Scaling(
    kind="divide",
    aliases=("rescale", "rescaling"),
    description="every input divided by one number",
    # Beyond these float32 inputs become infinite, or all 0.
    parameters=(
        Parameter("by", None, at_least=1e-30, at_most=1e30, description="the divisor"),
    ),
    shift=Const(0),
    divisor=Var("by", scalar=True),
    fitted=False,
    formula="x / {by}",
    define=_divide,
)

STANDARDIZE = Scaling(
    kind="standardize",
    aliases=("standard", "standard_scaler", "z_score"),
    description="every column to mean 0 and standard deviation 1",
    shift=Var("mean"),
    divisor=Var("std"),
    fitted=True,
    formula="(x - mean) / standard deviation, by column",
    define=_standardize,
    fit_formulas=(
        "mean = Σ x / n",
        "standard deviation = √(Σ (x - mean)² / n)",
    ),
)

MIN_MAX = Scaling(
    kind="min_max",
    description="every column from 0 to 1",
    shift=Var("min"),
    divisor=Var("max") - Var("min"),
    fitted=True,
    formula="(x - min) / (max - min), by column",
    define=_min_max,
)

SCALINGS = {entry.kind: entry for entry in (NONE, DIVIDE, STANDARDIZE, MIN_MAX)}
