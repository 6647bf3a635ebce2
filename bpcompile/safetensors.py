"""The safetensors layout: named arrays and their metadata, every byte accounted for.

In plain Python, because compiling imports no library of arrays. The checks and their
messages are those of the generated trainers.

Source: the format's own page, github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import math
import sys
from array import array
from dataclasses import dataclass
from typing import Any

HEADER_LIMIT = 100_000_000  # bytes: the limit of the safetensors library
#: What the file calls a type -> what a module calls it, and its code in `array`.
_TYPES = {"F32": ("float32", "f"), "F64": ("float64", "d")}
#: What the file calls each type of a module.
FILE_TYPES = {name: file_type for file_type, (name, _) in _TYPES.items()}
_KEYS = {"dtype", "shape", "data_offsets"}


@dataclass(frozen=True)
class Held:
    """One array as a file holds it, its values row by row."""

    dtype: str
    shape: tuple[int, ...]
    values: array[float]


@dataclass(frozen=True)
class _Entry:
    """Where an array stands in the data, as the header has it."""

    name: str
    file_type: str
    shape: tuple[int, ...]
    start: int
    stop: int


def parsed(data: bytes) -> tuple[dict[str, Held], dict[str, str]]:
    """The arrays by name, in the order of the data, and the metadata.

    Raises ValueError (or RecursionError, of JSON that is nested too deep) for anything
    that is not exactly one such file.
    """
    header, rest = _header(data)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(
        isinstance(value, str) for value in metadata.values()
    ):
        raise ValueError("__metadata__ must hold strings")
    entries = [_entry(name, entry) for name, entry in header.items()]
    arrays: dict[str, Held] = {}
    end = 0
    for entry in sorted(entries, key=lambda entry: (entry.start, entry.stop)):
        if entry.start != end:
            found = f"starts at byte {entry.start}, expected {end}"
            raise ValueError(f"{entry.name!r} {found}")
        if entry.stop > len(rest):
            found = f"ends at byte {entry.stop} of {len(rest)}: cut off"
            raise ValueError(f"{entry.name!r} {found}")
        dtype, code = _TYPES[entry.file_type]
        values = _values(code, rest[entry.start : entry.stop])
        arrays[entry.name] = Held(dtype, entry.shape, values)
        end = entry.stop
    if end != len(rest):
        raise ValueError(f"{len(rest) - end} bytes follow the last array")
    return arrays, metadata


def _header(data: bytes) -> tuple[dict[str, Any], bytes]:
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > HEADER_LIMIT:
        raise ValueError("its first 8 bytes are not the length of a header")
    text, rest = data[8 : 8 + size], data[8 + size :]
    if len(text) < size:
        raise ValueError(f"the header of {size} bytes is cut off after {len(text)}")
    if not text.startswith(b"{"):
        raise ValueError("the header is not a JSON object")
    header: dict[str, Any] = json.loads(
        text.decode(), object_pairs_hook=_without_duplicates
    )
    return header, rest


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of two equal keys the json module would silently keep one."""
    items = dict(pairs)
    if len(items) < len(pairs):
        raise ValueError("the header names something twice")
    return items


def _entry(name: str, entry: Any) -> _Entry:
    if not isinstance(entry, dict) or set(entry) != _KEYS:
        raise ValueError(f"{name!r} must have dtype, shape and data_offsets")
    file_type, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(file_type, str) or file_type not in _TYPES:
        raise ValueError(f"{name!r} is {file_type!r}; only F32 and F64 are read")
    for sizes in (shape, offsets):
        # type(), for in Python True is an int as well
        if not isinstance(sizes, list) or any(
            type(n) is not int or not 0 <= n < 2**53 for n in sizes
        ):
            raise ValueError(f"{name!r} needs whole numbers in shape and data_offsets")
    size = math.prod(shape) * array(_TYPES[file_type][1]).itemsize
    if len(offsets) != 2 or offsets[1] - offsets[0] != size:
        raise ValueError(f"{name!r} has {size} bytes, its data_offsets say otherwise")
    return _Entry(name, file_type, tuple(shape), *offsets)


def _values(code: str, data: bytes) -> array[float]:
    values: array[float] = array(code)
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    return values
