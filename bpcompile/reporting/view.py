"""What the page of one run says in words and tables, ready for its template."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bpcompile.errors import printable
from bpcompile.operators.entry import label_values
from bpcompile.reporting.chart import said
from bpcompile.reporting.run import ACCURACY, COST, DATA, Evaluation, Run, on
from bpcompile.spec import canonical_json
from bpcompile.summary import Summary, size_text

#: What is not shown beyond it, so that a page stays one that a browser likes.
MOST_WARNINGS = 40
MOST_ROWS = 40
MOST_SPEC_LINES = 160
MOST_WORDS = 60
MOST_FACTS = 40
MOST_MISTAKES = 10
MOST_NUMBERS = 4
LARGEST = 1e300
_FIRST_LAYERS, _LAST_LAYERS = 10, 5

_ENDS = {
    "finished": "Finished after epoch {}",
    "stopped": "Stopped early, after epoch {}",
    "interrupted": "Interrupted after epoch {}",
    "diverged": "Diverged after epoch {}",
}
_MINUTE, _HOUR = 60, 3600


@dataclass(frozen=True)
class Tile:
    """A number that a reader looks for first."""

    value: str
    name: str


def shown(text: str, most: int = MOST_WORDS) -> str:
    """A text from the log, without what moves cursors, cut where it is long."""
    return printable(text[:most]) + ("…" if len(text) > most else "")


def value(found: Any) -> str:
    """A value from the log's environment, or from a spec, as text."""
    return shown(found if isinstance(found, str) else canonical_json(found), 200)


def classes(run: Run, count: int) -> list[str]:
    """The names of so many classes; where they have none, their labels."""
    if len(run.classes) == count:
        return [shown(name, 20) for name in run.classes]
    if run.spec.layers[-1].size == 1 and count == 2:
        labels = label_values(run.spec.cost_entry, run.spec.output_activation)
        return [f"{label:g}" for label in labels]
    return [str(i) for i in range(count)]


# ---- The head ----------------------------------------------------------------------


def ending(run: Run) -> str:
    """How it ended, in a sentence or two."""
    last = run.epochs[-1].number if run.epochs else run.last_start.epoch
    if run.evaluations and not run.epochs:
        return f"Evaluated after {_counted(last, 'epoch')} of training."
    if run.end is None:
        reason = "still running, or it was killed" if run.epochs else "nothing yet"
        return f"The log ends with epoch {last:,} and does not say why: {reason}."
    message = shown(run.end.message, 300)
    told = _ENDS.get(run.end.reason, "Ended after epoch {}").format(f"{last:,}")
    # What a trainer says of an accident begins with what it was.
    if message.startswith(run.end.reason):
        return f"{message[:1].upper()}{message[1:]}."
    return f"{told}: {message}." if message else f"{told}."


def is_bad(run: Run) -> bool:
    """Whether how it ended is something to look at."""
    if run.end is None:
        return bool(run.epochs)
    return run.end.reason in ("diverged", "interrupted")


def remarks(run: Run) -> Iterator[str]:
    """What to know about the log itself."""
    if run.cut:
        yield "The last line of the log is cut off; it is left out."
    for epoch in run.resumed:
        yield f"Resumed after epoch {epoch:,}."
    digests = {start.spec_digest for start in run.starts}
    if len(digests) > 1:
        yield "It was resumed with another spec; this page shows the first one."
    if not run.epochs:
        yield "The log has no epoch, so there are no curves."


def tiles(run: Run, summary: Summary) -> Iterator[Tile]:
    """Accuracy, cost, time and sizes, as far as they are known."""
    if accuracy := run.measured(ACCURACY):
        epoch, most = run.best(accuracy)
        name = f"{on(accuracy)} accuracy"
        yield Tile(percent(run.last(accuracy)), f"{name} at the end")
        yield Tile(percent(most), f"best {name}, epoch {epoch:,}")
    if cost := run.measured(COST):
        yield Tile(said(run.last(cost)), f"{on(cost)} cost at the end")
        if not accuracy:
            epoch, least = run.best(cost)
            yield Tile(said(least), f"least {on(cost)} cost, epoch {epoch:,}")
    if seconds := run.seconds:
        yield Tile(duration(seconds), f"for {_counted(len(run.epochs), 'epoch')}")
    if found := [rate for _, rate in run.points("examples_per_second")]:
        yield Tile(f"{sorted(found)[len(found) // 2]:,.0f}", "examples per second")
    if examples := run.last_start.examples.get("train"):
        yield Tile(f"{examples:,}", "training examples")
    yield Tile(f"{summary.parameters:,}", "parameters")


def percent(share: float) -> str:
    return f"{100 * share:.2f} %" if math.isfinite(share) else "not finite"


