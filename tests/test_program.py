"""A generated module as a program: what it prints and writes."""

from __future__ import annotations

import pathlib
import re
from typing import Any

import numpy as np
import pytest
from modules import OUTPUTS, N, built, inputs, labels, spec_for
from programs import Program, trained
from support import TARGETS, module_of, text_of

from bpcompile.spec import digest

CLASSES = "classes"


def test_both_targets_have_the_same_program() -> None:
    """So what holds of one holds of the other, but for how a mini-batch is gathered."""
    take = re.compile(r"\n    def take\(.*?\n(?=\n)", re.DOTALL)
    programs = {
        take.sub(
            "", text_of(spec_for(CLASSES), target).split("# ---- What comes in ")[1]
        )
        for target in TARGETS
    }
    assert len(programs) == 1


# ---- train -------------------------------------------------------------------------


NUMBER = r"\d+(\.\d+)?(e[-+]\d+)?"


def test_a_line_for_each_epoch(each: Program) -> None:
    classifies = each.module.TASK == "classification"
    for data, n in (("data.npz", N), ("tested.npz", 9)):
        lines = each("train", "--data", data)
        assert lines.pop() == f"saved {each.weights}"
        assert len(lines) == 3
        for number, line in enumerate(lines, start=1):
            right = rf"\d / {n}  " if classifies else ""
            train = rf"\d / {N}  " if classifies else ""
            train = rf"  training {train}cost {NUMBER}" if n == 9 else ""
            times = r"\d+\.\d\d s  \d+ examples/s"
            form = rf"Epoch {number}: {right}cost {NUMBER}{train}  {times}"
            assert re.fullmatch(form, line), line


def test_the_line_is_of_the_test_set_if_there_is_one(run: Program) -> None:
    *_, line, _ = run("train", "--data", "tested.npz")
    net = run.module.Network.load(run.weights)
    x, y = inputs(9, 5), labels(CLASSES, 9, 6)
    right = int(np.sum(net.predict(x) == y))
    assert line.startswith(f"Epoch 3: {right} / 9  cost {net.cost(x, y):.4g}  ")


