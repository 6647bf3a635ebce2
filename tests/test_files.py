"""The weights file: written whole or not at all, read exactly or refused."""

from __future__ import annotations

import errno
import json
import os
import pathlib
import stat
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from modules import built, spec_for
from support import text_of
from wrong_weights import BAD_HEADERS

module = built("classes", "numpy")

ARRAYS = {
    "w2": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "b2": np.array([[1e-300], [-0.0], [np.pi]]),
    "none": np.zeros((0, 4)),
    "number": np.array(3.0),
}
METADATA = {"text": 'é"\n', "empty": ""}


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "w.safetensors"


def refused(path: pathlib.Path, data: bytes) -> str:
    """The one line in which reading that file is refused."""
    path.write_bytes(data)
    with pytest.raises(module.InputError) as caught:
        module.read_safetensors(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: corrupt file, or not safetensors: ")
    assert "\n" not in message
    return message


# ---- Reading and writing safetensors -----------------------------------------------


def test_round_trip(path: pathlib.Path) -> None:
    module.write_safetensors(path, ARRAYS, METADATA)
    arrays, metadata = module.read_safetensors(path)
    assert metadata == METADATA
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].shape == array.shape
        assert arrays[name].tobytes() == array.tobytes()
        assert arrays[name].flags.writeable


def test_the_layout_is_that_of_the_format(path: pathlib.Path) -> None:
    """Read by hand: length, JSON, data without a gap, all little-endian."""
    module.write_safetensors(path, ARRAYS, METADATA)
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    assert (8 + length) % 8 == 0
    header = json.loads(raw[8 : 8 + length])
    assert header.pop("__metadata__") == METADATA
    data, end = raw[8 + length :], 0
    kinds = {"F32": "<f4", "F64": "<f8"}
    for name, entry in header.items():
        start, stop = entry["data_offsets"]
        assert start == end
        end = stop
        found = np.frombuffer(data[start:stop], kinds[entry["dtype"]])
        assert found.tolist() == ARRAYS[name].ravel().tolist()
        assert tuple(entry["shape"]) == ARRAYS[name].shape
    assert end == len(data)


def test_other_types_are_not_written(path: pathlib.Path) -> None:
    for kind in ("int64", "float16", "complex64", "U3"):
        with pytest.raises(module.InputError, match="float32 or float64 is expected"):
            module.write_safetensors(path, {"a": np.ones(3).astype(kind)}, {})
    assert not path.exists()


def test_cut_off_at_every_byte_and_longer_by_one(path: pathlib.Path) -> None:
    module.write_safetensors(path, ARRAYS, METADATA)
    raw = path.read_bytes()
    for length in range(len(raw)):
        refused(path, raw[:length])
    assert "1 bytes follow the last array" in refused(path, raw + b"\0")


@pytest.mark.parametrize(("header", "reason"), BAD_HEADERS, ids=range(len(BAD_HEADERS)))
def test_bad_headers(header: Any, reason: str, path: pathlib.Path) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    found = refused(path, struct.pack("<Q", len(text)) + text + b"1234")
    assert reason in found


def test_a_length_beyond_reason_is_not_read(path: pathlib.Path) -> None:
    for length in (2**64 - 1, 2**40, 100_000_001):
        assert "not the length" in refused(path, struct.pack("<Q", length) + b"{}")


# ---- Replacing a file --------------------------------------------------------------


