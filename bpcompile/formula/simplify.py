"""Smaller trees of the same value.

Rewritten is only what rounds alike, or better: constants are folded as the generated
code would compute them, x * x is what a correctly rounded power would be. What is
infinite or NaN may become a number: 0 * x is 0.
"""

from __future__ import annotations

import math

from bpcompile.expr import PRIMITIVES, Apply, Const, Expr, Var, abs_, where
from bpcompile.formula.tree import children, rebuilt

#: Whole powers up to this become products: a general power is slow.
MAX_PRODUCT = 8
_COMPARISONS = ("lt", "le", "gt", "ge")


def simplified(tree: Expr) -> Expr:
    """The tree with constants folded, zeros, ones and double signs taken out."""
    tree = rebuilt(tree, tuple(simplified(arg) for arg in children(tree)))
    # Every rule leaves fewer operations or moves a constant to the left, so it ends.
    while True:
        simpler = _folded(tree)
        if simpler == tree:
            return tree
        tree = simpler


def _folded(tree: Expr) -> Expr:
    if not isinstance(tree, Apply):
        return tree
    if all(isinstance(arg, Const) for arg in tree.args):
        return _constant(tree)
    if tree.primitive in ("add", "sub"):
        return _summed(tree)
    if tree.primitive in ("mul", "div"):
        return _multiplied(tree)
    match tree:
        case Apply("neg", (Apply("neg", (x,)),)):
            return x
        case Apply("neg", (Apply("sub", (x, y)),)):
            return y - x
        case Apply("neg", (Apply("mul", (Const(c), x)),)):
            return Const(-c) * x
        case Apply("pow", (x, Const(n))):
            return _power(tree, x, n)
        case Apply("where", (Const(c), x, y)):
            return x if c else y
        case Apply("where", (_, x, y)) if x == y:
            return x
    return tree


def _constant(tree: Apply) -> Expr:
    values = [arg.value for arg in tree.args if isinstance(arg, Const)]
    try:
        value = PRIMITIVES[tree.primitive].evaluate(*values)
    except (ArithmeticError, ValueError):
        return tree
    if isinstance(value, complex) or not math.isfinite(value):
        return tree
    return Const(int(value) if value == int(value) and abs(value) < 2**53 else value)


def _summed(tree: Apply) -> Expr:
    match tree:
        case Apply("add", (Const(0), x)) | Apply("add" | "sub", (x, Const(0))):
            return x
        case Apply("sub", (Const(0), x)):
            return simplified(-x)
        case Apply("add", (x, Apply("neg", (y,)))):
            return x - y
        case Apply("add", (Apply("neg", (x,)), y)):
            return y - x
        case Apply("sub", (x, Apply("neg", (y,)))):
            return x + y
        case Apply("sub", (x, Apply("mul", (Const(c), y)))) if c < 0:
            return x + simplified(Const(-c) * y)
        case Apply("add", (x, Apply("mul", (Const(c), y)))) if c < 0:
            return x - simplified(Const(-c) * y)
        case Apply("add", (x, Const(c))) if c < 0:
            return x - Const(-c)
        case Apply("sub", (x, Const(c))) if c < 0:
            return x + Const(-c)
        case Apply("add", (x, y)) if x == y:
            return simplified(2 * x)
        case Apply("sub", (x, y)) if x == y:
            return Const(0)
    return tree


