"""Modules for inference alone: what they compute, refuse and leave out."""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference import OTHERS, both, data_of, inference_text, saved, spec_named
from modules import LAYERS, inputs
from oracle import imported
from random_specs import inputs_for, repeatable, specs
from support import SPECS, TARGETS, module_of, run, spec_of

from bpcompile import load_spec
from bpcompile.spec import NetworkSpec

# ---- What it computes --------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", [*LAYERS, *OTHERS])
def test_outputs_are_the_trainers_to_the_last_bit(
    name: str, target: str, dtype: str, tmp_path: Path
) -> None:
    spec = spec_named(name, dtype=dtype)
    weights = saved(spec, tmp_path, data_of(name))
    network, _, alone = both(spec, target, weights)
    for n in (1, 2, 7, 64):
        x = 5 * inputs(n, seed=n) + 1
        for given_x in (x, x.tolist(), np.asfortranarray(x), (9 * x).astype(np.uint8)):
            expected, found = network.feedforward(given_x), alone.feedforward(given_x)
            assert found.dtype == expected.dtype == dtype
            assert found.tobytes() == expected.tobytes()
            assert found.shape == expected.shape
            assert found.flags.c_contiguous
            classes, others = alone.predict(given_x), network.predict(given_x)
            assert classes.dtype == others.dtype
            assert classes.tolist() == others.tolist()


@settings(repeatable, max_examples=50)
@given(st.sampled_from(["float32", "float64"]).flatmap(specs), st.integers(0, 2**32))
def test_random_specs(tmp_path_factory: Any, spec: NetworkSpec, seed: int) -> None:
    weights = saved(spec, tmp_path_factory.mktemp("weights"))
    x = inputs_for(spec, 5, np.random.default_rng(seed))
    for target in TARGETS:
        network, _, alone = both(spec, target, weights)
        with np.errstate(all="ignore"):
            expected, found = network.feedforward(x), alone.feedforward(x)
        assert found.tobytes() == expected.tobytes()


def test_a_network_that_has_seen_no_data_scales_by_nothing(tmp_path: Path) -> None:
    """As the trainer's own does until train fits the scaling."""
    spec = spec_named("standardized")
    network, _, alone = both(spec, "numpy", saved(spec, tmp_path))
    assert (
        alone.feedforward(inputs()).tobytes() == network.feedforward(inputs()).tobytes()
    )


def test_numbers_at_the_edge_of_their_type(tmp_path: Path) -> None:
    """Negative zero, the smallest and the largest survive the way through decimals."""
    for dtype in ("float32", "float64"):
        about = np.finfo(dtype)
        edges = [-0.0, about.smallest_subnormal, about.tiny, about.max, about.min]
        edges += [about.eps, 1 + about.eps, 16777216.0, 0.1]
        spec = spec_of(layers=[3, 3], cost="quadratic", dtype=dtype)
        network, path = module_of(spec).Network(), tmp_path / f"{dtype}.safetensors"
        network.w2[...] = np.array(edges, dtype).reshape(3, 3)
        network.save(path)
        for target in TARGETS:
            alone = imported(inference_text(spec, path, target))
            assert alone.w2.dtype == dtype
            assert alone.w2.tobytes() == network.w2.tobytes()


# ---- What it refuses ---------------------------------------------------------------

WRONG: list[Any] = [
    [1.0, 2.0, 3.0],
    [[1.0, 2.0]],
    np.zeros((0, 3)),
    [["a", "b", "c"]],
    [[1.0, np.nan, 3.0]],
    [[1.0, 2.0, np.inf]],
    [[1.0, 2.0, 1e300]],
    np.zeros((2, 3, 1)),
    None,
    3,
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["classes", "standardized", "divided"])
def test_wrong_inputs_hear_what_the_trainer_says(
    name: str, target: str, tmp_path: Path
) -> None:
    spec = spec_named(name, dtype="float32")
    weights = saved(spec, tmp_path, data_of(name))
    network, trainer, alone = both(spec, target, weights)
    for x in WRONG:
        with pytest.raises(trainer.InputError) as expected:
            network.predict(x)
        for method in (alone.feedforward, alone.predict):
            with pytest.raises(ValueError) as found:
                method(x)
            assert type(found.value) is alone.InputError
            assert str(found.value) == str(expected.value)


