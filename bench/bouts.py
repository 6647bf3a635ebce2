"""The networks on which generated NumPy is measured, and what is wanted of it."""

from __future__ import annotations

from dataclasses import replace

from races import Race
from workloads import Workload

#: How many times slower the others are to be, on small networks and on large ones.
SMALL = {"PyTorch eager": 4.0, "scikit-learn": 4.0}
LARGE = {"PyTorch eager": 1.5, "scikit-learn": 1.5, "JAX scan": 1.0}
#: How many times slower the textbook module may be.
TEXTBOOK = 1.45

_CH1 = Workload((784, 30, 10), "sigmoid", "sigmoid", "quadratic", 10, 5_000)
_CH3 = Workload((784, 100, 10), "sigmoid", "sigmoid", "cross_entropy", 10, 5_000, 5.0)
_DIGITS = Workload((64, 32, 10), "relu", "softmax", "log_likelihood", 32, 9_600)
_XOR = Workload((2, 4, 1), "sigmoid", "sigmoid", "quadratic", 4, 4_000)
_WIDE = Workload((784, 512, 512, 10), "relu", "softmax", "log_likelihood", 128, 3_840)
_WIDER = Workload(
    (1024, 1024, 1024, 1024, 10), "relu", "softmax", "log_likelihood", 256, 1_280
)
_DEEP = Workload((64,) * 20, "relu", "softmax", "log_likelihood", 64, 3_200)


def _with_adam(work: Workload) -> Workload:
    return replace(work, optimizer="adam", l2=0.0)


#: Small networks run on one core, which is their best, large ones on two.
BOUTS = (
    Race(_CH1, 1, {**SMALL, "JAX scan": 1.0}),
    Race(_CH3, 1, {**SMALL, "JAX scan": 1.0}),
    Race(_DIGITS, 1, SMALL),
    Race(_with_adam(_CH1), 1, SMALL),
    Race(_with_adam(_CH3), 1, SMALL),
    Race(_with_adam(_DIGITS), 1, SMALL),
    Race(_XOR, 1, {}),
    Race(_DEEP, 1, {}),
    Race(_WIDE, 2, LARGE, 1.25),
    Race(_with_adam(_WIDE), 2, LARGE),
    Race(_WIDER, 2, LARGE, 1.25),
)
