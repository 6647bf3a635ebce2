"""Operators of a spec's own in whole networks: emitted, trained, refused, warned of."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import (
    Data,
    apart,
    arguments_of,
    as_lists,
    complex_steps_apart,
    library,
    settled,
)
from support import ROOT, TARGETS, bpcompile, difference, module_of, spec_of, text_of

from bpcompile import reference
from bpcompile.formula.entries import PREFIX
from bpcompile.spec import NetworkSpec, digest

EXACT = 1e-12

#: One of each shape; every one of them must work in every target.
ACTIVATIONS: dict[str, dict[str, Any]] = {
    "swish2": {"formula": "z * sigmoid(2 * z)"},
    "bent": {"formula": "(sqrt(z*z + 1) - 1) / 2 + z"},
    "leaky": {"formula": "where(z > 0, z, 0.01 * z)"},
    "kinked": {"formula": "max(z, 0.2 * z) + abs(z - 0.25) / 4"},
    "clipped": {"formula": "min(max(z, -1), 1)"},
    "gated": {"formula": "(z > 0) * (z < 2) * z + 2 * (z >= 2)"},
    "nested": {"formula": "swish2(bent(z)) - tanh(sigmoid(z))"},
    "bump": {"formula": "exp(-z**2)", "range": [0, 1]},
    "powers": {"formula": "z**4 / 64 - z**3 / 32 + (z**2 + 1)**-1 + (1 + z*z)**0.25"},
    "doubled": {"formula": "2**(z / 3)"},
    "given": {"formula": "tanh(z)", "derivative": "1 - a*a", "range": [-1, 1]},
    "step_taken": {"formula": "relu(z)", "derivative": "z >= 0"},
    "masked": {"formula": "where(z > 0, log(1 + z), expm1(z))"},
    "lambda": {"formula": "sin(z) + z"},
    "linear": {"formula": "3 * z"},
    "copy": {"formula": "z"},
    "with_erf": {"formula": "z * erf(z / 2) + leaky_relu(z - 1, slope=0.2)"},
    "of_built_in": {"formula": "gelu(z) + 0.5 * mish(z) * elu(z, alpha=0.5)"},
}
COSTS: dict[str, dict[str, Any]] = {
    "power4": {"formula": "(a - y)**4 / 4"},
    "robust": {"formula": "sqrt((a - y)**2 + 1) - 1"},
    "distance": {"formula": "abs(a - y)"},
    "tilted": {"formula": "max(0.7 * (a - y), -0.3 * (a - y))"},
    "double": {"formula": "(a - y)**2", "derivative": "2 * (a - y)"},
    "linear_cost": {"formula": "3 * a"},
    "curved": {"formula": "log1p((a - y)**2) + 0.1 * swish2(a * y)"},
}
#: What others call is always there.
CALLED = ("swish2", "bent")


def network(
    activation: str = "swish2",
    cost: str = "quadratic",
    output: str = "identity",
    **rest: Any,
) -> NetworkSpec:
    layers = [3, {"size": 4, "activation": activation}, {"size": 3}]
    layers += [{"size": 2, "activation": output}]
    kinds = (*CALLED, activation, output)
    own = {
        "activations": {k: f for k, f in ACTIVATIONS.items() if k in kinds},
        "costs": {k: f for k, f in COSTS.items() if k == cost},
    }
    fields = {"layers": layers, "cost": cost, "operators": own, "dtype": "float64"}
    return spec_of(task="regression", **{**fields, **rest})


def data(seed: int, n: int = 7) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return 2 * rng.normal(size=(n, 3)), rng.normal(size=(n, 2))


PLACES = [
    *({"activation": kind} for kind in ACTIVATIONS),
    *({"output": kind} for kind in ACTIVATIONS),
    *({"cost": kind} for kind in COSTS),
    {"activation": "nested", "output": "bump", "cost": "power4"},
    {"output": "softmax", "cost": "robust"},
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: "-".join(place.values()))
@pytest.mark.filterwarnings("error")
def test_gradients_and_training(place: dict[str, str], target: str) -> None:
    x, y = data(1)
    epochs = 3
    run = settled(network(**place), Data(x, y), epochs, np.random.default_rng(0))
    spec = run.spec
    module = library(spec, target)
    trained = module.Network()
    gradient = as_lists(trained.backprop(x, y))
    parameters = as_lists(trained.parameters)
    expected = reference.backprop(spec, parameters, x.tolist(), y.tolist())
    assert apart(gradient, expected) <= EXACT
    point = (spec, parameters, x.tolist(), y.tolist(), None)
    assert complex_steps_apart(gradient, *point) <= EXACT
    trained.train(x, y, epochs=epochs)
    assert apart(as_lists(trained.parameters), run.training.parameters) <= EXACT


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_own_functions_keep_the_dtype(kind: str, target: str, dtype: str) -> None:
    """Also where a derivative is made of comparisons and numbers alone."""
    spec = network(activation=kind, output=kind, cost="tilted", dtype=dtype)
    module = library(spec, target)
    x, y = data(2)
    trained = module.Network()
    gradient = trained.backprop(x, y)
    assert {array.dtype for array in gradient.values()} == {np.dtype(dtype)}
    if target == "numpy-textbook":
        z = np.linspace(-3, 3, 6, dtype=dtype).reshape(2, 3)
        for name in dir(module):
            if name.startswith(PREFIX):
                count = arguments_of(getattr(module, name))
                assert getattr(module, name)(*[z] * count).dtype == dtype, name


@pytest.mark.parametrize("target", TARGETS)
def test_a_function_is_called_so_that_no_language_minds(target: str) -> None:
    """`lambda` is no name for a function, and own_lambda nobody else's."""
    templates = "".join(p.read_text("utf-8") for p in ROOT.glob("templates/*/*.jinja"))
    assert not re.search(rf"(?<![a-z_]){PREFIX}", templates)
    text = text_of(network(activation="lambda"), target)
    assert f"def {PREFIX}lambda(" in text
    compile(text, "generated", "exec")


