"""Where a formula is tried, and where something in it may switch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from bpcompile.expr import Apply, Expr
from bpcompile.formula.tree import Called, nodes
from bpcompile.operators.entry import REALS, Interval

BISECTIONS = 120

_POSITIVE = (
    *(1e-9, 1e-4, 0.01, 0.1, 0.25, 0.4, 0.5, 0.7, 1.0, 1.3, 1.5, 2.0, 2.5, 3.0),
    *(4.0, 5.0, 6.5, 8.0, 10.0, 14.0, 20.0, 30.0, 40.0, 60.0, 80.0, 100.0, 150.0),
    *(250.0, 350.0, 500.0, 750.0, 1000.0, 3000.0, 1e4),
)
_SHARES = (1e-9, 1e-6, 1e-3, 0.01, 0.1, 0.2, 0.3, 0.5, 0.6, 0.75, 0.9, 0.99, 0.999)


def grid(interval: Interval = REALS) -> list[float]:
    """Points inside an interval: near and far, or near both of its ends."""
    low, high = interval.low, interval.high
    if math.isfinite(low) and math.isfinite(high):
        return [low + share * (high - low) for share in _SHARES]
    if math.isfinite(low):
        return [low + p for p in _POSITIVE]
    if math.isfinite(high):
        return [high - p for p in reversed(_POSITIVE)]
    return [*(-p for p in reversed(_POSITIVE)), 0.0, *_POSITIVE]


def oddity(p: float) -> float:
    """0 and 1 come first, so that a message names a number that is easily tried."""
    return abs(math.log(abs(p))) if p else 0.0


def switching(tree: Expr) -> Iterator[Expr]:
    """Trees whose sign decides something."""
    for node in nodes(tree):
        if isinstance(node, Called):
            # A kink of an activation is one of its written-out form.
            yield from switching(node.written_out)
        elif isinstance(node, Apply):
            if node.primitive in ("lt", "le", "gt", "ge", "max", "min"):
                yield node.args[0] - node.args[1]
            elif node.primitive in ("abs", "sign"):
                yield node.args[0]
            elif node.primitive == "div":
                yield from _factors(node.args[1])
            elif node.primitive == "pow":
                yield node.args[0]


def _factors(tree: Expr) -> Iterator[Expr]:
    """A square has no sign to change, what is squared has: 1 / (z * z - 2)**2."""
    if isinstance(tree, Apply) and tree.primitive in ("mul", "neg"):
        for arg in tree.args:
            yield from _factors(arg)
    else:
        yield tree


def bisected(holds: Callable[[float], bool], inside: float, outside: float) -> float:
    """The last number from `outside` inwards at which a test does not hold."""
    for _ in range(BISECTIONS):
        middle = inside + (outside - inside) / 2
        if middle in (inside, outside):
            break
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return outside
