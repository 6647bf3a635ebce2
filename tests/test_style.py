"""Generated modules are clean under their language's own tools, as they come."""

from __future__ import annotations

import subprocess
import sys

import pytest
from random_specs import HIDDEN, minimal, outputs_for
from support import LONG, SPECS, TARGETS, spec_of, text_of

from bpcompile import load_spec
from bpcompile.operators import SCHEDULES

RELU = {"size": 5, "activation": "relu"}
SOFTMAX = {"size": 3, "activation": "softmax"}
IDENTITY = {"size": 2, "activation": "identity"}
ONE = {"size": 1, "activation": "tanh"}
LIKELY = "log_likelihood"
NORMAL = {"size": 2, "activation": "identity", "initializer": "standard_normal"}
UNIFORM = {"kind": "uniform", "low": -1.2345678901234567, "high": 1e-30}
ORTHOGONAL = {"kind": "orthogonal", "gain": 1.4142135623730951}
DECAY = {"regularization": {"l2": 1.0}}
STOPPING = {"early_stopping": {"patience": 3}}
HALVING = {"schedule": "halve_on_plateau"}
HALF = {"validation_fraction": 0.5}
FOLD = {"validation_fold": {"number": 2, "of": 3}}


def neurons(activation):
    """A layer of them."""
    return {"size": 4, "activation": activation}


