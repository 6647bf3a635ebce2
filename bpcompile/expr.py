"""A small frozen expression tree: build, evaluate, differentiate, spell.

A tree is written with Python's own operators over `Var` and `Const` and the
functions below (`exp(-z)`, `where(z > 0, z, 0)`), and holds nothing else than the
primitives of `PRIMITIVES`, a closed list that every target spells once. Trees keep
the shape they were written in: `(g * a) * (1 - a)` is rounded alike everywhere.
"""

from __future__ import annotations

import cmath
import math
import re
from collections.abc import Callable, Iterator, Mapping

from bpcompile import analytic
from bpcompile.analytic import ERF_SLOPE, by, real
from bpcompile.analytic import Number as Number
from bpcompile.records import dataclass


class Expr:
    """Any node; its operators build trees."""

    def __add__(self, other: Expr | float) -> Expr:
        return Apply("add", (self, wrap(other)))

    def __radd__(self, other: float) -> Expr:
        return Apply("add", (wrap(other), self))

    def __sub__(self, other: Expr | float) -> Expr:
        return Apply("sub", (self, wrap(other)))

    def __rsub__(self, other: float) -> Expr:
        return Apply("sub", (wrap(other), self))

    def __mul__(self, other: Expr | float) -> Expr:
        return Apply("mul", (self, wrap(other)))

    def __rmul__(self, other: float) -> Expr:
        return Apply("mul", (wrap(other), self))

    def __truediv__(self, other: Expr | float) -> Expr:
        return Apply("div", (self, wrap(other)))

    def __rtruediv__(self, other: float) -> Expr:
        return Apply("div", (wrap(other), self))

    def __pow__(self, other: Expr | float) -> Expr:
        return Apply("pow", (self, wrap(other)))

    def __rpow__(self, other: float) -> Expr:
        return Apply("pow", (wrap(other), self))

    def __neg__(self) -> Expr:
        return Apply("neg", (self,))

    def __lt__(self, other: Expr | float) -> Expr:
        return Apply("lt", (self, wrap(other)))

    def __le__(self, other: Expr | float) -> Expr:
        return Apply("le", (self, wrap(other)))

    def __gt__(self, other: Expr | float) -> Expr:
        return Apply("gt", (self, wrap(other)))

    def __ge__(self, other: Expr | float) -> Expr:
        return Apply("ge", (self, wrap(other)))


@dataclass(frozen=True)
class Var(Expr):
    """A name; `scalar` if it is one number rather than one per neuron and example."""

    name: str
    scalar: bool = False


@dataclass(frozen=True)
class Const(Expr):
    value: float


@dataclass(frozen=True)
class Apply(Expr):
    """A primitive of `PRIMITIVES` applied to its arguments."""

    primitive: str
    args: tuple[Expr, ...]


def wrap(value: Expr | float) -> Expr:
    return value if isinstance(value, Expr) else Const(value)


def _builder(name: str) -> Callable[..., Expr]:
    def build(*args: Expr | float) -> Expr:
        return Apply(name, tuple(wrap(arg) for arg in args))

    return build


exp, log, log1p, expm1 = map(_builder, ("exp", "log", "log1p", "expm1"))
tanh, sin, cos, sqrt = map(_builder, ("tanh", "sin", "cos", "sqrt"))
erf, finite = map(_builder, ("erf", "finite"))
abs_, sign, max_, min_ = map(_builder, ("abs", "sign", "max", "min"))
floor = _builder("floor")
where = _builder("where")


@dataclass(frozen=True)
class Primitive:
    """One primitive: how tightly it binds, its value, its partial derivatives.

    `precedence` is that of an infix sign (larger binds tighter), 0 for a call.
    `derivatives` takes the arguments and gives one partial derivative for each.
    """

    precedence: int
    evaluate: Callable[..., Number]
    derivatives: Callable[..., tuple[Expr, ...]]


def _zero(*args: Expr) -> tuple[Expr, ...]:
    return tuple(Const(0) for _ in args)


ADD, MUL, NEG, POW, COMPARE, CHOICE = 10, 20, 30, 40, 5, 1

