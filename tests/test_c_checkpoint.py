"""Runs of C programs that are killed, interrupted and resumed; NumPy's very files."""

from __future__ import annotations

import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import time
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from c_modules import QUICK, STRICT, TARGET, compiled
from c_program_runs import run_binary, started
from checkpoints import (
    COURSES,
    FILE,
    HYPER,
    LAYERS,
    SOFTMAX,
    WEIGHTS,
    history_of,
    places,
    told,
    write_data,
)
from support import LONG, difference, module_of, spec_of, text_of
from test_checkpoint_program import CHANGES, rewritten

TRAIN = ("train", "--x", "x.npy", "--y", "y.npy", "--weights-out", str(WEIGHTS))
SAVING = (*TRAIN, "--checkpoint", str(FILE))
RESUMING = (*SAVING, "--resume", str(FILE))
EVERY = [(), ("--every", "1", "steps"), ("--every", "3", "steps")]
#: Compiled as fast as can be: there are many courses, and they are small.
FLAGS = (*STRICT, *QUICK)
SANITIZED = (
    *FLAGS,
    *("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
)


class Both(NamedTuple):
    """The programs of one spec."""

    binary: pathlib.Path
    module: ModuleType

    def c(self, *words: str, code: int = 0, **options: Any) -> tuple[str, str]:
        """What the C program prints, which must end so."""
        done = run_binary(self.binary, *words, **options)
        assert done.returncode == code, done.stderr
        return done.stdout, done.stderr

    def refused(self, *words: str) -> str:
        """The one line of an error."""
        out, err = self.c(*words, code=2)
        assert out == ""
        assert err.startswith("error: ")
        assert len(err.splitlines()) == 1
        return err


def both_of(course: str, flags: tuple[str, ...] = FLAGS, **changes: Any) -> Both:
    layers = [4, 7, SOFTMAX] if course == "plain" else LAYERS
    hyper = {**HYPER, **COURSES[course], **changes}
    dtype = "float64" if course == "nadam" else "float32"
    spec = {"name": course, "layers": layers, "cost": "log_likelihood", "dtype": dtype}
    made = spec_of(**spec, hyperparameters=hyper)
    return Both(compiled(text_of(made, TARGET), flags), module_of(made))


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder, with data."""
    monkeypatch.chdir(tmp_path)
    x, y = write_data()
    np.save("x.npy", x)
    np.save("y.npy", y)


def clean() -> None:
    for path in (FILE, WEIGHTS):
        for name in (path, f"{path}.prev"):
            pathlib.Path(name).unlink(missing_ok=True)


class Whole:
    """What a run without a stop leaves: its weights, its records, its lines."""

    def __init__(self, both: Both) -> None:
        start = time.monotonic()
        self.lines = told(both.c(*SAVING)[0].splitlines())
        self.seconds = time.monotonic() - start
        self.weights, self.history = WEIGHTS.read_bytes(), history_of(FILE)
        clean()

    def check(self, out: str) -> None:
        """The last part of the run printed the last lines; all else is the same."""
        assert WEIGHTS.read_bytes() == self.weights
        assert history_of(FILE) == self.history
        lines = told(out.splitlines())
        assert lines
        assert lines == self.lines[-len(lines) :]


# ---- SIGKILL -----------------------------------------------------------------------


@pytest.mark.fault("CKP-02")
@pytest.mark.parametrize("course", COURSES)
def test_killed_anywhere_and_resumed_it_ends_in_the_same_bits(course: str) -> None:
    both, rng = both_of(course), random.Random(course)
    whole, kills, within, before = Whole(both), 0, 0, (-1, 0)
    # a run of 100 steps with a checkpoint of each takes so long
    span = max(1.5 * whole.seconds, 0.2)
    while kills < (15 if LONG else 3):
        words = (RESUMING if FILE.exists() else SAVING) + rng.choice(EVERY)
        process = started(both.binary, *words)
        time.sleep(rng.uniform(0, span))
        process.kill()
        _, err = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), err
        if process.returncode:
            kills += 1
        else:  # too late: sooner next time
            span *= 0.7
        if FILE.exists():
            # it always loads, and nothing that was saved is gone
            both.module.Network.load_checkpoint(FILE)
            assert places(FILE) >= before
            within += process.returncode != 0 and places(FILE) > before
            before = places(FILE)
        if not process.returncode or (FILE.exists() and rng.random() < 0.5):
            whole.check(both.c(*RESUMING)[0])
            clean()
            before = (-1, 0)
    whole.check(both.c(*(RESUMING if FILE.exists() else SAVING))[0])
    assert within >= kills // 5  # not all of them before the first step
    # nothing is left of what was being written for it
    assert {str(p) for p in pathlib.Path().glob(f"{FILE}*")} <= {
        f"{FILE}",
        f"{FILE}.prev",
    }


#: Kills the process at, or fails, the call number FAULT of those that change the disk.
PRELOAD = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
static int fault(void) {
    static int calls;
    const char *at = getenv("FAULT"), *how = getenv("HOW");
    if (!at || ++calls != atoi(at))
        return 0;
    if (how[0] == 'k')
        raise(SIGKILL);
    errno = EIO;
    return 1;
}
#define WRAP(name, type, named) \\
    int name type { \\
        int (*real) type = (int(*) type)dlsym(RTLD_NEXT, #name); \\
        return fault() ? -1 : real named; \\
    }
WRAP(rename, (const char *a, const char *b), (a, b))
WRAP(link, (const char *a, const char *b), (a, b))
WRAP(fsync, (int a), (a))
WRAP(fflush, (void *a), (a))
WRAP(fclose, (void *a), (a))
"""


@pytest.mark.fault("CKP-01")
@pytest.mark.parametrize("how", ["kill", "fail"])
def test_a_fault_at_every_call_to_the_disk_leaves_a_checkpoint(how: str) -> None:
    both = both_of("plain", epochs=2)
    whole = Whole(both)
    pathlib.Path("fault.c").write_text(PRELOAD)
    line = ["gcc", "-shared", "-fPIC", "-fno-builtin", "-o", "fault.so", "fault.c"]
    if subprocess.run([*line, "-ldl"], capture_output=True).returncode:
        pytest.skip("no libraries can be put before others here")
    ends = []
    for call in range(1, 200, 1 if LONG else 2):
        shim = os.path.abspath("fault.so")
        env = {"LD_PRELOAD": shim, "FAULT": str(call), "HOW": how}
        done = run_binary(both.binary, *SAVING, env=env)
        ends.append(done.returncode)
        if done.returncode == 0 and call > 20:
            break
        if FILE.exists():
            both.module.Network.load_checkpoint(FILE)
        whole.check(both.c(*(RESUMING if FILE.exists() else SAVING))[0])
        assert not list(pathlib.Path().glob(f"{FILE}.*.tmp*"))
        clean()
    assert ends[-1] == 0
    assert (-signal.SIGKILL if how == "kill" else 2) in ends
    assert set(ends) <= {0, 2, -signal.SIGKILL}


def test_a_disk_that_is_full() -> None:
    both = both_of("nadam", epochs=2000)
    both.c(*SAVING, "--epochs", "1", "--quiet")
    before, size = FILE.read_bytes(), FILE.stat().st_size

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    words = (*RESUMING, "--epochs", "9", "--quiet")
    _, err = both.c(*words, code=2, preexec_fn=small)
    last = "no checkpoint of epoch 3, step 0 was written; the last one is of epoch 2"
    assert err == f"error: {FILE}: File too large; {last}, step 0\n"
    assert FILE.read_bytes() == before
    assert not list(pathlib.Path().glob("*.tmp"))


# ---- One file for both languages -----------------------------------------------------


@pytest.mark.parametrize("course", COURSES)
def test_numpy_reads_what_c_writes_and_the_reverse(course: str) -> None:
    """The file of one, changed by nothing, is the other's; and both go on from it."""
    both = both_of(course)
    whole = both.c(*SAVING, "--epochs", "4")[0].splitlines()
    first = FILE.read_bytes()
    rewritten(both.module, lambda a, m: None)
    assert FILE.read_bytes() == first  # the very layout, to the byte
    assert both.module.main([*RESUMING, "--epochs", "8", "--quiet"]) == 0
    mixed = dict(both.module.Network.load(WEIGHTS).parameters)
    clean()
    assert both.module.main([*SAVING, "--epochs", "4", "--quiet"]) == 0
    numpys = history_of(FILE)
    out, err = both.c(*RESUMING, "--epochs", "8")
    assert "warning: environment differs from the checkpoint's: " in err
    assert out.startswith(f"resumed {FILE} at epoch 5, step 0\n")
    assert history_of(FILE)[:4] == numpys
    found = both.module.Network.load(WEIGHTS).parameters
    # two languages, 88 steps apart from the same file, as in the contract's section 6
    bound = 1e-10 if course == "nadam" else 1e-4
    for name, p in found.items():
        assert difference(p, mixed[name]) < bound, name
    assert len(whole) >= 4


def test_the_data_have_one_digest(capsys: Any) -> None:
    both = both_of("plain")
    x, _ = write_data()
    kinds = ["<f4", "<f8", "|u1", "<i8"]
    for kind in kinds:
        np.save("x.npy", np.abs(x).astype(kind))
        clean()
        both.c(*SAVING, "--epochs", "1", "--quiet")
        words = (*RESUMING, "--epochs", "2", "--quiet")
        assert both.module.main([*words]) == 0
        assert "data digest" not in capsys.readouterr().err
    x[-1, -1] += 1
    np.save("x.npy", x)
    found = both.refused(*RESUMING, "--epochs", "3")
    text = "data digest differs from the checkpoint's (x)"
    hint = "--allow-data-change goes on all the same"
    assert found == f"error: {FILE}: {text}; {hint}\n"
    _, err = both.c(*RESUMING, "--epochs", "3", "--quiet", "--allow-data-change")
    assert f"warning: {text}\n" in err


# ---- Damage ------------------------------------------------------------------------


@pytest.mark.fault("CKP-05", "CKP-06", "CKP-07")
def test_damage_is_never_loaded() -> None:
    """Cut off anywhere and with any bit flipped, it is refused or .prev is taken."""
    both = both_of("plain", SANITIZED, epochs=3)
    both.c(*SAVING, "--quiet")
    data, previous = FILE.read_bytes(), pathlib.Path(f"{FILE}.prev").read_bytes()
    rng, flips = random.Random(1), 1000 if LONG else 12
    bits = [rng.randrange(8 * len(data)) for _ in range(flips)]
    cuts = range(0, len(data), 7 if LONG else len(data) // 8)
    damaged = [data[:cut] for cut in cuts]
    for bit in (*bits, 8 * 8 + 1, 8 * 40):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(flipped))
    damaged += [data[:-100] + bytes(100), data + b"\0"]
    for held in damaged:
        FILE.write_bytes(held)
        pathlib.Path(f"{FILE}.prev").unlink(missing_ok=True)
        assert "corrupt" in both.refused(*RESUMING)
        assert FILE.read_bytes() == held
    pathlib.Path(f"{FILE}.prev").write_bytes(previous)
    weights = WEIGHTS.read_bytes()
    WEIGHTS.unlink()
    _, err = both.c(*RESUMING)
    assert "falls back to " in err
    assert WEIGHTS.read_bytes() == weights
    # what was damaged did not take the place of the good one
    assert pathlib.Path(f"{FILE}.prev").read_bytes() == previous


@pytest.mark.fault("CKP-10", "CKP-11")
@pytest.mark.parametrize("name", CHANGES)
def test_a_checkpoint_that_nobody_wrote_is_refused(name: str) -> None:
    change, message = CHANGES[name]
    both = both_of("stopping", SANITIZED)
    both.c(*SAVING, "--epochs", "3", "--quiet")
    rewritten(both.module, change)
    found = both.refused(*RESUMING)
    assert found.startswith(f"error: {FILE}: ")
    assert message in found


@pytest.mark.fault("CKP-09", "CKP-19")
def test_other_files_are_not_resumed() -> None:
    both, other = both_of("plain"), both_of("plain", mini_batch_size=7)
    both.c(*SAVING, "--epochs", "1", "--quiet")
    ours, theirs = (b.module.spec_digest()[:16] for b in (other, both))
    differs = "/hyperparameters/mini_batch_size is 6, here 7"
    made = f"made for spec sha256 {theirs}, this is {ours}"
    assert other.refused(*RESUMING) == f"error: {FILE}: {made}: {differs}\n"
    shutil.copy(WEIGHTS, "w")
    words = (*TRAIN, "--resume", "w")
    assert both.refused(*words) == "error: w: weights only: cannot resume\n"
    words = ("evaluate", *TRAIN[1:5], "--weights-in", str(FILE))
    hint = "is a checkpoint, no weights file: go on by train --resume"
    assert both.refused(*words) == f"error: {FILE}: {hint}\n"
    words = (*TRAIN[:5], "--weights-out", str(FILE))
    assert "exists and is no weights file" in both.refused(*words)
    wide = both_of("plain", (*FLAGS, "-DBPC_REAL=double"))
    assert "a checkpoint holds float32" in wide.refused(*RESUMING)


# ---- Signals and the lock ------------------------------------------------------------

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
LONGER = ("--epochs", "100000000", "--every", "1000000", "epochs")


@pytest.mark.fault("SIG-01", "SIG-02", "CKP-17")
@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
def test_a_signal_saves_and_says_how_to_go_on(number: signal.Signals) -> None:
    both = both_of("nadam")
    process = started(both.binary, *SAVING, *LONGER)
    assert process.stdout.readline().startswith("Epoch 1: ")
    # the lock is held meanwhile
    second = both.refused(*RESUMING)
    assert second == f"error: {FILE}: locked by pid {process.pid}\n"
    process.send_signal(number)
    process.send_signal(signal.SIGINT)  # which waits for the save
    _, err = process.communicate(timeout=30)
    first = process.returncode - 128
    assert first in (number, signal.SIGINT)
    epoch, step = places(FILE)
    where = f"interrupted at epoch {epoch + 1}, step {step}"
    assert err == f"{where}; checkpoint saved; resume with --resume {FILE}\n"
    assert not WEIGHTS.exists()
    assert not pathlib.Path(f"{FILE}.lock").exists()
    total = str(epoch + 2)
    out, _ = both.c(*RESUMING, "--epochs", total)
    assert out.startswith(f"resumed {FILE} at epoch {epoch + 1}, step {step}\n")
    weights = WEIGHTS.read_bytes()
    both.c(*TRAIN, "--epochs", total, "--quiet")
    assert WEIGHTS.read_bytes() == weights


def test_what_a_killed_save_left_is_removed() -> None:
    both = both_of("plain")
    both.c(*SAVING, "--epochs", "1", "--quiet")
    left = [f"{FILE}.123-0.tmp", f"{FILE}.9-17.tmp.prev"]
    others = [f"{FILE}.tmp", f"other{left[0]}", f"{FILE}.0123.tmp", f"{FILE}.1-2.tm"]
    for name in (*left, *others):
        shutil.copy(FILE, name)
    both.c(*RESUMING, "--epochs", "2", "--quiet")
    found = set(os.listdir())
    assert not found & set(left)
    assert set(others) <= found


# ---- The command line --------------------------------------------------------------

REFUSED = [
    ("--checkpoint c.ckpt", "c.ckpt: exists; go on from it by --resume c.ckpt, or"),
    ("--checkpoint c.ckpt --resume old", "c.ckpt: exists; go on from it by --resume"),
    ("--checkpoint x.npy", "x.npy: is named for something else as well"),
    ("--checkpoint w.safetensors", "is named for something else as well"),
    ("--checkpoint no/c", "no/c: there is no folder "),
    ("--checkpoint .", ".: is a folder"),
    ("--every 2 steps", "--every says how often to write --checkpoint F: give both"),
    ("--checkpoint n --every 0 steps", "--every takes a whole number from 1"),
    ("--checkpoint n --every 2 hours", "epochs, steps or seconds, not '2 hours'"),
    ("--checkpoint n --every 2 stepss", "not '2 stepss'"),
    ("--checkpoint n --every 2.5 seconds", "not '2.5 seconds'"),
    ("--checkpoint n --every 2", "argument --every: expected 2 arguments"),
    ("--resume old --weights-in w.safetensors", "give --resume, or --weights-in"),
    ("--resume old --seed 5", "old: made with seed 0, --seed is 5"),
    ("--resume .", ".: is a folder, not a file"),
    ("--resume nothing", "nothing: No such file or directory"),
    ("--resume other.npy", "other.npy: is no checkpoint, or corrupt (no digest)"),
]


def test_wrong_command_lines() -> None:
    both = both_of("plain")
    both.c(*SAVING, "--epochs", "1", "--quiet")
    shutil.copy(FILE, "old")
    shutil.copy("x.npy", "other.npy")
    before = {name: os.stat(name).st_mtime_ns for name in os.listdir()}
    for words, message in REFUSED:
        assert message in both.refused(*TRAIN, *words.split()), words
        assert {n: os.stat(n).st_mtime_ns for n in os.listdir()} == before


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (("3", "epochs"), (6, 0)),
        (("1", "epoch"), (6, 0)),
        (("30", "steps"), (5, 5)),
        (("1000", "seconds"), (0, 0)),
    ],
)
def test_every_so_many(every: Any, expected: Any) -> None:
    """In epochs of 11 steps; the last but one is .prev, as there is one at the end."""
    both_of("plain").c(*SAVING, "--quiet", "--epochs", "7", "--every", *every)
    assert places(FILE) == (7, 0)
    assert places(pathlib.Path(f"{FILE}.prev")) == expected


