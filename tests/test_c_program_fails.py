"""A generated C program that is stopped, refused or wrong says so as NumPy's does."""

from __future__ import annotations

import os
import pathlib
import signal
from typing import Any

import numpy as np
import pytest
from c_program_runs import XY, Pair, pair, started
from modules import inputs, labels

CLASSES = "classes"


@pytest.fixture
def both(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Pair:
    monkeypatch.chdir(tmp_path)
    return pair(CLASSES, capsys)


# ---- What the user can mend --------------------------------------------------------

WEIGHTS = f"{CLASSES}.safetensors"
LINES = [
    "",
    "fly",
    "--nothing train",
    "train --x",
    "train --x --y",
    "train --ex x.npy",
    "train x.npy y.npy",
    "train -- x.npy",
    "train --epochs -1",
    "train --epochs 1.5",
    "train --epochs ³",
    "train --seed 9007199254740992",
    "train --quiet=yes",
    "train --x none.npy --y y.npy",
    "train --x . --y y.npy",
    "train --x narrow.npy --y y.npy",
    "train --x x.npy --y y5.npy",
    "train --x nan.npy --y y.npy",
    "train --x x.npy --y nine.npy",
    "train --x x.npy --y y.npy --test-x x.npy",
    "train --x x.npy --y y.npy --test-x x.npy --test-y nine.npy",
    "train --x x.npy --y y.npy --weights-in none",
    "train --x x.npy --y y.npy --weights-out no/w",
    "train --x x.npy --y y.npy --weights-out .",
    "train --x x.npy --y y.npy --weights-out x.npy",
    "train --x x.npy --y y.npy --weights-out linked",
    "train --x x.npy --y y.npy --weights-out notes.txt",
    "evaluate --x x.npy --y y.npy",
    "evaluate --x narrow.npy --y y.npy --weights-in some",
    "evaluate --x x.npy --y y.npy --weights-in notes.txt",
    "predict --x x.npy",
    "predict --x nan.npy -o p.npy --weights-in some",
    "predict --x x.npy -o notes.txt",
    "predict --x x.npy -o x.npy",
    "gradcheck --weights-in none",
    "gradcheck --x narrow.npy --y y.npy",
    "info x",
    "info --quiet",
    "train",
    "evaluate --x x.npy",
    "evaluate --x x.npy --weights-in some",
    "predict -o p.npy --weights-in some",
    "train --data none.npz",
    "train --data x.npy",
    "train --data d.npz --x x.npy",
    "train --data d.npz --test d.npz --test-x x.npy",
    "train --x d.npz --y y.npy",
    "train --x d.csv --y y.npy",
    "train --data d.npz --target y",
    "train --x x.npy --y y.npy --target y",
    "train --data d.csv",
    "train --data notes.txt",
    "train --data d.npz --weights-out d.npz",
    "train --data d.npz --checkpoint d.npz",
    "train --data d.npz --test-fraction 0",
    "train --data d.npz --test-fraction 1.0",
    "train --data d.npz --test-fraction nan",
    "train --data d.npz --test-fraction 0x1p-1",
    "train --data d.npz --test d.npz --test-fraction 0.5",
    "train --x x1.npy --y y1.npy --test-fraction 0.5",
    "evaluate --data other.npz --weights-in some",
    "predict --data other.npz -o p.npy --weights-in some",
    "predict --data d.csv -o d.csv --weights-in some",
    "predict --data d.csv -o mine.csv --weights-in some",
]


@pytest.fixture
def bad_files(both: Pair) -> Pair:
    x, y = inputs(), labels(CLASSES)
    both.module.Network().save("some")
    np.save("narrow.npy", x[:, :2])
    np.save("y5.npy", y[:5])
    x[4, 1], y[2] = np.nan, 9
    np.save("nan.npy", x)
    np.save("nine.npy", y)
    np.save("x1.npy", inputs(1))
    np.save("y1.npy", labels(CLASSES, 1))
    np.savez("d.npz", x=inputs(), y=labels(CLASSES))
    np.savez("other.npz", x_train=inputs()[:, :2], z=x)
    for name in ("d.csv", "mine.csv"):
        pathlib.Path(name).write_text("a,b,c,d\n1,2,3,0\n")
    pathlib.Path("notes.txt").write_text("to be kept\n")
    os.symlink("x.npy", "linked")
    return both


def stamps() -> dict[str, int]:
    return {name: os.stat(name).st_mtime_ns for name in os.listdir()}


@pytest.mark.parametrize("words", LINES)
def test_wrong_command_lines_get_numpys_answers(words: str, bad_files: Pair) -> None:
    before = stamps()
    assert bad_files.lines(*words.split(), code=2) == []
    assert stamps() == before


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "gradcheck"])
def test_help_is_numpys(command: str, both: Pair) -> None:
    code, out, err = both.c(command, "--help")
    assert (code, err) == (0, "")
    with pytest.raises(SystemExit):
        both.module.main([command, "--help"])
    ours = both.capsys.readouterr().out
    options, expected = (
        [line.split("  ")[1] for line in text.splitlines() if " -" in line[:3]]
        for text in (out, ours)
    )
    assert options == expected
    assert all(len(line) < 80 for line in out.splitlines())
    assert both.c(command, "--x", "x.npy", "-h", "--nothing")[1] == out


