"""Training in the reference: mini-batch after mini-batch, epoch after epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bpcompile.operators import SCHEDULES
from bpcompile.reference.backward import backprop
from bpcompile.reference.dropout import dropout_factors
from bpcompile.reference.forward import (
    Labels,
    Parameters,
    Rows,
    Scaling,
    examples,
    fit_scaling,
    scaled,
)
from bpcompile.reference.initial import initial_parameters
from bpcompile.reference.measures import accuracy, class_weights, cost, split_classes
from bpcompile.reference.optimise import Memory, update
from bpcompile.reference.randomness import epoch_order, fold, held_out
from bpcompile.reference.schedule import (
    HALVINGS,
    Watch,
    learning_rate,
    watched_series,
)

if TYPE_CHECKING:
    from bpcompile.spec import NetworkSpec

__all__ = ["State", "Training", "train", "update_mini_batch"]


@dataclass(frozen=True)
class State:
    """Where training stands: all that its next step depends on.

    epoch: epochs done; step: mini-batches done in this one; memory: the optimizer's;
    halvings and plateau: of a schedule that halves the rate.
    """

    parameters: Parameters
    memory: Memory = field(default_factory=Memory)
    epoch: int = 0
    step: int = 0
    halvings: int = 0
    plateau: Watch = field(default_factory=Watch)


@dataclass(frozen=True)
class Training:
    """What `train` returns, its series with one value for each epoch that was run.

    state: at the end, or that of the best epoch where early stopping restores it;
    costs: mean C_x over the training set; rates: the learning rate at the first step;
    validation: cost and accuracy on the validation set, as far as something watches
    them; scaling: (shift, divisor) of the inputs; stopped: what ended training before
    its last epoch, the name of a hyperparameter.
    """

    state: State
    costs: tuple[float, ...]
    rates: tuple[float, ...]
    validation: tuple[dict[str, float], ...]
    scaling: Scaling
    stopped: str = ""

    @property
    def parameters(self) -> dict[str, Any]:
        return dict(self.state.parameters)

    @property
    def epoch(self) -> int:
        return self.state.epoch


def update_mini_batch(
    spec: NetworkSpec,
    state: State,
    x: Rows,
    y: Labels,
    n: int,
    seed: int | None = None,
    scaling: Scaling | None = None,
    sample_weight: Sequence[float] | None = None,
) -> State:
    """One step of training on the m examples x (m, N1), out of a training set of n.

    With dropout, class weights, clipping, penalties and the learning rate that the
    state's epoch and step ask for. Raises ValueError as `backprop` does.
    """
    seed = spec.hyperparameters.seed if seed is None else seed
    weights = class_weights(spec, y)
    if sample_weight is not None:
        weights = [w * s for w, s in zip(weights, sample_weight, strict=True)]
    factors = dropout_factors(spec, len(x), seed, state.epoch, state.step)
    gradient = backprop(spec, state.parameters, x, y, scaling, weights, factors)
    eta = learning_rate(spec, n, state.epoch, state.step, state.halvings)
    parameters, memory = update(spec, state.parameters, gradient, n, state.memory, eta)
    return replace(state, parameters=parameters, memory=memory, step=state.step + 1)


@dataclass(frozen=True)
class _Set:
    """Scaled inputs, desired outputs and weights of some examples."""

    x: list[list[float]] = field(default_factory=list)
    y: list[list[float]] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)


def train(
    spec: NetworkSpec,
    x: Rows,
    y: Labels,
    epochs: int,
    seed: int | None = None,
    start: State | None = None,
    sample_weight: Sequence[float] | None = None,
    on_step: Callable[[int, int, dict[str, Any]], None] | None = None,
    scaling: Scaling | None = None,
    test: tuple[Rows, Labels] | None = None,
    make_step: Callable[..., State] = update_mini_batch,
) -> Training:
    """Train by mini-batches in the order of each epoch, from `start` on.

    x (n, N1) raw inputs, y as `targets` takes it. seed: None is the spec's;
    start: None draws initial parameters; scaling: None fits it on what is trained on.
    on_step(epoch, step, parameters) is called after each update, both numbers from 0.
    test: x and y of the validation set, unless the spec splits one off. make_step: what
    is called in the place of `update_mini_batch`, with its arguments. Raises
    ValueError as `backprop` does and where a validation set is missing, and
    OverflowError where a diverging run leaves the range of a definition.
    """
    seed = spec.hyperparameters.seed if seed is None else seed
    data, held, scaling = _sets(spec, x, y, seed, sample_weight, scaling, test)
    watched = _watched(spec)
    if watched and not held.x:
        raise ValueError("expected a validation set: test, or a validation_fraction")
    state = State(initial_parameters(spec, seed)) if start is None else start
    best = _Best(state)
    costs, rates, validation = [], [], []
    stopped = ""
    for _ in range(epochs if state.halvings < HALVINGS else 0):
        rates.append(learning_rate(spec, len(data.x), state.epoch, 0, state.halvings))
        state = _epoch(spec, state, data, seed, on_step, make_step)
        costs.append(cost(spec, state.parameters, data.x, data.y))
        validation.append(_validated(spec, state, held, watched))
        state = _after_plateau(spec, state, validation[-1])
        best = _best_after(spec, best, state, validation[-1])
        if stopped := _stopped(spec, best, state):
            break
    series = tuple(costs), tuple(rates), tuple(validation)
    return Training(best.state, *series, scaling, stopped)


def _sets(
    spec: NetworkSpec,
    x: Rows,
    y: Labels,
    seed: int,
    sample_weight: Sequence[float] | None,
    scaling: Scaling | None,
    test: tuple[Rows, Labels] | None,
) -> tuple[_Set, _Set, Scaling]:
    """What is trained on, what validates, and the scaling of both."""
    pairs = examples(spec, x, y)
    n = len(pairs)
    if sample_weight is not None and len(sample_weight) != n:
        raise ValueError(f"expected {n} weights, got {len(sample_weight)}")
    validates = spec.hyperparameters.validates
    classes = split_classes(spec, y) if validates else None
    out = validation_rows(spec, n, seed, classes)
    rest = sorted(set(range(n)) - set(out))
    scaling = fit_scaling(spec, [x[i] for i in rest]) if scaling is None else scaling
    given = [1.0] * n if sample_weight is None else sample_weight
    data, held = (
        _Set(
            [scaled(pairs[i][0], scaling) for i in part],
            [pairs[i][1] for i in part],
            [float(given[i]) for i in part],
        )
        for part in (rest, out)
    )
    if not validates and test is not None:
        pairs = examples(spec, *test)
        held = _Set([scaled(row, scaling) for row, _ in pairs], [y for _, y in pairs])
    return data, held, scaling


def validation_rows(
    spec: NetworkSpec, n: int, seed: int, classes: Sequence[int] | None = None
) -> list[int]:
    """Which of n training examples a spec holds out, in the order they have.

    classes: as `split_classes` has them. Raises ValueError as `fold` does.
    """
    hyper = spec.hyperparameters
    if hyper.validation_fold:
        number, of = hyper.validation_fold.number, hyper.validation_fold.of
        return fold(n, number, of, seed, classes)
    if hyper.validation_fraction is None:
        return []
    return held_out(n, hyper.validation_fraction, seed, classes)


def _epoch(
    spec: NetworkSpec,
    state: State,
    data: _Set,
    seed: int,
    on_step: Callable[[int, int, dict[str, Any]], None] | None,
    make_step: Callable[..., State],
) -> State:
    """All mini-batches of an epoch, the last one perhaps a short one.

    Of several whose gradients are added up, one large one.
    """
    n, m = len(data.x), spec.hyperparameters.examples_per_update
    order = epoch_order(n, seed, state.epoch)
    state = replace(state, step=0)
    for first in range(0, n, m):
        batch = order[first : first + m]
        state = make_step(
            spec,
            state,
            [data.x[i] for i in batch],
            [data.y[i] for i in batch],
            n,
            seed,
            sample_weight=[data.weights[i] for i in batch],
        )
        if on_step is not None:
            on_step(state.epoch, state.step - 1, dict(state.parameters))
    return replace(state, epoch=state.epoch + 1, step=0)


# ---- Validation --------------------------------------------------------------------


def _watched(spec: NetworkSpec) -> set[str]:
    """Which series of the validation set decide on anything."""
    hyper = spec.hyperparameters
    monitors = [hyper.early_stopping.monitor] if hyper.early_stopping else []
    if SCHEDULES[hyper.schedule.kind].halves:
        monitors.append(hyper.schedule.parameters["monitor"])
    return {watched_series(spec, monitor) for monitor in monitors}


def _validated(
    spec: NetworkSpec, state: State, held: _Set, watched: set[str]
) -> dict[str, float]:
    measures = {"cost": cost, "accuracy": accuracy}
    return {
        name: measures[name](spec, state.parameters, held.x, held.y)
        for name in sorted(watched)
    }


def _score(spec: NetworkSpec, monitor: str, validation: dict[str, float]) -> float:
    name = watched_series(spec, monitor)
    return -validation[name] if name == "cost" else validation[name]


def _after_plateau(
    spec: NetworkSpec, state: State, validation: dict[str, float]
) -> State:
    """The rate halved where the schedule does so and its patience is at an end."""
    chosen = spec.hyperparameters.schedule
    if not SCHEDULES[chosen.kind].halves:
        return state
    monitor, patience = (chosen.parameters[k] for k in ("monitor", "patience"))
    plateau = state.plateau.after(_score(spec, monitor, validation))
    if plateau.since < patience:
        return replace(state, plateau=plateau)
    return replace(state, plateau=plateau.restarted(), halvings=state.halvings + 1)


@dataclass(frozen=True)
class _Best:
    """What `train` ends with if it ends now, and how early stopping came to it."""

    state: State
    watch: Watch = field(default_factory=Watch)


def _best_after(
    spec: NetworkSpec, best: _Best, state: State, validation: dict[str, float]
) -> _Best:
    """The state of the best epoch so far; that of the last where none is the best."""
    early = spec.hyperparameters.early_stopping
    if early is None:
        return _Best(state)
    watch = best.watch.after(_score(spec, early.monitor, validation))
    stays = watch.since > 0 and watch.best > -math.inf
    return _Best(best.state if stays else state, watch)


def _stopped(spec: NetworkSpec, best: _Best, state: State) -> str:
    """The hyperparameter that ends training here, or none."""
    early = spec.hyperparameters.early_stopping
    if early is not None and best.watch.since >= early.patience:
        return "early_stopping"
    return "schedule" if state.halvings >= HALVINGS else ""
