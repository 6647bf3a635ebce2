"""CSV files: what is read of them, and what the weights file keeps of their names."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest
from modules import built, bytes_of, inputs, labels
from programs import Program
from support import TARGETS

NAMES = ["ash", "birch", "cedar", "elm"]
X = inputs(12)
#: Every class at least once.
Y = np.arange(12) % 4


def lines(*columns: Any, header: str = "", end: str = "\n", by: str = ",") -> bytes:
    """Columns as CSV, numbers in full."""
    rows = [by.join(str(cell) for cell in row) for row in zip(*columns, strict=True)]
    rows = [header.replace(",", by), *rows] if header else rows
    return end.join([*rows, ""]).encode()


def named(y: Any = Y) -> list[str]:
    return [NAMES[k] for k in y]


@pytest.fixture(params=TARGETS)
def run(request: Any, tmp_path: pathlib.Path, monkeypatch: Any, capsys: Any) -> Program:
    """A program that tells four classes apart, and data for it in every form."""
    monkeypatch.chdir(tmp_path)
    program = Program("classes", capsys, built("classes", request.param))
    np.savez("plain.npz", x=X, y=Y)
    pathlib.Path("trees.csv").write_bytes(lines(*X.T, named(), header="a,b,c,tree"))
    return program


def net_of(run: Program) -> Any:
    return run.module.Network.load(run.weights)


FORMS: dict[str, tuple[bytes, str]] = {
    "a name": (lines(*X.T, named(), header="a,b,c,tree"), "tree"),
    "a number": (lines(*X.T, named(), header="a,b,c,tree"), "4"),
    "the first column": (lines(named(), *X.T, header="tree,a,b,c"), "tree"),
    "no header": (lines(*X.T, named()), "4"),
    "labels": (lines(*X.T, Y, header="a,b,c,y"), "y"),
    "labels, no header": (lines(X[:, 0], Y, *X.T[1:]), "2"),
    "whole floats": (lines(*X.T, Y.astype(float)), "4"),
    "numbers that are names": (lines(*X.T, 10 * Y + 5), "4"),
    "CRLF": (lines(*X.T, named(), header="a,b,c,tree", end="\r\n"), "tree"),
    "a BOM": (b"\xef\xbb\xbf" + lines(*X.T, Y, header="a,b,c,y"), "y"),
    "a BOM, no header": (b"\xef\xbb\xbf" + lines(*X.T, Y), "4"),
    "semicolons": (lines(*X.T, named(), header="a,b,c,tree", by=";"), "tree"),
    "tabs": (lines(*X.T, Y, header="a,b,c,y", by="\t"), "y"),
    "spaces": (lines(*X.T, named(), header="a,b,c,tree", by=" , "), "tree"),
    "quotes": (
        lines(*X.T, [f'"{n}"' for n in named()], header='"a",b,"c ""1""",tree'),
        "tree",
    ),
    "a delimiter in quotes": (lines(*X.T, Y, header='"a;1","b, 2",c,y'), "y"),
    "a target with a comma": (lines(*X.T, Y, header='a,b,c,"y, z"'), '"y, z"'),
    "a line end in quotes": (lines(*X.T, named(), header='a,b,"c\n1",tree'), "tree"),
    "no end": (lines(*X.T, Y, header="a,b,c,y").rstrip(), "y"),
    "empty lines at the end": (lines(*X.T, named()) + b"\n\r\n", "4"),
    "a name as zip archives begin": (lines(*X.T, Y, header="PK_1,b,c,y"), "y"),
    "names of digits": (lines(*X.T, Y, header="1,2,3,y"), "y"),
}


#: Those of the forms, beside the ones that say so, that have no header.
BARE = {"whole floats", "numbers that are names", "empty lines at the end"}


@pytest.mark.parametrize("name", FORMS)
def test_a_csv_trains_as_its_arrays_do(name: str, run: Program) -> None:
    data, target = FORMS[name]
    run("train", "--data", "plain.npz", "--quiet", "--weights-out", "plain")
    pathlib.Path("d.csv").write_bytes(data)
    assert run("train", "--data", "d.csv", "--target", target, "--quiet") == []
    net = net_of(run)
    assert bytes_of(net) == bytes_of(run.module.Network.load("plain"))
    expected = NAMES if b"cedar" in data else None
    expected = ["5", "15", "25", "35"] if "are names" in name else expected
    assert net.classes == expected
    if "no header" in name or name in BARE:
        assert net.columns is None
    else:
        assert len(net.columns) == 4


