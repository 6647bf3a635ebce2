"""What a plan says of the course of training: the learning rate, what is followed."""

from __future__ import annotations

from bpcompile.expr import Expr, Var, variables
from bpcompile.records import dataclass


@dataclass(frozen=True)
class Schedule:
    """How η follows from t of total epochs or steps, both after the warm-up.

    scalars    what `value` reads, computed in order before
    unit       what t counts: "epoch" or "step"
    warms_up   η rises over the first `schedule_warmup` epochs or steps
    halves     it is halved besides where nothing improves
    """

    kind: str
    formula: str
    scalars: tuple[tuple[str, Expr], ...]
    value: Expr
    unit: str
    warms_up: bool
    halves: bool

    @property
    def reads(self) -> set[str]:
        """The names of what η is computed from."""
        values = (*(value for _, value in self.scalars), self.value)
        return {v.name for value in values for v in variables(value)}

    @property
    def is_constant(self) -> bool:
        """Whether η itself does not follow from t."""
        return self.value == Var("eta", scalar=True) and not self.warms_up


@dataclass(frozen=True)
class Watch:
    """A series that training follows after every epoch: its name in a record.

    falls   less of it is better
    """

    series: str
    falls: bool

    @property
    def data(self) -> str:
        """Which examples it is of."""
        return self.series.split("_")[0]