def test_what_has_no_class_gets_none(tmp_path: Path) -> None:
    linear = {"size": 2, "activation": "identity"}
    spec, weights = spec_of(layers=[3, linear], cost="quadratic"), tmp_path / "w"
    network = module_of(spec).Network()
    network.w2[...] = 10
    network.save(weights)
    network, _, alone = both(spec, "numpy", weights)
    x = np.full((1, 3), 1e38)
    with np.errstate(all="ignore"):
        assert not np.isfinite(alone.feedforward(x)).all()
        for refuse in (network.predict, alone.predict):
            with pytest.raises(ValueError, match="the outputs are not finite"):
                refuse(x)


# ---- What it leaves out ------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", [*LAYERS, *OTHERS])
def test_it_holds_nothing_that_inference_does_not_use(
    name: str, target: str, tmp_path: Path
) -> None:
    spec = spec_named(name)
    text = inference_text(spec, saved(spec, tmp_path), target)
    tree = ast.parse(text)
    roots = {
        a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names
    }
    froms = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert roots == {"numpy"}
    assert froms == {"__future__", "typing", "numpy.typing"}
    defined = {
        name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Assign)
        for name in names_of(node)
    }
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    assert defined - read == {"predict"}


def names_of(node: ast.FunctionDef | ast.ClassDef | ast.Assign) -> list[str]:
    """What a statement defines."""
    if isinstance(node, ast.Assign):
        return [place.id for place in node.targets if isinstance(place, ast.Name)]
    return [node.name]


@pytest.mark.parametrize("target", TARGETS)
def test_importing_does_nothing_and_needs_numpy_alone(
    target: str, tmp_path: Path
) -> None:
    spec = spec_named("standardized", dtype="float32")
    weights = saved(spec, tmp_path, data_of("standardized"))
    (tmp_path / "alone.py").write_text(inference_text(spec, weights, target), "utf-8")
    code = """
import sys
import numpy as np
before, floats = set(sys.modules), np.geterr()
import alone
assert np.geterr() == floats
new = {name.split(".")[0] for name in set(sys.modules) - before}
print(sorted(new - set(sys.stdlib_module_names)), alone.predict([[1, 2, 3]]).shape)
"""
    environment = {**os.environ, "PYTHONWARNINGS": "error", "PYTHONPATH": str(tmp_path)}
    done = run(sys.executable, "-O", "-B", "-c", code, cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "['alone', 'numpy'] (1,)\n"


def test_where_the_weights_are_from_stands_in_it(tmp_path: Path) -> None:
    spec = spec_named("classes")
    weights = saved(spec, tmp_path, data_of("classes"), epochs=3)
    text = inference_text(spec, weights)
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in text
    assert "those of epoch 3," in text
    assert text == inference_text(spec, weights)
    assert str(tmp_path) not in text and weights.name not in text


# ---- What it reads like ------------------------------------------------------------

CLEAN = [
    ("ruff", "check", "--isolated", "--target-version=py39", "--select=E4,E7,E9,F,I,B"),
    ("ruff", "format", "--isolated", "--check"),
    ("black", "--check", "--quiet", "--workers=1"),
    ("mypy", "--strict"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: Any) -> Path:
    """An inference module of every kind for every target."""
    made: Path = tmp_path_factory.mktemp("inference")
    for name in (*LAYERS, *OTHERS):
        for dtype in ("float32", "float64"):
            spec = spec_named(name, dtype=dtype)
            weights = saved(spec, tmp_path_factory.mktemp("weights"), data_of(name))
            for target in TARGETS:
                stem = f"{name}_{dtype}_{target.replace('-', '_')}"
                text = inference_text(spec, weights, target)
                (made / f"{stem}.py").write_text(text, "utf-8")
    digits = load_spec(SPECS / "digits.json")
    weights = saved(digits, tmp_path_factory.mktemp("weights"))
    for target in TARGETS:
        text = inference_text(digits, weights, target)
        (made / f"digits_{target.replace('-', '_')}.py").write_text(text, "utf-8")
    return made


@pytest.mark.parametrize("tool", CLEAN, ids=lambda tool: tool[0] + tool[1])
def test_clean_as_it_comes(tool: tuple[str, ...], folder: Path) -> None:
    paths = sorted(map(str, folder.glob("*.py")))
    command = [sys.executable, "-m", *tool, *paths]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_lines_fit(folder: Path) -> None:
    for path in folder.glob("*.py"):
        for line in path.read_text("utf-8").splitlines():
            assert len(line) <= 88, f"{path.name}: {line}"
            assert line == line.rstrip(), f"{path.name}: {line}"
