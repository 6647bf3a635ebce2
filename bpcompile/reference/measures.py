"""What is asked of a network in the reference: its cost, its accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bpcompile.operators import REGULARIZERS
from bpcompile.operators.entry import label_values
from bpcompile.reference.forward import (
    Factors,
    Labels,
    Number,
    Parameters,
    Rows,
    Scaling,
    cost_of_z,
    examples,
    feedforward,
    numbered_layers,
    targets,
)

if TYPE_CHECKING:
    from bpcompile.spec import NetworkSpec

__all__ = [
    "accuracy",
    "class_of",
    "class_weights",
    "cost",
    "mean_cost",
    "split_classes",
    "total_cost",
]


def mean_cost(
    spec: NetworkSpec,
    parameters: Parameters,
    x: Rows,
    y: Labels,
    scaling: Scaling | None = None,
    sample_weight: Sequence[float] | None = None,
    factors: Sequence[Factors] | None = None,
) -> Number:
    """`cost` for complex parameters too, as a complex step needs it.

    With weights it is sum(weight * C_x) / n; with the factors of dropout, one mapping
    for each example, it is the cost of the network that they leave.
    """
    from_z = cost_of_z(spec)
    define = spec.cost_entry.define
    pairs = examples(spec, x, y)
    weights = [1.0] * len(pairs) if sample_weight is None else sample_weight
    kept: Sequence[Factors | None] = factors or [None] * len(pairs)
    total: Number = 0.0
    for (x_row, y_row), weight, left in zip(pairs, weights, kept, strict=True):
        zs, activations = feedforward(spec, parameters, x_row, scaling, left)
        if from_z is not None:
            total += weight * from_z(zs[-1], y_row)
        else:
            total += weight * define(activations[-1], y_row, **spec.cost.parameters)
    return total / len(x)


def cost(
    spec: NetworkSpec,
    parameters: Parameters,
    x: Rows,
    y: Labels,
    scaling: Scaling | None = None,
) -> float:
    """Mean of C_x over the n examples x (n, N1), y as `targets` takes it.

    Nothing is dropped and every example counts alike. Raises ValueError as `examples`
    does.
    """
    return mean_cost(spec, parameters, x, y, scaling).real


def total_cost(
    spec: NetworkSpec,
    parameters: Parameters,
    x: Rows,
    y: Labels,
    scaling: Scaling | None = None,
) -> float:
    """`cost` + the regularizers' penalties of every weight (no bias), n = len(x)."""
    total = cost(spec, parameters, x, y, scaling)
    for kind, lmbda in spec.hyperparameters.regularization.penalties.items():
        penalty = REGULARIZERS[kind].define
        for number, _ in numbered_layers(spec):
            for w_j in parameters[f"w{number}"]:
                total += sum(penalty(w_jk, lmbda, len(x)).real for w_jk in w_j)
    return total


def class_of(spec: NetworkSpec, row: Sequence[float]) -> int:
    """The class that outputs, or desired outputs, stand for.

    The first of the largest; of a single output 0 or 1, its side of the boundary half
    way between what the two classes are coded as.
    """
    if len(row) > 1:
        return max(range(len(row)), key=row.__getitem__)
    boundary = sum(label_values(spec.cost_entry, spec.output_activation)) / 2
    return int(row[0] > boundary)


def split_classes(spec: NetworkSpec, y: Labels) -> list[int] | None:
    """The class of each example, (n,), by which a split is shared; None: it has none.

    Raises ValueError as `targets` does.
    """
    if spec.resolved_task != "classification":
        return None
    return [class_of(spec, row) for row in targets(spec, y)]


def class_weights(spec: NetworkSpec, y: Labels) -> list[float]:
    """The weight of each example's class, (n,); 1 where the spec gives none."""
    weights = spec.hyperparameters.class_weights
    rows = targets(spec, y)
    if weights is None:
        return [1.0] * len(rows)
    return [weights[class_of(spec, row)] for row in rows]


def accuracy(
    spec: NetworkSpec,
    parameters: Parameters,
    x: Rows,
    y: Labels,
    scaling: Scaling | None = None,
) -> float:
    """The fraction of the examples x (n, N1) whose outputs stand for the class of y.

    Outputs that are not finite stand for none. Raises ValueError as `examples` does.
    """
    hits = 0
    for x_row, y_row in examples(spec, x, y):
        outputs = feedforward(spec, parameters, x_row, scaling)[1][-1]
        a = [a_j.real for a_j in outputs]
        hits += all(map(math.isfinite, a)) and class_of(spec, a) == class_of(
            spec, y_row
        )
    return hits / len(x)
