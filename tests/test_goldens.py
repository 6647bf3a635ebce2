"""The generated text of the gallery, whole; `make goldens` writes it anew.

The program half of a module is the same for every network of a task, so that it is
kept once for each task and the mathematics for every spec and target.
"""

from __future__ import annotations

from array import array

import pytest
from support import EVERY_TARGET, ROOT, SPECS, TARGETS, renderer, text_of

from bpcompile import load_spec
from bpcompile.lower import lower
from bpcompile.trained import Matrix, Trained

GOLDENS = ROOT / "tests" / "goldens"
GALLERY = sorted(path.stem for path in SPECS.glob("*.json"))


def file(folder, name, target):
    """Where an expected text stands, in the language's own suffix."""
    return GOLDENS / folder / f"{name}{renderer(target).target.suffix}"


def test_the_gallery_is_complete():
    wanted = {"xor", "book_ch1", "book_ch3", "digits", "sine", "deep"}
    assert wanted <= set(GALLERY)
    described = [load_spec(SPECS / f"{name}.json").description for name in GALLERY]
    assert all(described)


@pytest.mark.parametrize("target", EVERY_TARGET)
@pytest.mark.parametrize("name", GALLERY)
def test_mathematics(name, target, golden):
    text = text_of(load_spec(SPECS / f"{name}.json"), target, library=True)
    golden(file(target, name, target), text)


#: Updates of other kinds, each of them of a spec of the gallery.
UPDATES = {
    "xor_momentum": [
        "optimizer=momentum",
        'regularization={"l1": 0.1, "l2": 0.2, "max_norm": 3}',
        'clipping={"value": 0.5}',
    ],
    "xor_adamw": [
        "optimizer=adamw",
        'regularization={"l2": 0.2}',
        'clipping={"norm": 1}',
    ],
}


@pytest.mark.parametrize("target", EVERY_TARGET)
@pytest.mark.parametrize("name", UPDATES)
def test_updates(name, target, golden):
    overrides = [f"hyperparameters.{setting}" for setting in UPDATES[name]]
    text = text_of(load_spec(SPECS / "xor.json", overrides), target, library=True)
    golden(file(target, name, target), text)


@pytest.mark.parametrize("target", TARGETS)
def test_ranks(target, golden):
    """What sharing steps among ranks adds, and adding up several mini-batches."""
    overrides = ["parallel=mpi", "hyperparameters.accumulate=2"]
    text = text_of(load_spec(SPECS / "digits.json", overrides), target, library=True)
    golden(file(target, "digits_ranks", target), text)


def test_whole_module_of_ranks(golden):
    text = text_of(load_spec(SPECS / "digits.json", ["parallel=mpi"]))
    golden(file("whole", "digits_ranks", "numpy"), text)


WHOLE = [*((name, "numpy") for name in ("xor", "digits", "sine")), ("xor", "c")]


@pytest.mark.parametrize(("name", "target"), WHOLE)
def test_whole_module(name, target, golden):
    text = text_of(load_spec(SPECS / f"{name}.json"), target)
    golden(file("whole", name, target), text)


@pytest.mark.parametrize("target", EVERY_TARGET)
def test_inference(target, golden):
    """Weights that are the same on every machine: none was trained."""
    spec = load_spec(SPECS / "sine.json", ["dtype=float32"])
    parameters = {}
    for below, layer in enumerate(spec.layers[1:], start=1):
        neurons, inputs = layer.size, spec.layers[below - 1].size
        values = [(k % 17 - 8) / 10 for k in range(neurons * inputs)]
        w = Matrix(neurons, inputs, array("f", values))
        b = Matrix(neurons, 1, array("f", [j / 3 for j in range(neurons)]))
        parameters |= {f"w{below + 1}": w, f"b{below + 1}": b}
    fitted = array("d", [0.1]), array("d", [2 / 3])
    trained = Trained(30, 64 * "0", parameters, *fitted)
    made = renderer(target).inference(lower(spec), trained)
    golden(file(target, "sine_inference", target), made.text)
