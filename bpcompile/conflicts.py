"""Fields of a spec that are valid one by one but not together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from bpcompile.fields import Operator
from bpcompile.operators import INITIALIZERS
from bpcompile.operators.entry import Activation, Cost
from bpcompile.records import dataclass

if TYPE_CHECKING:
    from bpcompile.spec import NetworkSpec

Path: TypeAlias = tuple[str | int, ...]

MAX_LAYERS = 10_000
MAX_PARAMETERS = 1_000_000_000


@dataclass(frozen=True)
class Conflict:
    """One mistake: `message` goes on where the path ends, `hint` is the way out.

    span    of the text at the path, the whole of it if None
    key     the key there is meant, not its value
    """

    path: Path
    message: str
    hint: str
    span: tuple[int, int] | None = None
    key: bool = False


def conflicts(spec: NetworkSpec) -> Iterator[Conflict]:
    """Every rule over more than one field that the spec breaks."""
    yield from _size_conflicts(spec)
    last = len(spec.layers) - 1
    for index, layer in enumerate(spec.layers[1:], start=1):
        entry = spec.activations[layer.activation.kind]
        if entry.output_only and index != last:
            yield Conflict(
                ("layers", index, "activation"),
                f'is "{entry.kind}", which only the last layer can have',
                f"take one of: {', '.join(_kinds(spec, lambda a: not a.output_only))}",
            )
        elif layer.size < entry.least_size:
            path = ("layers", index, "activation")
            yield _too_few(path, entry, spec)
    # Else the way out of the one conflict might lead into the other.
    if spec.layers[-1].size >= spec.output_activation.least_size:
        yield from _pair_conflicts(spec.cost_entry, spec.output_activation, spec)
    yield from _order_conflicts(spec)
    yield from _training_conflicts(spec)


def _order_conflicts(spec: NetworkSpec) -> Iterator[Conflict]:
    """Parameters of one operator that must ascend, as a lower and an upper bound."""
    for index, layer in enumerate(spec.layers[1:], start=1):
        for key, registry in (
            ("activation", spec.activations),
            ("initializer", INITIALIZERS),
            ("bias_initializer", INITIALIZERS),
        ):
            chosen: Operator = getattr(layer, key)
            values = chosen.parameters
            for low, high in pairwise(registry[chosen.kind].ascending):
                if values[low] >= values[high]:
                    message = f"has {low} {values[low]:g} and {high} {values[high]:g}"
                    hint = f"{low} must be below {high}"
                    yield Conflict(("layers", index, key), message, hint)


def _too_few(path: Path, entry: Activation, spec: NetworkSpec) -> Conflict:
    """An activation whose output is the same for every input in so small a layer."""
    least = entry.least_size
    message = f'is "{entry.kind}", whose output never changes in so small a layer'
    instead = _kinds(
        spec, lambda a: a.least_size < least and a.interval in entry.interval
    )
    hint = f"give it {least} neurons"
    if instead:
        hint += f" or take {_quoted(instead)}"
        output = spec.activations[instead[0]]
        fits = not any(_pair_conflicts(spec.cost_entry, output, spec))
        hint += "" if fits else f" with {_costs_for(output, spec)}"
    return Conflict(path, message, hint)


def _costs_for(output: Activation, spec: NetworkSpec) -> str:
    fitting = [
        kind
        for kind, cost in spec.costs.items()
        if cost.classifies == spec.cost_entry.classifies
        and not any(_pair_conflicts(cost, output, spec))
    ]
    return f'"cost": {_quoted(fitting)}'


def _size_conflicts(spec: NetworkSpec) -> Iterator[Conflict]:
    sizes = [layer.size for layer in spec.layers]
    if len(sizes) > MAX_LAYERS:
        many = f"has {len(sizes)} layers, at most {MAX_LAYERS} are allowed"
        yield Conflict(("layers",), many, "")
    total = sum(n * (n_in + 1) for n_in, n in pairwise(sizes))
    if total > MAX_PARAMETERS:
        many = f"has {total} weights and biases, at most {MAX_PARAMETERS} are allowed"
        yield Conflict(("layers",), many, "take narrower layers")


def _pair_conflicts(
    cost: Cost, output: Activation, spec: NetworkSpec
) -> Iterator[Conflict]:
    """A cost that the output activation's values do not suit."""
    message = f'is "{cost.kind}", which does not go with {output.kind} outputs'
    if output.kind in cost.refuses:
        hint = f'use "{cost.refuses[output.kind]}"'
    elif cost.needs and output.kind not in cost.needs:
        hint = f"give the last layer {_activations(cost.needs)}"
    elif output.interval not in cost.outputs:
        message += f": they lie in {output.interval}, it needs {cost.outputs}"
        fitting = _kinds(spec, lambda a: a.interval in cost.outputs)
        fitting = [kind for kind in fitting if kind not in cost.refuses]
        hint = f"give the last layer {_activations(fitting)}"
    else:
        return
    yield Conflict(("cost",), message, hint)


