"""A formula's tree: the nodes of `bpcompile.expr`, and calls of activations.

A call stays one node until code is made of it, because its entry knows a derivative
and a definition that are better than those of its written-out form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bpcompile.expr import PRIMITIVES, Apply, Const, Expr, Var, spell
from bpcompile.operators.entry import Activation, Body, Map

#: How a formula is written, and read again by the parser as the same tree.
NOTATION: Mapping[str, str] = {
    **{name: f"{name}({{0}})" for name in PRIMITIVES},
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "neg": "-{0}",
    "pow": "{0}**{1}",
    "lt": "{0} < {1}",
    "le": "{0} <= {1}",
    "gt": "{0} > {1}",
    "ge": "{0} >= {1}",
    "max": "max({0}, {1})",
    "min": "min({0}, {1})",
    "where": "where({0}, {1}, {2})",
}

#: Primitives that definitions alone use: one hides that it overflows, the other jumps.
_INNER = ("finite", "floor")
#: What may be called, with its number of arguments.
CALLABLE: Mapping[str, int] = {
    name: form.count("{")
    for name, form in NOTATION.items()
    if form[-1] == ")" and name not in _INNER
}


@dataclass(frozen=True)
class Called(Expr):
    """An element-wise activation of `arg`; `numbers` are all of its parameters."""

    kind: str
    arg: Expr
    numbers: tuple[tuple[str, float], ...] = ()
    entry: Activation = field(kw_only=True, compare=False, repr=False)

    @property
    def derivative(self) -> Expr:
        """The entry's σ'(arg), in terms of `arg` and of this call."""
        assert self.entry.derivative is not None
        own = {"z": self.arg, "a": self, **self._constants}
        return replaced(_folded(self.entry.beforehand, self.entry.derivative), own)

    @property
    def written_out(self) -> Expr:
        """The entry's body as one tree over `arg`."""
        return replaced(self.entry_tree, {"z": self.arg, **self._constants})

    @property
    def entry_tree(self) -> Expr:
        """The entry's body as one tree over "z" and its parameters."""
        *before, last = self.entry.body
        return _folded(tuple(before), last.value)

    @property
    def _constants(self) -> dict[str, Expr]:
        return {name: Const(value) for name, value in self.numbers}


def _folded(before: Body, value: Expr) -> Expr:
    """A value with the statements before it put in the place of their names."""
    known: dict[str, Expr] = {}
    for statement in before:
        assert isinstance(statement, Map)
        known[statement.target] = replaced(statement.value, known)
    return replaced(value, known)


def children(tree: Expr) -> tuple[Expr, ...]:
    """The arguments of a node, none of a leaf."""
    if isinstance(tree, Apply):
        return tree.args
    return (tree.arg,) if isinstance(tree, Called) else ()


def rebuilt(tree: Expr, args: tuple[Expr, ...]) -> Expr:
    """The same node over other arguments."""
    if isinstance(tree, Apply):
        return Apply(tree.primitive, args)
    if isinstance(tree, Called):
        return Called(tree.kind, args[0], tree.numbers, entry=tree.entry)
    return tree


def replaced(tree: Expr, replacements: Mapping[str, Expr]) -> Expr:
    """The tree with every variable named in `replacements` replaced."""
    if isinstance(tree, Var):
        return replacements.get(tree.name, tree)
    return rebuilt(tree, tuple(replaced(arg, replacements) for arg in children(tree)))


def nodes(tree: Expr) -> Iterator[Expr]:
    """Every node, a parent before its arguments."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(children(node))


def written_out_size(tree: Expr) -> int:
    """How many nodes the tree has without calls."""
    inside = sum(map(written_out_size, children(tree)))
    if not isinstance(tree, Called):
        return 1 + inside
    plain = list(nodes(tree.entry_tree))
    uses = sum(isinstance(node, Var) and node.name == "z" for node in plain)
    return len(plain) + uses * (inside - 1)


def written(tree: Expr) -> str:
    """The one text of a tree: the parser reads it as the same tree again."""
    return spell(_named(tree), _Notation(), {})


def _named(tree: Expr) -> Expr:
    """Calls as primitives of a name that `_Notation` understands."""
    args = tuple(map(_named, children(tree)))
    if not isinstance(tree, Called):
        return rebuilt(tree, args)
    given = "".join(f", {name}={value!r}" for name, value in tree.numbers)
    return Apply(f"{tree.kind}({{0}}{given})", args)


class _Notation(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return NOTATION.get(name, name)
