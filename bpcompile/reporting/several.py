"""Several runs as one page: their curves over each other, and what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from bpcompile.compare import said
from bpcompile.compare.align import align
from bpcompile.compare.settings import whole_spec
from bpcompile.reporting import curves
from bpcompile.reporting.chart import said as number
from bpcompile.reporting.curves import MOST_CURVES
from bpcompile.reporting.page import rendered
from bpcompile.reporting.run import ACCURACY, COST, Run, on
from bpcompile.reporting.view import Table, duration, ending, percent, shown, value

MOST_RUNS = MOST_CURVES
MOST_DIFFERENCES = 100
SAME = "="


def page_of_several(runs: Sequence[Run]) -> str:
    """Curves of two to eight runs, their results, and where their specs differ."""
    labels = _labels(runs)
    return rendered(
        "report_several.html.jinja",
        labels=labels,
        runs=runs,
        charts=list(curves.of_runs(runs, labels)),
        results=results(runs, labels),
        differences=differences(runs, labels),
    )


def _labels(runs: Sequence[Run]) -> list[str]:
    """What each is called: by its file, with its number where two have one name."""
    names = [shown(run.label, 40) for run in runs]
    counts = Counter(names)
    return [
        f"{name} ({place})" if counts[name] > 1 else name
        for place, name in enumerate(names, start=1)
    ]


def results(runs: Sequence[Run], labels: Sequence[str]) -> Table:
    """How each went, one column for each run."""
    rows = [("epochs", *(f"{len(run.epochs):,}" for run in runs))]
    for what in (ACCURACY, COST):
        names = dict.fromkeys(filter(None, (run.measured(what) for run in runs)))
        for name in names:
            has = [any(run.points(name)) for run in runs]
            ends = [
                _told(name, r.last(name)) if h else ""
                for r, h in zip(runs, has, strict=True)
            ]
            best = [_best(r, name) if h else "" for r, h in zip(runs, has, strict=True)]
            rows.append((f"{on(name)} {what} at the end", *ends))
            which = "best" if what == ACCURACY else "least"
            rows.append((f"{which} {on(name)} {what}", *best))
    rows.append(("time", *(duration(run.seconds) for run in runs)))
    rows.append(("end", *map(ending, runs)))
    return Table(("", *labels), tuple(rows))


def _best(run: Run, series: str) -> str:
    epoch, found = run.best(series)
    return f"{_told(series, found)}, epoch {epoch:,}"


def _told(series: str, found: float) -> str:
    return percent(found) if series.endswith(ACCURACY) else number(found)


def differences(runs: Sequence[Run], labels: Sequence[str]) -> Table:
    """A row for each place of the spec, and of what it was run with, that differs."""
    rows = [*_of_specs(runs), *_of_starts(runs)]
    left_out = len(rows) - MOST_DIFFERENCES
    note = f"And {left_out:,} more." if left_out > 0 else ""
    return Table(("", *labels), tuple(rows[:MOST_DIFFERENCES]), note)


def _of_specs(runs: Sequence[Run]) -> Iterator[tuple[str, ...]]:
    """Every run beside the first; a place is that in the later spec."""
    first, *others = (run.spec.normalised() for run in runs)
    rows: dict[str, list[str]] = {}
    for column, other in enumerate(others, start=1):
        matches = align(first["layers"], other["layers"])
        for setting in whole_spec(first, other, matches):
            before, after = said.values(setting.before, setting.after)
            row = rows.setdefault(
                said.place(setting), [shown(before, 300), *(SAME for _ in others)]
            )
            row[column] = shown(after, 300)
    yield from ((place, *row) for place, row in rows.items())


def _of_starts(runs: Sequence[Run]) -> Iterator[tuple[str, ...]]:
    """Target, seed, examples and environment, where they are not the same."""
    told: list[dict[str, Any]] = []
    for run in runs:
        start = run.last_start
        held = {"target": start.target, "bpcompile": start.compiler, "seed": start.seed}
        held |= {f"{data} examples": n for data, n in start.examples.items()}
        told.append(held | dict(start.environment))
    for key in dict.fromkeys(key for held in told for key in held):
        cells = [value(held[key]) if key in held else "" for held in told]
        if len(set(cells)) > 1:
            yield shown(key), *cells