def test_a_number_is_not_taken_for_a_name(run: Program) -> None:
    """Though line 1 holds it: that would cost the first example."""
    pathlib.Path("d.csv").write_bytes(b"4,1,2,3\n5,6,7,0\n8,9,1,2\n")
    args = run.module.parser().parse_args(["train", "--quiet", "--target", "4"])
    read = run.module.read_csv(args, "d.csv", run.module.Network(), True)
    assert read["x"].tolist() == [[4, 1, 2], [5, 6, 7], [8, 9, 1]]
    assert read["y"].tolist() == [3, 0, 2]


def test_numbers_are_read_as_float_reads_them(run: Program) -> None:
    words = ["1e-300", "-0.1", " 7 ", "+.5", "1E5", "0.1000000000000000055", "12345"]
    words += ["4.9406564584124654e-324", "1.7976931348623157e308", "123456789012345678"]
    texts = ["nought", *["x"] * (len(words) - 1)]
    for cells in (range(len(words)), texts):  # all numbers, or some not
        x = [words, words[::-1], words]
        pathlib.Path("d.csv").write_bytes(lines(*x, cells))
        args = run.module.parser().parse_args(["predict", "-o", "p", "--target", "4"])
        read = run.module.read_csv(args, "d.csv", run.module.Network(), False)["x"]
        assert read.tolist() == [[*map(float, row)] for row in zip(*x, strict=True)]


def test_columns_are_found_by_name(run: Program) -> None:
    run("train", "--data", "trees.csv", "--target", "tree", "--quiet")
    net = net_of(run)
    assert (net.classes, net.columns) == (NAMES, ["a", "b", "c", "tree"])
    before, *_ = run("evaluate", "--data", "trees.csv")
    other = lines(X[:, 2], named(), X[:, 0], X[:, 1], header="c,tree,a,b")
    pathlib.Path("other.csv").write_bytes(other)
    after, *_ = run("evaluate", "--data", "other.csv")
    assert after == before.replace("trees.csv", "other.csv")
    # a header is not needed where the order is the same
    pathlib.Path("bare.csv").write_bytes(lines(*X.T, named()))
    bare, *_ = run("evaluate", "--data", "bare.csv", "--target", "4")
    assert bare == before.replace("trees.csv", "bare.csv")


def test_a_test_set_has_the_same_classes(run: Program) -> None:
    """Though it holds only two of them, and its columns in another order."""
    some = lines(named([3, 1]), *X[:2].T, header="tree,a,b,c")
    pathlib.Path("t.csv").write_bytes(some)
    words = ("train", "--data", "trees.csv", "--target", "tree", "--test", "t.csv")
    said, of_test, *_, line, _ = run(*words)
    assert said == (
        "trees.csv: 12 rows, a header, separated by ',', classes ash, birch, cedar, elm"
    )
    assert of_test.startswith("t.csv: 2 rows, a header")
    net = net_of(run)
    assert f"{int(np.sum(net.predict(X[:2]) == [3, 1]))} / 2" in line


def test_training_goes_on_with_the_same_names(run: Program) -> None:
    words = ("train", "--data", "trees.csv", "--target", "tree", "--quiet")
    run(*words, "--weights-out", "whole", "--epochs", "6")
    run(*words)
    # no --target: the weights file knows it
    more = ("--weights-in", str(run.weights), "--epochs", "3", "--quiet")
    run("train", "--data", "trees.csv", *more)
    assert run.weights.read_bytes() == pathlib.Path("whole").read_bytes()


