"""How the learning rate changes during training: one entry each."""

from __future__ import annotations

from bpcompile.expr import Var
from bpcompile.operators.training import Schedule

eta = Var("eta", scalar=True)


def _constant(eta: float, t: float, total: float) -> float:
    return eta


CONSTANT = Schedule(
    kind="constant",
    description="the same learning rate throughout",
    formula="η",
    value=eta,
    define=_constant,
)

SCHEDULES = {entry.kind: entry for entry in (CONSTANT,)}
