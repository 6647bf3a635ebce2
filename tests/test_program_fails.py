"""A generated program that is stopped, refused or wrong says so, in one line."""

from __future__ import annotations

import gzip
import os
import pathlib
import signal
import struct
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from modules import inputs, labels, spec_for
from oracle import imported
from programs import Program
from support import SPECS, TARGETS, module_of, spec_of, text_of

from bpcompile import load_spec

CLASSES = "classes"


# ---- What the user can mend --------------------------------------------------------


WEIGHTS = "classes.safetensors"
LINES: list[tuple[str, str]] = [
    ("", "the following arguments are required: command"),
    ("fly", "argument command: invalid choice: 'fly'"),
    ("train", "give --data F, or --x F and --y F"),
    ("train --data", "argument --data: expected one argument"),
    ("train --dat data.npz", "unrecognized arguments: --dat data.npz"),
    ("train --data data.npz --epochs -1", "must be a whole number >= 0 and < 2^53"),
    ("train --data data.npz --epochs 1.5", "must be a whole number >= 0 and < 2^53"),
    ("train --data data.npz --epochs ³", "must be a whole number >= 0 and < 2^53"),
    ("train --data data.npz --seed 9007199254740992", "must be a whole number >= 0"),
    ("train --data none.npz", "none.npz: No such file or directory"),
    ("train --data .", ".: is a folder, not a file"),
    ("train --data x.npy", "x.npy: is no .npz"),
    ("train --data narrow.npz", "x has shape (6, 2), expected (n, 3)"),
    ("train --data short.npz", "y has shape (5,), expected labels (6,)"),
    ("train --data nan.npz", "nan.npz: x is nan at row 4, column 1, not finite"),
    ("train --data nine.npz", "nine.npz: y is 9 at row 2, expected a whole number"),
    ("train --data trained.npz", "trained.npz: x_train is nan at row 4, column 1"),
    ("train --data tests.npz", "tests.npz: y_test is 9 at row 2, expected a whole"),
    ("train --data data.npz --test nine.npz", "nine.npz: y is 9 at row 2, expected"),
    ("train --x x.npy --y y9.npy", "y9.npy: y is 9 at row 2, expected a whole number"),
    ("train --x xnan.npy --y y.npy", "xnan.npy: x is nan at row 4, column 1"),
    (
        "train --data data.npz --test-x x.npy --test-y y9.npy",
        "y9.npy: y_test is 9 at row 2",
    ),
    ("train --data names.npz", "names.npz: has arrays [a, b], needs x_train, y_train"),
    ("train --data data.npz --test narrow.npz", "narrow.npz: x has shape (6, 2)"),
    ("train --data data.npz --weights-in none", "none: no such file; train first"),
    ("train --data data.npz --weights-out no/w", "no/w: there is no folder"),
    ("train --data data.npz --weights-out .", ".: is a folder"),
    ("train --data data.npz --weights-out data.npz", "is an input as well, and would"),
    ("train --data data.npz --weights-out linked", "is an input as well, and would be"),
    ("evaluate --data data.npz", f"{WEIGHTS}: no such file; train first"),
    (
        "evaluate --data narrow.npz --weights-in first",
        "narrow.npz: x has shape (6, 2), expected (n, 3)",
    ),
    (
        "predict --data nan.npz --weights-in first -o p",
        "nan.npz: x is nan at row 4, column 1",
    ),
    ("predict --data data.npz -o iris.py", "iris.py: exists and is no .npy file; name"),
    ("predict --data data.npz -o nan.npz", "nan.npz: exists and is no .npy file"),
    (
        "train --data data.npz --weights-out iris.py",
        "iris.py: exists and is no weights",
    ),
    ("train --data data.npz --weights-out x.npy", "x.npy: exists and is no weights"),
    ("gradcheck --weights-in none", "none: no such file; train first"),
    ("predict --data data.npz", "the following arguments are required: -o"),
    ("predict --data data.npz -o data.npz", "is an input as well, and would be lost"),
    ("predict --x x.npy -o x.npy", "x.npy: is an input as well, and would be lost"),
    ("gradcheck --data narrow.npz", "x has shape (6, 2), expected (n, 3)"),
    ("info --data data.npz", "unrecognized arguments: --data data.npz"),
]