def written(folder: pathlib.Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_the_old_file_stays_as_prev(tmp_path: pathlib.Path) -> None:
    target, previous = tmp_path / "f", tmp_path / "f.prev"
    module.write_atomically(target, b"1")
    assert written(tmp_path) == ["f"]
    module.write_atomically(target, b"2")
    module.write_atomically(target, b"3")
    assert (target.read_bytes(), previous.read_bytes()) == (b"3", b"2")
    # Both names may already be one file; renaming one to the other does nothing then.
    previous.unlink()
    os.link(target, previous)
    module.write_atomically(target, b"4")
    assert (target.read_bytes(), previous.read_bytes()) == (b"4", b"3")
    assert written(tmp_path) == ["f", "f.prev"]


def test_the_mode_is_kept_and_a_new_file_has_the_umask_s(
    tmp_path: pathlib.Path,
) -> None:
    target, old = tmp_path / "f", os.umask(0o027)
    try:
        module.write_atomically(target, b"1")
        assert stat.S_IMODE(target.stat().st_mode) == 0o640
        target.chmod(0o604)
        module.write_atomically(target, b"2")
        assert stat.S_IMODE(target.stat().st_mode) == 0o604
    finally:
        os.umask(old)


def test_a_symbolic_link_stays_one(tmp_path: pathlib.Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "link"
    link.symlink_to("there/f")
    module.write_atomically(link, b"1")
    module.write_atomically(link, b"2")
    assert link.is_symlink()
    assert written(tmp_path / "there") == ["f", "f.prev"]
    assert written(tmp_path) == ["link", "there"]
    assert link.read_bytes() == b"2"


def test_what_cannot_be_written_is_said_before(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    cases = {
        "no/f": "there is no folder",
        ".": "is a folder",
        "pipe": "is not a regular file",
    }
    for name, message in cases.items():
        with pytest.raises(module.InputError, match=message):
            module.write_atomically(tmp_path / name, b"1")
    assert written(tmp_path) == ["pipe"]


def failing(real: Callable[..., Any], turn: int, code: int) -> Callable[..., Any]:
    """The function, but for one call of it."""
    calls = iter(range(100))

    def call(*arguments: Any, **options: Any) -> Any:
        if next(calls) == turn:
            raise OSError(code, os.strerror(code))
        return real(*arguments, **options)

    return call


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("name", ["fsync", "replace", "link", "chmod"])
def test_a_failure_leaves_the_old_file(
    name: str, turn: int, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "f"
    module.write_atomically(target, b"0")
    module.write_atomically(target, b"1")
    calls = {"fsync": 2, "replace": 2, "link": 1, "chmod": 1}[name]
    monkeypatch.setattr(os, name, failing(getattr(os, name), turn, errno.ENOSPC))
    if turn >= calls:
        module.write_atomically(target, b"2")
        assert target.read_bytes() == b"2"
        return
    with pytest.raises(OSError, match="No space") as caught:
        module.write_atomically(target, b"2")
    assert caught.value.filename == str(target)
    monkeypatch.undo()
    # The folder's fsync comes after the rename: too late to keep the old file.
    expected = b"2" if (name, turn) == ("fsync", 1) else b"1"
    assert target.read_bytes() == expected
    assert written(tmp_path) == ["f", "f.prev"]
    assert (tmp_path / "f.prev").read_bytes() in (b"0", b"1")


@pytest.mark.fault("CKP-18")
@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP])
def test_a_file_system_without_hard_links_will_do(
    code: int, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module.write_atomically(tmp_path / "f", b"1")
    monkeypatch.setattr(os, "link", failing(os.link, 0, code))
    module.write_atomically(tmp_path / "f", b"2")
    assert written(tmp_path) == ["f"]
    assert (tmp_path / "f").read_bytes() == b"2"


def test_a_limit_on_the_file_s_size_leaves_the_old_file(tmp_path: pathlib.Path) -> None:
    resource = pytest.importorskip("resource")
    target = tmp_path / "f"
    module.write_atomically(target, b"1")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python ignores SIGXFSZ, so that write() fails with an errno.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            module.write_atomically(target, b"2" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert target.read_bytes() == b"1"
    assert written(tmp_path) == ["f"]


WRITER = """
import sys, writer
for _ in range(60):
    writer.write_atomically("f", sys.argv[1].encode() * 50_000)
"""


def test_writers_at_the_same_time_and_one_that_is_killed(
    tmp_path: pathlib.Path,
) -> None:
    (tmp_path / "writer.py").write_text(text_of(spec_for("classes")), "utf-8")
    (tmp_path / "f").write_bytes(b"0" * 50_000)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, letter], cwd=tmp_path)
        for letter in "abc"
    ]
    killer = threading.Timer(0.6, writers[2].kill)
    killer.start()
    seen = set()
    while any(writer.poll() is None for writer in writers):
        data = (tmp_path / "f").read_bytes()
        assert len(data) == 50_000
        assert len(set(data)) == 1
        seen.add(data[:1])
    killer.join()
    assert [writer.returncode for writer in writers[:2]] == [0, 0]
    assert seen & {b"a", b"b", b"c"}
    left = [name for name in written(tmp_path) if name.endswith(".tmp")]
    assert len(left) <= 1, "only the one that was killed may leave something behind"
