"""The training curves of the gallery: every spec trained from its own seed.

What was trained once is kept under the digest of all that it follows from, so that
building the site again trains nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plot import Chart, Curve

from bpcompile import NetworkSpec, load_spec, load_target, lower, render
from bpcompile.target import default_target_name

Array = NDArray[Any]
Data = Mapping[str, Array]

#: MNIST is not part of the project; the bundled digits are made as large.
PIXELS = 28
#: A cost beyond so many times the first one is off the chart.
MOST_RISE = 2.0


@dataclass(frozen=True)
class Run:
    """One training: its data in words, and each series epoch by epoch from 1."""

    data: str
    series: Mapping[str, Sequence[float]]

    def charts(self) -> Iterator[tuple[str, Chart]]:
        """By the measure: of the cost, and of the accuracy where there is one."""
        for measure in ("cost", "accuracy"):
            names = [n for n in self.series if n.removeprefix("test_") == measure]
            if names:
                yield measure, self._chart(measure, names)

    def _chart(self, measure: str, names: list[str]) -> Chart:
        epochs = len(self.series[names[0]])
        curves = tuple(
            Curve(
                f"{measure}, {'test' if name.startswith('test_') else 'training'}",
                points_of(self.series[name]),
                dashed=not name.startswith("test_") and len(names) > 1,
                joined=True,
            )
            for name in names
        )
        firsts = [curve.points[0][1] for curve in curves if curve.points]
        most = MOST_RISE * max(firsts, default=1.0) if measure == "cost" else 1.0
        title = f"{measure} over {epochs} epochs"
        return Chart(title, "epoch", curves, (0, epochs), (0, most))

    @property
    def last(self) -> dict[str, float]:
        """Each series after the last epoch."""
        return {name: values[-1] for name, values in self.series.items()}


def points_of(values: Sequence[float]) -> list[tuple[float, float]]:
    """A point for each epoch whose value is a finite number."""
    pairs = enumerate(values, start=1)
    return [(float(t), value) for t, value in pairs if math.isfinite(value)]


def run_of(path: Path, specs: Path, kept: Path) -> Run:
    """The training of a spec, from what is kept or anew; `specs` has its data."""
    spec = load_spec(path)
    data, about, asked = data_for(spec, specs)
    plan = lower(load_spec(path, _same_decay(spec, len(data["x"]) / asked)))
    module, *_ = render(plan, load_target(default_target_name()), library=True)
    place = kept / f"{_digest(module.text, data)}.json"
    if not place.exists():
        measures = ["cost", *["accuracy"] * (plan.task == "classification")]
        series = _trained(module.text, data, measures)
        kept.mkdir(parents=True, exist_ok=True)
        # Two builds at once each write a file of their own.
        fresh = place.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(series), "utf-8")
        fresh.replace(place)
    return Run(about, json.loads(place.read_text("utf-8")))


def _same_decay(spec: NetworkSpec, share: float) -> list[str]:
    """λ/n is to stay what it is where there is but a share of the images asked for."""
    if share == 1:
        return []
    place = "hyperparameters.regularization"
    penalties = spec.hyperparameters.regularization.penalties
    return [f"{place}.{kind}={lmbda * share!r}" for kind, lmbda in penalties.items()]


def _digest(text: str, data: Data) -> str:
    parts: Iterable[bytes] = (
        np.__version__.encode(),
        Path(__file__).read_bytes(),
        text.encode(),
        *(name.encode() + array.tobytes() for name, array in sorted(data.items())),
    )
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _trained(text: str, data: Data, measures: list[str]) -> dict[str, list[float]]:
    module = ModuleType("trained")
    exec(compile(text, "trained", "exec"), module.__dict__)
    network = module.Network()
    # A run that diverges is shown as it is.
    with np.errstate(all="ignore"):
        records = network.train(**data, monitor=measures)
    names = [name for name in records[0] if name.removeprefix("test_") in measures]
    return {name: [float(record[name]) for record in records] for name in names}


# ---- Data ----------------------------------------------------------------------------


def data_for(spec: NetworkSpec, specs: Path) -> tuple[Data, str, int]:
    """The bundled data that fit a spec: those of its name, else those of its width.

    In words too, and how many training images it asks for.
    """
    width = spec.layers[0].size
    held = {path.stem: path for path in sorted(specs.glob("data/*.npz"))}
    for name in sorted(held, key=lambda name: name != spec.name):
        data = _read(held[name])
        if data["x"].shape[1] == width:
            return data, f"`specs/data/{name}.npz`", len(data["x"])
    if width != PIXELS * PIXELS:
        raise ValueError(f"no data of specs/data/ have {width} columns")
    data = dict(_read(held["digits"]))
    asked = _images(spec.name, specs) or len(data["x"])
    data["x"], data["y"] = data["x"][:asked], data["y"][:asked]
    count = len(data["x"])
    enlarged = {n: _enlarged(a) if n.startswith("x") else a for n, a in data.items()}
    about = f"{count:,} of the bundled digits, enlarged to 28x28 pixels"
    fewer = f", and λ smaller by {count:,}/{asked:,}" if count < asked else ""
    return enlarged, f"{about}, for MNIST is not part of the project{fewer}", asked


def _read(path: Path) -> Data:
    """As arguments of `train`."""
    with np.load(path) as held:
        return {name.removesuffix("_train"): held[name] for name in held.files}


def _images(name: str, specs: Path) -> int | None:
    """How many training images the book has for its run of that name."""
    text = (specs / "book" / "runs.toml").read_text("utf-8")
    counts = {run["spec"]: run["training"] for run in tomllib.loads(text)["run"]}
    return counts.get(name)


def _enlarged(images: Array) -> Array:
    """8x8 pixels of 0 to 16 as 28x28 of 0 to 255, by bilinear interpolation."""
    side = math.isqrt(images.shape[1])
    at = np.linspace(0, side - 1, PIXELS)
    below = np.minimum(at.astype(int), side - 2)
    part = at - below
    along = np.zeros((PIXELS, side))
    along[np.arange(PIXELS), below] = 1 - part
    along[np.arange(PIXELS), below + 1] += part
    square = images.reshape(-1, side, side) * (255 / 16)
    large = along @ square @ along.T
    return np.rint(large).astype(np.uint8).reshape(len(images), -1)
