"""A share of the data as the test set: which rows train holds out, and evaluate finds."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest
from modules import built, bytes_of, inputs, labels
from programs import Program
from support import TARGETS

X, Y = inputs(40), np.arange(40) % 4


@pytest.fixture(params=TARGETS)
def run(request: Any, tmp_path: pathlib.Path, monkeypatch: Any, capsys: Any) -> Program:
    """A program that tells four classes apart, with d.npz of ten examples of each."""
    monkeypatch.chdir(tmp_path)
    np.savez("d.npz", x=X, y=Y)
    return Program("classes", capsys, built("classes", request.param))


def test_a_test_set_of_a_fraction(run: Program) -> None:
    """Each class gives its share, and training is that on the rest."""
    module, epochs = run.module, ("--epochs", "2")
    *_, line, _ = run("train", "--data", "d.npz", "--test-fraction", "0.2", *epochs)
    net = run.module.Network.load(run.weights)
    drawn = module.words(40, net.seed, 4, step=1)
    rows, test = module.split(drawn, 8, Y)
    assert np.bincount(Y[test]).tolist() == [2, 2, 2, 2]
    other = module.Network()
    other.train(X[rows], Y[rows], epochs=2)
    assert bytes_of(other) == bytes_of(net)
    right = int(np.sum(net.predict(X[test]) == Y[test]))
    assert line.startswith(f"Epoch 2: {right} / 8  cost")
    # not the rows that a validation set of that share would have
    assert test.tolist() != module.split(module.words(40, 0, 4), 8, Y)[1].tolist()


@pytest.mark.parametrize("seed", [(), ("--seed", "7")], ids=["spec's", "7"])
def test_evaluate_finds_the_rows_that_training_held_out(
    seed: tuple[str, ...], each: Program
) -> None:
    """The weights file has the seed; the line after training is said once more."""
    np.savez("d.npz", x=inputs(40), y=labels(each.weights.stem, 40))
    share = ("--data", "d.npz", "--test-fraction", "0.25")
    *_, line, _ = each("train", *share, *seed)
    found, *_ = each("evaluate", *share)
    cost = line.split("cost ")[1].split("  ")[0]
    assert f"cost {cost}  " in found
    assert found.endswith("  on 0.25 of x, y of d.npz")
    assert each("evaluate", "--data", "d.npz")[0].endswith("  on x, y of d.npz")
    right = line.split(": ")[1].split("  ")[0]
    assert "accuracy" not in found or f"({right})" in found
    each("evaluate", "--data", "tested.npz", *share[2:], code=2)
    assert each.error == "error: give --test-fraction or a test set, not both\n"


def test_evaluate_finds_them_in_a_csv_with_names_of_classes(
    run: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The split goes by classes: exactly the rows that were held out are evaluated."""
    names = np.array(["ash", "birch", "cedar", "elm"])[Y]
    rows = [f"{a},{b},{c},{name}" for (a, b, c), name in zip(X, names, strict=True)]
    pathlib.Path("d.csv").write_text("\n".join(rows))
    share = ("--data", "d.csv", "--target", "4", "--test-fraction", "0.2")
    run("train", *share, "--quiet")
    seen: list[Any] = []
    real = run.module.evaluation

    def watched(net: Any, x: Any, y: Any) -> Any:
        seen.append(x[:])
        return real(net, x, y)

    monkeypatch.setattr(run.module, "evaluation", watched)
    run("evaluate", *share)
    _, test = run.module.split(run.module.words(40, 0, 4, step=1), 8, Y)
    assert np.array_equal(seen[0], X[test])
