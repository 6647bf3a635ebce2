"""Generated C as a shared library, behind the methods of a generated NumPy module.

What is compiled is kept per text and flags; every process has a folder of its own, so
that workers of a parallel run need no lock.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import text_of

from bpcompile.lower import lower
from bpcompile.spec import NetworkSpec

Array = NDArray[Any]

TARGET = "c"
#: What generated C must be clean under, whatever the compiler.
STRICT = (
    *("-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"),
    "-pedantic",
)
#: For what need not run fast: a function is called, not copied to wherever it is, of
#: which compilers make five times as much code.
QUICK = ("-O0", "-Dalways_inline=unused", "-DUNROLL=")
DOUBLE = "-DBPC_REAL=double"
NO_MAIN = "-DBPC_NO_MAIN"


# ---- Tools -------------------------------------------------------------------------


def tool(name: str) -> str:
    """The path of a program, or the test is skipped for the want of it."""
    if found := shutil.which(name):
        return found
    pytest.skip(f"{name} is not installed")


def c_compiler() -> str:
    """The system's own: $CC, else cc."""
    return tool(os.environ.get("CC", "cc"))


@functools.cache
def folder() -> pathlib.Path:
    """A folder for what this process compiles, gone with the process."""
    made = tempfile.mkdtemp(prefix="bpcompile-c-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return pathlib.Path(made)


@functools.cache
def compiled(
    text: str, flags: tuple[str, ...] = (), compiler: str = ""
) -> pathlib.Path:
    """What a compiler makes of a text: AssertionError with its words if it refuses.

    `flags` say what that is: "-shared" a library, "-c" an object, else a program.
    """
    command = [compiler or c_compiler(), *flags]
    name = hashlib.sha256("\0".join([*command, text]).encode()).hexdigest()[:16]
    source = folder() / f"{name}.c"
    source.write_text(text, "utf-8")
    result = source.with_suffix(".so" if "-shared" in flags else ".out")
    done = subprocess.run(
        [*command, str(source), "-o", str(result), *([] if "-c" in flags else ["-lm"])],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[:4000]
    return result


# ---- Networks ----------------------------------------------------------------------

#: enum type of the generated code, in its order.
TYPES = ("float32", "float64", "uint8", "int8", "int16", "int32", "int64")
DATASETS = ("", "test_", "validation_")
MEASURES = {"cost": 1, "total_cost": 2, "accuracy": 4}


class _Array(ctypes.Structure):
    """struct array"""

    _fields_ = (
        ("values", ctypes.c_void_p),
        ("type", ctypes.c_int),
        ("rows", ctypes.c_size_t),
        ("columns", ctypes.c_size_t),
        ("dimensions", ctypes.c_uint),
    )

    @classmethod
    def of(cls, array: Array | None) -> _Array:
        """Over an array that must outlive it; empty of None."""
        if array is None:
            return cls()
        assert array.flags.c_contiguous
        type_ = TYPES.index(array.dtype.name)
        columns = int(np.prod(array.shape[1:]))
        return cls(array.ctypes.data, type_, len(array), columns, array.ndim)


class _Record(ctypes.Structure):
    """struct record"""

    _fields_ = (
        ("epoch", ctypes.c_uint64),
        ("learning_rate", ctypes.c_double),
        ("measured", ctypes.c_double * len(MEASURES) * len(DATASETS)),
        ("stopped", ctypes.c_char_p),
    )

    def as_dict(self) -> dict[str, Any]:
        """As a record of the NumPy module: what was asked for and nothing else."""
        made: dict[str, Any] = {
            "epoch": self.epoch,
            "learning_rate": self.learning_rate,
        }
        for prefix, values in zip(DATASETS, self.measured, strict=True):
            for name, value in zip(MEASURES, values, strict=True):
                if not np.isnan(value):
                    made[prefix + name] = value
        if self.stopped:
            made["stopped"] = self.stopped.decode()
        return made


_REPORT = ctypes.CFUNCTYPE(
    ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(_Record)
)


class _Training(ctypes.Structure):
    """struct training"""

    _fields_ = (
        *((name, _Array) for name in ("x", "y", "x_test", "y_test", "sample_weight")),
        ("epochs", ctypes.c_uint64),
        ("monitor", ctypes.c_uint * len(DATASETS)),
        ("report", _REPORT),
        ("context", ctypes.c_void_p),
        ("memory", ctypes.c_void_p),
    )


def aligned(size: int) -> Array:
    """So many bytes, the first of them at a multiple of 64."""
    held = np.full(size + 64, 0x3F, np.uint8)  # small numbers: nothing may rely on 0
    start = -held.ctypes.data % 64
    return held[start : start + size]


class Library:
    """The functions of one compiled network."""

    def __init__(self, spec: NetworkSpec, path: pathlib.Path, real: str) -> None:
        self.spec, self.real = spec, np.dtype(real)
        self.classifies = spec.resolved_task == "classification"
        plan = lower(spec)
        self.shapes: dict[str, tuple[int, int]] = {}
        for layer in plan.layers:
            self.shapes[layer.weight.name] = (layer.size, plan.sizes[layer.index - 2])
            self.shapes[layer.bias.name] = (layer.size, 1)
        self._functions = ctypes.CDLL(str(path))
        for name, result in (
            ("size", ctypes.c_size_t),
            ("gradient_size", ctypes.c_size_t),
            ("train_memory", ctypes.c_size_t),
            ("epoch", ctypes.c_uint64),
            ("cost", ctypes.c_double),
            ("total_cost", ctypes.c_double),
            ("accuracy", ctypes.c_double),
        ):
            with contextlib.suppress(AttributeError):  # accuracy is of classes alone
                self.function(name).restype = result
        for name in ("predict", "get", "set", "get_gradient", "update_mini_batch"):
            self.function(name).restype = ctypes.c_bool
        self.function("train").restype = ctypes.c_bool

    def function(self, name: str) -> Any:
        return getattr(self._functions, f"network_{name}")

    def Network(self, seed: int | None = None) -> Network:
        return Network(self, self.spec.hyperparameters.seed if seed is None else seed)


def pointer(array: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


class Network:
    """A struct network, with the methods that a Network of NumPy has.

    Arrays go in and out in the book's shapes and the type of the build.
    """

    def __init__(self, library: Library, seed: int) -> None:
        self.library = library
        self._memory = aligned(library.function("size")())
        self._net = pointer(self._memory)
        library.function("init")(self._net, ctypes.c_uint64(seed))

    def _call(self, name: str, *arguments: Any) -> Any:
        return self.library.function(name)(self._net, *arguments)

    @property
    def parameters(self) -> dict[str, Array]:
        """Copies; `set` writes them back."""
        return dict(self._arrays("get", self._net))

    def _arrays(self, function: str, struct: Any) -> Iterator[tuple[str, Array]]:
        for name, shape in self.library.shapes.items():
            array = np.full(shape, np.nan, self.library.real)
            get = self.library.function(function)
            assert get(struct, name.encode(), pointer(array))
            yield name, array

    def set(self, parameters: Mapping[str, Any]) -> None:
        for name, shape in self.library.shapes.items():
            array = self._real(np.reshape(parameters[name], shape))
            assert self._call("set", name.encode(), pointer(array))

    @property
    def epoch(self) -> int:
        return int(self._call("epoch"))

    def _real(self, values: Any) -> Array:
        return np.ascontiguousarray(values, self.library.real)

    def _inputs(self, x: Any) -> tuple[ctypes.c_size_t, Array]:
        x = self._real(x)
        assert x.shape[1] == self.library.spec.layers[0].size
        return ctypes.c_size_t(len(x)), x

    def _targets(self, y: Any) -> Array:
        """Values (n, NL) of labels or values."""
        y, outputs = np.asarray(y), self.library.spec.layers[-1].size
        if y.ndim == 2 or outputs == 1:
            return self._real(y.reshape(len(y), outputs))
        made = np.full((len(y), outputs), np.nan, self.library.real)
        labels = np.ascontiguousarray(y, np.int64)
        one_hot = self.library.function("one_hot")
        one_hot(ctypes.c_size_t(len(y)), pointer(labels), pointer(made))
        return made

    def feedforward(self, x: Any) -> Array:
        n, x = self._inputs(x)
        outputs = self.library.spec.layers[-1].size
        made = np.full((len(x), outputs), np.nan, self.library.real)
        self._call("feedforward", n, pointer(x), pointer(made))
        return made

    def predict(self, x: Any) -> Array:
        n, x = self._inputs(x)
        if self.library.classifies:
            made: Array = np.zeros(len(x), np.int64)
        else:
            made = np.zeros((len(x), self.library.spec.layers[-1].size), x.dtype)
        assert self._call("predict", n, pointer(x), pointer(made))
        return made

    def _measured(self, name: str, x: Any, y: Any) -> float:
        n, x = self._inputs(x)
        y = self._targets(y)
        return float(self._call(name, n, pointer(x), pointer(y)))

    def cost(self, x: Any, y: Any) -> float:
        return self._measured("cost", x, y)

    def total_cost(self, x: Any, y: Any) -> float:
        return self._measured("total_cost", x, y)

    def accuracy(self, x: Any, y: Any) -> float:
        return self._measured("accuracy", x, y)

    def backprop(self, x: Any, y: Any) -> dict[str, Array]:
        n, x = self._inputs(x)
        y = self._targets(y)
        nabla = aligned(self.library.function("gradient_size")())
        self._call("backprop", n, pointer(x), pointer(y), pointer(nabla))
        return dict(self._arrays("get_gradient", pointer(nabla)))

    def update_mini_batch(self, x: Any, y: Any, n: int) -> None:
        m, x = self._inputs(x)
        y = self._targets(y)
        given = (m, pointer(x), pointer(y), ctypes.c_size_t(n))
        assert self._call("update_mini_batch", *given)

    def train(
        self,
        x: Any,
        y: Any,
        x_test: Any = None,
        y_test: Any = None,
        epochs: int = 0,
        monitor: tuple[str, ...] = (),
        sample_weight: Any = None,
        last: int = 2**62,
    ) -> list[dict[str, Any]]:
        """The data as it is stored, so that what reads its types is run too.

        AssertionError where the network refuses; its report says after epoch `last`
        that it is enough.
        """
        given = (x, y, x_test, y_test, sample_weight)
        held = [None if a is None else np.ascontiguousarray(a) for a in given]
        size = self.library.function("train_memory")(ctypes.c_size_t(len(x)))
        memory, history = aligned(size), []

        @_REPORT
        def report(_context: Any, _net: Any, record: Any) -> bool:
            history.append(record.contents.as_dict())
            return bool(history[-1]["epoch"] < last)

        training = _Training(
            *map(_Array.of, held),
            epochs,
            self._asked(monitor, x_test is not None),
            report,
            None,
            memory.ctypes.data,
        )
        assert self._call("train", ctypes.byref(training))
        return history

    def _asked(self, monitor: tuple[str, ...], has_test: bool) -> tuple[int, ...]:
        """Bits of what to measure on each dataset: "cost" asks for that of all."""
        validates = self.library.spec.hyperparameters.validates
        given = {"": True, "test_": has_test, "validation_": validates}
        return tuple(
            sum(
                bit
                for name, bit in MEASURES.items()
                if given[prefix] and {name, prefix + name} & set(monitor)
            )
            for prefix in DATASETS
        )


def library(spec: NetworkSpec, *flags: str, compiler: str = "") -> Library:
    """The mathematics of a spec, compiled; in the spec's precision unless flags say."""
    text = text_of(spec, TARGET, library=True)
    real = "float32" if spec.dtype == "float32" and DOUBLE not in flags else "float64"
    path = compiled(text, ("-std=c11", "-fPIC", "-shared", *flags), compiler)
    return Library(spec, path, real)
