"""The chain of proof: generated module <- reference <- complex step of the cost."""

from __future__ import annotations

import contextlib
import functools
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
from jinja2 import Environment
from numpy.typing import NDArray
from support import difference, text_of

from bpcompile import reference
from bpcompile.operators import OPTIMIZERS, SCALINGS
from bpcompile.reference.measures import mean_cost
from bpcompile.render import environment
from bpcompile.spec import NetworkSpec
from bpcompile.target import Target, load_target
from bpcompile.words import Words

Array = NDArray[Any]

#: Of every array, this many entries are differentiated by a complex step.
ENTRIES = 3
#: A cost that differs by less has not risen: rounding alone moves it so far.
ROUNDING = 1e-12
#: For so many learning rates the mean cost must not rise either, beside the total.
STRICT = 4

_numbers = itertools.count()


# ---- Modules -----------------------------------------------------------------------


@functools.cache
def _environment(target: str) -> Environment:
    return environment(load_target(target))


@contextlib.contextmanager
def shared_environments() -> Iterator[None]:
    """Parsing the templates takes 25 times as long as filling them in, so hundreds of
    modules share one environment."""
    renderer = sys.modules["bpcompile.render"]  # the name in the package is a function

    def made_once(target: Target, words: Words | None = None) -> Environment:
        return _environment(target.name)

    with mock.patch.object(renderer, "environment", made_once):
        yield


def library_text(spec: NetworkSpec, target: str) -> str:
    """The generated mathematics, without the program around it."""
    with shared_environments():
        return text_of(spec, target, library=True)


def imported(text: str) -> ModuleType:
    """A module from its text."""
    module = ModuleType(f"checked_{next(_numbers)}")
    # `from __future__ import annotations` has typing look a module up by its name.
    sys.modules[module.__name__] = module
    try:
        exec(compile(text, module.__name__, "exec"), module.__dict__)
    finally:
        del sys.modules[module.__name__]
    return module


def arguments_of(function: Callable[..., Any]) -> int:
    """How many arrays a generated function must be given: not those it may do without."""
    return function.__code__.co_argcount - len(function.__defaults__ or ())


def library(spec: NetworkSpec, target: str) -> ModuleType:
    """The generated module of a spec, without its program."""
    return imported(library_text(spec, target))


# ---- Differences -------------------------------------------------------------------


def apart(actual: Mapping[str, Any], expected: Mapping[str, Any]) -> float:
    """The largest difference of two sets of arrays of the same names; NaN counts."""
    assert list(actual) == list(expected)
    found = [difference(actual[name], expected[name]) for name in expected]
    return float(np.max(found))


def as_lists(parameters: Mapping[str, Array]) -> dict[str, Any]:
    """The parameters of a module in the reference's form: a bias is a flat list."""
    return {
        name: array.ravel().tolist() if name.startswith("b") else array.tolist()
        for name, array in parameters.items()
    }


def scaling_of(spec: NetworkSpec, x: Array, fitted: bool = True) -> Any:
    """The reference's scaling, before or after it has been fitted on x."""
    if SCALINGS[spec.layers[0].scaling.kind].fitted and not fitted:
        return None
    return reference.fit_scaling(spec, x.tolist())