PRIMITIVES: Mapping[str, Primitive] = {
    "add": Primitive(ADD, lambda x, y: x + y, lambda x, y: (Const(1), Const(1))),
    "sub": Primitive(ADD, lambda x, y: x - y, lambda x, y: (Const(1), Const(-1))),
    "mul": Primitive(MUL, lambda x, y: x * y, lambda x, y: (y, x)),
    "div": Primitive(MUL, lambda x, y: x / y, lambda x, y: (1 / y, -x / (y * y))),
    "neg": Primitive(NEG, lambda x: -x, lambda x: (Const(-1),)),
    # The exponent is a constant wherever a power is differentiated.
    "pow": Primitive(POW, lambda x, y: x**y, lambda x, y: (y * x ** (y - 1), Const(0))),
    "exp": Primitive(0, by(math.exp, cmath.exp), lambda x: (exp(x),)),
    "log": Primitive(0, by(math.log, cmath.log), lambda x: (1 / x,)),
    "log1p": Primitive(0, by(math.log1p, analytic.log1p), lambda x: (1 / (1 + x),)),
    "expm1": Primitive(0, by(math.expm1, analytic.expm1), lambda x: (exp(x),)),
    "tanh": Primitive(0, by(math.tanh, cmath.tanh), lambda x: (1 - tanh(x) * tanh(x),)),
    "sin": Primitive(0, by(math.sin, cmath.sin), lambda x: (cos(x),)),
    "cos": Primitive(0, by(math.cos, cmath.cos), lambda x: (-sin(x),)),
    # No language but C has it: what stands for it is in `operators.special`.
    "erf": Primitive(
        0, by(math.erf, analytic.erf), lambda x: (ERF_SLOPE * exp(-(x * x)),)
    ),
    # Infinity becomes the largest number that the type has.
    "finite": Primitive(0, analytic.finite, lambda x: (Const(1),)),
    "sqrt": Primitive(0, by(math.sqrt, cmath.sqrt), lambda x: (0.5 / sqrt(x),)),
    "abs": Primitive(0, analytic.absolute, lambda x: (sign(x),)),
    "sign": Primitive(0, analytic.sign, _zero),
    "floor": Primitive(0, lambda x: float(math.floor(real(x))), _zero),
    # Of two equal arguments the second counts, in the value as in the derivative.
    "max": Primitive(
        0,
        lambda x, y: x if real(x) > real(y) else y,
        lambda x, y: (wrap(x) > y, wrap(x) <= y),
    ),
    "min": Primitive(
        0,
        lambda x, y: x if real(x) < real(y) else y,
        lambda x, y: (wrap(x) < y, wrap(x) >= y),
    ),
    "where": Primitive(
        CHOICE,
        lambda c, x, y: x if real(c) else y,
        lambda c, x, y: (
            Const(0),
            where(c, Const(1), Const(0)),
            where(c, Const(0), Const(1)),
        ),
    ),
    # Comparisons give 1 or 0, as a number.
    "lt": Primitive(COMPARE, lambda x, y: float(real(x) < real(y)), _zero),
    "le": Primitive(COMPARE, lambda x, y: float(real(x) <= real(y)), _zero),
    "gt": Primitive(COMPARE, lambda x, y: float(real(x) > real(y)), _zero),
    "ge": Primitive(COMPARE, lambda x, y: float(real(x) >= real(y)), _zero),
}


def evaluate(expr: Expr, values: Mapping[str, Number]) -> Number:
    """The value of a tree; comparisons, abs, max, min and sign act on real parts."""
    if isinstance(expr, Const):
        return expr.value
    if isinstance(expr, Var):
        return values[expr.name]
    assert isinstance(expr, Apply)
    args = [evaluate(arg, values) for arg in expr.args]
    return PRIMITIVES[expr.primitive].evaluate(*args)


def differentiate(expr: Expr, name: str) -> Expr:
    """The derivative with respect to the variable `name`, lightly simplified.

    At a kink it agrees with `evaluate` of complex numbers: where the arguments of max
    or min are equal, the second counts, so that max(z, 0) has the derivative 0 at
    z = 0; abs and sign have the derivative 0 there.
    """
    if isinstance(expr, Var):
        return Const(1 if expr.name == name else 0)
    if not isinstance(expr, Apply):
        return Const(0)
    total: Expr = Const(0)
    partials = PRIMITIVES[expr.primitive].derivatives(*expr.args)
    for partial, arg in zip(partials, expr.args, strict=True):
        total = simplify(total + simplify(partial * differentiate(arg, name)))
    return total


