"""Why a formula differs: sentences made of what operators and plans say themselves.

Each function gives the reasons in order, for one part of a layer. No operator is named
here: symbols, definitions and what cancels come from its entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bpcompile.compare.sides import Network
from bpcompile.expr import Const
from bpcompile.operators import OPTIMIZERS, PARALLELS, REGULARIZERS
from bpcompile.operators.entry import Activation
from bpcompile.step import Step
from bpcompile.steps import (
    Activate,
    ClipNorm,
    ClipValue,
    Drop,
    LimitNorm,
    WeightedInput,
)


def of_feedforward(a: Network, b: Network, left: int, right: int) -> Iterator[str]:
    """Another activation, where z stands, and what dropout does."""
    before, after = _definition(a, left), _definition(b, right)
    if before != after:
        yield f"the activation {before} became {after}"
    was_kept, is_kept = _keeps_z(a, left), _keeps_z(b, right)
    if was_kept != is_kept:
        symbol = _symbol_of_derivative(b.activation(right))
        if is_kept:
            yield f"z is kept beside a, because {symbol} reads it"
        else:
            yield f"a takes the place of z in memory, which {symbol} does not read"
    yield from _of_dropped_below(a, b, left, right)
    was_dropped, is_dropped = _drops(a, left), _drops(b, right)
    if is_dropped and not was_dropped:
        yield "some of its neurons are dropped in training"
    if was_dropped and not is_dropped:
        yield "none of its neurons is dropped any more"


def of_output(a: Network, b: Network) -> Iterator[str]:
    """What cancels in BP1, or does not."""
    (before, was), (after, is_now) = (_cancelled(network) for network in (a, b))
    if after and before and after != before:
        yield f"{after}; before, {_past(before)}"
    elif after and not before:
        yield f"{after}; before, nothing cancelled between {was}"
    elif before and not after:
        yield f"nothing cancels between {is_now}; before, {_past(before)}"
    elif a.spec.cost_entry.symbol != b.spec.cost_entry.symbol:
        yield f"∇ₐC is that of {is_now}, before of {was}"
    elif a.spec.cost != b.spec.cost:
        yield f"∇ₐC is that of {b.spec.cost_entry.symbol} with other numbers"
    if not after and not before:
        yield from _of_derivative(a, b, len(a.spec.layers), len(b.spec.layers))


def of_backward(a: Network, b: Network, left: int, right: int) -> Iterator[str]:
    """Another σ' in BP2, and which neurons an error passes through."""
    yield from _of_derivative(a, b, left, right)
    was_dropped, is_dropped = _drops(a, left), _drops(b, right)
    if is_dropped and not was_dropped:
        yield "an error passes only through neurons that were not dropped"
    if was_dropped and not is_dropped:
        yield "an error passes through every neuron, as none is dropped"


def of_weights(a: Network, b: Network, left: int, right: int) -> Iterator[str]:
    """What the layer below sends on, in BP4."""
    return _of_dropped_below(a, b, left, right)


def of_update(a: Network, b: Network) -> str:
    """Another optimizer, what it keeps, penalties and limits."""
    more = *_of_penalties(a, b), *_of_limits(a, b), *_of_sharing(a, b)
    return "; ".join([*_of_optimizer(a, b), *more])


# ---- Layers ------------------------------------------------------------------------


def _definition(network: Network, layer: int) -> str:
    """The activation as its function's documentation has it; of the inputs, none."""
    if layer == 1:
        return ""
    for step in network.forward[layer].steps:
        if isinstance(step, Activate) and step.function:
            return network.functions[step.function].documentation
    return f"{network.activation(layer).symbol}(z) = z"


def _keeps_z(network: Network, layer: int) -> bool:
    """Whether z has an array of its own, where there is more to do than to take it."""
    activates = (
        step for step in _forward(network, layer) if isinstance(step, Activate)
    )
    return any(
        step.function and step.weighted_input != step.result for step in activates
    )


def _drops(network: Network, layer: int) -> bool:
    return any(isinstance(step, Drop) for step in _forward(network, layer))


def _forward(network: Network, layer: int) -> tuple[object, ...]:
    block = network.forward.get(layer)
    return block.steps if block else ()


