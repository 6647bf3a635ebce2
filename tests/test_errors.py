"""How a mistake is printed, and the word that was probably meant."""

from __future__ import annotations

import random
import time

import pytest
from source_helpers import displayed, faults

from bpcompile.errors import (
    Place,
    SpecError,
    SpecErrors,
    format_error,
    nearest,
    printable,
    quote,
)
from bpcompile.source.scanner import read_json


def test_the_form_of_the_contract() -> None:
    text = '{\n  "layers": [784,\n    { "size": 30, "activation": "sigmod" }]}'
    place = read_json(text, "specs/bad.json").place(("layers", 1, "activation"))
    error = SpecError("", place, "unknown-value", "it is wrong", "mend it")
    assert format_error(error) == (
        "specs/bad.json:3:33: error[unknown-value]: it is wrong; mend it\n"
        '    { "size": 30, "activation": "sigmod" }]}\n'
        "                                ^^^^^^^^"
    )


def test_errors_are_sorted_and_the_first_20_shown() -> None:
    places = [Place("f", n // 2, 1 + n % 2, "text", 1) for n in range(2, 25)]
    random.Random(0).shuffle(places)
    errors = SpecErrors(SpecError("", p, "c", "m") for p in places)
    found = [(e.place.line, e.place.column) for e in errors.errors]
    assert found == sorted(found)
    shown = str(errors).split("\n")
    assert sum(line.startswith("f:") for line in shown) == 20
    assert shown[-1] == "... and 3 more errors"
    assert str(SpecErrors(errors.errors[:21])).endswith("\n... and 1 more error")
    assert "more" not in str(SpecErrors(errors.errors[:20]))


def caret_cover(text: str) -> str:
    head, shown, carets = text.split("\n")
    assert head
    return "".join(s for s, c in zip(shown, carets, strict=False) if c == "^")


def test_no_raw_control_character_reaches_the_terminal() -> None:
    text = '\t{"\u202e\x9b": "\x1b[2J", "b": bad}'
    line = Place("a\x1bb\udc80\n", 1, 1 + text.index("bad"), text, 3)
    shown = format_error(SpecError("", line, "c", "m\u202e\x07"))
    assert all(row.isprintable() for row in shown.split("\n"))
    assert shown.startswith(r"a\x1bb\udc80\x0a:1:22: error[c]: m\u202e\x07")
    assert caret_cover(shown) == "bad"


def test_carets_under_an_escaped_character_cover_its_escape() -> None:
    (error,) = faults('{"a": "\x1b"}')
    assert caret_cover(format_error(error)) == r"\x1b"


@pytest.mark.parametrize("before", [0, 60, 95, 99, 10**4])
@pytest.mark.parametrize("after", [0, 90, 10**4])
@pytest.mark.parametrize("filler", ["x", "\t", "\x1b", "\u202e"])
def test_long_lines_are_cut_around_the_place(
    before: int, after: int, filler: str
) -> None:
    text = "a" + filler * before + "WORD" + filler * after
    place = Place("f", 1, 2 + before, text, 4)
    shown = format_error(SpecError("", place, "c", "m"))
    assert caret_cover(shown) == "WORD"
    assert len(shown.split("\n")[1]) <= 104
    cut = len(printable(text.replace("\t", " "))) > 100
    assert ("..." in shown) == cut


def test_a_place_at_the_end_or_in_the_indentation_is_shown() -> None:
    end = Place("f", 1, 4, "abc", 1)
    assert format_error(SpecError("", end, "c", "m")).endswith("\n    abc\n       ^")
    lead = Place("f", 1, 2, "    abc", 1)
    assert format_error(SpecError("", lead, "c", "m")).endswith("\n       abc\n    ^")


@pytest.mark.parametrize("text", ["", " ", "\t"])
def test_a_blank_line_is_not_shown(text: str) -> None:
    place = Place("f", 1, 1, text, 1)
    assert format_error(SpecError("", place, "c", "m", "h")) == "f:1:1: error[c]: m; h"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("sigmod", "sigmoid"),
        ("rleu", "relu"),
        ("ReLU", "relu"),
        ("sdg", "sgd"),
        ("um", "mu"),
        ("m", "mu"),
        ("crossentropy", "cross_entropy"),
        ("learning_rte", "learning_rate"),
        ("banana", None),
        ("xyz", None),
        ("", None),
        ("sigmoid" * 10, None),
        ("cross", "cross_entropy"),
        ("learning", "learning_rate"),
        ("cross_bow", "cross_entropy"),
        ("s", None),
        ("learn", "learning_rate"),
        # The beginning of two words.
        ("si", None),
        ("Sigmoid_x_function_", None),
    ],
)
def test_nearest(word: str, expected: str | None) -> None:
    known = ["sigmoid", "relu", "sgd", "mu", "cross_entropy", "learning_rate", "tanh"]
    assert nearest(word, known) == expected
    assert nearest(word, []) is None


def test_nearest_of_a_huge_word_is_fast() -> None:
    start = time.process_time()
    assert nearest("a" * 10**7, ["a" * 60] * 100) is None
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("sigmod", '"sigmod"'),
        ('a"b\\', r'"a\"b\\"'),
        ("\x1b", r'"\x1b"'),
        ("x" * 40, '"' + "x" * 40 + '"'),
        ("x" * 41, '"' + "x" * 40 + '..."'),
        (1, "1"),
        (-0.5, "-0.5"),
        (True, "true"),
        (False, "false"),
        (None, "null"),
        ({"a": 1}, "an object"),
        ((1,), "an array"),
        (10**299, "1" + "0" * 39 + "..."),
    ],
)
def test_quote(value: object, expected: str) -> None:
    assert quote(value) == expected


@pytest.mark.parametrize(
    "before", ["abc", "日本語", "e\u0301\u0323", "\t\t", "😀\ufe0f", "한"]
)
@pytest.mark.parametrize(
    "word", ["bad", "日本", "e\u0301x", "한글", "\t", "\u0301\u0302"]
)
def test_carets_stand_under_the_characters_that_are_meant(
    before: str, word: str
) -> None:
    text = f'"{before}": {word}, "語": 1'
    place = Place("f", 1, 4 + len(before) + 1, text, len(word))
    _, shown, carets = format_error(SpecError("", place, "c", "m")).split("\n")
    columns = displayed(shown)
    first, last = carets.index("^"), carets.rindex("^")
    under = columns[first : last + 1]
    expected = displayed(" " + word.replace("\t", " "))[1:]
    # What only combines is meant together with the character before it.
    assert under == (expected or [" " + word])


def test_long_lines_of_wide_characters_are_cut_to_their_columns() -> None:
    text = "語" * 200 + "bad" + "語" * 200
    _, shown, carets = format_error(
        SpecError("", Place("f", 1, 201, text, 3), "c", "m")
    ).split("\n")
    columns = displayed(shown)
    assert len(columns) <= 104
    assert "".join(columns[carets.index("^") : carets.rindex("^") + 1]) == "bad"
