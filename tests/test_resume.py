"""Runs that are killed, interrupted and resumed end in the same bits."""

from __future__ import annotations

import os
import pathlib
import random
import shutil
import signal
import time
from typing import Any

import numpy as np
import pytest
from checkpoints import (
    COURSES,
    FILE,
    RESUMING,
    SAVING,
    TRAIN,
    WEIGHTS,
    Child,
    history_of,
    killed,
    module_for,
    places,
    ran,
    told,
    write_data,
)
from support import LONG, TARGETS, module_of, spec_of

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

BOTH = [(course, target) for course in COURSES for target in TARGETS]
EVERY = [(), ("--every", "1", "steps"), ("--every", "3", "steps")]


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The current folder, with data."""
    monkeypatch.chdir(tmp_path)
    write_data()
    return tmp_path


class Whole:
    """What a run without a stop leaves: its weights, its records, its lines."""

    def __init__(self, module: Any) -> None:
        start = time.monotonic()
        self.lines = told(ran(module, *SAVING).lines)
        self.seconds = time.monotonic() - start
        self.weights, self.history = WEIGHTS.read_bytes(), history_of(FILE)
        clean()

    def check(self, lines: list[str]) -> None:
        """The last part of the run printed the last lines; all else is the same."""
        assert WEIGHTS.read_bytes() == self.weights
        assert history_of(FILE) == self.history
        assert lines
        assert told(lines) == self.lines[-len(told(lines)) :]


def clean() -> None:
    for path in (FILE, WEIGHTS):
        for name in (path, f"{path}.prev"):
            pathlib.Path(name).unlink(missing_ok=True)


# ---- SIGKILL -----------------------------------------------------------------------


@pytest.mark.fault("CKP-02")
@pytest.mark.parametrize(("course", "target"), BOTH)
def test_killed_anywhere_and_resumed_it_ends_in_the_same_bits(
    course: str, target: str
) -> None:
    module, rng = module_for(course, target), random.Random(f"{course} {target}")
    whole, kills, before = Whole(module), 0, (-1, 0)
    while kills < (25 if LONG else 2):
        words = (RESUMING if FILE.exists() else SAVING) + rng.choice(EVERY)
        kills += killed(module, words, rng.uniform(0, 1.5 * whole.seconds))
        if FILE.exists():
            # it always loads, and nothing that was saved is gone
            module.Network.load_checkpoint(FILE)
            assert places(FILE) >= before
            before = places(FILE)
        if FILE.exists() and rng.random() < 0.5:
            whole.check(ran(module, *RESUMING).lines)
            clean()
            before = (-1, 0)
    whole.check(ran(module, *(RESUMING if FILE.exists() else SAVING)).lines)
    # nothing is left of what was being written for it
    assert sorted(map(str, pathlib.Path().glob(f"{FILE}*"))) == [
        f"{FILE}",
        f"{FILE}.prev",
    ]


@pytest.mark.fault("CKP-14")
@pytest.mark.parametrize(("course", "target"), BOTH)
def test_resumed_from_every_step(course: str, target: str) -> None:
    """Stopped after each step of an epoch with its turn of a best one and a wait."""
    module = module_for(course, target)
    whole, kept = Whole(module), {}
    real = module.write_atomically

    def keeping(path: Any, data: bytes, keep: bool = True) -> None:
        real(path, data, keep)
        if str(path) == str(FILE):
            kept[places(FILE)] = data

    module.write_atomically = keeping
    try:
        assert module.main([*SAVING, "--every", "1", "steps"]) == 0
    finally:
        module.write_atomically = real
    steps = sorted(kept)
    assert len(steps) > 30
    assert {step for _, step in steps} == set(range(1 + max(s for _, s in steps)))
    chosen = steps if LONG else steps[:: len(steps) // 3]
    for place in chosen:
        clean()
        FILE.write_bytes(kept[place])
        whole.check(ran(module, *RESUMING).lines)


# ---- Signals -----------------------------------------------------------------------

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
LONGER = ("--epochs", "100000", "--every", "100000", "epochs")


def begun(module: Any, *words: str) -> Child:
    """A run that has trained a few epochs, and would go on for long."""
    child = Child(module, *words)
    end = time.monotonic() + 30
    while child.out.stat().st_size < 300 if child.out.exists() else True:
        assert time.monotonic() < end
        time.sleep(0.01)
    return child


@pytest.mark.fault("SIG-01", "SIG-02")
@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
def test_a_signal_saves_and_says_how_to_go_on(number: signal.Signals) -> None:
    module = module_for("nadam")
    child = begun(module, *SAVING, *LONGER)
    child.send(number)
    assert child.wait() == 128 + number
    epoch, step = places(FILE)
    where = f"interrupted at epoch {epoch + 1}, step {step}"
    rest = f"checkpoint saved; resume with --resume {FILE}"
    assert child.said == f"{where}; {rest}\n"
    assert epoch == len(child.lines) == len(history_of(FILE))
    assert not WEIGHTS.exists()
    total = str(epoch + 2)
    found = ran(module, *RESUMING, "--epochs", total)
    assert found.lines[0] == f"resumed {FILE} at epoch {epoch + 1}, step {step}"
    weights = WEIGHTS.read_bytes()
    clean()
    ran(module, *TRAIN, "--epochs", total)
    assert WEIGHTS.read_bytes() == weights


@pytest.mark.fault("SIG-01", "SIG-02")
@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
def test_without_a_checkpoint_nothing_is_saved(number: signal.Signals) -> None:
    child = begun(module_for("plain"), *TRAIN, "--epochs", "100000")
    child.send(number)
    assert child.wait() == 128 + number
    how = "interrupted" if number == signal.SIGINT else "terminated"
    assert child.said == f"{how}; nothing was saved\n"
    assert not WEIGHTS.exists()


@pytest.mark.fault("SIG-03")
def test_more_signals_wait_for_the_save() -> None:
    """A save that takes half a second; nothing is torn, nothing hangs."""
    module = module_for("plain")
    real = module.write_new

    def slow(path: str, data: bytes) -> None:
        if pathlib.Path("saving").exists():
            pathlib.Path("saving").write_text("now")
            time.sleep(0.5)
        real(path, data)

    module.write_new = slow
    try:
        child = begun(module, *SAVING, *LONGER)
        pathlib.Path("saving").touch()
        child.send(signal.SIGINT)
        while not pathlib.Path("saving").read_text():
            time.sleep(0.01)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            child.send(number)
            time.sleep(0.05)
        assert child.wait() == 130
    finally:
        module.write_new = real
    assert child.said.startswith("interrupted at epoch ")
    module.Network.load_checkpoint(FILE)
    assert not [name for name in os.listdir() if name.endswith((".tmp", ".lock"))]


@pytest.mark.fault("SIG-05")
def test_a_stop_and_an_alarm_change_no_numbers() -> None:
    module = module_for("stopping")
    whole = Whole(module)
    child = Child(module, *SAVING, "--every", "1", "steps")
    for _ in range(5):
        child.send(signal.SIGSTOP)
        time.sleep(0.02)
        child.send(signal.SIGCONT)
        time.sleep(0.005)
    assert child.wait() == 0
    whole.check(child.lines)
    clean()
    # An alarm every millisecond, as of a profiler: system calls return early.
    alarms = []
    before = signal.signal(signal.SIGALRM, lambda *_: alarms.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        assert module.main([*SAVING, "--quiet"]) == 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(alarms) > 3
    assert WEIGHTS.read_bytes() == whole.weights


def test_an_ignored_signal_stays_ignored() -> None:
    """As of a program that was started by nohup."""
    module = module_for("plain")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        child = begun(module, *SAVING, *LONGER)
        child.send(signal.SIGHUP)
        time.sleep(0.1)
        child.send(signal.SIGTERM)
        assert child.wait() == 143
        handlers = [signal.getsignal(n) for n in SIGNALS]
        assert module.main([*RESUMING, "--epochs", "1"]) == 0
        assert [signal.getsignal(n) for n in SIGNALS] == handlers
    finally:
        signal.signal(signal.SIGHUP, before)


# ---- The lock ----------------------------------------------------------------------


@pytest.mark.fault("CKP-17")
def test_two_runs_cannot_have_one_checkpoint() -> None:
    module = module_for("plain")
    child = begun(module, *SAVING, *LONGER)
    os.symlink(FILE, "link")
    for words in (RESUMING, (*TRAIN, "--resume", "link", "--checkpoint", "link")):
        second = ran_elsewhere(module, *words)
        assert second.said.endswith(f": locked by pid {child.pid}\n")
    child.send(signal.SIGKILL)
    child.wait()
    # It dies with its process, and what it left is no lock.
    ran(module, *RESUMING, "--epochs", "1")


def ran_elsewhere(module: Any, *words: str) -> Child:
    """A second run, which must be refused; its output goes to files of its own."""
    os.rename("out.txt", "first.txt")
    try:
        return ran(module, *words, code=2)
    finally:
        os.rename("first.txt", "out.txt")


def test_what_a_killed_save_left_is_removed() -> None:
    module = module_for("plain")
    ran(module, *SAVING, "--epochs", "1")
    left = f"{FILE}.0123456789abcdef.tmp"
    others = [f"{FILE}.tmp", f"other{left}", f"{FILE}.0123.tmp"]
    for name in (left, *others):
        shutil.copy(FILE, name)
    ran(module, *RESUMING, "--epochs", "2")
    found = os.listdir()
    assert left not in found
    assert set(others) <= set(found)


# ---- Divergence --------------------------------------------------------------------


@pytest.mark.fault("NUM-01")
@pytest.mark.parametrize("every", EVERY, ids=["epochs", "1 step", "3 steps"])
def test_divergence_names_the_step_and_the_last_good_checkpoint(every: Any) -> None:
    layers = [4, 3, {"size": 2, "activation": "identity"}]
    hyper = {"mini_batch_size": 6, "learning_rate": 1e3}
    spec = spec_of(layers=layers, cost="quadratic", hyperparameters=hyper)
    module = module_of(spec)
    x, _ = write_data()
    y = x[:, :2]
    np.savez("data.npz", x=x, y=y)
    done = ran(module, *SAVING, *every, code=1)
    net, n = module.Network(), 0
    order = np.argsort(module.words(64, 0, module.SHUFFLE, 0), kind="stable")
    for n in range(1, 12):
        with np.errstate(all="ignore"):
            rows = order[6 * n - 6 : 6 * n]
            net.update_mini_batch(x[rows], y[rows], 64)
        if not all(np.isfinite(p).all() for p in net.parameters.values()):
            break
    assert 3 < n < 11
    epoch, step = places(FILE)
    good = f"the last good checkpoint is {FILE}, at epoch {epoch + 1}, step {step}"
    found = "try a smaller learning rate"
    assert (epoch, step) < (0, n)
    assert done.said in [
        f"diverged in epoch 1, step {n}, first in layer {layer}: {found}; {good}\n"
        for layer in (2, 3)
    ]
    loaded = module.Network.load_checkpoint(FILE)
    assert all(np.isfinite(p).all() for p in loaded.parameters.values())
    assert not WEIGHTS.exists()
