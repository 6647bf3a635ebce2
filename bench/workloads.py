"""The networks, mini-batches and data that the benchmarks of speed take."""

from __future__ import annotations

import json
import pathlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

#: Networks of more layers are called by their number, all of one size.
SPELLED = 6


@dataclass(frozen=True)
class Workload:
    """One network, one mini-batch size, so many examples."""

    layers: tuple[int, ...]
    hidden: str
    output: str
    cost: str
    mini_batch_size: int
    examples: int
    l2: float = 0.0
    optimizer: str = "sgd"

    @property
    def sizes(self) -> str:
        return "-".join(map(str, self.layers))

    @property
    def title(self) -> str:
        """What tables call it: the optimizer where it is not plain descent."""
        sizes = f"{len(self.layers)} layers of {self.layers[0]}"
        if len(self.layers) <= SPELLED:
            sizes = self.sizes
        also = "" if self.optimizer == "sgd" else f", {self.optimizer}"
        return f"{sizes} at {self.mini_batch_size}{also}"

    @property
    def rate(self) -> float:
        """Small enough for hundreds of epochs: times of NaN say nothing."""
        deep = len(self.layers) > SPELLED
        return 0.1 if self.optimizer == "sgd" and not deep else 0.001

    @property
    def decay(self) -> float:
        """What of each weight its gradient has added, λ/n."""
        return self.l2 / self.examples

    @property
    def classes(self) -> int:
        """As many as outputs; a single output tells two apart."""
        return max(2, self.layers[-1])

    @property
    def steps(self) -> int:
        return self.examples // self.mini_batch_size

    @property
    def shapes(self) -> list[tuple[str, tuple[int, int]]]:
        """w2 (N2, N1), b2 (N2, 1), w3 ...: the parameters as files hold them."""
        named: list[tuple[str, tuple[int, int]]] = []
        for layer, (inputs, neurons) in enumerate(pairwise(self.layers), start=2):
            named += [(f"w{layer}", (neurons, inputs)), (f"b{layer}", (neurons, 1))]
        return named

    @property
    def operations(self) -> int:
        """Two for each multiply-add of a step's products.

        Forward and BP4 take every weight once per example, BP2 those of all layers
        but the first, as no error is needed of the inputs.
        """
        weights = [inputs * neurons for inputs, neurons in pairwise(self.layers)]
        return 2 * self.mini_batch_size * (3 * sum(weights) - weights[0])


def spec_of(work: Workload) -> dict[str, Any]:
    first, *hidden, last = work.layers
    layers: list[Any] = [first]
    layers += [{"size": size, "activation": work.hidden} for size in hidden]
    layers.append({"size": last, "activation": work.output})
    hyperparameters: dict[str, Any] = {
        "learning_rate": work.rate,
        "mini_batch_size": work.mini_batch_size,
        "optimizer": work.optimizer,
    }
    if work.l2:
        hyperparameters["regularization"] = {"l2": work.l2}
    return {"layers": layers, "cost": work.cost, "hyperparameters": hyperparameters}


@contextmanager
def spec_file(work: Workload) -> Iterator[pathlib.Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "spec.json"
        path.write_text(json.dumps(spec_of(work)), "utf-8")
        yield path


def data_for(work: Workload) -> tuple[Any, Any]:
    """Inputs (examples, N1) in [0, 1), labels (examples,)."""
    random = np.random.default_rng(0)
    x = random.random((work.examples, work.layers[0]), np.float32)
    return x, random.integers(0, work.classes, work.examples)
