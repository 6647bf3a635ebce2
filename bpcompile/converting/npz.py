"""Weights as NumPy's .npz, and the two forms in which the book's networks are kept.

Arrays stand in a .npz under their names, beside two texts: `metadata`, the JSON of a
weights file's metadata, and `body`, the SHA-256 of all the rest, which tells whether
the file is as it was written.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpcompile.converting.weights import Weights, numbered
from bpcompile.errors import UserError, printable

Array = NDArray[Any]

METADATA, BODY = "metadata", "body"
#: Of what an archive holds: one may unpack to any size.
MOST_BYTES = 2 << 30
#: All that the readers of zip and npy raise for a file that is not as it should be.
_CORRUPT = (
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


def npz(weights: Weights) -> bytes:
    """The bytes of a .npz with the arrays and metadata; same input, same bytes."""
    members = {name: _npy(values) for name, values in weights.arrays.items()}
    members[METADATA] = _npy(np.array(json.dumps(weights.metadata)))
    members[BODY] = _npy(np.array(_digest(members)))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            # Its own time and system would go into the file.
            info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def read_npz(data: bytes, path: str) -> Weights:
    """The weights in the bytes of a .npz: ours, or anybody's arrays.

    Arrays named as NumPy names those without a name, arr_0, arr_1 ..., are all weights
    and then all biases: `np.savez(path, *net.weights, *net.biases)`.
    Raises UserError where it is damaged or holds objects, which are never unpickled.
    """
    try:
        arrays = _arrays(data)
        metadata = _metadata(arrays.pop(METADATA)) if METADATA in arrays else None
    except _CORRUPT as error:
        reason = f"corrupt file, or not .npz: {printable(str(error))}"
        raise UserError(f"{printable(path)}: {reason}") from None
    arrays.pop(BODY, None)
    count, odd = divmod(len(arrays), 2)
    nameless = [f"arr_{i}" for i in range(len(arrays))]
    if arrays and not odd and set(arrays) == set(nameless):
        found = [arrays[name] for name in nameless]
        arrays = numbered(found[:count], found[count:])
    return Weights(arrays, metadata, path)


def is_own_npz(data: bytes) -> bool:
    """Whether the bytes are what `npz` has written, unchanged."""
    try:
        arrays = _arrays(data)
        body = str(arrays.pop(BODY))
        return body == _digest({name: _npy(a) for name, a in arrays.items()})
    except _CORRUPT:
        return False


def read_book(data: bytes, path: str) -> Weights:
    """The weights in a JSON file as the book's network2.py saves one.

    Its numbers have no dtype, so that they take the spec's. Raises UserError where there
    are no lists of them under "weights" and "biases".
    """
    try:
        saved = json.loads(data)
        weights, biases = (
            [np.array(rows, np.float64) for rows in saved[key]]
            for key in ("weights", "biases")
        )
        arrays = numbered(weights, biases)
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        reason = 'expected an object with lists under "weights" and "biases"'
        found = f"{reason} ({printable(str(error))})"
        raise UserError(f"{printable(path)}: {found}") from None
    return Weights(arrays, None, path, typed=False)


def _npy(values: Array) -> bytes:
    buffer = io.BytesIO()
    # What is no text stands least byte first, on whatever machine.
    little = values.dtype.newbyteorder("<")
    np.lib.format.write_array(buffer, values.astype(little), (1, 0), False)
    return buffer.getvalue()


def _digest(members: Mapping[str, bytes]) -> str:
    found = hashlib.sha256()
    for name, data in members.items():
        found.update(f"{name} {len(data)}\n".encode())
        found.update(data)
    return found.hexdigest()


def _arrays(data: bytes) -> dict[str, Array]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = sum(info.file_size for info in archive.infolist())
    if size > MOST_BYTES:
        raise ValueError(f"it unpacks to more than {MOST_BYTES >> 30} GiB")
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    for name, values in arrays.items():
        if not isinstance(values, np.ndarray):
            raise ValueError(f"{name!r} is no array")
    return {n: a.astype(a.dtype.newbyteorder("=")) for n, a in arrays.items()}


def _metadata(text: Array) -> dict[str, str]:
    metadata = json.loads(str(text))
    values = metadata.values() if isinstance(metadata, dict) else [None]
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"{METADATA} must be a JSON object that holds strings")
    found: dict[str, str] = metadata
    return found
