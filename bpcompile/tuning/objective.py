"""What trials are compared by: a series of the validation data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bpcompile.documents import refuse_unknown
from bpcompile.errors import UserError
from bpcompile.lower_training import early_stopping
from bpcompile.spec import NetworkSpec

ACCURACY, COST = "validation_accuracy", "validation_cost"


@dataclass(frozen=True)
class Objective:
    """The series of a trainer's log; `falls`: less of it is better."""

    series: str

    @property
    def falls(self) -> bool:
        return self.series == COST

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """As Optuna calls it."""
        return "minimize" if self.falls else "maximize"


def objective(spec: NetworkSpec, metric: str | None, paths: Iterable[str]) -> Objective:
    """The series asked for, else what early stopping follows, else what tells most.

    `paths` are those that are searched. Raises UserError where the spec has no such
    series, or where it would compare costs of different kinds.
    """
    classifies = spec.resolved_task == "classification"
    known = (ACCURACY, COST) if classifies else (COST,)
    watch = early_stopping(spec)
    series = metric or (watch.series if watch else known[0])
    refuse_unknown("metric", series, known)
    if series == COST and any(path.partition(".")[0] == "cost" for path in paths):
        others = f": --metric {ACCURACY}" if classifies else ""
        raise UserError(f"the space changes the cost, which {COST} measures{others}")
    return Objective(series)
