"""How the examples of a step are shared among processes: one entry each."""

from __future__ import annotations

from bpcompile.operators.training import Parallel

NONE = Parallel(
    kind="none",
    description="one process takes every step alone",
    symbol="one process",
)

MPI = Parallel(
    kind="mpi",
    aliases=("ddp", "data_parallel", "distributed", "horovod"),
    description="the ranks of an MPI job share the examples of every step",
    symbol="MPI",
    formula="all ∂C/∂w and ∂C/∂b, added up over the ranks: one sum over one buffer",
)

PARALLELS = {entry.kind: entry for entry in (NONE, MPI)}
