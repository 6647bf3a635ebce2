"""Where the activations of hidden layers are flat, so that nothing is learnt there.

It follows from an entry's numbers, so that no activation is named: σ' is evaluated in
the middle and far out on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator

from bpcompile.expr import BOOK, Number, evaluate, spell, variables
from bpcompile.functions import Function
from bpcompile.lower_forward import ForwardSteps
from bpcompile.operators.entry import Activation
from bpcompile.plan import Slope

#: Far out: exp(100) is still a number, and 1 / (1 + |z|)² small enough.
_FAR = 100.0
_MIDDLE = tuple(z / 2 for z in range(-8, 9))
#: What is left of the largest slope where it is as good as none.
_FLAT = 0.01


def slopes(steps: ForwardSteps) -> Iterator[Slope]:
    """One for each hidden layer whose activation has a flat side; see `Slope`."""
    hidden = {i: entry for i, entry in steps.activations.items() if i < steps.depth}
    # Once for each activation, as there may be a thousand layers.
    known = {entry: _flat_sides(entry) for entry in dict.fromkeys(hidden.values())}
    for index, entry in hidden.items():
        found = known[entry]
        if found is None:
            continue
        bound, sides = found
        function = _function(entry)
        activate = steps.activate(index)
        arrays = {"z": activate.weighted_input, "a": activate.result}
        operands = tuple(arrays[name] for name in function.parameters)
        yield Slope(index, function, operands, bound, sides == 2)


def _flat_sides(entry: Activation) -> tuple[float, int] | None:
    """Below what σ' is as good as 0, and on how many sides it is; None if on none."""
    if entry.derivative is None:
        return None
    try:
        # of a slope that grows without limit no share of it says anything
        bound = _FLAT * min(1.0, max(abs(_slope(entry, z)) for z in _MIDDLE))
        sides = sum(abs(_slope(entry, z)) < bound for z in (-_FAR, _FAR))
    except (ArithmeticError, ValueError):  # of a formula of one's own
        return None
    return (bound, sides) if sides else None


def _slope(entry: Activation, z: float) -> float:
    values: dict[str, Number] = {"z": z}
    for statement in (*entry.body, *entry.way_back):
        values[statement.target] = evaluate(statement.value, values)
    return float(values["prime"].real)


def _function(entry: Activation) -> Function:
    """σ' as a function that leaves its operands as they are."""
    assert entry.derivative is not None
    read = {v.name for s in entry.way_back for v in variables(s.value)}
    book = entry.derivative_formula or spell(entry.derivative, BOOK, {})
    return Function(
        f"{entry.function}_slope",
        "slope",
        tuple(name for name in "za" if name in read),
        entry.way_back,
        f"{entry.symbol}'(z) = {book}",
        overflows=entry.overflows_back,
        masks=entry.masks,
    )
