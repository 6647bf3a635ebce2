"""The plots of docs/spec.md: every curve comes from an operator's own `define`."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

from plot import Chart, Curve, evenly

from bpcompile.expr import Number
from bpcompile.operators import ACTIVATIONS, COSTS, SCHEDULES
from bpcompile.operators.entry import REALS, Activation, Cost, Entry
from bpcompile.operators.training import Schedule

REACH = 4.0
RANGE = (-REACH, REACH)
SAMPLES = 201
EPOCHS = 30
#: Of a complex step: its square is nothing beside 1.
STEP = 1e-100


def plots() -> Iterator[tuple[str, Chart]]:
    """The name of each file, without its suffix, and what is on it."""
    for kind, activation in ACTIVATIONS.items():
        if activation.elementwise:
            yield f"activation_{kind}", _activation(activation)
    for kind, cost in COSTS.items():
        yield f"cost_{kind}", _cost(cost)
    for kind, schedule in SCHEDULES.items():
        if schedule.define is not None:
            yield f"schedule_{kind}", _schedule(schedule)


def _value_and_slope(f: Callable[[Number], Number], over: list[float]) -> list[Any]:
    values = [(x, f(x).real) for x in over]
    slopes = [(x, f(complex(x, STEP)).imag / STEP) for x in over]
    return [values, slopes]


def _activation(entry: Activation) -> Chart:
    parameters = _defaults(entry)

    def f(z: Number) -> Number:
        return entry.define([z], **parameters)[0]

    value, slope = _value_and_slope(f, list(evenly(*RANGE, SAMPLES)))
    curves = Curve("a = σ(z)", value), Curve("σ'(z)", slope, dashed=True)
    title = f"{entry.kind} and its derivative over z"
    return Chart(title, "z", curves, RANGE, RANGE)


def _cost(entry: Cost) -> Chart:
    """Over a - y where C_x depends on nothing else, else over a for some values of y."""
    parameters = _defaults(entry)
    pair = any(ACTIVATIONS[kind].least_size > 1 for kind in entry.needs)

    def f(a: Number, y: float) -> Number:
        outputs, wanted = ([a, 1 - a], [y, 1 - y]) if pair else ([a], [y])
        return entry.define(outputs, wanted, **parameters)

    if entry.outputs == REALS and all(
        math.isclose(f(d + y, y).real, f(d, 0.0).real, abs_tol=1e-12)
        for d in (-1.7, -0.3, 0.4, 2.2)
        for y in (-1.0, 0.5)
    ):
        over = list(evenly(*RANGE, SAMPLES))
        value, slope = _value_and_slope(lambda a: f(a, 0.0), over)
        curves = Curve("C_x", value), Curve("∂C/∂a", slope, dashed=True)
        title = f"{entry.kind} cost and its derivative over a - y"
        return Chart(title, "a - y", curves, RANGE, RANGE)
    low, high = max(entry.outputs.low, -REACH), min(entry.outputs.high, REACH)
    # The ends may be infinite, and are no outputs.
    margin = (high - low) / 1000
    over = list(evenly(low + margin, high - margin, SAMPLES))
    wanted = [-1.0, 1.0] if entry.codes_minus_one else [0.0, 1.0]
    if math.isinf(entry.outputs.high) and not entry.codes_minus_one:
        wanted.append(2.0)
    some = tuple(
        Curve(f"C_x, y = {y:g}", [(a, f(a, y).real) for a in over]) for y in wanted
    )
    return Chart(f"{entry.kind} cost over a", "a", some, (low, high), RANGE)


def _schedule(entry: Schedule) -> Chart:
    define: Any = entry.define
    taken = inspect.signature(define).parameters
    known = {k: v for k, v in _defaults(entry).items() if k in taken}
    points = [(float(t), define(1.0, t, EPOCHS, **known)) for t in range(EPOCHS)]
    curves = (Curve("η / learning_rate", points),)
    title = f"{entry.kind}: eta over {EPOCHS} epochs"
    return Chart(title, "epoch", curves, (0, EPOCHS), (0, 10))


def _defaults(entry: Entry) -> dict[str, Any]:
    """Its parameters; one without a default becomes the least round number it may be."""
    return {
        p.name: p.default if p.default is not None else (p.above or p.at_least or 0) + 1
        for p in entry.parameters
    }
