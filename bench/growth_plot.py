"""Speed-up over the number of ranks as SVG text, both by logarithm: the same bytes always.

Colours are given for light pages and, by media query, for dark ones; curves differ in
their dashes as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

#: Of a panel, without what stands around it.
WIDE, HIGH = 330, 260
LEFT, TOP, GAP, BELOW = 50, 46, 62, 40
LEGEND_ROW, LEGEND_COLUMNS = 20, 3
MOST_RANKS, LEAST, MOST = 1024, 1 / 16, 64
STYLE = """\
.page{fill:#ffffff} .grid{stroke:#e3e8ee} .one{stroke:#7d8894} .text{fill:#36424f}
.ideal{stroke:#7d8894;stroke-dasharray:2 4}
.curve{fill:none;stroke-width:2;stroke-linejoin:round}
.d1{stroke-dasharray:7 3} .d2{stroke-dasharray:2 3}
.c0{stroke:#1763a6} .c1{stroke:#b3261e} .c2{stroke:#257a3e}
.text{font:12px "DejaVu Sans",Verdana,sans-serif} .title{font-weight:bold}
@media (prefers-color-scheme:dark){
.page{fill:#14181d} .grid{stroke:#2a323b} .one,.ideal{stroke:#8894a1} .text{fill:#d5dce4}
.c0{stroke:#6cb2f2} .c1{stroke:#ff8a80} .c2{stroke:#74cf8c}
}"""


@dataclass(frozen=True)
class Curve:
    """Of one network, its speed-up by the number of ranks."""

    label: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Panel:
    """What holds for all its curves, and these."""

    title: str
    curves: tuple[Curve, ...]


def svg(panels: Sequence[Panel], title: str) -> str:
    """Panels side by side over one legend: all have the same networks in one order."""
    labels = [curve.label for curve in panels[0].curves]
    rows = -(-len(labels) // LEGEND_COLUMNS)
    width = LEFT + len(panels) * (WIDE + GAP) - GAP + 20
    height = TOP + HIGH + BELOW + rows * LEGEND_ROW + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="{escape(title)}">',
        f"<style>\n{STYLE}\n</style>",
        f'<rect class="page" width="{width}" height="{height}" rx="6"/>',
    ]
    for place, panel in enumerate(panels):
        lines += _panel(panel, LEFT + place * (WIDE + GAP))
    lines += _legend(labels, width)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _x(ranks: float, left: float) -> float:
    return left + math.log2(ranks) / math.log2(MOST_RANKS) * WIDE


def _y(speed_up: float) -> float:
    span = math.log2(MOST / LEAST)
    return TOP + math.log2(MOST / speed_up) / span * HIGH


def _panel(panel: Panel, left: float) -> Iterator[str]:
    right, bottom = left + WIDE, TOP + HIGH
    yield _text(left, TOP - 24, panel.title, "start", " title")
    for power in range(-4, 7, 2):
        y = _y(2.0**power)
        kind = "one" if power == 0 else "grid"
        yield _line(kind, left, y, right, y)
        shown = f"{2**power}" if power >= 0 else f"1/{2**-power}"
        yield _text(left - 6, y + 4, shown, "end")
    for power in range(0, 11, 2):
        x = _x(2**power, left)
        yield _line("grid", x, TOP, x, bottom)
        yield _text(x, bottom + 16, f"{2**power:,}", "middle")
    yield _text((left + right) / 2, bottom + 32, "ranks", "middle")
    yield _text(left, TOP - 8, "times as fast as one rank", "start")
    yield _line("ideal", _x(1, left), _y(1), _x(MOST, left), _y(MOST))
    for number, curve in enumerate(panel.curves):
        steps = (
            f"{_x(ranks, left):.1f} {_y(max(speed_up, LEAST)):.1f}"
            for ranks, speed_up in curve.points
        )
        yield f'<path class="{_kind(number)}" d="M{"L".join(steps)}"/>'


def _legend(labels: Sequence[str], width: float) -> Iterator[str]:
    column = (width - LEFT) / LEGEND_COLUMNS
    for number, label in enumerate(labels):
        row, place = divmod(number, LEGEND_COLUMNS)
        x, y = LEFT + place * column, TOP + HIGH + BELOW + 16 + row * LEGEND_ROW
        yield f'<path class="{_kind(number)}" d="M{x:.1f} {y - 4}H{x + 30:.1f}"/>'
        yield _text(x + 38, y, label, "start")


def _kind(number: int) -> str:
    dash, colour = divmod(number, 3)
    return f"curve c{colour} d{dash}"


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    return (
        f'<text class="text{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )
