"""Optuna's plots of a study as pictures that stand in a page themselves."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import matplotlib
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState
from optuna.visualization import matplotlib as drawn

from bpcompile.tuning import study as studies
from bpcompile.tuning.objective import Objective
from bpcompile.tuning.table import in_words, short_names

#: Inches, at 72 points each: a picture's, then what a parameter takes in it.
WIDTH, HEIGHT, COLUMN, AXIS = 9.0, 4.0, 2.6, 1.6
#: Draws into Matplotlib's current figure.
Draw: TypeAlias = Callable[[], Any]
#: How many times its least value a series has before its scale is a logarithm.
WIDE = 10
GRID = "#d3dae2"
#: Paths, not texts: the same picture with every font there is, and in every run.
_SVG: Any = {"svg.fonttype": "path", "svg.hashsalt": "bpcompile"}


@dataclass(frozen=True)
class Plot:
    """A picture as the address that holds it; `says` is for those who cannot see it."""

    title: str
    url: str
    says: str


def plots(study: optuna.Study, objective: Objective) -> Iterator[Plot]:
    """History, importances, parallel coordinates, slices and curves, as far as the
    trials give any."""
    named = _short(study)
    complete = [t for t in named.trials if t.state == TrialState.COMPLETE]
    series = objective.series.replace("_", " ")
    if complete:
        says = f"{series} of every trial, and the best so far"
        wide = _is_wide(t.value for t in complete if t.value is not None)
        draw: Draw = partial(drawn.plot_optimization_history, named, target_name=series)
        yield _plot("History", says, draw, logarithmic=wide)
    if len(complete) > 1:
        yield from _of_parameters(named, complete, series)
    told = [v for t in named.trials for v in t.intermediate_values.values()]
    if told:
        step = "fold" if objective.folds else "epoch"
        says = f"{series} after every {step}, of all trials, pruned ones too"
        says += ": the mean over the folds until then" * objective.folds
        draw = partial(_curves, named, series, step)
        yield _plot("Curves", says, draw, logarithmic=_is_wide(told))


def _of_parameters(
    study: optuna.Study, complete: list[FrozenTrial], series: str
) -> Iterator[Plot]:
    """What makes the difference between several trials."""
    known = {name for trial in complete for name in trial.params}
    draw: Draw
    if len({trial.value for trial in complete}) > 1:
        says = f"how much of the difference in {series} each value makes"
        draw = partial(drawn.plot_param_importances, study, target_name=series)
        yield _plot("Importances", says, draw)
    if len(known) > 1:
        says, width = "a line for each trial, through its values", AXIS * len(known)
        draw = partial(drawn.plot_parallel_coordinate, study, target_name=series)
        yield _plot("Parallel coordinates", says, draw, max(WIDTH, width))
    says, width = f"{series} over every value that was tried", COLUMN * len(known)
    draw = partial(drawn.plot_slice, study, target_name=series)
    yield _plot("Slices", says, draw, max(WIDTH, width))


def _short(study: optuna.Study) -> optuna.Study:
    """A copy in memory in which parameters have short names."""
    trials = studies.current(study)
    names = short_names(dict.fromkeys(name for t in trials for name in t.params))
    copy = optuna.create_study(direction=study.direction)
    for trial in trials:
        if not trial.state.is_finished():
            continue
        copy.add_trial(_renamed(trial, names))
    return copy


def _renamed(trial: FrozenTrial, names: dict[str, str]) -> FrozenTrial:
    params, distributions = {}, {}
    for name, held in trial.distributions.items():
        value = trial.params[name]
        if isinstance(held, CategoricalDistribution):
            words = [in_words(str(label)) for label in held.choices]
            # Two choices must stay two.
            if len(set(words)) == len(words):
                value = words[held.choices.index(value)]
                held = CategoricalDistribution(words)
        params[names[name]], distributions[names[name]] = value, held
    return optuna.create_trial(
        state=trial.state,
        value=trial.value,
        params=params,
        distributions=distributions,
        intermediate_values=trial.intermediate_values,
    )


def _curves(study: optuna.Study, series: str, step: str) -> Any:
    """Optuna's would have a legend with an entry for each trial."""
    axes: Any = drawn.plot_intermediate_values(study)
    if axes.get_legend():
        axes.get_legend().remove()
    axes.set_xlabel(step)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_ylabel(series)
    return axes


def _is_wide(values: Iterable[float]) -> bool:
    """Whether values are best told apart on a logarithmic scale."""
    found = list(values)
    return min(found) > 0 and max(found) > WIDE * min(found)


def _plot(
    title: str,
    says: str,
    draw: Draw,
    width: float = WIDTH,
    logarithmic: bool = False,
) -> Plot:
    matplotlib.use("Agg")
    from matplotlib import pyplot

    with warnings.catch_warnings(), matplotlib.rc_context():
        warnings.simplefilter("ignore")
        draw()
        # Optuna sets a style of its own for each of its plots.
        figure = pyplot.gcf()
        for axes in figure.axes:
            _plain(axes)
            if logarithmic:
                axes.set_yscale("log")
        figure.set_size_inches(width, HEIGHT)
        figure.set_facecolor("white")
        with matplotlib.rc_context(_SVG):
            figure.tight_layout()
            held = io.BytesIO()
            # Without its date the same study is the same page.
            figure.savefig(held, format="svg", metadata={"Date": None})
        pyplot.close("all")
    text = base64.b64encode(held.getvalue()).decode("ascii")
    return Plot(title, f"data:image/svg+xml;base64,{text}", says)


def _plain(axes: Any) -> None:
    """On white, without a title: the page has it above the picture."""
    for side in ("left", "center", "right"):
        axes.set_title("", loc=side)
    axes.set_facecolor("white")
    axes.grid(True, color=GRID)
    axes.set_axisbelow(True)
