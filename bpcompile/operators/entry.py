"""What an operator's one entry consists of; the registries are made of these.

Schema, checks, lowering, every target's code, the equation comments and the tests
follow from the entry, so that nothing else names an operator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

from bpcompile.expr import Expr, Number, Var
from bpcompile.records import dataclass


@dataclass(frozen=True)
class Map:
    """`target = value`, for every neuron and example."""

    target: str
    value: Expr


@dataclass(frozen=True)
class Reduce:
    """`target = how of value over the layer's neurons`, one number per example."""

    target: str
    how: str
    value: Expr


#: Statements in order; the last one's target is the result.
Body = tuple[Map | Reduce, ...]

#: The reductions a body may use, a closed list like the primitives.
REDUCTIONS = ("sum", "max")


@dataclass(frozen=True)
class Interval:
    """The values between `low` and `high`, each bound included or not."""

    low: float
    high: float
    closed_low: bool = False
    closed_high: bool = False

    def __contains__(self, other: object) -> bool:
        """Whether another interval lies within this one."""
        if not isinstance(other, Interval):
            return False
        low = self.low < other.low or (
            self.low == other.low and (self.closed_low or not other.closed_low)
        )
        high = self.high > other.high or (
            self.high == other.high and (self.closed_high or not other.closed_high)
        )
        return low and high

    def __str__(self) -> str:
        left, right = "(["[self.closed_low], ")]"[self.closed_high]
        return f"{left}{self.low:g}, {self.high:g}{right}"


REALS = Interval(-math.inf, math.inf)


@dataclass(frozen=True)
class Targets:
    """What the values of y must be, checked before they are used.

    within        the interval of each, bounds included
    values        the only ones there are; none: any of the interval
    sums_to_one   each example's values add up to 1
    """

    within: Interval = REALS
    values: tuple[int, ...] = ()
    sums_to_one: bool = False

    @property
    def limits(self) -> bool:
        """Whether there is a number that y may not be."""
        return bool(self.values) or self.within != REALS

    @property
    def has_highest(self) -> bool:
        return self.within.high < math.inf

    def __str__(self) -> str:
        low, high = self.within.low, self.within.high
        words = "any finite number"
        if self.values:
            words = " or ".join(map(str, self.values))
        elif self.has_highest:
            words = f"within {low:g} to {high:g}"
        elif self.limits:
            words = f"{low:g} or more"
        return words + (", each row adding up to 1" if self.sums_to_one else "")


@dataclass(frozen=True)
class Parameter:
    """What a spec may give beside the `kind`: a number, above < value < below and
    at_least <= value <= at_most, where None is no bound; or one of some words.

    whole    the number is an integer
    words    the words it may be, then it is no number
    off      the value that changes nothing: a spec with it is the same spec as one
             without, and as one of a time when there was no such parameter
    """

    name: str
    default: float | str | None
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None
    description: str = ""
    whole: bool = False
    words: tuple[str, ...] = ()
    off: float | None = None


@dataclass(frozen=True)
class Entry:
    """What every operator has: its name in specs and its parameters.

    aliases      what other tools call the same thing, for messages
    ascending    parameters of which each must be below the next
    identifier   what its functions are called if not as its kind, which may be a word
                 that a language keeps to itself
    """

    kind: str
    description: str
    parameters: tuple[Parameter, ...] = field(default=(), kw_only=True)
    aliases: tuple[str, ...] = field(default=(), kw_only=True)
    ascending: tuple[str, ...] = field(default=(), kw_only=True)
    identifier: str = field(default="", kw_only=True)

    @property
    def function(self) -> str:
        return self.identifier or self.kind

    @property
    def defaults(self) -> dict[str, float | str]:
        """The parameters that a spec need not give."""
        return {p.name: p.default for p in self.parameters if p.default is not None}


@dataclass(frozen=True)
class Activation(Entry):
    """a = σ(z) for one layer.

    symbol        what the book's formulas call it
    formula       its definition in the book's notation
    define        the definition in plain Python, a layer's z to its a; real or complex
    body          the stable form that is emitted, from "z" to "a"
    derivative    σ'(z) over "z" and "a", for an element-wise activation
    beforehand    statements whose targets `derivative` reads as well
    derivative_formula   σ' in the book's notation where the tree would be hard to read
    kinks         where there is no derivative: each z with what is taken for it
    vjp           else: Jᵀg from "g", "z", "a" to "delta", J the Jacobian ∂a/∂z
    interval      the values that a can take
    least_size    with fewer neurons a does not depend on z, so that nothing is learnt
    """

    symbol: str
    formula: str
    define: Callable[..., list[Number]]
    body: Body
    interval: Interval
    derivative: Expr | None = None
    beforehand: Body = ()
    derivative_formula: str = ""
    kinks: tuple[tuple[float, Expr], ...] = ()
    vjp: Body = ()
    vjp_formula: str = ""
    output_only: bool = False
    least_size: int = 1
    classifies: bool = False
    codes_minus_one: bool = False
    #: exp may overflow to infinity on the way to a right result
    overflows: bool = False
    #: the same of its derivative
    overflows_back: bool = False
    #: a branch that is not taken may have no value
    masks: bool = False

    @property
    def elementwise(self) -> bool:
        return self.derivative is not None

    @property
    def way_back(self) -> Body:
        """σ' with all that it reads, or the product with the transposed Jacobian."""
        if self.derivative is None:
            return self.vjp
        return *self.beforehand, Map("prime", self.derivative)

    @property
    def is_identity(self) -> bool:
        """Whether a is z itself, so that nothing need be computed."""
        return self.body == (Map("a", Var("z")),)


