"""Trees for languages in which not every number has the type of the arrays.

In some, what is true or false is no number by itself: `1 - (z > 0)` may be a whole
number or no number at all, and the choice between two numbers, `where(z > 0, 1, 0.01)`,
may come in a wider type than z has.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from bpcompile.expr import (
    COMPARE,
    PRIMITIVES,
    Apply,
    Const,
    Expr,
    Var,
    variables,
)

#: How a target that needs it spells the conversion of {0} to the type of {1}.
NUMBER = "number"
#: How a target that needs it spells rounding {0}, of numbers, to the arrays' type.
ROUNDED = "rounded"
#: Up to here every whole number is one of float32 too.
_LARGEST_WHOLE = 2**24


class _Kind(Enum):
    """What a language takes a tree for: arrays keep their type, numbers have none."""

    ARRAY = 1
    FLAG = 2
    NUMBER = 3


def as_numbers(value: Expr) -> Expr:
    """The tree with a conversion wherever its value would not be of the arrays' type.

    Beside an array a comparison counts as 1 or 0 by itself.
    """
    tree, kind = _converted(value)
    return _as_array(tree) if kind is _Kind.FLAG else tree


def _converted(value: Expr) -> tuple[Expr, _Kind]:
    if isinstance(value, Var):
        return value, _Kind.NUMBER if value.scalar else _Kind.ARRAY
    if not isinstance(value, Apply):
        return value, _Kind.NUMBER
    made = [_converted(arg) for arg in value.args]
    trees, kinds = [tree for tree, _ in made], [kind for _, kind in made]
    if PRIMITIVES[value.primitive].precedence == COMPARE:
        return Apply(value.primitive, tuple(trees)), _comparison(kinds)
    if value.primitive == "where":
        return _choice(trees, kinds)
    if _Kind.FLAG in kinds and _Kind.ARRAY not in kinds:
        trees = [
            _as_array(tree) if kind is _Kind.FLAG else tree
            for tree, kind in zip(trees, kinds, strict=True)
        ]
        kinds = [_Kind.ARRAY]
    kind = _Kind.ARRAY if _Kind.ARRAY in kinds else _Kind.NUMBER
    return Apply(value.primitive, tuple(trees)), kind


def _comparison(kinds: list[_Kind]) -> _Kind:
    return _Kind.NUMBER if set(kinds) == {_Kind.NUMBER} else _Kind.FLAG


def _choice(trees: list[Expr], kinds: list[_Kind]) -> tuple[Expr, _Kind]:
    """A choice is of the arrays' type where one of its two sides is."""
    chosen = Apply("where", tuple(trees))
    if _Kind.ARRAY in kinds[1:]:
        return chosen, _Kind.ARRAY
    return _as_array(chosen), _Kind.ARRAY


def _as_array(value: Expr) -> Expr:
    like = next((v for v in variables(value) if not v.scalar), None)
    return Apply(NUMBER, (value, like)) if like else value


def as_rounded(value: Expr, rounded: Callable[[Expr], str]) -> Expr:
    """The tree with `rounded` of every part that holds no array, each rounded once.

    Whole numbers stay what they are, and are written so: every type has them, unless
    they are large.
    """
    if isinstance(value, Const) and _is_whole(value.value):
        return Const(int(value.value))
    if all(v.scalar for v in variables(value)):
        return Var(rounded(value))
    if not isinstance(value, Apply):
        return value
    args = tuple(as_rounded(arg, rounded) for arg in value.args)
    return Apply(value.primitive, args)


def _is_whole(value: float) -> bool:
    return abs(value) <= _LARGEST_WHOLE and value == int(value)
