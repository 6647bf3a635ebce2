"""`bpcompile check SPEC --run`: what a spec compiles to, against the oracles.

The module is compiled in memory and imported; its gradients are compared with the
reference runtime's and with complex steps of the reference's cost, its parameters
after a few steps of training with the reference's. What "equal" means: the largest
|a - b| of an array over max(1, the largest |b|).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import Any

from bpcompile import reference
from bpcompile.errors import UserError
from bpcompile.lower import lower
from bpcompile.operators import SCALINGS, SCHEDULES
from bpcompile.operators.entry import label_values
from bpcompile.reference.randomness import uniforms
from bpcompile.render import render
from bpcompile.spec import NetworkSpec
from bpcompile.target import Target

BOUND = 1e-12
#: Where training is sensitive to rounding, so many times as far as that moves it:
#: one way of rounding was seen to move a run 12 times as far as another.
MARGIN = 100
EXAMPLES = 4
MOST_ENTRIES = 20
MOST_TRAINING = 40
EPOCHS = 2
#: Multiply-adds of the pure-Python reference that one complex-step check may take.
WORK = 4_000_000
SAMPLING = 4


@dataclass(frozen=True)
class Row:
    """One array, compared: how many of its entries, and how far apart they are.

    bound    how far they may be: further where rounding alone moves training so
    """

    array: str
    what: str
    checked: int
    entries: int
    difference: float
    bound: float = BOUND

    @property
    def passed(self) -> bool:
        # Not `>`: a NaN is a failure.
        return self.difference <= self.bound


@dataclass(frozen=True)
class Report:
    """All comparisons of one spec and target."""

    title: str
    rows: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        return all(row.passed for row in self.rows)


def check(spec: NetworkSpec, target: Target) -> Report:
    """Compile, import, compare; UserError where the target cannot be run from here."""
    if target.runs != "import":
        raise UserError(f'target "{target.name}" cannot be run by check --run')
    file, *_ = render(lower(spec), target)
    module = imported(file.text, spec.name)
    return Report(
        f"{spec.name} for {target.name}, in float64: gradients on {EXAMPLES} examples, "
        f"training on {_training_size(spec)} for {EPOCHS} epochs "
        f"of {_steps(spec)} steps",
        (*_gradients(spec, module), *_training(spec, module)),
    )


def table(report: Report) -> str:
    """The report as text: a row for each array."""
    lines = [report.title, ""]
    lines.append(f"{'array':8}{'compared with':40}{'entries':>16}{'difference':>12}")
    for row in report.rows:
        entries = f"{row.checked} of {row.entries}"
        verdict = "ok" if row.passed else "FAIL"
        verdict += f", within {row.bound:.1e}" if row.bound > BOUND else ""
        lines.append(
            f"{row.array:8}{row.what:40}{entries:>16}{row.difference:12.1e}  {verdict}"
        )
    verdict = "all within" if report.passed else "NOT all within"
    lines.append(f"\n{verdict} {BOUND:g}")
    if any(row.bound > BOUND for row in report.rows):
        lines[-1] += (
            f", or {MARGIN} times what the reference itself moves by\n"
            "when the last bits of inputs, parameters and weights of examples do before\n"
            "every step"
        )
    return "\n".join(lines)


def imported(text: str, name: str) -> ModuleType:
    """The module that a generated text is, imported from memory."""
    module = ModuleType(f"bpcompile_check_{name}")
    exec(compile(text, module.__name__, "exec"), module.__dict__)
    return module


def _steps(spec: NetworkSpec) -> int:
    n, hyper = _training_size(spec), spec.hyperparameters
    n -= len(reference.validation_rows(spec, n, hyper.seed))
    return -(-n // hyper.examples_per_update)


def _training_size(spec: NetworkSpec) -> int:
    """Two whole mini-batches and a short one, where they are small enough."""
    size = spec.hyperparameters.examples_per_update
    return min(2 * size + max(1, size // 2), MOST_TRAINING)


def sample_data(spec: NetworkSpec, n: int) -> tuple[list[list[float]], list[Any]]:
    """Inputs in [0, 1) and targets that this network may be given."""
    inputs, outputs = spec.layers[0].size, spec.layers[-1].size
    drawn = uniforms(n * inputs, 0, SAMPLING, layer=1)
    x = [drawn[i * inputs : (i + 1) * inputs] for i in range(n)]
    drawn = uniforms(n * outputs, 0, SAMPLING, layer=len(spec.layers))
    rows = [drawn[i * outputs : (i + 1) * outputs] for i in range(n)]
    cost = spec.cost_entry
    if spec.resolved_task == "classification" and outputs > 1:
        return x, [int(value * outputs) for value in drawn[:n]]
    if cost.targets.sums_to_one:
        return x, [[value / sum(row) for value in row] for row in rows]
    if values := cost.targets.values:
        return x, [[values[int(v * len(values))] for v in row] for row in rows]
    if spec.resolved_task == "classification":
        low, high = label_values(cost, spec.output_activation)
        return x, [low if value < 0.5 else high for value in drawn]
    return x, rows


def _flat(array: Any) -> list[float]:
    """A nested list or an array as one list of floats."""
    values = array.tolist() if hasattr(array, "tolist") else array
    while values and isinstance(values[0], list):
        values = [value for row in values for value in row]
    return list(values)


def _difference(a: Iterable[float], b: Iterable[float]) -> float:
    pairs = list(zip(a, b, strict=True))
    found = [abs(left - right) for left, right in pairs]
    if not all(map(math.isfinite, found)):
        return math.nan  # which max() would pass over
    return max(found) / max(1.0, *(abs(right) for _, right in pairs))


def _index(place: int, columns: int) -> tuple[int, ...]:
    """Where an entry stands: (j, k) of a weight, (j,) of a bias."""
    return divmod(place, columns) if columns else (place,)


def _gradients(spec: NetworkSpec, module: ModuleType) -> Iterator[Row]:
    x, y = sample_data(spec, EXAMPLES)
    network = module.Network(dtype="float64")
    parameters = reference.initial_parameters(spec)
    # The module has not seen training data yet, so a fitted scaling is the identity.
    fitted = SCALINGS[spec.layers[0].scaling.kind].fitted
    scaling = None if fitted else reference.fit_scaling(spec, x)
    expected = reference.backprop(spec, parameters, x, y, scaling)
    emitted = network.backprop(x, y)
    total = sum(len(_flat(values)) for values in expected.values())
    most = max(2, min(MOST_ENTRIES, WORK // max(1, total)))
    for name, nabla in emitted.items():
        flat = _flat(nabla)
        yield Row(
            name,
            "gradient of the reference",
            len(flat),
            len(flat),
            _difference(flat, _flat(expected[name])),
        )
        columns = len(expected[name][0]) if name.startswith("w") else 0
        sample = sorted({i * (len(flat) - 1) // most for i in range(most + 1)})[:most]
        steps = [
            reference.complex_step(
                spec, parameters, x, y, name, _index(i, columns), scaling
            )
            for i in sample
        ]
        found = [flat[i] for i in sample]
        yield Row(
            name,
            "complex step of the reference's cost",
            len(sample),
            len(flat),
            _difference(found, steps),
        )


def _training(spec: NetworkSpec, module: ModuleType) -> Iterator[Row]:
    x, y = sample_data(spec, _training_size(spec))
    test = sample_data(spec, EXAMPLES) if _asks_for_validation(spec) else None
    entries = sum(n * (m + 1) for m, n in pairwise(layer.size for layer in spec.layers))
    try:
        trained = reference.train(spec, x, y, EPOCHS, test=test)
    except (OverflowError, ValueError):
        # What is left of the numbers where a definition has no value for them.
        yield Row("all", "training, which diverges", 0, entries, math.nan)
        return
    network = module.Network(dtype="float64")
    x_test, y_test = test or (None, None)
    network.train(x, y, x_test, y_test, epochs=EPOCHS)
    found = {name: _flat(values) for name, values in network.parameters.items()}
    off = {
        name: _difference(flat, _flat(trained.parameters[name]))
        for name, flat in found.items()
    }
    bounds = dict.fromkeys(off, BOUND)
    if any(difference > BOUND for difference in off.values()):
        moved = reference.sensitivity(spec, trained, x, y, EPOCHS, test=test)
        bounds = {name: max(BOUND, MARGIN * moved[name]) for name in off}
    for name, flat in found.items():
        what = "parameters of the reference, trained"
        yield Row(name, what, len(flat), len(flat), off[name], bounds[name])


def _asks_for_validation(spec: NetworkSpec) -> bool:
    """Whether training follows a validation set that the spec does not split off."""
    hyper = spec.hyperparameters
    follows = hyper.early_stopping or SCHEDULES[hyper.schedule.kind].halves
    return bool(follows) and not hyper.validates
