"""A step of the numpy target writes into arrays that exist: none of a layer's size."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from oracle import imported, library_text
from support import LONG, spec_of

from bpcompile.operators import ACTIVATIONS, COSTS

SIZES, M, STEPS = (500, 480, 460), 800, 3
EPOCHS = 10 if LONG else 2
#: Bytes of the smallest array that has an entry for every neuron and example of a layer,
#: or for every weight. What NumPy itself needs to convert booleans is a buffer of 8,192
#: numbers, and what is computed in pieces (dropout, erf) needs some of 16,384: less.
LAYER = 4 * min(SIZES) * M

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
    "l1": {"regularization": {"l1": 2.0}},
    **{
        f"{optimizer} {penalty}": {
            "optimizer": optimizer,
            "learning_rate": 0.001,
            "regularization": {penalty: 2.0},
        }
        for optimizer in ("momentum", "adam", "adamw", "nadam")
        for penalty in ("l1", "l2")
        if (optimizer, penalty) != ("adamw", "l2")
    },
}


def peak_of_steps(
    target: str, hidden: str, hyper: dict[str, Any], dropout: float = 0.0, **spec: Any
) -> int:
    """The most bytes that a step held at once beyond those before it.

    Of epochs of some whole mini-batches and a short one, in one call of `train`.
    """
    first, middle, last = SIZES
    layers: list[Any] = [{"size": first}, {"size": middle, "activation": hidden}, last]
    if dropout:
        layers[0]["dropout"] = layers[1]["dropout"] = dropout
    hyper = {"mini_batch_size": M, "learning_rate": 0.01, **hyper}
    given: dict[str, Any] = {"layers": layers, "cost": "cross_entropy", **spec}
    module = imported(library_text(spec_of(**given, hyperparameters=hyper), target))
    rng = np.random.default_rng(2)
    n = STEPS * M + M // 2
    x, y = rng.random((n, first), np.float32), rng.integers(0, last, n)
    if spec.get("cost") not in (None, "hinge"):  # targets that any output may have
        y = np.eye(last, dtype=np.float32)[y]
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


@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_whatever_the_activation(hidden: str) -> None:
    """Of a hidden layer, and of the output where a cost goes with it."""
    if hidden != "softmax":
        assert peak_of_steps("numpy", hidden, {}, cost="quadratic") < LAYER / 2
    output = {"size": SIZES[-1], "activation": hidden}
    cost = "log_likelihood" if hidden == "softmax" else "quadratic"
    layers = [SIZES[0], SIZES[1], output]
    assert peak_of_steps("numpy", "", {}, layers=layers, cost=cost) < LAYER / 2


@pytest.mark.parametrize("cost", COSTS)
def test_whatever_the_cost(cost: str) -> None:
    output = {"poisson": "softplus", "log_likelihood": "softmax", "hinge": "identity"}
    last = {"size": SIZES[-1], "activation": output.get(cost, "sigmoid")}
    layers = [SIZES[0], SIZES[1], last]
    assert peak_of_steps("numpy", "", {}, layers=layers, cost=cost) < LAYER / 2


def test_dropout_draws_in_pieces() -> None:
    assert peak_of_steps("numpy", "sigmoid", {}, dropout=0.3) < LAYER / 2


def test_the_parts_of_a_step_allocate_no_more() -> None:
    hyper = {"accumulate": 2, "mini_batch_size": M // 2}
    assert peak_of_steps("numpy", "silu", hyper, dropout=0.3) < LAYER / 2


def test_an_operator_of_one_s_own() -> None:
    own = {"activations": {"mine": {"formula": "where(z > 0, z * tanh(z), erf(z))"}}}
    assert peak_of_steps("numpy", "mine", {}, operators=own) < LAYER / 2


def test_the_textbook_target_does_allocate_them() -> None:
    """What the measure would see: that target makes every array anew."""
    assert peak_of_steps("numpy-textbook", "sigmoid", {}) > LAYER
