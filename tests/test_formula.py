"""Formulas by themselves: read, derived, evaluated, put into statements."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bpcompile.expr import Apply, Const, Expr, Var, evaluate, spell
from bpcompile.formula.derive import derivative, plain_powers
from bpcompile.formula.errors import FormulaError
from bpcompile.formula.parser import MAX_DEPTH, MAX_LENGTH, MAX_NODES, parse
from bpcompile.formula.simplify import simplified
from bpcompile.formula.statements import MAX_WIDTH, statements
from bpcompile.formula.tree import CALLABLE, NOTATION, Called, children, nodes, written
from bpcompile.formula.values import number, slope, value
from bpcompile.operators import ACTIVATIONS
from bpcompile.spec import NetworkSpec
from bpcompile.target import load_target

z, a, y = Var("z"), Var("a"), Var("y")
KNOWN = {kind: entry for kind, entry in ACTIVATIONS.items() if entry.elementwise}
repeatable = settings(max_examples=300, derandomize=True, database=None, deadline=None)


def read(text: str) -> Expr:
    return parse(text, ("z",), KNOWN)


def called(kind: str, arg: Expr) -> Called:
    entry = KNOWN[kind]
    numbers = tuple((p.name, float(p.default or 0)) for p in entry.parameters)
    return Called(kind, arg, numbers, entry=entry)


# ---- Reading -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("z", z),
        ("  2 * z ", 2 * z),
        ("1 + 2 * z", 1 + 2 * z),
        ("(1 + 2) * z", (Const(1) + 2) * z),
        ("1 - 2 - z", (Const(1) - 2) - z),
        ("z / 2 / 3", (z / 2) / 3),
        ("-z**2", -(z**2)),
        ("z**-2", z ** Const(-2)),
        ("2**z**3", Const(2) ** (z**3)),
        ("(-2)**z", Const(-2) ** z),
        ("-2**z", -(Const(2) ** z)),
        ("z - -3", z - Const(-3)),
        ("+z", z),
        ("--z", -Apply("neg", (z,))),
        ("z < 1", z < 1),
        ("max(z, 0) >= 0.5", Apply("max", (z, Const(0))) >= 0.5),
        (".5e1 * z", Const(5) * z),
        ("pi * z", Const(math.pi) * z),
        ("e", Const(math.e)),
        ("where(z > 0, z, expm1(z))", None),
        ("sigmoid(2 * z)", called("sigmoid", 2 * z)),
        # A primitive comes before the activation of the same name.
        ("tanh(z)", Apply("tanh", (z,))),
    ],
)
def test_reading(text: str, tree: Expr | None) -> None:
    found = read(text)
    assert tree is None or found == tree
    assert read(written(found)) == found


def test_whole_numbers_are_whole() -> None:
    assert written(read("2.0 * z + 1e2")) == "2 * z + 100"


#: What a formula's tree may be: minus a number is that number.
def _negated(tree: Expr) -> Expr:
    if isinstance(tree, Const) and tree.value != 0:
        return Const(-tree.value)
    return Apply("neg", (tree,))


def _grown(trees: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    def applied(primitive: str) -> st.SearchStrategy[Expr]:
        if primitive == "neg":
            return trees.map(_negated)
        arity = NOTATION[primitive].count("{")
        return st.tuples(*[trees] * arity).map(lambda args: Apply(primitive, args))

    calls = st.tuples(st.sampled_from(sorted(set(KNOWN) - set(CALLABLE))), trees)
    return st.one_of(
        st.sampled_from(sorted(NOTATION.keys() - {"finite", "floor"})).flatmap(applied),
        calls.map(lambda call: called(*call)),
    )


numbers = st.sampled_from([0, 1, 2, 0.5, -3, -0.25, 1e-10, 1e22, 12345.678])
leaves: st.SearchStrategy[Expr] = st.one_of(st.just(z), numbers.map(Const))
trees = st.recursive(leaves, _grown, max_leaves=12)


@repeatable
@given(trees)
def test_what_is_written_is_read_as_the_same_tree(tree: Expr) -> None:
    assert read(written(tree)) == tree


@repeatable
@given(st.text(alphabet="z0123.e+-*/()<>=, maxlogwhere\t^\"'é\u2028", max_size=40))
def test_any_text_is_a_tree_or_one_mistake(text: str) -> None:
    try:
        found = read(text)
    except FormulaError as error:
        assert error.message
        if error.span:
            start, end = error.span
            assert 0 <= start < end <= len(text) + 1
    else:
        assert read(written(found)) == found


@pytest.mark.parametrize("opening", ["(", "-", "sin(", "z**", "1-(", "+", "max(z,"])
@pytest.mark.parametrize("times", [60, 100, 10_000])
def test_no_depth_of_nesting_breaks_the_parser(opening: str, times: int) -> None:
    text = opening * times + "z"
    with pytest.raises(FormulaError) as found:
        read(text)
    limits = ("deep", str(MAX_LENGTH), str(MAX_NODES))
    assert any(limit in found.value.message for limit in limits)


def test_limits_are_those_that_are_named() -> None:
    read("(" * (MAX_DEPTH - 1) + "z" + ")" * (MAX_DEPTH - 1))
    read(" " * (MAX_LENGTH - 1) + "z")
    balanced = "z"
    while len(balanced) < 300:
        balanced = f"({balanced})*({balanced})"
    read(balanced)


# ---- Values ------------------------------------------------------------------------

VALUES = (-750.0, -40.0, -3.0, -1.0, -0.3, -1e-9, 0.0, 1e-9, 0.7, 1.0, 2.5, 40.0, 750.0)


@repeatable
@given(tree=trees, at=st.sampled_from(VALUES))
def test_values_are_the_expression_s(tree: Expr, at: float) -> None:
    """Where plain evaluation has a value; never an exception where it has none."""
    found = number(tree, {"z": at})
    if any(isinstance(node, Called) for node in nodes(tree)):
        return
    try:
        plain = evaluate(tree, {"z": at})
    except (ArithmeticError, ValueError):
        return
    if isinstance(plain, float | int) and not math.isnan(plain):
        assert found == plain


def _softplus(v: Any) -> Any:
    return mpmath.log(1 + mpmath.exp(v))


@pytest.mark.parametrize(
    ("text", "oracle"),
    [
        ("z * sigmoid(2 * z)", lambda v: v / (1 + mpmath.exp(-2 * v))),
        ("(sqrt(z*z + 1) - 1) / 2 + z", lambda v: (mpmath.sqrt(v * v + 1) - 1) / 2 + v),
        ("log1p(exp(-abs(z + 9))) + max(z + 9, 0)", lambda v: _softplus(v + 9)),
        ("exp(-z**2) * cos(3*z)", lambda v: mpmath.exp(-v * v) * mpmath.cos(3 * v)),
        ("z**3 / (1 + z**2)**1.5", lambda v: v**3 / (1 + v * v) ** 1.5),
        ("2**(z / 100)", lambda v: mpmath.mpf(2) ** (v / 100)),
    ],
)
def test_values_and_derivatives_against_mpmath(text: str, oracle: Any) -> None:
    tree = read(text)
    prime = derivative(plain_powers(tree), "z")
    for at in VALUES:
        with mpmath.workdps(700):
            exact = oracle(mpmath.mpf(at))
            steep = mpmath.diff(oracle, mpmath.mpf(at), h=mpmath.mpf(10) ** -300)
        # A few roundings, of arguments too: exp turns them into 750 of its own.
        assert abs(number(tree, {"z": at}) - exact) <= 1e-12 * max(1, abs(exact))
        assert abs(number(prime, {"z": at}) - steep) <= 1e-12 * max(1, abs(steep))
        assert abs(slope(tree, {"z": at}, "z") - steep) <= 1e-12 * max(1, abs(steep))


@pytest.mark.parametrize(
    ("text", "at", "limit"),
    [
        ("exp(z)", 1000, math.inf),
        ("1 / (1 + exp(-z))", -1000, 0),
        ("1 / (1 + exp(-z))", 1000, 1),
        ("-exp(z)", 1000, -math.inf),
        ("1 / z", 0, math.inf),
        ("log(z)", 0, -math.inf),
        ("z**301", -1e4, -math.inf),
    ],
)
def test_what_is_too_large_is_infinite(text: str, at: float, limit: float) -> None:
    assert number(read(text), {"z": at}) == limit


def test_a_value_that_does_not_exist_is_told_from_one_that_is_too_large() -> None:
    assert value(read("log(z)"), {"z": -1.0}).undefined == Apply("log", (z,))
    assert value(read("z**0.5"), {"z": -1.0}).undefined is not None
    assert value(read("where(z > 0, log(z), z)"), {"z": -1.0}).good
    assert value(read("exp(z) / exp(z)"), {"z": 800.0}).undefined is None
    assert not value(read("exp(z) / exp(z)"), {"z": 800.0}).good
    # In float32 exp(89) is infinite.
    assert not value(read("exp(z)"), {"z": 89.0}, "float32").good


# ---- Derivatives -------------------------------------------------------------------


@repeatable
@given(tree=trees, at=st.sampled_from([-2.3, -0.7, 0.4, 1.9]))
def test_derivatives_are_complex_steps(tree: Expr, at: float) -> None:
    prime = derivative(plain_powers(tree), "z")
    exact, found = slope(tree, {"z": at}, "z"), value(prime, {"z": at})
    # What cancels in one of the two, or is beyond 1e100, proves nothing.
    middle = max((abs(number(n, {"z": at})) for n in nodes(tree)), default=0.0)
    if found.good and math.isfinite(exact) and middle < 1e4:
        scale = max(1.0, abs(exact), middle**2)
        assert abs(found.number.real - exact) <= 1e-9 * scale


@repeatable
@given(tree=trees, at=st.sampled_from([-2.3, -0.7, 0.4, 1.9]))
def test_simplifying_keeps_the_value(tree: Expr, at: float) -> None:
    exact, found = value(tree, {"z": at}), value(simplified(tree), {"z": at})
    if exact.good and abs(exact.number) < 1e100 and found.good:
        middle = max(abs(number(n, {"z": at})) for n in nodes(tree))
        scale = max(abs(exact.number), min(middle, 1e10))
        assert abs(found.number - exact.number) <= 1e-12 * max(1e-300, scale)


@pytest.mark.parametrize(
    ("text", "prime"),
    [
        ("z", "1"),
        ("z**2", "2 * z"),
        ("z*z*z*z / 4", None),
        ("exp(-z**2)", "-2 * (exp(-(z * z)) * z)"),
        ("max(z, 0)", "where(z > 0, 1, 0)"),
        ("abs(z)", "sign(z)"),
        ("sqrt(z*z + 1)", "z / sqrt(z * z + 1)"),
        ("2**z", None),
    ],
)
def test_derivatives_read_well(text: str, prime: str | None) -> None:
    found = derivative(plain_powers(read(text)), "z")
    if prime is not None:
        assert written(found) == prime


def test_a_branch_that_is_not_taken_does_not_poison_the_derivative() -> None:
    """0 * inf is no number: a choice between branches is one of derivatives too."""
    for text in ("where(z > 0, sqrt(z), 0)", "max(z, -exp(-z))", "min(z, exp(z))"):
        prime = derivative(plain_powers(read(text)), "z")
        assert math.isfinite(number(prime, {"z": -700.0})), text


# ---- Statements --------------------------------------------------------------------


@repeatable
@given(tree=trees, at=st.sampled_from([-2.3, -0.7, 0.4, 1.9]))
def test_statements_leave_the_same_value(tree: Expr, at: float) -> None:
    tree = plain_powers(tree)
    known = {"z": at}
    body = statements(tree, "a")
    assert body[-1].target == "a"
    assert len({s.target for s in body}) == len(body)
    for statement in body:
        known[statement.target] = number(statement.value, known).real
    exact = value(tree, {"z": at})
    middle = max(abs(number(n, {"z": at})) for n in nodes(tree))
    if exact.good and middle < 1e100 and math.isfinite(known["a"]):
        scale = max(1.0, abs(exact.number), min(middle, 1e10))
        assert abs(known["a"] - exact.number.real) <= 1e-12 * scale


@repeatable
@given(trees)
def test_no_statement_is_longer_than_a_line(tree: Expr) -> None:
    spelling = load_target("numpy-textbook").settings["primitives"]
    for target in ("a", "prime"):
        for statement in statements(plain_powers(tree), target):
            assert len(spell(statement.value, spelling, {})) <= MAX_WIDTH + 4
            assert len(statement.target) <= 24


def test_what_occurs_twice_is_named_after_what_it_is() -> None:
    prime = derivative(read("z * sigmoid(2 * z)"), "z")
    names = [s.target for s in statements(prime, "prime", read("z * sigmoid(2 * z)"))]
    assert names == ["sigmoid_2z", "prime"]
    body = statements(read("exp(-z) / (1 + exp(-z))"), "a")
    assert [s.target for s in body] == ["exp_minus_z", "a"]


def test_comparisons_are_factors_and_tests_only() -> None:
    """Sums of truth values are truth values in some languages."""
    for text in ("(z > 0) + (z > 1)", "exp(z > 0)", "-(z > 0)", "(z > 0) * (z < 1)"):
        (*_, last) = statements(read(text), "a")
        for node in nodes(last.value):
            inside = [c for c in children(node) if _is_test(c)]
            if inside and isinstance(node, Apply):
                assert node.primitive in ("where", "mul"), text


def _is_test(tree: Expr) -> bool:
    return isinstance(tree, Apply) and tree.primitive in ("lt", "le", "gt", "ge")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # No divisor's root is a float, a square has no sign to change.
        ("1 / (z*z - 2)", "has no value at z = -1.41421"),
        ("1 / cos(z)", "has no value at z = "),
        ("1 / (z*z - 2)**2", "has no value at z = -1.41421"),
        ("(z*z - 2)**-2", "has no value at z = -1.41421"),
        ("1 / ((z - 1.1) * (z - 1.1))", "has no value at z = 1.1"),
        ("sqrt(abs(z - 7.77))", "is not differentiable at z = 7.77: its derivative is"),
        ("sqrt(abs(z - 77.7))", "is not differentiable at z = 77.7: its derivative is"),
        ("abs(z*z - 2)**0.5", "is not differentiable at z = -1.41421"),
        ("log(abs(z*z - 2))", "is not differentiable at z = -1.41421"),
        # Primitives of definitions, but no words of formulas.
        ("z - floor(z)", 'calls "floor", which it does not know'),
        ("finite(exp(z))", 'calls "finite", which it does not know'),
    ],
)
def test_what_has_no_value_or_slope_off_the_grid(text: str, message: str) -> None:
    given = {"mine": {"formula": text}}
    with pytest.raises(ValidationError) as caught:
        NetworkSpec.model_validate(
            {
                "layers": (2, {"size": 3, "activation": "mine"}, 1),
                "cost": "quadratic",
                "operators": {"activations": given},
            }
        )
    assert message in str(caught.value)
