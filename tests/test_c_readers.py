"""Data files of the C target: what NumPy reads is the same, what it refuses is refused."""

from __future__ import annotations

import gzip
import io
import os
import pathlib
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from c_files import PLAIN, Files
from c_modules import tool
from modules import spec_for
from numpy.typing import NDArray

Array = NDArray[Any]

X = np.arange(24, dtype=np.float64).reshape(4, 2, 3) / 7
ROWS = X.reshape(4, 6)
READ = "float32, float64, uint8 and int64 are read"


@pytest.fixture
def files(tmp_path: pathlib.Path) -> Iterator[Files]:
    one = Files(spec_for("classes"), tmp_path)
    yield one
    one.close()


def npy(array: Any, version: Any = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), version=version)
    return file.getvalue()


def headed(text: str, version: int = 1, data: bytes = b"") -> bytes:
    """An .npy with any header."""
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode("latin1") + data


def idx(array: Array, code: int, kind: str) -> bytes:
    """As MNIST comes: 0, 0, type, dimensions, sizes and data, big-endian."""
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, code, array.ndim]) + shape + array.astype(kind).tobytes()


def said(files: Files, data: bytes) -> str:
    """What C says of a file, "" if it reads what NumPy reads.

    What NumPy refuses must be refused; the reverse need not be.
    """
    files.data.write_bytes(data)
    copy = files.folder / "copy"
    copy.unlink(missing_ok=True)
    found = files("copy", "data", "copy")
    try:
        with np.errstate(over="ignore"):
            array = np.array(files.module.read_file(str(files.data), "x"))
    except files.module.InputError:
        assert found.startswith("data: ")
        return found
    if found == "" and array.size:
        # the predictions that a program saves are written by the same function
        assert copy.read_bytes() == npy(array)
    return found


# ---- .npy --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["<f4", "<f8", "|u1", "<i8"])
def test_npy(kind: str, files: Files) -> None:
    for shape in [(24,), (4, 6), (24, 1), (1, 24), (4, 2, 3), (1,), (4, 0)]:
        array = np.resize(9 * X, shape).astype(kind)
        for version in ((1, 0), (2, 0), (3, 0)):
            assert said(files, npy(array, version)) == ""
    many = np.arange(70_000).astype(kind)
    assert said(files, npy(many)) == ""


REFUSED = {
    **{kind: f"big-endian numbers ('{kind}')" for kind in (">f4", ">f8", ">i8")},
    **{kind: f"complex numbers ('{kind}')" for kind in ("<c8", "<c16")},
    **{kind: f"entries ('{kind}')" for kind in ("<f2", "<i4", "<u8", "|b1", "<U3")},
}


def test_npy_of_other_types(files: Files) -> None:
    for kind, message in REFUSED.items():
        text = said(files, npy(np.zeros(3, kind)))
        assert text == f"data: {message} are refused; {READ}"
    structured = said(files, npy(np.zeros(3, "<f4,<i4")))
    assert structured == "data: structured arrays are refused"
    objects = said(files, npy(np.array([None, 1])))
    assert objects == "data: object arrays are refused"
    columns = said(files, npy(np.asfortranarray(ROWS)))
    assert columns == "data: is in Fortran order; save numpy.ascontiguousarray of it"
    for empty in (np.array(3.0), np.zeros((0, 3)), np.zeros(0)):
        text = f"data: has shape {empty.shape}: no examples"
        assert said(files, npy(empty)) == text


def test_npy_damaged(files: Files) -> None:
    """Data bytes of an .npy have no check sum: only its header and length do tell."""
    raw = npy(ROWS.astype(np.float32))
    start = len(raw) - 4 * ROWS.size
    for length in range(len(raw)):
        assert said(files, raw[:length])
    assert "data follow the 96 bytes" in said(files, raw + b"1")
    for place in range(start):
        for byte in {raw[place] ^ 1, raw[place] ^ 0x80, 0, *b" '\"(,"}:
            changed = bytearray(raw)
            changed[place] = byte
            said(files, bytes(changed))


