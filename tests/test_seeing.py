"""What a run shows of itself: progress, logs, evaluations, where it diverged."""

from __future__ import annotations

import csv
import json
import os
import pathlib
import pty
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from modules import CLASSIFIERS, N, inputs, labels, spec_for
from programs import Program
from support import TARGETS, module_of, spec_of, text_of

from bpcompile.spec import digest

CLASSES = "classes"
SOFTMAX = {"size": 3, "activation": "softmax"}
LOG = "run.jsonl"


def events(path: str = LOG) -> list[dict[str, Any]]:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    lines = pathlib.Path(path).read_text().splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def named(event: str, path: str = LOG) -> list[dict[str, Any]]:
    return [found for found in events(path) if found["event"] == event]


# ---- Logs ----------------------------------------------------------------------------


def test_log_holds_the_run(each: Program) -> None:
    module, kind = each.module, each.weights.stem
    lines = each("train", "--data", "tested.npz", "--log", LOG)
    start, *rest = events()
    assert start["event"] == "start"
    assert start["spec"] == module.spec()
    assert start["spec_sha256"] == digest(spec_for(kind))
    assert start["examples"] == {"train": N, "validation": None, "test": 9}
    assert (start["format"], start["seed"], start["epoch"]) == (1, 0, 0)
    assert start["environment"]["numpy"] == np.__version__
    kinds = [event["event"] for event in rest if event["event"] != "warning"]
    assert kinds == ["epoch"] * 3 + ["evaluation", "end"]
    assert rest[-1] == {"event": "end", "epoch": 3, "reason": "finished", "message": ""}
    net = module.Network.load(each.weights)
    x, y = inputs(9, 5), labels(kind, 9, 6)
    last = named("epoch")[-1]
    assert last["test_cost"] == pytest.approx(net.cost(x, y), rel=1e-12)
    assert last["cost"] == pytest.approx(net.cost(inputs(), labels(kind)), rel=1e-12)
    norms = [
        np.linalg.norm(net.backprop(inputs(), labels(kind))[f"b{i}"]) for i in (2, 3)
    ]
    assert last["gradient_norms"] == pytest.approx(norms, rel=1e-12)
    assert last["sampled"] == N
    assert len(lines) == 4


def test_update_ratio_is_that_of_the_last_step(run: Program) -> None:
    """Six examples in mini-batches of four: the second step of each epoch."""
    run("train", "--data", "data.npz", "--log", LOG, "--epochs", "2")
    net, x, y = run.module.Network(), inputs(), labels(CLASSES)
    for epoch, event in enumerate(named("epoch")):
        words = run.module.words(N, 0, run.module.SHUFFLE, epoch)
        order = np.argsort(words, kind="stable")
        net.update_mini_batch(x[order[:4]], y[order[:4]], N)
        before = {name: p.copy() for name, p in net.parameters.items()}
        net.update_mini_batch(x[order[4:]], y[order[4:]], N)
        ratios = [
            np.linalg.norm(net.parameters[w] - before[w]) / np.linalg.norm(before[w])
            for w in ("w2", "w3")
        ]
        assert event["update_ratios"] == pytest.approx(ratios, rel=1e-9)


def test_csv_log_has_a_row_for_each_epoch(each: Program) -> None:
    each("train", "--data", "tested.npz", "--log", "run.csv")
    each("train", "--data", "tested.npz", "--log", LOG)
    with open("run.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for row, event in zip(rows, named("epoch"), strict=True):
        times = ("seconds", "examples_per_second")
        same = {k: v for k, v in row.items() if k not in times}
        assert same == {name: repr(event[name]) for name in same}


def test_quiet_log_evaluates_nothing(
    run: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("evaluated")

    for name in ("_cost", "_accuracy", "_output", "_weighted_output", "_values"):
        monkeypatch.setattr(run.module.Network, name, refuse)
    assert run("train", "--data", "tested.npz", "--quiet", "--log", LOG) == []
    epoch, *_ = named("epoch")
    assert set(epoch) == {"event", "epoch", "seconds", "examples_per_second"}


def test_log_changes_no_bit_of_the_weights(run: Program) -> None:
    run("train", "--data", "tested.npz", "--quiet")
    plain = run.weights.read_bytes()
    for words in (("--log", LOG), ("--no-warnings",)):
        run("train", "--data", "tested.npz", *words)
        assert run.weights.read_bytes() == plain


def test_old_log_is_kept_as_prev(run: Program) -> None:
    for seed in ("1", "2"):
        run("train", "--data", "data.npz", "--log", LOG, "--seed", seed)
    assert [events(p)[0]["seed"] for p in (LOG, f"{LOG}.prev")] == [2, 1]
    assert len(named("start")) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--log", "notes.txt"], "notes.txt: exists and is no log of this kind; name"),
        (["--log", "other.csv"], "other.csv: exists and is no log of this kind; name"),
        (["--log", "data.npz"], "data.npz: is named for something else as well"),
        (["--log", "w", "--weights-out", "w"], "w: is named for something else as"),
        (["--log", "c", "--checkpoint", "c"], "c: is named for something else as"),
        (["--log", "no/run.jsonl"], "no/run.jsonl: there is no folder"),
        (["--log", "."], ".: is a folder"),
    ],
)
def test_what_is_no_log_is_not_written_over(
    words: list[str], message: str, run: Program
) -> None:
    pathlib.Path("notes.txt").write_text("to be kept\n")
    pathlib.Path("other.csv").write_text("a,b\n1,2\n")
    before = {name: pathlib.Path(name).read_bytes() for name in os.listdir()}
    run("train", "--data", "data.npz", *words, code=2)
    assert message in run.error
    assert {n: pathlib.Path(n).read_bytes() for n in os.listdir()} == before


