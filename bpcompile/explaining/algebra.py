"""Products and sums of expressions, brought together and cancelled as by hand.

Only what the derivation of an output error needs: fractions over one denominator,
equal factors cancelled, sums over a layer's neurons taken term by term.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass
from functools import reduce
from operator import mul

from bpcompile.expr import BOOK, Apply, Const, Expr, Var, exp, log, spell
from bpcompile.formula.simplify import simplified
from bpcompile.formula.tree import children, rebuilt

#: How the name of a sum over the neurons begins.
SUM = "Σ"


def plainly(expr: Expr) -> Expr:
    """The expression for reading: what only keeps digits is left out."""
    expr = rebuilt(expr, tuple(map(plainly, children(expr))))
    match expr:
        case Apply("expm1", (x,)):
            return exp(x) - 1
        case Apply("log1p", (x,)):
            return log(1 + x)
        case Apply("finite", (x,)):
            return x
    return simplified(expr)


@dataclass(frozen=True)
class Quotient:
    """The product of `over` by that of `under`."""

    over: tuple[Expr, ...]
    under: tuple[Expr, ...] = ()

    @property
    def expr(self) -> Expr:
        over = _product(self.over)
        return over / _product(self.under) if self.under else over


def quotient(expr: Expr) -> Quotient:
    """The factors of an expression over one denominator, none cancelled yet."""
    match expr:
        case Apply("mul", (x, y)):
            left, right = quotient(x), quotient(y)
            return Quotient(left.over + right.over, left.under + right.under)
        case Apply("div", (x, y)):
            left, right = quotient(x), quotient(y)
            return Quotient(left.over + right.under, left.under + right.over)
        case Apply("neg", (x,)):
            inner = quotient(x)
            return Quotient((Const(-1), *inner.over), inner.under)
        case Apply("add" | "sub", (x, y)):
            return _over_one(expr.primitive, quotient(x), quotient(y))
    return Quotient((expr,))


def _over_one(primitive: str, left: Quotient, right: Quotient) -> Quotient:
    """The sum of two fractions: 1 - y/a is (a - y)/a."""
    under = Counter(left.under) | Counter(right.under)
    sides = [
        _product((*side.over, *(under - Counter(side.under)).elements()))
        for side in (left, right)
    ]
    return Quotient(
        (simplified(Apply(primitive, tuple(sides))),), tuple(under.elements())
    )


def cancelled(product: Quotient) -> Quotient:
    """The same without the factors that stand above and below."""
    common = Counter(product.over) & Counter(product.under)
    over, under = (
        tuple(_without(factors, common)) for factors in (product.over, product.under)
    )
    return Quotient(over, under)


def _without(factors: Iterable[Expr], taken: Counter[Expr]) -> Iterable[Expr]:
    left = Counter(taken)
    for factor in factors:
        if left[factor]:
            left[factor] -= 1
        else:
            yield factor


def _product(factors: tuple[Expr, ...]) -> Expr:
    signs = sum(factor == Const(-1) for factor in factors)
    rest = [factor for factor in factors if factor not in (Const(1), Const(-1))]
    product = reduce(mul, rest) if rest else Const(1)
    return simplified(-product) if signs % 2 else product


# ---- Sums over the neurons -----------------------------------------------------------

#: Powers of what a term consists of, in order; the coefficient stands beside.
Monomial = tuple[tuple[Expr, int], ...]
Terms = dict[Monomial, float]


def expanded(expr: Expr, ones: Set[str]) -> Expr:
    """The expression as a sum of products; `ones` are sums that are 1."""
    return _written(_terms(expr, ones))


def summed(expr: Expr, ones: Set[str]) -> Expr:
    """The sum of an expression over the neurons, each term by itself."""
    made: Terms = {}
    for monomial, factor in _terms(expr, ones).items():
        outside = tuple((x, n) for x, n in monomial if _is_sum(x))
        inside = tuple((x, n) for x, n in monomial if not _is_sum(x))
        one = _written({inside: 1.0})
        short = spell(one, BOOK, {})
        short = short if isinstance(one, Var) else f"({short})"
        _add(made, _times(outside, ((Var(SUM + short, True), 1),)), factor)
    return _written(_known(made, ones))


def _terms(expr: Expr, ones: Set[str]) -> Terms:
    match expr:
        case Const(value):
            return {(): float(value)} if value else {}
        case Apply("add" | "sub", (x, y)):
            made, sign = _terms(x, ones), 1 if expr.primitive == "add" else -1
            for monomial, factor in _terms(y, ones).items():
                _add(made, monomial, sign * factor)
            return made
        case Apply("neg", (x,)):
            return {monomial: -factor for monomial, factor in _terms(x, ones).items()}
        case Apply("mul" | "div", (x, y)):
            return _multiplied(
                _terms(x, ones),
                _terms(y, ones) if expr.primitive == "mul" else _inverse(y, ones),
            )
    return _known({((expr, 1),): 1.0}, ones)


def _inverse(expr: Expr, ones: Set[str]) -> Terms:
    terms = _terms(expr, ones)
    if len(terms) != 1:
        return {((expr, -1),): 1.0}
    [(monomial, factor)] = terms.items()
    return {tuple((x, -n) for x, n in monomial): 1 / factor}


def _multiplied(left: Terms, right: Terms) -> Terms:
    made: Terms = {}
    for one, factor in left.items():
        for other, more in right.items():
            _add(made, _times(one, other), factor * more)
    return made


def _times(left: Monomial, right: Monomial) -> Monomial:
    powers: dict[Expr, int] = {}
    for x, n in (*left, *right):
        powers[x] = powers.get(x, 0) + n
    return tuple(sorted(((x, n) for x, n in powers.items() if n), key=_order))


def _order(power: tuple[Expr, int]) -> tuple[bool, str]:
    return _is_sum(power[0]), repr(power[0])


def _is_sum(expr: Expr) -> bool:
    return isinstance(expr, Var) and expr.name.startswith(SUM)


def _add(terms: Terms, monomial: Monomial, factor: float) -> None:
    terms[monomial] = terms.get(monomial, 0.0) + factor
    if terms[monomial] == 0:
        del terms[monomial]


def _known(terms: Terms, ones: Set[str]) -> Terms:
    """The terms without the sums that are 1."""
    made: Terms = {}
    for monomial, factor in terms.items():
        kept = (x for x in monomial if getattr(x[0], "name", "") not in ones)
        _add(made, tuple(kept), factor)
    return made


def _written(terms: Terms) -> Expr:
    """What is added first, then what is taken off."""
    total: Expr | None = None
    for monomial, factor in sorted(terms.items(), key=lambda term: term[1] < 0):
        over = [x for x, n in monomial for _ in range(n)]
        under = tuple(x for x, n in monomial for _ in range(-n))
        size = abs(factor)
        number = [] if size == 1 else [Const(int(size) if size == int(size) else size)]
        term = Quotient((*number, *over), under).expr
        if total is None:
            total = simplified(-term) if factor < 0 else term
        else:
            total = total - term if factor < 0 else total + term
    return Const(0) if total is None else total
