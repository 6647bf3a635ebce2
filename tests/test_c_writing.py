"""Files that a C program writes: whole or not at all, and never over another's."""

from __future__ import annotations

import errno
import os
import pathlib
import resource
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from c_files import PLAIN, Files
from modules import spec_for

SPEC = spec_for("classes")
pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="prlimit and the linker's --wrap are Linux's"
)


@pytest.fixture
def files(tmp_path: pathlib.Path) -> Iterator[Files]:
    one = Files(SPEC, tmp_path, PLAIN, wrapped=True)
    yield one
    one.close()


def save(one: Files, epoch: int, name: str = "f") -> None:
    """Write a file that differs in its epoch alone."""
    other = one.module.Network()
    other.epoch = epoch
    source = one.folder.parent / f"source{epoch}"
    other.save(source)
    assert one("load", source) == ""
    assert one("save", name) == ""


def epoch(path: pathlib.Path) -> int:
    """Of a file that is whole."""
    raw = path.read_bytes()
    return int(raw.split(b'"epoch":"')[1].split(b'"')[0])


def written(folder: pathlib.Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_the_old_file_stays_as_prev(files: Files) -> None:
    target, previous = files.folder / "f", files.folder / "f.prev"
    save(files, 1)
    assert written(files.folder) == ["f"]
    save(files, 2)
    save(files, 3)
    assert (epoch(target), epoch(previous)) == (3, 2)
    # Both names may already be one file; renaming one to the other does nothing then.
    previous.unlink()
    os.link(target, previous)
    save(files, 4)
    assert (epoch(target), epoch(previous)) == (4, 3)
    assert written(files.folder) == ["f", "f.prev"]


def test_without_posix_the_old_file_stays_as_well(tmp_path: pathlib.Path) -> None:
    one = Files(SPEC, tmp_path, (*PLAIN, "-U__unix__"))
    for number in (1, 2, 3):
        save(one, number)
    one.close()
    assert (epoch(tmp_path / "f"), epoch(tmp_path / "f.prev")) == (3, 2)
    assert written(tmp_path) == ["f", "f.prev"]


def test_the_mode_is_kept_and_a_new_file_has_the_umask_s(
    tmp_path: pathlib.Path,
) -> None:
    old = os.umask(0o027)
    try:
        files = Files(SPEC, tmp_path, PLAIN)
    finally:
        os.umask(old)
    save(files, 1)
    target = tmp_path / "f"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    target.chmod(0o604)
    save(files, 2)
    assert stat.S_IMODE(target.stat().st_mode) == 0o604
    files.close()


def test_a_symbolic_link_stays_one(files: Files) -> None:
    there = files.folder / "there"
    (there / "deep").mkdir(parents=True)
    (files.folder / "link").symlink_to("there/second")
    (there / "second").symlink_to("deep/../deep/f")
    save(files, 1, "link")
    save(files, 2, "link")
    assert written(there / "deep") == ["f", "f.prev"]
    assert written(there) == ["deep", "second"]
    assert (files.folder / "link").is_symlink()
    assert epoch(files.folder / "link") == 2


def test_what_cannot_be_written_is_said(files: Files) -> None:
    (files.folder / "folder").mkdir()
    os.mkfifo(files.folder / "pipe")
    (files.folder / "loop").symlink_to("loop")
    (files.folder / "notes").write_bytes(b"hello")
    cases = {
        "no/f": "there is no folder no",
        "/no/such/f": "there is no folder /no/such",
        "notes/f": "there is no folder notes",
        "folder": "is a folder",
        ".": "is a folder",
        "folder/": "is a folder",
        "pipe": "is not a regular file",
        "loop": "Too many levels of symbolic links",
        "x" * 300: "File name too long",
        "/".join(["."] * 2500): "File name too long",
        "notes": "exists and is no weights file; name another",
    }
    before = written(files.folder)
    for name, message in cases.items():
        said = files("save", name)
        assert said.startswith(f"{name}: "[:400]), name
        assert message in said or len(name) > 400
    assert written(files.folder) == before
    assert (files.folder / "notes").read_bytes() == b"hello"


def test_outputs_that_would_cost_something_are_refused(tmp_path: pathlib.Path) -> None:
    files = Files(SPEC, tmp_path, PLAIN)
    np.save(tmp_path / "x.npy", np.zeros(3))
    save(files, 1, "w")
    (tmp_path / "empty").touch()
    (tmp_path / "short").write_bytes(b"\x93NUMPY")
    os.symlink("x.npy", tmp_path / "link")
    lost = "is an input as well, and would be lost"
    assert files("refuse", ".npy", "p.npy") == ""
    assert files("refuse", ".npy", "x.npy") == ""
    assert files("refuse", ".npy", "x.npy", "w") == ""
    assert files("refuse", ".npy", "x.npy", "link") == f"x.npy: {lost}"
    assert files("refuse", ".npy", "link", "./x.npy") == f"link: {lost}"
    assert files("refuse", ".npy", "link", f"{tmp_path}/x.npy") == f"link: {lost}"
    assert files("refuse", "weights", "w") == ""
    assert files("refuse", "weights", "empty") == ""
    assert files("refuse", ".npy", "empty") == ""
    wrong = "exists and is no {} file; name another"
    assert files("refuse", "weights", "x.npy") == f"x.npy: {wrong.format('weights')}"
    assert files("refuse", "weights", "short") == f"short: {wrong.format('weights')}"
    assert files("refuse", ".npy", "w") == f"w: {wrong.format('.npy')}"
    files.close()


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("name", ["fsync", "rename", "link", "fchmod"])
def test_a_failure_leaves_the_old_file(name: str, turn: int, files: Files) -> None:
    save(files, 0)
    save(files, 1)
    calls = {"fsync": 2, "rename": 2, "link": 1, "fchmod": 1}[name]
    files("fail", name, turn, errno.ENOSPC)
    if turn >= calls:
        save(files, 2)
        assert epoch(files.folder / "f") == 2
        return
    assert files("save", "f") == f"f: {os.strerror(errno.ENOSPC)}"
    assert epoch(files.folder / "f") == 1
    assert written(files.folder) == ["f", "f.prev"]
    assert epoch(files.folder / "f.prev") in (0, 1)


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP])
def test_a_file_system_without_hard_links_will_do(code: int, files: Files) -> None:
    save(files, 1)
    files("fail", "link", 0, code)
    save(files, 2)
    assert written(files.folder) == ["f"]
    assert epoch(files.folder / "f") == 2


