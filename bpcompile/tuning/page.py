"""The trials of a study as one HTML page that loads nothing."""

from __future__ import annotations

import optuna
from optuna.trial import FrozenTrial, TrialState

from bpcompile.reporting.page import rendered
from bpcompile.reporting.view import Table, Tile, duration, shown
from bpcompile.tuning import folds, table
from bpcompile.tuning import study as studies
from bpcompile.tuning.objective import Objective
from bpcompile.tuning.outcome import Found
from bpcompile.tuning.plots import plots

MOST_ROWS = 1_000


def page(found: Found, best: FrozenTrial | None) -> str:
    """The page: the best spec, Optuna's plots, every trial."""
    rows = table.rows(found.study, found.objective)
    series = found.objective.series.replace("_", " ")
    return rendered(
        "trials.html.jinja",
        name=found.study.study_name,
        series=series,
        verdict=_verdict(best, series, _apart(best)),
        tiles=list(_tiles(found, best)),
        best=None if best is None else found.text(best),
        command=None if best is None else found.command(best),
        judge=_judge(found.objective),
        plots=list(plots(found.study, found.objective)),
        trials=_table(rows, found.objective),
        facts=_facts(found),
    )


def _verdict(best: FrozenTrial | None, series: str, apart: str) -> str:
    if best is None:
        return "No trial has come to its end."
    return f"Trial {best.number} is the best: {series} {best.value:.4f}{apart}."


def _judge(objective: Objective) -> str:
    if objective.given:
        return "data that were given for it"
    return "data held out of the training data"


def _apart(best: FrozenTrial | None) -> str:
    """How far the folds of a trial are apart, where it has some."""
    done = folds.from_attribute(best.user_attrs.get(studies.FOLDS, ())) if best else ()
    deviation = folds.deviation([training.value for training in done])
    return "" if deviation is None else f" ± {deviation:.4f} over {len(done)} folds"


def _tiles(found: Found, best: FrozenTrial | None) -> list[Tile]:
    trials, series = studies.current(found.study), found.objective.series
    series, tiles = series.replace("_", " "), []
    if best is not None:
        tiles.append(Tile(f"{best.value:.4f}", f"{series}, the best"))
    for state, word in (
        (TrialState.COMPLETE, "complete"),
        (TrialState.PRUNED, "pruned"),
        (TrialState.FAIL, "failed"),
    ):
        count = sum(studies.state_of(trial) == state for trial in trials)
        tiles.append(Tile(f"{count}", f"trials {word}"))
    seconds = sum(t.duration.total_seconds() for t in trials if t.duration is not None)
    tiles.append(Tile(duration(seconds), "of all trials together"))
    return tiles


def _table(rows: list[table.Row], objective: Objective) -> Table:
    names = list(dict.fromkeys(name for row in rows for name, _ in row.parameters))
    cells = []
    for row in rows[:MOST_ROWS]:
        held = dict(row.parameters)
        state = f"{row.state}: {row.remark}" if row.remark else row.state
        values = (held.get(name, "") for name in names)
        measured = (str(row.number), *row.measured)
        cells.append((*measured, state, str(row.epochs), *values))
    more = len(rows) - MOST_ROWS
    note = f"{more:,} more are left out." if more > 0 else ""
    measures = (name.replace("_", " ") for name in objective.measures)
    head = ("trial", *measures, "state", "epochs trained", *names)
    return Table(head, tuple(cells), note)


def _facts(found: Found) -> list[tuple[str, str]]:
    settings = found.study.user_attrs.get(studies.SETTINGS, {})
    count = settings.get("number of folds")
    share = settings.get("validation fraction") or "as the spec says"
    share = "data of its own" if found.objective.given else share
    facts = {
        "Spec": found.spec,
        "Target": settings.get("target", ""),
        "Validation": f"each of {count} folds in its turn" if count else share,
        "Optuna": optuna.__version__,
    }
    return [(name, shown(str(value), 200)) for name, value in facts.items()]
