"""The one place for every operator that a spec may name."""

from bpcompile.operators.activations import ACTIVATIONS
from bpcompile.operators.costs import COSTS
from bpcompile.operators.initializers import INITIALIZERS
from bpcompile.operators.optimizers import OPTIMIZERS
from bpcompile.operators.parallels import PARALLELS
from bpcompile.operators.regularizers import REGULARIZERS
from bpcompile.operators.scalings import SCALINGS
from bpcompile.operators.schedules import SCHEDULES

__all__ = [
    "ACTIVATIONS",
    "COSTS",
    "INITIALIZERS",
    "OPTIMIZERS",
    "PARALLELS",
    "REGULARIZERS",
    "SCALINGS",
    "SCHEDULES",
]