@pytest.mark.parametrize("target", TARGETS)
def test_own_operators_are_clean_under_the_language_s_tools(
    target: str, tmp_path: Path
) -> None:
    layers: list[Any] = [3]
    layers += [{"size": 2, "activation": kind} for kind in ACTIVATIONS]
    long = " + ".join(f"{n / 7} * sin(z / {n}) * exp(-z*z)" for n in range(1, 12))
    name = "a_name_of_24_characters_"
    own = {
        "activations": {**ACTIVATIONS, name: {"formula": long}},
        "costs": {
            **COSTS,
            "long": {"formula": f"(a - y)**2 + ({long})".replace("z", "a")},
        },
    }
    layers.append({"size": 2, "activation": name})
    for cost in ("tilted", "long"):
        spec = spec_of(layers=layers, cost=cost, operators=own)
        text = text_of(spec, target)
        assert max(map(len, text.splitlines())) <= 88
        (tmp_path / f"m_{cost}.py").write_text(text, "utf-8")
    for tool in (
        ("ruff", "check"),
        ("ruff", "format", "--check"),
        ("black", "--check", "-q"),
        ("mypy", "--strict"),
    ):
        files = sorted(map(str, tmp_path.glob("*.py")))
        done = subprocess.run(
            [sys.executable, "-m", *tool, *files],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_normalised_spec_holds_them_all_in_one_spelling() -> None:
    spec = network("bent", output="given", cost="power4")
    found = spec.normalised()["operators"]
    assert [*found["activations"]] == ["swish2", "bent", "given"]
    assert [*found["costs"]] == ["power4"]
    assert found["activations"]["bent"] == {
        "formula": "(sqrt(z * z + 1) - 1) / 2 + z",
    }
    assert found["activations"]["given"] == {
        "formula": "tanh(z)",
        "derivative": "1 - a * a",
        "range": [-1, 1],
    }
    again = NetworkSpec.model_validate_json(json.dumps(spec.normalised()))
    assert digest(again) == digest(spec)


def test_what_is_no_mathematics_does_not_change_the_digest() -> None:
    def of(formula: str, **more: str) -> str:
        own = {"activations": {"mine": {"formula": formula, **more}}}
        layers = [2, {"size": 2, "activation": "mine"}]
        return digest(spec_of(layers=layers, cost="quadratic", operators=own))

    first = of("z*sigmoid(2*z)")
    assert of(" z * (sigmoid(2.0 * z))", description="mine, really") == first
    assert of("z*sigmoid(3*z)") != first


@pytest.mark.parametrize("target", TARGETS)
def test_weights_of_another_formula_are_refused(target: str, tmp_path: Path) -> None:
    def module(formula: str) -> Any:
        own = {"activations": {"mine": {"formula": formula}}}
        layers = [2, {"size": 2, "activation": "mine"}]
        return module_of(
            spec_of(layers=layers, cost="quadratic", operators=own), target
        )

    path = tmp_path / "weights.safetensors"
    module("z*sigmoid(2*z)").Network().save(path)
    module("z * sigmoid(2.0*z)").Network.load(path)
    with pytest.raises(ValueError, match=r"its mine is .*2 .*, here it is .*3 "):
        module("z*sigmoid(3*z)").Network.load(path)


def test_a_spec_without_operators_is_what_it_was() -> None:
    fields = {"layers": [2, 2], "cost": "quadratic"}
    assert digest(spec_of(**fields)) == digest(spec_of(**fields, operators={}))
    assert "operators" not in spec_of(**fields, operators={}).normalised()


# ---- What is said ------------------------------------------------------------------


def spec_file(folder: Path, formula: str, dtype: str = "float64", **more: Any) -> Path:
    path = folder / "mine.json"
    own = {"activations": {"mine": {"formula": formula, **more}}}
    layers = [2, {"size": 2, "activation": "mine"}, 2]
    fields = {"dtype": dtype, "layers": layers, "cost": "quadratic", "operators": own}
    path.write_text(json.dumps(fields), "utf-8")
    return path


@pytest.mark.parametrize(
    ("formula", "dtype", "said"),
    [
        ("log(1 + exp(z))", "float64", "overflows for z >= 709.8"),
        ("log(1 + exp(z))", "float32", "overflows for z >= 88.72"),
        ("exp(-z) - exp(z)", "float64", "overflows for z <= -709.8"),
        ("z / (1 + exp(-z)) * exp(z)", "float64", "overflows for z >= "),
        ("1 / (1 + exp(-z))", "float64", "its derivative gives NaN for z <= -709.8"),
    ],
)
def test_a_formula_that_overflows_is_compiled_with_a_warning(
    formula: str, dtype: str, said: str, tmp_path: Path
) -> None:
    done = bpcompile(spec_file(tmp_path, formula, dtype), "-o", tmp_path / "mine.py")
    assert done.returncode == 0
    assert "warning[formula]" in done.stderr
    assert said in done.stderr
    assert (tmp_path / "mine.py").exists()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("target", TARGETS)
def test_where_a_warning_says_it_overflows_it_does_and_before_it_does_not(
    target: str,
) -> None:
    own = {"activations": {"mine": {"formula": "log(1 + exp(z))"}}}
    layers = [2, {"size": 2, "activation": "mine"}]
    spec = spec_of(layers=layers, cost="quadratic", operators=own, dtype="float64")
    module = library(spec, target)
    f = getattr(module, f"{PREFIX}mine")

    def at(z: float) -> Any:
        array, a = np.array([[z]]), np.zeros((1, 1))
        arguments = (array, a)[: arguments_of(f)]
        found = f(*arguments)
        return arguments[-1] if found is None else found

    assert difference(at(709.0), [[709.0]]) <= EXACT
    with pytest.raises(RuntimeWarning, match="overflow"):
        at(709.9)


@pytest.mark.parametrize(
    "formula",
    ["z * sigmoid(2 * z)", "where(z > 0, z, expm1(z))", "max(z, 0)", "z**3 - z"],
)
def test_nothing_is_said_of_one_that_does_not(formula: str, tmp_path: Path) -> None:
    done = bpcompile(spec_file(tmp_path, formula), "-o", tmp_path / "mine.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_place_of_a_mistake_is_right_whatever_the_escapes(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    head = '{"layers": [2, {"size": 2, "activation": "mine"}], "cost": "quadratic",\n'
    text = head + ' "operators": {"activations": {"mine": {"formula": "%s"}}}}'
    for formula in (r"z + foo(z)", r"z\u0020+\n\tfoo(z)", r"\u007a\u002b  foo(z)"):
        path.write_text(text % formula, "utf-8")
        done = bpcompile(path)
        assert done.returncode == 2
        line = (text % formula).split("\n")[1]
        assert f"mine.json:2:{line.index('foo') + 1}: error" in done.stderr
        source, carets = done.stderr.splitlines()[1:]
        start = carets.index("^")
        assert source[start : start + carets.count("^")] == "foo"


def test_the_place_in_toml_and_on_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = (
        'layers = [2, {size = 2, activation = "mine"}]\ncost = "quadratic"\n'
        "[operators.activations.mine]\nformula = 'z + foo(z)'\n"
    )
    tomllib.loads(text)
    path.write_text(text, "utf-8")
    assert "mine.toml:4:16: error[formula]" in bpcompile(path).stderr
    good = spec_file(tmp_path, "z")
    set_ = 'operators.activations.mine.formula="z + foo(z)"'
    assert "--set:1:41: error[formula]" in bpcompile(good, "--set", set_).stderr
