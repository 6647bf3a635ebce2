"""Planted faults in C whose ranks share every step: two ranks differ from one process.

The library, called by a program that begins and ends MPI itself.
"""

from __future__ import annotations

import subprocess
from typing import Any

import numpy as np
import pytest
from c_modules import QUICK, STRICT, TARGET, compiled
from c_mpi_runs import ended, mpi_tool, shared
from faults import Fault
from faults_mpi import FAULTS
from support import ROOT, difference, spec_of, text_of

MAIN = (ROOT / "tests" / "c_mpi.c").read_text()
FLAGS = (*STRICT, *QUICK, "-Wno-unused")

#: 11 examples in steps of 8, computed at most 4 at a time: of three ranks the last has
#: one example of the second step fewer.
RANKED: dict[str, Any] = {
    "dtype": "float64",
    "layers": [
        {"size": 9, "scaling": "standardize"},
        {"size": 5, "activation": "tanh", "dropout": 0.25},
        {"size": 3, "activation": "sigmoid"},
    ],
    "cost": "quadratic",
    "hyperparameters": {
        "learning_rate": 0.5,
        "mini_batch_size": 4,
        "accumulate": 2,
        "clipping": {"norm": 0.05},
        "regularization": {"l2": 0.1},
    },
}
#: Four epochs of two steps; ranks change the order of sums alone.
TOLERANCE = 1e-14


def numbers(text: str) -> list[float]:
    return [float.fromhex(word) for word in text.split()]


def alone() -> list[float]:
    text = text_of(spec_of(**RANKED), TARGET, library=True)
    binary = compiled(text + MAIN, FLAGS)
    return numbers(subprocess.check_output([binary], text=True))


def together(ranks: int, fault: Fault | None = None) -> list[float]:
    text = text_of(spec_of(**shared(RANKED)), TARGET, library=True)
    text = fault.planted(text, TARGET) if fault else text
    binary = compiled(text + MAIN, (*FLAGS, "-DSHARED"), mpi_tool("mpicc"))
    done = ended(ranks, binary)
    assert (done.returncode, done.stderr) == (0, "")
    return numbers(done.stdout)


def apart(found: list[float], expected: list[float]) -> float:
    if not np.isfinite(found).all():
        return np.inf
    return difference(found, expected)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_nothing_is_found_where_nothing_is_planted(ranks: int) -> None:
    assert apart(together(ranks), alone()) <= TOLERANCE


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault_is_found(fault: Fault) -> None:
    assert apart(together(2, fault), alone()) > 1e3 * TOLERANCE
