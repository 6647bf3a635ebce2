"""The generated C program does and says what the NumPy program does and says."""

from __future__ import annotations

import pathlib
import struct
from typing import Any

import numpy as np
import pytest
from c_program_runs import TESTED, XY, Pair, pair
from modules import LAYERS
from support import difference

CLASSES = "classes"
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def both(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Pair:
    monkeypatch.chdir(tmp_path)
    return pair(CLASSES, capsys)


# ---- The same lines ----------------------------------------------------------------


@pytest.mark.parametrize("kind", LAYERS)
def test_every_command_prints_what_numpy_prints(
    kind: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    two = pair(kind, capsys)
    for words in ((*XY,), (*TESTED,), (*TESTED, "--epochs", "2", "--seed", "9")):
        lines = two.lines("train", *words)
        assert lines[-1] == f"saved {two.weights}"
        assert len(lines) == (3 if "--epochs" in words else 4)
        line = two.lines("evaluate", *XY)[0]
        assert line.endswith("  on x.npy, y.npy")
    assert two.lines("train", *XY, "--quiet") == []
    assert all(line.endswith("  ok") for line in two.lines("gradcheck"))
    two.lines("gradcheck", *XY, "--weights-in", str(two.weights))
    two.lines("predict", "--x", "x9.npy", "-o", "p.npy")
    assert np.load("p.npy").shape == np.load("y9.npy").shape


@pytest.mark.parametrize("kind", LAYERS)
def test_predictions_are_the_same_file(
    kind: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    two = pair(kind, capsys)
    two.written(two.numpy)
    two.numpy("predict", "--x", "x9.npy", "-o", "p.npy")
    ours = np.load("p.npy")
    assert two.c("predict", "--x", "x9.npy", "-o", "c.npy")[:2] == (0, "saved c.npy\n")
    theirs = np.load("c.npy")
    assert (theirs.dtype, theirs.shape) == (ours.dtype, ours.shape)
    if ours.dtype == np.int64:
        assert pathlib.Path("c.npy").read_bytes() == pathlib.Path("p.npy").read_bytes()
    # Sums in another order.
    assert difference(theirs, ours) < 1e-14


SPECS: dict[str, dict[str, Any]] = {
    "scaled": {
        "layers": [{"size": 3, "scaling": "standardize"}, 5, 2],
        "cost": "cross_entropy",
        "description": "red \x1b[31m\n\u202e'quoted\" é \\",
    },
    "dropping": {
        "layers": [
            {"size": 3, "scaling": {"kind": "divide", "by": 255}, "dropout": 0.1},
            {"size": 5, "activation": {"kind": "leaky_relu", "slope": 0.2}},
            {"size": 4, "dropout": 0.25, "initializer": "he"},
            2,
        ],
        "cost": "cross_entropy",
        "hyperparameters": {"epochs": 4, "optimizer": {"kind": "momentum", "mu": 0.8}},
    },
    "stopping": {
        "layers": [3, 5, 2],
        "cost": "cross_entropy",
        "hyperparameters": {
            "epochs": 30,
            "mini_batch_size": 2,
            "learning_rate": 3.0,
            "early_stopping": {"patience": 2},
            "validation_fraction": 0.4,
        },
    },
    "halving": {
        "layers": [3, 5, {"size": 2, "activation": "identity"}],
        "cost": "quadratic",
        "hyperparameters": {
            "learning_rate": 0.5,
            "schedule": {"kind": "halve_on_plateau", "patience": 1},
        },
    },
    "weighted": {
        "layers": [3, {"size": 2, "activation": "softmax"}],
        "cost": "log_likelihood",
        "hyperparameters": {"class_weights": [1.0, 0.25], "schedule": "cosine"},
    },
}


@pytest.mark.parametrize("name", SPECS)
def test_info_and_training_of_what_specs_can_ask_for(
    name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    kind = "values" if name == "halving" else "sides"
    two = pair(kind, capsys, **{**SPECS[name], "name": name})
    ours, theirs = (run("info")[1].splitlines() for run in (two.numpy, two.c))
    assert theirs[: len(ours)] == ours
    assert [line.split()[0] for line in theirs[len(ours) :]] == ["memory:", "build:"]
    two.lines("train", *TESTED)
    two.lines("evaluate", *XY)
    two.lines("gradcheck", *XY)


# ---- The same weights --------------------------------------------------------------


def test_each_goes_on_where_the_other_stopped(both: Pair) -> None:
    """Five epochs here and five there are ten; 1e-10 is the contract's measure."""
    whole = load(both, both.written(both.numpy, "--epochs", "10"))
    again = ("--epochs", "5", "--weights-in", str(both.weights))
    for first, second in ((both.numpy, both.c), (both.c, both.numpy)):
        both.written(first, "--epochs", "5")
        net = load(both, both.written(second, *again))
        assert net.epoch == 10
        for name, p in net.parameters.items():
            assert difference(p, whole.parameters[name]) < 1e-10


def load(two: Pair, data: bytes) -> Any:
    pathlib.Path("held.safetensors").write_bytes(data)
    return two.module.Network.load("held.safetensors")


def test_the_same_run_gives_the_same_bytes(both: Pair) -> None:
    first = both.written(both.c, "--epochs", "10")
    assert both.written(both.c, "--epochs", "10") == first
    both.written(both.c, "--epochs", "5")
    again = ("--weights-in", str(both.weights), "--epochs", "5")
    assert both.written(both.c, *again) == first
    assert both.written(both.c, "--epochs", "10", "--seed", "1") != first


def test_no_epochs_save_the_first_weights(both: Pair) -> None:
    assert both.written(both.c, "--epochs", "0") == both.written(
        both.numpy, "--epochs", "0"
    )


def test_idx_files(both: Pair) -> None:
    x = np.arange(36, dtype=np.uint8).reshape(12, 3)
    y = (np.arange(12) % 4).astype(np.uint8)
    for name, array in (("images", x), ("labels", y)):
        shape = struct.pack(f">{array.ndim}I", *array.shape)
        raw = bytes([0, 0, 8, array.ndim]) + shape + array.tobytes()
        pathlib.Path(name).write_bytes(raw)
    both.lines("train", "--x", "images", "--y", "labels")
    both.lines("evaluate", "--x", "images", "--y", "labels")


# ---- The confusion matrix ------------------------------------------------------------


def shares(part: Any, whole: Any) -> list[str]:
    return [f"{p / w:.4f}" if w else "nan" for p, w in zip(part, whole, strict=True)]


@pytest.mark.parametrize("kind", ["classes", "one", "one_tanh"])
def test_every_pair_of_classes_is_counted(
    kind: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    both = pair(kind, capsys)
    both.module.Network().save(both.weights)
    x, y = np.load("x9.npy"), np.load("y9.npy").ravel()
    found = np.asarray(both.module.Network().predict(x)).ravel()
    names = {"classes": [0, 1, 2, 3], "one": [0, 1], "one_tanh": [-1, 1]}[kind]
    pairs = np.array([[np.sum((y == a) & (found == b)) for b in names] for a in names])
    code, out, err = both.c("evaluate", "--x", "x9.npy", "--y", "y9.npy")
    assert (code, err) == (0, "")
    title = "confusion: true classes in rows, predicted ones in columns"
    lines = out.splitlines()
    assert lines[1:3] == ["", title]
    assert [line.split() for line in lines[3 : 4 + len(names)]] == [
        [str(name) for name in names],
        *([str(n), *map(str, row)] for n, row in zip(names, pairs, strict=True)),
    ]
    assert lines[5 + len(names)].split() == ["class", "precision", "recall", "count"]
    figures = (
        names,
        shares(pairs.diagonal(), pairs.sum(axis=0)),
        shares(pairs.diagonal(), pairs.sum(axis=1)),
        pairs.sum(axis=1),
    )
    rows = [[str(cell) for cell in row] for row in zip(*figures, strict=True)]
    assert [line.split() for line in lines[6 + len(names) :]] == rows
