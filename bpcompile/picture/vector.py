"""The picture as SVG: text as text, no script, no identifier, nothing from outside."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from bpcompile.errors import printable
from bpcompile.pages import page_template
from bpcompile.picture.layout import BOX, RADIUS, layout
from bpcompile.picture.network import MOST_LAYERS, network

if TYPE_CHECKING:
    from bpcompile.plan import Plan
    from bpcompile.spec import NetworkSpec


def svg(
    source: NetworkSpec | Plan,
    marked: Collection[int] = (),
    most_layers: int = MOST_LAYERS,
) -> str:
    """An <svg> element that draws a network as the book does.

    marked: the numbers of layers that are to stand out, from 1. Of more than
    `most_layers` the middle is folded. The element may stand in a page, more than once
    too, or in a file of its own; it has colours for light and for dark, and its own
    ground. It ends with a line feed.
    """
    drawn = network(source, marked, most_layers)
    return page_template("network.svg.jinja").render(
        network=drawn,
        picture=layout(drawn),
        # XML has no way to write most control characters.
        text=printable(drawn.text),
        radius=RADIUS,
        box=BOX,
    )
