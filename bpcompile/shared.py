"""A number that the update multiplies every gradient by, taken out of it.

Each gradient is linear in the error of the last layer, which has far fewer entries than
the weights: a target may multiply that error instead, and saves a pass over all of them.
"""

from __future__ import annotations

from dataclasses import replace

from bpcompile.expr import Apply, Const, Expr, Var, variables
from bpcompile.plan import Block, Plan
from bpcompile.records import dataclass
from bpcompile.steps import ClipValue, UpdateParameter

_NABLA = Var("nabla")


@dataclass(frozen=True)
class Shared:
    """The update for gradients that are multiplied by `share` already."""

    share: Expr
    update: tuple[Block, ...]


def shared(plan: Plan) -> Shared:
    """The plan's update without the number that it multiplies every gradient by.

    The number is 1, and the update as it was, where there is none: where gradients
    are clipped, or a penalty is added to them.
    """
    steps = [step for block in plan.update for step in block.steps]
    updates = [step for step in steps if isinstance(step, UpdateParameter)]
    pairs = [pair for step in updates if (pair := without_share(step))]
    clips = plan.clipping or any(isinstance(step, ClipValue) for step in steps)
    if clips or len(pairs) < len(updates) or len({share for share, _ in pairs}) > 1:
        return Shared(Const(1), plan.update)
    made = iter([step for _, step in pairs])
    blocks = [
        replace(
            block,
            steps=tuple(
                next(made) if isinstance(step, UpdateParameter) else step
                for step in block.steps
            ),
        )
        for block in plan.update
    ]
    return Shared(pairs[0][0], tuple(blocks))


def without_share(step: UpdateParameter) -> tuple[Expr, UpdateParameter] | None:
    """(share, step): the number, and the step for gradients multiplied by it already.

    None where "nabla" also occurs without it, as where a penalty is added to it.
    """
    read = [s for s in step.before if _NABLA in variables(s.value)]
    if not read:
        return _of_body(step)
    match [s.value for s in read]:
        case [Apply("div", (left, m))] if left == _NABLA:
            before = tuple(s for s in step.before if s not in read)
            return Const(1) / m, replace(step, before=before)
    return None


def _of_body(step: UpdateParameter) -> tuple[Expr, UpdateParameter] | None:
    """Where each "nabla" of the body stands in a product with the same number."""
    shares: list[Expr | None] = []
    body = tuple(replace(s, value=_taken(s.value, shares)) for s in step.body)
    share = shares[0] if len(set(shares)) == 1 else None
    return None if share is None else (share, replace(step, body=body))


def _taken(value: Expr, shares: list[Expr | None]) -> Expr:
    """The value without the factors of "nabla", which are noted, None for no factor."""
    match value:
        case Apply("mul", (Var(scalar=True) as factor, last)) if last == _NABLA:
            shares.append(factor)
            return last
        case Apply(primitive, args):
            return Apply(primitive, tuple(_taken(arg, shares) for arg in args))
    if value == _NABLA:
        shares.append(None)
    return value
