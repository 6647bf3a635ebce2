"""Random valid specs and data for them, drawn from the registries and their rules.

Nothing here lists an operator, so a new entry is drawn without a change.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support import spec_of

from bpcompile.fields import Operator
from bpcompile.operators import (
    ACTIVATIONS,
    COSTS,
    INITIALIZERS,
    OPTIMIZERS,
    REGULARIZERS,
    SCALINGS,
    SCHEDULES,
)
from bpcompile.operators.entry import Entry, Parameter, Targets
from bpcompile.spec import NetworkSpec

Array = NDArray[Any]

#: How many random specs a test draws: always the same ones, unless a number is given.
EXAMPLES = int(os.environ.get("BPCOMPILE_EXAMPLES", "200"))

repeatable = settings(
    max_examples=EXAMPLES,
    derandomize="BPCOMPILE_EXAMPLES" not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

HIDDEN = tuple(kind for kind, entry in ACTIVATIONS.items() if not entry.output_only)


@functools.cache
def outputs_for(cost: str) -> tuple[str, ...]:
    """The output activations that a cost goes with, by the spec's own rules."""

    def fits(activation: str) -> bool:
        entry = ACTIVATIONS[activation]
        layers = [1, {"size": entry.least_size, "activation": minimal(entry)}]
        try:
            spec_of(layers=layers, cost=minimal(COSTS[cost]))
        except ValueError:
            return False
        return True

    return tuple(kind for kind in ACTIVATIONS if fits(kind))


def minimal(entry: Entry) -> dict[str, Any]:
    """An operator as a spec gives it, with those parameters alone that it needs."""
    required = [p for p in entry.parameters if p.default is None]
    return {"kind": entry.kind, **{p.name: _usual(p) for p in required}}


def _usual(parameter: Parameter) -> float | str:
    """A value where there is no default: 2, or what is half way up to the bound."""
    if parameter.words:
        return parameter.words[0]
    low, high = bounds(parameter)
    value = 2 if low < 2 < high else (low + high) / 2
    return int(value) if parameter.whole else value


def bounds(parameter: Parameter) -> tuple[float, float]:
    """Between which numbers a parameter lies, and perhaps on them."""
    lows = [v for v in (parameter.above, parameter.at_least) if v is not None]
    highs = [v for v in (parameter.below, parameter.at_most) if v is not None]
    return max(lows, default=-math.inf), min(highs, default=math.inf)


PAIRS = tuple((output, cost) for cost in COSTS for output in outputs_for(cost))
#: The whole product, for what is cheap or must be shown once.
PRODUCT = tuple((hidden, *pair) for hidden in HIDDEN for pair in PAIRS)
#: Every pair, and every hidden activation several times.
TRIPLES = tuple((HIDDEN[i % len(HIDDEN)], *pair) for i, pair in enumerate(PAIRS))


def spec_of_triple(hidden: str, output: str, cost: str, **rest: Any) -> NetworkSpec:
    """A float64 spec in which a hidden activation meets itself, output and cost."""
    inner, outer = minimal(ACTIVATIONS[hidden]), minimal(ACTIVATIONS[output])
    layers = [
        {"size": 3},
        {"size": 4, "activation": inner},
        {"size": 3, "activation": inner},
        {"size": 2, "activation": outer},
    ]
    fields = {"dtype": "float64", "layers": layers, **rest}
    return spec_of(cost=minimal(COSTS[cost]), **fields)


# ---- Specs -------------------------------------------------------------------------


def _values(parameter: Parameter) -> st.SearchStrategy[Any]:
    """Valid values of a size at which training still goes on."""
    if parameter.words:
        return st.sampled_from(parameter.words)
    low, high = bounds(parameter)
    if parameter.whole:
        return st.integers(int(low), int(min(low + 4, high)))
    # Below the default, as upper bounds such as 1 for a momentum lie just above it.
    if default := parameter.default:
        assert not isinstance(default, str)
        ends = sorted((0.5 * default, default))
        return st.floats(*ends)
    if low < 0:
        return st.floats(-1.0, 1.0)
    if high <= 1:
        return st.floats(0.1, 0.9).map(lambda share: low + share * (high - low))
    return st.floats(0.5, 300.0).map(lambda value: low + value)