def duration(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    if seconds < _HOUR:
        return f"{minutes} min {rest} s"
    return f"{minutes // _MINUTE:,} h {minutes % _MINUTE} min"


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


# ---- Tables ------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """Cells of text; `note` says what is left out."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def epochs(run: Run) -> Table:
    """Every epoch, of many some that lie evenly, first, best and last among them."""
    names = run.series
    chosen = set(_evenly(len(run.epochs), MOST_ROWS))
    best = {run.best(s)[0] for s in (run.measured(ACCURACY), run.measured(COST)) if s}
    rows = [
        (f"{e.number:,}", *(_cell(name, e.values.get(name)) for name in names))
        for place, e in enumerate(run.epochs)
        if place in chosen or e.number in best
    ]
    left_out = len(run.epochs) - len(rows)
    note = f"{left_out:,} other epochs are not listed." if left_out else ""
    head = map(_words, names[:MOST_ROWS])
    return Table(("epoch", *head), tuple(row[: MOST_ROWS + 1] for row in rows), note)


def _words(name: str) -> str:
    """The name of a series as people say it."""
    return "R2" if name == "r2" else shown(name.replace("_", " "))


def _cell(series: str, found: float | None) -> str:
    if found is None or math.isnan(found):
        return ""
    return percent(found) if series.endswith(ACCURACY) else said(found)


def _evenly(count: int, most: int) -> Iterable[int]:
    if count <= most:
        return range(count)
    return (i * (count - 1) // (most - 1) for i in range(most))


def network(summary: Summary) -> list[tuple[str, ...]]:
    """The rows of the summary; of many layers the middle is left out."""
    rows = [*summary.rows]
    more = len(rows) - _FIRST_LAYERS - _LAST_LAYERS - 1
    if more > 1:
        folded = (f"… {more:,} more", *("",) * (len(rows[0]) - 1))
        rows[_FIRST_LAYERS : _FIRST_LAYERS + more] = [folded]
    return rows


def memory(summary: Summary) -> str:
    parts = (f"{size_text(size)} for {what}" for what, size in summary.memory.items())
    return f"In memory: {', '.join(parts)}."


def facts(run: Run) -> Iterator[tuple[str, str]]:
    """With what it was made, and on what."""
    start = run.last_start
    yield "bpcompile", shown(start.compiler)
    yield "target", shown(start.target)
    yield "seed", str(start.seed)
    yield "spec, SHA-256", shown(start.spec_digest, 64)
    for data, count in [*start.examples.items()][:MOST_FACTS]:
        yield f"{shown(data)} examples", f"{count:,}"
    found = [*start.environment.items()]
    yield from ((shown(key), value(held)) for key, held in found[:MOST_FACTS])


def spec_text(run: Run) -> str:
    """The spec with all that its defaults say."""
    text = json.dumps(run.spec.normalised(), indent=2, ensure_ascii=False)
    lines = [shown(line, 2000) for line in text.split("\n")]
    if len(lines) > MOST_SPEC_LINES:
        left_out = len(lines) - MOST_SPEC_LINES
        half = MOST_SPEC_LINES // 2
        lines[half:-half] = [f"  … {left_out:,} more lines"]
    return "\n".join(lines)


def description(run: Run) -> str:
    return shown(run.spec.description or "", 1000)


# ---- What the network takes for what -----------------------------------------------


def evaluated(found: Evaluation) -> str:
    """What was measured, in a sentence; of several outputs the first few."""
    parts = [
        f"{_words(name)} {_cell(name, number)}"
        for name, number in found.values.items()
        if not math.isnan(number)
    ]
    parts += [f"{_words(name)} {_listed(held)}" for name, held in found.outputs.items()]
    known = found.data in DATA.values()
    data = f"{found.data} data" if known else "the data given to evaluate"
    return f"On {data}: {', '.join(parts)}."


def mistakes(run: Run, found: Evaluation) -> Table:
    """Row, what was wanted, what was found, and the cost where that is known."""
    names = classes(run, len(found.confusion))
    worst = found.worst[:MOST_MISTAKES]
    rows = [
        (f"{one.row:,}", _label(one.wanted, names), _label(one.found, names))
        for one in worst
    ]
    if all(math.isnan(one.cost) for one in worst):
        return Table(("row", "wanted", "found"), tuple(rows))
    costs = (_cell(COST, one.cost) for one in worst)
    with_costs = ((*row, cost) for row, cost in zip(rows, costs, strict=True))
    return Table(("row", "wanted", "found", COST), tuple(with_costs))


def _label(found: Any, names: list[str]) -> str:
    """A class by its name; values as numbers."""
    if isinstance(found, int) and 0 <= found < len(names):
        return names[found]
    values = found if isinstance(found, list) else [found]
    # JSON has integers that no float is as large as.
    if not all(isinstance(v, int | float) and abs(v) < LARGEST for v in values):
        return value(found)
    return _listed(values)


def _listed(values: Sequence[float]) -> str:
    """The first few numbers."""
    more = ", …" if len(values) > MOST_NUMBERS else ""
    return ", ".join(said(float(v)) for v in values[:MOST_NUMBERS]) + more
