"""What a network costs, against the arrays of its module and counts by hand."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest
from support import module_of, spec_of

from bpcompile import lower
from bpcompile.summary import summarize

HYPER = {"learning_rate": 0.1, "epochs": 1}


def test_counts_of_a_network_by_hand() -> None:
    fields = {
        "layers": [784, 30, 10],
        "cost": "cross_entropy",
        "hyperparameters": HYPER,
    }
    found = summarize(lower(spec_of(**fields)))
    assert [layer.weights for layer in found.layers] == [None, (30, 784), (10, 30)]
    assert [layer.parameters for layer in found.layers] == [0, 23550, 310]
    assert (found.parameters, found.parameter_bytes) == (23860, 4 * 23860)
    assert found.forward == 784 * 30 + 30 * 10
    # BP4 for both layers; BP2 leads back to layer 2 alone.
    assert found.backward == 784 * 30 + 2 * 30 * 10
    assert found.state_bytes == 0


@pytest.mark.parametrize(
    ("optimizer", "kept"), [("sgd", 0), ("momentum", 1), ("adam", 2), ("lion", 1)]
)
def test_state_is_what_the_optimizer_keeps(optimizer: str, kept: int) -> None:
    fields = {"layers": [4, 3, 2], "cost": "cross_entropy", "dtype": "float64"}
    hyper = {**HYPER, "optimizer": optimizer}
    found = summarize(lower(spec_of(**fields, hyperparameters=hyper)))
    assert found.state_bytes == kept * found.parameter_bytes == kept * 8 * 23


def test_shapes_are_those_of_the_module() -> None:
    spec = spec_of(layers=[5, 4, 3, 2], cost="cross_entropy", hyperparameters=HYPER)
    module = module_of(spec)
    for layer in summarize(lower(spec)).layers[1:]:
        weights = module.Network(0).parameters[f"w{layer.index}"]
        assert weights.shape == layer.weights
        assert layer.parameters == prod(weights.shape) + layer.size


@pytest.mark.parametrize(
    "layers",
    [
        [5, 4, 2],
        [5, {"size": 4, "activation": "gelu"}, {"size": 3, "activation": "softmax"}],
        [{"size": 5, "dropout": 0.5}, {"size": 4, "dropout": 0.5}, 2],
    ],
)
def test_memory_of_a_mini_batch_is_that_of_the_module(layers: list[Any]) -> None:
    m = 17  # no width of a layer
    hyper = {**HYPER, "mini_batch_size": m}
    spec = spec_of(layers=layers, cost="quadratic", hyperparameters=hyper)
    mini_batch = module_of(spec).MiniBatch(m, np.float32)
    # What a target sums over the examples with, and computes in, is its own affair.
    own = ("ones", "scratch")
    held = [a for name, a in vars(mini_batch).items() if not name.startswith(own)]
    arrays = [a for a in held if isinstance(a, np.ndarray) and m in a.shape]
    found = sum(array.nbytes for array in arrays)
    assert found == summarize(lower(spec)).mini_batch_bytes
