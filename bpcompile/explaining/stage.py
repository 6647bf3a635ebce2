"""What a worked example consists of, and the numbers of vectors, weights and bodies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bpcompile.explaining.arithmetic import SHOWN, Value, followed, is_short, named
from bpcompile.operators.entry import Body


@dataclass(frozen=True)
class Stage:
    """One formula with its numbers.

    part       "given", "feedforward", "backpropagation" or "update"
    layer      0 where it is of none
    equation   "BP1" to "BP4", or ""
    formula    in the book's notation
    more       how many numbers of the last kind are computed, but not shown
    """

    part: str
    layer: int
    equation: str
    formula: str
    values: tuple[Value, ...]
    more: int = 0

    @property
    def title(self) -> str:
        """Where it belongs, as a heading."""
        alone = self.part == "given" or not self.layer
        words = [] if alone else [f"layer {self.layer}"]
        return ", ".join([*words, self.part]).capitalize()

    @property
    def label(self) -> str:
        """The formula behind the name of its equation."""
        return f"{self.equation}  {self.formula}" if self.equation else self.formula


def more(values: Sequence[float]) -> int:
    return max(0, len(values) - SHOWN)


def listed(
    part: str, layer: int, formula: str, name: str, values: Sequence[float]
) -> Stage:
    """Numbers that nothing is done to."""
    return Stage(part, layer, "", formula, tuple(results(name, values)), more(values))


def results(
    name: str, values: Sequence[float], texts: Sequence[str] = ()
) -> Iterator[Value]:
    """The first numbers of a vector, each with its arithmetic if there is any."""
    for j, value in enumerate(values[:SHOWN]):
        yield Value(name + named("", 0, j + 1), value, texts[j] if texts else "")


def count(values: Any) -> int:
    """How many numbers a weight's rows or a bias have."""
    return sum(len(v) if hasattr(v, "__len__") else 1 for v in values)


def entries(name: str, values: Any, texts: Sequence[str] = ()) -> Iterator[Value]:
    """The first entries of the first rows of a weight, or the first of a bias."""
    if not hasattr(values[0], "__len__"):
        yield from results(name, values, texts)
        return
    places = ((j, k) for j in range(len(values)) for k in range(len(values[0])))
    shown = [(j, k) for j, k in places if j < SHOWN and k < SHOWN]
    for number, (j, k) in enumerate(shown):
        text = texts[number] if texts else ""
        yield Value(name + named("", 0, j + 1, k + 1), values[j][k], text)


def statements(
    body: Body,
    inputs: Mapping[str, Sequence[float] | float],
    name: str,
    values: Sequence[float],
) -> Iterator[Value]:
    """The statements of a body; the last one's target is `name`, and `values` its.

    Of a long body nothing but these.
    """
    if not is_short(body):
        yield from results(name, values)
        return
    *before, last = followed(body, inputs)
    for result in before:
        if result.reduces:
            yield Value(result.target, result.values[0], result.arithmetic[0])
        else:
            yield from results(result.target, result.values, result.arithmetic)
    yield from results(name, values, last.arithmetic)
