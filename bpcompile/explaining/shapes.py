"""The sizes of the matrices in a formula: z² (30×m) = w² (30×784) a¹ (784×m) + ..."""

from __future__ import annotations

from collections.abc import Mapping

from bpcompile.explaining.model import (
    Brackets,
    Call,
    Fraction,
    Infix,
    Node,
    Number,
    Primed,
    Raised,
    Row,
    Sized,
    Symbol,
    mapped,
)
from bpcompile.explaining.plain import text
from bpcompile.lower_forward import superscript

#: Rows and columns, as numbers or "m", the examples of a mini-batch.
Shape = tuple[str, str]

EXAMPLES = "m"


class ShapeError(ValueError):
    """A product or a sum of matrices that do not go together."""


def shapes_of(sizes: tuple[int, ...]) -> dict[str, Shape]:
    """The shape of everything that the book names in a network of these sizes.

    `sizes` has N1, N2, ...; a vector of each example is a column of N rows.
    """
    known: dict[str, Shape] = {}
    inputs = ""
    for layer, size in enumerate(sizes, start=1):
        up, rows = superscript(layer), str(size)
        known |= {f"{name}{up}": (rows, EXAMPLES) for name in ("z", "a", "r", "kept")}
        known |= {f"δ{up}": (rows, EXAMPLES), f"∂a{up}/∂z{up}": (rows, rows)}
        weights, biases = (rows, inputs), (rows, "1")
        if layer > 1:
            known |= {f"w{up}": weights, f"∂C/∂w{up}": weights}
            known |= {f"b{up}": biases, f"∂C/∂b{up}": biases}
        inputs = rows
    return known | {"y": (inputs, EXAMPLES), "∇ₐC": (inputs, EXAMPLES)}


def sized(node: Node, known: Mapping[str, Shape]) -> Node:
    """The formula with its sizes at every matrix that is known."""
    shape = leaf_shape(node, known)
    if shape:
        return Sized(node, *shape)
    return mapped(node, lambda part: sized(part, known))


def leaf_shape(node: Node, known: Mapping[str, Shape]) -> Shape | None:
    """The shape of what gets its size as one: w², (w²)ᵀ, ∂C/∂w², σ'(z²)."""
    match node:
        case Raised(Brackets(inner), Symbol("T")):
            shape = leaf_shape(inner, known)
            return (shape[1], shape[0]) if shape else None
        case Call(_, (argument,)):
            return leaf_shape(argument, known)
        case Symbol() | Raised() | Fraction() | Primed():
            return known.get(text(node))
    return known.get(text(node)) if text(node).startswith("∇") else None


def shape_of(node: Node, known: Mapping[str, Shape]) -> Shape | None:
    """The shape of a whole formula, None of a number; a column goes with any columns.

    Raises ShapeError where the matrices of a product or a sum do not go together.
    """
    if shape := leaf_shape(node, known):
        return shape
    match node:
        case Brackets(inner):
            return shape_of(inner, known)
        case Row(items):
            return _product([shape_of(item, known) for item in items], node)
        case Infix(_, left, right):
            return _broadcast(shape_of(left, known), shape_of(right, known), node)
        case Number() | Symbol():
            return None
    return None


def _product(shapes: list[Shape | None], node: Node) -> Shape | None:
    product: Shape | None = None
    for shape in shapes:
        if product and shape and product[1] != shape[0]:
            raise ShapeError(text(node))
        if shape:
            product = (product[0], shape[1]) if product else shape
    return product


def _broadcast(left: Shape | None, right: Shape | None, node: Node) -> Shape | None:
    if not (left and right):
        return left or right
    columns = {left[1], right[1]} - {"1"}
    if left[0] != right[0] or len(columns) > 1:
        raise ShapeError(text(node))
    return left[0], columns.pop() if columns else "1"
