"""Logs of runs in the format that trainers write, made by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from support import spec_of

from bpcompile.spec import NetworkSpec, digest

CLASSES = spec_of(name="classes", layers=[4, 5, 3], cost="cross_entropy")
VALUES = spec_of(
    name="values",
    layers=[1, 6, {"size": 1, "activation": "identity"}],
    cost="quadratic",
)


def start(network: NetworkSpec = CLASSES, **fields: Any) -> dict[str, Any]:
    return {
        "event": "start",
        "format": 1,
        "compiler": "0.1.0",
        "target": "made_up",
        "name": network.name,
        "spec": network.normalised(),
        "spec_sha256": digest(network),
        "seed": 7,
        "epoch": 0,
        "examples": {"train": 120, "validation": None, "test": 30},
        "classes": None,
        "environment": {"machine": "made_up_64", "threads": 2},
        **fields,
    }


def epoch(number: int, layers: int = 3, **fields: Any) -> dict[str, Any]:
    """Of a network with so many layers; costs fall, gradients differ by layer."""
    with_weights, hidden = range(2, layers + 1), range(2, layers)
    return {
        "event": "epoch",
        "epoch": number,
        "cost": 1 / number,
        "test_cost": 1.5 / number,
        "accuracy": 1 - 0.5 / number,
        "test_accuracy": 1 - 0.75 / number,
        "learning_rate": 0.5,
        "seconds": 0.25,
        "examples_per_second": 480.0,
        "gradient_norms": [layer / number for layer in with_weights],
        "saturated": [0.25 for _ in hidden],
        "dead": [0.0 for _ in hidden],
        "update_ratios": [0.001 * layer for layer in with_weights],
        **fields,
    }


def warning(number: int, message: str, **fields: Any) -> dict[str, Any]:
    told = {"kind": "dead units", "layer": 2, "message": message}
    return {"event": "warning", "epoch": number, **told, **fields}


def evaluation(confusion: Any = None, **fields: Any) -> dict[str, Any]:
    found = {"cost": 0.3, "accuracy": 0.9, "confusion": confusion, "worst": []}
    return {"event": "evaluation", "data": "test", **found, **fields}


def end(number: int, reason: str = "finished", message: str = "") -> dict[str, Any]:
    return {"event": "end", "epoch": number, "reason": reason, "message": message}


def whole(epochs: int = 3) -> list[dict[str, Any]]:
    """A classification from its start to its end."""
    confusion = [[9, 1, 0], [0, 8, 2], [0, 0, 10]]
    numbered = (epoch(number) for number in range(1, epochs + 1))
    return [start(), *numbered, evaluation(confusion), end(epochs)]


def written(path: Path, events: Iterable[dict[str, Any]], rest: str = "") -> Path:
    """The file with these lines, and what follows the last of them."""
    lines = "".join(json.dumps(event) + "\n" for event in events)
    path.write_text(lines + rest, "utf-8")
    return path
