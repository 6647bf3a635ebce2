"""CSV files that are refused: one line, exit 2, and nothing is written."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from modules import built
from programs import Program
from test_csv import X, Y, lines, named

HEAD = "a,b,c,tree"
GOOD = lines(*X.T, named(), header=HEAD)


@pytest.fixture
def run(tmp_path: pathlib.Path, monkeypatch: Any, capsys: Any) -> Program:
    monkeypatch.chdir(tmp_path)
    pathlib.Path("good.csv").write_bytes(GOOD)
    return Program("classes", capsys, built("classes", "numpy"))


def put(text: str, line: int, column: int, header: bool = True) -> bytes:
    """The good file with another cell; line and column are counted from 1."""
    rows = [row.split(",") for row in GOOD.decode().splitlines()]
    rows[line - 1][column - 1] = text
    return "\n".join(",".join(row) for row in rows[not header :]).encode()


FEWER = lines(*X.T, ["ash", "elm"] * 6, header=HEAD)
MORE = lines(*X.T, [*named()[:11], "oak"], header=HEAD)
COMMAS = lines(*[[f"1,{k}" for k in range(12)]] * 3, named(), header=HEAD, by=";")

WRONG: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "empty lines": (b"\n\r\n", "has no rows"),
    "a header alone": (HEAD.encode(), "has a header and no rows"),
    "a wide row": (GOOD + b"1,2,3,elm,5\n", "line 14 has 5 cells, line 1 has 4"),
    "a short row": (GOOD + b"1,2,elm\n", "line 14 has 3 cells, line 1 has 4"),
    "an empty line": (GOOD + b"\n1,2,3,elm\n", "line 14 is empty, and more lines"),
    "no such column": (
        GOOD.replace(b"tree", b"trees"),
        "--target 'tree' is no column; did you mean 'trees'? (a name in line 1 or a"
        " number from 1 to 4)",
    ),
    "wider": (
        lines(*X.T, X[:, 0], named(), header="a,b,c,d,tree"),
        "has 4 columns of inputs, expected 3",
    ),
    "narrower": (
        lines(*X.T[1:], named(), header="a,b,tree"),
        "has 2 columns of inputs, expected 3",
    ),
    "two columns of a name": (
        lines(*X.T, named(), header="a,b,a,tree"),
        "line 1 names two columns 'a': columns 1 and 3",
    ),
    "no name": (
        lines(*X.T, named(), header="a,,c,tree"),
        "line 1, column 2 is empty, but names are expected",
    ),
    "a text": (put("x1", 5, 2), "line 5, column 2 (b) is 'x1', no number"),
    "missing": (
        put("", 13, 1),
        "line 13, column 1 (a) is '', a missing value; fill it in, or leave the row out",
    ),
    "NA": (put("NA", 2, 3), "line 2, column 3 (c) is 'NA', a missing value"),
    "NaN": (put("NaN", 2, 3), "line 2, column 3 (c) is 'NaN', a missing value"),
    "inf": (put("-inf", 9, 3), "line 9, column 3 (c) is '-inf', not finite"),
    "beyond float64": (put("1e999", 9, 3), "(c) is '1e999', not finite"),
    "decimal commas": (
        COMMAS,
        "line 2, column 1 (a) is '1,0', no number; write decimals with a point",
    ),
    "no class": (put("", 4, 4), "line 4, column 4 (tree) is '', a missing value"),
    "more classes": (
        MORE,
        "the target has 5 classes, ash, birch, cedar, elm, oak; the network has 4"
        " outputs, one for each class",
    ),
    "fewer classes": (FEWER, "the target has 2 classes, ash, elm; the network has 4"),
    "not UTF-8": (
        put("\xe9", 3, 4).decode().encode("latin-1"),
        "line 3 is not UTF-8; save the file as UTF-8",
    ),
    "UTF-16": (GOOD.decode().encode("utf-16"), "line 1 is not UTF-8"),
    "UTF-16 without a mark": (
        GOOD.decode().encode("utf-16-le"),
        "line 1 holds a NUL character",
    ),
    "NUL": (put("\0", 8, 4), "line 8 holds a NUL character"),
    "a quote left open": (put('"elm', 13, 4), "line 13: unexpected end of data"),
    "text after a quote": (put('"elm"s', 3, 4), "line 3: ',' expected after '\"'"),
    "lines end in CR": (GOOD.replace(b"\n", b"\r"), "line 1: new-line character seen"),
    "no line ends": (b"x" * 200_000, "line 1: field larger than field limit"),
    "all in quotes": (b'"1,2,3,elm"\n', "--target 'tree' is no column"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files(name: str, run: Program) -> None:
    data, message = WRONG[name]
    pathlib.Path("d.csv").write_bytes(data)
    run("train", "--data", "d.csv", "--target", "tree", code=2)
    assert run.error.startswith("error: d.csv: ")
    assert message in run.error
    assert not run.weights.exists()


BARE: dict[str, tuple[bytes, str, str]] = {
    "numbers and texts": (
        put("n/a", 2, 2, header=False),
        "4",
        "line 1, column 2 is 'n/a', no number; if line 1 is a header, give --target by"
        " name, else by number",
    ),
    "a label that is no class": (
        lines(*X.T, [*Y[:11], 4]),
        "4",
        "the target has 5 classes, 0, 1, 2, 3, 4",
    ),
    "a label that is no whole number": (
        lines(*X.T, [*Y[:11], 1.5]),
        "4",
        "the target has 5 classes, 0, 1, 1.5, 2, 3",
    ),
    "a number is no name": (
        lines(*X.T, named(), header="a,b,c,9"),
        "9",
        "--target '9' is no column (a name in line 1 or a number from 1 to 4)",
    ),
    "column 0": (GOOD, "0", "--target '0' is no column"),
    "column 5": (GOOD, "5", "--target '5' is no column"),
    "CR in a target": (GOOD, "a\rb", "--target: line 1: new-line character seen"),
    "a column twice": (GOOD, "tree,4", "--target tree,4: names a column twice"),
    "two columns": (GOOD, "c,tree", "has 2 columns of inputs, expected 3"),
    "two targets": (
        lines(*X.T, named(), Y, header="a,b,c,tree,y"),
        "tree,y",
        "--target names 2 columns, the network has 4 outputs",
    ),
    "none": (GOOD, "", "give --target COLUMN, the name or number of what to learn"),
}


@pytest.mark.parametrize("name", BARE)
def test_wrong_targets(name: str, run: Program) -> None:
    data, target, message = BARE[name]
    pathlib.Path("d.csv").write_bytes(data)
    words = ["--target", target] if target else []
    run("train", "--data", "d.csv", *words, code=2)
    assert message in run.error
    assert not run.weights.exists()


AGAIN: dict[str, tuple[bytes, str]] = {
    "a column is missing": (
        lines(*X.T, named(), header="a,bb,c,tree"),
        "lacks column b of the training data; it has bb instead",
    ),
    "a column more": (
        lines(*X.T, X[:, 0], named(), header="a,b,c,d,tree"),
        "has column d, which the training data had not; leave it out",
    ),
    "another class": (
        put("oak", 7, 4),
        "line 7, column 4 (tree) is 'oak', none of the classes ash, birch, cedar, elm",
    ),
    "a number for a class": (
        lines(*X.T, Y, header=HEAD),
        "line 2, column 4 (tree) is '0', none of the classes ash, birch, cedar, elm",
    ),
}


@pytest.mark.parametrize("name", AGAIN)
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_data_that_are_not_those_of_the_training(
    command: str, name: str, run: Program
) -> None:
    run("train", "--data", "good.csv", "--target", "tree", "--quiet")
    before = run.weights.read_bytes()
    data, message = AGAIN[name]
    pathlib.Path("d.csv").write_bytes(data)
    words = ("--data", "d.csv", "--weights-in", str(run.weights))
    run(command, *words, code=2)
    assert f"error: d.csv: {message}" in run.error
    assert run.weights.read_bytes() == before
    if command == "train":
        run(
            "train", "--data", "good.csv", "--target", "tree", "--test", "d.csv", code=2
        )
        assert f"error: d.csv: {message}" in run.error


def test_names_for_a_network_that_was_trained_on_numbers(run: Program) -> None:
    run("train", "--data", "data.npz", "--quiet")
    run("evaluate", "--data", "good.csv", "--target", "tree", code=2)
    found = "line 2, column 4 (tree) is 'ash', but the network was trained on numbers"
    assert run.error == f"error: good.csv: {found}\n"


def test_a_regression_learns_no_texts(
    tmp_path: pathlib.Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    program = Program("one_value", capsys)
    pathlib.Path("d.csv").write_bytes(GOOD)
    program("train", "--data", "d.csv", "--target", "tree", code=2)
    assert "line 2, column 4 (tree) is 'ash', no number" in program.error
    text = lines(*X.T, [*Y[:11], "2.5 m"], header=HEAD)
    pathlib.Path("d.csv").write_bytes(text)
    program("train", "--data", "d.csv", "--target", "tree", code=2)
    assert "line 13, column 4 (tree) is '2.5 m', no number" in program.error


def test_predict_says_what_it_takes_for_inputs(run: Program) -> None:
    run("train", "--data", "good.csv", "--target", "tree", "--quiet")
    pathlib.Path("bare.csv").write_bytes(lines(*X.T, Y))
    run("predict", "--data", "bare.csv", "-o", "p.csv", code=2)
    expected = "has 4 columns of inputs, expected 3; a target among them is named by"
    assert f"bare.csv: {expected} --target" in run.error
    run("predict", "--data", "bare.csv", "--target", "4", "-o", "p.csv")
