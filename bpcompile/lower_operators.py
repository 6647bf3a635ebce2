"""What lowering makes of an operator: its parameters filled in, its derivative's form."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from bpcompile.expr import (
    BOOK,
    Apply,
    Const,
    Expr,
    operations,
    simplify,
    spell,
    substitute,
    variables,
)
from bpcompile.fields import Operator
from bpcompile.functions import Function
from bpcompile.operators.entry import Activation, Body, Cost, FusedError, Map
from bpcompile.operators.special import SPECIAL
from bpcompile.step import Call, ErrorStep, Tensor

#: A derivative of more operations than this becomes a function of its own.
MOST_INLINE = 2
#: The same of a cost's, which stands in one line only.
MOST_INLINE_OF_COST = 4


class _Filling:
    """An operator's parameters on their way into its expressions."""

    def __init__(self, chosen: Operator) -> None:
        self.chosen = chosen
        self.numbers: Mapping[str, Expr] = {
            name: Const(int(value) if value == int(value) else value)
            for name, value in chosen.numbers.items()
        }

    def tree(self, value: Expr) -> Expr:
        return settled(substitute(value, self.numbers))

    def perhaps(self, value: Expr | None) -> Expr | None:
        return None if value is None else self.tree(value)

    def body(self, body: Body) -> Body:
        return tuple(replace(s, value=self.tree(s.value)) for s in body)

    def formula(self, text: str) -> str:
        """With every digit of a number: a rounded one would not be what is computed."""
        words = {name: _digits(value) for name, value in self.chosen.numbers.items()}
        return text.format(**words) if words else text


def _digits(value: float) -> str:
    return repr(int(value) if value == int(value) else value)


def settled(value: Expr) -> Expr:
    """A tree without the zeros and ones that parameters have put into it."""
    if not isinstance(value, Apply):
        return value
    return simplify(Apply(value.primitive, tuple(map(settled, value.args))))


def resolved(entry: Activation, chosen: Operator) -> Activation:
    """The entry with the spec's parameters in its expressions, formulas and name."""
    if not chosen.values:
        return entry
    fill = _Filling(chosen)
    defaults = tuple((p.name, p.default) for p in entry.parameters)
    own = chosen.values != defaults
    # Every digit, or two layers with almost the same number would share a function.
    values = "".join(f"_{_digits(v)}" for v in chosen.numbers.values()) if own else ""
    return replace(
        entry,
        kind=entry.kind + re.sub(r"\W", "_", values),
        formula=fill.formula(entry.formula),
        body=fill.body(entry.body),
        derivative=fill.perhaps(entry.derivative),
        beforehand=fill.body(entry.beforehand),
        derivative_formula=fill.formula(entry.derivative_formula),
        kinks=tuple((z, fill.tree(slope)) for z, slope in entry.kinks),
        vjp=fill.body(entry.vjp),
    )


def resolved_cost(entry: Cost, chosen: Operator) -> Cost:
    """The same of a cost, whose name stays: a module has but one."""
    if not chosen.values:
        return entry
    fill = _Filling(chosen)

    def filled(fused: FusedError) -> FusedError:
        return replace(
            fused,
            value=fill.body(fused.value),
            error=fill.tree(fused.error),
            through=fill.body(fused.through),
            left=fill.perhaps(fused.left),
        )

    return replace(
        entry,
        formula=fill.formula(entry.formula),
        body=fill.body(entry.body),
        gradient=fill.tree(entry.gradient),
        coded=fill.perhaps(entry.coded),
        fused={output: filled(fused) for output, fused in entry.fused.items()},
    )


def kinks_in_words(entry: Activation) -> str:
    """What the derivative is taken to be where there is none."""
    return ", ".join(
        f"{entry.symbol}'({z:g}) is taken as {spell(slope, BOOK, {})}"
        for z, slope in entry.kinks
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
    read = _read(entry.way_back)
    names = tuple(name for name in "za" if name in read)
    return Call(f"{entry.function}_prime", names)


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
    return "z" in _read(entry.way_back)


def special_functions(bodies: Iterable[Body]) -> list[Function]:
    """The primitives that the module must define, for a body applies them."""
    used = {name for body in bodies for s in body for name in _applied(s.value)}
    return [
        Function(name, "primitive", ("x",), made.body, f"{name}(x), {made.formula}")
        for name, made in SPECIAL.items()
        if name in used
    ]


def _applied(value: Expr) -> set[str]:
    if not isinstance(value, Apply):
        return set()
    return {value.primitive}.union(*map(_applied, value.args))


def times(factor: Expr, derivative: Expr) -> Expr:
    """factor * derivative with the products leaning left, `(g * a) * (1 - a)`."""
    if derivative == Const(1):
        return factor
    if isinstance(derivative, Apply) and derivative.primitive == "mul":
        left, right = derivative.args
        return times(factor, left) * right
    return factor * derivative


def consumed(step: ErrorStep, later: set[Tensor]) -> tuple[str, ...]:
    """The operands that nothing reads after the step; y and r are the caller's."""
    own = [(name, tensor) for name, tensor in step.operands if name not in "yr"]
    free = [name for name, tensor in own if tensor not in later]
    return (*free, "g", "prime")
