"""What stands before the equations: the network, its numbers, how to read the rest."""

from __future__ import annotations

from collections.abc import Iterator

from bpcompile.explaining.document import Formula, Paragraph, Section, Table
from bpcompile.explaining.expressions import SIGNS
from bpcompile.explaining.model import Prose
from bpcompile.explaining.notation import formula
from bpcompile.explaining.shapes import shapes_of, sized
from bpcompile.plan import Plan
from bpcompile.summary import summarize

_KILO = 1024


def overview(plan: Plan) -> Iterator[Section]:
    """The summary of a network and the notation of all that follows."""
    yield Section("The network", "network", (_shape(plan), _table(plan), _memory(plan)))
    yield Section("Notation", "notation", (*_notation(plan), _constants(plan)))


def _shape(plan: Plan) -> Paragraph:
    return Paragraph((Prose(plan.summary),))


def _table(plan: Plan) -> Table:
    """Shapes, parameters and multiply-adds of every layer and in all."""
    summary = summarize(plan)
    head = ("layer", "activation", "neurons", "w", "b", "parameters")
    rows = [
        (
            str(layer.index),
            layer.activation or "input",
            f"{layer.size:,}",
            _times(layer.weights),
            _times(layer.biases),
            f"{layer.parameters:,}",
            f"{layer.forward:,}",
            f"{layer.backward:,}",
        )
        for layer in summary.layers
    ]
    total = (
        *("all", "", "", "", "", f"{summary.parameters:,}"),
        *(f"{summary.forward:,}", f"{summary.backward:,}"),
    )
    return Table((*head, "forward", "backward"), (*rows, total), words=2)


def _times(shape: tuple[int, int] | None) -> str:
    return f"{shape[0]}×{shape[1]}" if shape else ""


def _memory(plan: Plan) -> Paragraph:
    summary = summarize(plan)
    parts = {
        "for the parameters": summary.parameter_bytes,
        "for what the optimizer keeps": summary.state_bytes,
        "for a mini-batch": summary.mini_batch_bytes,
    }
    said = ", ".join(f"{_size(size)} {what}" for what, size in parts.items() if size)
    text = (
        "Forward and backward are the multiply-adds of the products for one example. "
        f"In {plan.dtype}: {said}."
    )
    return Paragraph((Prose(text),))


def _size(size: int) -> str:
    """Bytes as a person reads them."""
    if size < _KILO:
        return f"{size} bytes"
    for unit in ("KiB", "MiB"):
        size_of_unit = size / _KILO
        if size_of_unit < _KILO:
            return f"{size_of_unit:.1f} {unit}"
        size //= _KILO
    return f"{size / _KILO:.1f} GiB"


def _notation(plan: Plan) -> Iterator[Paragraph | Formula]:
    depth = plan.depth
    text = (
        "Layers are numbered as in the book: layer 1 is the input, "
        f"layer {depth} the output. A sign above on the right is the layer. The m "
        "examples of a mini-batch stand side by side, one in each column; sizes are "
        "rows×columns, so that"
    )
    yield Paragraph((Prose(text),))
    example = sized(formula("z² = w² a¹ + b²"), shapes_of(plan.sizes))
    yield Formula("", (example,))
    more = (
        "adds the column of biases to every column. ⊙ is the product entry by entry, "
        "ᵀ the transpose, [a > 0] is 1 where that holds, else 0. δ is the error ∂C/∂z; "
        "Σ of gradients runs over the mini-batch. "
        "Feedforward goes from layer 2 up to the last; BP1 begins there, and BP2 to "
        "BP4 go back down."
    )
    yield Paragraph((Prose(more),))


def _constants(plan: Plan) -> Table:
    """The numbers of the spec, as the formulas and as the code call them."""
    rows = tuple(
        (SIGNS.get(c.name, ""), c.name.upper(), _value(c.value)) for c in plan.constants
    )
    return Table(("sign", "name in the code", "value"), rows, words=2)


def _value(value: float | tuple[float, ...]) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_value, value))
    return repr(int(value) if value == int(value) and abs(value) < 1e15 else value)
