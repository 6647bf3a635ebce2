"""The equations of a network layer by layer, layers that are alike told once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from bpcompile.compare.relative import relative_code
from bpcompile.explaining.content import Choice, Explained
from bpcompile.explaining.definitions import definitions
from bpcompile.explaining.document import Beside, Formula, Item
from bpcompile.plan import Plan
from bpcompile.spec import NetworkSpec

#: Groups of layers shown one by one: of more, the first and the last.
_FIRST, _LAST = 5, 2


@dataclass(frozen=True)
class LayerEquations:
    """Layer `first`, and that those up to `last` have the same but for their number.

    equations  the formulas of each; none where this stands for layers left out
    """

    first: int
    last: int
    title: str
    equations: tuple[tuple[Formula, ...], ...]

    @property
    def others(self) -> str:
        """Those that are not shown; "" where there are none."""
        return _named(self.first + 1, self.last) if self.last > self.first else ""


def operators(spec: NetworkSpec, plan: Plan) -> tuple[Item, ...]:
    """What the activations and the cost are."""
    return tuple(definitions(spec, plan))


def layer_equations(spec: NetworkSpec, plan: Plan) -> Iterator[LayerEquations]:
    """Feedforward, BP1 to BP4, the update, with the sizes of every matrix."""
    groups = list(_groups(plan))
    left_out = range(_FIRST, len(groups) - _LAST)
    for place, (first, last) in enumerate(groups):
        if place not in left_out:
            title, equations = _layer(spec, plan, first)
            yield LayerEquations(first, last, title, equations)
        elif place == left_out.start:
            last = groups[left_out.stop - 1][1]
            yield LayerEquations(first, last, _named(first, last), ())


def _named(first: int, last: int) -> str:
    return f"Layer {last}" if first == last else f"Layers {first} to {last}"


def _groups(plan: Plan) -> Iterator[tuple[int, int]]:
    """The first and the last of layers that follow each other and are alike."""
    formulas: dict[int, list[str]] = {}
    for block in (*plan.forward, *plan.backward, *plan.update):
        said = formulas.setdefault(block.layer, [])
        said += (relative_code(step.formula, block.layer) for step in block.steps)
    comments = {layer.index: layer.comment for layer in plan.layers}

    def key(layer: int) -> tuple[object, ...]:
        sizes = plan.sizes[max(0, layer - 2) : layer]
        first = comments.get(layer, "").removeprefix(f"layer {layer}: ")
        return (*sizes, relative_code(first, layer), *formulas.get(layer, ()))

    for _, layers in groupby(range(1, plan.depth + 1), key):
        held = [*layers]
        yield held[0], held[-1]


def _layer(
    spec: NetworkSpec, plan: Plan, layer: int
) -> tuple[str, tuple[tuple[Formula, ...], ...]]:
    """The title of a layer and its equations, without the code beside them."""
    sections = Explained(spec, plan, (), Choice(layer=layer)).sections()
    section = sections[0]
    found = (item for item in section.items if isinstance(item, Beside))
    return section.title, tuple(beside.formulas for beside in found)
