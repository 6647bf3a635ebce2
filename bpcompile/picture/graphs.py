"""The picture as text that other programs draw: Mermaid and Graphviz.

What of a spec stands in it are words of letters, digits and "_", and numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from bpcompile.picture.network import MOST_LAYERS, Column, Fold, Layer, network

if TYPE_CHECKING:
    from bpcompile.plan import Plan
    from bpcompile.spec import NetworkSpec

_HEAD = """\
    graph [rankdir=LR, splines=line, nodesep=0.12, ranksep=1.2, bgcolor=white]
    node [shape=circle, width=0.28, height=0.28, fixedsize=true, label="", color="#28507a",
          fontname="sans-serif", fontsize=11]
    edge [arrowhead=none, color="#8fa6bf", penwidth=0.6]"""
_FILLED = 'style=filled, fillcolor="{}", color="{}"'
_PLAIN = "shape=plaintext, fixedsize=false"
_LOOKS = {
    "input": 'color="#6b7785"',
    "hidden": "",
    "output": _FILLED.format("#dce8f4", "#28507a"),
    "marked": _FILLED.format("#ffe9cc", "#a04a00"),
    "cost": f'shape=box, {_FILLED.format("#dce8f4", "#28507a")}, label="C"',
    "ellipsis": f'{_PLAIN}, label="⋮"',
    "fold": f'{_PLAIN}, label="⋯"',
}
_BREAK = "\\n"


def mermaid(
    source: NetworkSpec | Plan,
    marked: Collection[int] = (),
    most_layers: int = MOST_LAYERS,
) -> str:
    """A flowchart with a box for each layer, as GitHub renders it in Markdown.

    The arguments are those of `svg`. It ends with a line feed.
    """
    drawn = network(source, marked, most_layers)
    lines = [
        "flowchart LR",
        f"    accTitle: {drawn.title}",
        f"    accDescr: {drawn.description}",
        *(f"    {_name(c)}[{_quoted(c.title, *_boxed(c))}]" for c in drawn.columns),
        f"    cost([{_quoted('cost', drawn.cost)}])",
        *(
            f"    {_name(below)} {_arrow(above)} {_name(above)}"
            for below, above in pairwise(drawn.columns)
        ),
        f"    {_name(drawn.columns[-1])} --> cost",
    ]
    if emphasised := [_name(c) for c in drawn.columns if _is_marked(c)]:
        lines += [
            "    classDef marked fill:#ffe9cc,stroke:#a04a00,color:#1c2733",
            f"    class {','.join(emphasised)} marked",
        ]
    return "\n".join(lines) + "\n"


def dot(
    source: NetworkSpec | Plan,
    marked: Collection[int] = (),
    most_layers: int = MOST_LAYERS,
) -> str:
    """A graph with a node for each neuron drawn, for Graphviz's program dot.

    The arguments are those of `svg`. It ends with a line feed.
    """
    drawn = network(source, marked, most_layers)
    groups = [*map(_nodes, drawn.columns), {"cost": "cost"}]
    labels = [*map(_label, drawn.columns), ("cost", drawn.cost)]
    lines = [f'digraph "{drawn.name}" {{', _HEAD]
    for number, (nodes, label) in enumerate(zip(groups, labels, strict=True), start=1):
        text, column = f"T{number}", [*nodes, f"T{number}"]
        lines += [
            *(f"    {name} [{_LOOKS[look]}]" for name, look in nodes.items()),
            f'    {text} [{_PLAIN}, label="{_BREAK.join(label)}"]',
            # Without these edges neurons would change places.
            f"    {{rank=same edge [style=invis] {' -> '.join(column)}}}",
        ]
    for below, above in pairwise(groups):
        lines += _edges(below, above)
    return "\n".join([*lines, "}"]) + "\n"


def _nodes(column: Column) -> dict[str, str]:
    """The nodes of a column from top to bottom, and how they look."""
    name = _name(column)
    if isinstance(column, Fold):
        return {name: "fold"}
    look = "marked" if column.marked else column.role
    return {
        f"{name}_more" if neuron is None else f"{name}_{neuron + 1}": (
            "ellipsis" if neuron is None else look
        )
        for neuron in column.neurons
    }


def _label(column: Column) -> tuple[str, ...]:
    weights = (column.weights,) if isinstance(column, Layer) and column.inputs else ()
    return column.title, *column.captions, *weights


def _edges(below: dict[str, str], above: dict[str, str]) -> Iterator[str]:
    """All between two columns, dotted where one of them is a fold."""
    starts, ends = (
        [name for name, look in nodes.items() if look != "ellipsis"]
        for nodes in (below, above)
    )
    folded = "fold" in (*below.values(), *above.values())
    style = " [style=dotted]" if folded else ""
    yield f"    {{{' '.join(starts)}}} -> {{{' '.join(ends)}}}{style}"


def _is_marked(column: Column) -> bool:
    return isinstance(column, Layer) and column.marked


def _name(column: Column) -> str:
    first = column.layers[0] if isinstance(column, Fold) else column
    return f"L{first.index}"


def _boxed(column: Column) -> tuple[str, ...]:
    """What stands in the box of a layer: w and b are said on the way to it."""
    if isinstance(column, Fold):
        return column.captions
    return tuple(filter(None, (column.count, column.activation, column.dropped)))


def _quoted(*lines: str) -> str:
    return f'"{"<br/>".join(lines)}"'


def _arrow(above: Column) -> str:
    if isinstance(above, Fold):
        return "-.->"
    return f"-- {_quoted(above.weights, above.biases)} -->"
