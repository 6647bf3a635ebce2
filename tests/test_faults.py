"""Planted faults: whatever is wrong in generated text, the comparisons find it."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import faults_backward
import faults_training
import numpy as np
import pytest
from faults import SPECS, Fault
from oracle import apart, as_lists, imported, library_text, scaling_of
from support import TARGETS, difference, spec_of

from bpcompile import reference

EXACT = 1e-12
SEED = 6  # not the specs' own

FAULTS = faults_backward.FAULTS + faults_training.FAULTS


def data() -> tuple[Any, Any, Any]:
    """10 inputs with a constant column, labels, sample weights."""
    rng = np.random.default_rng(11)
    x = rng.normal(size=(10, 3)) * 2 + 1
    x[:, 1] = 3.0
    return x, rng.integers(0, 3, 10), rng.random(10)


def findings(module: ModuleType, fields: dict[str, Any]) -> Iterator[str]:
    """What of a module differs from the reference, in the order of the chain."""
    spec = spec_of(**fields)
    x, y, weight = data()
    rows, labels = x.tolist(), y.tolist()
    net = module.Network(seed=SEED)
    parameters = reference.initial_parameters(spec, SEED)
    if not apart(net.parameters, parameters) <= EXACT:
        yield "initial values"
    parameters = as_lists(net.parameters)
    net.train(x, y, epochs=0)
    point = (spec, parameters, rows, labels, scaling_of(spec, x))
    outputs = np.array(
        [reference.feedforward(*point[:2], row, point[-1])[1][-1] for row in rows]
    )
    hits = outputs.argmax(axis=1) == y
    for name, actual, expected in (
        ("feedforward", net.feedforward(x), outputs),
        ("cost", net.cost(x, y), reference.cost(*point)),
        ("total cost", net.total_cost(x, y), reference.total_cost(*point)),
        ("predict", net.predict(x), outputs.argmax(axis=1)),
        ("accuracy", net.accuracy(x, y), hits.mean()),
    ):
        if not difference(actual, expected) <= EXACT:
            yield name
    if not apart(net.backprop(x, y), reference.backprop(*point)) <= EXACT:
        yield "gradient"
    # Two runs, the second on other data: the scaling is that of the first.
    net.train(x, y, epochs=2, sample_weight=weight)
    net.train(x[:7], y[:7], epochs=1)
    given = {"seed": SEED, "scaling": point[-1]}
    first = reference.train(
        spec,
        rows,
        labels,
        2,
        start=reference.State(parameters),
        sample_weight=weight.tolist(),
        **given,
    )
    run = reference.train(
        spec,
        rows[:7],
        labels[:7],
        1,
        start=first.state,
        **given,
    )
    if not apart(net.parameters, run.parameters) <= EXACT:
        yield "training"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("spec", SPECS)
def test_nothing_is_found_where_nothing_is_planted(spec: str, target: str) -> None:
    text = library_text(spec_of(**SPECS[spec]), target)
    assert list(findings(imported(text), SPECS[spec])) == []


@pytest.mark.fault("GRD-04")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault_is_found(fault: Fault, target: str) -> None:
    fields = SPECS[fault.spec]
    text = fault.planted(library_text(spec_of(**fields), target), target)
    with np.errstate(all="ignore"):
        assert list(findings(imported(text), fields)) != []
