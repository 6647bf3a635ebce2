"""The weights of a trained network, read from its weights file and compared with its
plan: what an inference module holds beside it."""

from __future__ import annotations

import hashlib
import json
import math
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bpcompile.errors import UserError, printable
from bpcompile.plan import Plan
from bpcompile.safetensors import Held, parsed
from bpcompile.source.files import file_bytes

FORMAT = "1"
#: Of weights in a source text: beyond it, no tool reads such a text any more.
MOST_PARAMETERS = 10_000_000
#: What that many in float64 and the longest header of such a file take.
MOST_BYTES = 192 << 20
_KEYS = ("format", "spec", "seed", "epoch", "scaling")


@dataclass(frozen=True)
class Matrix:
    """The numbers of one parameter in the book's shape, row by row."""

    rows: int
    columns: int
    values: array[float]

    @property
    def by_row(self) -> Iterator[array[float]]:
        """Of a weight: for each neuron its weights, in the order of the inputs."""
        n = self.columns
        return (self.values[i * n : (i + 1) * n] for i in range(self.rows))

    @property
    def by_column(self) -> Iterator[array[float]]:
        """Of a weight: for each input the neurons' weights for it."""
        return (self.values[k :: self.columns] for k in range(self.columns))


@dataclass(frozen=True)
class Trained:
    """What a weights file holds of a network, known to be the plan's and finite.

    epoch       how many epochs it was trained for
    digest      SHA-256 of the file, in hexadecimal
    parameters  by name: w2 (N2, N1), b2 (N2, 1), w3 ...
    shift, divisor    of every input, in float64, where the scaling is a fitted one
    """

    epoch: int
    digest: str
    parameters: Mapping[str, Matrix]
    shift: array[float] | None = None
    divisor: array[float] | None = None


