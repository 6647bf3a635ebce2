"""Faults at every call that touches the disk: a whole checkpoint, old or new, loads."""

from __future__ import annotations

import builtins
import errno
import os
import pathlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from checkpoints import (
    FILE,
    RESUMING,
    SAVING,
    WEIGHTS,
    Child,
    module_for,
    ran,
    write_data,
)
from support import LONG

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

#: What a process asks the system for when it replaces a file, beside writing itself.
NAMES = ("open", "fsync", "link", "replace", "chmod", "unlink", "truncate", "close")
#: Before the call, after it, and half of it where it writes; or it fails.
HOW = ("killed before", "killed after", "torn", "fails")


class Faulty:
    """Counts calls, and plants one fault: at call number `turn`, in the way of HOW."""

    def __init__(self, turn: int, how: str) -> None:
        self.left, self.how = turn, how

    def due(self) -> bool:
        self.left -= 1
        return self.left == -1

    def around(self, real: Any, torn: Any = None) -> Any:
        """The function with the fault in it."""

        def call(*arguments: Any, **options: Any) -> Any:
            if not self.due():
                return real(*arguments, **options)
            if self.how == "fails":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self.how == "torn" and torn:
                torn(*arguments)
            if self.how == "killed after":
                real(*arguments, **options)
            return os._exit(9)

        return call

    def opening(self, *arguments: Any, **options: Any) -> Any:
        """`open`, with a file of which every method may be where it happens."""
        f = self.around(builtins.open)(*arguments, **options)
        if "b" in arguments[1] and "r" not in arguments[1]:
            return Written(f, self)
        return f


