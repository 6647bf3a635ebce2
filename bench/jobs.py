"""What a contender is given, and what it can be asked for."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from workloads import Workload


@dataclass(frozen=True)
class Job:
    work: Workload
    x: Any
    labels: Any
    start: dict[str, Any]

    @property
    def rows(self) -> Any:
        """Targets (examples, NL): of a single output, the label is its value."""
        if self.work.layers[-1] == 1:
            return self.labels[:, np.newaxis].astype(np.float32)
        return np.eye(self.work.layers[-1], dtype=np.float32)[self.labels]

    @property
    def weights(self) -> list[Any]:
        """w, b of each layer in turn."""
        return list(self.start.values())


@dataclass(frozen=True)
class Trainer:
    """`epoch` may say itself how many seconds of its time to count."""

    update: Callable[[], object]
    epoch: Callable[[], float | None]
    parameters: Callable[[], list[Any]]


def split(work: Workload, values: Any) -> dict[str, Any]:
    """The parameters by name from one array of all their values."""
    found, at = {}, 0
    for name, shape in work.shapes:
        size = shape[0] * shape[1]
        found[name] = values[at : at + size].reshape(shape)
        at += size
    return found


def read_job(folder: pathlib.Path) -> Job:
    fields = json.loads((folder / "work.json").read_text("utf-8"))
    work = Workload(**fields | {"layers": tuple(fields["layers"])})
    x = np.fromfile(folder / "x.f32", np.float32).reshape(work.examples, -1)
    labels = np.fromfile(folder / "labels.u8", np.uint8).astype(np.int64)
    start = np.fromfile(folder / "start.f32", np.float32)
    return Job(work, x, labels, split(work, start))
