"""A step of the numpy target writes into arrays that exist: none of a layer's size."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from oracle import imported, library_text
from support import LONG, spec_of

SIZES, M, STEPS = (160, 120, 100), 256, 10
EPOCHS = 10 if LONG else 2
#: Bytes of the smallest array that has an entry for every neuron and example of a layer.
#: What NumPy itself needs to convert booleans is a buffer of 8,192 numbers, far less.
LAYER = 100 * M * 4

CASES: dict[str, dict[str, Any]] = {
    "sgd": {},
    "l2": {"regularization": {"l2": 2.0}},
    "max_norm": {"regularization": {"max_norm": 1.0}},
    "clip_norm": {"clipping": {"norm": 1.0}},
    "clip_value": {"clipping": {"value": 0.5}},
    "by_step": {"schedule": {"kind": "exponential", "unit": "step"}},
    "momentum": {"optimizer": "momentum"},
    "nesterov": {"optimizer": "nesterov"},
    "adadelta": {"optimizer": "adadelta"},
    "adam": {"optimizer": "adam", "learning_rate": 0.001},
    "lion": {"optimizer": "lion", "learning_rate": 0.001},
}


def peak_of_steps(target: str, hidden: str, hyper: dict[str, Any]) -> int:
    """The most bytes that a step held at once beyond those before it.

    Of epochs of ten whole mini-batches and a short one, in one call of `train`.
    """
    first, middle, last = SIZES
    spec = spec_of(
        layers=[first, {"size": middle, "activation": hidden}, last],
        cost="quadratic" if hidden == "tanh" else "cross_entropy",
        hyperparameters={"mini_batch_size": M, "learning_rate": 0.01, **hyper},
    )
    module = imported(library_text(spec, target))
    rng = np.random.default_rng(2)
    n = STEPS * M + M // 2
    x, y = rng.random((n, first), np.float32), rng.integers(0, last, n)
    net = module.Network()
    real, peaks, ends = net._update, [0], [0]

    def counted(*given: Any) -> None:
        real(*given)
        now, peak = tracemalloc.get_traced_memory()
        # An epoch's first step comes after its order was drawn.
        if (len(ends) - 1) % (STEPS + 1):
            peaks.append(peak - ends[-1])
        ends.append(now)
        tracemalloc.reset_peak()

    net._update = counted
    tracemalloc.start()
    try:
        net.train(x, y, epochs=EPOCHS)
    finally:
        tracemalloc.stop()
    assert len(ends) == EPOCHS * (STEPS + 1) + 1
    return max(peaks)


@pytest.mark.parametrize("case", CASES)
def test_no_step_allocates_an_array_of_a_layer(case: str) -> None:
    assert peak_of_steps("numpy", "sigmoid", CASES[case]) < LAYER / 2


@pytest.mark.parametrize("hidden", ["relu", "tanh"])
def test_whatever_the_activation_that_needs_no_scratch(hidden: str) -> None:
    assert peak_of_steps("numpy", hidden, {}) < LAYER / 2


def test_the_textbook_target_does_allocate_them() -> None:
    """What the measure would see: that target makes every array anew."""
    assert peak_of_steps("numpy-textbook", "sigmoid", {}) > LAYER
