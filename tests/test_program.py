"""A generated module as a program: what it prints, writes and exits with."""

from __future__ import annotations

import json
import pathlib
import re
import struct
from typing import Any

import numpy as np
import pytest
from modules import LAYERS, OUTPUTS, N, built, inputs, labels, spec_for
from support import TARGETS, module_of, text_of

from bpcompile.spec import digest

CLASSES = "classes"


class Program:
    """A module's command line, run in a folder of its own that holds the data."""

    def __init__(self, kind: str, capsys: Any, module: Any = None) -> None:
        self.module, self.capsys = module or built(kind, "numpy"), capsys
        self.weights = pathlib.Path(f"{kind}.safetensors")
        x, y = inputs(), labels(kind)
        np.savez("data.npz", x=x, y=y)
        np.savez("tested.npz", x=x, y=y, x_test=inputs(9, 5), y_test=labels(kind, 9, 6))
        np.save("x.npy", x)
        np.save("y.npy", y)

    def __call__(self, *words: str, code: int = 0) -> list[str]:
        """The lines printed; on stderr there is one exactly where it failed."""
        assert self.module.main(list(words)) == code
        out, err = self.capsys.readouterr()
        self.error = err
        assert len(err.splitlines()) == (1 if code else 0)
        assert not code or err.endswith("\n")
        return list(out.splitlines())


@pytest.fixture
def run(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> Program:
    monkeypatch.chdir(tmp_path)
    return Program(CLASSES, capsys)


@pytest.fixture(params=LAYERS)
def each(
    request: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> Program:
    monkeypatch.chdir(tmp_path)
    return Program(request.param, capsys)


def test_both_targets_have_the_same_program() -> None:
    """So what holds of one holds of the other."""
    programs = {
        text_of(spec_for(CLASSES), target).split("# ---- What comes in ")[1]
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
            form = rf"Epoch {number}: {right}cost {NUMBER}  \d+\.\d\d s"
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


def trained(run: Program, *words: str) -> bytes:
    """The bytes of the weights file that a training run leaves."""
    run("train", "--data", "data.npz", "--quiet", *words)
    return run.weights.read_bytes()


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
            r"diverged in epoch \d+: try a smaller learning rate; nothing was saved\n",
            program.error,
        )
        assert not program.weights.exists()


# ---- evaluate, predict, info ---------------------------------------------------------


def test_evaluate(each: Program) -> None:
    each("train", "--data", "tested.npz")
    kind = each.weights.stem
    net = each.module.Network.load(each.weights)
    (line,) = each("evaluate", "--data", "data.npz")
    x, y = inputs(), labels(kind)
    cost = f"cost {net.cost(x, y):.4g}"
    if each.module.TASK == "classification":
        right = int(np.sum(net.predict(x) == y))
        expected = f"accuracy {right / N:.4f} ({right} / {N})  {cost}"
    else:
        error = np.abs(net.predict(x) - y).mean()
        expected = f"{cost}  mean absolute error {error:.4g}  R2 {r2(net, x, y):.4g}"
    assert line == f"{expected}  on x, y of data.npz"
    (line,) = each("evaluate", "--data", "tested.npz")
    assert line.endswith("  on x_test, y_test of tested.npz")
    (line,) = each("evaluate", "--x", "x.npy", "--y", "y.npy")
    assert line == f"{expected}  on x.npy, y.npy"


def r2(net: Any, x: Any, y: Any) -> float:
    apart = (net.predict(x) - y) ** 2
    return float(np.mean(1 - apart.sum(axis=0) / (N * y.var(axis=0))))


def test_r2_of_an_output_that_never_changes() -> None:
    y = np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]])
    found = built("values", "numpy").r2
    assert found(y, y) == 1
    assert found(y + [0.0, 0.1], y) == 0.5
    assert found(np.array([[2.0, 5.0]] * 3), y) == 0.5


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


# ---- The weights file ------------------------------------------------------------------


