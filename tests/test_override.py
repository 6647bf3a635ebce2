"""`--set`: what it changes, where its faults stand, and in what words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from source_helpers import SPEC, covered, plain

from bpcompile.api import load_document
from bpcompile.errors import SpecErrors, format_error
from bpcompile.source import Document
from bpcompile.source.override import override
from bpcompile.source.scanner import read_json
from bpcompile.validate import validate


def after(*assignments: str) -> Document:
    document = read_json(SPEC, "s.json")
    for assignment in assignments:
        document = override(document, assignment)
    return document


@pytest.mark.parametrize(
    ("assignment", "path", "value"),
    [
        ("cost=cross_entropy", ("cost",), "cross_entropy"),
        ('cost="a b"', ("cost",), "a b"),
        ("cost= huber ", ("cost",), "huber"),
        (
            "hyperparameters.learning_rate=0.1",
            ("hyperparameters", "learning_rate"),
            0.1,
        ),
        ("hyperparameters.schedule=none", ("hyperparameters", "schedule"), "none"),
        ("hyperparameters.clipping=null", ("hyperparameters", "clipping"), None),
        ("layers[1].size=40", ("layers", 1), {"size": 40, "activation": "relu"}),
        ("layers[0].size=40", ("layers", 0), {"size": 40}),
        ("layers[2].dropout=0.5", ("layers", 2), {"size": 10, "dropout": 0.5}),
        ("layers[2]=7", ("layers", 2), 7),
        ("layers=[1, {}]", ("layers",), (1, {})),
        ("a.b.c=true", ("a",), {"b": {"c": True}}),
        (
            "hyperparameters.schedule.unit=step",
            ("hyperparameters", "schedule"),
            {"kind": "cosine", "unit": "step"},
        ),
    ],
)
def test_set(assignment: str, path: tuple[str | int, ...], value: Any) -> None:
    found = after(assignment).value
    for step in path:
        found = found[step]
    assert found == value


def test_set_changes_nothing_else() -> None:
    document = read_json(SPEC, "s.json")
    new = override(document, "layers[1].size=40")
    assert document.value == read_json(SPEC, "s.json").value
    assert document.place(("layers", 1, "size")).file == "s.json"
    expected = plain(json.loads(SPEC))
    expected["layers"][1]["size"] = 40
    assert new.value == expected
    assert new.file == "s.json"


def test_what_was_set_has_its_place_in_the_assignment() -> None:
    first, second = 'a.b={"c": [1,\n 22]}', "layers[0].size=40"
    document = after(first, second)

    def at(*path: str | int, key: bool = False) -> tuple[str, int, int, str, str]:
        place = document.place(path, key)
        return place.file, place.line, place.column, covered(place), place.text

    assert at("a") == ("--set", 1, 1, "a", first)
    assert at("a", "b") == ("--set", 1, 5, "{", first)
    assert at("a", "b", key=True) == ("--set", 1, 3, "b", first)
    assert at("a", "b", "c", 1) == ("--set", 1, 16, "22", first)
    assert at("a", "b", "c", key=True) == ("--set", 1, 6, '"c"', first)
    assert at("layers", 0, "size") == ("--set", 1, 16, "40", second)
    assert at("layers", 0, "size", key=True) == ("--set", 1, 11, "size", second)
    # What was only passed through stays where it was.
    assert document.place(("layers", 0)).file == "s.json"
    assert document.place(("layers",), key=True).file == "s.json"
    assert document.place(("layers", 1, "activation")).line == 4


def test_a_replaced_value_leaves_no_old_places_behind() -> None:
    document = after("layers=[{}]")
    assert document.place(("layers", 0, "size")).column == 9
    assert document.place(("layers", 1, "activation")).column == 8


MALFORMED = "malformed assignment: expected PATH=VALUE, got"
EXAMPLE = "; such as layers[1].size=40"
SPACES = "; write it without spaces, as in layers[1].size=40"
INDEX = "; an index goes in brackets:"


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("", f"1: error[syntax]: {MALFORMED} its end{EXAMPLE}"),
        ("cost", f"5: error[syntax]: {MALFORMED} its end{EXAMPLE}"),
        ("=1", f'1: error[syntax]: {MALFORMED} "="{EXAMPLE}'),
        ("a..b=1", f'3: error[syntax]: {MALFORMED} "."{EXAMPLE}'),
        ("a.=1", f'3: error[syntax]: {MALFORMED} "="{EXAMPLE}'),
        ("[1]=1", f'1: error[syntax]: {MALFORMED} "["{EXAMPLE}'),
        ("a.[1]=1", f'3: error[syntax]: {MALFORMED} "["{EXAMPLE}'),
        ("layers[-1]=1", f'7: error[syntax]: {MALFORMED} "["{EXAMPLE}'),
        ("layers[1]size=1", f'10: error[syntax]: {MALFORMED} "s"{EXAMPLE}'),
        ("a b=1", f'2: error[syntax]: {MALFORMED} " "{SPACES}'),
        ("cost = 1", f'5: error[syntax]: {MALFORMED} " "{SPACES}'),
        ("layers.1.size=4",
         f'8: error[syntax]: {MALFORMED} "1"{INDEX} layers[1].size'),
        ("layers.1.2=x.3", f'8: error[syntax]: {MALFORMED} "1"{INDEX} layers[1][2]'),
        ("a.1" + ".b" * 20 + "=1", f'3: error[syntax]: {MALFORMED} "1"{EXAMPLE}'),
        ("1a=1", f'1: error[syntax]: {MALFORMED} "1"{EXAMPLE}'),
        ("cost=", "6: error[syntax]: the value is missing"),
        ("cost=[1", "8: error[syntax]: unexpected end of value: unclosed array, opened at 1:6"),
        ("cost=a b", '6: error[syntax]: expected a value, got a; write "a" in double quotes'),
        ("cost=1 b", "8: error[syntax]: extra text after the value"),
        ("cost=True", "6: error[syntax]: True is not JSON; write true"),
        ("cost=NaN", "6: error[syntax]: NaN is not JSON; numbers must be finite"),
        ("cost=inf", "6: error[syntax]: inf is not JSON; numbers must be finite"),
        ("cost=-Infinity", "6: error[syntax]: -Infinity is not JSON; numbers must be finite"),
        ("cost=.5", "6: error[syntax]: number .5 has no digit before its point; write 0.5"),
        ('a={"b":1,"b":2}', '10: error[duplicate-key]: duplicate key "b", first at 1:4'),
        ("cost=\udc80", "6: error[encoding]: invalid Unicode: lone surrogate U+DC80"),
        ("layers[3]=1",
         "7: error[out-of-range]: /layers has no element 3; it has 3, counted from 0"),
        ("layers.size=1",
         "8: error[wrong-type]: /layers is an array, not an object; "
         "an index goes in brackets, as in layers[1]"),
        ("version.x=1", "9: error[wrong-type]: /version is 1, not an object"),
        ("hyperparameters.learning_rate.x=1",
         "31: error[wrong-type]: /hyperparameters/learning_rate is 3.0, not an object"),
        ("hyperparameters.clipping.norm=1",
         "26: error[wrong-type]: /hyperparameters/clipping is null, not an object"),
        ("cost[0]=1", '5: error[wrong-type]: /cost is "quadratic", not an array'),
        ("class_weights[0]=1", "14: error[wrong-type]: /class_weights is missing, not an array"),
    ],
)  # fmt: skip
def test_set_refused_with_place_and_words(assignment: str, expected: str) -> None:
    document = read_json(SPEC, "s.json")
    with pytest.raises(SpecErrors) as caught:
        override(document, assignment)
    (error,) = caught.value.errors
    assert format_error(error).split("\n")[0] == f"--set:1:{expected}"
    assert error.place.text == assignment


def test_what_a_string_was_short_for_is_placed_in_the_assignment() -> None:
    document = override(read_json(SPEC, "s.json"), "cost.kind.x=1")
    with pytest.raises(SpecErrors) as caught:
        validate(document)
    error = next(e for e in caught.value.errors if e.path.startswith("/cost"))
    assert format_error(error).split(";")[0] == (
        "--set:1:6: error[wrong-type]: /cost/kind is an object, expected a string"
    )


def test_set_on_a_spec_that_is_no_object() -> None:
    with pytest.raises(SpecErrors, match="the spec is an array, not an object"):
        override(read_json("[1]", "s"), "cost=huber")


def test_assignments_are_applied_in_order_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(SPEC)
    document = load_document(path, ["cost=huber", "cost.delta=2"])
    assert document.value["cost"] == {"kind": "huber", "delta": 2}


def test_the_limit_of_depth_counts_the_path_too() -> None:
    document = read_json(SPEC, "s.json")
    override(document, "a.b=" + "[" * 62 + "]" * 62)
    with pytest.raises(SpecErrors, match="nested too deeply"):
        override(document, "a.b=" + "[" * 63 + "]" * 63)
