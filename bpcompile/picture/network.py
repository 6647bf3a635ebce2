"""What every picture of a network shows: its layers, the middle of many folded.

Read from the normalised spec, so that a spec and its plan give the same picture.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from bpcompile.plan import Plan
    from bpcompile.spec import NetworkSpec

#: Layers drawn one by one; of more, the first, the last and some of the marked ones.
MOST_LAYERS = 10
_FIRST_LAYERS, _LAST_LAYERS, _MARKED_LAYERS = 4, 3, 6

#: Neurons drawn one by one; of more, the first and the last.
MOST_NEURONS = 10
_FIRST_NEURONS, _LAST_NEURONS = 5, 4

#: Sentences about layers in a description.
_MOST_SENTENCES = 12


@dataclass(frozen=True)
class Layer:
    """Layer `index`, counted from 1, with `inputs` neurons in the layer below.

    role     input, hidden or output
    marked   it is to stand out
    """

    index: int
    size: int
    inputs: int
    role: str
    activation: str
    dropout: float
    marked: bool

    @property
    def title(self) -> str:
        return f"layer {self.index}"

    @property
    def count(self) -> str:
        return _counted(self.size, self.role if self.role != "hidden" else "neuron")

    @property
    def weights(self) -> str:
        """w by its name and shape in every module: "w2 (30, 784)"."""
        return f"w{self.index} ({self.size}, {self.inputs})"

    @property
    def biases(self) -> str:
        return f"b{self.index} ({self.size}, 1)"

    @property
    def dropped(self) -> str:
        return f"dropout {self.dropout}" if self.dropout else ""

    @property
    def captions(self) -> tuple[str, ...]:
        """What is said of the layer itself, as far as there is anything to say."""
        biases = self.biases if self.inputs else ""
        return tuple(filter(None, (self.count, self.activation, biases, self.dropped)))

    @property
    def neurons(self) -> tuple[int | None, ...]:
        """The neurons to draw, counted from 0; None stands for those left out."""
        if self.size <= MOST_NEURONS:
            return tuple(range(self.size))
        first, last = range(_FIRST_NEURONS), range(self.size - _LAST_NEURONS, self.size)
        return (*first, None, *last)


@dataclass(frozen=True)
class Fold:
    """Layers that are not drawn one by one."""

    layers: tuple[Layer, ...]

    @property
    def title(self) -> str:
        return f"layers {self.layers[0].index} to {self.layers[-1].index}"

    @property
    def captions(self) -> tuple[str, ...]:
        sizes = [layer.size for layer in self.layers]
        low, high = min(sizes), max(sizes)
        each = _counted(low, "neuron") + " each"
        kinds = sorted({layer.activation for layer in self.layers})
        return (
            f"{len(self.layers):,} layers",
            each if low == high else f"{low:,} to {high:,} neurons",
            kinds[0] if len(kinds) == 1 else f"{len(kinds)} activations",
        )


Column: TypeAlias = Layer | Fold


@dataclass(frozen=True)
class Network:
    """A network to draw; `columns` holds every layer, each once, in order.

    text   the description that the spec itself has: anything at all
    """

    name: str
    cost: str
    columns: tuple[Column, ...]
    text: str

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Those that are folded, too."""
        return tuple(layer for column in self.columns for layer in _within(column))

    @property
    def shape(self) -> str:
        """The sizes: "784-30-10", of a fold an ellipsis."""
        columns = self.columns
        sizes = ("…" if isinstance(c, Fold) else str(c.size) for c in columns)
        return "-".join(sizes)

    @property
    def title(self) -> str:
        return f"{self.name}, a network of {len(self.layers):,} layers"

    @property
    def description(self) -> str:
        """The picture in words, layers that are alike in one sentence."""
        sentences = _sentences(self.layers)
        more = len(sentences) - _MOST_SENTENCES
        if more > 0:
            last = sentences[-1]
            sentences = [*sentences[: _MOST_SENTENCES - 1], "And so on.", last]
        return " ".join((*sentences, f"The cost is {self.cost}."))


def network(
    source: NetworkSpec | Plan,
    marked: Collection[int] = (),
    most_layers: int = MOST_LAYERS,
) -> Network:
    """What to draw of a spec or its plan.

    marked: the numbers of layers that are to stand out. Of more than `most_layers`
    the middle is folded, yet the first of the marked ones are drawn.
    """
    # A plan holds the normal form, a spec makes it.
    held = source.normalised
    found: dict[str, Any] = held if isinstance(held, dict) else held()
    layers = tuple(_layers(found["layers"], marked))
    return Network(
        name=found["name"],
        cost=_kind(found["cost"]),
        columns=_columns(layers, most_layers),
        text=found.get("description") or "",
    )


def _layers(found: list[dict[str, Any]], marked: Collection[int]) -> Iterable[Layer]:
    below = 0
    for index, layer in enumerate(found, start=1):
        role = "hidden"
        if index in (1, len(found)):
            role = "input" if index == 1 else "output"
        yield Layer(
            index=index,
            size=layer["size"],
            inputs=below,
            role=role,
            activation=_kind(layer.get("activation", "")),
            dropout=layer.get("dropout", 0.0),
            marked=index in marked,
        )
        below = layer["size"]


def _kind(operator: Any) -> str:
    kind = operator["kind"] if isinstance(operator, dict) else operator
    return str(kind)


def _columns(layers: tuple[Layer, ...], most: int) -> tuple[Column, ...]:
    """The layers to draw, with a fold wherever two or more others stand together."""
    if len(layers) <= most:
        return layers
    ends = {*layers[:_FIRST_LAYERS], *layers[-_LAST_LAYERS:]}
    marked = [layer for layer in layers if layer.marked and layer not in ends]
    drawn = ends | {*marked[:_MARKED_LAYERS]}
    columns: list[Column] = []
    for is_drawn, group in groupby(layers, drawn.__contains__):
        held = tuple(group)
        columns += held if is_drawn or len(held) == 1 else (Fold(held),)
    return tuple(columns)


def _within(column: Column) -> tuple[Layer, ...]:
    return column.layers if isinstance(column, Fold) else (column,)


def _sentences(layers: tuple[Layer, ...]) -> list[str]:
    def said(layer: Layer) -> tuple[str, ...]:
        return tuple(filter(None, (layer.count, layer.activation, layer.dropped)))

    sentences = []
    for words, group in groupby(layers, said):
        held = tuple(group)
        which = held[0].title.capitalize()
        each = ""
        if len(held) > 1:
            which, each = Fold(held).title.capitalize(), " each"
        sentences.append(f"{which}: {words[0]}{each}{_further(words[1:])}.")
    return sentences


def _further(words: Iterable[str]) -> str:
    return "".join(f", {word}" for word in words)


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