def test_quiet_prints_nothing_and_evaluates_nothing(
    run: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("evaluated")

    for name in ("_cost", "_accuracy", "_output", "_weighted_output"):
        monkeypatch.setattr(run.module.Network, name, refuse)
    assert run("train", "--data", "tested.npz", "--quiet") == []
    assert run.weights.exists()


def test_no_epochs_save_the_first_weights(run: Program) -> None:
    run("train", "--data", "data.npz", "--epochs", "0")
    net, new = run.module.Network.load(run.weights), run.module.Network()
    assert net.epoch == 0
    assert np.array_equal(net.w2, new.w2)


def test_the_same_run_gives_the_same_bytes(run: Program) -> None:
    first = trained(run, "--epochs", "10")
    assert trained(run, "--epochs", "10") == first
    files = ("--x", "x.npy", "--y", "y.npy", "--quiet", "--epochs", "10")
    run("train", *files, "--weights-out", "other.safetensors")
    assert pathlib.Path("other.safetensors").read_bytes() == first
    assert trained(run, "--epochs", "10", "--seed", "1") != first


@pytest.mark.parametrize("seed", [(), ("--seed", "7")], ids=["spec's", "7"])
def test_five_and_five_epochs_are_ten(seed: tuple[str, ...], run: Program) -> None:
    """The seed is kept with the weights, so it is given once."""
    whole = trained(run, "--epochs", "10", *seed)
    trained(run, "--epochs", "5", *seed)
    again = ("--weights-in", str(run.weights), "--epochs", "5")
    assert trained(run, *again) == whole
    assert run.module.Network.load(run.weights).seed == (7 if seed else 0)


def test_the_weights_before_are_kept_as_prev(run: Program) -> None:
    first = trained(run, "--epochs", "1")
    second = trained(run, "--epochs", "2")
    kept = pathlib.Path(f"{run.weights}.prev")
    assert (kept.read_bytes(), run.weights.read_bytes()) == (first, second)


@pytest.mark.fault("NUM-01")
def test_a_run_that_diverges_saves_nothing(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    hyper = {"learning_rate": 1e6, "mini_batch_size": 4, "epochs": 99}
    module = module_of(spec_for("values", hyperparameters=hyper))
    program = Program("values", capsys, module)
    for words in ((), ("--quiet",)):
        program("train", "--data", "data.npz", *words, code=1)
        assert re.fullmatch(
            r"diverged in epoch \d+, (step 2, first in layer 2|first in the cost): try a smaller learning rate; nothing was saved\n",
            program.error,
        )
        assert not program.weights.exists()


@pytest.mark.parametrize(
    ("eta", "lmbda", "name"),
    [(0.5, 1e5, "l2 regularization"), (1e6, 1e-6, "learning rate")],
)
def test_too_much_regularization_is_named_where_it_diverges(
    eta: float,
    lmbda: float,
    name: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    """n = 6: each step multiplies the weights by 1 - eta lmbda / 6."""
    monkeypatch.chdir(tmp_path)
    hyper = {"learning_rate": eta, "regularization": {"l2": lmbda}, "epochs": 99}
    module = module_of(spec_for("values", hyperparameters=hyper))
    program = Program("values", capsys, module)
    program("train", "--data", "data.npz", code=1)
    assert program.error.endswith(f": try a smaller {name}; nothing was saved\n")


# ---- evaluate, predict, info ---------------------------------------------------------


def test_evaluate(each: Program) -> None:
    each("train", "--data", "tested.npz")
    kind = each.weights.stem
    net = each.module.Network.load(each.weights)
    line, *_ = each("evaluate", "--data", "data.npz")
    x, y = inputs(), labels(kind)
    cost = f"cost {net.cost(x, y):.4g}"
    if each.module.TASK == "classification":
        right = int(np.sum(net.predict(x) == y))
        expected = f"accuracy {right / N:.4f} ({right} / {N})  {cost}"
    else:
        error = np.abs(net.predict(x) - y).mean()
        expected = f"{cost}  mean absolute error {error:.4g}  R2 {r2(net, x, y):.4g}"
    assert line == f"{expected}  on x, y of data.npz"
    line, *_ = each("evaluate", "--data", "tested.npz")
    assert line.endswith("  on x_test, y_test of tested.npz")
    line, *_ = each("evaluate", "--x", "x.npy", "--y", "y.npy")
    assert line == f"{expected}  on x.npy, y.npy"


@pytest.mark.parametrize("kind", ["classes", "values", "one_value"])
def test_evaluate_of_a_cost_that_is_not_finite(
    kind: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """The weights are finite, so they load; what they give overflows."""
    monkeypatch.chdir(tmp_path)
    each = Program(kind, capsys)
    net = each.module.Network()
    for p in net.parameters.values():
        p[...] = 1e308
    net.save(each.weights)
    assert each.module.main(["evaluate", "--data", "data.npz"]) == 1
    out, err = each.capsys.readouterr()
    assert re.fullmatch(r"cost (inf|nan)  on x, y of data.npz\n", out)
    assert err == ""


def test_predictions_that_are_not_finite_are_not_saved(run: Program) -> None:
    net = run.module.Network()
    for p in net.parameters.values():
        p[...] = 1e308
    net.save(run.weights)
    run("predict", "--data", "data.npz", "-o", "p.npy", code=2)
    assert "outputs are not finite" in run.error
    assert not pathlib.Path("p.npy").exists()


def r2(net: Any, x: Any, y: Any) -> float:
    apart = (net.predict(x) - y) ** 2
    return float(np.mean(1 - apart.sum(axis=0) / (N * y.var(axis=0))))


def test_r2_of_an_output_that_never_changes() -> None:
    y = np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]])
    found = built("values", "numpy").r2
    assert found(y, y).tolist() == [1, 1]
    assert found(y + np.array([0.0, 0.1]), y).tolist() == [1, 0]
    assert found(np.array([[2.0, 5.0]] * 3), y).tolist() == [0, 1]


def test_predict(each: Program) -> None:
    each("train", "--data", "data.npz", "--quiet")
    net = each.module.Network.load(each.weights)
    for words in (("--data", "data.npz"), ("--x", "x.npy")):
        assert each("predict", *words, "-o", "p.npy") == ["saved p.npy"]
        found = np.load("p.npy")
        assert np.array_equal(found, net.predict(inputs()))
    np.savez("unlabelled.npz", x=inputs(3))
    each("predict", "--data", "unlabelled.npz", "-o", "p.npy")
    assert len(np.load("p.npy")) == 3


def test_info(each: Program) -> None:
    lines, kind = each("info"), each.weights.stem
    spec = spec_for(kind)
    outputs = OUTPUTS.get(kind, 2)
    total = 5 * 4 + outputs * 6
    assert lines[0] == f"name: {kind}"
    assert f"task: {spec.resolved_task}" in lines
    assert f"cost: {spec.cost.kind}" in lines
    assert f"parameters: {total}" in lines
    assert "learning_rate: 0.3" in lines
    assert "regularization: l2 0.5" in lines
    assert lines[-1] == f"spec sha256: {digest(spec)}"
    layers = [line.split() for line in lines if re.match(r" +\d ", line)]
    assert layers[0][3:] == ["-", "-"]
    assert layers[1][3:] == ["sigmoid", "scaled_normal"]
    assert [row[:3] for row in layers] == [
        ["1", "3", "0"],
        ["2", "5", "20"],
        ["3", str(outputs), str(outputs * 6)],
    ]


def test_a_description_cannot_move_the_cursor(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "red \x1b[31m\n\u202e'quoted\""
    module = module_of(spec_for("values", description=text))
    lines = Program("values", capsys, module)("info")
    assert f"description: {text!r}" in lines
