"""The reference runtime: the textbook loops, straight from a spec, in float64.

Everything else is compared with this runtime, so it shares nothing with the compiler:
of an operator it knows only the definition, of a derivative only the complex step.
It trains by plain SGD with the book's L2 and knows no dropout, clipping, schedule or
other optimizer.

Sources: Nielsen, "Neural Networks and Deep Learning", chapter 2, for BP1 to BP4;
Squire and Trapp, SIAM Review 40 (1998), for the complex step.
"""

from bpcompile.reference.backward import (
    Training,
    backprop,
    complex_step,
    finite_difference,
    train,
    update,
)
from bpcompile.reference.forward import (
    cost,
    feedforward,
    fit_scaling,
    initial_parameters,
    targets,
    total_cost,
)
from bpcompile.reference.randomness import epoch_order, normals, philox_words, uniforms

__all__ = [
    "Training",
    "backprop",
    "complex_step",
    "cost",
    "epoch_order",
    "feedforward",
    "finite_difference",
    "fit_scaling",
    "initial_parameters",
    "normals",
    "philox_words",
    "targets",
    "total_cost",
    "train",
    "uniforms",
    "update",
]