@st.composite
def _operator(draw: st.DrawFn, registry: Mapping[str, Entry], kinds: Any = None) -> Any:
    kind = draw(st.sampled_from(tuple(kinds or registry)))
    chosen: dict[str, Any] = {"kind": kind}
    for parameter in registry[kind].parameters:
        if parameter.default is None or draw(st.booleans()):
            chosen[parameter.name] = draw(_values(parameter))
    return kind if len(chosen) == 1 and draw(st.booleans()) else chosen


@st.composite
def _off_or(draw: st.DrawFn, values: st.SearchStrategy[Any], odds: int = 3) -> Any:
    """None, or with these odds against it a value."""
    return draw(values) if draw(st.integers(0, odds)) == odds else None


@st.composite
def _layers(draw: st.DrawFn, cost: str) -> list[Any]:
    widths, drops = st.integers(1, 6), _off_or(st.floats(0.1, 0.7))
    depth = draw(st.integers(2, 6))
    scaling = draw(_operator(SCALINGS))
    layers: list[Any] = [{"size": draw(widths), "scaling": scaling}]
    for index in range(2, depth + 1):
        kinds = outputs_for(cost) if index == depth else HIDDEN
        activation = draw(_operator(ACTIVATIONS, kinds))
        chosen = activation if isinstance(activation, str) else activation["kind"]
        layers.append(
            {
                "size": max(draw(widths), ACTIVATIONS[chosen].least_size),
                "activation": activation,
                "initializer": draw(_operator(INITIALIZERS)),
                "bias_initializer": draw(_operator(INITIALIZERS)),
            }
        )
    for layer in layers[:-1]:
        layer["dropout"] = draw(drops) or 0.0
    return layers


def _held_out(share: float | None) -> dict[str, Any]:
    """A share of the training data; from 0.4 on, as either half."""
    if share is None or share < 0.4:
        return {"validation_fraction": share}
    return {"validation_fold": {"number": 1 if share < 0.45 else 2, "of": 2}}


@st.composite
def _hyperparameters(draw: st.DrawFn, classes: int) -> dict[str, Any]:
    """Any; with class weights where there are classes."""
    regularization = {
        name: draw(st.floats(0.0, 2.0)) for name in REGULARIZERS if draw(st.booleans())
    }
    limits = _off_or(st.floats(0.05, 5.0))
    chosen: dict[str, Any] = {
        "learning_rate": 10.0 ** draw(st.floats(-2.5, -0.3)),
        "mini_batch_size": draw(st.integers(1, 12)),
        # More than any warm-up that is drawn.
        "epochs": draw(st.integers(6, 60)),
        "seed": draw(st.integers(0, 2**53 - 1)),
        "optimizer": draw(_operator(OPTIMIZERS)),
        "schedule": draw(_operator(SCHEDULES)),
        "regularization": {**regularization, "max_norm": draw(limits)},
        "clipping": {draw(st.sampled_from(["value", "norm"])): draw(limits)},
        **_held_out(draw(_off_or(st.floats(0.1, 0.5)))),
    }
    patience = st.fixed_dictionaries({"patience": st.integers(1, 10)})
    chosen["early_stopping"] = draw(_off_or(patience, 5))
    weights = st.lists(st.floats(0.1, 2.0), min_size=classes, max_size=classes)
    if classes:
        chosen["class_weights"] = draw(_off_or(weights))
    schedule = chosen["schedule"]
    if not classes and isinstance(schedule, dict):
        # A regression has no accuracy to follow.
        schedule |= {"monitor": "cost"} if schedule.get("monitor") else {}
    return chosen