@dataclass(frozen=True)
class FusedError:
    """Where cost and output activation meet in one simple form.

    value      the cost per neuron from "z" and "y" to "terms": nothing cancels
    error      δ over "a" and "y"
    reason     what the algebra does, as a half sentence
    through    where δ needs a sum over the neurons: from "g", which is `error`, and "y"
               to "delta"
    left       δ as it is printed, where `error` does not show it
    overflows  exp may pass infinity on the way to a right result
    """

    value: Body
    error: Expr
    reason: str
    through: Body = ()
    left: Expr | None = None
    overflows: bool = False


@dataclass(frozen=True)
class Cost(Entry):
    """C_x, the cost of one example: the sum over output neurons.

    define          the definition in plain Python, from a layer's a and y
    define_from_z   the same from z, by kind of output activation, without cancelling
    body            the cost per neuron from "a" and "y" to "terms"
    gradient        ∂C/∂a over "a" and "y"
    beforehand      statements whose targets `gradient` reads as well
    outputs         the interval in which a must lie
    targets         what y must be
    coded           what y becomes before anything reads it, over "y" and "n_out"
    fused           by kind of output activation
    needs, refuses  output activations it takes alone, or not, with the word to say
    """

    symbol: str
    formula: str
    define: Callable[..., Number]
    body: Body
    gradient: Expr
    outputs: Interval = REALS
    targets: Targets = field(default_factory=Targets)
    coded: Expr | None = None
    classifies: bool = False
    codes_minus_one: bool = False
    define_from_z: Mapping[str, Callable[..., Number]] = field(default_factory=dict)
    fused: Mapping[str, FusedError] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()
    refuses: Mapping[str, str] = field(default_factory=dict)
    beforehand: Body = ()
    overflows: bool = False
    masks: bool = False
    kink: str = ""


def label_values(cost: Cost, output: Activation) -> tuple[int, int]:
    """What a class label becomes in y: elsewhere, and for the class."""
    minus = cost.codes_minus_one or output.codes_minus_one
    return (-1 if minus else 0), 1


def elementwise(f: Callable[..., Number]) -> Callable[..., list[Number]]:
    """`define` of an activation that treats every neuron alike."""

    def define(z: Sequence[Number], **parameters: Any) -> list[Number]:
        return [f(z_j, **parameters) for z_j in z]

    return define
