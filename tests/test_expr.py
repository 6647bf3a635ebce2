"""The expression tree: its values and its derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import pytest

from bpcompile import expr
from bpcompile.expr import (
    PRIMITIVES,
    Apply,
    Const,
    Expr,
    Var,
    differentiate,
    evaluate,
    operations,
    simplify,
    substitute,
    variables,
)

x, y, z = Var("x"), Var("y"), Var("z")
#: More than 1 + 1e-300 needs.
DIGITS = 330
#: libm's functions are within 1 ULP; two more for what is computed from them.
ULPS = 3 * 2.0**-52
SMALLEST = 5e-324
STEP = 1e-30


def _choose(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
    return lambda a, b: a if test(mpmath.re(a), mpmath.re(b)) else b


def _truth(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
    return lambda a, b: mpmath.mpf(test(mpmath.re(a), mpmath.re(b)))


def _sign(a: Any) -> Any:
    return mpmath.sign(mpmath.re(a))


#: What each primitive is, in arithmetic of so many digits.
ORACLE: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "pow": lambda a, b: a**b,
    "exp": mpmath.exp,
    "log": mpmath.log,
    "log1p": lambda a: mpmath.log(1 + a),
    "expm1": lambda a: mpmath.exp(a) - 1,
    "tanh": mpmath.tanh,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "erf": lambda a: (
        mpmath.erf(mpmath.re(a))
        + 1j
        * mpmath.im(a)
        * 2
        / mpmath.sqrt(mpmath.pi)
        * mpmath.exp(-(mpmath.re(a) ** 2))
    ),
    "finite": lambda a: a,
    "sqrt": mpmath.sqrt,
    "abs": lambda a: a * _sign(a),
    "sign": _sign,
    "floor": lambda a: mpmath.floor(mpmath.re(a)),
    "max": _choose(lambda a, b: a > b),
    "min": _choose(lambda a, b: a < b),
    "where": lambda c, a, b: a if mpmath.re(c) else b,
    "lt": _truth(lambda a, b: a < b),
    "le": _truth(lambda a, b: a <= b),
    "gt": _truth(lambda a, b: a > b),
    "ge": _truth(lambda a, b: a >= b),
}
REALS = (-7.5, -1.0, -0.3, -1e-9, 0.0, 1e-300, 1e-9, 0.2, 1.0, 2.5, 30.0)
#: Beside the ordinary, arguments as a complex step makes them.
COMPLEX = (0.3 + 1e-30j, -0.4 + 1e-20j, 1e-9 + 1e-25j, 1.5 - 2.5j, 0.1 + 3j)
POSITIVE = {"log", "sqrt"}


def points(primitive: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Arguments at which a primitive is defined."""
    if primitive == "where":
        return [(c, a, -3.0) for c in (0.0, 1.0) for a in values]
    if primitive == "pow":
        return [(v, n) for v in values for n in (2.0, 3.0, 0.5) if v.real > 0]
    arity = PRIMITIVES[primitive].derivatives.__code__.co_argcount
    if primitive in ("sign", "floor", "lt", "le", "gt", "ge"):
        arity = 1 if primitive in ("sign", "floor") else 2
    if arity == 1:
        low = {"log1p": -1.0}.get(primitive, 0.0 if primitive in POSITIVE else -99)
        return [(v,) for v in values if v.real > low]
    pairs = [(a, b) for a in values for b in values]
    return [p for p in pairs if primitive != "div" or p[1] != 0]


def apply(primitive: str, arguments: tuple[Any, ...]) -> Any:
    """A primitive's value at these arguments, by `evaluate`."""
    names = "xyz"[: len(arguments)]
    tree = Apply(primitive, tuple(map(Var, names)))
    return evaluate(tree, dict(zip(names, arguments, strict=True)))


def test_the_oracle_knows_every_primitive() -> None:
    assert set(ORACLE) == set(PRIMITIVES)