@pytest.mark.parametrize(("words", "message"), LINES, ids=[w for w, _ in LINES])
def test_wrong_command_lines(words: str, message: str, run: Program) -> None:
    x, y = inputs(), labels(CLASSES)
    run.module.Network().save("first")
    np.savez("narrow.npz", x=x[:, :2], y=y)
    np.savez("short.npz", x=x, y=y[:5])
    np.savez("names.npz", a=x, b=y)
    x[4, 1], y[2] = np.nan, 9
    np.savez("nan.npz", x=x, y=labels(CLASSES))
    np.savez("nine.npz", x=inputs(), y=y)
    np.savez("trained.npz", x_train=x, y_train=labels(CLASSES))
    good, right = inputs(), labels(CLASSES)
    np.savez("tests.npz", x_train=good, y_train=right, x_test=good, y_test=y)
    np.save("xnan.npy", x)
    np.save("y9.npy", y)
    pathlib.Path("iris.py").write_text("import numpy as np\n")
    os.symlink("data.npz", "linked")
    before = {name: os.stat(name).st_mtime_ns for name in os.listdir()}
    assert run(*words.split(), code=2) == []
    assert run.error.startswith("error: ")
    assert message in run.error
    assert {name: os.stat(name).st_mtime_ns for name in os.listdir()} == before


def test_an_output_is_tried_before_the_work(run: Program, monkeypatch: Any) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("trained")

    monkeypatch.setattr(run.module.Network, "_epochs", refuse)
    run("train", "--data", "data.npz", "--weights-out", "no/w", code=2)


