"""Faults to plant in generated C whose ranks share every step; see `faults.py`."""

from __future__ import annotations

from c_modules import TARGET
from faults import Change, Fault


def fault(name: str, change: Change) -> Fault:
    return Fault(name, {TARGET: change}, "ranks")


_REDUCE = "    add_up(&net->nabla, sizeof net->nabla / sizeof(real));\n"
_DEVIATION = (
    "MPI_Allreduce(MPI_IN_PLACE, deviation, COLUMNS, MPI_DOUBLE, MPI_SUM, RANKS);"
)
_STEP = "shared_part(examples, m)"

FAULTS = (
    fault("gradients not added up", (_REDUCE, "")),
    fault("gradients added up twice", (_REDUCE, _REDUCE + _REDUCE)),
    fault(
        "last biases not added up",
        (_REDUCE, _REDUCE.replace(");\n", " - 64 / sizeof(real));\n")),
    ),
    fault(
        "rank 0 alone clips", ("if (factor < 1) {", "if (factor < 1 && rank() == 0) {")
    ),
    fault(
        "a rank's first example left out",
        (f"{_STEP};", f"{_STEP};\n    left.first += left.end > left.first + 1;"),
    ),
    fault("every rank computes all", (_STEP, "(struct share){0, m}")),
    fault(
        "mean over a rank's own share",
        ("update(net, m, n);", f"update(net, {_STEP}.end - {_STEP}.first, n);"),
    ),
    fault("masks of a rank's own", ("numbers[i] * neurons", "i * neurons")),
    fault("scaling fitted to own rows", (_DEVIATION, "")),
    fault(
        "cost of own rows",
        ("MPI_Allreduce(MPI_IN_PLACE, &found, 3, MPI_DOUBLE, MPI_SUM, RANKS);", ""),
    ),
)
