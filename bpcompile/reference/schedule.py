"""The learning rate of a step, and what validation has to say about it.

Source: Nielsen, chapter 3, for early stopping and for the rate that is halved until
it is 1/128 of the first one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bpcompile.operators import SCHEDULES

if TYPE_CHECKING:
    from bpcompile.spec import NetworkSpec

__all__ = ["HALVINGS", "Watch", "learning_rate", "watched_series"]

#: Training ends with the halving of this number, when the rate is 1/128.
HALVINGS = 7

# What every schedule, or one that watches validation, has beside its own parameters.
_COMMON = frozenset({"unit", "warmup", "patience", "monitor"})


def learning_rate(
    spec: NetworkSpec, n: int, epoch: int, step: int, halvings: int = 0
) -> float:
    """eta of a step, for a training set of n examples.

    epoch and step are counted from 0, step within its epoch; halvings: how often the
    rate was halved so far. After `epochs` epochs of the spec the rate stays.
    """
    hyper = spec.hyperparameters
    chosen, eta = hyper.schedule, hyper.learning_rate * 0.5**halvings
    parameters = chosen.parameters
    by_step = parameters.get("unit") == "step"
    units = -(-n // hyper.examples_per_update) if by_step else 1
    total = hyper.epochs * units
    t = min(epoch * units + (step if by_step else 0), total - 1)
    warmup = int(parameters.get("warmup", 0))
    if t < warmup:
        return eta * (t + 1) / (warmup + 1)
    define = SCHEDULES[chosen.kind].define
    if define is None:
        return eta
    own = {k: v for k, v in parameters.items() if k not in _COMMON}
    return define(eta, t - warmup, total - warmup, **own)


def watched_series(spec: NetworkSpec, monitor: str) -> str:
    """What `monitor` means: auto is accuracy, but the cost of a regression."""
    if monitor == "auto":
        return "accuracy" if spec.resolved_task == "classification" else "cost"
    return monitor


@dataclass(frozen=True)
class Watch:
    """How one series of validation goes: its best score, and how long ago that was.

    A score is the larger the better. best: minus infinity before there is one; since:
    epochs since the best, or since `restarted`.
    """

    best: float = -math.inf
    since: int = 0

    def after(self, score: float) -> Watch:
        """The next epoch's score taken in; only a strictly better one is a new best."""
        if score > self.best:
            return Watch(score)
        return replace(self, since=self.since + 1)

    def restarted(self) -> Watch:
        """The same best, and the epochs counted anew."""
        return replace(self, since=0)
