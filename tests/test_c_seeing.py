"""What a run of the C program shows of itself is what NumPy's shows: lines, logs,
warnings, where it diverged."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
from typing import Any

import numpy as np
import pytest
from c_modules import QUICK, STRICT, TARGET, compiled
from c_program_runs import (
    SANITIZED,
    TESTED,
    XY,
    Pair,
    alike,
    pair,
    run_binary,
    write_data,
)
from modules import LAYERS, inputs, labels, spec_for
from support import LONG, bpcompile, spec_of, text_of
from test_seeing import HUGE, IDENTITY, on_terminal
from test_warnings import BAD, GOOD, MENDED, SIGMOID, SOFTMAX, X, Y

from bpcompile.reporting.log import read_log
from bpcompile.spec import NetworkSpec, digest

CLASSES = "classes"
TIMES = ("seconds", "examples_per_second")
#: What one log has and the other has not.
OWN = ("target", "environment")
FAST = (*STRICT, *QUICK)
Captured = pytest.CaptureFixture[str]
#: Every network of its own is a second of a compiler's time.
KINDS = [*LAYERS] if LONG else ["classes", "values"]
ADVISED = [*BAD] if LONG else ["labels", "values"]


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder."""
    monkeypatch.chdir(tmp_path)


def events(path: str) -> list[dict[str, Any]]:
    """The events of a log, each of them JSON as other programs read it."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    lines = pathlib.Path(path).read_text().splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def same(ours: Any, theirs: Any, rel: float, place: str = "") -> None:
    """Whether two values of JSON are the same but for rounding; `place` is told."""
    if isinstance(ours, dict):
        assert isinstance(theirs, dict), place
        assert sorted(ours) == sorted(theirs), place
        for key in sorted(set(ours) - {*TIMES, *OWN}):
            same(ours[key], theirs[key], rel, f"{place}/{key}")
    elif isinstance(ours, list):
        assert isinstance(theirs, list), place
        assert len(ours) == len(theirs), place
        for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            same(a, b, rel, f"{place}/{k}")
    elif isinstance(ours, float) and isinstance(theirs, float):
        # Sums in another order; a norm of next to nothing is such a sum.
        assert theirs == pytest.approx(ours, rel=rel, abs=1e-13), place
    else:
        assert ours == theirs, place


def logs(two: Pair, *words: str, rel: float = 1e-9) -> list[dict[str, Any]]:
    """The events of the C program's log, which are those of NumPy's."""
    two.numpy(*words, "--log", "numpy.jsonl")
    code, _, err = two.c(*words, "--log", "c.jsonl")
    assert code == 0, err
    ours, theirs = events("numpy.jsonl"), events("c.jsonl")
    assert [e["event"] for e in theirs] == [e["event"] for e in ours]
    for a, b in zip(ours, theirs, strict=True):
        same(a, b, rel, a["event"])
    return theirs


# ---- Logs ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_log_is_numpys(kind: str, capsys: Captured) -> None:
    two = pair(kind, capsys, FAST)
    for words in ((*XY,), (*TESTED, "--epochs", "2", "--seed", "9")):
        found = logs(two, "train", *words)
        kinds = [e["event"] for e in found if e["event"] != "warning"]
        epochs = 2 if "--epochs" in words else 3
        assert kinds == ["start", *["epoch"] * epochs, "evaluation", "end"]
    start = found[0]
    assert start["target"] == TARGET
    assert start["spec_sha256"] == digest(spec_for(kind))
    assert set(start["environment"]) >= {"build", "compiler", "functions", "system"}
    assert [e["examples_per_second"] > 0 for e in found if e["event"] == "epoch"]
    logs(two, "evaluate", *XY)


FLOAT32 = {"dtype": "float32"}
COURSES: dict[str, dict[str, Any]] = {
    "held_out": {
        "layers": [3, {"size": 5, "activation": "relu"}, 2],
        "cost": "cross_entropy",
        "hyperparameters": {
            "epochs": 9,
            "mini_batch_size": 2,
            "early_stopping": {"patience": 2},
            "validation_fraction": 0.4,
        },
    },
    "scheduled": {
        "layers": [
            {"size": 3, "scaling": "standardize", "dropout": 0.1},
            {"size": 5, "activation": "gelu", "dropout": 0.25},
            {"size": 4, "activation": "tanh"},
            2,
        ],
        "cost": "cross_entropy",
        "hyperparameters": {"epochs": 4, "optimizer": "adam", "schedule": "cosine"},
    },
    "no_hidden": {"layers": [3, 2], "cost": "cross_entropy"},
}


@pytest.mark.parametrize("test", [False, True] if LONG else [False])
@pytest.mark.parametrize("name", COURSES)
def test_log_of_what_specs_can_ask_for(name: str, test: bool, capsys: Captured) -> None:
    two = pair("sides", capsys, FAST, **{**COURSES[name], "name": name})
    logs(two, "train", *(TESTED if test else XY))
    lines = two.lines("train", *(TESTED if test else XY))
    apart = test or name == "held_out"
    assert all(("training" in line) == apart for line in lines if "Epoch" in line)
    assert all(("rate" in line) == (name == "scheduled") for line in lines[:1])


def test_log_in_single_precision_is_numpys_within_rounding(capsys: Captured) -> None:
    two = pair(CLASSES, capsys, FAST, **FLOAT32)
    logs(two, "train", *TESTED, rel=1e-4)


def test_csv_log_is_numpys(capsys: Captured) -> None:
    fields = {**COURSES["held_out"], "name": "held_out"}
    fields["hyperparameters"] = {**fields["hyperparameters"], "schedule": "cosine"}
    for kind, spec in (("sides", fields), ("values", {})):
        two = pair(kind, capsys, FAST, **spec)
        two.numpy("train", *TESTED, "--log", "numpy.csv")
        assert two.c("train", *TESTED, "--log", "c.CSV")[0] == 0
        paths = map(pathlib.Path, ("numpy.csv", "c.CSV"))
        ours, theirs = ([r.split(",") for r in p.read_text().split()] for p in paths)
        assert ours[0] == theirs[0]
        for a, b in zip(ours[1:], theirs[1:], strict=True):
            for column, x, y in zip(ours[0], a, b, strict=True):
                if column not in TIMES:
                    assert bool(x) == bool(y)
                    assert not x or float(y) == pytest.approx(float(x), rel=1e-9)
        for name in ("numpy.csv", "c.CSV"):
            pathlib.Path(name).unlink()


def test_quiet_log_evaluates_nothing(capsys: Captured) -> None:
    two = pair(CLASSES, capsys, FAST)
    found = logs(two, "train", *TESTED, "--quiet")
    assert {key for e in found if e["event"] == "epoch" for key in e} == {
        *("event", "epoch", *TIMES)
    }
    assert "evaluation" not in [e["event"] for e in found]


def test_what_is_shown_changes_no_bit_of_the_weights(capsys: Captured) -> None:
    fields = {**COURSES["scheduled"], "name": "scheduled"}
    two = pair("sides", capsys, FAST, **fields)
    plain = two.written(two.c)
    for words in ((), ("--log", "c.jsonl"), ("--no-warnings",)):
        assert two.c("train", *TESTED, *words)[0] == 0
        # Of the training data alone: the scaling is fitted to these.
        assert two.weights.read_bytes() == plain


def test_old_log_is_kept_as_prev(capsys: Captured) -> None:
    two = pair(CLASSES, capsys, FAST)
    for seed in ("1", "2", "3"):
        assert two.c("train", *XY, "--log", "c.jsonl", "--seed", seed)[0] == 0
    seeds = [events(path)[0]["seed"] for path in ("c.jsonl", "c.jsonl.prev")]
    assert seeds == [3, 2]


REFUSED = (
    "train --log notes.txt",
    "train --log other.csv",
    "train --log x.npy",
    "train --log w --weights-out w",
    "train --log c --checkpoint c",
    "train --log no/run.jsonl",
    "train --log .",
    "train --log linked",
    "evaluate --log run.csv",
    "evaluate --log some",
    "evaluate --log other.jsonl",
    "evaluate --log notes.txt",
)


def test_what_is_no_log_is_not_written_over(capsys: Captured) -> None:
    two = pair(CLASSES, capsys, FAST)
    two.module.Network().save("some")
    pathlib.Path("notes.txt").write_text("to be kept\n")
    pathlib.Path("other.csv").write_text("a,b\n1,2\n")
    other = {"event": "start", "spec_sha256": "0" * 64}
    pathlib.Path("other.jsonl").write_text(json.dumps(other) + "\n")
    os.symlink("y.npy", "linked")
    before = {name: pathlib.Path(name).read_bytes() for name in os.listdir()}
    for line in REFUSED:
        command, *words = line.split()
        given = ("--weights-in", "some") if command == "evaluate" else ()
        assert two.lines(command, *XY, *given, *words, code=2) == [], line
    assert {n: pathlib.Path(n).read_bytes() for n in os.listdir()} == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_full_disk_ends_a_run_with_one_line(capsys: Captured) -> None:
    """The log is opened before it is found out: nothing else is written."""
    two = pair(CLASSES, capsys, FAST)
    shell = 'ulimit -f 2; exec "$0" train "$@"'
    words = [*XY, "--log", "c.jsonl", "--epochs", "99999"]
    done = subprocess.run(
        ["sh", "-c", shell, str(two.binary), *words], capture_output=True, text=True
    )
    assert done.returncode == 2
    (line,) = [x for x in done.stderr.splitlines() if not x.startswith("warning: ")]
    assert line == "error: c.jsonl: File too large"
    assert not two.weights.exists()


# ---- Resumed runs --------------------------------------------------------------------


@pytest.mark.parametrize("path", ["c.jsonl", "c.csv"])
def test_resumed_run_goes_on_in_its_log(path: str, capsys: Captured) -> None:
    two = pair(CLASSES, capsys, FAST)
    words = ("train", *TESTED, "--checkpoint", "c", "--log", path)
    assert two.c(*words, "--epochs", "2")[0] == 0
    # As if it had been killed in the third epoch, the last line half written.
    lines = pathlib.Path(path).read_text().splitlines(keepends=True)
    if path.endswith("csv"):
        later = "3" + lines[2][1:] + "4,0."
    else:
        lines = lines[:3]
        later = lines[2].replace('"epoch": 2', '"epoch": 3') + '{"event": "ep'
    pathlib.Path(path).write_text("".join(lines) + later)
    assert two.c(*words, "--resume", "c", "--epochs", "4")[0] == 0
    whole = path.replace("c.", "whole.")
    assert two.c("train", *TESTED, "--epochs", "4", "--log", whole)[0] == 0
    if path.endswith("csv"):
        rows = [pathlib.Path(p).read_text().splitlines() for p in (path, whole)]
        cells = [[row.split(",")[:-2] for row in run] for run in rows]
        assert cells[0] == cells[1]
        return
    kinds = [(e["event"], e.get("epoch")) for e in events(path)]
    epochs, again = ([("epoch", n) for n in part] for part in ((1, 2), (3, 4)))
    ends = [("evaluation", None), ("end", 4)]
    assert kinds == [("start", 0), *epochs, ("start", 2), *again, *ends]
    told, expected = (
        [e for e in events(p) if e["event"] == "epoch"] for p in (path, whole)
    )
    for a, b in zip(told, expected, strict=True):
        same(b, a, 0)


def test_each_goes_on_in_the_others_log(capsys: Captured) -> None:
    two = pair(CLASSES, capsys, FAST)
    for first, second in ((two.numpy, two.c), (two.c, two.numpy)):
        log, saved = "both.jsonl", "both"
        words = ("train", *TESTED, "--checkpoint", saved, "--log", log)
        assert first(*words, "--epochs", "1")[0] == 0
        assert second(*words, "--resume", saved, "--epochs", "3")[0] == 0
        found = [(e["event"], e.get("epoch")) for e in events(log)]
        starts = [("start", 0), ("epoch", 1), ("start", 1)]
        assert found[:5] == [*starts, ("epoch", 2), ("epoch", 3)]
        for path in pathlib.Path().glob("both*"):
            path.unlink()


def test_log_of_another_network_is_not_gone_on_with(capsys: Captured) -> None:
    two = pair(CLASSES, capsys, FAST)
    two.c("train", *XY, "--checkpoint", "c", "--epochs", "1")
    other = {"event": "start", "spec_sha256": "0" * 64}
    pathlib.Path("c.jsonl").write_text(json.dumps(other) + "\n")
    before = pathlib.Path("c.jsonl").read_bytes()
    words = ("--resume", "c", "--log", "c.jsonl", "--epochs", "2")
    code, _, err = two.c("train", *XY, *words)
    assert (code, err) == (2, "error: c.jsonl: is the log of another network\n")
    assert pathlib.Path("c.jsonl").read_bytes() == before


# ---- Warnings ------------------------------------------------------------------------


class Told:
    """What both programs say on stderr in a training, line by line."""

    def __init__(self, spec: NetworkSpec, x: Any, y: Any, capsys: Captured) -> None:
        np.save("x.npy", x)
        np.save("y.npy", y)
        # In double precision, so that both find the same numbers.
        spec = spec.model_copy(update={"dtype": "float64"})
        self.two = Pair(spec, capsys, FAST)

    def __call__(self, *words: str) -> list[str]:
        said = [run("train", *XY, *words) for run in (self.two.numpy, self.two.c)]
        (code, out, ours), (its, printed, theirs) = said
        assert (code, its) == (0, 0)
        assert theirs == ours
        assert alike(printed) == alike(out)
        return theirs.splitlines()


@pytest.mark.parametrize("kind", BAD)
def test_warnings_are_numpys(kind: str, capsys: Captured) -> None:
    spec, x, y, message = BAD[kind]
    told = Told(spec, x, y, capsys)
    for word in ("--no-warnings", "--quiet") if kind == "dead" else ():
        assert told(word) == []
    lines = told("--log", "c.jsonl")
    found = [bool(re.fullmatch(f"warning: {message}", line)) for line in lines]
    assert found.count(True) == 1
    said = [e["message"] for e in events("c.jsonl") if e["event"] == "warning"]
    assert [f"warning: {message}" for message in said] == lines


@pytest.mark.parametrize("kind", ADVISED)
def test_what_it_advises_ends_it(kind: str, capsys: Captured) -> None:
    spec, x, y = MENDED.get(kind, (GOOD, X, Y))
    if kind == "inputs":
        layers = [{"size": 4, "scaling": "standardize"}, SIGMOID, SOFTMAX]
        spec = spec_of(layers=layers, cost="log_likelihood")
    assert Told(spec, x, y, capsys)() == []


@pytest.mark.parametrize(
    "y",
    [
        np.full(200, 0.1, np.float32),
        np.full(200, 1e8, np.float32),
        np.full(200, 1 / 3, np.float32),
        np.full(200, 1 / 3),
        np.full(200, 1e16),
        np.full(200, -1e-7),
        np.full(200, 7, np.int64),
        np.full(200, 7, np.uint8),
    ],
    ids=lambda y: f"{y.dtype} {y[0]}",
)
def test_a_constant_value_is_written_as_numpy_has_it(y: Any, capsys: Captured) -> None:
    spec = BAD["values"][0]
    spec = spec.model_copy(update={"dtype": "float64"})
    np.save("x.npy", X)
    np.save("y.npy", y)
    two = Pair(spec, capsys, FAST)
    first, *_ = two.c("train", *XY, "--epochs", "0")[2].splitlines() or [""]
    assert first == two.numpy("train", *XY, "--epochs", "0")[2].rstrip()
    _, _, err = two.c("train", *XY, "--epochs", "1")
    assert err.splitlines()[0] == (
        f"warning: output 0 of y is {y[0]} in all training examples: "
        "check which column it is read from"
    )


# ---- Where a run diverged ------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "place"),
    [
        ([3, 4, IDENTITY], r"epoch \d, (step \d, )?first in layer \d"),
        (
            [
                3,
                {**IDENTITY, "size": 4, **HUGE},
                {**IDENTITY, "initializer": {"kind": "constant", "value": 1e30}},
            ],
            "epoch 1, step 1, first in layer 3",
        ),
    ],
)
def test_divergence_is_traced_to_its_layer_and_step(
    layers: list[Any], place: str, capsys: Captured
) -> None:
    hyper = {"learning_rate": 1e6, "mini_batch_size": 4, "epochs": 9}
    spec = spec_of(layers=layers, cost="quadratic", hyperparameters=hyper)
    np.save("x.npy", inputs())
    np.save("y.npy", labels("values"))
    two = Pair(spec, capsys, FAST)
    for words in ((), ("--quiet",), ("--checkpoint", "c")):
        code, _, err = two.c("train", *XY, "--log", "c.jsonl", *words)
        pathlib.Path("c").unlink(missing_ok=True)
        assert re.match(f"diverged in {place}: ", err)
        told = two.numpy("train", *XY, *words)[2]
        assert re.match(f"diverged in {place}: ", told)
        # which number overflows first depends on where the rate is multiplied in
        assert (code, err) == (1, told) or r"\d" in place
        assert "--quiet" not in words or "step" in err
        (end,) = [e for e in events("c.jsonl") if e["event"] == "end"]
        assert (end["reason"], f"{end['message']}\n") == ("diverged", err)
        pathlib.Path("c").unlink(missing_ok=True)


#: Copies of more than 1 MiB are kept in a file without a name.
WIDE = {"size": 1500, "activation": "tanh"}
STEEP = {
    "layers": [
        3,
        {**WIDE, "activation": "identity"},
        {**IDENTITY, "size": 99},
        IDENTITY,
    ],
    "cost": "quadratic",
    "dtype": "float64",
    "hyperparameters": {"learning_rate": 1e6, "mini_batch_size": 4, "epochs": 9},
}


def test_large_networks_are_looked_at_likewise(capsys: Captured) -> None:
    fields = {"layers": [3, WIDE, 99, 2], "cost": "cross_entropy", "name": "large"}
    logs(pair("sides", capsys, FAST, **fields), "train", *XY, "--epochs", "1")
    write_data("values")
    two = Pair(spec_of(**STEEP), capsys, FAST)
    assert two.lines("train", *XY, "--quiet", code=1) == []
    assert "first in layer" in two.c("train", *XY, "--quiet")[2]


def test_a_run_that_diverges_touches_nothing_but_its_own(capsys: Captured) -> None:
    write_data("values")
    hyper = {"learning_rate": 1e6, "mini_batch_size": 4, "epochs": 99}
    networks = [[3, {**IDENTITY, "size": 4, **HUGE}, IDENTITY], [3, 5, IDENTITY]]
    for layers in networks if LONG else networks[:1]:
        spec = spec_of(layers=layers, cost="quadratic", hyperparameters=hyper)
        program = compiled(text_of(spec, TARGET), SANITIZED)
        for words in ((), ("--quiet",)):
            done = run_binary(program, "train", *TESTED, *words, "--log", "c.jsonl")
            assert done.returncode == 1, done.stderr
            assert "Sanitizer" not in done.stderr


def test_without_memory_for_a_copy_the_place_is_left_out(capsys: Captured) -> None:
    """A file of its own cannot be had where there is no folder for it."""
    write_data("values")
    binary = compiled(text_of(spec_of(**STEEP), TARGET), FAST)
    preload = compiled(NO_FILE, ("-shared", "-fPIC"))
    words = (*XY, "--log", "c.jsonl")
    done = run_binary(binary, "train", *words, env={"LD_PRELOAD": str(preload)})
    assert done.returncode == 1
    assert re.match(r"diverged in epoch \d(, step \d)?: try a smaller", done.stderr)


NO_FILE = """
#include <stdio.h>
FILE *tmpfile(void) { return NULL; }
FILE *tmpfile64(void) { return NULL; }
"""


# ---- What reads the logs -------------------------------------------------------------


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_report_reads_the_log(kind: str, capsys: Captured) -> None:
    two = pair(kind, capsys, FAST)
    assert two.c("train", *TESTED, "--log", "c.jsonl")[0] == 0
    assert two.c("evaluate", *XY, "--log", "c.jsonl")[0] == 0
    run = read_log("c.jsonl")
    assert run.starts[0].target == TARGET
    assert [e.number for e in run.epochs] == [1, 2, 3]
    assert {"gradient_norms", "update_ratios"} <= set(run.epochs[0].layers)
    assert [e.data for e in run.evaluations] == ["test", "given"]
    bpcompile("report", "c.jsonl", "-o", "c.html")
    page = pathlib.Path("c.html").read_text("utf-8")
    assert "compiler" in page
    assert ("What is taken for what" in page) == (kind == "classes")


# ---- The line of progress ------------------------------------------------------------

CLOCK = """
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *now) {
    static long calls;
    (void)id;
    calls++;
    now->tv_sec = calls * 6 / 100;
    now->tv_nsec = calls * 6 % 100 * 10000000;
    return 0;
}
"""


def test_progress_of_long_epochs_on_a_terminal(capsys: Captured) -> None:
    """Time passes as the test says: a step takes 0.06 s."""
    hyper = {"mini_batch_size": 10}
    layers = [3, {"size": 3, "activation": "softmax"}]
    spec = spec_of(layers=layers, cost="log_likelihood", hyperparameters=hyper)
    np.save("x.npy", inputs(1000))
    np.save("y.npy", np.arange(1000) % 3)
    binary = compiled(text_of(spec, TARGET), FAST)
    clock = compiled(CLOCK, ("-shared", "-fPIC", "-D_XOPEN_SOURCE=700"))
    words = [str(binary), "train", *XY, "--epochs", "2", "--no-warnings"]
    env = {**os.environ, "LD_PRELOAD": str(clock)}
    written = on_terminal(words, env=env)
    shown = re.findall(r"\rEpoch (\d): step (\d+) of 100, (\d+) s left", written)
    for epoch in ("1", "2"):
        steps = [int(step) for e, step, _ in shown if e == epoch]
        assert steps[0] >= 16
        assert 35 < len(steps) <= 50
    for _, step, left in shown:
        assert int(left) == pytest.approx(0.06 * (100 - int(step)), abs=1)
    # it leaves an empty line for the epoch's
    assert re.search(r"\r +\rEpoch 2: \d+ / 1000 ", written)
    done = run_binary(binary, *words[1:], env={"LD_PRELOAD": str(clock)})
    assert "left" not in done.stdout + done.stderr