def test_a_run_that_diverges_saves_nothing(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    for eta, lmbda in ((1e6, 1e-6), (0.5, 1e5)):
        penalty = {"regularization": {"l2": lmbda}}
        hyper = {"learning_rate": eta, "mini_batch_size": 4, "epochs": 99, **penalty}
        two = pair("values", capsys, hyperparameters=hyper)
        two.lines("train", *XY, code=1)
        two.lines("train", *XY, "--quiet", code=1)
        assert not two.weights.exists()


def test_a_cost_that_is_not_finite(both: Pair) -> None:
    net = both.module.Network()
    for p in net.parameters.values():
        p[...] = 1e308
    net.save(both.weights)
    code, out, err = both.c("evaluate", *XY)
    assert (code, err) == (1, "")
    assert out in ("cost inf  on x.npy, y.npy\n", "cost nan  on x.npy, y.npy\n")
    both.lines("predict", "--x", "x.npy", "-o", "p.npy", code=2)
    assert not pathlib.Path("p.npy").exists()


# ---- Ends of a process -------------------------------------------------------------

LONG = ("train", *XY, "--epochs", "100000000")


@pytest.mark.parametrize(
    ("number", "message"),
    [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")],
)
def test_a_signal_saves_nothing(number: int, message: str, both: Pair) -> None:
    process = started(both.binary, *LONG)
    assert process.stdout.readline().startswith("Epoch 1: ")
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert err == f"{message}; nothing was saved\n"
    assert process.returncode == 128 + number
    assert not both.weights.exists()


def test_a_closed_pipe_ends_quietly(both: Pair) -> None:
    process = started(both.binary, *LONG)
    assert process.stdout.readline().startswith("Epoch 1: ")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(30) == 141
    process.stderr.close()
    assert not both.weights.exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_device_is_an_error(both: Pair) -> None:
    for words in (("info",), LONG, ("--help",)):
        with open("/dev/full", "w") as full:
            process = started(both.binary, *words, stdout=full)
            _, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (2, "error: No space left on device\n")
    assert not both.weights.exists()


def test_closed_streams_get_nobodys_text(both: Pair) -> None:
    """A file that is opened would else have the number of stdout."""
    shell = ["sh", "-c", '"$0" train "$@" >&-', str(both.binary), *XY]
    process = started(pathlib.Path(shell[0]), *shell[1:])
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (2, "error: stdout is closed\n")
    shell[2] = '"$0" train "$@" 2>&- <&-'
    process = started(pathlib.Path(shell[0]), *shell[1:])
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out.endswith(f"saved {WEIGHTS}\n")
    both.lines("evaluate", *XY)
