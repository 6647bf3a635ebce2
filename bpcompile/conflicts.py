"""Fields of a spec that are valid one by one but not together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from bpcompile.operators import ACTIVATIONS, COSTS
from bpcompile.operators.entry import Activation, Cost

if TYPE_CHECKING:
    from bpcompile.spec import NetworkSpec

Path: TypeAlias = tuple[str | int, ...]

MAX_LAYERS = 10_000
MAX_PARAMETERS = 1_000_000_000


@dataclass(frozen=True)
class Conflict:
    """One mistake: `message` goes on where the path ends, `hint` is the way out."""

    path: Path
    message: str
    hint: str


def conflicts(spec: NetworkSpec) -> Iterator[Conflict]:
    """Every rule over more than one field that the spec breaks."""
    yield from _size_conflicts(spec)
    last = len(spec.layers) - 1
    for index, layer in enumerate(spec.layers[1:], start=1):
        entry = ACTIVATIONS[layer.activation.kind]
        if entry.output_only and index != last:
            yield Conflict(
                ("layers", index, "activation"),
                f'is "{entry.kind}", which only the last layer can have',
                f"take one of: {', '.join(_kinds(lambda a: not a.output_only))}",
            )
        elif layer.size < entry.least_size:
            path = ("layers", index, "activation")
            yield _too_few(path, entry, COSTS[spec.cost.kind])
    output = ACTIVATIONS[spec.layers[-1].activation.kind]
    # Else the way out of the one conflict might lead into the other.
    if spec.layers[-1].size >= output.least_size:
        yield from _pair_conflicts(COSTS[spec.cost.kind], output)


def _too_few(path: Path, entry: Activation, cost: Cost) -> Conflict:
    """An activation whose output is the same for every input in so small a layer."""
    least = entry.least_size
    message = f'is "{entry.kind}", whose output never changes in so small a layer'
    instead = _kinds(lambda a: a.least_size < least and a.interval in entry.interval)
    hint = f"give it {least} neurons"
    if instead:
        hint += f" or take {_quoted(instead)}"
        fits = not any(_pair_conflicts(cost, ACTIVATIONS[instead[0]]))
        hint += "" if fits else f" with {_costs_for(ACTIVATIONS[instead[0]], cost)}"
    return Conflict(path, message, hint)


def _costs_for(output: Activation, instead_of: Cost) -> str:
    fitting = [
        kind
        for kind, cost in COSTS.items()
        if cost.classifies == instead_of.classifies
        and not any(_pair_conflicts(cost, output))
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


def _pair_conflicts(cost: Cost, output: Activation) -> Iterator[Conflict]:
    """A cost that the output activation's values do not suit."""
    message = f'is "{cost.kind}", which does not go with {output.kind} outputs'
    if output.kind in cost.refuses:
        hint = f'use "{cost.refuses[output.kind]}"'
    elif cost.needs and output.kind not in cost.needs:
        hint = f"give the last layer {_activations(cost.needs)}"
    elif output.interval not in cost.outputs:
        message += f": they lie in {output.interval}, it needs {cost.outputs}"
        fitting = _kinds(lambda a: a.interval in cost.outputs)
        fitting = [kind for kind in fitting if kind not in cost.refuses]
        hint = f"give the last layer {_activations(fitting)}"
    else:
        return
    yield Conflict(("cost",), message, hint)


def _kinds(suits: Callable[[Activation], bool]) -> list[str]:
    return [kind for kind, entry in ACTIVATIONS.items() if suits(entry)]


def _activations(kinds: Iterable[str]) -> str:
    return f'"activation": {_quoted(kinds)}'


def _quoted(kinds: Iterable[str]) -> str:
    return " or ".join(f'"{kind}"' for kind in sorted(kinds))
