"""How the learning rate changes during training: one entry each."""

from __future__ import annotations

import math

from bpcompile.expr import Expr, Var, cos, floor, where
from bpcompile.operators.entry import Parameter
from bpcompile.operators.training import Schedule

MOST = 1_000_000_000

eta, pi = Var("eta", scalar=True), Var("pi", scalar=True)
t, total = Var("t", scalar=True), Var("total", scalar=True)
end = Var("end", scalar=True)

SHARED = (
    Parameter(
        "unit",
        "epoch",
        words=("epoch", "step"),
        description="what t counts: epochs or mini-batches",
    ),
    Parameter(
        "warmup",
        0,
        at_least=0,
        at_most=MOST,
        whole=True,
        description="epochs or steps in which η rises, before all else",
    ),
)
END = Parameter(
    "end",
    0.0,
    at_least=0,
    at_most=1,
    description="the share of η that is reached at the end",
)


# Of its parameters each definition names those it reads; the warm-up and the unit
# are the business of whoever counts t.


def _constant(eta: float, t: float, total: float, **_: object) -> float:
    return eta


def _step(
    eta: float, t: float, total: float, *, every: int, factor: float, **_: object
) -> float:
    return eta * math.pow(factor, t // every)


def _exponential(
    eta: float, t: float, total: float, *, factor: float, **_: object
) -> float:
    return eta * math.pow(factor, t)


def _inverse_time(
    eta: float, t: float, total: float, *, decay: float, **_: object
) -> float:
    return eta / (1 + decay * t)


def _linear(eta: float, t: float, total: float, *, end: float, **_: object) -> float:
    return eta + (end * eta - eta) * t / total


def _cosine(eta: float, t: float, total: float, *, end: float, **_: object) -> float:
    return end * eta + (eta - end * eta) * (1 + math.cos(math.pi * t / total)) / 2


def _one_cycle(
    eta: float,
    t: float,
    total: float,
    *,
    rise: float,
    start_divisor: float,
    end_divisor: float,
    **_: object,
) -> float:
    first = eta / start_divisor
    last, peak = first / end_divisor, rise * total - 1
    if t < peak:
        return eta + (first - eta) / 2 * (1 + math.cos(math.pi * t / peak))
    fallen = (t - peak) / (total - 1 - peak)
    return last + (eta - last) / 2 * (1 + math.cos(math.pi * fallen))


CONSTANT = Schedule(
    kind="constant",
    description="the same learning rate throughout",
    parameters=SHARED,
    formula="η",
    value=eta,
    define=_constant,
)

STEP = Schedule(
    kind="step",
    aliases=("step_lr", "step_decay"),
    description="multiplied by a factor now and then",
    parameters=(
        Parameter(
            "every",
            10,
            at_least=1,
            at_most=MOST,
            whole=True,
            description="epochs or steps from one change to the next",
        ),
        Parameter("factor", 0.1, above=0, at_most=1, description="of each change"),
        *SHARED,
    ),
    formula="η factor^floor(t / every)",
    value=eta * Var("factor", scalar=True) ** floor(t / Var("every", scalar=True)),
    define=_step,
)

EXPONENTIAL = Schedule(
    kind="exponential",
    aliases=("exponential_lr", "exponential_decay"),
    description="multiplied by a factor each time",
    parameters=(
        Parameter("factor", 0.95, above=0, at_most=1, description="of each change"),
        *SHARED,
    ),
    formula="η factor^t",
    value=eta * Var("factor", scalar=True) ** t,
    define=_exponential,
)

INVERSE_TIME = Schedule(
    kind="inverse_time",
    aliases=("inverse_time_decay",),
    description="falling as 1 / t does",
    parameters=(
        Parameter("decay", 0.1, above=0, at_most=1e9, description="how fast it falls"),
        *SHARED,
    ),
    formula="η / (1 + decay t)",
    value=eta / (1 + Var("decay", scalar=True) * t),
    define=_inverse_time,
)

LINEAR = Schedule(
    kind="linear",
    aliases=("linear_lr", "linear_decay"),
    description="along a straight line to a share of η",
    parameters=(END, *SHARED),
    formula="η (1 - (1 - end) t / T)",
    value=eta * (1 - (1 - end) * t / total),
    define=_linear,
)

COSINE = Schedule(
    kind="cosine",
    aliases=("cosine_annealing", "cosine_annealing_lr", "cosine_decay"),
    description="along half a cosine to a share of η (Loshchilov and Hutter, 2017)",
    parameters=(END, *SHARED),
    formula="η (end + (1 - end) (1 + cos(π t / T)) / 2)",
    scalars=(("left", (1 + cos(pi * t / total)) / 2),),
    value=eta * (end + (1 - end) * Var("left", scalar=True)),
    define=_cosine,
)


def _cycle() -> tuple[tuple[str, Expr], ...]:
    """Up along half a cosine, then down along another one, to far below the start."""
    peak = Var("peak", scalar=True)
    first = eta / Var("start_divisor", scalar=True)
    rises, last = t < peak, first / Var("end_divisor", scalar=True)
    return (
        ("peak", Var("rise", scalar=True) * total - 1),
        ("start", where(rises, first, eta)),
        ("goal", where(rises, eta, last)),
        ("share", where(rises, t / peak, (t - peak) / (total - 1 - peak))),
        ("left", (1 + cos(pi * Var("share", scalar=True))) / 2),
    )


ONE_CYCLE = Schedule(
    kind="one_cycle",
    aliases=("one_cycle_lr", "1cycle"),
    description="up and down again along cosines (Smith and Topin, 2018)",
    parameters=(
        Parameter(
            "rise", 0.3, at_least=0, below=1, description="share of T on the way up"
        ),
        Parameter(
            "start_divisor",
            25.0,
            at_least=1,
            at_most=1e30,
            description="the first rate is η / start_divisor",
        ),
        Parameter(
            "end_divisor",
            1e4,
            at_least=1,
            at_most=1e30,
            description="the last rate is the first / end_divisor",
        ),
        *SHARED,
    ),
    formula="cosines from η / start_divisor to η to η / start_divisor / end_divisor",
    scalars=_cycle(),
    value=Var("goal", scalar=True)
    + (Var("start", scalar=True) - Var("goal", scalar=True)) * Var("left", scalar=True),
    define=_one_cycle,
)

HALVE_ON_PLATEAU = Schedule(
    kind="halve_on_plateau",
    aliases=("plateau", "reduce_on_plateau", "reduce_lr_on_plateau"),
    description="halved where validation finds nothing better (the book, chapter 3)",
    parameters=(
        Parameter(
            "patience",
            10,
            at_least=1,
            at_most=MOST,
            whole=True,
            description="epochs without an improvement before η is halved",
        ),
        Parameter(
            "monitor",
            "auto",
            words=("auto", "accuracy", "cost"),
            description="what is watched: auto is accuracy, the cost of a regression",
        ),
        *SHARED,
    ),
    formula="η / 2^k after k halvings; training ends at η / 128",
    value=None,
    halves=True,
)

SCHEDULES = {
    entry.kind: entry
    for entry in (
        CONSTANT,
        STEP,
        EXPONENTIAL,
        INVERSE_TIME,
        LINEAR,
        COSINE,
        ONE_CYCLE,
        HALVE_ON_PLATEAU,
    )
}
