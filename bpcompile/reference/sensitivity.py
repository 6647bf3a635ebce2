"""How far rounding alone may move the end of training."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any

from bpcompile.reference.forward import Labels, Rows
from bpcompile.reference.training import State, Training, train, update_mini_batch

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
    first: int = 0,
) -> dict[str, float]:
    """How far each array ends from where it did, if every step rounds otherwise.

    max |a - b| / max(1, max |b|) by name, where b is that of `run`, which `train` gave
    for the same arguments, and a that of a run whose inputs, weights of examples and
    parameters are moved in their last bits before every step. Two right programs may be
    as far apart, for neither rounds better than the other. Infinite where they end after
    different epochs. first: with which of the seven nudges to begin, 0 to 6, for a sign
    does not turn at every one. Raises what `train` does.
    """
    moved = train(
        spec,
        x,
        y,
        epochs,
        sample_weight=sample_weight,
        scaling=run.scaling,
        test=test,
        make_step=partial(_step, cycle(_NUDGES[first:] + _NUDGES[:first])),
    )
    if (len(moved.costs), moved.epoch) != (len(run.costs), run.epoch):
        return dict.fromkeys(run.parameters, math.inf)
    return {
        name: _apart(moved.parameters[name], values)
        for name, values in run.parameters.items()
    }


def _step(
    nudges: Iterator[int],
    spec: NetworkSpec,
    state: State,
    x: Rows,
    y: Labels,
    n: int,
    seed: int,
    sample_weight: Sequence[float],
) -> State:
    """`update_mini_batch` of numbers that are a few last bits away."""
    near = {k: _nudged(values, nudges) for k, values in state.parameters.items()}
    # Examples that are alike stay so however inputs and parameters move: where their
    # gradients cancel, only their weights show what is left of a sum that rounds.
    x, weights = _nudged(x, nudges), _nudged(sample_weight, nudges)
    state = replace(state, parameters=near)
    return update_mini_batch(spec, state, x, y, n, seed, sample_weight=weights)


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
