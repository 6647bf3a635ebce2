"""The derivative of a formula's tree, simplified.

What may fail far out is kept from failing: a choice has the derivative of the branch
taken alone, where a sum over both would make 0 * inf a NaN; a quotient is derived as
x'/y - (x/y) (y'/y), where y * y would overflow first.
"""

from __future__ import annotations

from bpcompile.expr import PRIMITIVES, Apply, Const, Expr, Var, exp, log, where
from bpcompile.formula.simplify import simplified
from bpcompile.formula.tree import Called, children, rebuilt

ZERO = Const(0)
#: The branch that counts where both are equal is the second, as in `expr.PRIMITIVES`.
_LARGER = {"max": "gt", "min": "lt"}


def derivative(tree: Expr, name: str) -> Expr:
    """The derivative with respect to the variable `name`, simplified.

    At a kink it is that of the branch which the tree takes there: 0 for max(z, 0) at
    z = 0. Powers must have constant exponents; see `plain_powers`.
    """
    return simplified(_derived(tree, name))


def plain_powers(tree: Expr) -> Expr:
    """x**y as exp(y log x), which has a derivative, unless y is a constant."""
    args = tuple(plain_powers(arg) for arg in children(tree))
    if isinstance(tree, Apply) and tree.primitive == "pow":
        base, exponent = (simplified(arg) for arg in args)
        if not isinstance(exponent, Const):
            return exp(exponent * log(base))
        return Apply("pow", (args[0], exponent))
    return rebuilt(tree, args)


def _derived(tree: Expr, name: str) -> Expr:
    if isinstance(tree, Var):
        return Const(1 if tree.name == name else 0)
    if isinstance(tree, Called):
        return _product(tree.derivative, _derived(tree.arg, name))
    if not isinstance(tree, Apply):
        return ZERO
    inner = [_derived(arg, name) for arg in tree.args]
    if not any(slope != ZERO for slope in inner):
        return ZERO
    if tree.primitive in _LARGER:
        test = Apply(_LARGER[tree.primitive], tree.args)
        return _chosen(test, inner[0], inner[1])
    if tree.primitive == "where":
        return _chosen(tree.args[0], inner[1], inner[2])
    if tree.primitive == "div":
        top = simplified(inner[0] / tree.args[1])
        return _difference(top, _product(tree, simplified(inner[1] / tree.args[1])))
    partials = PRIMITIVES[tree.primitive].derivatives(*tree.args)
    total: Expr = ZERO
    for partial, slope in zip(partials, inner, strict=True):
        term = _product(simplified(partial), slope)
        total = term if total == ZERO else _sum(total, term)
    return total


def _chosen(test: Expr, then: Expr, otherwise: Expr) -> Expr:
    return then if then == otherwise else where(test, then, otherwise)


def _product(left: Expr, right: Expr) -> Expr:
    if ZERO in (left, right):
        return ZERO
    return simplified(left * right)


def _sum(left: Expr, right: Expr) -> Expr:
    return left if right == ZERO else simplified(left + right)


def _difference(left: Expr, right: Expr) -> Expr:
    return left if right == ZERO else simplified(left - right)
