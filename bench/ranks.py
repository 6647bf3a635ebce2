"""One contender of bench/scale_out.py, a process for each rank.

    mpirun -n RANKS python bench/ranks.py NAME FOLDER

As bench/peers.py it obeys lines on standard input, which the first rank has; the others
do what it does. A line is answered with the seconds that it took, and with those of
them in which the first rank exchanged gradients: 0 where nobody counts them.
"""

from __future__ import annotations

import os
import pathlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from jobs import Job, Trainer, read_job
from peers import obey, pytorch

#: Between two looks for a command: ranks that look often take time from those that train.
PAUSE = 0.02


@dataclass(frozen=True)
class Ranks:
    """One of the processes, and what it needs of the others.

    told       what the first rank says; the others wait for it and take no core
    meet       wait until all are here
    exchanged  seconds in which gradients were exchanged since this was asked
    """

    rank: int
    trainer: Trainer
    told: Callable[[str | None], str | None]
    meet: Callable[[], Any]
    exchanged: Callable[[], float]


def torch_parallel(job: Job) -> Ranks:
    """DistributedDataParallel over gloo: averages gradients while others are computed.

    `mpirun` only starts the processes.
    """
    import torch
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    rank, size = int(os.environ["PMI_RANK"]), int(os.environ["PMI_SIZE"])
    dist.init_process_group("gloo", rank=rank, world_size=size)
    torch.manual_seed(0)

    def own(batch: Any) -> Any:
        return batch[rank::size]

    def told(line: str | None) -> str | None:
        said = [line]
        dist.broadcast_object_list(said, src=0)
        return said[0]

    trainer = pytorch(job, lambda function: function, DistributedDataParallel, own)
    return Ranks(rank, trainer, told, dist.barrier, lambda: 0.0)


class Counted:
    """The communicator of all ranks, which counts the seconds of its Allreduce."""

    def __init__(self, comm: Any) -> None:
        self._comm, self.seconds = comm, 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._comm, name)

    def Allreduce(self, *arguments: Any) -> None:
        start = time.perf_counter()
        self._comm.Allreduce(*arguments)
        self.seconds += time.perf_counter() - start

    def exchanged(self) -> float:
        found, self.seconds = self.seconds, 0.0
        return found


def numpy_parallel(job: Job) -> Ranks:
    """The generated trainer for MPI, by the same calls as without."""
    from mpi4py import MPI
    from peers_numpy import generated

    world = MPI.COMM_WORLD
    counted = Counted(world)

    def told(line: str | None) -> str | None:
        if world.rank == 0:
            for other in range(1, world.size):
                world.send(line, other)
            return line
        while not world.iprobe():
            time.sleep(PAUSE)
        heard: str | None = world.recv()
        return heard

    with patch.object(MPI, "COMM_WORLD", counted):
        trainer = generated(job, "numpy", "float32", ["parallel=mpi"])
    return Ranks(world.rank, trainer, told, world.Barrier, counted.exchanged)


#: What `python bench/ranks.py NAME` answers to.
RANKS = {"numpy": numpy_parallel, "torch": torch_parallel}


def main() -> None:
    name, folder = sys.argv[1:]
    ranks = RANKS[name](read_job(pathlib.Path(folder)))
    while (line := ranks.told(sys.stdin.readline() if ranks.rank == 0 else None)) != "":
        assert line is not None
        ranks.meet()
        ranks.exchanged()
        start = time.perf_counter()
        counted = None
        if ranks.rank == 0 or not line.startswith("save"):
            counted = obey(ranks.trainer, line.rstrip("\n"))
        seconds = time.perf_counter() - start if counted is None else counted
        if ranks.rank == 0:
            print(f"{seconds:.9f} {ranks.exchanged():.9f}", flush=True)


if __name__ == "__main__":
    main()
