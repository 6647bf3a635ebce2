"""Trained weights on their way from one file format to another."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpcompile.errors import UserError, printable
from bpcompile.lower import lower
from bpcompile.plan import Plan
from bpcompile.safetensors import FILE_TYPES, Held
from bpcompile.source.scanner import read_json
from bpcompile.spec import canonical_json
from bpcompile.trained import FORMAT, Trained, checked, read_arrays, shapes_of
from bpcompile.validate import validate

Array = NDArray[Any]


@dataclass(frozen=True)
class Weights:
    """What a file holds.

    arrays     by name; those of bpcompile in the shapes of `Network.parameters`
    metadata   of the weights file that it was made from; None: somebody else made it
    path       the file, as the user calls it
    typed      the file gives its numbers a dtype; else they take the spec's
    """

    arrays: Mapping[str, Array]
    metadata: Mapping[str, str] | None
    path: str
    typed: bool = True

    @property
    def shown(self) -> str:
        return printable(self.path)


def read_safetensors(data: bytes, path: str) -> Weights:
    """The weights in the bytes of a safetensors file; UserError where it is none."""
    held, metadata = read_arrays(data, path)
    arrays = {name: _array_of(entry) for name, entry in held.items()}
    if metadata.get("kind") == "checkpoint":
        reason = (
            "is a checkpoint, from which training is resumed; its end saves weights"
        )
        raise UserError(f"{printable(path)}: {reason}")
    return Weights(arrays, metadata if "format" in metadata else None, path)


def safetensors(weights: Weights) -> bytes:
    """The bytes of the weights file, those that its trainer saves."""
    header: dict[str, Any] = {"__metadata__": weights.metadata}
    parts, end = [], 0
    for name, values in weights.arrays.items():
        parts.append(values.astype(values.dtype.newbyteorder("<")).tobytes())
        start, end = end, end + values.nbytes
        header[name] = {
            "dtype": FILE_TYPES[values.dtype.name],
            "shape": list(values.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data starts at a multiple of 8
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def own_plan(weights: Weights) -> Plan:
    """The plan of the network that the metadata tell of.

    Raises UserError where there are none or they are damaged, SpecErrors where the
    spec in them is wrong.
    """
    if weights.metadata is None:
        reason = "says not of which network it is; name its spec by --spec"
        raise UserError(f"{weights.shown}: {reason}")
    text = weights.metadata.get("spec", "")
    try:
        data = text.encode()
    except UnicodeEncodeError:  # half a character, as JSON may escape it
        data = b""
    if hashlib.sha256(data).hexdigest() != weights.metadata.get("spec_sha256"):
        reason = "corrupt metadata: its spec is not that of its spec_sha256"
        raise UserError(f"{weights.shown}: {reason}")
    return lower(validate(read_json(data, f"{weights.path}, its spec")))


def checked_weights(weights: Weights, plan: Plan) -> tuple[Weights, Trained]:
    """The weights in the plan's order, known to fit it, and what they say.

    Somebody else's arrays get the metadata of a network that has not been trained.
    Raises UserError where an array is missing, too many, or of another shape or dtype.
    """
    metadata = weights.metadata
    arrays = dict(weights.arrays)
    if metadata is None:
        metadata = _new_metadata(plan)
        arrays = _with_columns(arrays, plan)
        if not weights.typed:
            arrays = {n: a.astype(plan.dtype) for n, a in arrays.items()}
        _refuse_other_arrays(arrays, plan, weights.shown)
    held = {name: _held(name, a, weights.shown) for name, a in arrays.items()}
    trained = checked(held, metadata, plan, weights.path)
    ordered = {name: arrays[name] for name in trained.parameters}
    return Weights(ordered, metadata, weights.path), trained


def numbered(weights: list[Array], biases: list[Array]) -> dict[str, Array]:
    """Lists of weights and biases, as the book's networks hold them, by name."""
    pairs = zip(weights, biases, strict=True)
    return {
        f"{letter}{layer}": values
        for layer, pair in enumerate(pairs, start=2)
        for letter, values in zip("wb", pair, strict=True)
    }


def _new_metadata(plan: Plan) -> dict[str, str]:
    """What the trainer writes of a network that it has not trained."""
    (seed,) = (c.value for c in plan.constants if c.name == "seed")
    scaling = "null"
    if plan.scaling and plan.scaling.fitted:
        n = plan.sizes[0]
        identity = {"shift": [0.0] * n, "divisor": [1.0] * n, "fitted": False}
        scaling = json.dumps(identity)
    return {
        "format": FORMAT,
        "spec": canonical_json(plan.normalised),
        "spec_sha256": plan.digest,
        "seed": str(seed),
        "epoch": "0",
        "scaling": scaling,
        "classes": "null",
        "columns": "null",
    }


def _with_columns(arrays: Mapping[str, Array], plan: Plan) -> dict[str, Array]:
    """The arrays with biases as columns, where others hold them flat."""
    columns = dict(arrays)
    for layer in plan.layers:
        bias = arrays.get(layer.bias.name)
        if bias is not None and bias.shape == (layer.size,):
            columns[layer.bias.name] = bias.reshape(-1, 1)
    return columns


def _refuse_other_arrays(arrays: Mapping[str, Array], plan: Plan, shown: str) -> None:
    """What others' arrays are likely to be instead, with what to do about it."""
    for name, shape in shapes_of(plan).items():
        if name not in arrays:
            continue
        found, dtype = arrays[name].shape, arrays[name].dtype.name
        if found != shape and found == shape[::-1]:
            reason = f"array {name} is {found}, expected {shape}: it is the transpose"
            raise UserError(f"{shown}: {reason}")
        if dtype != plan.dtype and dtype in FILE_TYPES:
            reason = f"array {name} is {dtype}, the spec's dtype is {plan.dtype}"
            hint = f"convert the array, or give the spec the dtype {dtype}"
            raise UserError(f"{shown}: {reason}; {hint}")


def _held(name: str, values: Array, shown: str) -> Held:
    if values.dtype.name not in FILE_TYPES:
        found = f"array {printable(name)} is {values.dtype}"
        raise UserError(f"{shown}: {found}, expected float32 or float64")
    numbers: array[float] = array(values.dtype.char)
    numbers.frombytes(values.tobytes())
    return Held(values.dtype.name, values.shape, numbers)


def _array_of(held: Held) -> Array:
    return np.array(held.values, held.dtype).reshape(held.shape)
