"""How long a generated trainer takes for a step, in the process that trains.

It stands in a process of its own, which may have been told how many threads to use
before NumPy was loaded.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

#: What one turn lasts at least, in seconds, that a clock and a scheduler count little.
TURN = 0.02


def imported(path: Path, name: str) -> Any:
    """The module of a file, under that name: as often as there are names."""
    found = importlib.util.spec_from_file_location(name, path)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    found.loader.exec_module(module)
    return module


def repeated(data: Mapping[str, Any]) -> tuple[Any, Any]:
    """The rows of a job and their targets, as many as an epoch has."""
    rows = np.arange(data["examples"]) % len(data["x"])
    return np.asarray(data["x"], np.float32)[rows], np.asarray(data["y"])[rows]


class Trained:
    """A network that trains on the same rows for as many epochs as it is asked for.

    steps  of an epoch
    ranks  the communicator of those that share these, None where there is no MPI
    """

    def __init__(
        self, module: Any, x: Any, y: Any, steps: int, ranks: Any = None
    ) -> None:
        self.network, self.x, self.y, self.steps = module.Network(), x, y, steps
        # The first epoch pays for what is made once.
        self.epoch()
        took = self.epoch()
        if ranks is not None:
            # All must ask for as many epochs.
            took = float(ranks.bcast(took))
        self.epochs = math.ceil(TURN / max(took, TURN / 1000))

    def epoch(self) -> float:
        """Seconds of an epoch, without what `train` does once for a call."""
        # Schedules know how many epochs a run has.
        self.network.epoch = 0
        return float(self.network.train(self.x, self.y, epochs=1)[0]["seconds"])

    def turn(self) -> float:
        """Seconds per step, over some epochs."""
        took = [self.epoch() for _ in range(self.epochs)]
        return sum(took) / len(took) / self.steps


def medians(turns: Iterator[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Of each name its median, and the middle half of its values as a share of that."""
    found: dict[str, list[float]] = {}
    for turn in turns:
        for name, value in turn.items():
            found.setdefault(name, []).append(value)
    quarters = {name: np.quantile(v, (0.25, 0.5, 0.75)) for name, v in found.items()}
    return {
        name: {"median": float(middle), "spread": float((high - low) / middle)}
        for name, (low, middle, high) in quarters.items()
    }