HUGE = [
    *("(9223372036854775808,)", "(4611686018427387904, 4)", "(9007199254740991, 2)"),
    *("(4294967296, 4294967296)", "(0, 9223372036854775807)", f"({'9' * 400},)"),
    *("(1, 0, 9007199254740991, 9007199254740991)", "(2305843009213693952, 8, 2)"),
]
SHAPES = [
    *("(12)", "12", "[4, 3]", "(4,, 3)", "(,)", "(4, 3", "(4 3)", "(04, 3)", "None"),
    *("(-4, -3)", "(4, 3.0)", "(4, 1_2)", "(True, 12)", "(4, 0x3)", "('4', '3')"),
    *(f"(12, {'1, ' * n})" for n in (32, 70, 1000)),
]
HEADERS = [
    *("", "{", "{}", "{,}", "x", "{" * 5000, "{'descr':" * 1000, "{'descr': '<f4"),
    "{'descr': '<f4', 'fortran_order': False}",
    "{'descr': '<f4', 'fortran_order': 0, 'shape': (4, 3)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3), 'x': 1}",
    "{'descr': '<f4' 'fortran_order': False, 'shape': (4, 3)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3)} x",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3)}\0",
    "{'descr': '<f4\\x00', 'fortran_order': False, 'shape': (4, 3)}",
    "{'descr': '" + 100 * "x" + "', 'fortran_order': False, 'shape': (4, 3)}",
    "{'descr': '<\xbc4', 'fortran_order': False, 'shape': (4, 3)}",
]
SAME = [
    "{'shape': (4, 3), 'descr': '<f4', 'fortran_order': False}",
    '{"descr": "<f4", "fortran_order": False, "shape": (4, 3,)}\n\n',
    "{'descr':'<f4','fortran_order':False,'shape':( 4 ,3 )}",
    "{ \n'descr' : '<f4' , 'fortran_order' : False , 'shape' : (4,3) , }" + 9000 * " ",
]


def test_headers_of_npy(files: Files) -> None:
    data = ROWS.astype("<f4").tobytes()[:48]
    form = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }"
    for shape in (*HUGE, *SHAPES):
        for behind in (data, b""):
            assert said(files, headed(form % shape, 1, behind)), shape
    for version in (1, 2, 3):
        for text in HEADERS:
            assert said(files, headed(text, version, data)), text
        for text in SAME:
            assert said(files, headed(text, version, data)) == "", text
    long = form % "(4, 3)" + 10_000 * " "
    assert "the .npy header is cut off" in said(files, headed(long, 2, data))
    for version in (0, 4, 255):
        assert "expected 1.0 to 3.0" in said(files, headed(SAME[0], version, data))


# ---- IDX ---------------------------------------------------------------------------

KINDS = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


@pytest.mark.parametrize("code", KINDS)
def test_idx(code: int, files: Files) -> None:
    array = np.arange(-8, 16).reshape(4, 2, 3).astype(KINDS[code])
    for shaped in (array, array.ravel(), array.reshape(4, 6), array.reshape(24, 1)):
        assert said(files, idx(shaped, code, KINDS[code])) == ""
    raw = idx(array, code, KINDS[code])
    for length in range(len(raw)):
        assert said(files, raw[:length])
    assert "data follow" in said(files, raw + b"\0")
    for place in range(16):
        for byte in (0, 1, 7, 8, 127, 255):
            changed = bytearray(raw)
            changed[place] = byte
            said(files, bytes(changed))


def test_idx_of_sizes_that_overflow(files: Files) -> None:
    for sizes in [(2**32 - 1, 2**32 - 1, 2**31), (2**31, 2**30), (2**32 - 1,)]:
        for code in (8, 14):
            head = bytes([0, 0, code, len(sizes)])
            raw = head + struct.pack(f">{len(sizes)}I", *sizes) + b"12"
            assert "more is announced than the 2 bytes it has" in said(files, raw)
    for count in (0, 31, 32, 33, 255):
        raw = bytes([0, 0, 8, count]) + struct.pack(f">{count}I", *[1] * count) + b"1"
        assert (said(files, raw) == "") == (1 <= count <= 32)


# ---- Other files -------------------------------------------------------------------


def test_files_of_another_kind(files: Files) -> None:
    archive = io.BytesIO()
    np.savez(archive, x=ROWS)
    assert "is an .npz; give it by --data or --test" in said(files, archive.getvalue())
    assert "unpack it by gunzip" in said(files, gzip.compress(npy(ROWS)))
    assert said(files, b"") == "data: the file is empty"
    for data in (b"h", b"hello", b"\x93NUMP", b"{}"):
        assert "corrupt file, or none of .npz, .npy, .csv and" in said(files, data)
    (files.folder / "T.CSV").write_bytes(b"a,b\n1,2\n")
    (files.folder / "folder").mkdir()
    os.mkfifo(files.folder / "pipe")
    cases = {
        "T.CSV": "is a CSV; give it by --data or --test",
        "pipe": "is not a regular file",
        "folder": "is a folder, not a file",
        "none": "No such file or directory",
    }
    for name, message in cases.items():
        assert files("copy", name, "copy") == f"{name}: {message}"


def test_the_other_compiler_reads_the_same(tmp_path: pathlib.Path) -> None:
    """Damaged files are no matter of one compiler's luck."""
    one = Files(spec_for("classes"), tmp_path, PLAIN, compiler=tool("clang"))
    raw = npy(ROWS)
    assert said(one, raw) == ""
    assert all(said(one, raw[:length]) for length in range(0, len(raw), 7))
    one.close()