def header_of(path: pathlib.Path) -> tuple[dict[str, Any], bytes]:
    """The header of a safetensors file, by hand, and its data."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def test_what_the_weights_file_holds(each: Program) -> None:
    each("train", "--data", "data.npz", "--quiet", "--seed", "5")
    header, data = header_of(each.weights)
    metadata = header.pop("__metadata__")
    spec = spec_for(each.weights.stem)
    assert json.loads(metadata.pop("spec")) == spec.normalised()
    assert metadata == {
        "format": "1",
        "spec_sha256": digest(spec),
        "seed": "5",
        "epoch": "3",
        "scaling": "null",
        "classes": "null",
    }
    net = each.module.Network.load(each.weights)
    assert list(header) == list(net.parameters) == ["w2", "b2", "w3", "b3"]
    for name, entry in header.items():
        start, stop = entry["data_offsets"]
        array = np.frombuffer(data[start:stop], "<f8").reshape(entry["shape"])
        assert np.array_equal(array, net.parameters[name])


def rewritten(run: Program, change: Any) -> None:
    """The weights file with its arrays and metadata changed."""
    arrays, metadata = run.module.read_safetensors(run.weights)
    change(arrays, metadata)
    run.module.write_safetensors(run.weights, arrays, metadata)


CHANGES: dict[str, tuple[Any, str]] = {
    "newer format": (
        lambda a, m: m.update(format="2"),
        "format 2, this trainer reads 1",
    ),
    "no metadata": (lambda a, m: m.clear(), "its metadata lacks"),
    "no epoch": (lambda a, m: m.pop("epoch"), "its metadata lacks ['epoch']"),
    "epoch no number": (lambda a, m: m.update(epoch="two"), "'two'"),
    "spec no JSON": (lambda a, m: m.update(spec="{"), ""),
    "NaN": (lambda a, m: a["b2"].fill(np.nan), "array b2 holds numbers that are not"),
    "missing": (lambda a, m: a.pop("w3"), "has arrays ['w2', 'b2', 'b3'], expected"),
    "extra": (lambda a, m: a.update(w4=a["w3"]), "'w4'], expected"),
    "dtype": (
        lambda a, m: a.update(w2=a["w2"].astype(np.float32)),
        "array w2 is float32 (5, 3), expected float64 (5, 3)",
    ),
    "shape": (
        lambda a, m: a.update(w2=a["w2"].T.copy()),
        "array w2 is float64 (3, 5), expected float64 (5, 3)",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_wrong_weights_are_refused_by_name(name: str, run: Program) -> None:
    change, message = CHANGES[name]
    trained(run)
    rewritten(run, change)
    for words in (["evaluate"], ["train"], ["predict", "-o", "p.npy"]):
        run(*words, "--data", "data.npz", "--weights-in", str(run.weights), code=2)
        assert run.error.startswith(f"error: {run.weights}: ")
        assert message in run.error


SOFTMAX = {"size": 4, "activation": "softmax"}
OTHERS: dict[str, tuple[list[Any], str]] = {
    "size": ([3, 6, SOFTMAX], "layer 2 has size 6, here it is 5"),
    "depth": ([3, 5, 5, SOFTMAX], "made for 4 layers, this network has 3"),
    "activation": (
        [3, {"size": 5, "activation": "relu"}, SOFTMAX],
        "layer 2 has activation relu, here it is sigmoid",
    ),
    "scaling": (
        [{"size": 3, "scaling": "min_max"}, 5, SOFTMAX],
        "layer 1 has scaling min_max, here it is None",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_weights_of_another_network_are_refused(name: str, run: Program) -> None:
    layers, message = OTHERS[name]
    other = module_of(spec_for(CLASSES, layers=layers))
    other.Network().save(run.weights)
    run("evaluate", "--data", "data.npz", code=2)
    assert run.error.startswith(f"error: {run.weights}: ")
    assert message in run.error


def test_weights_of_the_same_layers_are_taken(run: Program) -> None:
    """Another learning rate or name does not make another network."""
    hyper = {"learning_rate": 0.1}
    other = module_of(spec_for(CLASSES, name="elsewhere", hyperparameters=hyper))
    other.Network().save(run.weights)
    assert run("evaluate", "--data", "data.npz")
