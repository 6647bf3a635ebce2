"""Formulas as small trees, which every format prints in its own way.

A tree keeps what its author wrote, brackets included, so that a formula of a comment
reads the same everywhere. `notation` reads them, `shapes` puts sizes to them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace


class Node:
    """Any part of a formula."""


@dataclass(frozen=True)
class Symbol(Node):
    """A letter or a name: "z", "η", "N2"."""

    text: str


@dataclass(frozen=True)
class Number(Node):
    text: str


@dataclass(frozen=True)
class Word(Node):
    """Words among signs: "above", "standard deviation", "mean"."""

    text: str


@dataclass(frozen=True)
class Raised(Node):
    """z², eᶻ, wᵀ, 2^k; `signs` if the exponent is written in superscript signs."""

    base: Node
    exponent: Node
    signs: bool


@dataclass(frozen=True)
class Lowered(Node):
    """β₁."""

    base: Node
    index: str


@dataclass(frozen=True)
class Primed(Node):
    """σ'."""

    base: Node


@dataclass(frozen=True)
class Call(Node):
    """σ(z), max(z, 0), N(0, 1)."""

    function: Node
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Row(Node):
    """Factors without a sign between them; `tight` without a space: 2n."""

    items: tuple[Node, ...]
    tight: bool = False


@dataclass(frozen=True)
class Infix(Node):
    """Two operands and the sign between them: ⊙, +, =, →."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Fraction(Node):
    """`tight` without spaces: η/m."""

    over: Node
    under: Node
    tight: bool


@dataclass(frozen=True)
class Prefix(Node):
    """-z, Σ w², ∂C, ln a; `spaced` with a space between."""

    sign: str
    of: Node
    spaced: bool


@dataclass(frozen=True)
class Root(Node):
    of: Node


@dataclass(frozen=True)
class Bars(Node):
    """|z|."""

    of: Node


@dataclass(frozen=True)
class Brackets(Node):
    """Round ones, or Iverson's square ones: 1 where it holds, else 0."""

    of: Node
    square: bool = False


@dataclass(frozen=True)
class Choice(Node):
    """(x if condition else y)."""

    value: Node
    condition: Node
    otherwise: Node


@dataclass(frozen=True)
class Sized(Node):
    """A matrix with its rows and columns, numbers or "m"."""

    of: Node
    rows: str
    columns: str


def mapped(node: Node, change: Callable[[Node], Node]) -> Node:
    """The node with `change` applied to each node right below it."""
    changes: dict[str, Node | tuple[Node, ...]] = {}
    for field in fields(node):  # type: ignore[arg-type]
        value = getattr(node, field.name)
        if isinstance(value, Node):
            changes[field.name] = change(value)
        elif isinstance(value, tuple):
            changes[field.name] = tuple(map(change, value))
    return replace(node, **changes) if changes else node  # type: ignore[type-var]


@dataclass(frozen=True)
class Prose:
    """Words between formulas."""

    text: str


#: A sentence: words and formulas in turn; commas belong to the words.
Sentence = tuple[Prose | Node, ...]


#: Longer words stand below the formula that they follow.
_MOST_BESIDE = 48


def remark(rest: Sentence) -> str:
    """What follows a displayed formula, if it is few words: they stand beside it."""
    match rest:
        case (Prose(words),) if len(words) <= _MOST_BESIDE:
            return words
    return ""


def displayed(sentence: Sentence) -> tuple[tuple[Node, ...], Sentence]:
    """The formulas that a sentence begins with, and the rest without its comma."""
    shown: list[Node] = []
    rest = list(sentence)
    while rest and isinstance(first := rest[0], Node):
        shown.append(first)
        rest = rest[1:]
        if rest and isinstance(after := rest[0], Prose):
            begun = after.text.lstrip(",;: ")
            rest = [Prose(begun), *rest[1:]] if begun else rest[1:]
    return tuple(shown), tuple(rest)