def test_values_of_several_columns(
    tmp_path: pathlib.Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    program = Program("values", capsys)
    y = labels("values", 12)
    np.savez("plain.npz", x=X, y=y)
    program("train", "--data", "plain.npz", "--quiet")
    expected = program.weights.read_bytes()
    for header, target in (("u,a,b,c,v", "u,v"), ("", "1,5")):
        data = lines(y[:, 0], *X.T, y[:, 1], header=header)
        pathlib.Path("d.csv").write_bytes(data)
        program("train", "--data", "d.csv", "--target", target, "--quiet")
        if not header:
            assert program.weights.read_bytes() == expected
    program("train", "--data", "d.csv", "--target", "5,1", "--quiet")
    assert program.weights.read_bytes() != expected


@pytest.mark.parametrize(("kind", "low"), [("one", 0), ("one_tanh", -1)])
def test_two_names_of_one_output(
    kind: str, low: int, tmp_path: pathlib.Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    program = Program(kind, capsys)
    y = labels(kind, 12)
    np.savez("plain.npz", x=X, y=y)
    program("train", "--data", "plain.npz", "--quiet", "--weights-out", "plain")
    words = ["no" if value == low else "yes" for value in y]
    pathlib.Path("d.csv").write_bytes(lines(*X.T, words))
    program("train", "--data", "d.csv", "--target", "4", "--quiet")
    net = net_of(program)
    assert net.classes == ["no", "yes"]
    assert bytes_of(net) == bytes_of(program.module.Network.load("plain"))
    program("predict", "--data", "plain.npz", "-o", "p.csv", "--probabilities")
    header, *rows = pathlib.Path("p.csv").read_text().splitlines()
    assert header == "prediction,yes"
    sides = ["no" if value == low else "yes" for value in net.predict(X)]
    assert [row.split(",")[0] for row in rows] == sides
    outputs = [float(row.split(",")[1]) for row in rows]
    assert outputs == net.feedforward(X)[:, 0].tolist()


# ---- Predictions -----------------------------------------------------------------------


def test_predictions_have_the_names_of_classes(run: Program) -> None:
    run("train", "--data", "trees.csv", "--target", "tree", "--quiet")
    net = net_of(run)
    expected = [NAMES[k] for k in net.predict(X)]
    np.save("only.npy", X)
    pathlib.Path("only.csv").write_bytes(lines(*X.T, header="a,b,c"))
    pathlib.Path("bare.csv").write_bytes(lines(*X.T))
    pathlib.Path("mixed.csv").write_bytes(lines(*X.T[::-1], header="c,b,a"))
    sources = [("--x", "only.npy"), ("--data", "plain.npz")]
    sources += [("--data", f"{n}.csv") for n in ("trees", "only", "bare", "mixed")]
    for source in sources:
        assert run("predict", *source, "-o", "p.csv") == ["saved p.csv"]
        found = pathlib.Path("p.csv").read_text()
        assert found == "\n".join(["prediction", *expected, ""])
        run("predict", *source, "-o", "p.npy")
        assert np.array_equal(np.load("p.npy"), net.predict(X))
        run("predict", *source, "--probabilities", "-o", "p.npy")
        assert np.array_equal(np.load("p.npy"), net.feedforward(X))
    run("predict", *sources[0], "--probabilities", "-o", "p.csv")
    header, *rows = pathlib.Path("p.csv").read_text().splitlines()
    assert header == "prediction,ash,birch,cedar,elm"
    names, *outputs = zip(*(row.split(",") for row in rows), strict=True)
    assert [*names] == expected
    assert np.array_equal(np.array(outputs, float).T, net.feedforward(X))


def test_predictions_without_names(run: Program) -> None:
    run("train", "--data", "plain.npz", "--quiet")
    run("predict", "--data", "plain.npz", "-o", "p.csv", "--probabilities")
    header, *rows = pathlib.Path("p.csv").read_text().splitlines()
    assert header == "prediction,0,1,2,3"
    assert [int(row[0]) for row in rows] == net_of(run).predict(X).tolist()


def test_predicted_values(
    tmp_path: pathlib.Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    program = Program("values", capsys)
    data = lines(*X.T, *labels("values", 12).T, header="a,b,c,u,v")
    pathlib.Path("d.csv").write_bytes(data)
    program("train", "--data", "d.csv", "--target", "u,v", "--quiet")
    program("predict", "--data", "d.csv", "-o", "p.csv")
    header, *rows = pathlib.Path("p.csv").read_text().splitlines()
    assert header == "prediction_u,prediction_v"
    found = [[*map(float, row.split(","))] for row in rows]
    assert np.array_equal(found, net_of(program).predict(X))


def test_a_table_of_predictions_replaces_no_other_file(run: Program) -> None:
    run("train", "--data", "trees.csv", "--target", "tree", "--quiet")
    before = pathlib.Path("trees.csv").read_bytes()
    pathlib.Path("mine.csv").write_bytes(before)
    for name, message in (("trees.csv", "is an input"), ("mine.csv", "no predictions")):
        run("predict", "--data", "trees.csv", "-o", name, code=2)
        assert message in run.error
        assert pathlib.Path(name).read_bytes() == before
    run("predict", "--data", "trees.csv", "-o", "p.csv")
    run("predict", "--data", "trees.csv", "-o", "p.csv", "--probabilities")


# ---- What is refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--data tested.npz --test-fraction 0.5", "--test-fraction or a test set"),
        ("--data data.npz --test-fraction 1", "above 0 and below 1, not '1'"),
        ("--data data.npz --test-fraction nan", "above 0 and below 1, not 'nan'"),
        ("--data data.npz --test-fraction x", "above 0 and below 1, not 'x'"),
        ("--x x1.npy --y y1.npy --test-fraction 0.5", "x has 1 row: there is none"),
        ("--data data.npz --target y", "--target is for CSV, which --data gives"),
        ("--x trees.csv --y y.npy", "trees.csv: is a CSV; give it by --data or --test"),
    ],
)
def test_options_that_do_not_go_together(
    words: str, message: str, run: Program
) -> None:
    np.save("x1.npy", X[:1])
    np.save("y1.npy", Y[:1])
    run("train", *words.split(), code=2)
    assert message in run.error
    assert not run.weights.exists()
