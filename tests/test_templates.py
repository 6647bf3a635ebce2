"""What may stand in a template: names that are there, attributes that the plan has, filters
that do nothing to text, and free text in no other way than declared."""

from __future__ import annotations

import ast
import dataclasses
import functools
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment, meta, nodes
from support import EVERY_TARGET, ROOT, spec_of

from bpcompile import pages
from bpcompile.gate import sealed
from bpcompile.lower import lower
from bpcompile.plan import Plan
from bpcompile.render import context, environment
from bpcompile.target import Target, load_target

PAGES = sorted(path.name for path in (ROOT / "bpcompile" / "pages").glob("*.jinja"))
PLAN, _ = sealed(lower(spec_of(layers=[2, 2], cost="quadratic")))
#: Given beside `context`, by the kinds of file.
GIVEN = {"library", "trained"}
#: What templates use of Jinja's filters: none of them breaks lines, counts columns, turns
#: escaping off or makes JSON of a text. Whoever wants another one looks that up first.
FILTERS = {
    *("dictsort", "first", "join", "length", "list", "map", "rejectattr", "selectattr"),
    *("sort", "sum", "trim", "unique", "upper"),
}
#: The values that an attribute can be followed on.
TYPED: dict[str, type] = {"plan": Plan, "target": Target}


def templates(name: str) -> tuple[Environment, dict[str, nodes.Template]]:
    """Every template that a target can find, by its file name."""
    made = environment(load_target(name))
    assert made.loader
    files = made.list_templates(filter_func=lambda file: file.endswith(".jinja"))
    return made, {
        file: made.parse(made.loader.get_source(made, file)[0]) for file in files
    }


@pytest.mark.parametrize("name", EVERY_TARGET)
def test_filters_are_those_that_do_nothing_to_text(name: str) -> None:
    _, trees = templates(name)
    used = {
        (file, node.name)
        for file, tree in trees.items()
        for node in tree.find_all(nodes.Filter)
        if node.name not in FILTERS
    }
    assert used == set()
    blocks = (nodes.FilterBlock, nodes.ScopedEvalContextModifier, nodes.CallBlock)
    assert not [file for file, tree in trees.items() if list(tree.find_all(blocks))]


@pytest.mark.parametrize("name", EVERY_TARGET)
def test_nothing_is_reached_that_begins_with_an_underscore(name: str) -> None:
    """That way lead __class__, __globals__ and all that is behind them."""
    _, trees = templates(name)
    for file, tree in trees.items():
        attributes = {node.attr for node in tree.find_all(nodes.Getattr)}
        texts = {node.value for node in tree.find_all(nodes.Const)}
        assert not [word for word in attributes if word.startswith("_")], file
        assert not [t for t in texts if isinstance(t, str) and "__" in t], file


# ---- Names that are there ----------------------------------------------------------


def set_in(tree: nodes.Template) -> set[str]:
    """The names that a template gives a value, somewhere."""
    names = {
        node.name
        for node in tree.find_all(nodes.Name)
        if node.ctx in ("store", "param")
    }
    names |= {node.name for node in tree.find_all(nodes.Macro)}
    names |= {node.target for node in tree.find_all(nodes.Import)}
    for node in tree.find_all(nodes.FromImport):
        names |= {n if isinstance(n, str) else n[1] for n in node.names}
    return names


@pytest.mark.parametrize("name", EVERY_TARGET)
def test_every_name_is_given_or_set_where_the_template_is_included(name: str) -> None:
    made, trees = templates(name)
    given = {*made.globals, *context(PLAN, load_target(name)), *GIVEN}
    kinds = (nodes.Include, nodes.Import, nodes.FromImport)
    users: dict[str, set[str]] = {file: set() for file in trees}
    for file, tree in trees.items():
        for node in tree.find_all(kinds):
            assert isinstance(node.template, nodes.Const), file
            users[node.template.value].add(file)
    for file, tree in trees.items():
        around, rest = {file}, [file]
        while rest:
            new = users[rest.pop()] - around
            around |= new
            rest += new
        known = given.union(*(set_in(trees[one]) for one in around))
        assert meta.find_undeclared_variables(tree) - known == set(), file


# ---- Attributes that are there -----------------------------------------------------


