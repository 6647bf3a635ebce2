"""Inference modules of trained networks, for the tests of what they do."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from modules import LAYERS, inputs, labels, spec_for
from oracle import imported
from support import module_of, renderer

from bpcompile.lower import lower
from bpcompile.spec import NetworkSpec
from bpcompile.trained import read_trained

BENT = {"formula": "(sqrt(z*z + 1) - 1) / 2 + erf(z)"}
RAMP = {"kind": "leaky_relu", "slope": 0.2}
SOFTMAX = {"size": 4, "activation": "softmax"}

#: What the kinds of task do not show, for the classes of "classes".
OTHERS: dict[str, dict[str, Any]] = {
    "standardized": {"layers": [{"size": 3, "scaling": "standardize"}, 5, SOFTMAX]},
    "min_max": {"layers": [{"size": 3, "scaling": "min_max"}, SOFTMAX]},
    "divided": {
        "layers": [{"size": 3, "scaling": {"kind": "divide", "by": 3}}, 5, SOFTMAX]
    },
    "dropped": {
        "layers": [
            {"size": 3, "dropout": 0.2},
            {"size": 5, "dropout": 0.5, "activation": "gelu"},
            SOFTMAX,
        ]
    },
    "own": {
        "layers": [3, {"size": 5, "activation": "bent"}, SOFTMAX],
        "operators": {"activations": {"bent": BENT}},
    },
    "many": {
        "layers": [
            3,
            *(
                {"size": 4, "activation": kind}
                for kind in ("relu", RAMP, "mish", "elu")
            ),
            SOFTMAX,
        ]
    },
    "no_function": {
        "layers": [3, {"size": 4, "activation": "identity"}],
        "cost": "quadratic",
        "task": "classification",
    },
}


def spec_named(name: str, **changes: Any) -> NetworkSpec:
    if name in LAYERS:
        return spec_for(name, **changes)
    return spec_for("classes", **{**OTHERS[name], **changes})


def data_of(name: str) -> tuple[Any, Any]:
    """Examples on which every scaling is fitted to something."""
    kind = name if name in LAYERS else "classes"
    return 5 * inputs(12) + 1, labels(kind, 12)


def inference_text(spec: NetworkSpec, weights: Path, target: str = "numpy") -> str:
    """The text that holds the weights of a file."""
    plan = lower(spec)
    trained = read_trained(str(weights), plan)
    return renderer(target).inference(plan, trained).text


def saved(spec: NetworkSpec, folder: Path, data: Any = None, epochs: int = 2) -> Path:
    """The weights file of a network, trained on the data if there are any."""
    network = module_of(spec).Network()
    if data:
        network.train(*data, epochs=epochs)
    path = folder / "trained.safetensors"
    network.save(path)
    return path


def both(
    spec: NetworkSpec, target: str, weights: Path
) -> tuple[Any, ModuleType, ModuleType]:
    """The trainer's network of a weights file, its module, and the inference module."""
    trainer = module_of(spec, target)
    alone = imported(inference_text(spec, weights, target))
    return trainer.Network.load(weights), trainer, alone
