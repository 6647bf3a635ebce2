"""What lowering makes of an operator: its parameters filled in, its derivative's form."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Iterable
from dataclasses import replace

from bpcompile.expr import Apply, Const, Expr, operations, substitute, variables
from bpcompile.fields import Operator
from bpcompile.operators.entry import Activation, Body, Cost, Map
from bpcompile.steps import Call, ErrorStep, Tensor

#: A derivative of more operations than this becomes a function of its own.
MOST_INLINE = 2
#: The same of a cost's, which stands in one line only.
MOST_INLINE_OF_COST = 4


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
        beforehand=filled(entry.beforehand),
        derivative=None if derivative is None else substitute(derivative, numbers),
    )


def added(terms: Iterable[Expr]) -> Expr:
    """Their sum, leaning left; there is at least one."""
    return functools.reduce(operator.add, terms)


def named_derivative(entry: Activation) -> Call | None:
    """σ' as a function of its own where it is more than two operations."""
    if entry.derivative is None:
        return None
    if operations(entry.derivative) <= MOST_INLINE and not entry.beforehand:
        return None
    read = _read(prime_body(entry))
    names = tuple(name for name in "za" if name in read)
    return Call(f"{entry.function}_prime", names)


def prime_body(entry: Activation) -> Body:
    """σ' in statements, for an element-wise activation."""
    assert entry.derivative is not None
    return *entry.beforehand, Map("prime", entry.derivative)


def named_gradient(cost: Cost) -> Call | None:
    """∂C/∂a as a function of its own where it is more than one line should hold."""
    if operations(cost.gradient) <= MOST_INLINE_OF_COST and not cost.beforehand:
        return None
    read = _read(gradient_body(cost))
    names = tuple(name for name in "ay" if name in read)
    return Call(f"{cost.function}_gradient", names)


def gradient_body(cost: Cost) -> Body:
    """∂C/∂a in statements."""
    return *cost.beforehand, Map("gradient", cost.gradient)


def _read(body: Body) -> set[str]:
    return {v.name for statement in body for v in variables(statement.value)}


def reads_z(entry: Activation) -> bool:
    """Whether the way back reads z; else a may take its place in memory."""
    back = prime_body(entry) if entry.derivative is not None else entry.vjp
    return "z" in _read(back)


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
