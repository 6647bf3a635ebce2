"""Data larger than memory: the same numbers as of data in memory, row by row."""

from __future__ import annotations

import os
import pathlib
import resource
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from modules import ALL, CLASSIFIERS, bytes_of, inputs, labels, rows_of, spec_for
from oracle import library
from support import LONG, TARGETS, text_of

from bpcompile.operators import SCALINGS

every = pytest.mark.parametrize(("kind", "target"), ALL)
N = 47
HYPER: dict[str, Any] = {"learning_rate": 0.3, "mini_batch_size": 4, "epochs": 3}
SERIES = ("cost", "total_cost")


def records(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in record.items() if k != "seconds"} for record in history]


def runs(module: Any, monkeypatch: Any, data: dict[str, Any], **options: Any) -> list:
    """A training run with everything held in memory, then with nothing held."""
    found = []
    for kept in (module.KEPT, 0):
        monkeypatch.setattr(module, "KEPT", kept)
        net = module.Network()
        history = records(net.train(**data, **options))
        scaling = [
            v.tolist() for k, v in vars(net).items() if k in {"shift", "divisor"}
        ]
        measured = net.cost(data["x"], data["y"]), net.total_cost(data["x"], data["y"])
        found.append((bytes_of(net), history, scaling, measured))
    return found


@every
@pytest.mark.parametrize("fraction", [None, 0.3])
def test_rows_that_are_not_kept_train_alike(
    kind: str, target: str, fraction: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    hyper = {**HYPER, "validation_fraction": fraction} if fraction else HYPER
    module = library(spec_for(kind, hyperparameters=hyper), target)
    also = ("accuracy",) if kind in CLASSIFIERS else ()
    for y in (labels(kind, N), rows_of(kind, labels(kind, N))):
        data = {"x": inputs(N).astype("f4"), "y": y}
        data |= {"x_test": inputs(9, 5), "y_test": labels(kind, 9, 6)}
        weight = np.linspace(0, 2, N)
        options = {"monitor": (*SERIES, *also, "gradient_norms")}
        options["sample_weight"] = weight
        kept, read = runs(module, monkeypatch, data, **options)
        assert kept == read


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("dtype", ["u1", "f4", ">f8"])
def test_scaling_is_the_same_row_by_row(
    scaling: str, dtype: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"kind": scaling, "by": 100} if SCALINGS[scaling].parameters else scaling
    layers = [{"size": 3, "scaling": given}, 4, 2]
    hyper = {**HYPER, "validation_fraction": 0.2, "class_weights": [1, 2]}
    fields = {"layers": layers, "cost": "cross_entropy", "hyperparameters": hyper}
    module = library(spec_for("sides", **fields), target)
    # several parts, the last one short; every order in memory
    monkeypatch.setattr(module, "AT_ONCE", 10)
    x = (inputs(N) * 40 + 99).astype(dtype)
    orders, found = (x, np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2]), []
    for order in orders:
        found += runs(module, monkeypatch, {"x": order, "y": labels("sides", N)})
    assert all(run == found[0] for run in found)


@pytest.mark.parametrize("dtype", ["u1", "f4", "f8"])
def test_a_fitted_scaling_is_that_of_all_rows_at_once(
    dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last bit of NumPy's own mean and std, however many parts there are."""
    layers = [{"size": 3, "scaling": "standardize"}, 4, 2]
    module = library(spec_for("sides", layers=layers), TARGETS[0])
    monkeypatch.setattr(module, "AT_ONCE", 100)
    x = (inputs(1234) * 40 + 99).astype(dtype)
    net = module.Network()
    net.train(x, labels("sides", 1234), epochs=0)
    assert np.array_equal(net.shift, x.mean(axis=0, dtype=np.float64))
    assert np.array_equal(net.divisor, x.std(axis=0, dtype=np.float64))


@pytest.mark.parametrize("target", TARGETS)
def test_what_no_number_can_hold_is_refused_before_training(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = library(spec_for("sides", dtype="float32"), target)
    monkeypatch.setattr(module, "KEPT", 0)
    monkeypatch.setattr(module, "AT_ONCE", 2)
    net, x = module.Network(), inputs()
    before = bytes_of(net)
    x[5, 1] = 1e300
    with pytest.raises(ValueError, match="x holds a number that is too large"):
        net.train(x, labels("sides"))
    x[5, 1] = np.nan
    with pytest.raises(ValueError, match="x is nan at row 5, column 1, not finite"):
        net.train(x, labels("sides"))
    assert bytes_of(net) == before


# ---- Memory ----------------------------------------------------------------------------

#: 20 GB, or 200 MB with a module that keeps less, to spare time.
ROWS, WIDTH = (1_000_000 if LONG else 10_000), 5000
#: Bytes of anonymous memory. NumPy and its libraries take 100 MB of it.
ALLOWED = 1 << 30 if LONG else 240 << 20
KEPT = 1 << 29 if LONG else 1 << 26


def sparse(path: pathlib.Path, rows: int, width: int) -> None:
    """An .npy of float32 zeros that takes no room on the disk."""
    shape = {"descr": "<f4", "fortran_order": False, "shape": (rows, width)}
    with open(path, "wb") as f:
        np.lib.format.write_array_header_1_0(f, shape)
        f.truncate(f.tell() + 4 * rows * width)


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (ALLOWED, ALLOWED))


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone limits such memory")
def test_data_larger_than_memory_allows_to_copy(tmp_path: pathlib.Path) -> None:
    layers = [{"size": WIDTH, "scaling": "standardize"}, 10]
    hyper = {"epochs": 1, "mini_batch_size": 1000, "validation_fraction": 0.01}
    fields = {"layers": layers, "cost": "cross_entropy", "dtype": "float32"}
    spec = spec_for("sides", **fields, hyperparameters=hyper)
    (tmp_path / "big.py").write_text(text_of(spec), "utf-8")
    sparse(tmp_path / "x.npy", ROWS, WIDTH)
    np.save(tmp_path / "y.npy", np.arange(ROWS) % 10)
    words = ["train", "--x", "x.npy", "--y", "y.npy"]
    script = f"import big; big.KEPT = {KEPT}; raise SystemExit(big.main({words}))"
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=limited,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Epoch 1: ")
