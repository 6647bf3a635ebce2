"""CSV files of the C target: what NumPy's program reads is read, and what it says is said."""

from __future__ import annotations

import decimal
import json
import os
import pathlib
import struct
from typing import Any

import numpy as np
import pytest
from c_files import PLAIN
from c_program_runs import Pair, pair
from modules import inputs, labels
from test_csv import FORMS, NAMES, X, Y, lines, named
from test_csv_fails import AGAIN, BARE, GOOD, WRONG

TRAIN = ("train", "--data", "d.csv", "--target")


@pytest.fixture
def both(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Pair:
    monkeypatch.chdir(tmp_path)
    pathlib.Path("good.csv").write_bytes(GOOD)
    return pair("classes", capsys, PLAIN)


def put(data: bytes) -> None:
    pathlib.Path("d.csv").write_bytes(data)


def parts(data: bytes) -> tuple[bytes, bytes]:
    """The header of a weights file, and its numbers."""
    start = 8 + struct.unpack("<Q", data[:8])[0]
    return data[:start], data[start:]


def metadata(path: str | pathlib.Path) -> dict[str, str]:
    header, _ = parts(pathlib.Path(path).read_bytes())
    found: dict[str, str] = json.loads(header[8:])["__metadata__"]
    return found


# ---- The same of every form --------------------------------------------------------


def test_every_form_trains_as_its_arrays_do(both: Pair) -> None:
    """Metadata are NumPy's byte for byte, weights are C's own from .npy bit for bit."""
    np.save("x.npy", X)
    np.save("y.npy", Y)
    both.c("train", "--x", "x.npy", "--y", "y.npy", "--quiet")
    _, expected = parts(both.weights.read_bytes())
    for name, (data, target) in FORMS.items():
        put(data)
        both.lines(*TRAIN, target)
        header, numbers = parts(both.weights.read_bytes())
        assert numbers == expected, name
        if metadata(both.weights)["columns"] != "null":
            target = ""
        words = ["--target", target] if target else []
        both.lines("evaluate", "--data", "d.csv", *words)
        both.numpy(*TRAIN, FORMS[name][1], "--quiet")
        assert parts(both.weights.read_bytes())[0] == header, name


#: What is refused, and with what --target.
REFUSED = {
    **{name: (data, "tree") for name, (data, _) in WRONG.items()},
    **{name: (data, target) for name, (data, target, _) in BARE.items()},
}


@pytest.mark.parametrize("name", REFUSED)
def test_wrong_files_get_numpys_answers(name: str, both: Pair) -> None:
    data, target = REFUSED[name]
    put(data)
    given = ("--target", target) if target else ()
    ours, theirs = (
        run("train", "--data", "d.csv", *given) for run in (both.numpy, both.c)
    )
    if "CR" in name:  # what Python's csv advises is no advice here
        assert theirs[2].startswith(ours[2].split(" - ")[0])
        assert theirs[2].endswith("; end lines by LF or CRLF\n")
    else:
        assert theirs == ours
    assert (theirs[0], theirs[1]) == (2, "")
    assert not both.weights.exists()


@pytest.mark.parametrize("name", AGAIN)
def test_other_data_get_numpys_answers(name: str, both: Pair) -> None:
    both.c("train", "--data", "good.csv", "--target", "tree", "--quiet")
    before = both.weights.read_bytes()
    put(AGAIN[name][0])
    for command in ("train", "evaluate", "gradcheck"):
        words = ("--data", "d.csv", "--weights-in", str(both.weights))
        assert both.lines(command, *words, code=2) == []
    test = ("--data", "good.csv", "--target", "tree", "--test", "d.csv")
    assert both.numpy("train", *test)[2] == both.c("train", *test)[2]
    assert both.weights.read_bytes() == before


def test_names_for_a_network_that_was_trained_on_numbers(both: Pair) -> None:
    both.c("train", "--x", "x.npy", "--y", "y.npy", "--quiet")
    both.lines("evaluate", "--data", "good.csv", "--target", "tree", code=2)


def test_what_a_target_may_have_meant(both: Pair) -> None:
    """As difflib finds it: the nearest, of equals the last in order, or none."""
    header = 'sepal length,sepal width,größe,"pétale, 2"'
    put(lines(*X.T, named(), header=header))
    words = ["sepallength", "sepal widht", "Grösse", "gröẞe", "petale", "sepal", "e"]
    for word in [*words, "l", "pal w", "width sepal", "x" * 70, "-", "'\"", "é\x1b"]:
        both.lines(*TRAIN, word, code=2)


# ---- Numbers -----------------------------------------------------------------------

WORDS = [
    *("1e-300", "-0.1", " 7 ", "+.5", "1E5", "5.", "0.1000000000000000055", "-0"),
    *("4.9406564584124654e-324", "2.4703282292062327e-324", "1.7976931348623157e308"),
    *("123456789012345678", "1_000", "1_0.0_1e0_1", "\u00a03\u2003", "9" * 300),
    *("8.41", "9007199254740993", "1e23", "0." + "0" * 400 + "1e400", "00012"),
    *("0.500000000000000166533453693773481063544750213623046875", "1e-400"),
]
NO_NUMBERS = [
    *("0x10", "0x1p3", "1e", "e5", ".", "+", "-", "1__0", "_1", "1_", "1_.5", "1._5"),
    *("1e_5", "1 2", "1,5", "1.5.1", "--1", "1f", "1d5", "infin", "in", "0b1", "1e5.0"),
    *("nan(1)", "\u2212" + "1", "\u00bd", "1\u2009000", "1e999", "-inf", "Infinity"),
    *("+nan", "-NaN", "NaN", "NA", "n/a", "?", "na", "N/A", "nil", '"', "'", "\\"),
]


def test_numbers_have_numpys_bits(both: Pair) -> None:
    """A checkpoint holds a digest of all that was read, and the first is written
    before a step that such numbers may end with."""
    draw = np.random.default_rng(1)
    words = [
        repr(v) for v in draw.integers(0, 2**64, 3000, np.uint64).view(float).tolist()
    ]
    words = [w for w in words if w not in ("nan", "inf", "-inf")]
    words += [f"{v:.{k % 20}g}" for k, v in enumerate(draw.normal(size=600))]
    words += WORDS
    words = words[: len(words) // 3 * 3]
    x = np.array(words).reshape(-1, 3)
    classes = np.arange(len(x)) % 4
    run = ("--target", "4", "--epochs", "1", "--quiet", "--checkpoint")
    for cells in (classes, [NAMES[k] for k in classes]):
        put(lines(*x.T, cells))
        both.numpy("train", "--data", "d.csv", *run, "n")
        both.c("train", "--data", "d.csv", *run, "c")
        assert metadata("c")["data"] == metadata("n")["data"]
        for name in ("n", "c"):
            os.remove(name)


def test_what_is_no_number_gets_numpys_answer(both: Pair) -> None:
    for word in NO_NUMBERS:
        cell = '"' + word.replace('"', '""') + '"'
        put(lines([1, cell], [1, 2], [3, 4], ["ash", "elm"], header="a,b,c,tree"))
        both.lines(*TRAIN, "tree", code=2)


# ---- Names -------------------------------------------------------------------------

ODD = ['a"b', "é, ü", "\u4e2d\u6587 long", "zero\u200bwidth"]


def test_names_are_shown_and_kept(both: Pair) -> None:
    """On a terminal escaped where they would not show, in columns by characters."""
    cells = ['"' + ODD[k].replace('"', '""') + '"' for k in Y]
    put(lines(*X.T, cells, header='"a, 1",b,\u0108,tree'))
    both.lines(*TRAIN, "tree")
    assert json.loads(metadata(both.weights)["classes"]) == sorted(ODD)
    both.lines("evaluate", "--data", "d.csv")
    for words in ((), ("--probabilities",)):
        both.numpy("predict", "--data", "d.csv", "-o", "n.csv", *words)
        both.lines("predict", "--data", "d.csv", "-o", "p.csv", *words)
        found = pathlib.Path("p.csv").read_bytes()
        # The outputs are sums in another order.
        if not words:
            assert found == pathlib.Path("n.csv").read_bytes()
        assert (
            found.splitlines()[0] == pathlib.Path("n.csv").read_bytes().splitlines()[0]
        )


def test_names_of_numpys_file_are_kept(both: Pair) -> None:
    """By training on arrays, from weights and from a checkpoint."""
    both.numpy("train", "--data", "good.csv", "--target", "tree", "--quiet")
    kept = {key: metadata(both.weights)[key] for key in ("classes", "columns")}
    assert kept["classes"] == json.dumps(NAMES, separators=(",", ":"))
    data = ("train", "--x", "x.npy", "--y", "y.npy", "--quiet")
    assert (
        both.c(*data, "--weights-in", str(both.weights), "--weights-out", "w")[0] == 0
    )
    assert kept.items() <= metadata("w").items()
    table = ("train", "--data", "good.csv", "--target", "tree", "--quiet")
    both.numpy(*table, "--checkpoint", "ck")
    more = ("train", "--data", "good.csv", "--resume", "ck", "--epochs", "5", "--quiet")
    code, _, err = both.c(*more, "--weights-out", "w", "--checkpoint", "again")
    assert (code, [line.split(":")[0] for line in err.splitlines()]) == (0, ["warning"])
    assert kept.items() <= metadata("w").items()
    assert kept.items() <= metadata("again").items()
    for run in (both.numpy, both.c):
        bare = run("train", "--data", "d.npz", "--resume", "again")
        assert bare[0] == 2


@pytest.mark.parametrize("kind", ["one", "one_tanh", "values", "one_value"])
def test_other_tasks(
    kind: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    two = pair(kind, capsys, PLAIN)
    y = labels(kind, 12).reshape(12, -1)
    cells = (
        [["no" if v == y.min() else "yes" for v in y[:, 0]]] if "one" in kind else y.T
    )
    cells = y.T if kind == "one_value" else cells
    names = [f"u{k}" for k in range(len(cells))]
    for header in (f"a,{','.join(names)},b,c", ""):
        put(lines(X[:, 0], *cells, *X.T[1:], header=header))
        target = (
            ",".join(names)
            if header
            else ",".join(str(k + 2) for k in range(len(cells)))
        )
        two.lines(*TRAIN, target)
        header_of, _ = parts(two.weights.read_bytes())
        two.lines("evaluate", "--data", "d.csv", "--target", target)
        more = ("--probabilities",) if kind in ("one", "one_tanh") else ()
        for words in ((), more):
            given = ("predict", "--data", "d.csv", "--target", target, *words, "-o")
            tables, arrays = [], []
            for run in (two.numpy, two.c):
                assert run(*given, "p.csv")[0] == run(*given, "p.npy")[0] == 0
                tables.append(rows_of("p.csv"))
                arrays.append(np.load("p.npy"))
            assert tables[0][0] == tables[1][0]
            # Sums in another order.
            assert np.allclose(tables[0][1], tables[1][1], rtol=0, atol=1e-13)
            assert arrays[0].shape == arrays[1].shape
            assert arrays[0].dtype == arrays[1].dtype
        two.numpy(*TRAIN, target, "--quiet")
        assert parts(two.weights.read_bytes())[0] == header_of
    put(lines(*X.T, ["ash", "elm", "oak"] * 4))
    two.lines(*TRAIN, "4", code=2)
    two.lines(*TRAIN, "3,4", code=2)


def rows_of(path: str) -> tuple[list[Any], list[list[float]]]:
    """What is text in a table, and its numbers."""
    cells = [line.split(",") for line in pathlib.Path(path).read_text().splitlines()]
    texts: list[Any] = [cells[0]]
    numbers = []
    for row in cells[1:]:
        try:
            numbers.append([*map(float, row)])
        except ValueError:
            texts.append(row[0])
            numbers.append([*map(float, row[1:])])
    return texts, numbers


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_are_the_shortest_that_read_back(
    dtype: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Of a network whose outputs are its inputs."""
    monkeypatch.chdir(tmp_path)
    identity = {"size": 1, "activation": "identity"}
    two = pair(
        "one_value", capsys, PLAIN, layers=[1, identity], dtype=dtype, name="same"
    )
    net = two.module.Network()
    net.w2[...], net.b2[...] = 1, 0
    net.save("same.safetensors")
    bits = np.dtype(dtype).itemsize * 8
    draw = np.random.default_rng(2).integers(0, 2**bits, 4000, f"uint{bits}")
    powers = np.ldexp(np.ones(240, dtype), np.arange(-120, 120))
    x = np.concatenate([draw.view(dtype), powers, -powers, powers - powers / 2**20])
    x = x[np.isfinite(x)].astype(dtype).reshape(-1, 1)
    np.save("x.npy", x)
    found = []
    for run, path in ((two.numpy, "n.csv"), (two.c, "c.csv")):
        assert run("predict", "--x", "x.npy", "-o", path)[0] == 0
        found.append(pathlib.Path(path).read_text().split())
    # Not the texts: from which power of ten on a float32 has an exponent is not the same
    # in every NumPy.
    ours, theirs = ([*map(decimal.Decimal, cells[1:])] for cells in found)
    assert theirs == ours
    assert np.array_equal(np.array(found[1][1:], dtype), x[:, 0])


# ---- A share of the data as the test set -----------------------------------------------


@pytest.mark.parametrize("kind", ["one_tanh", "values"])
def test_the_same_rows_are_held_out(
    kind: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    hyper = {"epochs": 2, "validation_fraction": 0.3}
    specs: list[dict[str, Any]] = [{}, {"hyperparameters": hyper}]
    for number, more in enumerate(specs):
        two = pair(kind, capsys, PLAIN, **more)
        np.savez("d.npz", x=inputs(40), y=labels(kind, 40))
        for share in ("0.2", ".5", "1e-9", "0.999"):
            words = (
                "train",
                "--data",
                "d.npz",
                "--test-fraction",
                share,
                "--seed",
                "7",
            )
            if more and share == "0.999":
                two.lines(*words, code=2)  # of one row none can be held out
                continue
            two.lines(*words)
            names = [f"{run}{number}{share}" for run in "nc"]
            for run, name in zip((two.numpy, two.c), names, strict=True):
                assert run(*words, "--quiet", "--checkpoint", name)[0] == 0
            found = [json.loads(metadata(name)["data"]) for name in names]
            assert found[0] == found[1]
            assert [*found[0]] == ["x", "x_test", "y", "y_test"]