def simplify(expr: Expr) -> Expr:
    """Take out zeros, ones and the sign of a number at the root of a tree; arguments
    stay as they are.
    """
    match expr:
        case Apply("add", (Const(0), x)) | Apply("add" | "sub", (x, Const(0))):
            return x
        case Apply("mul" | "div", (Const(0), _)) | Apply("mul", (_, Const(0))):
            return Const(0)
        case Apply("mul", (Const(1), x)) | Apply("mul" | "div", (x, Const(1))):
            return x
        case Apply("mul", (Const(-1), x)) | Apply("mul", (x, Const(-1))):
            return -x
        case Apply("neg", (Const(value),)):
            return Const(-value)
    return expr


def substitute(expr: Expr, replacements: Mapping[str, Expr]) -> Expr:
    """The tree with every variable named in `replacements` replaced."""
    if isinstance(expr, Var):
        return replacements.get(expr.name, expr)
    if isinstance(expr, Apply):
        args = tuple(substitute(arg, replacements) for arg in expr.args)
        return Apply(expr.primitive, args)
    return expr


def variables(expr: Expr) -> Iterator[Var]:
    """Every occurrence of a variable, from left to right."""
    if isinstance(expr, Var):
        yield expr
    elif isinstance(expr, Apply):
        for arg in expr.args:
            yield from variables(arg)


def operations(expr: Expr) -> int:
    """How many primitives a tree applies."""
    if not isinstance(expr, Apply):
        return 0
    return 1 + sum(operations(arg) for arg in expr.args)


def spell(expr: Expr, spelling: Mapping[str, str], names: Mapping[str, str]) -> str:
    """The text of a tree: `spelling` has "{0} + {1}" or "np.exp({0})" by primitive.

    Brackets stand where the tree's shape needs them: on the left of an infix sign
    for a looser one, on the right also for an equal one. Only sums and products may
    go without on the left: `x < y < z`, `x ** y ** z` and `--x` would mean something
    else, in one language or another. A form named "tight" and the primitive is taken
    where every operand is a name or a number, as formatters have `x**2`; one named
    "scaled" where the first is a number and the second does not begin with one.
    """
    return _spell(expr, spelling, names)[0]


_ATOM = 1000
_WORD = re.compile(r"[A-Za-z_][\w.]*|[0-9][\w.+-]*")


def _spell(
    expr: Expr, spelling: Mapping[str, str], names: Mapping[str, str]
) -> tuple[str, int]:
    if isinstance(expr, Const):
        text = repr(expr.value)
        return text, NEG if text.startswith("-") else _ATOM
    if isinstance(expr, Var):
        return names.get(expr.name, expr.name), _ATOM
    assert isinstance(expr, Apply)
    form = spelling[expr.primitive]
    own = PRIMITIVES[expr.primitive].precedence if form[-1] not in ")]" else 0
    # What a method is called on stands by itself.
    own = _ATOM if form.startswith("{0}.") else own
    texts = []
    for place, arg in enumerate(expr.args):
        text, binding = _spell(arg, spelling, names)
        equal = place > 0 or own not in (ADD, MUL)
        loose = binding < own or (binding == own != _ATOM and equal)
        texts.append(f"({text})" if own and loose else text)
    if all(_WORD.fullmatch(text) for text in texts):
        form = spelling.get(f"tight {expr.primitive}", form)
    if _is_number(expr.args[0]) and not texts[-1][0].isdigit():
        form = spelling.get(f"scaled {expr.primitive}", form)
    return form.format(*texts), own or _ATOM


def _is_number(expr: Expr) -> bool:
    return next(variables(expr), None) is None


#: How the book writes each primitive; the product of two vectors is Hadamard's, that of
#: a number and a vector has no sign, and [a > 0] is Iverson's bracket: 1 where it holds,
#: else 0.
BOOK: Mapping[str, str] = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} ⊙ {1}",
    "scaled mul": "{0} {1}",
    "div": "{0} / {1}",
    "neg": "-{0}",
    "pow": "{0}^{1}",
    "lt": "[{0} < {1}]",
    "le": "[{0} ≤ {1}]",
    "gt": "[{0} > {1}]",
    "ge": "[{0} ≥ {1}]",
    "exp": "exp({0})",
    "log": "ln({0})",
    "log1p": "ln(1 + {0})",
    "expm1": "(exp({0}) - 1)",
    "tanh": "tanh({0})",
    "sin": "sin({0})",
    "cos": "cos({0})",
    "erf": "erf({0})",
    "finite": "{0}",
    "sqrt": "√({0})",
    "abs": "|{0}|",
    "sign": "sign({0})",
    "floor": "floor({0})",
    "max": "max({0}, {1})",
    "min": "min({0}, {1})",
    "where": "({1} if {0} else {2})",
}