def sampled(gradient: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """`ENTRIES` places of every array, its first and last among them."""
    for name, values in gradient.items():
        shape = np.shape(values)
        size = int(np.prod(shape))
        flat = np.unique(np.linspace(0, size - 1, ENTRIES).astype(int))
        for place in flat:
            yield name, tuple(int(i) for i in np.unravel_index(place, shape))


def complex_steps_apart(gradient: Mapping[str, Any], *point: Any) -> float:
    """The largest difference of sampled entries from complex steps of the cost.

    point: spec, parameters, x, y and scaling, as the reference takes them. Measured
    against the largest entry of its array, as the contract's difference is.
    """
    spec, parameters, x, y, scaling = point
    found = []
    for name, index in sampled(gradient):
        exact = reference.complex_step(spec, parameters, x, y, name, index, scaling)
        values = np.asarray(gradient[name])
        off = abs(float(values[index]) - exact)
        found.append(off / max(1.0, float(np.abs(values).max())))
    return float(np.max(found))


# ---- Training ----------------------------------------------------------------------


class BeyondComparison(Exception):
    """There is nothing to compare: another spec is drawn."""


class Rises(Exception):
    """The reference's cost is not finite, or higher than an epoch before."""


@dataclass(frozen=True)
class Data:
    """What a network is trained on, and what it is validated on if it must be."""

    x: Array
    y: Array
    test: tuple[Array, Array] | None = None
    weight: Array | None = None

    def for_module(self) -> dict[str, Any]:
        """The arguments of a module's `train`."""
        x_test, y_test = self.test or (None, None)
        given = {"x_test": x_test, "y_test": y_test, "sample_weight": self.weight}
        return {"x": self.x, "y": self.y, **given}

    def for_reference(self) -> dict[str, Any]:
        """The arguments of the reference's."""
        test = self.test and tuple(part.tolist() for part in self.test)
        weight = None if self.weight is None else self.weight.tolist()
        given = {"test": test, "sample_weight": weight}
        return {"x": self.x.tolist(), "y": self.y.tolist(), **given}


@dataclass(frozen=True)
class Settled:
    """A spec at a learning rate at which the reference's cost does not rise.

    drawn: how often the rate was drawn again; falls: whether the cost does not rise, or
    is at least finite where no rate might help; training: the reference's run.
    """

    spec: NetworkSpec
    drawn: int
    falls: bool
    training: reference.Training


def epochs_for(spec: NetworkSpec, n: int, steps: int = 50) -> int:
    """As many epochs as `steps` mini-batches of n examples take."""
    size = spec.hyperparameters.mini_batch_size
    return -(-steps // -(-n // size))


def settled(
    spec: NetworkSpec, data: Data, epochs: int, rng: np.random.Generator
) -> Settled:
    """The spec and the reference's training, the learning rate redrawn as need be.

    Each new rate is drawn between a tenth and a half of the last, so that one is found
    quickly: a small enough step along the gradient never raises the total cost. Where
    steps go another way, the first finite run does once `STRICT` rates have not.
    BeyondComparison where none is finite, however small: exp of exp, squared.
    """
    first = spec.hyperparameters.learning_rate
    tries = itertools.accumulate(
        range(100), lambda rate, _: rate * rng.uniform(0.1, 0.5), initial=first
    )
    rates = list(itertools.islice(tries, 100))
    for drawn, rate in enumerate(rates[: None if descends(spec) else STRICT]):
        tried = at_rate(spec, rate)
        with contextlib.suppress(Rises, OverflowError, ValueError):
            run = _falling(tried, data, epochs, both=drawn < STRICT)
            return Settled(tried, drawn, True, run)
    for drawn, rate in enumerate(rates):
        tried = at_rate(spec, rate)
        with contextlib.suppress(OverflowError, ValueError):
            run = reference.train(tried, epochs=epochs, **data.for_reference())
            if np.isfinite(run.costs).all():
                return Settled(tried, drawn, False, run)
    raise BeyondComparison


def descends(spec: NetworkSpec) -> bool:
    """Whether a small enough step goes down the cost that is watched.

    Not after dropout, which goes down that of another network; nor where max_norm moves
    weights as far as it must; nor where an optimizer keeps a state, which may be a
    velocity, or a rate for each number that turns the step away from the gradient.
    """
    hyper = spec.hyperparameters
    drops = any(layer.dropout for layer in spec.layers)
    state = OPTIMIZERS[hyper.optimizer.kind].state
    return not (drops or state or hyper.regularization.max_norm)


def moved_by_rounding(run: Settled, data: Data, epochs: int) -> float:
    """How far the reference's run ends from itself, rounded in each of seven ways."""
    given = {"epochs": epochs, **data.for_reference()}
    found = [
        reference.sensitivity(run.spec, run.training, first=first, **given)
        for first in range(7)
    ]
    return max(max(moved.values()) for moved in found)


def at_rate(spec: NetworkSpec, rate: float) -> NetworkSpec:
    """The spec with another learning rate."""
    hyper = spec.hyperparameters.model_copy(update={"learning_rate": rate})
    return spec.model_copy(update={"hyperparameters": hyper})


def _falling(
    spec: NetworkSpec, data: Data, epochs: int, both: bool
) -> reference.Training:
    """The reference's run; Rises as soon as an epoch ends above the one before.

    Watched is the total cost, and the mean cost too if `both`: a penalty may well raise
    that at any rate. Either weighs the examples as training does.
    """
    given = data.for_reference()
    n = len(data.x)
    seed, classes = spec.hyperparameters.seed, reference.split_classes(spec, given["y"])
    out = reference.validation_rows(spec, n, seed, classes)
    rows, targets = ([given[k][i] for i in range(n) if i not in out] for k in "xy")
    scaling = reference.fit_scaling(spec, rows)
    weights = reference.class_weights(spec, targets)
    if given["sample_weight"]:
        kept = [w for i, w in enumerate(given["sample_weight"]) if i not in out]
        weights = [w * c for w, c in zip(kept, weights, strict=True)]
    last = -(-len(rows) // spec.hyperparameters.mini_batch_size) - 1

    def costs(parameters: dict[str, Any]) -> Array:
        point = (spec, parameters, rows, targets, scaling)
        mean = mean_cost(*point, weights).real
        total = mean + reference.total_cost(*point) - reference.cost(*point)
        return np.array([total, mean][: 1 + both])

    before = [costs(reference.initial_parameters(spec))]

    def watch(_epoch: int, step: int, parameters: dict[str, Any]) -> None:
        if step == last:
            now = costs(parameters)
            if not np.all(now <= before[-1] + ROUNDING * np.maximum(1.0, before[-1])):
                raise Rises
            before.append(now)

    return reference.train(spec, epochs=epochs, on_step=watch, **given)
