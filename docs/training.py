"""Every spec of the gallery trained from its own seed.

What was trained once is kept under the digest of all that it follows from, so that
building the site again trains nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpcompile import NetworkSpec, load_spec, load_target, lower, render
from bpcompile.target import default_target_name

Array = NDArray[Any]
Data = Mapping[str, Array]

#: MNIST is not part of the project; the bundled digits are made as large.
PIXELS = 28


def trained(path: Path, specs: Path, kept: Path) -> tuple[str, dict[str, list[float]]]:
    """What a spec is trained on, in words, and each series of its records.

    From what is kept or anew; `specs` has the data.
    """
    spec = load_spec(path)
    data, about, asked = data_for(spec, specs)
    plan = lower(load_spec(path, _same_decay(spec, len(data["x"]) / asked)))
    module, *_ = render(plan, load_target(default_target_name()), library=True)
    place = kept / f"{_digest(module.text, data)}.json"
    if not place.exists():
        measures = ["cost", *["accuracy"] * (plan.task == "classification")]
        series = _train(module.text, data, measures)
        kept.mkdir(parents=True, exist_ok=True)
        # Two builds at once each write a file of their own.
        fresh = place.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(series), "utf-8")
        fresh.replace(place)
    return about, json.loads(place.read_text("utf-8"))


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


def _train(text: str, data: Data, measures: list[str]) -> dict[str, list[float]]:
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
