"""What lowering makes of an operator: its parameters filled in, its derivative's form."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Iterable
from dataclasses import replace

from bpcompile.expr import Apply, Const, Expr, operations, substitute, variables
from bpcompile.fields import Operator
from bpcompile.operators.entry import Activation, Body
from bpcompile.steps import Call, ErrorStep, Tensor

#: A derivative of more operations than this becomes a function of its own.
MOST_INLINE = 2


def resolved(entry: Activation, chosen: Operator) -> Activation:
    """The entry with the spec's parameters in its expressions, formula and name."""
    if not chosen.values:
        return entry
    numbers = {name: Const(value) for name, value in chosen.numbers.items()}

    def filled(body: Body) -> Body:
        return tuple(replace(s, value=substitute(s.value, numbers)) for s in body)

    defaults = tuple((p.name, p.default) for p in entry.parameters)
    own = chosen.values != defaults
    values = "".join(f"_{value:g}" for _, value in chosen.values) if own else ""
    derivative = entry.derivative
    return replace(
        entry,
        kind=entry.kind + re.sub(r"\W", "_", values),
        formula=entry.formula.format(**chosen.parameters),
        body=filled(entry.body),
        vjp=filled(entry.vjp),
        derivative=None if derivative is None else substitute(derivative, numbers),
    )


def added(terms: Iterable[Expr]) -> Expr:
    """Their sum, leaning left; there is at least one."""
    return functools.reduce(operator.add, terms)


def named_derivative(entry: Activation) -> Call | None:
    """σ' as a function of its own where it is more than two operations."""
    if entry.derivative is None or operations(entry.derivative) <= MOST_INLINE:
        return None
    read = {v.name for v in variables(entry.derivative)}
    return Call(f"{entry.kind}_prime", tuple(name for name in "za" if name in read))


def reads_z(entry: Activation) -> bool:
    """Whether the way back reads z; else a may take its place in memory."""
    derivative = [entry.derivative] if entry.derivative is not None else []
    back = derivative + [statement.value for statement in entry.vjp]
    return any(v.name == "z" for value in back for v in variables(value))


def times(factor: Expr, derivative: Expr) -> Expr:
    """factor * derivative with the products leaning left, `(g * a) * (1 - a)`."""
    if derivative == Const(1):
        return factor
    if isinstance(derivative, Apply) and derivative.primitive == "mul":
        left, right = derivative.args
        return times(factor, left) * right
    return factor * derivative


def consumed(step: ErrorStep, later: set[Tensor]) -> tuple[str, ...]:
    """The operands that nothing reads after the step; y belongs to the caller."""
    free = [n for n, tensor in step.operands if n != "y" and tensor not in later]
    return (*free, "g", "prime")
