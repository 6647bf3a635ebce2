"""Data files: read as they are, or refused; never silently other data."""

from __future__ import annotations

import argparse
import ast
import gzip
import io
import os
import pathlib
import struct
import zipfile
from typing import Any

import numpy as np
import pytest
from modules import built, spec_for
from numpy.typing import NDArray
from support import TARGETS, text_of

module = built("classes", "numpy")
Array = NDArray[Any]

X = np.arange(24, dtype=np.float64).reshape(4, 2, 3) / 7
Y = np.arange(4)
ROWS = X.reshape(4, 6)


def npz(compressed: bool = False, **arrays: Any) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def idx(array: Array, code: int, kind: str) -> bytes:
    """As MNIST comes: 0, 0, type, dimensions, sizes and data, big-endian."""
    head = bytes([0, 0, code, array.ndim]) + struct.pack(
        f">{array.ndim}I", *array.shape
    )
    return head + array.astype(kind).tobytes()


class Files:
    """A folder in which every file is called `data`."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.path = folder / "data"

    def read(self, data: bytes, name: str = "x") -> Array:
        self.path.write_bytes(data)
        return np.array(module.read_file(str(self.path), name))

    def read_npz(self, data: bytes, choices: Any = None) -> dict[str, Array]:
        self.path.write_bytes(data)
        read: dict[str, Array] = module.read_npz(
            str(self.path), choices or module.TRAINING
        )
        return read

    def refused(self, data: bytes, archive: bool = False) -> str:
        """The one line in which a file is refused, without its name."""
        with pytest.raises(module.InputError) as caught:
            self.read_npz(data) if archive else self.read(data)
        message = str(caught.value)
        assert message.startswith(f"{self.path}: ")
        assert "\n" not in message
        return message.removeprefix(f"{self.path}: ")


@pytest.fixture
def files(tmp_path: pathlib.Path) -> Files:
    return Files(tmp_path)


def flips(data: bytes, count: int = 400) -> list[bytes]:
    """The data with one bit changed: a fixed sample of the bits, headers in full."""
    rng = np.random.default_rng(0)
    places = {*range(8 * 12), *rng.integers(0, 8 * len(data), count).tolist()}
    changed = []
    for place in sorted(places):
        copy = bytearray(data)
        copy[place // 8] ^= 1 << place % 8
        changed.append(bytes(copy))
    return changed


def same(one: Array, other: Array) -> bool:
    return one.dtype == other.dtype and np.array_equal(one, other)


# ---- .npz --------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
def test_npz(compressed: bool, files: Files) -> None:
    read = files.read_npz(npz(compressed, x=X, y=Y, more=Y))
    assert same(read["x"], ROWS)
    assert same(read["y"], Y)
    both = npz(compressed, x=0 * X, y=Y, x_train=X, y_train=Y, x_test=-X, y_test=Y)
    assert same(files.read_npz(both)["x_train"], ROWS)
    assert same(files.read_npz(both, module.TEST)["x_test"], -ROWS)


@pytest.mark.fault("DAT-13")
@pytest.mark.parametrize("compressed", [False, True])
def test_npz_damaged_is_refused_or_the_same(compressed: bool, files: Files) -> None:
    raw = npz(compressed, x=X, y=Y)
    for length in range(0, len(raw), 3):
        assert files.refused(raw[:length], archive=True)
    refused = 0
    for changed in flips(raw):
        try:
            read = files.read_npz(changed)
        except module.InputError:
            refused += 1
        else:
            # Dates and permissions of a ZIP's entries carry no data.
            assert same(read["x"], ROWS)
            assert same(read["y"], Y)
    assert refused > 100


@pytest.mark.fault("DAT-02", "DAT-11")
def test_npz_that_lacks_something(files: Files) -> None:
    assert files.refused(npz(a=X, b=Y), True) == (
        "has arrays [a, b], needs x_train, y_train or x, y"
    )
    assert "shape (0, 3): no examples" in files.refused(npz(x=X[0][:0], y=Y), True)
    assert "shape (): no examples" in files.refused(npz(x=np.array(3), y=Y), True)
    objects = npz(x=np.array([1, "a", None], object), y=Y)
    assert files.refused(objects, True) == "object arrays are refused"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("x.npy", b"hello")
        file.writestr("y.npy", b"")
    assert "corrupt file" in files.refused(archive.getvalue(), True)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("x.npy", npy(X))
        file.writestr("y.npy", npy(Y) + b"1")
    assert "y is shorter than its data" in files.refused(archive.getvalue(), True)


def test_an_announced_size_is_not_allocated(files: Files) -> None:
    head = io.BytesIO()
    shape = {"descr": "<f8", "fortran_order": False, "shape": (10**13,)}
    np.lib.format.write_array_header_1_0(head, shape)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("x.npy", head.getvalue())
        file.writestr("y.npy", npy(Y))
    assert "corrupt file" in files.refused(archive.getvalue(), True)
    assert "corrupt file" in files.refused(head.getvalue())
    huge = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**31)
    assert "the file is shorter" in files.refused(huge + b"12")
    assert "the file is shorter" in files.refused(gzip.compress(huge + b"12"))


# ---- .npy --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["u1", "<i8", ">f4", "<f8", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(kind: str, order: Any, files: Files) -> None:
    array = np.array(9 * X, kind, order=order)
    assert np.array_equal(files.read(npy(array)), array.reshape(4, 6))
    assert same(files.read(npy(array), "y"), array)


def test_npy_is_mapped_not_loaded(files: Files) -> None:
    files.path.write_bytes(npy(ROWS))
    array: Any = module.read_file(str(files.path), "x")
    assert not array.flags.writeable
    while array.base is not None and not isinstance(array, np.memmap):
        array = array.base
    assert isinstance(array, np.memmap)


def test_npy_damaged(files: Files) -> None:
    """Data bytes of an .npy have no check sum: only its header and length do tell."""
    raw = npy(ROWS.astype(np.float32))
    for length in range(len(raw)):
        assert files.refused(raw[:length])
    assert "its length is not that of its array" in files.refused(raw + b"1")
    start = len(raw) - ROWS.size * 4
    for changed in flips(raw[:start], 800):
        try:
            read = files.read(changed + raw[start:])
        except module.InputError:
            continue
        # A changed header may still describe as many bytes, as other numbers.
        assert read.nbytes == ROWS.size * 4


def test_npy_that_is_refused(files: Files) -> None:
    objects = npy(np.array([None, 1]), allow_pickle=True)
    assert files.refused(objects) == "object arrays are refused"
    assert "no examples" in files.refused(npy(np.zeros((0, 3))))


# ---- IDX ---------------------------------------------------------------------------

KINDS = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


@pytest.mark.parametrize("packed", [False, True], ids=["idx", "idx.gz"])
@pytest.mark.parametrize("code", KINDS)
def test_idx(code: int, packed: bool, files: Files) -> None:
    kind = KINDS[code]
    array = np.arange(-8, 16).reshape(4, 2, 3).astype(kind)
    raw = idx(array, code, kind)
    raw = gzip.compress(raw, mtime=0) if packed else raw
    read = files.read(raw)
    assert read.dtype.isnative
    assert read.dtype == np.dtype(kind).newbyteorder("=")
    assert np.array_equal(read, array.reshape(4, 6))
    assert np.array_equal(files.read(raw, "y"), array)
    for length in range(len(raw)):
        assert files.refused(raw[:length])
    if not packed:
        assert "data follow" in files.refused(raw + b"\0")
        return
    for changed in flips(raw, 150):
        try:
            assert same(files.read(changed), read)
        except module.InputError:
            continue


def test_idx_labels_and_odd_headers(files: Files) -> None:
    assert same(files.read(idx(Y, 8, "u1"), "y"), Y.astype("u1"))
    many = bytes([0, 0, 8, 255]) + struct.pack(">255I", *[1] * 255) + b"1"
    assert "corrupt file" in files.refused(many)
    assert "corrupt file" in files.refused(bytes([0, 0, 7, 1, 0, 0, 0, 1]) + b"1")
    assert "corrupt file" in files.refused(gzip.compress(b"hello" * 5))


# ---- Other files -------------------------------------------------------------------


@pytest.mark.fault("DAT-01")
def test_files_of_another_kind(files: Files, tmp_path: pathlib.Path) -> None:
    assert "the file is empty" in files.refused(b"")
    assert "the file is empty" in files.refused(b"", archive=True)
    assert "none of .npz, .npy, .csv, IDX" in files.refused(b"hello")
    assert "give it by --data" in files.refused(npz(x=X, y=Y))
    assert "given by --x and --y" in files.refused(npy(X), archive=True)
    (tmp_path / "t.csv").write_bytes(b"a,b\n1,2\n")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    cases = {
        "t.csv": "is a CSV; give it by --data or --test",
        "pipe": "is not a regular file",
        "folder": "is a folder",
        "none": "No such file",
    }
    for name, message in cases.items():
        with pytest.raises(module.InputError, match=message) as caught:
            module.read_file(str(tmp_path / name), "x")
        assert str(caught.value).startswith(f"{tmp_path / name}: ")


@pytest.mark.fault("DAT-11")
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_ever_unpickled(target: str) -> None:
    """Arguments of that name in the module's syntax tree, wherever they stand."""
    tree = ast.parse(text_of(spec_for("classes"), target))
    pickles = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle"
    ]
    assert pickles
    assert all(isinstance(v, ast.Constant) and v.value is False for v in pickles)
    assert "pickle" not in ast.unparse(tree).replace("allow_pickle", "")