def read_trained(path: str, plan: Plan) -> Trained:
    """The weights file at `path`, which must fit the plan as its trainer's `load` asks.

    Raises UserError, with the file's name, where it cannot be read, is damaged, of
    another network, or has more parameters than a source text can hold.
    """
    shown = printable(path)
    _refuse_too_many(plan)
    data = file_bytes(path, MOST_BYTES)
    try:
        arrays, metadata = parsed(data)
    except (ValueError, RecursionError) as error:
        reason = f"corrupt file, or not safetensors: {printable(str(error))}"
        raise UserError(f"{shown}: {reason}") from None
    try:
        _check_same_network(metadata, plan)
        _saved_number(metadata, "seed")
        epoch = _saved_number(metadata, "epoch")
        fitted = plan.scaling is not None and plan.scaling.fitted
        scaling = _fitted_scaling(metadata["scaling"], plan) if fitted else (None, None)
        parameters = _parameters(arrays, plan)
    except UserError as error:
        raise UserError(f"{shown}: {printable(str(error))}") from None
    except (
        AttributeError,
        KeyError,
        OverflowError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        reason = f"corrupt metadata: {printable(str(error))}"
        raise UserError(f"{shown}: {reason}") from None
    digest = hashlib.sha256(data).hexdigest()
    return Trained(epoch, digest, parameters, *scaling)


def _refuse_too_many(plan: Plan) -> None:
    shapes = _shapes(plan).values()
    total = sum(rows * columns for rows, columns in shapes)
    if total > MOST_PARAMETERS:
        raise UserError(
            f"{total:,} parameters are too many for a source text (at most "
            f"{MOST_PARAMETERS:,}); load the weights file by the trainer instead"
        )


def _shapes(plan: Plan) -> dict[str, tuple[int, int]]:
    """The parameters of the plan by name, in their order in a weights file."""
    shapes = {}
    for layer in plan.layers:
        shapes[layer.weight.name] = layer.size, plan.sizes[layer.index - 2]
        shapes[layer.bias.name] = layer.size, 1
    return shapes


def _check_same_network(metadata: Mapping[str, str], plan: Plan) -> None:
    """Whether the file is of a network with these layers; else UserError."""
    missing = [key for key in _KEYS if key not in metadata]
    if missing:
        raise UserError(f"no weights of bpcompile: its metadata lacks {missing}")
    if metadata["format"] != FORMAT:
        raise UserError(f"format {metadata['format']}, this version reads {FORMAT}")
    if metadata.get("kind") == "checkpoint":
        raise UserError("is a checkpoint, no weights file: go on by train --resume")
    about = json.loads(metadata["spec"])
    theirs, ours = _saved_layers(about), plan.normalised["layers"]
    if len(theirs) != len(ours):
        raise UserError(f"made for {len(theirs)} layers, this network has {len(ours)}")
    for number, (there, here) in enumerate(zip(theirs, ours, strict=True), start=1):
        for key in ("size", "activation", "scaling"):
            a, b = there.get(key, "none"), here.get(key, "none")
            if a != b:
                where = f"layer {number} has {key} {a}, here it is {b}"
                raise UserError(f"made for another network: {where}")
    _check_same_formulas(about, plan)


def _saved_layers(about: Any) -> list[dict[str, Any]]:
    """The layers of the spec that the file holds."""
    layers = about.get("layers") if isinstance(about, dict) else None
    if not isinstance(layers, list) or not all(isinstance(e, dict) for e in layers):
        raise UserError("its spec has no list of layers")
    return layers


def _check_same_formulas(about: dict[str, Any], plan: Plan) -> None:
    """The same kind may have had another formula then."""
    own = plan.normalised.get("operators", {}).get("activations", {})
    saved = about.get("operators", {}).get("activations", {}) if own else {}
    for kind, entry in own.items():
        a, b = saved.get(kind, entry)["formula"], entry["formula"]
        if a != b:
            where = f"its {kind} is {a!r}, here it is {b!r}"
            raise UserError(f"made for another network: {where}")


def _saved_number(metadata: Mapping[str, str], key: str) -> int:
    """The seed or the epoch; int() alone would take " 7 " and 1_0."""
    text = metadata[key]
    if text.isascii() and text.isdigit() and len(text) <= 16 and int(text) < 2**53:
        return int(text)
    found = f"{key} is {text[:40]!r}"
    raise UserError(f"{found}, expected a whole number >= 0 and < 2^53")


def _fitted_scaling(text: str, plan: Plan) -> tuple[array[float], array[float]]:
    """Shift and divisor of every input, the identity where nothing was fitted yet."""
    scaling = json.loads(text)
    shift, divisor, fitted = (scaling[key] for key in ("shift", "divisor", "fitted"))
    for name, column in (("shift", shift), ("divisor", divisor)):
        if not isinstance(column, list) or len(column) != plan.sizes[0]:
            raise UserError(f"its scaling is not one of {plan.sizes[0]} columns")
        for value in column:
            if type(value) not in (int, float) or not math.isfinite(value):
                raise UserError(f"{name} holds something that is no finite number")
    if not all(value > 0 for value in divisor) or not isinstance(fitted, bool):
        raise UserError("its scaling holds something that cannot be used")
    return array("d", shift), array("d", divisor)


def _parameters(arrays: Mapping[str, Held], plan: Plan) -> dict[str, Matrix]:
    """The parameters, if every array is as it should be."""
    shapes = _shapes(plan)
    if set(arrays) != set(shapes):
        raise UserError(f"has arrays {[*arrays]}, expected {[*shapes]}")
    parameters = {}
    for name, shape in shapes.items():
        held = arrays[name]
        if held.shape != shape or held.dtype != plan.dtype:
            found, wanted = f"{held.dtype} {held.shape}", f"{plan.dtype} {shape}"
            raise UserError(f"array {name} is {found}, expected {wanted}")
        if not all(map(math.isfinite, held.values)):
            raise UserError(f"array {name} holds numbers that are not finite")
        parameters[name] = Matrix(*shape, held.values)
    return parameters
