"""Every allowed combination of the registries: compiled, run and compared.

`pytest -rP tests/test_registry.py` prints the table: a row for each hidden activation
with the worst difference under each cost, over all output activations that go with it.
"""

from __future__ import annotations

import numpy as np
import pytest
from comparison import values_apart
from oracle import apart, library
from random_specs import HIDDEN, PAIRS, TRIPLES, data_for, minimal, spec_of_triple
from support import TARGETS

from bpcompile import reference
from bpcompile.fields import Operator
from bpcompile.operators import COSTS, OPTIMIZERS
from bpcompile.spec import NetworkSpec

EXACT = 1e-12
#: Small, for steps of some optimizers are as long as their rate.
RATE = 1e-3


def gradients_apart(triple: tuple[str, str, str], target: str) -> float:
    """Of a network with L2, no array of whose gradient is 0."""
    l2 = {"regularization": {"l2": 0.7}}
    spec = spec_of_triple(*triple, hyperparameters=l2)
    x, y = data_for(spec, 5, seed=1)
    net = library(spec, target).Network()
    for parameter in net.parameters.values():
        parameter *= 0.3  # so that nothing is cut off or overflows
    assert all(np.any(g != 0) for g in net.backprop(x, y).values()), triple
    return values_apart(spec, net, x, y, None)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_whole_product(hidden: str) -> None:
    """Hidden activation x output activation x cost, in one target."""
    worst = dict.fromkeys(COSTS, 0.0)
    for output, cost in PAIRS:
        off = gradients_apart((hidden, output, cost), TARGETS[0])
        assert off <= EXACT, (hidden, output, cost)
        worst[cost] = max(worst[cost], off)
    print(f"{hidden:12}", *(f"{cost} {off:.0e} " for cost, off in worst.items()))


@pytest.mark.parametrize("target", TARGETS[1:])
@pytest.mark.parametrize("triple", TRIPLES, ids="-".join)
def test_pairs_in_the_other_targets(triple: tuple[str, str, str], target: str) -> None:
    """Every output activation with every cost; every hidden activation several times."""
    assert gradients_apart(triple, target) <= EXACT


def drawn_small(spec: NetworkSpec) -> NetworkSpec:
    """The spec with weights and biases so small that no exp of an exp grows large."""
    small = Operator("uniform", (("low", -0.3), ("high", 0.3)))
    chosen = {"initializer": small, "bias_initializer": small}
    first, *later = spec.layers
    layers = (first, *(layer.model_copy(update=chosen) for layer in later))
    return spec.model_copy(update={"layers": layers})


#: Each optimizer with every cost and with every hidden and output activation.
STEPS = [(optimizer, triple) for optimizer in OPTIMIZERS for triple in TRIPLES]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("optimizer", "triple"),
    STEPS,
    ids=lambda part: part if isinstance(part, str) else "-".join(part),
)
def test_optimizers(optimizer: str, triple: tuple[str, str, str], target: str) -> None:
    """Three steps, so that what an optimizer keeps is read again.

    Where a gradient is 0 but for rounding, as softmax's under a cost that pulls all its
    outputs alike, some optimizers make a whole step of its sign: then two programs may
    be as far apart as the reference is from itself, rounded otherwise.
    """
    hyper = {
        "learning_rate": RATE,
        "mini_batch_size": 2,
        "optimizer": minimal(OPTIMIZERS[optimizer]),
    }
    spec = drawn_small(spec_of_triple(*triple, hyperparameters=hyper))
    x, y = data_for(spec, 5, seed=1)
    net = library(spec, target).Network()
    net.train(x, y, epochs=1)
    rows = x.tolist(), y.tolist()
    trained = reference.train(spec, *rows, 1)
    off = apart(net.parameters, trained.parameters)
    if off > EXACT:
        moved = max(reference.sensitivity(spec, trained, *rows, 1).values())
        print(f"{off:.0e} apart, by rounding alone {moved:.0e}")
        assert off <= 4 * moved
    assert np.isfinite(off)