def _multiplied(tree: Apply) -> Expr:
    match tree:
        case Apply("mul", (Const(0), _)) | Apply("mul", (_, Const(0))):
            return Const(0)
        case Apply("div", (Const(0), _)):
            return Const(0)
        case Apply("mul", (Const(1), x)) | Apply("mul" | "div", (x, Const(1))):
            return x
        case Apply("mul", (Const(-1), x)) | Apply("mul" | "div", (x, Const(-1))):
            return simplified(-x)
        case Apply("mul", (x, Const(c))):
            return simplified(Const(c) * x)
        case Apply("mul", (Const(c), Apply("mul", (Const(d), x)))) if _exact(c, d):
            return Const(c * d) * x
        case Apply("mul", (Const(c), Apply("div", (Const(d), x)))) if _exact(c, d):
            return Const(c * d) / x
        case Apply(
            "mul", (Apply("div", (Const(c), x)), Apply("mul", (Const(d), y)))
        ) if _exact(c, d):
            return simplified(simplified(Const(c * d) * y) / x)
        case Apply("mul", (x, Apply("mul", (Const(c), y)))) if _exact(c):
            return Const(c) * (x * y)
        case Apply("div", (Apply("mul", (Const(c), x)), Const(d))) if c % d == 0:
            return simplified(Const(c // d) * x)
        case Apply("mul", (Const(c), Apply("neg", (x,)))):
            return Const(-c) * x
        case Apply(op, (Apply("neg", (x,)), Apply("neg", (y,)))):
            return Apply(op, (x, y))
        case Apply(op, (Apply("neg", (x,)), y)) | Apply(op, (x, Apply("neg", (y,)))):
            return simplified(-simplified(Apply(op, (x, y))))
        case Apply("mul", (x, Apply("div", (Const(1), y)))):
            return simplified(x / y)
        case Apply("mul", (Apply("div", (Const(1), y)), x)):
            return simplified(x / y)
        case Apply("mul", (x, Apply("where", (c, Const(1), Const(0))))):
            return Apply("where", (c, x, Const(0)))
        case Apply("mul", (Apply("where", (c, p, Const(0))), x)):
            return Apply("where", (c, simplified(p * x), Const(0)))
        case Apply("mul", (Apply("where", (c, Const(0), p)), x)):
            return Apply("where", (c, Const(0), simplified(p * x)))
    return tree


def _power(tree: Apply, base: Expr, exponent: float) -> Expr:
    if exponent == 0.5:
        return Apply("sqrt", (base,))
    if exponent != int(exponent) or abs(exponent) > MAX_PRODUCT:
        return tree
    if exponent < 0:
        return 1 / simplified(base ** Const(-exponent))
    if exponent in (0, 1):
        return base if exponent else Const(1)
    # Halves alike, so that x**4 is the square of a square.
    half, odd = divmod(int(exponent), 2)
    root = simplified(base ** Const(half))
    return root * root * base if odd else root * root


def _exact(*values: float) -> bool:
    """Whether products with these numbers are exact: small whole ones among each
    other, and all but one a power of two, so that their order does not count."""
    rough = [v for v in values if math.frexp(v)[0] not in (0.5, -0.5)]
    return len(rough) < len(values) or all(v.is_integer() for v in map(float, values))


def numeric(tree: Expr, factor: bool = False) -> Expr:
    """Comparisons only where every language takes them: as the test of a choice, and
    as a factor of something that is none; `factor` says that the tree is one itself.

    Elsewhere, as in a sum, they become a choice between 1 and 0.
    """
    if not isinstance(tree, Apply):
        return tree
    match tree:
        case Apply("where", (test, then, otherwise)):
            return _choice(test, then, otherwise, factor)
        case Apply("mul", (x, y)):
            left = numeric(x, factor or _is_array(y))
            return left * numeric(y, factor or _is_array(x))
    compared = Apply(tree.primitive, tuple(map(numeric, tree.args)))
    if tree.primitive not in _COMPARISONS or factor:
        return compared
    return where(compared, 1, 0)


def _choice(test: Expr, then: Expr, otherwise: Expr, factor: bool) -> Expr:
    if isinstance(test, Apply) and test.primitive == "mul":
        # Both must hold, for then their product is not 0.
        first, second = test.args
        inner = where(second, then, otherwise)
        return numeric(where(first, inner, otherwise), factor)
    test = _test(test)
    if factor and otherwise == Const(0):
        chosen = numeric(then, factor=True)
        if chosen == Const(1):
            return test
        if not _is_array(chosen) and not isinstance(chosen, Const):
            return test * chosen
    return where(test, numeric(then), numeric(otherwise))


def _test(tree: Expr) -> Expr:
    """The first argument of where: a comparison, or else whether it is not 0."""
    if isinstance(tree, Apply) and tree.primitive in _COMPARISONS:
        return Apply(tree.primitive, tuple(map(numeric, tree.args)))
    return abs_(numeric(tree)) > 0


def _is_array(tree: Expr) -> bool:
    """Whether the value has the dtype of the variables: no constant, no comparison,
    and no choice between constants."""
    if isinstance(tree, Apply):
        if tree.primitive in _COMPARISONS:
            return False
        branches = tree.args[1:] if tree.primitive == "where" else tree.args
        return any(map(_is_array, branches))
    return isinstance(tree, Var)
