"""Charts of reports: where points stand, what is thinned, which scale is taken."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest

from bpcompile.reporting.chart import (
    BOTTOM,
    LEFT,
    MOST_POINTS,
    RIGHT,
    TOP,
    Chart,
    Curve,
    Mark,
    Points,
    said,
    thinned,
)


def chart(*points: Points, **fields: object) -> Chart:
    curves = (Curve(f"curve {i}", p, i) for i, p in enumerate(points))
    return Chart("title", tuple(curves), **fields)  # type: ignore[arg-type]


def drawn(found: Chart, curve: int = 0) -> list[list[tuple[float, float]]]:
    """The points of each piece of a path."""
    _, path = found.paths[curve]
    pieces = (re.findall(r"([\d.]+) ([\d.]+)", piece) for piece in path.split("M")[1:])
    return [[(float(x), float(y)) for x, y in piece] for piece in pieces]


def test_points_stand_where_their_numbers_are() -> None:
    found = chart([(1, 0.0), (2, 1.0), (5, 4.0)])
    ((first, second, last),) = drawn(found)
    assert first[0] == LEFT and last[0] == RIGHT
    assert second[0] == pytest.approx(LEFT + (RIGHT - LEFT) / 4, abs=0.1)
    assert (first[1] - second[1]) * 4 == pytest.approx(first[1] - last[1], abs=0.5)
    zero = next(tick.at for tick in found.y_ticks if tick.text == "0")
    assert zero == pytest.approx(first[1], abs=0.1)


def test_powers_of_ten_are_even_steps_on_a_log_scale() -> None:
    found = chart([(i, 10.0**-i) for i in range(6)])
    assert found.scale.log
    (points,) = drawn(found)
    steps = [b - a for (_, a), (_, b) in pairwise(points)]
    assert max(steps) - min(steps) < 0.3
    assert {"1", "0.01", "0.0001"} <= {tick.text for tick in found.y_ticks}


@pytest.mark.parametrize(
    ("values", "log"),
    [([1.0, 5.0], False), ([1.0, 50.0], True), ([-1.0, 50.0], False), ([0.0], False)],
)
def test_log_scale_only_where_it_helps(values: list[float], log: bool) -> None:
    assert chart([*enumerate(values)]).scale.log == log


def test_zero_has_a_place_below_all_powers() -> None:
    found = chart([(1, 0.0), (2, 1e-6), (3, 1.0)])
    assert found.has_zeros
    heights = [y for _, y in drawn(found)[0]]
    assert heights[0] == BOTTOM
    assert heights[0] > heights[1] > heights[2]


def test_what_is_not_finite_is_a_gap_and_a_point_alone_is_seen() -> None:
    points = [(1, 1.0), (2, math.nan), (3, 2.0), (4, 3.0), (5, math.inf)]
    first, second = drawn(chart(points))
    assert len(first) == 2 and first[0] == first[1]
    assert len(second) == 2 and second[0] != second[1]


def test_thinning_keeps_every_peak_the_ends_and_the_gaps() -> None:
    points = [(float(i), math.sin(i / 50)) for i in range(5000)]
    points[1234] = 1234.0, 9.0
    points[3456] = 3456.0, -9.0
    points[4000] = 4000.0, math.nan
    kept = thinned(points, MOST_POINTS)
    assert len(kept) <= MOST_POINTS * 5 / 4 + 2
    assert [kept[0], kept[-1]] == [points[0], points[-1]]
    assert {(1234.0, 9.0), (3456.0, -9.0)} <= set(kept)
    assert any(math.isnan(y) for _, y in kept)
    assert [x for x, _ in kept] == sorted({x for x, _ in kept})


EXTREMES = [
    *([10.0**i, 10.0**j] for i in (-320, -12, 0, 9, 300) for j in (-300, 0, 308)),
    [0.0, 0.0],
    [5e-324],
    [1.0, 1.0 + 2**-52],
    [-1e308, 1e308],
    [-1e-300, -1e-310],
    [123456.7, 123456.8],
]


@pytest.mark.parametrize("values", EXTREMES, ids=str)
@pytest.mark.parametrize("percent", [False, True])
def test_every_range_has_ticks_within_the_chart(
    values: list[float], percent: bool
) -> None:
    found = chart([*enumerate(values)], percent=percent)
    assert found.y_ticks and found.x_ticks
    assert all(TOP - 0.5 <= tick.at <= BOTTOM + 0.5 for tick in found.y_ticks)
    assert all(LEFT - 0.5 <= tick.at <= RIGHT + 0.5 for tick in found.x_ticks)
    inside = [y for piece in drawn(found) for _, y in piece]
    assert inside and all(TOP <= y <= BOTTOM for y in inside)


def test_shares_of_a_whole_range_are_from_0_to_100_percent() -> None:
    found = chart([(1, 0.25), (2, 0.5)], percent=True, whole=True)
    assert [found.y_ticks[0].text, found.y_ticks[-1].text] == ["0 %", "100 %"]
    assert drawn(found)[0][1][1] == (TOP + BOTTOM) / 2


def test_marks_of_one_epoch_are_one_line() -> None:
    marks = (Mark(2, "a"), Mark(2, "b"), Mark(1, "c"), Mark(9, "outside"))
    found = chart([(1, 0.0), (3, 1.0)], marks=marks)
    assert [mark.text for mark in found.marked] == ["c", "a; b"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.021349, "0.02135"),
        (1500, "1,500"),
        (123456.78, "123,457"),
        (0.00002, "2e-05"),
        (-0.5, "-0.5"),
        (1e9, "1e+09"),
        (100, "100"),
        (math.nan, "not finite"),
    ],
)
def test_numbers_in_words(value: float, text: str) -> None:
    assert said(value) == text
