"""Straight lines through measured times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """start + slope · x, neither below zero; `off` is by how much of a measured value
    it misses the one that it misses most."""

    start: float
    slope: float
    off: float


def fitted(measured: Mapping[int, float]) -> Line:
    """The line through measured values above zero, by x, that is least off.

    Least squares of what it is off by as a share of each value, for the times of small
    shares and messages count as much as those of large ones. With a negative start or
    slope it would be no time: that one is 0 then.
    """
    points = [(x, value) for x, value in measured.items()]
    # Divided by its value, every point asks for start · a + slope · b = 1.
    pairs = [(1 / value, x / value) for x, value in points]
    aa, ab, bb = (
        sum(left * right for left, right in products)
        for products in (
            [(a, a) for a, _ in pairs],
            [(a, b) for a, b in pairs],
            [(b, b) for _, b in pairs],
        )
    )
    of_start, of_slope = sum(a for a, _ in pairs), sum(b for _, b in pairs)
    determinant = aa * bb - ab * ab
    start = slope = -1.0
    if len(set(measured)) > 1:
        start = (of_start * bb - of_slope * ab) / determinant
        slope = (of_slope * aa - of_start * ab) / determinant
    if slope < 0:
        start, slope = of_start / aa, 0.0
    elif start < 0:
        start, slope = 0.0, of_slope / bb
    off = max(abs(start + slope * x - value) / value for x, value in points)
    return Line(start, slope, off)
