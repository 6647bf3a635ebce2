"""One chart: its scales, ticks and paths, ready for its template.

Nothing is measured: text is placed by its anchor, so that any font will do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

WIDTH, HEIGHT = 480, 268
LEFT, RIGHT, TOP, BOTTOM = 58, 456, 14, 224
TICKS = 5
#: Points of a curve, and of all curves of a chart together; of more, the first, last,
#: least and largest of each stretch.
MOST_POINTS, MOST_TOGETHER = 240, 480
#: From this ratio of the largest to the least value on, powers of ten are told apart.
LOG_FROM = 10.0
#: Beyond it, a difference of two numbers could overflow.
_MOST = 1e300
#: Powers of ten that are numbers, and so are their inverses.
_POWERS = 305.0
#: Digits of a number in words and beside an axis.
_DIGITS = 4

Points: TypeAlias = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Curve:
    """A line through points sorted by x; a y that is not finite is a gap.

    style  of its colour and dashes, from 0
    """

    label: str
    points: Points
    style: int = 0

    @property
    def known(self) -> Points:
        return [(x, y) for x, y in self.points if math.isfinite(y)]


@dataclass(frozen=True)
class Mark:
    """Something that happened at x."""

    x: float
    label: str


@dataclass(frozen=True)
class Tick:
    """Where a number stands beside an axis, in units of the picture."""

    at: float
    text: str


@dataclass(frozen=True)
class Scale:
    """Numbers along an axis: which are at its ends, and whether powers are even."""

    low: float
    high: float
    log: bool = False
    percent: bool = False

    def share(self, value: float) -> float:
        """How far along the axis a value is, from 0 to 1."""
        low, high, value = map(self._even, (self.low, self.high, value))
        return min(1.0, max(0.0, (value - low) / (high - low)))

    def _even(self, value: float) -> float:
        if self.log:
            # What has no logarithm is drawn at the lower end.
            return math.log10(max(value, self.low))
        return value

    def numbers(self) -> list[float]:
        return _powers(self.low, self.high) if self.log else ticks(self.low, self.high)

    def text(self, value: float) -> str:
        if self.percent:
            return f"{100 * value:.4g} %"
        return said(value)


@dataclass(frozen=True)
class Chart:
    """Curves over the same x, none of them empty.

    percent  the values are shares of 1
    whole    the whole range of shares is shown
    note     what else to say below it
    """

    title: str
    curves: tuple[Curve, ...]
    x_label: str = "epoch"
    percent: bool = False
    whole: bool = False
    marks: tuple[Mark, ...] = ()
    note: str = ""

    @property
    def scale(self) -> Scale:
        """The vertical one."""
        ys = [y for curve in self.curves for _, y in curve.known]
        if self.whole:
            return Scale(0.0, 1.0, percent=True)
        ys = [min(max(y, -_MOST), _MOST) for y in ys]
        least = min((y for y in ys if y > 0), default=0.0)
        if not self.percent and least and min(ys) >= 0 and max(ys) / least > LOG_FROM:
            return _around_powers(least, max(ys))
        return _around(min(ys), max(ys), self.percent)

    @property
    def along(self) -> Scale:
        """The horizontal one."""
        xs = [x for curve in self.curves for x, _ in curve.points]
        low, high = min(xs), max(xs)
        return Scale(low - 0.5, high + 0.5) if low == high else Scale(low, high)

    @property
    def y_ticks(self) -> list[Tick]:
        scale = self.scale
        return [Tick(_at_y(scale, y), scale.text(y)) for y in scale.numbers()]

    @property
    def x_ticks(self) -> list[Tick]:
        """At whole numbers alone: there is no half epoch, nor half a layer."""
        along = self.along
        whole = (x for x in along.numbers() if x == int(x))
        return [Tick(_at_x(along, x), f"{int(x):,}") for x in whole]

    @property
    def paths(self) -> list[tuple[int, str]]:
        """The style and the path of each curve."""
        scale, along = self.scale, self.along
        most = min(MOST_POINTS, MOST_TOGETHER // len(self.curves))
        return [
            (c.style, _path(thinned(c.points, most), along, scale)) for c in self.curves
        ]

    @property
    def marked(self) -> list[Tick]:
        """The marks within the chart, those at one place as one."""
        along = self.along
        here = [m for m in self.marks if along.low <= m.x <= along.high]
        here.sort(key=lambda mark: mark.x)
        found = []
        for x, marks in groupby(here, lambda mark: mark.x):
            text = "; ".join(dict.fromkeys(mark.label for mark in marks))
            found.append(Tick(_at_x(along, x), text))
        return found

    @property
    def description(self) -> str:
        """What the curves show, for those who do not see them."""
        return " ".join(_described(curve, self) for curve in self.curves)

    @property
    def has_zeros(self) -> bool:
        """Whether something is drawn at the lower end that has no logarithm."""
        return self.scale.log and any(y <= 0 for c in self.curves for _, y in c.known)


def said(value: float) -> str:
    """A number in as many digits as a reader needs: 0.0213, 1,500, 2.1e-05."""
    if not math.isfinite(value):
        return "not finite"
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        text = f"{value:,.{max(0, _DIGITS - 1 - _power(value))}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.{_DIGITS - 1}g}"


def _power(value: float) -> int:
    return math.floor(math.log10(abs(value))) if value else 0


# ---- Scales ------------------------------------------------------------------------


def _around(low: float, high: float, percent: bool) -> Scale:
    """With some room; a constant has some too."""
    room = 0.06 * (high - low)
    if room < 1e-9 * max(abs(low), abs(high)) or room == 0:
        room = 0.1 * abs(high) or 0.1
    bottom, top = low - room, high + room
    # Nothing is below zero that cannot be, nor above all.
    bottom = max(bottom, 0.0) if low >= 0 else bottom
    top = min(top, 1.0) if percent and high <= 1 else top
    return Scale(bottom, top, percent=percent)


def _around_powers(low: float, high: float) -> Scale:
    powers = math.log10(low), math.log10(high)
    room = 0.05 * (powers[1] - powers[0])
    bottom, top = max(powers[0] - room, -_POWERS), min(powers[1] + room, _POWERS)
    return Scale(10.0**bottom, 10.0**top, log=True)


def ticks(low: float, high: float) -> list[float]:
    """About five round numbers from low to high."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _powers(low: float, high: float) -> list[float]:
    """Powers of ten, of few of them what is between, of many every second and so on."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    step = -(-(last - first) // (TICKS + 1))
    found = [10.0**k for k in range(first, last + 1, step)]
    inside = [value for value in found if low <= value <= high]
    if len(inside) < 3:
        every = (m * 10.0**k for k in range(first, last + 1) for m in (1, 2, 5))
        inside = [value for value in every if low <= value <= high]
    return inside


# ---- Paths -------------------------------------------------------------------------


def _at_x(along: Scale, x: float) -> float:
    return LEFT + along.share(x) * (RIGHT - LEFT)


def _at_y(scale: Scale, y: float) -> float:
    return BOTTOM - scale.share(y) * (BOTTOM - TOP)


def _path(points: Points, along: Scale, scale: Scale) -> str:
    """One line for each stretch without a gap; a point alone is a dot."""
    lines = []
    stretches = groupby(points, lambda point: math.isfinite(point[1]))
    for is_known, stretch in stretches:
        if is_known:
            steps = [
                f"{_short(_at_x(along, x))} {_short(_at_y(scale, y))}"
                for x, y in stretch
            ]
            # A line to where it begins is a dot, if its ends are round.
            steps += steps if len(steps) == 1 else []
            lines.append("M" + "L".join(steps))
    return "".join(lines)


def thinned(points: Points, most: int) -> Points:
    """About so many points that look the same: no peak is lost, nor a gap."""
    if len(points) <= most:
        return points
    size = -(-len(points) // (most // 4))
    kept: list[tuple[float, float]] = []
    for start in range(0, len(points), size):
        kept += _extremes(points[start : start + size])
    return kept


def _extremes(stretch: Points) -> Iterator[tuple[float, float]]:
    known = [i for i, (_, y) in enumerate(stretch) if math.isfinite(y)]
    gaps = [i for i, (_, y) in enumerate(stretch) if not math.isfinite(y)]
    kept = {0, len(stretch) - 1, *gaps[:1]}
    if known:
        kept |= {f(known, key=lambda i: stretch[i][1]) for f in (min, max)}
    return (stretch[i] for i in sorted(kept))


def _short(value: float) -> str:
    """To a tenth of a unit, so that no platform's last digit shows."""
    return f"{value:.1f}".removesuffix(".0")


def _described(curve: Curve, chart: Chart) -> str:
    known = curve.known
    (first, begins), (last, ends) = known[0], known[-1]
    text = chart.scale.text
    if len(known) == 1:
        return f"{curve.label}: {text(begins)} at {chart.x_label} {first:,g}."
    low, high = (text(f(y for _, y in known)) for f in (min, max))
    return (
        f"{curve.label}: {text(begins)} at {chart.x_label} {first:,g}, {text(ends)} at "
        f"{last:,g}, between {low} and {high}."
    )
