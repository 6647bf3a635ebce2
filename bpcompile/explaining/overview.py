"""What stands before the equations: the network, its numbers, how to read the rest."""

from __future__ import annotations

from collections.abc import Iterator

from bpcompile.explaining.document import Formula, Paragraph, Section, Table
from bpcompile.explaining.expressions import SIGNS
from bpcompile.explaining.model import Prose, Sentence
from bpcompile.explaining.notation import formula
from bpcompile.explaining.shapes import shapes_of, sized
from bpcompile.lower_forward import superscript
from bpcompile.plan import Plan
from bpcompile.summary import HEAD, WORDS, size_text, summarize

_DROPPED = (
    "kept is what dropout leaves of a, and what the next layer reads in training: r is 0 "
    "for a neuron that is dropped, with probability p, and 1/(1 - p) for one that is not, "
    "drawn anew for every neuron and example in every step. Outside of training nothing "
    "is dropped."
)


def overview(plan: Plan) -> Iterator[Section]:
    """The summary of a network and the notation of all that follows."""
    yield Section("The network", "network", (_shape(plan), _table(plan), _memory(plan)))
    yield Section("Notation", "notation", (*_notation(plan), _constants(plan)))


def _shape(plan: Plan) -> Paragraph:
    return Paragraph((Prose(plan.summary),))


def _table(plan: Plan) -> Table:
    """Shapes, parameters and multiply-adds of every layer and in all."""
    return Table(HEAD, summarize(plan).rows, WORDS)


def _memory(plan: Plan) -> Paragraph:
    summary = summarize(plan)
    parts = {
        "for the parameters": summary.parameter_bytes,
        "for what the optimizer keeps": summary.state_bytes,
        "for a mini-batch": summary.mini_batch_bytes,
    }
    sizes = (f"{size_text(size)} {what}" for what, size in parts.items() if size)
    text = (
        "Forward and backward are the multiply-adds of the products for one example. "
        f"In {plan.dtype}: {', '.join(sizes)}."
    )
    return Paragraph((Prose(text),))


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
    if plan.dropouts:
        yield Paragraph((Prose(_DROPPED),))
    if plan.cost.penalty is not None:
        yield Paragraph((Prose("n is the number of examples in the training set."),))


def drawn(layer: int) -> Sentence:
    """The factors of a layer that drops neurons."""
    up = superscript(layer)
    factor = formula(f"r{up} = (0 if dropped else 1 / (1 - p{up}))")
    return factor, Prose(", dropped with probability "), formula(f"p{up}")


def _constants(plan: Plan) -> Table:
    """The numbers of the spec, as the formulas and as the code call them."""
    probabilities = {d.constant: f"p{superscript(d.layer)}" for d in plan.dropouts}
    signs = {**SIGNS, **probabilities}
    rows = tuple(
        (signs.get(c.name, ""), c.name.upper(), _value(c.value)) for c in plan.constants
    )
    return Table(("sign", "name in the code", "value"), rows, words=2)


def _value(value: float | tuple[float, ...]) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_value, value))
    return repr(int(value) if value == int(value) and abs(value) < 1e15 else value)
