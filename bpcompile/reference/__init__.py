"""The reference runtime: the textbook loops, straight from a spec, in float64.

Everything else is compared with this runtime, so it shares nothing with the compiler:
of an operator it knows only the definition, of a derivative only the complex step.

Sources: Nielsen, "Neural Networks and Deep Learning", chapter 2, for BP1 to BP4;
Squire and Trapp, SIAM Review 40 (1998), for the complex step.
"""

from bpcompile.reference.backward import backprop, complex_step, finite_difference
from bpcompile.reference.dropout import dropout_factors
from bpcompile.reference.forward import feedforward, fit_scaling, targets
from bpcompile.reference.initial import initial_parameters
from bpcompile.reference.measures import (
    accuracy,
    class_weights,
    cost,
    split_classes,
    total_cost,
)
from bpcompile.reference.optimise import Memory, update
from bpcompile.reference.randomness import (
    dropped,
    epoch_order,
    fold,
    held_out,
    normals,
    philox_words,
    uniforms,
)
from bpcompile.reference.schedule import Watch, learning_rate
from bpcompile.reference.sensitivity import sensitivity
from bpcompile.reference.training import (
    State,
    Training,
    train,
    update_mini_batch,
    validation_rows,
)

__all__ = [
    "Memory",
    "State",
    "Training",
    "Watch",
    "accuracy",
    "backprop",
    "class_weights",
    "complex_step",
    "cost",
    "dropout_factors",
    "dropped",
    "epoch_order",
    "feedforward",
    "finite_difference",
    "fit_scaling",
    "fold",
    "held_out",
    "initial_parameters",
    "learning_rate",
    "normals",
    "philox_words",
    "sensitivity",
    "split_classes",
    "targets",
    "total_cost",
    "train",
    "uniforms",
    "update",
    "update_mini_batch",
    "validation_rows",
]
