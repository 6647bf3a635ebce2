"""Which charts a run has, and which several runs have together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from bpcompile.errors import printable
from bpcompile.reporting.chart import Chart, Curve, Mark, Points
from bpcompile.reporting.run import (
    ACCURACY,
    COST,
    DATA,
    DEAD,
    GRADIENT_NORMS,
    RATE,
    SAMPLED,
    SATURATED,
    UPDATE_RATIOS,
    Epoch,
    Run,
)

#: Curves of a chart; as many styles are told apart.
MOST_CURVES = 8
#: From so many layers with weights on, a chart has them along its axis.
MANY_LAYERS = 5
TOTAL = f"total_{COST}"
WITH_PENALTY = "with the penalty"
#: What is drawn for each layer: its title, and whether it is a share.
_LAYERS = {
    GRADIENT_NORMS: ("Norm of the gradient, ∂C/∂b", False),
    UPDATE_RATIOS: ("Size of a step beside that of the weights", False),
    SATURATED: ("Saturated units", True),
    DEAD: ("Dead units", True),
}


def of_run(run: Run) -> Iterator[Chart]:
    """Cost, accuracy and, where it changes, the learning rate."""
    marks, note = _marks(run), _of_a_sample(run)
    costs = (*_measured(run, COST), *_measured(run, TOTAL))
    if costs:
        yield Chart("Cost", _styled(costs), marks=marks, note=note)
    if curves := _styled(_measured(run, ACCURACY)):
        yield Chart("Accuracy", curves, percent=True, marks=marks, note=note)
    rates = [*run.points(RATE)]
    if len({rate for _, rate in rates}) > 1:
        yield Chart("Learning rate", (Curve("learning rate", rates),), marks=marks)


def of_layers(run: Run) -> Iterator[Chart]:
    """What is logged for each layer, as far as there is something to see."""
    marks = _marks(run)
    for series, (title, is_share) in _LAYERS.items():
        counts = _counts(run, series)
        if not counts or (is_share and not _any_above_zero(run, series)):
            continue
        shown = _spread(counts)
        curves = [Curve(f"layer {i + 2}", _of_layer(run, series, i)) for i in shown]
        curves = [curve for curve in curves if curve.known]
        note = f"{len(shown)} of {counts} layers." if len(shown) < counts else ""
        yield Chart(title, _styled(curves), "epoch", is_share, is_share, marks, note)
        if counts >= MANY_LAYERS:
            yield from _by_layer(run, series)


def nothing_seen(run: Run) -> Iterator[str]:
    """Shares that are logged and zero throughout: said, not drawn."""
    for series in (SATURATED, DEAD):
        if _counts(run, series) and not _any_above_zero(run, series):
            title = _LAYERS[series][0]
            yield f"{title}: none, in no layer and no epoch."


def of_runs(runs: Sequence[Run], labels: Sequence[str]) -> Iterator[Chart]:
    """The same series of several runs over each other, one style for each run."""
    titles = {
        **{
            f"{before}{COST}": f"Cost on {words} data" for before, words in DATA.items()
        },
        **{
            f"{before}{ACCURACY}": f"Accuracy on {words} data"
            for before, words in DATA.items()
        },
        RATE: "Learning rate",
        "seconds": "Seconds for each epoch",
    }
    for series, title in titles.items():
        curves = tuple(
            Curve(label, found, style)
            for style, (run, label) in enumerate(zip(runs, labels, strict=True))
            if (found := _series(run, series)) and any(run.points(series))
        )
        same = len({y for curve in curves for _, y in curve.points}) == 1
        if curves and not (series == RATE and same):
            yield Chart(title, curves, percent=series.endswith(ACCURACY))


# ---- Series ------------------------------------------------------------------------


def _series(run: Run, name: str) -> Points:
    """Every epoch, NaN where it has no such number."""
    return [(e.number, e.values.get(name, math.nan)) for e in run.epochs]


def _measured(run: Run, what: str) -> tuple[Curve, ...]:
    """A cost or accuracy on everything that it is measured on, training first."""
    names = {f"{before}{what}": words for before, words in reversed(DATA.items())}
    rest = f" {WITH_PENALTY}" if what == TOTAL else ""
    return tuple(
        Curve(words + rest, _series(run, name))
        for name, words in names.items()
        if any(run.points(name))
    )


def _styled(curves: Sequence[Curve]) -> tuple[Curve, ...]:
    return tuple(Curve(c.label, c.points, style) for style, c in enumerate(curves))


def _of_a_sample(run: Run) -> str:
    """That the training curves are not of all training examples, where so."""
    sampled = [int(count) for _, count in run.points(SAMPLED)]
    if not sampled or sampled[-1] >= run.last_start.examples.get("train", 0):
        return ""
    return f"Training: measured on {sampled[-1]:,} of the examples."


def _marks(run: Run) -> tuple[Mark, ...]:
    resumed = [Mark(epoch, f"resumed after epoch {epoch}") for epoch in run.resumed]
    warned = [Mark(w.epoch, f"warning: {printable(w.kind)}") for w in run.warnings]
    return (*resumed, *warned)


# ---- Layers ------------------------------------------------------------------------


def _counts(run: Run, series: str) -> int:
    """How many layers the series tells of."""
    return max((len(epoch.layers.get(series, ())) for epoch in run.epochs), default=0)


def _of_layer(run: Run, series: str, index: int) -> Points:
    return [(epoch.number, _at(epoch, series, index)) for epoch in run.epochs]


def _at(epoch: Epoch, series: str, index: int) -> float:
    values = epoch.layers.get(series, ())
    return values[index] if index < len(values) else math.nan


def _any_above_zero(run: Run, series: str) -> bool:
    return any(v > 0 for epoch in run.epochs for v in epoch.layers.get(series, ()))


def _spread(count: int) -> list[int]:
    """As many places as there are styles, first and last among them."""
    if count <= MOST_CURVES:
        return list(range(count))
    steps = MOST_CURVES - 1
    return [i * (count - 1) // steps for i in range(MOST_CURVES)]


def _by_layer(run: Run, series: str) -> Iterator[Chart]:
    """A few epochs along the layers: where gradients vanish or explode."""
    title, is_share = _LAYERS[series]
    epochs = [epoch for epoch in run.epochs if series in epoch.layers]
    places = dict.fromkeys((0, len(epochs) // 2, len(epochs) - 1))
    curves = []
    for place in places:
        epoch = epochs[place]
        values = enumerate(epoch.layers[series], start=2)
        curves.append(Curve(f"epoch {epoch.number:,}", [*values]))
    curves = [curve for curve in curves if curve.known]
    if curves:
        name = f"{title}: layer by layer"
        yield Chart(name, _styled(curves), "layer", is_share, is_share)
