"""Damaged CSV and .npz files of the C target, under sanitizers: what NumPy's program reads
is read to the same bits, what it refuses is refused."""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from c_files import Files
from modules import inputs, labels, spec_for
from support import LONG
from test_csv import X, Y, lines, named
from test_csv_fails import GOOD


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    one = Files(spec_for("classes"), tmp_path_factory.mktemp("damage"))
    yield one
    one.close()


def asked(files: Files, data: bytes, target: str) -> str:
    """What C says of a file under sanitizers; it must read and refuse as NumPy does."""
    path = files.folder / "d.csv"
    path.write_bytes(data)
    found = files("csv", "d.csv", target, "x", "y")
    args = argparse.Namespace(target=target, quiet=True)
    module = files.module
    try:
        expected = module.read_csv(args, str(path), module.Network(), True)
    except module.InputError:
        assert found, data
        return found
    if "expected after" in found and b'"' in data:
        # Where all cells are numbers, np.loadtxt takes "1"2 for 12; csv would refuse it.
        return found
    assert found == "", (found, data)
    for name, array in expected.items():
        held = np.load(files.folder / name)
        assert held.dtype == array.dtype
        assert np.array_equal(
            held.view(np.int64), np.ascontiguousarray(array).view(np.int64)
        )
    return found


def test_every_truncation(files: Files) -> None:
    quoted = lines(*X.T, [f'"{n}\n"' for n in named()], header='"a ""1""",b,é,tree')
    for whole in (GOOD, quoted, lines(*X.T, Y, by="\t", end="\r\n")):
        step = 1 if LONG else 3
        said = {asked(files, whole[:n], "4") == "" for n in range(1, len(whole), step)}
        assert said == {True, False} or b"\t" not in whole


PIECES = [
    *(b"\n", b"\r", b"\r\n", b'"', b'""', b",", b";", b"\t", b" ", b"\0", b"\xff"),
    *(
        b"\xef\xbb\xbf",
        b"\xc3\xa9",
        b"\xe2\x80\x83",
        b"\xed\xa0\x80",
        b"a",
        b"-",
        b"1e9",
    ),
    *(b"nan", b"inf", b"?", b"_", b".", b"0", b"4", b"\x1c", b"\x85", b"\xc2\x85"),
]


def test_random_changes(files: Files) -> None:
    draw = random.Random(3)
    whole = [
        GOOD,
        lines(*X.T, Y),
        lines(*X.round(2).T, named(), header="a,b,c,tree", by=";"),
    ]
    for _ in range(20_000 if LONG else 600):
        data = bytearray(draw.choice(whole))
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(data) + 1)
            data[at : at + draw.randint(0, 3)] = draw.choice(PIECES)
        asked(files, bytes(data), draw.choice(["4", "tree", "4", "1", "c,tree"]))


def test_random_bytes(files: Files) -> None:
    draw = random.Random(4)
    for _ in range(20_000 if LONG else 400):
        pieces = draw.choices(
            [*PIECES, b"1", b"2", b"3", b"ash"], k=draw.randint(1, 60)
        )
        asked(files, b"".join(pieces), draw.choice(["1", "4", "ash"]))
    for _ in range(2000 if LONG else 60):
        asked(files, draw.randbytes(draw.randint(1, 200)), "1")


# ---- .npz --------------------------------------------------------------------------


def packed(compress: bool = False, **arrays: Any) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compress else np.savez)(file, **arrays)
    return file.getvalue()


def unpacked(files: Files, data: bytes, held: dict[str, Any]) -> str:
    """What C says of an .npz; if it reads one, these arrays or those that NumPy reads."""
    path = files.folder / "d.npz"
    path.write_bytes(data)
    found = files("npz", "d.npz", "x", "y")
    if found == "":
        with contextlib.suppress(files.module.InputError):
            held = files.module.read_npz(str(path), files.module.TRAINING)
        for name, array in zip("xy", held.values(), strict=True):
            read = np.load(files.folder / name)
            assert read.dtype == array.dtype
            assert np.array_equal(read, array)
    return found


def test_npz(files: Files) -> None:
    x, y = inputs(), labels("classes")
    cases: list[dict[str, Any]] = [
        {"x": x, "y": y},
        {"other": y, "x": x.astype(np.float32), "y": y.astype(np.uint8), "z": x},
        {"x_train": x, "y_train": y, "x_test": x, "y_test": y, "x": x[:1], "y": y[:1]},
    ]
    for arrays in cases:
        data = packed(**arrays)
        assert unpacked(files, data, {}) == ""
        # behind the archive there may be a comment, which says so itself
        commented = bytearray(data + b"x" * 300)
        commented[len(data) - 2 : len(data)] = (300).to_bytes(2, "little")
        assert unpacked(files, bytes(commented), {}) == ""
    answers = {
        packed(a=x, b=y): "has arrays [a, b], needs x_train, y_train or x, y",
        packed(x=x): "has arrays [x], needs x_train, y_train or x, y",
        packed(): "has arrays [], needs x_train, y_train or x, y",
        packed(True, x=x, y=y): "its x is compressed; save it by numpy.savez",
        packed(x=np.array([None]), y=y): "object arrays are refused",
    }
    for data, message in answers.items():
        assert unpacked(files, data, {}) == f"d.npz: {message}"


def test_damaged_npz(files: Files) -> None:
    """Every array has a check sum: not one changed bit is read as something else."""
    held: dict[str, Any] = {"x": inputs(), "y": labels("classes")}
    data = packed(**held)
    step = 1 if LONG else 7
    for n in range(0, len(data), step):
        assert unpacked(files, data[:n], held)
    refused = 0
    for bit in range(0, 8 * len(data), 1 if LONG else 41):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        refused += unpacked(files, bytes(changed), held) != ""
    assert refused > len(data) * (8 if LONG else 0.1) / 2


def test_archives_that_lie(files: Files) -> None:
    draw = random.Random(5)
    held: dict[str, Any] = {"x": inputs(2), "y": labels("classes", 2)}
    data = packed(**held)
    places = [i for i in range(len(data) - 3) if data[i : i + 2] == b"PK"]
    for _ in range(20_000 if LONG else 300):
        changed = bytearray(data)
        for _ in range(draw.randint(1, 3)):
            at = draw.choice(places) + draw.randrange(46)
            changed[at : at + 4] = draw.choice(
                [b"\xff" * 4, b"\0" * 4, draw.randbytes(4)]
            )
        unpacked(files, bytes(changed), held)
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("x.npy", b"")
        archive.writestr("y.npy", b"\x93NUMPY")
    assert "the .npy header is cut off" in unpacked(files, other.getvalue(), {})
