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
DEVIATION = "deviation"


@dataclass(frozen=True)
class Objective:
    """The series of a trainer's log; `falls`: less of it is better.

    ties    the series that decides between equals, less of it is better; "": none does
    folds   whether what counts is the mean over several trainings
    given   whether validation data are given, which a trainer's log calls test data
    """

    series: str
    ties: str = ""
    folds: bool = False
    given: bool = False

    @property
    def falls(self) -> bool:
        return self.series == COST

    def logged(self, series: str) -> str:
        """What a trainer's log calls a series."""
        return series.replace("validation", "test", 1) if self.given else series

    @property
    def measures(self) -> tuple[str, ...]:
        """What a table has a column for."""
        deviation = (DEVIATION,) if self.folds else ()
        return (self.series, *deviation, *((self.ties,) if self.ties else ()))

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """As Optuna calls it."""
        return "minimize" if self.falls else "maximize"


def objective(spec: NetworkSpec, metric: str | None, paths: Iterable[str]) -> Objective:
    """The series asked for, else what early stopping follows, else what tells most.

    `paths` are those that are searched: where they change the cost, the costs of two
    trials are of different kinds. Raises UserError where the spec has no such series, or
    where it would compare such costs.
    """
    classifies = spec.resolved_task == "classification"
    known = (ACCURACY, COST) if classifies else (COST,)
    watch = early_stopping(spec)
    # Without a split of its own a spec watches what it calls test data.
    followed = watch.series.replace("test", "validation", 1) if watch else known[0]
    series = metric or followed
    refuse_unknown("metric", series, known)
    of_one_kind = not any(map(_changes_cost, paths))
    if series == COST and not of_one_kind:
        others = f": --metric {ACCURACY}" if classifies else ""
        raise UserError(f"the space changes the cost, which {COST} measures{others}")
    return Objective(series, COST if series != COST and of_one_kind else "")


def _changes_cost(path: str) -> bool:
    """Whether another value there is another cost: its kind, parameter or formula."""
    first, _, rest = path.partition(".")
    own = first == "operators" and not rest.startswith("activations")
    return own or first == "cost"