# ---- Which file is which -----------------------------------------------------------


def arguments(**given: Any) -> argparse.Namespace:
    names = ("data", "x", "y", "test", "test_x", "test_y", "target", "test_fraction")
    options = {name: given.get(name) for name in names}
    return argparse.Namespace(**options, quiet=True)


def test_sources_of_training_and_test_data(tmp_path: pathlib.Path) -> None:
    paths = {name: str(tmp_path / name) for name in ("one", "both", "x", "y", "t", "u")}
    rows, last = ROWS[:, :3], 3 - Y
    parts = {"one": npz(x=rows, y=Y), "x": npy(rows), "y": npy(Y)}
    parts |= {"t": npy(-rows), "u": npy(last)}
    parts["both"] = npz(x_train=rows, y_train=Y, x_test=-rows, y_test=last)
    for name, data in parts.items():
        pathlib.Path(paths[name]).write_bytes(data)
    one, both, x, y, t, u = paths.values()
    tests = {
        (None,): arguments(data=one),
        (-1,): arguments(data=both),
        (-1, "one"): arguments(data=one, test=both),
        (1,): arguments(data=both, test=one),
        (-1, "x"): arguments(x=x, y=y, test_x=t, test_y=u),
        (-1, "mixed"): arguments(x=x, y=y, test=both),
    }
    for (sign, *_), given in tests.items():
        data = module.read_training(given, module.Network())
        assert np.array_equal(data.x, rows)
        assert np.array_equal(data.y, Y)
        if sign is None:
            assert (data.x_test, data.y_test) == (None, None)
        else:
            assert np.array_equal(data.x_test, sign * rows)
            assert np.array_equal(data.y_test, Y if sign == 1 else last)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "give --data F, or --x F and --y F"),
        ({"x": "a"}, "give --data F, or --x F and --y F"),
        ({"data": "a", "x": "b"}, "give --data, or --x and --y, not both"),
        ({"data": "a", "test": "b", "test_x": "c"}, "not both"),
        ({"data": "a", "test_x": "c"}, "--test-x and --test-y go together"),
    ],
)
def test_sources_that_do_not_go_together(given: Any, message: str) -> None:
    with pytest.raises(module.InputError, match=message):
        module.read_training(arguments(**given), module.Network())