class Written:
    """A file that is written, unbuffered, so that its faults are where they seem."""

    def __init__(self, f: Any, faulty: Faulty) -> None:
        self.f, self.fileno = f, f.fileno

        def half(data: bytes) -> None:
            f.write(data[: len(data) // 2])
            f.flush()

        def whole(data: bytes) -> None:
            f.write(data)
            f.flush()

        self.write, self.flush = faulty.around(whole, half), faulty.around(f.flush)

    def __enter__(self) -> Written:
        return self

    def __exit__(self, *_: object) -> None:
        self.f.close()


def planted(module: Any, turn: int, how: str, work: Any) -> int:
    """How a process ends that does the work with that fault; 9: it was killed."""

    class Main:
        def main(self, _: list[str]) -> int:
            faulty = Faulty(turn, how)
            for name in NAMES:
                setattr(os, name, faulty.around(getattr(os, name)))
            module.open = faulty.opening
            code = int(work())
            # nothing was left for the fault to happen in
            return 77 if faulty.left >= 0 else code

    return Child(Main()).wait()  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The current folder, with data."""
    monkeypatch.chdir(tmp_path)
    write_data()
    return tmp_path


def epochs_of(module: Any) -> int:
    """The epochs of the checkpoint that resuming finds: the file's, or its .prev's."""
    try:
        net = module.Network.load_checkpoint(FILE)
    except (module.DamagedError, OSError):
        net = module.Network.load_checkpoint(f"{FILE}.prev")
    return int(net.epoch)


@pytest.mark.fault("CKP-01")
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("course", ["stopping", "plain"])
def test_every_call_of_one_save(course: str, how: str) -> None:
    """The old one or the new one, always at its own name; once saved, the new one."""
    module, turn, code = module_for(course), 0, 0
    net = module.Network()

    def save() -> int:
        net.epoch = 3
        try:
            module.write_checkpoint(FILE, net, module.Course())
        except OSError:
            return 2
        return 0

    while code != 77:
        for path in pathlib.Path().glob("c.*"):
            path.unlink()
        for net.epoch in (1, 2):
            net.save_checkpoint(FILE)
        code = planted(module, turn, how, save)
        assert module.Network.load_checkpoint(FILE).epoch in (2, 3)
        assert module.Network.load_checkpoint(f"{FILE}.prev").epoch in (1, 2)
        if code in (0, 77):
            assert epochs_of(module) == 3
        if how == "fails":
            assert not list(pathlib.Path().glob("*.tmp")) or code == 2
        turn += 1
    assert turn > 12


@pytest.mark.fault("CKP-01")
@pytest.mark.parametrize("how", HOW)
def test_calls_of_a_whole_run(how: str) -> None:
    """Wherever a run meets the fault, resuming ends in the same bits."""
    module, rng = module_for("stopping"), random.Random(how)
    ran(module, *SAVING)
    whole = WEIGHTS.read_bytes()
    words = [*SAVING, "--every", "2", "steps", "--quiet"]
    turns = range(0, 500) if LONG else rng.sample(range(300), 3)
    ends = set()
    for turn in turns:
        for path in [*pathlib.Path().glob("c.*"), *pathlib.Path().glob("w.*")]:
            path.unlink()
        code = planted(module, turn, how, lambda: module.main(list(words)))
        assert code in (0, 2, 9, 77)
        ends.add(code)
        if FILE.exists():
            module.Network.load_checkpoint(FILE)
        ran(module, *(RESUMING if FILE.exists() else SAVING), "--quiet")
        assert WEIGHTS.read_bytes() == whole
    assert ends & {2, 9}


def test_a_failure_says_where_the_last_one_is_of() -> None:
    module = module_for("plain")
    real, calls = module.write_atomically, iter(range(9))

    def fails(*arguments: Any) -> None:
        if next(calls) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(FILE))
        real(*arguments)

    module.write_atomically = fails
    try:
        child = Child(module, *SAVING)
        assert child.wait() == 2
    finally:
        module.write_atomically = real
    where = "no checkpoint of epoch 4, step 0 was written"
    last = "the last one is of epoch 3, step 0"
    message = f"{FILE}: No space left on device; {where}; {last}"
    assert child.said == f"error: {message}\n"
    assert len(child.lines) == 3
    ran(module, *RESUMING)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only_is_said_before_the_work() -> None:
    os.mkdir("there")
    os.chmod("there", 0o500)
    words = ["--checkpoint" if w == str(FILE) else w for w in SAVING]
    words[-1] = "there/c"
    child = Child(module_for("plain"), *words)
    assert child.wait() == 2
    assert child.said == "error: there/c.lock: Permission denied\n"
    assert child.lines == []


# ---- Power failures ----------------------------------------------------------------


@dataclass
class Disk:
    """What may be on a disk when power fails: a model of names and contents.

    Names that a folder was given since its last fsync may be there, in their order, up
    to any of them; a file's contents are torn unless it was synced.
    """

    names: dict[str, int] = field(default_factory=dict)
    pending: list[tuple[str, ...]] = field(default_factory=list)
    synced: set[int] = field(default_factory=set)
    files: int = 0

    def states(self) -> Iterator[dict[str, int]]:
        """Every set of names that power may leave behind now."""
        names = dict(self.names)
        yield dict(names)
        for kind, *words in self.pending:
            change(names, kind, *words)
            yield dict(names)


def change(names: dict[str, int], kind: str, *words: str) -> None:
    """One change of names."""
    if kind == "create":
        names[words[0]] = int(words[1])
    elif kind == "link":
        names[words[1]] = names[words[0]]
    elif kind == "replace" and names[words[0]] != names.get(words[1]):
        names[words[1]] = names.pop(words[0])
    elif kind == "unlink":
        names.pop(words[0], None)


def traced(monkeypatch: pytest.MonkeyPatch, module: Any) -> list[tuple[str, ...]]:
    """The calls of one write, as they come, with the base names of what they name."""
    calls: list[tuple[str, ...]] = []

    def noting(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: Any) -> Any:
            result = real(*arguments)
            paths = [os.path.basename(a) for a in arguments if isinstance(a, str)]
            calls.append((name, *paths))
            return result

        monkeypatch.setattr(os, name, call)

    for name in ("link", "replace", "unlink"):
        noting(name)
    real, written = os.fsync, module.write_new

    def fsync(descriptor: int) -> None:
        real(descriptor)
        calls.append(
            ("fsync", "folder" if os.path.isdir(f"/dev/fd/{descriptor}") else "")
        )

    def write_new(path: str, data: bytes) -> None:
        calls.append(("create", os.path.basename(path)))
        written(path, data)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(module, "write_new", write_new)
    return calls


@pytest.mark.fault("CKP-03")
@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="there is no /dev/fd")
def test_power_may_fail_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three saves: after each call, in every state that a disk may be in."""
    module = module_for("plain")
    calls = traced(monkeypatch, module)
    net, disk, saved, states = module.Network(), Disk(), 0, 0
    for number in (1, 2, 3):
        calls.clear()
        net.epoch = number
        net.save_checkpoint(FILE)
        for kind, *words in calls:
            if kind == "create":
                disk.files += 1
                disk.pending.append(("create", words[0], str(disk.files)))
            elif kind == "fsync" and words == ["folder"]:
                *_, disk.names = disk.states()
                disk.pending = []
            elif kind == "fsync":
                disk.synced.add(disk.files)
            else:
                disk.pending.append((kind, *words))
            for names in disk.states():
                states += 1
                found = names.get(FILE.name)
                # never torn, never older than what was said to be saved
                assert found is None or found in disk.synced
                assert (found or 0) >= saved
        saved = number
        assert disk.names[FILE.name] == disk.files == number
    assert states > 40
