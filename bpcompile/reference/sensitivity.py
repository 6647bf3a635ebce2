"""How far rounding alone may move the end of training."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

from bpcompile.reference.forward import Labels, Rows
from bpcompile.reference.initial import initial_parameters
from bpcompile.reference.training import State, Training, train

if TYPE_CHECKING:
    from bpcompile.spec import NetworkSpec

__all__ = ["sensitivity"]

# In last bits. Seven of them, so that neurons which are alike are moved apart.
_NUDGES = (3, -1, 2, -4, 1, -2, 4)


def sensitivity(
    spec: NetworkSpec,
    run: Training,
    x: Rows,
    y: Labels,
    epochs: int,
    sample_weight: Sequence[float] | None = None,
    test: tuple[Rows, Labels] | None = None,
) -> dict[str, float]:
    """How far each array ends from where it did, after a start a few bits away.

    max |a - b| / max(1, max |b|) by name, where b is that of `run`, which `train` gave
    for the same arguments, and a that of a run whose inputs and first parameters differ
    from its in the last bits. Two right programs may be as far apart, for neither
    rounds better than the other. Infinite where the two end after different epochs.
    """
    nudges = cycle(_NUDGES)
    first = {k: _nudged(v, nudges) for k, v in initial_parameters(spec).items()}
    moved = train(
        spec,
        _nudged(x, nudges),
        y,
        epochs,
        start=State(first),
        sample_weight=sample_weight,
        scaling=run.scaling,
        test=test,
    )
    if (len(moved.costs), moved.epoch) != (len(run.costs), run.epoch):
        return dict.fromkeys(run.parameters, math.inf)
    return {
        name: _apart(moved.parameters[name], values)
        for name, values in run.parameters.items()
    }


def _nudged(values: Any, nudges: Iterator[int]) -> list[Any]:
    """Numbers, or rows of them, each a few last bits away."""
    return [
        _nudged(value, nudges)
        if hasattr(value, "__len__")
        else value * (1 + next(nudges) * sys.float_info.epsilon)
        for value in values
    ]


def _apart(actual: Sequence[Any], expected: Sequence[Any]) -> float:
    if hasattr(expected[0], "__len__"):
        actual = [value for row in actual for value in row]
        expected = [value for row in expected for value in row]
    off = [float(abs(a - b)) for a, b in zip(actual, expected, strict=True)]
    if not all(map(math.isfinite, off)):
        return math.inf  # max() would pass over a NaN
    largest: float = max(1.0, *map(abs, expected))
    return max(off) / largest
