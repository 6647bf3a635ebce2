"""Which formulas of a layer differ by more than numbers, and why.

Two steps are the same if their formulas are, counted from the layer itself, and all
that they apply: `consumes` is left out, for it says what is in memory and no more.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import TypeVar

from bpcompile.blocks import EQUATIONS, FEEDFORWARD, UPDATE
from bpcompile.compare.difference import PartChange
from bpcompile.compare.reasons import (
    of_backward,
    of_feedforward,
    of_output,
    of_update,
    of_weights,
)
from bpcompile.compare.relative import relative
from bpcompile.compare.sides import Network
from bpcompile.step import ErrorStep, Step
from bpcompile.steps import (
    Activate,
    LimitNorm,
    UpdateParameter,
)

_Kind = TypeVar("_Kind", bound=Step)


def layer_changes(
    a: Network, b: Network, left: int | None, right: int | None
) -> Iterator[PartChange]:
    """What differs in feedforward and BP1 to BP4 of one layer, in this order.

    Of a layer that only one side has, all of its formulas.
    """
    before, after = _formulas(a, left), _formulas(b, right)
    for part in (FEEDFORWARD, *EQUATIONS):
        one, other = before.get(part), after.get(part)
        if one is None and other is None:
            continue
        if left is None or right is None:
            yield PartChange(part, one, other, "")
        elif _signature(a, left, part) != _signature(b, right, part):
            yield PartChange(part, one, other, _reason(a, b, left, right, part))


def update_changes(a: Network, b: Network) -> Iterator[PartChange]:
    """What differs in the update, which is the same for all layers of a network."""
    if _update(a) != _update(b):
        yield PartChange(UPDATE, _in_words(a), _in_words(b), of_update(a, b))


def formulas(network: Network, layer: int) -> dict[str, str]:
    """The formula of every part of a layer, the update's too."""
    update = {UPDATE: network.plan.update_formula} if layer > 1 else {}
    return {**_formulas(network, layer), **update}


def _formulas(network: Network, layer: int | None) -> dict[str, str]:
    """Of feedforward in training and of BP1 to BP4; of no layer, none."""
    found: dict[str, str] = {}
    if forward := network.forward.get(layer or 0):
        found[FEEDFORWARD] = ", ".join(step.formula for step in forward.steps)
    if backward := network.backward.get(layer or 0):
        found |= {s.equation: s.formula for s in backward.steps if s.equation}
    return found


def _signature(network: Network, layer: int, part: str) -> Hashable:
    """All that a part of a layer is, but for the numbers of layers."""
    blocks = network.forward if part == FEEDFORWARD else network.backward
    steps = blocks[layer].steps if layer in blocks else ()
    chosen = [s for s in steps if part in (FEEDFORWARD, s.equation)]
    return tuple(
        (step.macro, relative(step.formula, layer), *_applied(network, step))
        for step in chosen
    )


def _applied(network: Network, step: Step) -> Iterator[Hashable]:
    """What a step does that its formula need not show."""
    if isinstance(step, Activate):
        yield network.functions.get(step.function)
    if isinstance(step, ErrorStep):
        yield step.value
        yield tuple(name for name, _ in step.operands)
        yield tuple(network.functions[call.function] for call in step.calls)


def _reason(a: Network, b: Network, left: int, right: int, part: str) -> str:
    bp1, bp2, *_ = EQUATIONS
    if part == FEEDFORWARD:
        found = of_feedforward(a, b, left, right)
    elif part == bp1:
        found = of_output(a, b)
    elif part == bp2:
        found = of_backward(a, b, left, right)
    else:
        found = of_weights(a, b, left, right)
    return "; ".join(found)


# ---- The update --------------------------------------------------------------------


def _update(network: Network) -> Hashable:
    plan = network.plan
    block = plan.update[0]
    return (
        _in_words(network),
        plan.scalars,
        plan.scalar_state,
        plan.update_function,
        tuple(
            (s.macro, s.parameter.role, s.before, s.body, s.call)
            for s in _of_kind(UpdateParameter, block.steps)
        ),
        tuple(step.macro for step in block.steps),
    )


def _in_words(network: Network) -> str:
    """The update's formula, with what stands before it and after it."""
    plan = network.plan
    first = [step.formula for step in (*plan.reduction, *plan.clipping)]
    block = plan.update[0]
    last = [s.formula for s in _of_kind(LimitNorm, block.steps)]
    # The formula of one layer's weights stands for all of them.
    limits = [relative(text, block.layer).replace("[l]", "") for text in last]
    return "; ".join([*first, plan.update_formula, *limits])


def _of_kind(kind: type[_Kind], steps: Iterable[Step]) -> list[_Kind]:
    return [step for step in steps if isinstance(step, kind)]
