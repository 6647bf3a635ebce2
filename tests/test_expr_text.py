"""The text of an expression tree says what the tree says."""

from __future__ import annotations

import ast
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import TARGETS

from bpcompile import expr
from bpcompile.expr import BOOK, PRIMITIVES, Apply, Const, Expr, Var, spell
from bpcompile.target import load_target

x, y, z = Var("x"), Var("y"), Var("z")

repeatable = settings(max_examples=300, derandomize=True, database=None, deadline=None)

PYTHON = {
    **{name: f"{name}({{0}})" for name in PRIMITIVES},
    **{name: f"{name}({{0}}, {{1}})" for name in ("max", "min")},
    "where": "where({0}, {1}, {2})",
    **{"add": "{0} + {1}", "sub": "{0} - {1}", "mul": "{0} * {1}", "div": "{0} / {1}"},
    **{"neg": "-{0}", "pow": "{0} ** {1}"},
    **{"lt": "{0} < {1}", "le": "{0} <= {1}", "gt": "{0} > {1}", "ge": "{0} >= {1}"},
}
SIGNS = {
    **{ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"},
    **{ast.Pow: "pow", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge"},
}


def parsed(text: str) -> Expr:
    """The tree that Python's own parser sees in a text."""
    return _parsed(ast.parse(text, mode="eval").body)


def _parsed(node: Any) -> Expr:
    match node:
        case ast.Name():
            return Var(node.id)
        case ast.Constant():
            return Const(node.value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
            return Const(-node.operand.value)
        case ast.UnaryOp(op=ast.USub()):
            return -_parsed(node.operand)
        case ast.BinOp():
            return Apply(
                SIGNS[type(node.op)], (_parsed(node.left), _parsed(node.right))
            )
        case ast.Compare():
            assert len(node.ops) == 1, "a chain of comparisons"
            sides = (_parsed(node.left), _parsed(node.comparators[0]))
            return Apply(SIGNS[type(node.ops[0])], sides)
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    return Apply(node.func.id, tuple(map(_parsed, node.args)))


def arity(primitive: str) -> int:
    return 1 + max(int(place) for place in "012" if f"{{{place}}}" in PYTHON[primitive])


def _applied(children: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    def one(primitive: str) -> st.SearchStrategy[Expr]:
        arguments = st.tuples(*[children] * arity(primitive))
        return arguments.map(lambda args: Apply(primitive, args))

    return st.sampled_from(sorted(PRIMITIVES)).flatmap(one)


leaves: st.SearchStrategy[Expr] = st.sampled_from(
    [x, y, z, Const(2), Const(0.5), Const(-3), Const(-0.25), Const(1e-10), Const(-0.0)]
)
trees = st.recursive(leaves, _applied, max_leaves=12)


def settled(tree: Expr) -> Expr:
    """-(2) and the number -2 have one text, so they count as one."""
    if not isinstance(tree, Apply):
        return tree
    args = tuple(map(settled, tree.args))
    match tree.primitive, args:
        case "neg", (Const(value),) if math.copysign(1, value) > 0:
            return Const(-value)
    return Apply(tree.primitive, args)


@repeatable
@given(trees)
def test_a_text_has_the_shape_of_its_tree(tree: Expr) -> None:
    # repr, for -0.0 == 0.0
    assert repr(parsed(spell(tree, PYTHON, {}))) == repr(settled(tree))


@pytest.mark.parametrize("target", TARGETS)
@repeatable
@given(tree=trees)
def test_a_target_s_text_has_it_too(target: str, tree: Expr) -> None:
    """With NumPy's functions in the place of ours."""
    spelling = load_target(target).settings["primitives"]
    functions = {
        f"{form.split('(')[0]}(": f"{name}("
        for name, form in spelling.items()
        if form.startswith("np.")
    }
    text = spell(tree, spelling, {})
    for theirs in sorted(functions, key=len, reverse=True):
        text = text.replace(theirs, functions[theirs])
    assert repr(parsed(text)) == repr(settled(tree))


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ((x + y) + z, "x + y + z"),
        (x + (y + z), "x + (y + z)"),
        ((x * y) * (1 - z), "x * y * (1 - z)"),
        (x / (y / z), "x / (y / z)"),
        (-(x * y), "-(x * y)"),
        (-x * y, "-x * y"),
        (-Apply("neg", (x,)), "-(-x)"),
        ((-x) ** 2, "(-x) ** 2"),
        ((x**2) ** 3, "(x ** 2) ** 3"),
        ((x < y) < z, "(x < y) < z"),
        (x * (y > 0), "x * (y > 0)"),
        (x - Const(-2), "x - -2"),
        (Const(-2) ** x, "(-2) ** x"),
    ],
)
def test_brackets(tree: Expr, text: str) -> None:
    assert spell(tree, PYTHON, {}) == text


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (x * (1 - x), "a² ⊙ (1 - a²)"),
        (x > 0, "[a² > 0]"),
        (y * (x >= 0), "y ⊙ [a² ≥ 0]"),
        ((x - y) / (x * (1 - x)), "(a² - y) / (a² ⊙ (1 - a²))"),
        (-(y / x), "-(y / a²)"),
        (y * expr.expm1(x), "y ⊙ (exp(a²) - 1)"),
        (expr.log(x) * expr.log1p(y), "ln(a²) ⊙ ln(1 + y)"),
        (2 * (x * y), "2 (a² ⊙ y)"),
        ((1 - Const(0.1)) * x * y, "(1 - 0.1) a² ⊙ y"),
        (2 * (Const(3) * x), "2 (3 a²)"),
        (Const(2) * Const(3) * x, "2 ⊙ 3 a²"),
        ((x + y) ** 2, "(a² + y)^2"),
        (expr.abs_(x - y) * expr.sqrt(y), "|a² - y| ⊙ √(y)"),
    ],
)
def test_the_book_s_spelling(tree: Expr, text: str) -> None:
    assert spell(tree, BOOK, {"x": "a²"}) == text
