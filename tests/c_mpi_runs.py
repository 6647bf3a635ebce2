"""Generated C programs whose ranks share every step, run by the mpirun of a venv."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from c_modules import QUICK, STRICT, TARGET, compiled
from support import SPECS, difference, spec_of, text_of

from bpcompile.safetensors import parsed
from bpcompile.spec import NetworkSpec

Values = dict[str, Any]

FLAGS = (*STRICT, *QUICK)
#: In the current folder: what numpy.savez_compressed wrote a C program refuses.
DIGITS = "digits.npz"
#: Four ranks on two cores: without these, those that wait take the cores from the
#: others, and a step takes a hundred times as long.
PATIENT = {
    "MPIR_CVAR_POLLS_BEFORE_YIELD": "1",
    "MPIR_CVAR_DEVICE_COLLECTIVES": "none",
}
SECONDS = 60


def mpi_tool(name: str) -> str:
    """The path of a program of MPICH, or the test is skipped for the want of it."""
    path = pathlib.Path(sys.prefix, "bin", name)
    if path.exists():
        return str(path)
    pytest.skip(f"{name} is not in this environment: pip install bpcompile[mpi]")


def write_digits() -> None:
    with np.load(SPECS / "data" / DIGITS) as data:
        np.savez(DIGITS, **data)


def digits(**more: Any) -> dict[str, Any]:
    """Adam, dropout, clipping, L2 and a mini-batch that does not divide 1,500."""
    return {
        "name": "digits",
        "dtype": "float64",
        "layers": [
            {"size": 64, "scaling": {"kind": "divide", "by": 16}},
            {"size": 30, "activation": "relu", "dropout": 0.3},
            {"size": 10, "activation": "softmax"},
        ],
        "cost": "log_likelihood",
        "hyperparameters": {
            "learning_rate": 0.01,
            "mini_batch_size": 23,
            "epochs": 5,
            "seed": 4,
            "optimizer": "adam",
            "clipping": {"norm": 2},
            "regularization": {"l2": 0.5},
            **more,
        },
    }


def shared(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "parallel": "mpi"}


#: All that is measured after an epoch, and decided by that.
DECIDES = {
    **digits(
        validation_fraction=0.2,
        early_stopping={"patience": 1},
        schedule={"kind": "halve_on_plateau", "patience": 1},
        epochs=30,
        accumulate=2,
    ),
    "layers": [
        {"size": 64, "scaling": "standardize", "dropout": 0.2},
        {"size": 12, "activation": "tanh"},
        {"size": 10, "activation": "softmax"},
    ],
}


def program(fields: dict[str, Any]) -> pathlib.Path:
    """The program of a spec, by mpicc where its ranks share every step."""
    spec: NetworkSpec = spec_of(**fields)
    compiler = mpi_tool("mpicc") if "parallel" in fields else ""
    return compiled(text_of(spec, TARGET), FLAGS, compiler)


def launched(ranks: int, *words: object, **options: Any) -> subprocess.Popen[str]:
    """A job that has begun; a group of its own, so that a signal reaches it alone."""
    command = [mpi_tool("mpirun"), "-n", str(ranks), *map(str, words)]
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        command,
        encoding="utf-8",
        env={**os.environ, **PATIENT},
        start_new_session=True,
        **{**piped, **options},
    )


@contextlib.contextmanager
def job(ranks: int, *words: object, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A job of which nothing is left behind."""
    process = launched(ranks, *words, **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def ended(
    ranks: int, *words: object, **options: Any
) -> subprocess.CompletedProcess[str]:
    """A job that has come to its end."""
    with job(ranks, *words, **options) as process:
        out, err = process.communicate(timeout=SECONDS)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def trained(ranks: int, binary: pathlib.Path, *words: object) -> str:
    """What a job prints that trains to the end."""
    done = ended(ranks, binary, "train", "--no-warnings", *words)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", done.stderr
    return done.stdout


def curves(text: str) -> list[str]:
    """The lines of the epochs, without what is measured of time."""
    lines = [line for line in text.splitlines() if line.startswith("Epoch")]
    return [re.sub(r"  \d+\.\d\d s  \d+ examples/s$", "", line) for line in lines]


def rank_processes(binary: pathlib.Path) -> list[int]:
    """The processes that run a program, the ranks of its one job."""
    name, found = str(binary).encode(), []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes().split(b"\0")[0] == name:
                found.append(int(path.parent.name))
    return sorted(found)


def held(path: str | pathlib.Path) -> Values:
    arrays, _ = parsed(pathlib.Path(path).read_bytes())
    return {n: np.reshape(held.values, held.shape) for n, held in arrays.items()}


def apart(a: Values, b: Values) -> float:
    assert sorted(a) == sorted(b)
    return max(difference(a[name], b[name]) for name in a)
