"""Inference modules of trained networks, for the tests of what they do."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from oracle import imported
from support import module_of, renderer

from bpcompile.lower import lower
from bpcompile.spec import NetworkSpec
from bpcompile.trained import read_trained


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
