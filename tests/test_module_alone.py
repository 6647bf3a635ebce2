"""A generated module on its own: what importing does and needs, how it may be run."""

from __future__ import annotations

import ast
import os
import pathlib
import sys
from typing import Any

import numpy as np
import pytest
from modules import LAYERS, bytes_of, inputs, labels, network, spec_for
from oracle import imported
from support import TARGETS, run, text_of

#: Trains, evaluates, is refused; prints every bit of what came out.
USE = """
import hashlib
import numpy as np
import generated
rng = np.random.default_rng(0)
x, y = 50 * rng.normal(size=(30, 3)), rng.integers(0, 4, 30)
net = generated.Network()
history = net.train(x, y, x, y, epochs=3, monitor=("cost", "accuracy"))
seen = [p.tobytes() for p in net.parameters.values()]
seen += [net.feedforward(x).tobytes(), net.predict(x).tobytes()]
seen += [g.tobytes() for g in net.backprop(x, y).values()]
for record in history:
    del record["seconds"]
print(hashlib.sha256(b"".join(seen)).hexdigest(), history)
for wrong_x, wrong_y in ((x[:, :2], y), (x, y + 4), (x * np.inf, y), (x, y[:5])):
    try:
        net.train(wrong_x, wrong_y, epochs=1)
    except ValueError as error:
        print(error)
"""


@pytest.fixture
def folder(tmp_path: pathlib.Path, request: pytest.FixtureRequest) -> pathlib.Path:
    """A folder that holds nothing but the module generated.py."""
    (tmp_path / "generated.py").write_text(
        text_of(spec_for("classes"), request.param), "utf-8"
    )
    return tmp_path


def in_folder(folder: pathlib.Path, *options: Any, **environment: str) -> str:
    """The output of Python run there; it must end well and say nothing on stderr."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    result = run(
        sys.executable, "-B", *options, cwd=folder, env={**clean, **environment}
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


both_targets = pytest.mark.parametrize("folder", TARGETS, indirect=True)


@both_targets
def test_importing_does_nothing_and_needs_numpy_alone(folder: pathlib.Path) -> None:
    code = """
import os, sys, warnings
import numpy as np
random, environment = np.random.get_state()[1].tolist(), dict(os.environ)
before, floats, shown = set(sys.modules), np.geterr(), list(warnings.filters)
import generated
assert np.geterr() == floats and warnings.filters == shown
assert np.random.get_state()[1].tolist() == random and dict(os.environ) == environment
new = {name.split(".")[0] for name in set(sys.modules) - before}
print(sorted(new - set(sys.stdlib_module_names)))
"""
    assert in_folder(folder, "-c", code) == "['generated', 'numpy']\n"
    assert os.listdir(folder) == ["generated.py"]


@pytest.mark.fault("NUM-09")
@both_targets
def test_the_same_bits_however_python_is_run(folder: pathlib.Path) -> None:
    expected = in_folder(folder, "-c", USE)
    assert len(expected.splitlines()) == 5
    assert in_folder(folder, "-W", "error", "-O", "-c", USE) == expected
    assert in_folder(folder, "-c", USE, PYTHONOPTIMIZE="2") == expected
    assert in_folder(folder, "-c", USE, PYTHONDEVMODE="1") == expected
    assert in_folder(folder, "-c", USE, PYTHONHASHSEED="7") == expected
    # Underflow is how exp of a very negative number becomes 0, so that may not raise.
    strict = "import numpy\nnumpy.seterr(all='raise', under='ignore')\n" + USE
    assert in_folder(folder, "-c", strict) == expected


@pytest.mark.fault("NUM-09")
@pytest.mark.parametrize("target", TARGETS)
def test_checks_are_no_assertions(target: str) -> None:
    """They would vanish under -O."""
    tree = ast.parse(text_of(spec_for("classes"), target))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", LAYERS)
def test_a_library_is_the_mathematics_alone(kind: str, target: str) -> None:
    text = text_of(spec_for(kind), target, library=True)
    roots = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        for name in (
            [a.name for a in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not roots & {"argparse", "os", "json", "zipfile", "gzip", "hashlib", "io"}
    for word in ("__main__", "argparse", "open(", "print(", "def save", "def load"):
        assert word not in text
    whole, alone = network(kind, target), imported(text).Network()
    x, y = inputs(11), labels(kind, 11)
    records = [net.train(x, y, epochs=2, monitor=("cost",)) for net in (whole, alone)]
    assert bytes_of(whole) == bytes_of(alone)
    assert [r["cost"] for r in records[0]] == [r["cost"] for r in records[1]]
    assert np.array_equal(whole.predict(x), alone.predict(x))
    one, other = whole.backprop(x, y), alone.backprop(x, y)
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.fault("NUM-03")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("size", [40.0, 750.0, 1e4])
def test_saturated_outputs_have_a_finite_cost(size: float, target: str) -> None:
    """Weighted inputs of +-size, and all of them equal, without a single warning."""
    for kind in ("classes", "sides", "one", "tanh_classes", "one_tanh"):
        net, x, y = network(kind, target), inputs(), labels(kind)
        for pattern in ([1.0], [-1.0], [1.0, -1.0]):
            b = net.parameters["b3"]
            net.parameters["w3"][...] = 0
            b[:, 0] = size * np.resize(pattern, len(b))
            with np.errstate(all="raise", under="ignore"):
                cost, gradient = net.cost(x, y), net.backprop(x, y)
            assert np.isfinite(cost)
            # A wrong output costs the difference of z, the largest there is.
            assert cost <= 2.1 * size * len(b)
            assert all(np.isfinite(g).all() for g in gradient.values())