def test_a_limit_on_the_file_s_size_leaves_the_old_file(tmp_path: pathlib.Path) -> None:
    one = Files(SPEC, tmp_path, PLAIN)
    save(one, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (1000, hard))
    assert one("save", "f") == f"f: {os.strerror(errno.EFBIG)}"
    resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (soft, hard))
    assert epoch(tmp_path / "f") == 1
    assert written(tmp_path) == ["f"]
    one.close()


def test_writers_at_the_same_time_and_one_that_is_killed(
    tmp_path: pathlib.Path,
) -> None:
    writers = [Files(SPEC, tmp_path, PLAIN) for _ in "abc"]
    save(writers[0], 1)
    kept = (tmp_path / "f").read_bytes()
    for k, writer in enumerate(writers):
        save(writer, 10 + k, f"w{k}")
    processes = [writer.process for writer in writers]
    killer = threading.Timer(0.3, processes[2].kill)

    def work(process: subprocess.Popen[str]) -> None:
        process.communicate(150 * "save f\n")

    threads = [threading.Thread(target=work, args=[p]) for p in processes]
    for thread in [*threads, killer]:
        thread.start()
    seen = set()
    while any(thread.is_alive() for thread in threads):
        whole = (tmp_path / "f").read_bytes()
        assert len(whole) in (len(kept), len(kept) + 8)
        seen.add(epoch(tmp_path / "f"))
    killer.join()
    assert [process.returncode for process in processes[:2]] == [0, 0]
    assert seen & {10, 11, 12}
    left = [name for name in written(tmp_path) if ".tmp" in name]
    assert len(left) <= 2, "only the one that was killed may leave something behind"
