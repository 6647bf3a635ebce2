"""What the log of a run says, as far as reports need it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bpcompile.spec import NetworkSpec

#: Series of an epoch that have a number for each layer, layer 2 first.
GRADIENT_NORMS, UPDATE_RATIOS = "gradient_norms", "update_ratios"
SATURATED, DEAD = "saturated", "dead"
OF_LAYERS = (GRADIENT_NORMS, UPDATE_RATIOS, SATURATED, DEAD)
#: How many training examples cost and accuracy were measured on, where not on all.
SAMPLED = "sampled"
COST, ACCURACY, RATE = "cost", "accuracy", "learning_rate"
#: What a series is measured on, by how its name begins; the most telling one first.
DATA = {"test_": "test", "validation_": "validation", "": "training"}


@dataclass(frozen=True)
class Start:
    """How a process began: a run that was resumed has several of them.

    epoch        how many epochs had been trained before
    examples     how many there are, by "train", "validation" and "test"
    environment  versions and the machine, as the trainer told them
    """

    epoch: int
    target: str
    compiler: str
    seed: int
    spec_digest: str
    examples: Mapping[str, int]
    classes: tuple[str, ...]
    environment: Mapping[str, Any]


@dataclass(frozen=True)
class Epoch:
    """One epoch, counted from 1: numbers, NaN where the log has none.

    values   by the name of their series: "test_cost"
    layers   the same with one for each layer from layer 2 on
    """

    number: int
    values: Mapping[str, float]
    layers: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Warned:
    """What the trainer warned of; layer 0 where it is of none."""

    epoch: int
    kind: str
    layer: int
    message: str


@dataclass(frozen=True)
class Mistake:
    """An example that the network is far off at: its row in the data, from 0, and as
    JSON has it the class, or the values, that it has and was taken for."""

    row: int
    wanted: Any
    found: Any
    cost: float


@dataclass(frozen=True)
class Evaluation:
    """The last measurement of a run on some data.

    values      by the name of what was measured
    outputs     the same of what has a number for each output
    confusion   how many examples of each class (row) were taken for each (column)
    """

    data: str
    values: Mapping[str, float]
    outputs: Mapping[str, tuple[float, ...]]
    confusion: tuple[tuple[int, ...], ...] = ()
    worst: tuple[Mistake, ...] = ()


@dataclass(frozen=True)
class End:
    """How it ended: finished, stopped, interrupted or diverged."""

    epoch: int
    reason: str
    message: str


@dataclass(frozen=True)
class Run:
    """One run; `label` is what its file is called.

    cut   the last line of the log is not whole
    """

    label: str
    spec: NetworkSpec
    starts: tuple[Start, ...]
    epochs: tuple[Epoch, ...] = ()
    warnings: tuple[Warned, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    end: End | None = None
    cut: bool = False

    @property
    def last_start(self) -> Start:
        return self.starts[-1]

    @property
    def resumed(self) -> tuple[int, ...]:
        """The epochs after which it was resumed."""
        return tuple(start.epoch for start in self.starts[1:])

    @property
    def classes(self) -> tuple[str, ...]:
        return self.last_start.classes

    @property
    def series(self) -> tuple[str, ...]:
        """The names of all series of numbers, in the order of the log."""
        found = (name for epoch in self.epochs for name in epoch.values)
        return tuple(dict.fromkeys(found))

    @property
    def seconds(self) -> float:
        """Of all epochs together."""
        return math.fsum(value for _, value in self.points("seconds"))

    def points(self, series: str) -> Iterator[tuple[int, float]]:
        """Epoch and value, where the value is a finite number."""
        for epoch in self.epochs:
            value = epoch.values.get(series, math.nan)
            if math.isfinite(value):
                yield epoch.number, value

    def measured(self, what: str) -> str | None:
        """The series of a cost or accuracy that tells most: on data not trained on."""
        names = (before + what for before in DATA)
        return next((name for name in names if any(self.points(name))), None)

    def best(self, series: str) -> tuple[int, float]:
        """The epoch with the largest accuracy or the least cost, the first of equals."""
        sign = -1 if series.endswith(ACCURACY) else 1
        return min(self.points(series), key=lambda point: sign * point[1])

    def last(self, series: str) -> float:
        return [value for _, value in self.points(series)][-1]


def on(series: str) -> str:
    """What a series is measured on: "test" of "test_cost"."""
    return next(words for before, words in DATA.items() if series.startswith(before))