#: A spec for each branch that a template has; texts around the length of a line.
VARIANTS = {
    "one_output": {"layers": [3, 4, 1], "cost": "cross_entropy"},
    "one_tanh": {"layers": [3, ONE], "cost": "quadratic", "description": "x" * 70},
    "values": {"layers": [3, 4, IDENTITY], "cost": "quadratic"},
    "one_value": {
        "layers": [
            {"size": 3, "scaling": "min_max"},
            {"size": 1, "activation": "identity"},
        ],
        "cost": "quadratic",
        "description": "x" * 82,
    },
    "classes": {
        "layers": [{"size": 3, "scaling": "standardize"}, SOFTMAX],
        "cost": LIKELY,
        "description": 'é"\\\n\t' * 40,
    },
    "softmax_quadratic": {
        "layers": [{"size": 3, "scaling": {"kind": "divide", "by": 2}}, RELU, SOFTMAX],
        "cost": "quadratic",
        "description": "x" * 83,
    },
    "deep": {
        "layers": [3, *([NORMAL] * 12), 2],
        "cost": "cross_entropy",
        "hyperparameters": DECAY,
        "description": "x" * 165,
        "dtype": "float64",
        "name": "n" * 64,
    },
    "class_of_identity": {"layers": [3, IDENTITY], "cost": "quadratic"},
    "values_in_unit": {
        "layers": [3, 2],
        "cost": "cross_entropy",
        "task": "regression",
        "description": "x" * 166,
    },
    "momentum": {
        "layers": [3, 4, 2],
        "cost": "cross_entropy",
        "hyperparameters": {
            "optimizer": "momentum",
            "regularization": {"l1": 1.0, "l2": 1.0, "max_norm": 2.0},
            "clipping": {"norm": 1.0},
        },
    },
    "adamw": {
        "layers": [3, *([4] * 10), 2],
        "cost": "cross_entropy",
        "hyperparameters": {
            "optimizer": "adamw",
            "regularization": {"l1": 1.0, "l2": 1.0},
            "clipping": {"value": 1.0},
        },
    },
    "nadam": {
        "layers": [3, 4, 2],
        "cost": "cross_entropy",
        "hyperparameters": {"optimizer": "nadam", **DECAY},
    },
    "lion": {
        "layers": [3, 4, 2],
        "cost": "cross_entropy",
        "hyperparameters": {"optimizer": "lion", **DECAY},
    },
    "adadelta": {
        "layers": [3, 4, 2],
        "cost": "cross_entropy",
        "hyperparameters": {"optimizer": "adadelta"},
    },
    "values_adding_up": {"layers": [3, SOFTMAX], "cost": LIKELY, "task": "regression"},
    "all_hidden": {"layers": [3, *map(neurons, HIDDEN), 2], "cost": "cross_entropy"},
    "hinge": {"layers": [3, neurons("gelu"), IDENTITY], "cost": "hinge"},
    "hinge_one": {"layers": [3, neurons("mish"), ONE], "cost": "hinge"},
    "huber": {
        "layers": [3, neurons({"kind": "leaky_relu", "slope": 0.2}), neurons("selu")],
        "cost": {"kind": "huber", "delta": 0.125},
    },
    "log_cosh": {"layers": [3, neurons("elu"), neurons("mish")], "cost": "log_cosh"},
    "absolute": {"layers": [3, neurons("sine"), neurons("exp")], "cost": "absolute"},
    "smoothed": {
        "layers": [3, neurons("gelu_tanh"), SOFTMAX],
        "cost": {"kind": LIKELY, "label_smoothing": 0.1},
    },
    **{
        f"poisson_of_{kind}": {"layers": [3, neurons(kind)], "cost": "poisson"}
        for kind in outputs_for("poisson")
    },
    "dropout": {
        "layers": [
            {"size": 3, "dropout": 0.2},
            {"size": 4, "dropout": 1 / 3, "initializer": "glorot_uniform"},
            {"size": 5, "initializer": "he", "bias_initializer": UNIFORM},
            {**IDENTITY, "initializer": "glorot_normal", "bias_initializer": "zeros"},
        ],
        "cost": "quadratic",
    },
    "deep_dropout": {
        "layers": [
            3,
            *([{**NORMAL, "dropout": 0.123456789, "initializer": ORTHOGONAL}] * 11),
            {"size": 2, "initializer": UNIFORM, "bias_initializer": ORTHOGONAL},
        ],
        "cost": "cross_entropy",
    },
    "nothing_drawn": {
        "layers": [3, {"size": 2, "initializer": "zeros", "bias_initializer": "zeros"}],
        "cost": "quadratic",
    },
    "stopping": {"layers": [3, 2], "cost": "quadratic", "hyperparameters": STOPPING},
    "stopping_one": {
        "layers": [{"size": 3, "scaling": "standardize"}, 1],
        "cost": "cross_entropy",
        "hyperparameters": {
            **STOPPING,
            **HALF,
            **DECAY,
            "schedule": {"kind": "halve_on_plateau", "monitor": "cost", "warmup": 2},
            "class_weights": [1, 2],
        },
    },
    "stopping_value": {
        "layers": [3, IDENTITY],
        "cost": "quadratic",
        "task": "regression",
        "hyperparameters": {**STOPPING, **HALVING, **HALF},
    },
    "halving": {"layers": [3, 2], "cost": "quadratic", "hyperparameters": HALVING},
    "halving_value": {
        "layers": [{"size": 3, "scaling": "min_max"}, IDENTITY],
        "cost": "quadratic",
        "task": "regression",
        "hyperparameters": HALVING,
    },
    "held_out": {"layers": [3, 2], "cost": "quadratic", "hyperparameters": HALF},
    "fold": {"layers": [3, 2], "cost": "quadratic", "hyperparameters": FOLD},
    "fold_of_values": {
        "layers": [3, IDENTITY],
        "cost": "quadratic",
        "task": "regression",
        "hyperparameters": FOLD,
    },
    "class_weights": {
        "layers": [3, {**SOFTMAX, "size": 30}],
        "cost": LIKELY,
        "hyperparameters": {"class_weights": [1.5] * 30},
    },
    "accumulating": {
        "layers": [3, {"size": 4, "dropout": 0.5}, 2],
        "cost": "cross_entropy",
        "hyperparameters": {"accumulate": 2, "optimizer": "adam", **DECAY},
    },
    "ranks": {"layers": [3, 4, 2], "cost": "cross_entropy", "parallel": "mpi"},
    "ranks_of_values": {
        "layers": [{"size": 3, "scaling": "standardize", "dropout": 0.5}, IDENTITY],
        "cost": "quadratic",
        "task": "regression",
        "hyperparameters": {
            **STOPPING,
            **HALVING,
            **HALF,
            **DECAY,
            "accumulate": 2,
            "clipping": {"norm": 1.0},
        },
        "parallel": "mpi",
    },
    "ranks_of_classes": {
        "layers": [{"size": 3, "scaling": "min_max"}, {**SOFTMAX, "dropout": 0.0}],
        "cost": LIKELY,
        "hyperparameters": {
            **HALF,
            "class_weights": [1, 2, 3],
            "clipping": {"value": 1.0},
            "optimizer": "adam",
        },
        "parallel": "mpi",
    },
    **{
        f"{kind}_by_{unit}_{warmup}": {
            "layers": [3, 2],
            "cost": "quadratic",
            "hyperparameters": {
                "schedule": {**minimal(entry), "unit": unit, "warmup": warmup}
            },
        }
        for kind, entry in SCHEDULES.items()
        for unit, warmup in (("epoch", 0), ("step", 3))
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Every variant for every target, whole and as a library; and the gallery."""
    made = tmp_path_factory.mktemp("generated")
    specs = {name: spec_of(**fields) for name, fields in VARIANTS.items()}
    specs |= {f"gallery_{p.stem}": load_spec(p) for p in SPECS.glob("*.json")}
    for name, spec in specs.items():
        for target in TARGETS:
            stem = f"{name}_{target.replace('-', '_')}"
            (made / f"{stem}.py").write_text(text_of(spec, target), "utf-8")
            library = text_of(spec, target, library=True)
            (made / f"{stem}_library.py").write_text(library, "utf-8")
    return made


@pytest.mark.parametrize(
    "tool",
    [
        ("ruff", "check", "--isolated"),
        ("ruff", "check", "--isolated", "--target-version=py39", "--select=F,I,UP,B"),
        ("ruff", "format", "--isolated", "--check"),
    ],
    ids=lambda tool: " ".join(tool[:3]),
)
def test_clean_as_it_comes(tool, folder):
    command = [sys.executable, "-m", *tool, str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]


@pytest.mark.parametrize(
    "tool", [("mypy", "--strict"), ("black", "--check", "--quiet", "--workers=1")]
)
def test_clean_as_it_comes_under_slow_tools(tool, folder):
    """Libraries of both targets; of every fourth variant the whole module of one, whose
    program is the same for most and five times as long."""
    names = sorted(VARIANTS)
    whole = names if LONG else names[::4]
    paths = [folder / f"{name}_numpy.py" for name in whole]
    paths += [folder / f"{name}_numpy_library.py" for name in {*names} - {*whole}]
    paths += [folder / f"{name}_numpy_textbook_library.py" for name in names]
    command = [sys.executable, "-m", *tool, *map(str, paths)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert result.returncode == 0, result.stdout[-2000:]


def test_lines_fit(folder):
    """Only the header may be longer: a name may have 64 characters."""
    for path in folder.glob("*.py"):
        for line in path.read_text("utf-8").splitlines()[2:]:
            assert len(line) <= 88, f"{path.name}: {line}"


@pytest.mark.parametrize("target", TARGETS)
def test_a_hundred_layers_need_no_formatter(target, tmp_path):
    spec = spec_of(layers=[2, *[2] * 120, 1], cost="cross_entropy")
    path = tmp_path / "deep.py"
    path.write_text(text_of(spec, target), "utf-8")
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--check", path]
    assert subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_names_where_or_when(target):
    """No path, host or date: the same spec gives the same bytes anywhere."""
    text = text_of(load_spec(SPECS / "xor.json"), target)
    assert str(SPECS) not in text
    assert "/" + "home" not in text and "20" + "26" not in text