@st.composite
def specs(draw: st.DrawFn, dtype: str = "float64") -> NetworkSpec:
    """Any valid spec of 2 to 6 layers, each 1 to 6 wide, and of small numbers."""
    cost = draw(_operator(COSTS))
    layers = draw(_layers(cost if isinstance(cost, str) else cost["kind"]))
    task = draw(st.sampled_from([None, "classification", "regression"]))
    fields = {"dtype": dtype, "task": task, "layers": layers, "cost": cost}
    classifies = spec_of(**fields).resolved_task == "classification"
    classes = max(2, layers[-1]["size"]) if classifies else 0
    return spec_of(**fields, hyperparameters=draw(_hyperparameters(classes)))


def without_validation(spec: NetworkSpec) -> NetworkSpec:
    """The spec without what follows a validation set: no gradient depends on it."""
    hyper = spec.hyperparameters
    off = dict.fromkeys(("early_stopping", "validation_fraction", "validation_fold"))
    kept = {"schedule": Operator("constant", hyper.schedule.values)}
    halves = SCHEDULES[hyper.schedule.kind].halves
    hyper = hyper.model_copy(update={**off, **(kept if halves else {})})
    return spec.model_copy(update={"hyperparameters": hyper})


# ---- Data --------------------------------------------------------------------------


def values_for(targets: Targets, rng: np.random.Generator, n: int, width: int) -> Array:
    """Values that a cost takes, the bounds of their interval among them."""
    if targets.values:
        return rng.choice(np.array(targets.values, float), (n, width))
    if targets.sums_to_one:
        shares = rng.random((n, width)) + 0.01
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))
    drawn = rng.normal(size=(n, width))
    if targets.limits:
        drawn = rng.random((n, width)) * 1.4 - 0.2
    return np.clip(drawn, targets.within.low, targets.within.high)


def inputs_for(spec: NetworkSpec, n: int, rng: np.random.Generator) -> Array:
    """Raw inputs (n, N1): a third of the time uint8, with odd columns among them."""
    width = spec.layers[0].size
    if rng.random() < 1 / 3:
        # Bytes that are not scaled down would leave every sigmoid flat.
        scaling = spec.layers[0].scaling
        small = (
            SCALINGS[scaling.kind].fitted
            or max(scaling.parameters.values(), default=0.0) > 50
        )
        top = 256 if small else 4
        return rng.integers(0, top, (n, width)).astype(np.uint8)
    x = rng.normal(size=(n, width))
    for column in range(width):
        chance = rng.random()
        if chance < 0.15:
            x[:, column] = rng.normal()
        elif chance < 0.3:
            x[:, column] = rng.integers(-3, 4, n)
    return x


def targets_for(spec: NetworkSpec, n: int, rng: np.random.Generator) -> Array:
    """Labels (n,) where the spec classifies, else or at times values (n, NL)."""
    width = spec.layers[-1].size
    if spec.resolved_task == "classification" and width > 1 and rng.random() < 0.7:
        return rng.integers(0, width, n)
    values = values_for(spec.cost_entry.targets, rng, n, width)
    return values[:, 0] if width == 1 and rng.random() < 0.5 else values


def data_for(spec: NetworkSpec, n: int, seed: int) -> tuple[Array, Array]:
    """n raw inputs (n, N1) and valid targets for a spec, the same for the same seed."""
    rng = np.random.default_rng(seed)
    return inputs_for(spec, n, rng), targets_for(spec, n, rng)


def validation_for(spec: NetworkSpec, seed: int) -> tuple[Array, Array] | None:
    """Data to validate on where training asks for it and the spec splits none off."""
    hyper = spec.hyperparameters
    asked = hyper.early_stopping or SCHEDULES[hyper.schedule.kind].halves
    return data_for(spec, 5, seed + 1) if asked and not hyper.validates else None