def test_resumed_run_goes_on_in_its_log(run: Program) -> None:
    words = ("train", "--data", "tested.npz", "--checkpoint", "c", "--log", LOG)
    run(*words, "--epochs", "2")
    # As if it had been killed in the third epoch, the last line half written.
    lines = pathlib.Path(LOG).read_text().splitlines(keepends=True)
    later = lines[2].replace('"epoch": 2', '"epoch": 3')
    pathlib.Path(LOG).write_text("".join([*lines[:3], later, '{"event": "ep']))
    run(*words, "--resume", "c", "--epochs", "4")
    kinds = [(e["event"], e.get("epoch")) for e in events()]
    epochs = [("epoch", n) for n in (1, 2)]
    again = [("epoch", n) for n in (3, 4)]
    ends = [("evaluation", None), ("end", 4)]
    assert kinds == [("start", 0), *epochs, ("start", 2), *again, *ends]
    other = Program(CLASSES, run.capsys, run.module)
    other("train", "--data", "tested.npz", "--log", "whole.jsonl", "--epochs", "4")
    times = ("seconds", "examples_per_second")
    for a, b in zip(named("epoch"), named("epoch", "whole.jsonl"), strict=True):
        assert {**a, **dict.fromkeys(times)} == {**b, **dict.fromkeys(times)}


def test_resumed_csv_log_drops_later_rows(run: Program) -> None:
    words = ("train", "--data", "tested.npz", "--checkpoint", "c", "--log", "run.csv")
    run(*words, "--epochs", "2")
    with open("run.csv", "a") as f:
        f.write("3,0.1,0.2\n4,0.")
    run(*words, "--resume", "c", "--epochs", "3")
    rows = pathlib.Path("run.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2", "3"]


def test_log_of_another_network_is_not_gone_on_with(run: Program) -> None:
    run("train", "--data", "data.npz", "--checkpoint", "c", "--epochs", "1")
    other = Program("sides", run.capsys)
    other("train", "--data", "data.npz", "--log", LOG)
    before = pathlib.Path(LOG).read_bytes()
    Program(CLASSES, run.capsys)
    words = ("--data", "data.npz", "--resume", "c", "--log", LOG, "--epochs", "2")
    run("train", *words, code=2)
    assert f"{LOG}: is the log of another network" in run.error
    run("train", "--data", "data.npz", "--quiet")
    run("evaluate", "--data", "data.npz", "--log", LOG, code=2)
    assert f"{LOG}: is the log of another network" in run.error
    assert pathlib.Path(LOG).read_bytes() == before


