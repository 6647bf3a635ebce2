"""What a plan says of the course of training: its schedule, what it watches."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bpcompile.course import Schedule, Watch
from bpcompile.expr import Expr, Var, substitute, variables
from bpcompile.operators import OPTIMIZERS, SCHEDULES
from bpcompile.plan import Constant
from bpcompile.spec import NetworkSpec

_SECTION = "/hyperparameters"


def schedule(spec: NetworkSpec) -> Schedule | None:
    """How eta follows from the number of the epoch or step; None where it stays."""
    chosen = spec.hyperparameters.schedule
    entry, given = SCHEDULES[chosen.kind], chosen.parameters
    eta = Var("eta", scalar=True)
    if entry.value == eta and not given["warmup"]:
        return None
    # Named after its section, for an optimizer may have a number of the same name.
    own = {k: Var(f"schedule_{k}", scalar=True) for k in chosen.numbers}
    filled = partial(substitute, replacements=own)
    return Schedule(
        entry.kind,
        entry.formula,
        tuple((name, filled(value)) for name, value in entry.scalars),
        eta if entry.value is None else filled(entry.value),
        given["unit"],
        bool(given["warmup"]),
        entry.halves,
    )


def counts_steps(spec: NetworkSpec) -> bool:
    """Whether something depends on the number of the mini-batch in its epoch."""
    found = schedule(spec)
    return found is not None and found.unit == "step"


def constants(spec: NetworkSpec) -> Iterator[Constant]:
    """The numbers that the course of training depends on, in the order of the spec."""
    hyper, found = spec.hyperparameters, schedule(spec)
    if found:
        read = {v.name for value in _expressions(found) for v in variables(value)}
        read |= {"schedule_warmup"} if found.warms_up else set()
        read |= {"schedule_patience"} if found.halves else set()
        for name, value in hyper.schedule.numbers.items():
            if f"schedule_{name}" in read:
                path = f"{_SECTION}/schedule/{name}"
                yield Constant(f"schedule_{name}", value, path)
    if hyper.early_stopping:
        path, patience = f"{_SECTION}/early_stopping", hyper.early_stopping.patience
        yield Constant("early_stopping_patience", patience, f"{path}/patience")
    if hyper.validation_fraction is not None:
        path = f"{_SECTION}/validation_fraction"
        yield Constant("validation_fraction", hyper.validation_fraction, path)
    if hyper.validation_fold:
        path = f"{_SECTION}/validation_fold"
        yield Constant(
            "validation_fold", hyper.validation_fold.number, f"{path}/number"
        )
        yield Constant("validation_folds", hyper.validation_fold.of, f"{path}/of")
    if hyper.class_weights is not None:
        path = f"{_SECTION}/class_weights"
        yield Constant("class_weights", hyper.class_weights, path)


def _expressions(found: Schedule) -> tuple[Expr, ...]:
    return (*(value for _, value in found.scalars), found.value)


def early_stopping(spec: NetworkSpec) -> Watch | None:
    """What early stopping follows, if the spec has it."""
    section = spec.hyperparameters.early_stopping
    return _watch(spec, section.monitor) if section else None


def plateau(spec: NetworkSpec) -> Watch | None:
    """What a schedule follows that halves eta where nothing improves."""
    chosen = spec.hyperparameters.schedule
    if not SCHEDULES[chosen.kind].halves:
        return None
    return _watch(spec, chosen.parameters["monitor"])


def _watch(spec: NetworkSpec, monitor: str) -> Watch:
    if monitor == "auto":
        classifies = spec.resolved_task == "classification"
        monitor = "accuracy" if classifies else "cost"
    split = spec.hyperparameters.validates
    return Watch(f"{'validation' if split else 'test'}_{monitor}", monitor == "cost")


def counters(spec: NetworkSpec) -> tuple[str, ...]:
    """The numbers that training changes in a network, beside its arrays."""
    optimizer = OPTIMIZERS[spec.hyperparameters.optimizer.kind]
    watched = ("halvings", "best", "waited") if plateau(spec) else ()
    return ("epoch", *(name for name, _ in optimizer.scalar_state), *watched)
