"""What `bpcompile bench --mpi` runs on several ranks: `-m bpcompile.benching.ranks_probe`.

FOLDER/job.json says what to time, FOLDER/result.json then holds what it took. Of what
all ranks do at once, the time is that of the slowest, for which the others wait.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from mpi4py import MPI

from bpcompile.benching.launch import JOB, RESULT
from bpcompile.benching.timing import Trained, imported, medians, repeated

#: Of each message in a turn: one alone may meet a rank that is late.
REPEATS = 9


class Pretended:
    """One rank that takes itself for the last of several, which has the largest share:
    it computes that share of every mini-batch, and exchanges gradients with nobody."""

    def __init__(self, ranks: int) -> None:
        self.size, self.rank = ranks, ranks - 1

    def Get_size(self) -> int:
        return self.size

    def Get_rank(self) -> int:
        return self.rank

    def __getattr__(self, name: str) -> Any:
        return getattr(MPI.COMM_SELF, name)


def main(folder: Path) -> None:
    """Time shares, messages and whole steps; the first rank writes the medians."""
    comm = MPI.COMM_WORLD
    job: dict[str, Any] = json.loads((folder / JOB).read_text("utf-8"))
    if comm.size != job["ranks"]:
        raise RuntimeError("mpirun starts the ranks of another MPI than mpi4py's")
    timers = {**_trainers(folder, job, comm), **_messages(job, comm)}
    found = medians(_turns(timers, job["rounds"], comm))
    if comm.rank == 0:
        (folder / RESULT).write_text(json.dumps(found), "utf-8")


def _turns(
    timers: Mapping[str, Callable[[], float]], rounds: int, comm: MPI.Intracomm
) -> Iterator[Mapping[str, float]]:
    for _ in range(rounds):
        turn = {}
        for name, timer in timers.items():
            comm.Barrier()
            turn[name] = comm.allreduce(timer(), MPI.MAX)
        yield turn


def _trainers(
    folder: Path, job: Mapping[str, Any], comm: MPI.Intracomm
) -> dict[str, Callable[[], float]]:
    """A step of all ranks together, of the first alone, and one of each share."""
    (file,) = job["modules"].values()
    x, y = repeated(job)

    def trained(name: str, ranks: MPI.Intracomm | Pretended) -> Trained:
        # What a module takes for all ranks that there are, when it is imported.
        with patch.object(MPI, "COMM_WORLD", ranks):
            module = imported(folder / file, name)
        return Trained(module, x, y, job["steps"], ranks)

    alone = trained("alone", MPI.COMM_SELF) if comm.rank == 0 else None
    timers: dict[str, Callable[[], float]] = {
        f"step {comm.size}": trained("together", comm).turn,
        "step 1": alone.turn if alone else lambda: 0.0,
    }
    for ranks in job["pretended"]:
        found = trained(f"one_of_{ranks}", Pretended(ranks))
        timers[f"compute {ranks}"] = found.turn
    return timers


def _messages(
    job: Mapping[str, Any], comm: MPI.Intracomm
) -> dict[str, Callable[[], float]]:
    """An Allreduce of each size, and the sum of two arrays of the largest."""
    dtype = np.dtype(job["dtype"])
    buffers = {size: np.zeros(size // dtype.itemsize, dtype) for size in job["bytes"]}

    def allreduce(buffer: Any) -> float:
        # Written before, as by the equations, so that it is where they leave it.
        buffer.fill(0)
        comm.Barrier()
        start = time.perf_counter()
        comm.Allreduce(MPI.IN_PLACE, buffer)
        return time.perf_counter() - start

    largest = buffers[max(buffers)]
    other = np.zeros_like(largest)

    def added() -> float:
        start = time.perf_counter()
        np.add(largest, other, out=largest)
        return time.perf_counter() - start

    def repeatedly(timer: Callable[[], float]) -> float:
        return float(np.median([timer() for _ in range(REPEATS)]))

    timers = {
        f"allreduce {size}": partial(repeatedly, partial(allreduce, buffer))
        for size, buffer in buffers.items()
    }
    return {**timers, "added": partial(repeatedly, added)}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
