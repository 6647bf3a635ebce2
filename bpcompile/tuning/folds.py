"""What is held out to compare trials by: a share of the data, or each fold in its turn.

Source of the second: Stone, "Cross-validatory choice and assessment of statistical
predictions", J. Royal Statistical Society B 36 (1974).
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bpcompile.errors import UserError
from bpcompile.spec import NetworkSpec
from bpcompile.tuning.objective import Objective
from bpcompile.tuning.space import Space

FRACTION = 0.2
_SECTION = "hyperparameters"
SHARE, FOLD = f"{_SECTION}.validation_fraction", f"{_SECTION}.validation_fold"
#: Of a trial's folder, where it has folds.
SUMMARY = "result.json"


@dataclass(frozen=True)
class Split:
    """How validation data are held out.

    given   the assignments that all trainings have in common
    folds   how many trainings a trial is, each without another fold; 0: it is one
    """

    given: tuple[str, ...]
    folds: int = 0

    def assignments(self, number: int = 1) -> tuple[str, ...]:
        """What makes a spec that of a trial's training; they are counted from 1."""
        if not self.folds:
            return self.given
        fold = json.dumps({"number": number, "of": self.folds})
        return (*self.given, f"{FOLD}={fold}")

    def folder(self, trial: Path, number: int) -> Path:
        """Where that training has its module and all that it writes."""
        return trial / f"fold-{number}" if self.folds else trial


def split_of(
    spec: NetworkSpec,
    space: Space,
    share: float | None = None,
    folds: int | None = None,
    given: str | None = None,
) -> Split:
    """What the command line says, else what the spec does, else a share.

    given: the file that has the validation data. Raises UserError where one of them
    contradicts another, or what is searched.
    """
    options = {"--validation-fraction": share, "--folds": folds, "--validation": given}
    asked = [option for option, value in options.items() if value is not None]
    if len(asked) > 1:
        raise UserError(f"give {asked[0]} or {asked[1]}, not both")
    searched = [p for p in space.set if p == SHARE or p.startswith(FOLD)]
    if searched and asked:
        raise UserError(f"{asked[0]} does not go with {searched[0]} in the space")
    hyper = spec.hyperparameters
    own = (SHARE, hyper.validation_fraction is not None)
    other = (FOLD, hyper.validation_fold is not None)
    if share is None and asked:
        return Split(_without(own, other), folds or 0)
    if not asked and (searched or hyper.validates):
        return Split(())
    return Split((*_without(other), f"{SHARE}={FRACTION if share is None else share}"))


def _without(*keys: tuple[str, bool]) -> tuple[str, ...]:
    """The assignments that take keys out of a spec that has them."""
    return tuple(f"{path}=null" for path, is_there in keys if is_there)


@dataclass(frozen=True)
class Training:
    """What one training has come to, or the mean of several.

    value    of the objective's series, in the epoch whose weights are saved
    ties     of the series that decides between equals, if there is one
    epochs   trained, of several all together
    """

    value: float
    ties: float | None
    epochs: int


def training(result: Mapping[str, Any], objective: Objective) -> Training | None:
    """That of a trainer's --result; None where it has no value."""
    saved, last = result.get("saved") or {}, result.get("last") or {}
    series = objective.series, objective.ties
    value, ties = (saved.get(objective.logged(name)) for name in series)
    if value is None:
        return None
    return Training(value, ties, last.get("epoch", 0))


def mean(trainings: Sequence[Training]) -> Training:
    """Of one or more."""
    ties = [t.ties for t in trainings if t.ties is not None]
    return Training(
        statistics.fmean(t.value for t in trainings),
        statistics.fmean(ties) if len(ties) == len(trainings) else None,
        sum(t.epochs for t in trainings),
    )


def deviation(values: Sequence[float]) -> float | None:
    """The standard deviation of a sample; None of less than two values."""
    return statistics.stdev(values) if len(values) > 1 else None


def summary(trainings: Sequence[Training], objective: Objective) -> bytes:
    """The mean over all folds and how far they are apart, as JSON."""
    series = {objective.series: [t.value for t in trainings]}
    ties = [t.ties for t in trainings if t.ties is not None]
    if len(ties) == len(trainings):
        series[objective.ties] = ties
    fields = {
        "folds": len(trainings),
        "mean": {name: statistics.fmean(held) for name, held in series.items()},
        "deviation": {name: deviation(held) for name, held in series.items()},
        "values": series,
    }
    return (json.dumps(fields, indent=2) + "\n").encode()


def as_attribute(trainings: Sequence[Training]) -> list[dict[str, Any]]:
    """Trainings as a storage keeps them."""
    return [asdict(t) for t in trainings]


def from_attribute(kept: Sequence[Mapping[str, Any]]) -> list[Training]:
    """The same again."""
    return [Training(**held) for held in kept]