def test_too_little_memory_is_said(run: Program, monkeypatch: Any) -> None:
    def refuse(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(run.module.Network, "_epochs", refuse)
    run("train", "--data", "data.npz", code=2)
    assert run.error == "error: there is not enough memory\n"


# ---- gradcheck ---------------------------------------------------------------------


@pytest.mark.fault("GRD-02")
@pytest.mark.parametrize("name", sorted(path.stem for path in SPECS.glob("*.json")))
def test_the_gallery_passes_gradcheck(
    name: str, run: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    module = module_of(load_spec(SPECS / f"{name}.json"))
    assert module.main(["gradcheck"]) == 0
    lines = capsys.readouterr().out.splitlines()
    parameters = module.Network().parameters
    assert [line.split()[0] for line in lines] == list(parameters)
    for line, p in zip(lines, parameters.values(), strict=True):
        assert f"  {min(p.size, 200)} entries  difference " in line
        assert line.endswith("  ok")


VARIANTS: dict[str, dict[str, Any]] = {
    "distribution": {
        "layers": [3, {"size": 4, "activation": "softmax"}],
        "cost": "log_likelihood",
        "task": "regression",
    },
    "unit": {"layers": [3, 2], "cost": "cross_entropy", "task": "regression"},
    "signs": {
        "layers": [3, {"size": 2, "activation": "identity"}],
        "cost": "hinge",
        "task": "regression",
    },
    "counts": {"layers": [3, {"size": 2, "activation": "exp"}], "cost": "poisson"},
    "one": {"layers": [3, 1], "cost": "cross_entropy"},
    "one_tanh": {"layers": [3, {"size": 1, "activation": "tanh"}], "cost": "quadratic"},
    "kinks": {
        "layers": [
            {"size": 3, "scaling": "standardize"},
            *[{"size": 9, "activation": "relu"}] * 3,
            2,
        ],
        "cost": "quadratic",
    },
}


@pytest.mark.parametrize("name", VARIANTS)
def test_gradcheck_makes_data_that_each_network_takes(
    name: str, run: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    assert module_of(spec_of(**VARIANTS[name])).main(["gradcheck"]) == 0
    assert "FAIL" not in capsys.readouterr().out


def test_gradcheck_of_trained_weights(run: Program) -> None:
    first = run("gradcheck")
    run("train", "--data", "data.npz", "--quiet")
    lines = run("gradcheck", "--weights-in", str(run.weights))
    assert all(line.endswith("  ok") for line in lines)
    assert lines != first
    net = run.module.Network.load(run.weights)
    net.b2[...] = 5.0
    before = {name: p.copy() for name, p in net.parameters.items()}
    assert all(c.ok for c in run.module.gradcheck(inputs(), labels(CLASSES), net))
    assert all(np.array_equal(net.parameters[k], p) for k, p in before.items())


def test_gradcheck_of_trained_weights_keeps_their_scaling(monkeypatch: Any) -> None:
    module = module_of(spec_of(**VARIANTS["kinks"]))
    net = module.Network()
    net.train(10 * inputs() + 3, labels("sides"), epochs=1)
    checked = []
    real = module.check_array

    def watched(copy: Any, *rest: Any) -> Any:
        checked.append(copy)
        return real(copy, *rest)

    monkeypatch.setattr(module, "check_array", watched)
    assert all(c.ok for c in module.gradcheck(inputs(), labels("sides"), net))
    assert np.array_equal(checked[0].shift, net.shift)
    assert np.array_equal(checked[0].w2, net.w2)
    assert checked[0].dtype == np.float64


def test_gradcheck_of_data(run: Program) -> None:
    for words in (("--data", "data.npz"), ("--x", "x.npy", "--y", "y.npy")):
        lines = run("gradcheck", *words)
        assert len(lines) == 4
        assert all(line.endswith("  ok") for line in lines)


FAULTS = {
    "sign": ("np.subtract(a3, y, out=delta3)", "np.subtract(y, a3, out=delta3)"),
    "derivative": ("np.subtract(1, a2, out=a2)", "np.subtract(2, a2, out=a2)"),
    "bias": ("np.dot(delta3, self.ones, out", "np.dot(2 * delta3, self.ones, out"),
    "NaN": ("np.subtract(a3, y, out=delta3)", "delta3[...] = np.nan"),
    "cost": ("terms: Array = y * (", "terms: Array = np.nan * y * ("),
}


@pytest.mark.parametrize("name", FAULTS)
def test_gradcheck_finds_planted_faults(
    name: str, run: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    text, (right, wrong) = text_of(spec_for(CLASSES)), FAULTS[name]
    assert text.count(right) == 1
    assert imported(text.replace(right, wrong)).main(["gradcheck"]) == 1
    captured = capsys.readouterr()
    assert "FAIL" in captured.out
    assert captured.err == ""


# ---- Ends of a process -------------------------------------------------------------


@pytest.fixture
def program(run: Program) -> pathlib.Path:
    path = pathlib.Path("model.py").resolve()
    path.write_text(text_of(spec_for(CLASSES)), "utf-8")
    return path


LONG = ("train", "--data", "data.npz", "--epochs", "1000000")


def started(program: Any, *words: str, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, str(program), *words]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(command, encoding="utf-8", **options)


def test_a_closed_pipe_ends_quietly(program: pathlib.Path) -> None:
    process = started(program, *LONG)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith("Epoch 1: ")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(30) == 141
    process.stderr.close()
    assert not pathlib.Path(WEIGHTS).exists()


def test_an_interrupt_saves_nothing(program: pathlib.Path) -> None:
    process = started(program, *LONG)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("Epoch 1: ")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "interrupted; nothing was saved\n")
    assert not pathlib.Path(WEIGHTS).exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_device_is_an_error(program: pathlib.Path) -> None:
    with open("/dev/full", "w") as full:
        process = started(program, "info", stdout=full)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (2, "error: No space left on device\n")


def test_the_module_may_come_from_a_pipe(program: pathlib.Path) -> None:
    with program.open() as text:
        process = started("-", "train", "--data", "data.npz", stdin=text)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[-1] == f"saved {WEIGHTS}"


def test_a_terminal_that_knows_ascii_alone(program: pathlib.Path) -> None:
    os.rename("data.npz", "données.npz")
    plain = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"}
    words = ("train", "--data", "données.npz", "--weights-out", "poids-é")
    process = started(program, *words, env=plain)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[-1] == r"saved poids-\xe9"


# ---- The data of MNIST -------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("packed", [False, True], ids=["idx", "idx.gz"])
def test_idx_files_end_to_end(
    packed: bool, target: str, run: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    layers = [{"size": 4, "scaling": {"kind": "divide", "by": 255}}, 5, 3]
    hyper = {"learning_rate": 3.0, "mini_batch_size": 5, "epochs": 40}
    spec = spec_of(
        name="images", layers=layers, cost="cross_entropy", hyperparameters=hyper
    )
    rng = np.random.default_rng(3)
    y = np.arange(60) % 3
    x = (rng.integers(0, 60, (60, 2, 2)) + 60 * y[:, None, None]).astype(np.uint8)
    for name, array in (("images", x), ("labels", y.astype(np.uint8))):
        shape = struct.pack(f">{array.ndim}I", *array.shape)
        raw = bytes([0, 0, 8, array.ndim]) + shape + array.tobytes()
        pathlib.Path(name).write_bytes(gzip.compress(raw) if packed else raw)
    module = module_of(spec, target)
    files = ["--x", "images", "--y", "labels"]
    tests = ["--test-x", "images", "--test-y", "labels"]
    assert module.main(["train", *files, *tests]) == 0
    assert module.main(["evaluate", *files]) == 0
    accuracy = float(capsys.readouterr().out.splitlines()[-1].split()[1])
    assert accuracy > 0.9
    net = module.Network()
    net.train(x.reshape(60, 4), y)
    assert np.array_equal(net.w2, module.Network.load("images.safetensors").w2)
