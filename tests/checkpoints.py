"""Runs of generated programs in processes that can be killed, for tests of checkpoints."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import pathlib
import re
import signal
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from modules import Array
from support import module_of, spec_of

FILE, WEIGHTS = pathlib.Path("c.ckpt"), pathlib.Path("w.safetensors")
TRAIN = ("train", "--data", "data.npz", "--weights-out", str(WEIGHTS))
SAVING = (*TRAIN, "--checkpoint", str(FILE))
RESUMING = (*SAVING, "--resume", str(FILE))
QUIET = ("--quiet", "--epochs", "3")

SOFTMAX = {"size": 3, "activation": "softmax"}
LAYERS = [
    {"size": 4, "scaling": "standardize"},
    {"size": 7, "activation": "relu", "dropout": 0.3},
    SOFTMAX,
]
HYPER = {"mini_batch_size": 6, "epochs": 8, "regularization": {"l2": 0.1}}
#: Hyperparameters by name: between them all that a checkpoint can hold.
COURSES: dict[str, dict[str, Any]] = {
    "stopping": {
        "optimizer": "adam",
        "learning_rate": 0.02,
        "schedule": {"kind": "cosine", "unit": "step", "warmup": 3},
        "early_stopping": {"patience": 3},
        "validation_fraction": 0.3,
    },
    "halving": {
        "optimizer": {"kind": "momentum", "mu": 0.8},
        "learning_rate": 0.3,
        "schedule": {"kind": "halve_on_plateau", "patience": 1},
        "early_stopping": {"patience": 5, "monitor": "cost"},
        "validation_fraction": 0.2,
    },
    "nadam": {"optimizer": "nadam", "learning_rate": 0.01, "clipping": {"norm": 1.0}},
    "plain": {"learning_rate": 0.2},
}


@functools.cache
def module_for(course: str, target: str = "numpy") -> ModuleType:
    """The module of one of COURSES, with dropout unless it is the plain one."""
    layers = [4, 7, SOFTMAX] if course == "plain" else LAYERS
    hyper = {**HYPER, **COURSES[course]}
    dtype = "float64" if course == "nadam" else "float32"
    spec = {"name": course, "layers": layers, "cost": "log_likelihood", "dtype": dtype}
    return module_of(spec_of(**spec, hyperparameters=hyper), target)


def write_data(n: int = 64, seed: int = 3) -> tuple[Array, Array]:
    """data.npz with noisy classes, so that early stopping has something to wait for."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    x = rng.normal(size=(n, 4)) + y[:, np.newaxis] * [1.0, -1.0, 0.5, 0.0]
    np.savez("data.npz", x=x, y=y)
    return x, y


class Child:
    """A program in a process of its own, forked so that nothing is imported again."""

    def __init__(self, module: ModuleType, *words: str) -> None:
        self.out, self.err = pathlib.Path("out.txt"), pathlib.Path("err.txt")
        for path in (self.out, self.err):
            path.write_text("")  # a child may be killed before it opens them
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            self._run(module, words)

    def _run(self, module: ModuleType, words: tuple[str, ...]) -> None:
        code = 99
        try:
            sys.stdout, sys.stderr = self.out.open("w"), self.err.open("w")
            signal.signal(signal.SIGINT, signal.default_int_handler)
            code = module.main(list(words))
            sys.stderr.flush()
        finally:
            os._exit(code)

    def send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self) -> int:
        """The exit code; a signal's number below 0."""
        status = os.waitpid(self.pid, 0)[1]
        self.lines = self.out.read_text().splitlines()
        self.said = self.err.read_text()
        return os.waitstatus_to_exitcode(status)


def ran(module: ModuleType, *words: str, code: int = 0) -> Child:
    """A run to its end, which must be that one."""
    child = Child(module, *words)
    assert child.wait() == code, child.said
    return child


def killed(module: ModuleType, words: tuple[str, ...], delay: float) -> bool:
    """Whether the run was killed, not at its end already, after so many seconds."""
    child = Child(module, *words)
    time.sleep(delay)
    child.send(signal.SIGKILL)
    code = child.wait()
    assert code in (0, -signal.SIGKILL), child.said
    return code != 0


def history_of(path: pathlib.Path) -> list[dict[str, Any]]:
    """The records that a checkpoint holds, but for their times."""
    raw = path.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    records = json.loads(header["__metadata__"]["history"])
    return [{k: v for k, v in r.items() if k != "seconds"} for r in records]


def told(lines: list[str]) -> list[str]:
    """What a run printed, but for times and where it was resumed."""
    taken = re.compile(r"  \d+\.\d\d s  \d+ examples/s$")
    timeless = [taken.sub("", line) for line in lines]
    return [line for line in timeless if not line.startswith(("resumed ", "already "))]


def places(path: pathlib.Path) -> tuple[int, int]:
    """The epochs and steps that the checkpoint says are done."""
    raw = path.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    metadata = header["__metadata__"]
    return int(metadata["epoch"]), int(metadata["step"])


def saying(capsys: Any) -> Callable[..., str]:
    """Runs a module's program; what it said on stderr, or on both with code 0."""

    def run(module: Any, *words: str, code: int = 0) -> str:
        capsys.readouterr()
        assert module.main(list(words)) == code
        out, err = capsys.readouterr()
        assert code == 0 or len(err.splitlines()) == 1
        return str(err if code else out + err)

    return run