@pytest.mark.parametrize("primitive", PRIMITIVES)
@pytest.mark.parametrize("values", [REALS, COMPLEX], ids=["real", "complex"])
def test_values(primitive: str, values: tuple[Any, ...]) -> None:
    for arguments in points(primitive, values):
        found = apply(primitive, arguments)
        with mpmath.workdps(DIGITS):
            exact = ORACLE[primitive](*map(mpmath.mpmathify, arguments))
            apart = abs(mpmath.mpmathify(found) - exact)
            assert apart <= ULPS * abs(exact) + SMALLEST, (arguments, found, exact)
            # A complex step's tiny imaginary part must not drown in the real one.
            if abs(mpmath.im(exact)) < 1e-15:
                apart = abs(complex(found).imag - mpmath.im(exact))
                assert apart <= 4 * ULPS * abs(mpmath.im(exact)), (arguments, found)


@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_real_arguments_give_real_values(primitive: str) -> None:
    for arguments in points(primitive, REALS):
        assert isinstance(apply(primitive, arguments), float | int)


# ---- Derivatives -------------------------------------------------------------------


def slope(tree: Expr, name: str, values: dict[str, float]) -> float:
    """The derivative by a complex step, exact up to rounding."""
    return complex(evaluate(tree, {**values, name: values[name] + STEP * 1j})).imag / (
        STEP
    )


def check_slope(tree: Expr, values: dict[str, float], tolerance: float = 1e-14) -> None:
    for name in values:
        exact = slope(tree, name, values)
        found = evaluate(differentiate(tree, name), values)
        assert abs(found - exact) <= tolerance * max(1.0, abs(exact)), (name, values)


@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_partial_derivatives_and_the_chain_rule(primitive: str) -> None:
    names = "xyz"
    for arguments in points(primitive, (-2.5, -0.7, 0.4, 1.3)):
        values = dict(zip(names, arguments, strict=False))
        if primitive in ("pow", "where"):
            # The exponent and the condition are never differentiated.
            fixed = {"pow": "y", "where": "x"}[primitive]
            inner: list[Expr] = [
                Const(values[n]) if n == fixed else Var(n) for n in values
            ]
            del values[fixed]
        else:
            inner = [Var(n) for n in values]
        check_slope(Apply(primitive, tuple(inner)), values)
        # It keeps the sign of v, so that log and sqrt have a value.
        chained = tuple(
            expr.exp(0.25 * v) * v if isinstance(v, Var) else v for v in inner
        )
        check_slope(3 * Apply(primitive, chained), values)


@pytest.mark.parametrize(
    ("tree", "at_zero"),
    [
        (expr.max_(x, 0), 0),
        (expr.min_(x, 0), 0),
        (expr.max_(0, x), 1),
        (expr.min_(0, x), 1),
        (expr.abs_(x), 0),
        (expr.sign(x), 0),
        (expr.where(x > 0, x, 0), 0),
        (expr.where(x >= 0, x, 0), 1),
    ],
    ids=str,
)
def test_kinks_are_alike_in_derivative_and_complex_step(
    tree: Expr, at_zero: int
) -> None:
    assert evaluate(differentiate(tree, "x"), {"x": 0.0}) == at_zero
    assert slope(tree, "x", {"x": 0.0}) == at_zero


def test_a_variable_that_does_not_occur_has_the_derivative_0() -> None:
    assert differentiate(expr.exp(x) * x, "y") == Const(0)
    assert differentiate(x, "x") == Const(1)


@pytest.mark.parametrize(
    ("tree", "simpler"),
    [
        (x + 0, x),
        (0 + x, x),
        (x - 0, x),
        (x * 1, x),
        (1 * x, x),
        (x * 0, Const(0)),
        (0 * x, Const(0)),
        (x / 1, x),
        (x * -1, -x),
        (-1 * x, -x),
        (0 - x, 0 - x),
        (1 / x, 1 / x),
        (x + 1, x + 1),
    ],
    ids=str,
)
def test_simplify_keeps_the_value(tree: Expr, simpler: Expr) -> None:
    assert simplify(tree) == simpler
    assert evaluate(simpler, {"x": 3.7}) == evaluate(tree, {"x": 3.7})


def test_substitute_variables_and_operations() -> None:
    tree = x * y + expr.exp(x)
    assert [v.name for v in variables(tree)] == ["x", "y", "x"]
    assert operations(tree) == 3
    assert substitute(tree, {"x": y - 1}) == (y - 1) * y + expr.exp(y - 1)
