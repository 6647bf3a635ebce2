"""Networks compiled from generated C, loaded into the test and called like modules."""

from __future__ import annotations

import ctypes as ct
import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from support import text_of

from bpcompile.spec import NetworkSpec

Array = NDArray[Any]

STRICT = [
    "-std=c11",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wshadow",
    "-Werror",
    "-pedantic",
]
COMPILERS = [cc for cc in ("gcc", "clang") if shutil.which(cc)]
TYPES = {"float32": 0, "float64": 1, "uint8": 2, "int8": 3, "int16": 4, "int32": 5}
TYPES["int64"] = 6
DATASETS = ("", "test_", "validation_")
MEASURES = ("cost", "total_cost", "accuracy")


class CArray(ct.Structure):
    _fields_ = [
        ("values", ct.c_void_p),
        ("type", ct.c_int),
        ("rows", ct.c_size_t),
        ("columns", ct.c_size_t),
        ("dimensions", ct.c_uint),
    ]


class Record(ct.Structure):
    _fields_ = [
        ("epoch", ct.c_uint64),
        ("learning_rate", ct.c_double),
        ("measured", ct.c_double * 3 * 3),
        ("stopped", ct.c_char_p),
    ]


REPORT = ct.CFUNCTYPE(ct.c_bool, ct.c_void_p, ct.c_void_p, ct.POINTER(Record))


class Training(ct.Structure):
    _fields_ = [
        ("x", CArray),
        ("y", CArray),
        ("x_test", CArray),
        ("y_test", CArray),
        ("sample_weight", CArray),
        ("epochs", ct.c_uint64),
        ("monitor", ct.c_uint * 3),
        ("report", REPORT),
        ("context", ct.c_void_p),
        ("memory", ct.c_void_p),
    ]


def array_of(values: Array | None) -> CArray:
    """A view of an array that must stay alive and contiguous."""
    if values is None:
        return CArray()
    assert values.flags.c_contiguous
    columns = math.prod(values.shape[1:])
    kind = TYPES[values.dtype.name]
    return CArray(values.ctypes.data, kind, len(values), columns, values.ndim)


def library(spec: NetworkSpec, folder: Path, *flags: str, cc: str = "gcc") -> ct.CDLL:
    """The spec's C, compiled with every warning an error."""
    source = folder / f"{spec.name}.c"
    source.write_text(text_of(spec, "c", library=True), encoding="utf-8")
    made = source.with_suffix(".so")
    command = [
        cc,
        *STRICT,
        "-O1",
        "-shared",
        "-fPIC",
        *flags,
        source,
        "-o",
        made,
        "-lm",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = ct.CDLL(str(made))
    for name in ("size", "gradient_size", "train_memory"):
        getattr(found, f"network_{name}").restype = ct.c_size_t
    for name in MEASURES:
        if hasattr(found, f"network_{name}"):
            getattr(found, f"network_{name}").restype = ct.c_double
    for name in ("predict", "update_mini_batch", "get", "set", "is_finite", "train"):
        getattr(found, f"network_{name}").restype = ct.c_bool
    found.network_get_gradient.restype = ct.c_bool
    found.network_epoch.restype = ct.c_uint64
    return found


class CNetwork:
    """The methods of a generated NumPy network, over a library of real = double."""

    def __init__(self, found: ct.CDLL, shapes: dict[str, Any], seed: int) -> None:
        self.library, self.shapes = found, shapes
        self.memory = aligned(found.network_size())
        self.net = self.memory.ctypes.data_as(ct.c_void_p)
        found.network_init(self.net, ct.c_uint64(seed))

    @property
    def parameters(self) -> dict[str, Array]:
        return self._read(self.library.network_get, self.net)

    def _read(self, get: Any, place: Any) -> dict[str, Array]:
        found = {name: np.empty(shape) for name, shape in self.shapes.items()}
        for name, values in found.items():
            assert get(place, name.encode(), pointer(values))
        return found

    def set(self, parameters: dict[str, Array]) -> None:
        for name, values in parameters.items():
            held = np.ascontiguousarray(values, float)
            assert self.library.network_set(self.net, name.encode(), pointer(held))

    @property
    def outputs(self) -> int:
        return int(list(self.shapes.values())[-1][0])

    def feedforward(self, x: Array) -> Array:
        x = np.ascontiguousarray(x, float)
        a = np.empty((len(x), self.outputs))
        size = ct.c_size_t(len(x))
        self.library.network_feedforward(self.net, size, pointer(x), pointer(a))
        return a

    def predict(self, x: Array, dtype: Any) -> Array:
        x = np.ascontiguousarray(x, float)
        result = np.empty((len(x), 1 if dtype == np.int64 else self.outputs), dtype)
        size = ct.c_size_t(len(x))
        assert self.library.network_predict(self.net, size, pointer(x), pointer(result))
        return result

    def measure(self, name: str, x: Array, y: Array) -> float:
        x, y = np.ascontiguousarray(x, float), np.ascontiguousarray(y, float)
        of = getattr(self.library, f"network_{name}")
        return float(of(self.net, ct.c_size_t(len(x)), pointer(x), pointer(y)))

    def backprop(self, x: Array, y: Array) -> dict[str, Array]:
        x, y = np.ascontiguousarray(x, float), np.ascontiguousarray(y, float)
        memory = aligned(self.library.network_gradient_size())
        nabla = memory.ctypes.data_as(ct.c_void_p)
        size = ct.c_size_t(len(x))
        self.library.network_backprop(self.net, size, pointer(x), pointer(y), nabla)
        return self._read(self.library.network_get_gradient, nabla)

    def update_mini_batch(self, x: Array, y: Array, n: int) -> bool:
        x, y = np.ascontiguousarray(x, float), np.ascontiguousarray(y, float)
        sizes = ct.c_size_t(len(x)), ct.c_size_t(n)
        update = self.library.network_update_mini_batch
        return bool(update(self.net, sizes[0], pointer(x), pointer(y), sizes[1]))

    def train(
        self,
        x: Array,
        y: Array,
        x_test: Array | None = None,
        y_test: Array | None = None,
        epochs: int = 1,
        monitor: tuple[str, ...] = (),
        sample_weight: Array | None = None,
        until: int = 2**62,
    ) -> list[dict[str, Any]] | None:
        """Records as `train` of a module gives them; None where it refuses."""
        records: list[dict[str, Any]] = []

        def report(context: Any, net: Any, record: Any) -> bool:
            found = record.contents
            values = {"epoch": found.epoch, "learning_rate": found.learning_rate}
            for dataset, measured in zip(DATASETS, found.measured):
                for name, value in zip(MEASURES, measured):
                    values[f"{dataset}{name}"] = value
            if found.stopped:
                values["stopped"] = found.stopped.decode()
            records.append(values)
            return found.epoch < until

        size = self.library.network_train_memory(ct.c_size_t(len(x)))
        memory = aligned(size)
        given = [array_of(a) for a in (x, y, x_test, y_test, sample_weight)]
        asked = [
            sum(1 << i for i, name in enumerate(MEASURES) if dataset + name in monitor)
            for dataset in DATASETS
        ]
        monitors = (ct.c_uint * 3)(*asked)
        rest = REPORT(report), None, memory.ctypes.data
        training = Training(*given, epochs, monitors, *rest)
        done = self.library.network_train(self.net, ct.byref(training))
        return records if done else None


def aligned(size: int) -> Array:
    """Bytes at a multiple of 64, with an odd value in them: nothing may rely on 0."""
    memory = np.full(size + 64, 0xA5, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size]


def pointer(values: Array) -> Any:
    return values.ctypes.data_as(ct.c_void_p)
