"""Expression trees as formulas, by way of the notation that comments have."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bpcompile.explaining.model import Infix, Node, Number, Row, mapped
from bpcompile.explaining.notation import formula
from bpcompile.expr import BOOK, Expr, spell

#: What the book calls the numbers of a spec.
SIGNS: Mapping[str, str] = MappingProxyType(
    {
        "eta": "η",
        "lmbda": "λ",
        "lmbda1": "λ₁",
        "mu": "μ",
        "rho": "ρ",
        "beta1": "β₁",
        "beta2": "β₂",
        "epsilon": "ε",
        "momentum_decay": "ψ",
        "clip_value": "κ",
        "clip_norm": "κ",
        "max_norm": "M",
        "mini_batch_size": "m",
        "total": "T",
        "pi": "π",
    }
)


def expression(value: Expr, names: Mapping[str, str] = SIGNS) -> Node:
    """An expression of arrays in the book's notation, ⊙ between them."""
    return formula(spell(value, BOOK, names))


def of_numbers(value: Expr, names: Mapping[str, str] = SIGNS) -> Node:
    """An expression of numbers: products have no sign where they need none."""
    return _without_signs(formula(spell(value, {**BOOK, "mul": "{0} * {1}"}, names)))


def _without_signs(node: Node) -> Node:
    node = mapped(node, _without_signs)
    match node:
        case Infix("*", left, right) if not isinstance(_first(right), Number):
            return Row((left, right))
    return node


def _first(node: Node) -> Node:
    """What a formula begins with."""
    while isinstance(node, Row | Infix):
        node = node.items[0] if isinstance(node, Row) else node.left
    return getattr(node, "base", node)