@pytest.mark.fault("CKP-13")
def test_complete_is_said_and_nothing_is_trained() -> None:
    both = both_of("plain")
    both.c(*SAVING, "--quiet")
    kept, checkpoint = WEIGHTS.read_bytes(), FILE.read_bytes()
    done = f"already complete: 8 of 8 epochs\nsaved {WEIGHTS}\n"
    assert both.c(*RESUMING) == (done, "")
    assert both.c(*RESUMING, "--epochs", "5")[0] == "already complete: 8 of 5 epochs\n"
    WEIGHTS.unlink()
    both.c(*RESUMING, "--quiet")
    assert WEIGHTS.read_bytes() == kept
    assert FILE.read_bytes() == checkpoint


@pytest.mark.fault("NUM-01")
def test_divergence_leaves_the_last_good_checkpoint() -> None:
    both = both_of("plain", regularization={"l2": 1e5})
    out, err = both.c(*SAVING, "--every", "1", "steps", "--quiet", code=1)
    assert out == ""
    assert err.startswith("diverged in epoch ")
    assert ", step " in err.split(":")[0]
    epoch, step = places(FILE)
    good = f"the last good checkpoint is {FILE}, at epoch {epoch + 1}, step {step}"
    assert err.endswith(f": try a smaller l2 regularization; {good}\n")
    both.module.Network.load_checkpoint(FILE)
    assert not WEIGHTS.exists()
