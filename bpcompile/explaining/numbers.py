"""A worked example: one input through a network, so that it can be followed by hand."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from bpcompile import reference
from bpcompile.api import spec_given
from bpcompile.check import sample_data
from bpcompile.errors import UserError
from bpcompile.explaining.arithmetic import DIGITS, SHOWN
from bpcompile.explaining.computed import TRAINING_SET, Computed, computed
from bpcompile.explaining.stage import Stage
from bpcompile.explaining.stages import Walk
from bpcompile.explaining.updates import Update
from bpcompile.lower import lower
from bpcompile.operators import SCALINGS
from bpcompile.plan import Plan
from bpcompile.spec import NetworkSpec


@dataclass(frozen=True)
class WorkedExample:
    """One step of training on one example, as if it were its mini-batch.

    notes    what is assumed and how the numbers are rounded, a sentence each
    stages   from the example to the new parameters, in the order of training
    """

    name: str
    notes: tuple[str, ...]
    stages: tuple[Stage, ...]

    def __str__(self) -> str:
        """Plain text, ending without a line feed."""
        return "\n".join(_lines(self))

    def _repr_html_(self) -> str:
        """The same as notebooks show it, formulas in MathML."""
        from bpcompile.explaining.as_page import as_fragment
        from bpcompile.explaining.document import Document
        from bpcompile.explaining.example import example

        section = example(self, lambda layer, equation: True)
        return as_fragment(Document(self.name, "", (section,)))


#: Of more parameters nobody follows the numbers, and loops in Python take minutes.
MOST_PARAMETERS = 2_000_000

_INPUT_DECIMALS, _PARAMETER_DECIMALS = 1, 2
_WIDTH = 80
_TIED = "\N{NO-BREAK SPACE}"


def worked_example(spec: str | Path | NetworkSpec) -> WorkedExample:
    """One input through feedforward, BP1 to BP4 and one update step.

    The input is the first of those on which `bpcompile check --run` compares gradients,
    rounded to one decimal; weights and biases are the first values of the spec's seed,
    rounded to two. Raises what `load_spec` raises, and UserError for a network of more
    than `MOST_PARAMETERS`.
    """
    found = spec_given(spec)
    _refuse_large(found)
    plan = lower(found)
    x, y = _example(found)
    numbers = computed(found, x, y, _parameters(found))
    stages = (*Walk(plan, numbers).stages(), *Update(plan, numbers).stages())
    return WorkedExample(found.name, _notes(plan, numbers), stages)


def _refuse_large(spec: NetworkSpec) -> None:
    sizes = [layer.size for layer in spec.layers]
    count = sum((below + 1) * size for below, size in pairwise(sizes))
    if count > MOST_PARAMETERS:
        raise UserError(
            f"a worked example of {count:,} parameters is too long; "
            f"at most {MOST_PARAMETERS:,}"
        )


def _example(spec: NetworkSpec) -> tuple[list[float], Any]:
    """Inputs that are round once they are scaled, and what is desired of them."""
    (drawn,), (y, *_) = sample_data(spec, 1)
    x = [round(value, _INPUT_DECIMALS) for value in drawn]
    if not SCALINGS[spec.layers[0].scaling.kind].fitted:
        shift, divisor = reference.fit_scaling(spec, [x])
        x = [v * d + s for v, s, d in zip(x, shift, divisor, strict=True)]
    if not hasattr(y, "__len__"):
        return x, y
    rounded = [round(value, _PARAMETER_DECIMALS) for value in y]
    if spec.cost_entry.targets.sums_to_one:
        rounded[-1] = round(1 - sum(rounded[:-1]), _PARAMETER_DECIMALS)
    return x, rounded


def _parameters(spec: NetworkSpec) -> dict[str, Any]:
    def short(value: float) -> float:
        return round(value, _PARAMETER_DECIMALS)

    return {
        name: [
            [short(w_jk) for w_jk in row] if name.startswith("w") else short(row)
            for row in values
        ]
        for name, values in reference.initial_parameters(spec).items()
    }


def _lines(example: WorkedExample) -> Iterator[str]:
    for note in example.notes:
        yield from _wrapped(note, "")
    title = ""
    for stage in example.stages:
        if stage.title != title:
            title = stage.title
            yield from ("", title)
        yield from _wrapped(stage.label, "  ")
        # A name is not torn from its number.
        given = (v.line.replace(" ", _TIED) for v in stage.values if not v.way)
        yield from _wrapped(", ".join(given), "    ")
        yield from (f"    {v.line}" for v in stage.values if v.way)
        if stage.more:
            yield f"    … {stage.more:,} more"


def _wrapped(text: str, indent: str) -> Iterator[str]:
    """Lines of at most `_WIDTH` columns, those after the first further in."""
    further = indent + "  "
    for line in textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=further
    ):
        yield line.replace(_TIED, " ")


def _notes(plan: Plan, numbers: Computed) -> tuple[str, ...]:
    notes = [
        "One step of training on one example, as if it were the whole mini-batch.",
        f"All is computed with every digit and printed to {DIGITS} significant ones: "
        "from printed numbers alone, a last digit may come out differently.",
        f"Of more than {SHOWN} neurons the first {SHOWN} are shown; "
        "all of them are computed.",
    ]
    if plan.scaling is not None and numbers.scaling is None:
        notes.append(
            "The inputs' scaling is fitted on training data; here they stay as they are."
        )
    if plan.dropouts:
        notes.append(
            "Dropout drops what it drops in the first step of training: a neuron whose "
            "number of the seed's stream for it is below p has r = 0."
        )
    if plan.decays or numbers.spec.hyperparameters.regularization.penalties:
        notes.append(
            f"The training set is taken to have n = {TRAINING_SET:,} examples."
        )
    return tuple(notes)
