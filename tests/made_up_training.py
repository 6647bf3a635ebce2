"""Entries of training that no registry holds, for the reference: it reads `define`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from support import spec_of

from bpcompile.expr import Const
from bpcompile.fields import Operator
from bpcompile.operators import INITIALIZERS, OPTIMIZERS, REGULARIZERS, SCHEDULES
from bpcompile.operators.training import Initializer, Optimizer, Regularizer, Schedule
from bpcompile.spec import NetworkSpec

MADE_UP = "made_up"


@dataclass
class MadeUp:
    """Puts entries into the registries of this process until the test ends.

    The schema was built from the registries before, so it is not asked.
    """

    monkeypatch: pytest.MonkeyPatch

    def optimizer(
        self, spec: NetworkSpec, define: Any, *state: str, folds: bool = False
    ) -> NetworkSpec:
        entry = Optimizer(
            kind=MADE_UP,
            description="",
            symbol="",
            formula="",
            source="",
            scalars=(),
            body=(),
            define=define,
            state=state,
            folds_decay=folds,
        )
        self.monkeypatch.setitem(OPTIMIZERS, MADE_UP, entry)
        return with_hyper(spec, optimizer=Operator(MADE_UP))

    def schedule(
        self, spec: NetworkSpec, define: Any, halves: bool = False, **parameters: Any
    ) -> NetworkSpec:
        entry = Schedule(
            kind=MADE_UP,
            description="",
            formula="",
            value=None,
            define=define,
            halves=halves,
        )
        self.monkeypatch.setitem(SCHEDULES, MADE_UP, entry)
        chosen = Operator(MADE_UP, tuple(parameters.items()))
        return with_hyper(spec, schedule=chosen)

    def initializer(self, spec: NetworkSpec, define: Any, **fields: Any) -> NetworkSpec:
        entry = Initializer(
            kind=MADE_UP,
            description="",
            formula="",
            define=define,
            value=Const(0),
            **fields,
        )
        self.monkeypatch.setitem(INITIALIZERS, MADE_UP, entry)
        first, *later = spec.layers
        chosen = {
            name: Operator(MADE_UP) for name in ("initializer", "bias_initializer")
        }
        changed = tuple(layer.model_copy(update=chosen) for layer in later)
        return spec.model_copy(update={"layers": (first, *changed)})

    def penalty(self, define: Any) -> None:
        """In the place of the one that every spec has, but it is not folded."""
        old = REGULARIZERS["l2"]
        fields = {**vars(old), "define": define, "decay": None}
        self.monkeypatch.setitem(REGULARIZERS, "l2", Regularizer(**fields))


def with_hyper(spec: NetworkSpec, **changes: Any) -> NetworkSpec:
    """The spec with other hyperparameters, unchecked."""
    hyper = spec.hyperparameters.model_copy(update=changes)
    return spec.model_copy(update={"hyperparameters": hyper})


def network(layers: Any = (2, 3, 2), **hyperparameters: Any) -> NetworkSpec:
    """A small classifier."""
    fields: Mapping[str, Any] = {"cost": "cross_entropy", "dtype": "float64"}
    return spec_of(layers=list(layers), hyperparameters=hyperparameters, **fields)