def _training_conflicts(spec: NetworkSpec) -> Iterator[Conflict]:
    """Hyperparameters that the layers, the task or each other contradict."""
    hyper, section = spec.hyperparameters, "hyperparameters"
    if spec.layers[-1].dropout:
        path: Path = ("layers", len(spec.layers) - 1, "dropout")
        message = "is for the output, whose neurons are the answer"
        yield Conflict(path, message, "take it out, or give it to another layer")
    if hyper.clipping.value and hyper.clipping.norm:
        message = "has both value and norm"
        yield Conflict((section, "clipping"), message, "take one of them")
    yield from _fold_conflicts(spec)
    if hyper.class_weights is not None:
        yield from _class_weights_conflicts(spec, len(hyper.class_weights))
    yield from _monitor_conflicts(spec)
    schedule = hyper.schedule.parameters
    warmup, unit = schedule.get("warmup", 0), schedule.get("unit", "epoch")
    if unit == "epoch" and warmup and warmup >= hyper.epochs:
        message = f"is {warmup}, of {hyper.epochs} epochs in all"
        path = (section, "schedule", "warmup")
        yield Conflict(path, message, "the schedule begins after the warm-up")


def _fold_conflicts(spec: NetworkSpec) -> Iterator[Conflict]:
    """Two parts of the data held out at once, or one that is not there."""
    hyper, path = spec.hyperparameters, ("hyperparameters", "validation_fold")
    fold = hyper.validation_fold
    if fold and hyper.validation_fraction:
        message = "does not go with a validation_fraction"
        yield Conflict(path, message, "take one of them")
    if fold and fold.number > fold.of:
        message = f"is {fold.number}, of {fold.of} folds"
        yield Conflict((*path, "number"), message, "folds are counted from 1")


def _class_weights_conflicts(spec: NetworkSpec, given: int) -> Iterator[Conflict]:
    path, classes = ("hyperparameters", "class_weights"), max(2, spec.layers[-1].size)
    if spec.resolved_task != "classification":
        message = "are for a classification, this network is a regression"
        yield Conflict(path, message, "sample weights are an argument of train()")
    elif given != classes:
        message = f"has {given} numbers, expected one for each of {classes} classes"
        yield Conflict(path, message, "")
    elif not any(spec.hyperparameters.class_weights or ()):
        yield Conflict(path, "has no number above 0", "then nothing would be learnt")


def _monitor_conflicts(spec: NetworkSpec) -> Iterator[Conflict]:
    """Accuracy watched where there is none."""
    hyper = spec.hyperparameters
    watched = {("schedule", "monitor"): hyper.schedule.parameters.get("monitor")}
    if hyper.early_stopping:
        watched[("early_stopping", "monitor")] = hyper.early_stopping.monitor
    for path, monitor in watched.items():
        if monitor == "accuracy" and spec.resolved_task == "regression":
            message = 'is "accuracy", which a regression has not'
            yield Conflict(("hyperparameters", *path), message, 'write "cost"')


def _kinds(spec: NetworkSpec, suits: Callable[[Activation], bool]) -> list[str]:
    return [kind for kind, entry in spec.activations.items() if suits(entry)]


def _activations(kinds: Iterable[str]) -> str:
    return f'"activation": {_quoted(kinds)}'


def _quoted(kinds: Iterable[str]) -> str:
    return " or ".join(f'"{kind}"' for kind in sorted(kinds))
