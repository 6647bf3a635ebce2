"""The trials of a study in rows: for a terminal, and for the page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from bpcompile.errors import printable
from bpcompile.tuning import folds
from bpcompile.tuning import study as studies
from bpcompile.tuning.objective import Objective

#: Rows of the terminal's table, characters of a cell.
MOST, CELL = 10, 44
_STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


@dataclass(frozen=True)
class Row:
    """A trial: its number, what was measured of it, its state, how many epochs, its
    values."""

    number: int
    measured: tuple[str, ...]
    state: str
    epochs: int
    parameters: tuple[tuple[str, str], ...]
    remark: str = ""


def rows(study: optuna.Study, objective: Objective) -> list[Row]:
    """All trials, the best first; of those that were not completed the last value."""
    found = studies.ranked(study)
    names = short_names(dict.fromkeys(name for trial in found for name in trial.params))
    return [_row(trial, objective, names) for trial in found]


def text(study: optuna.Study, objective: Objective) -> str:
    """The best trials as a table, and how many there are of each state."""
    found = rows(study, objective)
    counts = [sum(row.state == state for row in found) for state in _STATES.values()]
    told = zip(counts, _STATES.values(), strict=True)
    states = ", ".join(f"{count} {state}" for count, state in told if count)
    head = ("trial", *objective.measures, "state", "epochs", "values")
    cells = [head, *(_cells(row) for row in found[:MOST])]
    widths = [max(len(line[i]) for line in cells) for i in range(len(head) - 1)]
    lines = [
        "  ".join([*map(str.ljust, line[:-1], widths), line[-1]]).rstrip()
        for line in cells
    ]
    more = len(found) - MOST
    rest = [f"... and {more} more, on the page"] if more > 0 else []
    trials = "1 trial" if len(found) == 1 else f"{len(found)} trials"
    title = f"{study.study_name}: {trials}, {states}"
    return "\n".join((title, "", *lines, *rest)) + "\n"


def shown(value: Any) -> str:
    """A value of a parameter in a few digits."""
    text = f"{value:.4g}" if isinstance(value, float) else in_words(str(value))
    return printable(text if len(text) <= CELL else f"{text[: CELL - 3]}...")


def in_words(label: str) -> str:
    """A choice as people say it: momentum (mu 0.9) for {"kind": "momentum", "mu": 0.9}."""
    try:
        held = json.loads(label)
    except ValueError:
        return label
    if not isinstance(held, dict) or not isinstance(held.get("kind"), str):
        return label
    rest = [f"{k} {json.dumps(v)}" for k, v in held.items() if k != "kind"]
    return f"{held['kind']} ({', '.join(rest)})" if rest else str(held["kind"])


def short_names(names: Iterable[str]) -> dict[str, str]:
    """The last word of each path, or as many as tell it from others."""
    known = list(names)
    found = {}
    for name in known:
        words = name.split(".")
        ends = (".".join(words[-count:]) for count in range(1, len(words) + 1))
        found[name] = next(
            end
            for end in ends
            if sum(o == end or o.endswith(f".{end}") for o in known) == 1
        )
    return found


def _row(trial: FrozenTrial, objective: Objective, names: Mapping[str, str]) -> Row:
    state = studies.state_of(trial)
    measured = [None if state == TrialState.FAIL else trial.value]
    if objective.folds:
        done = folds.from_attribute(trial.user_attrs.get(studies.FOLDS, ()))
        measured.append(folds.deviation([training.value for training in done]))
    if objective.ties:
        measured.append(trial.user_attrs.get(studies.TIES))
    return Row(
        trial.number,
        tuple("" if value is None else f"{value:.4f}" for value in measured),
        _STATES[state],
        trial.user_attrs.get(studies.EPOCHS, len(trial.intermediate_values)),
        tuple((names[name], shown(value)) for name, value in trial.params.items()),
        printable(str(trial.user_attrs.get(studies.FAILURE, ""))),
    )


def _cells(row: Row) -> tuple[str, ...]:
    values = ", ".join(f"{name} {value}" for name, value in row.parameters)
    epochs = str(row.epochs) if row.epochs else ""
    return str(row.number), *row.measured, row.state, epochs, row.remark or values
