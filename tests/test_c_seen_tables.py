"""What C shows of runs on CSV and .npz, with names and rows held out, is what NumPy's
program shows."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import pytest
from c_files import PLAIN
from c_program_runs import Pair, pair
from modules import CLASSIFIERS, LAYERS, inputs, labels
from support import LONG, bpcompile
from test_c_seeing import Captured, events, folder, logs
from test_csv import lines

__all__ = ["folder"]  # a fixture of every test here

N = 40
SHARE = ("--test-fraction", "0.25")
DATA = ("--data", "d.csv")
TARGET = ("--target", "u1,u2")
#: Names that JSON escapes, that a terminal must not get, and that HTML escapes.
ODD = ['a"b', "é <b>", "\u4e2d\u6587 & co", "zero\u200bwidth"]
KINDS = [*LAYERS] if LONG else ["classes", "one", "values"]


def names_of(kind: str) -> list[str] | None:
    """What the classes are called, in the order of their numbers."""
    if kind not in CLASSIFIERS:
        return None
    return sorted(ODD)[: 4 if kind == "classes" else 2]


def cells_of(kind: str, n: int = N) -> list[Any]:
    """The columns to be learnt, classes by their names."""
    y, names = labels(kind, n), names_of(kind)
    if names is None:
        return [*y.reshape(n, -1).T]
    numbers = (y > y.min()) if kind == "one_tanh" else y
    return [['"' + names[k].replace('"', '""') + '"' for k in numbers.astype(int)]]


def table(kind: str, capsys: Captured) -> tuple[Pair, tuple[str, ...]]:
    """Both programs, d.csv, and the options that train on it."""
    two, cells = pair(kind, capsys, PLAIN), cells_of(kind)
    targets = [f"u{k}" for k in range(1, len(cells) + 1)]
    header = ",".join(["a", "b", "c", *targets])
    put(lines(*inputs(N).T, *cells, header=header))
    return two, (*DATA, "--target", ",".join(targets))


def put(data: bytes) -> None:
    pathlib.Path("d.csv").write_bytes(data)


@pytest.mark.parametrize("kind", KINDS)
def test_log_of_a_table_is_numpys(kind: str, capsys: Captured) -> None:
    """Trained with rows held out, evaluated on these and on all, resumed from names
    that the checkpoint alone has."""
    two, given = table(kind, capsys)
    start, *_ = logs(two, "train", *given, *SHARE, "--epochs", "2")
    assert start["classes"] == names_of(kind)
    assert start["examples"] == {"train": 30, "validation": None, "test": 10}
    for words in ((), SHARE):
        found = logs(two, "evaluate", *given, *words)[-1]
        assert (found["event"], found["data"]) == ("evaluation", "given")
        rows = 10 if words else N
        assert np.sum(found.get("confusion", rows)) == rows
        shown = two.lines("evaluate", *given, *words)
        assert shown[0].endswith(f"  on {'0.25 of ' * bool(words)}x, y of d.csv")
    # A log that begins with an evaluation.
    for path in pathlib.Path().glob("*.jsonl"):
        path.unlink()
    start, _ = logs(two, "evaluate", *given)
    assert start["classes"] == names_of(kind)
    assert start["examples"] == dict.fromkeys(("train", "validation", "test"))


@pytest.mark.parametrize("kind", KINDS)
def test_resumed_log_has_the_names_of_the_checkpoint(
    kind: str, capsys: Captured
) -> None:
    two, given = table(kind, capsys)
    words = ("train", *given, *SHARE)
    for run, name in ((two.numpy, "numpy"), (two.c, "c")):
        saved = ("--checkpoint", name, "--log", f"{name}.jsonl")
        assert run(*words, *saved, "--epochs", "1")[0] == 0
        # Its columns are known by now.
        again = ("train", *DATA, *SHARE, "--resume", name, "--epochs", "3")
        assert run(*again, *saved)[0] == 0
        found = events(f"{name}.jsonl")
        starts = [e for e in found if e["event"] == "start"]
        assert [(e["epoch"], e["classes"]) for e in starts] == [
            (0, names_of(kind)),
            (1, names_of(kind)),
        ]
        assert starts[0]["examples"] == starts[1]["examples"]
    # Each goes on in the other's.
    for run, name in ((two.c, "numpy"), (two.numpy, "c")):
        last = ("--resume", name, "--epochs", "4", "--log", f"{name}.jsonl")
        assert run("train", *DATA, *SHARE, *last)[0] == 0
        starts = [e for e in events(f"{name}.jsonl") if e["event"] == "start"]
        assert [e["epoch"] for e in starts] == [0, 1, 3]
        assert starts[-1]["classes"] == names_of(kind)


def test_report_shows_the_names(capsys: Captured) -> None:
    two, given = table("classes", capsys)
    assert two.c("train", *given, *SHARE, "--log", "c.jsonl")[0] == 0
    assert two.c("evaluate", *given, "--log", "c.jsonl")[0] == 0
    bpcompile("report", "c.jsonl", "-o", "c.html")
    page = pathlib.Path("c.html").read_text("utf-8")
    assert "What is taken for what" in page
    for name in ("a&#34;b", "é &lt;b&gt;", "\u4e2d\u6587 &amp; co"):
        assert name in page
    assert "é <b>" not in page


def test_logs_of_npz_are_numpys(capsys: Captured) -> None:
    two = pair("classes", capsys, PLAIN)
    x, y, x_test, y_test = (
        *(inputs(N), labels("classes", N)),
        *(inputs(9, 5), labels("classes", 9, 6)),
    )
    np.savez("d.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    np.savez("all.npz", x=x, y=y)
    start, *_ = logs(two, "train", "--data", "d.npz")
    assert (start["classes"], start["examples"]["test"]) == (None, 9)
    assert np.sum(logs(two, "evaluate", "--data", "d.npz")[-1]["confusion"]) == 9
    assert two.lines("evaluate", "--data", "d.npz", *SHARE, code=2) == []
    for share in ("0.2", "1e-9", "0.999"):
        words = ("--data", "all.npz", "--test-fraction", share)
        logs(two, "train", *words, "--seed", "7")
        logs(two, "evaluate", *words)
    for share in ("0", "1", "x"):
        words = ("--data", "all.npz", "--test-fraction", share)
        assert two.lines("evaluate", *words, code=2) == []


def test_no_data_are_written_over_by_a_log(capsys: Captured) -> None:
    two, given = table("classes", capsys)
    two.module.Network().save("some")
    first = json.dumps({"event": "start", "spec_sha256": two.module.spec_digest()})
    # They could be taken for logs, were they not given as data.
    for name in ("data.jsonl", "test.jsonl"):
        pathlib.Path(name).write_text(f"{first}\n")
    before = {path: path.read_bytes() for path in pathlib.Path().iterdir()}
    for words in (
        ("train", "--data", "data.jsonl", "--log", "data.jsonl"),
        ("train", *given, "--test", "test.jsonl", "--log", "test.jsonl"),
        ("evaluate", "--data", "data.jsonl", "--log", "data.jsonl"),
        ("train", *given, "--log", "d.csv"),
        ("evaluate", *DATA, "--weights-in", "some", "--log", "d.csv"),
    ):
        assert two.lines(*words, code=2) == [], words
        assert "named for something else" in two.c(*words)[2]
    assert {path: path.read_bytes() for path in pathlib.Path().iterdir()} == before


def test_warnings_are_of_the_rows_that_are_trained_on(capsys: Captured) -> None:
    """All values but one are the same, and that one is held out, or is not."""
    two = pair("one_value", capsys, PLAIN)
    y = np.where(np.arange(N) == 7, 2.5, 0.5)
    put(lines(*inputs(N).T, y, header="a,b,c,u"))

    def is_held_out(seed: int) -> bool:
        words = two.module.words(N, seed, 4, step=1)
        return 7 in two.module.split(words, 10)[1]

    seeds = {is_held_out(seed): seed for seed in range(40)}
    assert len(seeds) == 2
    for held_out, seed in seeds.items():
        words = ("train", *DATA, "--target", "u", *SHARE, "--seed", str(seed))
        two.lines(*words)
        logs(two, *words)
        said = [e["kind"] for e in events("c.jsonl") if e["event"] == "warning"]
        assert ("labels" in said) == held_out


def test_no_name_of_a_class_moves_the_cursor(capsys: Captured) -> None:
    two = pair("classes", capsys, PLAIN)
    names = ["up\x1b[2J", "\u202eback", "one", "two"]
    for count in (3, 4):
        cells = [names[k % count] for k in range(N)]
        put(lines(*inputs(N).T, cells, header="a,b,c,u"))
        words = ("train", *DATA, "--target", "u", "--epochs", "1")
        told = two.lines(*words, code=0 if count == 4 else 2)
        assert not any("\x1b" in line for line in (*told, two.numpy(*words)[2]))
    assert told[0].endswith("classes one, two, 'up\\x1b[2J', '\\u202eback'")