def chain(node: nodes.Node) -> tuple[str, list[str]] | None:
    """The root of an attribute of an attribute, and the way from there."""
    way: list[str] = []
    while isinstance(node, nodes.Getattr):
        way.insert(0, node.attr)
        node = node.node
    return (node.name, way) if isinstance(node, nodes.Name) else None


def unknown(root: type, way: list[str]) -> Iterator[str]:
    """The first attribute of the way that its type does not have."""
    at: typing.Any = root
    for attribute in way:
        found = [a for a in (typing.get_args(at) or (at,)) if a is not type(None)]
        at = found[0] if len(found) == 1 else at
        if at is str:
            yield f"{attribute} of a text"
            return
        if not dataclasses.is_dataclass(at):
            return
        if not hasattr(at, attribute) and attribute not in at.__dataclass_fields__:
            yield f"{attribute} of {at}"
            return
        member = getattr(at, attribute, None)
        of = member.fget if isinstance(member, property) else None
        of = member.func if isinstance(member, functools.cached_property) else of
        hints = typing.get_type_hints(of or at)
        at = hints["return" if of else attribute]


@pytest.mark.parametrize("name", EVERY_TARGET)
def test_attributes_are_those_of_the_plans_types(name: str) -> None:
    _, trees = templates(name)
    seen = 0
    for file, tree in trees.items():
        shadowed = set_in(tree)
        for node in tree.find_all(nodes.Getattr):
            found = chain(node)
            if found and found[0] in TYPED.keys() - shadowed:
                seen += 1
                assert not list(unknown(TYPED[found[0]], found[1])), f"{file}: {found}"
    assert seen > 100


def test_the_walk_through_types_finds_what_is_not_there() -> None:
    assert not list(unknown(Plan, ["scaling", "divisor"]))
    assert not list(unknown(Plan, ["output", "result"]))
    assert list(unknown(Plan, ["scalings_", "divisor"]))
    assert list(unknown(Plan, ["labels", "middle"]))
    assert list(unknown(Plan, ["description", "upper"]))
    assert list(unknown(Plan, ["labels", "coded", "nothing"])) == []


# ---- Free text ---------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY_TARGET)
def test_the_description_is_declared_and_nothing_else(name: str) -> None:
    _, trees = templates(name)
    declared = 0
    for file, tree in trees.items():
        uses = [n for n in tree.find_all(nodes.Getattr) if n.attr == "description"]
        keys = [n for n in tree.find_all(nodes.Const) if n.value == "description"]
        calls = [
            node.args[0]
            for node in tree.find_all(nodes.Call)
            if isinstance(node.node, nodes.Name) and node.node.name == "declared"
        ]
        assert keys == [], file
        assert [id(use) for use in uses] == [id(call) for call in calls], file
        assert all(chain(use) == ("plan", ["description"]) for use in uses), file
        declared += len(calls)
    assert declared == 1


# ---- Pages -------------------------------------------------------------------------


@pytest.mark.parametrize("file", PAGES)
def test_nothing_in_a_page_turns_escaping_off(file: str) -> None:
    made = pages.page_template(file).environment
    assert made.autoescape is True and made.loader
    tree = made.parse(made.loader.get_source(made, file)[0])
    filters = {node.name for node in tree.find_all(nodes.Filter)}
    assert not filters & {"safe", "attr", "tojson", "forceescape", "xmlattr"}
    assert not list(tree.find_all(nodes.ScopedEvalContextModifier))
    assert not list(tree.find_all(nodes.EvalContextModifier))


#: Who marks text as safe, and what: what templates of ours have made, or MathML.
MARKED = {
    "compare/page.py": {"svg"},
    "explaining/as_page.py": {"mathml", "document"},
    "pages/__init__.py": {"''"},
    "picture/notebook.py": {"svg", "summarize"},
    "reporting/page.py": {"svg"},
}


def marked(path: Path) -> set[str]:
    """The first word of every value that a file marks as safe."""
    tree = ast.parse(path.read_text("utf-8"))
    return {
        ast.unparse(node.args[0]).split("(")[0].split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Markup"
    }


def test_only_what_templates_have_made_is_marked_as_safe() -> None:
    package = ROOT / "bpcompile"
    found = {
        path.relative_to(package).as_posix(): words
        for path in package.rglob("*.py")
        if (words := marked(path))
    }
    assert found == MARKED
