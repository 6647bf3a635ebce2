"""Where everything of a picture stands, in CSS pixels from the top left.

Text is given the room that its letters can take at most, as no font is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

from bpcompile.picture.network import Column, Fold, Layer, Network

RADIUS = 11
BOX = 36
_PITCH = 32  # from neuron to neuron
_DOT = 8  # from dot to dot
_MARGIN = 28
_LETTER, _BOLD, _NAME = 7.6, 8.9, 10.0  # of captions, titles and the name
_BETWEEN = 18  # from text to text
_LEAST = 130  # from column to column
_LINE = 18
_HEADING, _TITLES, _NEURONS, _CAPTIONS = 34, 72, 92, 22
# How far towards a fold its neighbours' connections are drawn.
_STUB = 0.45

Point = tuple[float, float]


@dataclass(frozen=True)
class Text:
    """A line of text about `x`, on the baseline `y`; kind: its class in the style."""

    x: float
    y: float
    kind: str
    text: str


@dataclass(frozen=True)
class Stack:
    """The neurons drawn of a column, and the dots of its ellipsis."""

    kind: str
    neurons: tuple[Point, ...]
    dots: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Picture:
    """All marks; `paths` has one path for the connections of two columns.

    cost   the middle of the box behind the last column
    """

    width: float
    height: float
    paths: tuple[str, ...]
    stacks: tuple[Stack, ...]
    texts: tuple[Text, ...]
    cost: Point


def layout(network: Network) -> Picture:
    """The places of all that is drawn."""
    columns = network.columns
    captions = [*(column.captions for column in columns), (network.cost,)]
    titles = [*(column.title for column in columns), "cost"]
    weights = [*(_weights(column) for column in columns[1:]), ""]
    centres = _centres(captions, titles, weights)
    drawn = max(len(c.neurons) for c in columns if isinstance(c, Layer))
    height = _PITCH * max(drawn, 3)
    middle = _NEURONS + height / 2
    stacks = [_stack(c, x, middle) for c, x in zip(columns, centres[:-1], strict=True)]
    cost = centres[-1], middle
    paths = [_connections(below, above) for below, above in pairwise(stacks)]
    paths.append(_lines((a, cost) for a in stacks[-1].neurons))
    top = _NEURONS + height + _CAPTIONS
    texts = [Text(x, _TITLES, "title", t) for x, t in zip(centres, titles, strict=True)]
    texts += [
        Text((x + after) / 2, _TITLES, "shape", text)
        for (x, after), text in zip(pairwise(centres), weights, strict=True)
    ]
    texts += [
        Text(x, top + line * _LINE, "caption", text)
        for x, held in zip(centres, captions, strict=True)
        for line, text in enumerate(held)
    ]
    return Picture(
        width=max(centres[-1] + _reach(captions[-1]), _heading(network)) + _MARGIN,
        height=top + max(map(len, captions)) * _LINE,
        paths=tuple(filter(None, paths)),
        stacks=tuple(stacks),
        texts=(Text(_MARGIN, _HEADING, "name", network.name), *filter(_says, texts)),
        cost=cost,
    )


def _says(text: Text) -> bool:
    return bool(text.text)


def _weights(column: Column) -> str:
    return column.weights if isinstance(column, Layer) else ""


def _heading(network: Network) -> float:
    return _MARGIN + _NAME * len(network.name)


def _reach(texts: Iterable[str]) -> float:
    """Half of what the longest of some captions takes at most."""
    return max(_LETTER * len(text) for text in texts) / 2


def _centres(
    captions: list[tuple[str, ...]], titles: list[str], weights: list[str]
) -> list[float]:
    """The middle of every column, so far apart that no text meets another."""
    below = [_reach(held) for held in captions]
    above = [_BOLD * len(title) / 2 for title in titles]
    gaps = (
        max(
            _LEAST,
            below[i] + _BETWEEN + below[i + 1],
            above[i] + above[i + 1] + _LETTER * len(text) + 2 * _BETWEEN,
        )
        for i, text in enumerate(weights)
    )
    start = _MARGIN + max(below[0], above[0])
    return list(accumulate(gaps, initial=start))


def _stack(column: Column, x: float, middle: float) -> Stack:
    if isinstance(column, Fold):
        dots = tuple((x + step * 2 * _DOT, middle) for step in (-1, 0, 1))
        return Stack("fold", (), dots)
    places = column.neurons
    top = middle - _PITCH * (len(places) - 1) / 2
    rows = [(neuron, top + _PITCH * row) for row, neuron in enumerate(places)]
    kind = " ".join(
        filter(
            None,
            (column.role, "drops" * bool(column.dropout), "marked" * column.marked),
        )
    )
    return Stack(
        kind=kind,
        neurons=tuple((x, y) for neuron, y in rows if neuron is not None),
        dots=tuple(
            (x, y + step * _DOT)
            for neuron, y in rows
            if neuron is None
            for step in (-1, 0, 1)
        ),
    )


def _connections(below: Stack, above: Stack) -> str:
    """All between two columns; next to a fold only how they begin or end."""
    if not (below.neurons or above.neurons):
        return ""
    if not above.neurons:
        return _lines((a, _towards(a, above.dots[1])) for a in below.neurons)
    if not below.neurons:
        return _lines((_towards(a, below.dots[1]), a) for a in above.neurons)
    return _lines((a, b) for a in below.neurons for b in above.neurons)


def _towards(start: Point, end: Point) -> Point:
    (x0, y0), (x1, y1) = start, end
    return x0 + _STUB * (x1 - x0), y0 + _STUB * (y1 - y0)


def _lines(pairs: Iterator[tuple[Point, Point]]) -> str:
    """One path of straight lines."""
    return "".join(
        f"M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}" for (x0, y0), (x1, y1) in pairs
    )
