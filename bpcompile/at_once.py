"""The optimizer's step of all parameters at once, where it is a function.

What it subtracts from a parameter follows from that one's gradient and state alone. A
target that keeps the gradients of all parameters in one array, and so each state, may
call the function once, and not for every parameter: on small networks calls are what
a step of Adam costs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from bpcompile.expr import Apply, Expr, Var, variables
from bpcompile.functions import UpdateFunction
from bpcompile.operators.entry import Body, Map, Reduce
from bpcompile.plan import Block
from bpcompile.records import dataclass
from bpcompile.step import Step
from bpcompile.steps import LimitNorm, UpdateParameter

w, nabla = Var("w"), Var("nabla")


@dataclass(frozen=True)
class AtOnce:
    """An update in four parts.

    before     what is done to the gradients of each layer first: limits, penalties
    gradient   what is done to "nabla", of all parameters alike
    function   the optimizer's step, which leaves in "g" what is subtracted from "w"
    after      "w" less that, layer by layer, and what is done to "w" besides
    """

    before: tuple[Block, ...]
    gradient: Body
    function: UpdateFunction
    after: tuple[Block, ...]


def at_once(function: UpdateFunction, update: Sequence[Block]) -> AtOnce:
    """The update by this function, which every step of it calls, in four parts."""
    pairs = zip(function.body, function.formulas, strict=True)
    (*body, last), (*formulas, formula) = zip(
        *(_mean_in_place(*pair) for pair in pairs), strict=True
    )
    gradient = _alike(update)
    return AtOnce(
        _blocks(update, partial(_before, len(gradient))),
        gradient,
        replace(
            function,
            arrays=tuple(name for name in function.arrays if name != w.name),
            body=(*body, Map("g", _subtracted(last.value))),
            documentation=f"{function.documentation} for all parameters",
            formulas=(*formulas, formula.replace("w → w - ", "g → ", 1)),
        ),
        _blocks(update, _after),
    )


def _mean_in_place(statement: Map | Reduce, formula: str) -> tuple[Map | Reduce, str]:
    """x → β x + (1 - β) y as x → β (x - y) + y, which needs no array but x's own.

    As exact for a y of x's size, of which x is a mean. Not for the mean of squares,
    which may be far smaller than the last of them: what is y² would be lost in it.
    """
    match statement.value:
        case Apply("add", (Apply("mul", (keep, x)), Apply("mul", (rest, Var() as y)))):
            if x == Var(statement.target) and rest == 1 - keep:
                printed = re.sub(
                    r"→ (\S+) (\w+) \+ \(1 - \1\) (\w+)$",
                    r"\g<0> = \1 (\2 - \3) + \3",
                    formula,
                )
                return replace(statement, value=keep * (x - y) + y), printed
    return statement, formula


def _subtracted(value: Expr) -> Expr:
    match value:
        case Apply("sub", (kept, step)) if kept == w:
            return step
    raise AssertionError("an optimizer's last statement subtracts from w")


def _of_gradient(step: UpdateParameter) -> Body:
    return tuple(s for s in step.before if s.target == nabla.name)


def _alike(update: Sequence[Block]) -> Body:
    """The last that is done to "nabla", if it is the same for every parameter."""
    steps = [step for block in update for step in block.steps]
    lasts = {_of_gradient(s)[-1:] for s in steps if isinstance(s, UpdateParameter)}
    last = lasts.pop() if len(lasts) == 1 else ()
    return () if any(w in variables(s.value) for s in last) else last


def _blocks(
    update: Sequence[Block], part: Callable[[Step], Step | None]
) -> tuple[Block, ...]:
    """The blocks with that part of their steps, those that have one."""
    parts = [
        replace(
            block, steps=tuple(made for step in block.steps if (made := part(step)))
        )
        for block in update
    ]
    return tuple(block for block in parts if block.steps)


def _before(alike: int, step: Step) -> Step | None:
    """What comes before the function, but for the last `alike` that all have."""
    match step:
        case LimitNorm():
            return None
        case UpdateParameter():
            maps = _of_gradient(step)
            maps = maps[: len(maps) - alike]
            return replace(step, before=maps, body=(), call=None) if maps else None
    return step


def _after(step: Step) -> Step | None:
    match step:
        case LimitNorm():
            return step
        case UpdateParameter():
            maps = tuple(s for s in step.before if s.target == w.name)
            return replace(step, before=maps, body=(Map("w", w - nabla),), call=None)
    return None
