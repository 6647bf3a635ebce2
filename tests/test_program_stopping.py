"""The train command of a network that follows validation: what it says and saves."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from modules import bytes_of, inputs, labels, spec_for
from programs import Program
from support import module_of

HYPER: dict[str, Any] = {"learning_rate": 0.5, "mini_batch_size": 4, "epochs": 80}
STOPPING = {"early_stopping": {"patience": 4, "monitor": "cost"}}
HALVING = {
    "schedule": {"kind": "halve_on_plateau", "patience": 1, "monitor": "cost"},
    "learning_rate": 20.0,
}
SPLIT = {"validation_fraction": 0.3}


@pytest.fixture
def program(tmp_path: Any, monkeypatch: Any, capsys: Any) -> Any:
    """Makes the program of a network with these hyperparameters, in a new folder."""
    monkeypatch.chdir(tmp_path)

    def make(kind: str = "classes", **hyper: Any) -> Program:
        spec = spec_for(kind, hyperparameters={**HYPER, **hyper})
        made = Program(kind, capsys, module_of(spec))
        x, y = inputs(40, 3), labels(kind, 40, 4)
        np.savez("data.npz", x=x, y=y)
        np.savez(
            "tested.npz",
            **{"x": x, "y": y, "x_test": inputs(9, 5)},
            y_test=labels(kind, 9, 6),
        )
        return made

    return make


@pytest.mark.parametrize("also", [{}, SPLIT], ids=["test data", "split"])
def test_it_says_that_it_stopped_and_what_it_restored(program: Any, also: Any) -> None:
    run = program(**STOPPING, **also)
    data = "data.npz" if also else "tested.npz"
    *lines, stopped, restored, saved = run("train", "--data", data)
    name = "validation_cost" if also else "test_cost"
    last = len(lines)
    assert last < 80
    n = 12 if also else 9
    assert re.match(rf"Epoch {last}: \d+ / {n}  cost ", lines[-1])
    assert stopped == f"stopped after epoch {last}: no better {name} in 4 epochs"
    assert restored == f"restored epoch {last - 4}, the best by {name}"
    assert saved == f"saved {run.weights}"
    net = run.module.Network.load(run.weights)
    assert net.epoch == last - 4
    # Silence changes nothing of what is saved, and so many epochs are the same.
    silent = run("train", "--data", data, "--quiet", "--weights-out", "quiet")
    assert silent == []
    assert bytes_of(run.module.Network.load("quiet")) == bytes_of(net)
    free = program(**also)
    free("train", "--data", data, "--epochs", str(last - 4), "--weights-out", "free")
    assert bytes_of(free.module.Network.load("free")) == bytes_of(net)


def test_the_best_is_restored_at_the_last_epoch_too(program: Any) -> None:
    run = program(**STOPPING)
    *_, restored, _ = run("train", "--data", "tested.npz", "--epochs", "3")
    epoch = run.module.Network.load(run.weights).epoch
    assert restored == f"restored epoch {epoch}, the best by test_cost"


def test_halving_ends_training(program: Any) -> None:
    run = program(**HALVING)
    *lines, stopped, _ = run("train", "--data", "tested.npz")
    assert stopped == f"stopped after epoch {len(lines)}: learning rate halved 7 times"
    assert run.module.Network.load(run.weights).epoch == len(lines)


@pytest.mark.parametrize(
    ("hyper", "name"),
    [(STOPPING, "early_stopping"), (HALVING, "halve_on_plateau")],
)
def test_no_validation_set_is_refused(program: Any, hyper: Any, name: str) -> None:
    run = program(**hyper)
    for words in ((), ("--quiet",), ("--epochs", "0")):
        assert run("train", "--data", "data.npz", *words, code=2) == []
        hint = "give test data, or a validation_fraction in the spec"
        assert run.error == f"error: {name} needs a validation set: {hint}\n"
        assert not run.weights.exists()


def test_divergence_is_said_before_stopping(program: Any) -> None:
    """Though an epoch before it was better, and could be restored."""
    run = program("values", **{**STOPPING, **SPLIT, "learning_rate": 1e6})
    for words in ((), ("--quiet",)):
        run("train", "--data", "data.npz", "--no-warnings", *words, code=1)
        assert re.match(
            r"diverged in epoch \d+, step \d+, first in layer [23]: ", run.error
        )
        assert not run.weights.exists()


def test_zero_epochs_restore_nothing(program: Any) -> None:
    run = program(**STOPPING)
    assert run("train", "--data", "tested.npz", "--epochs", "0") == [
        f"saved {run.weights}"
    ]
