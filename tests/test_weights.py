"""The weights file of a generated module: what it holds, which one is taken."""

from __future__ import annotations

import json
import pathlib
import struct
from typing import Any

import numpy as np
import pytest
from modules import spec_for
from programs import Program, trained
from support import module_of
from wrong_weights import CHANGES, OTHERS, SCALINGS, SOFTMAX

from bpcompile.spec import digest

CLASSES = "classes"


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
        "columns": "null",
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


@pytest.mark.parametrize("name", CHANGES)
def test_wrong_weights_are_refused_by_name(name: str, run: Program) -> None:
    change, message = CHANGES[name]
    trained(run)
    rewritten(run, change)
    for words in (["evaluate"], ["train"], ["predict", "-o", "p.npy"]):
        run(*words, "--data", "data.npz", "--weights-in", str(run.weights), code=2)
        assert run.error.startswith(f"error: {run.weights}: ")
        assert message in run.error


@pytest.mark.parametrize("name", OTHERS)
def test_weights_of_another_network_are_refused(name: str, run: Program) -> None:
    layers, message = OTHERS[name]
    other = module_of(spec_for(CLASSES, layers=layers))
    other.Network().save(run.weights)
    run("evaluate", "--data", "data.npz", code=2)
    assert run.error.startswith(f"error: {run.weights}: ")
    assert message in run.error


def scaled_run(capsys: Any) -> Program:
    layers = [{"size": 3, "scaling": "standardize"}, 5, SOFTMAX]
    return Program(CLASSES, capsys, module_of(spec_for(CLASSES, layers=layers)))


def test_a_scaling_that_is_none_is_refused(run: Program, capsys: Any) -> None:
    program = scaled_run(capsys)
    trained(program)
    for text in SCALINGS:
        rewritten(program, lambda a, m, text=text: m.update(scaling=text))
        program("evaluate", "--data", "data.npz", code=2)
        assert program.error.startswith(f"error: {program.weights}: "), text


# ---- What is not saved -------------------------------------------------------------

SPOILT: dict[str, tuple[Any, str]] = {
    "NaN": (lambda net: net.w2.fill(np.nan), "array w2 is nan at row 0, column 0"),
    "inf": (lambda net: net.b3.fill(-np.inf), "array b3 is -inf at row 0"),
    "epoch": (lambda net: setattr(net, "epoch", -1), "epoch is -1"),
    "seed": (lambda net: setattr(net, "seed", 0.5), "seed is 0.5"),
    "shift": (lambda net: net.shift.fill(np.nan), "shift is nan"),
    "divisor": (lambda net: net.divisor.fill(0), "cannot be used"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_save_keeps_the_old_file_where_load_would_refuse(
    name: str, run: Program, capsys: Any
) -> None:
    program = scaled_run(capsys)
    before = trained(program)
    net = program.module.Network.load(program.weights)
    spoil, message = SPOILT[name]
    spoil(net)
    with pytest.raises(program.module.InputError, match=message):
        net.save(program.weights)
    assert program.weights.read_bytes() == before
    assert not pathlib.Path(f"{program.weights}.prev").exists()


def test_numbers_beyond_the_spec_s_dtype_are_not_saved(tmp_path: pathlib.Path) -> None:
    module = module_of(spec_for(CLASSES, dtype="float32"))
    net = module.Network(dtype="float64")
    net.w2[1, 2] = 1e300
    with pytest.raises(module.InputError, match="array w2 holds "):
        net.save(tmp_path / "w")
    assert list(tmp_path.iterdir()) == []
    net.w2[1, 2] = 0.1
    net.save(tmp_path / "w")
    assert module.Network.load(tmp_path / "w").w2[1, 2] == np.float32(0.1)


def test_weights_replace_no_other_file(run: Program) -> None:
    """Nor does a source or a spec become a weights file; an empty file may."""
    others = {"iris.py": b"import numpy\n", "iris.json": b'{"name": "iris"}', "s": b"{"}
    for name, data in others.items():
        pathlib.Path(name).write_bytes(data)
        with pytest.raises(run.module.InputError, match="exists and is no weights"):
            run.module.Network().save(name)
        assert pathlib.Path(name).read_bytes() == data
    pathlib.Path("empty").touch()
    run.module.Network().save("empty")
    assert np.array_equal(run.module.Network.load("empty").w2, run.module.Network().w2)


def test_weights_of_the_same_layers_are_taken(run: Program) -> None:
    """Another learning rate or name does not make another network."""
    hyper = {"learning_rate": 0.1}
    other = module_of(spec_for(CLASSES, name="elsewhere", hyperparameters=hyper))
    other.Network().save(run.weights)
    assert run("evaluate", "--data", "data.npz")
