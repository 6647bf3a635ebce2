"""Shards: several files of examples, of which each rank reads its own."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest
from c_mpi_runs import (
    DIGITS,
    apart,
    curves,
    digits,
    ended,
    held,
    program,
    shared,
    trained,
    write_digits,
)

#: Ranks change the order of sums alone.
RANKS = 1e-12
X, Y = [f"x-{k}.npy" for k in range(5)], [f"y-{k}.npy" for k in range(5)]
SHARDS = "--x", *X, "--y", *Y
TESTED = "--test-x", "tx.npy", "--test-y", "ty.npy"


@pytest.fixture
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The digits in one file, in five of other lengths, and a test set."""
    monkeypatch.chdir(tmp_path)
    write_digits()
    with np.load(DIGITS) as data:
        x, y = data["x_train"][:400], data["y_train"][:400].astype(np.int64)
        np.save("tx.npy", data["x_test"])
        np.save("ty.npy", data["y_test"].astype(np.int64))
    np.save("x.npy", x)
    np.save("y.npy", y)
    for k, rows in enumerate(np.split(np.arange(400), [3, 120, 121, 300])):
        np.save(X[k], x[rows])
        np.save(Y[k], y[rows])
    return tmp_path


def fields() -> dict[str, Any]:
    """What needs all rows together: a scaling, classes to hold out from, steps."""
    chosen = digits(epochs=3, validation_fraction=0.2, accumulate=2)
    chosen["layers"][0]["scaling"] = "standardize"
    return chosen


@pytest.mark.parametrize("ranks", [1, 3, 5])
def test_shards_train_what_one_file_does(here: pathlib.Path, ranks: int) -> None:
    """In the order of their names, whatever the order in which they are given."""
    binary = program(shared(fields()))
    trained(1, binary, "--x", "x.npy", "--y", "y.npy", "--weights-out", "whole")
    one = trained(1, binary, "--x", "x.npy", "--y", "y.npy", *TESTED)
    words = "--x", *reversed(X), "--y", *Y
    said = trained(ranks, binary, *words, "--weights-out", "parts")
    assert apart(held("parts"), held("whole")) <= RANKS
    tested = trained(ranks, binary, *SHARDS, *TESTED)
    # what stands behind it is of a sample of the rows that rank 0 has
    first = [[line.split("training")[0] for line in curves(s)] for s in (one, tested)]
    assert first[0] == first[1]
    assert curves(said)


def test_a_run_on_shards_is_resumed_by_other_ranks(here: pathlib.Path) -> None:
    binary = program(shared(fields()))
    checkpoint = *SHARDS, "--quiet", "--checkpoint", "c"
    trained(2, binary, *checkpoint, "--epochs", 1)
    done = ended(4, binary, "train", *checkpoint, "--resume", "c", "--epochs", 3)
    assert done.returncode == 0, done.stderr
    resumed = held("digits.safetensors")
    trained(1, binary, *SHARDS, "--quiet", "--epochs", 3)
    assert apart(resumed, held("digits.safetensors")) <= RANKS
    np.save(Y[2], np.array([7]))
    done = ended(3, binary, "train", *checkpoint, "--resume", "c", "--epochs", 3)
    assert done.returncode == 2
    assert "data digest differs from the checkpoint's (y)" in done.stderr


def refused(ranks: int, *words: str) -> str:
    done = ended(ranks, program(shared(fields())), "train", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def test_shards_that_do_not_fit(here: pathlib.Path) -> None:
    assert "5 files are too few for 6 ranks" in refused(6, *SHARDS)
    assert "the numbers of files differ: 4 and 5" in refused(2, *SHARDS[:-1])
    assert "--test-fraction is of one file" in refused(
        2, *SHARDS, "--test-fraction", ".1"
    )
    np.save(X[3], np.load(X[3])[:, :60])
    said = refused(2, *SHARDS)
    assert "rank 1: x-3.npy: x has shape (179, 60), expected (n, 64)" in said
    np.save(X[3], np.zeros((179, 64), np.float32))
    assert "rank 1: x-4.npy: has 64 numbers of type |u1" in refused(2, *SHARDS)
    np.save(Y[0], np.array([1, 2, 10]))
    assert "rank 0: y-0.npy: y is 10 at row 2" in refused(5, *SHARDS)