def _of_dropped_below(a: Network, b: Network, left: int, right: int) -> Iterator[str]:
    """Whether what is read of the layer below is what dropout keeps of it."""
    was, is_now = (
        {s.below.role for s in _forward(network, layer) if isinstance(s, WeightedInput)}
        for network, layer in ((a, left), (b, right))
    )
    if was != is_now:
        if any(_drops(network, layer - 1) for network, layer in ((b, right),)):
            yield "it reads what dropout keeps of the layer below"
        else:
            yield "it reads all of the layer below, where none is dropped"


def _symbol_of_derivative(entry: Activation) -> str:
    return f"{entry.symbol}'"


def _of_derivative(a: Network, b: Network, left: int, right: int) -> Iterator[str]:
    before, after = a.activation(left), b.activation(right)
    if before.symbol != after.symbol:
        is_now, was = (_in_words(entry) for entry in (after, before))
        yield f"{is_now} takes the place of {was}"
    elif _chosen(a, left) != _chosen(b, right):
        yield f"{after.symbol} is another function under the same name"


def _in_words(entry: Activation) -> str:
    if entry.derivative is None:
        return f"the Jacobian of {entry.symbol}"
    symbol = _symbol_of_derivative(entry)
    return f"{symbol} = 1" if entry.derivative == Const(1) else symbol


def _chosen(network: Network, layer: int) -> tuple[object, str]:
    """An activation with its parameters, or the formula of one of the spec's own."""
    operator = network.spec.layers[1:][layer - 2].activation
    return operator, network.activation(layer).formula


def _cancelled(network: Network) -> tuple[str, str]:
    """What the algebra does in BP1, "" if nothing; and between which two."""
    spec = network.spec
    cost, output = spec.cost_entry, spec.output_activation
    fused = cost.fused.get(output.kind)
    return fused.reason if fused else "", f"{cost.symbol} cost and {output.symbol}"


#: What entries say of the algebra, and how that is said of what was.
_WAS = {"cancels": "cancelled", "is": "was", "vanish": "vanished"}


def _past(reason: str) -> str:
    return re.sub(r"\w+", lambda word: _WAS.get(word[0], word[0]), reason)


# ---- The update --------------------------------------------------------------------


def _of_optimizer(a: Network, b: Network) -> Iterator[str]:
    before, after = (
        OPTIMIZERS[network.spec.hyperparameters.optimizer.kind] for network in (a, b)
    )
    if before != after:
        yield f"{after.symbol} takes the place of {before.symbol}"
        if after.state == before.state:
            return
        if after.state:
            yield f"it keeps {' and '.join(after.state)} of every parameter"
        elif before.state:
            yield "nothing is kept from step to step"


def _of_penalties(a: Network, b: Network) -> Iterator[str]:
    """Penalties that came or went, and where another optimizer takes one otherwise."""
    before, after = _penalties(a), _penalties(b)
    for formula, taken in after.items():
        if formula not in before:
            yield f"the penalty {formula} {taken}"
        elif before[formula] != taken:
            yield f"the penalty {formula} {taken}; before, it {before[formula]}"
    for formula in (f for f in before if f not in after):
        yield f"there is no penalty {formula} any more"


def _of_limits(a: Network, b: Network) -> Iterator[str]:
    for kind, what in (
        (ClipNorm, "the norm of the gradient"),
        (ClipValue, "every entry of the gradient"),
        (LimitNorm, "the norm of every neuron's weights"),
    ):
        before, after = (
            any(isinstance(step, kind) for step in _update_steps(network))
            for network in (a, b)
        )
        if after and not before:
            yield f"{what} is limited"
        if before and not after:
            yield f"{what} is limited no longer"


def _of_sharing(a: Network, b: Network) -> Iterator[str]:
    """Who computes the gradient of a step."""
    before, after = (PARALLELS[network.spec.parallel.kind] for network in (a, b))
    if before != after:
        yield f"{after.symbol} takes the place of {before.symbol}"


def _penalties(network: Network) -> dict[str, str]:
    """Every penalty by its formula, and what the update makes of it."""
    decays = {decay.kind for decay in network.plan.decays}
    chosen = network.spec.hyperparameters.regularization.penalties
    return {
        entry.penalty_formula: f"multiplies the weights by {entry.decay_formula}"
        if entry.kind in decays
        else f"adds {entry.gradient_formula} to ∂C/∂w"
        for entry in (REGULARIZERS[kind] for kind in chosen)
    }


def _update_steps(network: Network) -> tuple[Step, ...]:
    """What is done to all gradients, then the steps of one layer, as of every other."""
    return *network.plan.clipping, *network.plan.update[0].steps