def test_log_says_how_a_run_ended(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    hyper = {"learning_rate": 1e6, "mini_batch_size": 4, "epochs": 99}
    module = module_of(spec_for("values", hyperparameters=hyper))
    program = Program("values", capsys, module)
    program("train", "--data", "data.npz", "--log", LOG, code=1)
    (end,) = named("end")
    assert end["reason"] == "diverged"
    assert f"{end['message']}\n" == program.error
    stopping = {"early_stopping": {"patience": 1}, "learning_rate": 1e-9}
    module = module_of(spec_for(CLASSES, hyperparameters=stopping))
    program = Program(CLASSES, capsys, module)
    program("train", "--data", "tested.npz", "--log", LOG)
    (end,) = named("end")
    assert end["reason"] == "stopped"
    assert end["message"] == "no better test_accuracy in 1 epochs"


# ---- evaluate ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_confusion_and_shares_of_each_class(
    kind: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    monkeypatch.chdir(tmp_path)
    program = Program(kind, capsys)
    x, y = inputs(60, 5), labels(kind, 60, 6)
    np.savez("many.npz", x=x, y=y)
    program("train", "--data", "data.npz", "--quiet")
    lines = program("evaluate", "--data", "many.npz", "--log", LOG)
    net = program.module.Network.load(program.weights)
    classes, found = np.unique([0, 1, *y] if kind != "one_tanh" else y), net.predict(x)
    expected = metrics.confusion_matrix(y, found, labels=classes).tolist()
    (event,) = named("evaluation")
    assert event["confusion"] == expected
    assert event["accuracy"] == pytest.approx(net.accuracy(x, y))
    k = len(classes)
    rows = [[int(cell) for cell in line.split()] for line in lines[4 : 4 + k]]
    assert rows == [
        [int(c), *cells] for c, cells in zip(classes, expected, strict=True)
    ]
    options = {"labels": classes, "zero_division": np.nan}
    precision, recall, _, count = metrics.precision_recall_fscore_support(
        y, found, **options
    )
    assert lines[5 + k].split() == ["class", "precision", "recall", "count"]
    for i, line in enumerate(lines[6 + k :]):
        label, *numbers = line.split()
        assert int(label) == classes[i]
        wanted = [f"{precision[i]:.4f}", f"{recall[i]:.4f}", str(count[i])]
        assert numbers == wanted
    wrong = {row["row"] for row in event["worst"]}
    assert wrong <= set(np.flatnonzero(found != y).tolist())
    costs = [row["cost"] for row in event["worst"]]
    assert costs == sorted(costs, reverse=True)
    first = event["worst"][0]
    assert first["cost"] == pytest.approx(
        net.cost(x[first["row"]][None], y[first["row"]][None])
    )


def test_many_classes_are_told_by_their_mistakes(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    layers = [3, {"size": 50, "activation": "softmax"}]
    module = module_of(spec_of(layers=layers, cost="log_likelihood"))
    rng = np.random.default_rng(0)
    np.savez("data.npz", x=rng.normal(size=(900, 3)), y=rng.integers(0, 50, 900))
    assert module.main(["train", "--data", "data.npz", "--epochs", "1", "--quiet"]) == 0
    assert module.main(["evaluate", "--data", "data.npz"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "most frequent mistakes"
    assert re.fullmatch(r"\d+ taken for \d+: \d+ of \d+", lines[3])
    assert len(lines) < 50
    counts = [int(line.split()[-3]) for line in lines[3:23]]
    assert counts == sorted(counts, reverse=True)


def test_outputs_of_a_regression_by_themselves(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    program = Program("values", capsys)
    program("train", "--data", "data.npz", "--quiet")
    lines = program("evaluate", "--data", "data.npz", "--log", LOG)
    net, y = program.module.Network.load(program.weights), labels("values")
    apart = net.predict(inputs()) - y
    r2 = 1 - (apart**2).sum(axis=0) / ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    assert lines[2].split() == ["output", "R2", "mean", "absolute", "error"]
    for j, line in enumerate(lines[3:]):
        error = np.abs(apart[:, j]).mean()
        assert line.split() == [str(j), f"{r2[j]:.4g}", f"{error:.4g}"]
    (event,) = named("evaluation")
    assert event["r2"] == pytest.approx(r2.tolist())


def test_evaluate_adds_to_a_log(run: Program) -> None:
    run("train", "--data", "data.npz", "--log", LOG)
    run("evaluate", "--data", "tested.npz", "--log", LOG)
    assert [e["data"] for e in named("evaluation")] == ["training", "given"]
    assert run("evaluate", "--data", "tested.npz", "--log", "run.csv", code=2) == []
    assert "a .csv log holds epochs alone" in run.error


# ---- Where a run diverged ------------------------------------------------------------

HUGE = {"bias_initializer": {"kind": "constant", "value": 1e30}}
IDENTITY = {"size": 2, "activation": "identity"}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("layers", "place"),
    [
        # The learning rate is too large.
        ([3, 4, IDENTITY], None),
        # 1e30 in layer 2 and again 1e30 in w3: their product overflows in layer 3.
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
    layers: list[Any],
    place: str | None,
    target: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    monkeypatch.chdir(tmp_path)
    hyper = {"learning_rate": 1e6, "mini_batch_size": 4, "epochs": 9}
    spec = spec_of(layers=layers, cost="quadratic", hyperparameters=hyper)
    module = module_of(spec, target)
    np.savez("data.npz", x=inputs(), y=labels("values"))
    words = ["--data", "data.npz", "--quiet"]
    assert module.main(["train", *words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    found = re.match(r"diverged in (epoch (\d), step (\d), first in layer \d): ", line)
    assert found, line
    assert place in (None, found[1])
    # All is finite up to the step before, and nothing after it.
    net, x, y = module.Network(), inputs(), labels("values")
    with np.errstate(all="ignore"):
        for epoch in range(int(found[2])):
            order = np.argsort(module.words(N, 0, module.SHUFFLE, epoch), kind="stable")
            for step, k in enumerate(range(0, N, 4), start=1):
                rows = order[k : k + 4]
                net.update_mini_batch(x[rows], y[rows], N)
                finite = all(np.isfinite(p).all() for p in net.parameters.values())
                if (epoch + 1, step) == (int(found[2]), int(found[3])):
                    assert not finite
                    return
                assert finite


# ---- The line of progress ------------------------------------------------------------


def on_terminal(command: list[str], **options: Any) -> str:
    """What a program writes to a terminal."""
    leader, follower = pty.openpty()
    streams = {"stdout": follower, "stderr": follower, "stdin": follower}
    with subprocess.Popen(command, **streams, **options) as process:
        os.close(follower)
        written = b""
        while True:
            try:
                part = os.read(leader, 1 << 16)
            except OSError:  # the other end is closed
                break
            written += part
            if not part:
                break
        assert process.wait(60) == 0, written
    os.close(leader)
    return written.decode().replace("\r\n", "\n")


# Time passes as the test says: a step takes 0.06 s, the third epoch's as good as none.
RUN = """
import sys, time
sys.argv = ["model.py"]
text = open("model.py").read()
clock = [0.0]
time.perf_counter = lambda: clock[0]
names = {"__name__": "model"}
sys.modules["model"] = type(sys)("model")
exec(compile(text, "model.py", "exec"), sys.modules["model"].__dict__)
module = sys.modules["model"]
real = module.Network._update
def update(self, *rest):
    clock[0] += 0.06 if self.epoch < 2 else 0.001
    real(self, *rest)
module.Network._update = update
words = ["train", "--data", "data.npz", "--epochs", "3", "--no-warnings"]
sys.exit(module.main(words))
"""


@pytest.mark.parametrize("target", TARGETS)
def test_progress_of_long_epochs_on_a_terminal(
    target: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hyper = {"mini_batch_size": 10}
    spec = spec_of(layers=[3, SOFTMAX], cost="log_likelihood", hyperparameters=hyper)
    pathlib.Path("model.py").write_text(text_of(spec, target), "utf-8")
    np.savez("data.npz", x=inputs(1000), y=np.arange(1000) % 3)
    written = on_terminal([sys.executable, "-c", RUN])
    shown = re.findall(r"\rEpoch (\d): step (\d+) of 100, (\d+) s left", written)
    # 6 s an epoch: nothing in the first second, then no more than ten a second.
    for epoch in ("1", "2"):
        steps = [int(step) for e, step, _ in shown if e == epoch]
        assert steps[0] >= 16
        assert 35 < len(steps) <= 50
    assert {e for e, _, _ in shown} == {"1", "2"}
    step, left = next((int(s), int(t)) for _, s, t in shown)
    assert left == pytest.approx(0.06 * (100 - step), abs=1)
    # Every line that stays begins on an empty one.
    lines = [line.split("\r")[-1] for line in written.split("\n")[:-1]]
    assert [line[:8] for line in lines] == [*(f"Epoch {n}:" for n in "123"), "saved ne"]
    for line in written.split("\n"):
        assert re.fullmatch(r" *", line.split("\r")[-2]) if "\r" in line else True


def test_no_progress_in_a_pipe(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hyper = {"mini_batch_size": 10}
    spec = spec_of(layers=[3, SOFTMAX], cost="log_likelihood", hyperparameters=hyper)
    pathlib.Path("model.py").write_text(text_of(spec), "utf-8")
    np.savez("data.npz", x=inputs(1000), y=np.arange(1000) % 3)
    done = subprocess.run([sys.executable, "-c", RUN], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\r" not in done.stdout


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (59.5, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_time_left_in_words(seconds: float, words: str) -> None:
    assert module_of(spec_for(CLASSES)).in_time(seconds) == words
