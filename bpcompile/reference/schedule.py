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

__all__ = ["HALVINGS", "Watch", "higher_is_better", "learning_rate"]

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
    units = -(-n // hyper.mini_batch_size) if by_step else 1
    t = epoch * units + (step if by_step else 0)
    warmup = int(parameters.get("warmup", 0))
    if t < warmup:
        return eta * (t + 1) / (warmup + 1)
    entry = SCHEDULES[chosen.kind]
    if entry.halves or entry.define is None:
        return eta
    # A warm-up counted in steps may be as long as the whole training.
    total = max(1, hyper.epochs * units - warmup)
    own = {k: v for k, v in parameters.items() if k not in _COMMON}
    return entry.define(eta, min(t - warmup, total - 1), total, **own)


def higher_is_better(spec: NetworkSpec, monitor: str) -> bool:
    """Whether `monitor` means accuracy; auto does, unless it is a regression."""
    if monitor == "auto":
        return spec.resolved_task == "classification"
    return monitor == "accuracy"


@dataclass(frozen=True)
class Watch:
    """How one series of validation goes: its best value, and how long ago that was.

    best: NaN before there is one; since: epochs since the best, or since `restarted`.
    """

    best: float = math.nan
    since: int = 0

    def after(self, value: float, higher: bool) -> Watch:
        """The next epoch's value taken in; only a strictly better one is a new best."""
        better = value > self.best if higher else value < self.best
        if better or (math.isnan(self.best) and not math.isnan(value)):
            return Watch(value)
        return replace(self, since=self.since + 1)

    def restarted(self) -> Watch:
        """The same best, and the epochs counted anew."""
        return replace(self, since=0)
