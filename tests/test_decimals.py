"""Numbers as decimal text: exact, short, in lines."""

from __future__ import annotations

from array import array
from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from random_specs import repeatable

from bpcompile.decimals import decimals, in_lines

#: Its 7 digits, 3.355445e+07, lie exactly half way to the next float32.
HALF_WAY = 33554448.0


@repeatable
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False)))
@example([0.0, -0.0, 1.0, 0.1, 2.0**-149, float(np.finfo(np.float32).max), HALF_WAY])
def test_float32_read_back_in_one_step_or_two(values: list[float]) -> None:
    for value, text in zip(values, decimals(array("f", values)), strict=True):
        assert np.float32(float(text)).tobytes() == np.float32(value).tobytes()
        # Read at once: what the text says is nearer to the number than half way.
        exact, own = abs(Fraction(text)), abs(Fraction(value))
        with np.errstate(over="ignore"):
            above = float(np.nextafter(np.float32(abs(value)), np.float32(np.inf)))
        below = float(np.nextafter(np.float32(abs(value)), np.float32(-1)))
        if exact > own and np.isfinite(above):
            assert exact - own < (Fraction(above) - own) / 2
        if exact < own:
            assert own - exact < (own - Fraction(below)) / 2


@repeatable
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_float64_read_back(values: list[float]) -> None:
    found = [float(text) for text in decimals(array("d", values))]
    assert np.array(found).tobytes() == np.array(values).tobytes()


def test_no_shorter_decimal_reads_back() -> None:
    """Of numbers as weights are; NumPy's own shortest decimals are the oracle."""
    drawn = np.random.default_rng(0).normal(size=5000).astype(np.float32)
    for value, text in zip(drawn, decimals(array("f", drawn.tolist())), strict=True):
        digits = text.lstrip("-").partition("e")[0].replace(".", "").strip("0")
        shortest = np.format_float_scientific(value, unique=True)
        wanted = shortest.lstrip("-").partition("e")[0].replace(".", "").strip("0")
        assert len(digits) == len(wanted), (text, shortest)


def test_every_one_is_no_whole_number_to_a_language() -> None:
    for code in "fd":
        found = decimals(array(code, [0, -0.0, 1, -3, 1e5, 1e30, 0.5, 1e-30]))
        assert all("." in text or "e" in text for text in found), found
        assert found[:3] == ["0.0", "-0.0", "1.0"]


@given(
    st.lists(st.text("0123456789.e-", min_size=1, max_size=24), max_size=60),
    st.integers(0, 12),
    st.sampled_from(["", ","]),
)
def test_lines_are_full_and_hold_every_word(
    words: list[str], indent: int, between: str
) -> None:
    text = in_lines(words, indent, between)
    separator = f"{between} " if between else " "
    stripped = [line.strip() for line in text.split("\n")]
    assert " ".join(stripped) == separator.join(words)
    for line, following in pairwise(text.split("\n")):
        assert len(line) <= 88
        word = following.split()[0].removesuffix(between)
        assert len(line) + 1 + len(word) + len(between) > 88
        assert len(following) - len(following.lstrip()) == indent + 4
