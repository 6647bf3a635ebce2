"""Horizontal bars in groups as SVG text, lengths by logarithm: the same bytes always."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT = 760, 210, 740
ROW, GAP = 15, 24
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
STYLE = """\
.page{fill:#ffffff} .grid{stroke:#e3e8ee} .one{stroke:#36424f} .text{fill:#36424f}
.faster{fill:#8a5a00} .slower{fill:#1763a6}
.text{font:12px "DejaVu Sans",Verdana,sans-serif} .title{font-weight:bold}
@media (prefers-color-scheme:dark){
.page{fill:#14181d} .grid{stroke:#2a323b} .one{stroke:#d5dce4} .text{fill:#d5dce4}
.faster{fill:#e6b450} .slower{fill:#6cb2f2}
}"""


@dataclass(frozen=True)
class Group:
    """Under one title, bars with their labels: multiples of one number."""

    title: str
    bars: tuple[tuple[str, float], ...]


def svg(groups: Sequence[Group]) -> str:
    """The file: bars to the right of the line at 1 are slower, to its left faster."""
    height = GAP + sum(GAP + ROW * len(group.bars) for group in groups) + 30
    title = "Times of a step as multiples of the generated NumPy module's"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">',
        f"<style>\n{STYLE}\n</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}" rx="6"/>',
        *_grid(height),
        *_groups(groups),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _at(ratio: float) -> float:
    low, high = math.log(TICKS[0]), math.log(TICKS[-1])
    inside = min(max(math.log(ratio), low), high)
    return LEFT + (inside - low) / (high - low) * (RIGHT - LEFT)


def _grid(height: int) -> Iterator[str]:
    for tick in TICKS:
        x = f"{_at(tick):.1f}"
        kind = "one" if tick == 1 else "grid"
        yield f'<line class="{kind}" x1="{x}" x2="{x}" y1="14" y2="{height - 26}"/>'
        yield _text(_at(tick), height - 10, f"{tick:g} x", "middle")


def _groups(groups: Sequence[Group]) -> Iterator[str]:
    y = 0
    for group in groups:
        y += GAP
        yield _text(8, y, group.title, "start", " title")
        for label, ratio in group.bars:
            y += ROW
            yield _text(LEFT - 8, y, label, "end")
            start, end = sorted((_at(1), _at(ratio)))
            kind = "slower" if ratio > 1 else "faster"
            yield (
                f'<rect class="{kind}" x="{start:.1f}" y="{y - 9}" '
                f'width="{max(end - start, 1):.1f}" height="9"/>'
            )


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    return (
        f'<text class="text{kind}" x="{x:.1f}" y="{y}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )
