"""The one place for activations, costs, optimizers, initializers, regularizers."""

from bpcompile.operators.activations import ACTIVATIONS
from bpcompile.operators.costs import COSTS
from bpcompile.operators.training import (
    INITIALIZERS,
    OPTIMIZERS,
    REGULARIZERS,
    SCALINGS,
)

__all__ = [
    "ACTIVATIONS",
    "COSTS",
    "INITIALIZERS",
    "OPTIMIZERS",
    "REGULARIZERS",
    "SCALINGS",
]
