"""A small chart as SVG text: axes with numbers, up to four curves, the same bytes always.

Nothing is measured: text is placed by its anchor, so that any font will do. Colours are
given for light pages and, by media query, for dark ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from bpcompile.reporting.chart import ticks

WIDTH, HEIGHT = 380, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 368, 34, 212
#: A step of more than this share of the height between two near points is a jump.
JUMP = 0.2

STYLE = """\
.page{fill:#ffffff} .grid{stroke:#e3e8ee} .axis{stroke:#7d8894} .text{fill:#36424f}
.line{fill:none;stroke-width:2;stroke-linejoin:round} .dashed{stroke-dasharray:5 4}
.c0{stroke:#1763a6} .c1{stroke:#b3261e} .c2{stroke:#257a3e} .c3{stroke:#8a5a00}
.text{font:12px "DejaVu Sans",Verdana,sans-serif}
@media (prefers-color-scheme:dark){
.page{fill:#14181d} .grid{stroke:#2a323b} .axis{stroke:#8894a1} .text{fill:#d5dce4}
.c0{stroke:#6cb2f2} .c1{stroke:#ff8a80} .c2{stroke:#74cf8c} .c3{stroke:#e6b450}
}"""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Curve:
    """One line of a chart, through points sorted by x.

    joined  measurements, which may leap from one to the next; else a leap is a jump of
            the function
    """

    label: str
    points: Points
    dashed: bool = False
    joined: bool = False


@dataclass(frozen=True)
class Chart:
    """Curves over x from one number to another, with y cut off at two others."""

    title: str
    x_label: str
    curves: tuple[Curve, ...]
    x: tuple[float, float]
    y: tuple[float, float]

    def svg(self) -> str:
        """The file. The title is for those who cannot see it."""
        frame = _Frame.around(self)
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" role="img" '
            f'aria-label="{escape(self.title)}">'
        )
        width, height = RIGHT - LEFT, BOTTOM - TOP
        lines = [
            head,
            f"<style>\n{STYLE}\n</style>",
            f'<clipPath id="inside"><rect x="{LEFT}" y="{TOP - 2}" width="{width}" '
            f'height="{height + 4}"/></clipPath>',
            f'<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
            *_axes(frame, self.x_label),
            *_legend(self.curves),
            '<g clip-path="url(#inside)">',
            *(line for i, c in enumerate(self.curves) for line in _line(frame, c, i)),
            "</g>",
            "</svg>",
        ]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Frame:
    """Which numbers the edges of the drawing are."""

    x: tuple[float, float]
    y: tuple[float, float]

    @classmethod
    def around(cls, chart: Chart) -> _Frame:
        least, most = chart.y
        every = (y for curve in chart.curves for _, y in curve.points)
        ys = [min(max(y, least), most) for y in every]
        # The axis belongs to the picture, and a constant has some room.
        low, high = min(0.0, *ys), max(0.0, *ys)
        room = 0.06 * (high - low or 1.0)
        return cls(chart.x, (low - room if low < 0 else low, high + room))

    def at_x(self, x: float) -> float:
        low, high = self.x
        return LEFT + (x - low) / (high - low) * (RIGHT - LEFT)

    def at_y(self, y: float) -> float:
        low, high = self.y
        return BOTTOM - (y - low) / (high - low) * (BOTTOM - TOP)


def _axes(frame: _Frame, x_label: str) -> Iterator[str]:
    for value in ticks(*frame.y):
        y = _number(frame.at_y(value))
        kind = "axis" if value == 0 else "grid"
        yield f'<line class="{kind}" x1="{LEFT}" x2="{RIGHT}" y1="{y}" y2="{y}"/>'
        yield _text(LEFT - 6, frame.at_y(value) + 4, f"{value:.6g}", "end")
    for value in ticks(*frame.x):
        x = _number(frame.at_x(value))
        kind = "axis" if value == 0 else "grid"
        yield f'<line class="{kind}" x1="{x}" x2="{x}" y1="{TOP}" y2="{BOTTOM}"/>'
        yield _text(frame.at_x(value), BOTTOM + 16, f"{value:.6g}", "middle")
    yield _text((LEFT + RIGHT) / 2, BOTTOM + 32, x_label, "middle")


def _legend(curves: Sequence[Curve]) -> Iterator[str]:
    width = (RIGHT - LEFT) / len(curves)
    for index, curve in enumerate(curves):
        x = LEFT + index * width
        yield (
            f'<path class="{_kind(curve, index)}" '
            f'd="M{_number(x)} 18H{_number(x + 22)}"/>'
        )
        yield _text(x + 28, 22, curve.label, "start")


def _line(frame: _Frame, curve: Curve, index: int) -> Iterator[str]:
    low, high = frame.y
    jump = math.inf if curve.joined else JUMP * (high - low)
    for piece in _pieces(curve.points, jump):
        # A value far outside would be no good number for a reader of the file.
        limited = [(x, min(max(y, 2 * low - high), 2 * high - low)) for x, y in piece]
        steps = (
            f"{_number(frame.at_x(x))} {_number(frame.at_y(y))}" for x, y in limited
        )
        yield f'<path class="{_kind(curve, index)}" d="M{"L".join(steps)}"/>'


def _pieces(points: Points, jump: float) -> Iterator[Points]:
    """The points up to each jump: where a value leaps far more than it did before."""
    piece = [*points[:1]]
    before = math.inf
    for (_, y), point in pairwise(points):
        leap = abs(point[1] - y)
        if leap > jump and leap > 4 * before:
            yield piece
            piece = []
        before = max(leap, 1e-12)
        piece.append(point)
    yield piece


def _kind(curve: Curve, index: int) -> str:
    return f"line c{index}" + (" dashed" if curve.dashed else "")


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text class="text" x="{_number(x)}" y="{_number(y)}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


def _number(value: float) -> str:
    """To a tenth of a pixel, so that no platform's last digit shows."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def evenly(low: float, high: float, count: int) -> Iterable[float]:
    """`count` numbers from low to high, both among them."""
    return [low + (high - low) * i / (count - 1) for i in range(count)]
