"""`train --result F`: how a run ended, said by the programs of every language alike."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from c_program_runs import XY, Pair, pair
from modules import spec_for
from programs import Program
from support import TARGETS, module_of, text_of

from bpcompile import __version__
from bpcompile.spec import digest

#: Data held out of the training data, and an end before the last epoch.
STOPPING = {
    "learning_rate": 0.3,
    "mini_batch_size": 4,
    "epochs": 60,
    "validation_fraction": 0.4,
    "early_stopping": {"patience": 2, "monitor": "cost"},
}


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder."""
    monkeypatch.chdir(tmp_path)


def held(path: str = "r.json") -> dict[str, Any]:
    """A result, of JSON as other programs read it."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    found = json.loads(pathlib.Path(path).read_text(), parse_constant=refuse)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_result_says_what_was_run_and_how_it_ended(target: str, capsys: Any) -> None:
    run = Program("classes", capsys, module_of(spec_for("classes"), target))
    run("train", "--data", "tested.npz", "--log", "r.jsonl", "--result", "r.json")
    found = held()
    assert {name: found[name] for name in list(found)[:9]} == {
        "result": 1,
        "compiler": __version__,
        "target": target,
        "name": "classes",
        "spec_sha256": digest(spec_for("classes")),
        "seed": 0,
        "exit_code": 0,
        "reason": "finished",
        "message": "",
    }
    lines = pathlib.Path("r.jsonl").read_text().splitlines()
    epochs = [e for e in map(json.loads, lines) if e["event"] == "epoch"]
    for record in (found["saved"], found["last"]):
        assert record.items() <= epochs[-1].items()
    assert found["seconds"] == pytest.approx(sum(e["seconds"] for e in epochs))
    for name, best in found["best"].items():
        # Of equals the first: so min and max choose too.
        choose = min if name.endswith("cost") else max
        epoch = choose(epochs, key=lambda e, name=name: e[name])
        assert best == {"epoch": epoch["epoch"], "value": epoch[name]}
    assert list(found["best"]) == ["test_accuracy", "test_cost"]


def test_early_stopping_saves_an_epoch_that_is_not_the_last(run: Program) -> None:
    run.module = module_of(spec_for("classes", hyperparameters=STOPPING))
    run("train", "--data", "data.npz", "--result", "r.json")
    found = held()
    assert found["reason"] == "stopped"
    assert found["message"] == "no better validation_cost in 2 epochs"
    assert found["last"]["epoch"] == found["saved"]["epoch"] + 2
    best = found["best"]["validation_cost"]
    assert best["epoch"] == found["saved"]["epoch"]
    assert best["value"] == found["saved"]["validation_cost"]


def test_result_of_a_divergence_holds_its_message(run: Program) -> None:
    hyper = {"learning_rate": 1e5, "mini_batch_size": 4}
    run.module = module_of(spec_for("values", hyperparameters=hyper))
    run.weights = pathlib.Path("values.safetensors")
    run("train", "--x", "x.npy", "--y", "y.npy", "--result", "r.json", code=2)
    assert not pathlib.Path("r.json").exists()
    Program("values", run.capsys)  # writes its data
    run("train", "--data", "data.npz", "--result", "r.json", code=1)
    found = held()
    assert (found["exit_code"], found["reason"]) == (1, "diverged")
    assert f"{found['message']}\n" == run.error
    assert found["saved"] is None


def test_resumed_run_tells_of_its_epochs_before(run: Program) -> None:
    words = ("--data", "data.npz", "--checkpoint", "c", "--result", "r.json")
    run("train", *words, "--epochs", "2")
    first = held()["last"]
    run("train", *words, "--epochs", "4", "--resume", "c")
    found = held()
    assert (first["epoch"], found["last"]["epoch"]) == (2, 4)
    assert found["seconds"] > first["seconds"]
    # A run that is complete has one as well.
    pathlib.Path("r.json").unlink()
    run("train", *words, "--epochs", "4", "--resume", "c")
    assert held() == found


def test_quiet_run_has_measured_nothing(run: Program) -> None:
    run("train", "--data", "data.npz", "--quiet", "--result", "r.json")
    found = held()
    assert found["saved"].keys() == {"epoch", "seconds"}
    assert found["best"] == {}


def test_interrupted_run_says_so(run: Program) -> None:
    hyper = {"mini_batch_size": 1, "epochs": 10**6}
    text = text_of(spec_for("classes", hyperparameters=hyper))
    pathlib.Path("long.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "long.py", "train", "--data", "data.npz"]
    done = subprocess.Popen(
        [*command, "--result", "r.json", "--checkpoint", "c"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert done.stdout
    for _ in range(3):
        done.stdout.readline()
    done.send_signal(signal.SIGTERM)
    _, said = done.communicate(timeout=60)
    assert done.returncode == 143
    found = held()
    assert (found["exit_code"], found["reason"]) == (143, "interrupted")
    assert f"{found['message']}\n".encode() == said
    assert found["saved"] is None
    assert found["last"]["epoch"] >= 2


@pytest.mark.parametrize(
    "path, reason",
    [
        ("notes.txt", "exists and is no result; name another"),
        ("data.npz", "is named for something else as well"),
        ("classes.safetensors", "is named for something else as well"),
        ("none/r.json", "there is no folder"),
    ],
)
def test_nothing_but_a_result_is_written_over(
    run: Program, path: str, reason: str
) -> None:
    pathlib.Path("notes.txt").write_text("mine")
    before = {p.name: p.read_bytes() for p in pathlib.Path().iterdir()}
    run("train", "--data", "data.npz", "--result", path, code=2)
    assert reason in run.error
    assert {p.name: p.read_bytes() for p in pathlib.Path().iterdir()} == before
    run("train", "--data", "data.npz", "--result", "r.json")
    first = os.stat("r.json").st_ino
    time.sleep(0.01)
    run("train", "--data", "data.npz", "--result", "r.json")
    assert os.stat("r.json").st_ino != first
    assert not pathlib.Path("r.json.prev").exists()


# ---- C -----------------------------------------------------------------------------


def both(programs: Pair, *words: str, code: int = 0) -> None:
    """Run both; their results must agree, times and rounding apart: 1e-10 as the
    contract has it for another language."""
    ours = programs.numpy(*words, "--result", "n.json")
    theirs = programs.c(*words, "--result", "c.json")
    assert (ours[0], theirs[0]) == (code, code), (ours, theirs)
    n, c = held("n.json"), held("c.json")
    assert list(n) == list(c)
    assert (n.pop("target"), c.pop("target")) == ("numpy", "c")
    for found in (n, c):
        assert found.pop("seconds") >= 0
        for record in (found["saved"], found["last"]):
            if record:
                assert record.pop("seconds") >= 0
    for name in ("saved", "last"):
        one, other = n.pop(name) or {}, c.pop(name) or {}
        assert one.pop("stopped", "") == other.pop("stopped", "")
        assert other == pytest.approx(one, rel=1e-10)
    ours_best, theirs_best = n.pop("best"), c.pop("best")
    assert list(ours_best) == list(theirs_best)
    for name, best in ours_best.items():
        assert theirs_best[name] == pytest.approx(best, rel=1e-10)
    if code:
        # At which operation numbers overflow is a matter of rounding.
        assert n.pop("message").startswith("diverged in epoch ")
        assert c.pop("message").startswith("diverged in epoch ")
    assert c == n


def test_c_says_the_same(capsys: Any) -> None:
    programs = pair("classes", capsys, hyperparameters=STOPPING)
    both(programs, "train", *XY, "--no-warnings")
    both(programs, "train", *XY, "--quiet")
    both(programs, "train", *XY, "--epochs", "1", "--seed", "3", "--no-warnings")
    pathlib.Path("mine.json").write_text("{}")
    for program in (programs.numpy, programs.c):
        code, _, said = program("train", *XY, "--result", "mine.json")
        assert code == 2
        assert said == "error: mine.json: exists and is no result; name another\n"


def test_c_says_the_same_of_a_divergence(capsys: Any) -> None:
    hyper = {"learning_rate": 1e5, "mini_batch_size": 4, "epochs": 60}
    programs = pair("values", capsys, hyperparameters=hyper)
    both(programs, "train", *XY, "--no-warnings", code=1)
