"""The plan: a network lowered to steps, the one thing that every target reads.

Frozen dataclasses without behaviour; the kinds of step are in `bpcompile.steps`, the
functions that a module defines in `bpcompile.functions`.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from bpcompile.course import Schedule, Watch
from bpcompile.expr import Expr
from bpcompile.functions import Function, UpdateFunction
from bpcompile.operators.entry import Targets
from bpcompile.records import dataclass
from bpcompile.step import Step, Tensor
from bpcompile.steps import Activate, ClipValue, UpdateParameter


@dataclass(frozen=True)
class Decay:
    """A penalty as a factor on the weights; beyond -1 they only grow."""

    kind: str
    factor: Expr


@dataclass(frozen=True)
class Block:
    """The steps of one layer, under one comment."""

    layer: int
    comment: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Inference:
    """What the outputs alone need, and nothing that only training does.

    blocks     from the inputs to a of the last layer, nothing dropped
    functions  the operators that they apply
    """

    blocks: tuple[Block, ...]
    functions: tuple[Function, ...]


@dataclass(frozen=True)
class Initial:
    """The first values of a layer's weights or biases.

    value    over "draw", one number of the stream, "n_in" and "n_out"
    draws, orthogonal    as in `bpcompile.operators.training.Initializer`
    is_long  the draws get a line of their own
    adds_products    its last bits depend on whether a product is rounded before it is
                     added
    """

    value: Expr
    draws: str
    orthogonal: bool
    is_long: bool
    adds_products: bool


@dataclass(frozen=True)
class Layer:
    """Layer 2 or later: its parameters and their first values.

    state    what the optimizer keeps, each with the parameter it is like
    """

    index: int
    size: int
    activation: str
    weight: Tensor
    bias: Tensor
    weight_gradient: Tensor
    bias_gradient: Tensor
    initial_weights: Initial
    initial_biases: Initial
    comment: str
    state: tuple[tuple[Tensor, Tensor], ...] = ()


@dataclass(frozen=True)
class Slope:
    """How steep the activation of a hidden layer is, where that can come to nothing.

    layer      the layer
    function   σ' as a function of its own, of "z" and "a"
    operands   the arrays that it takes
    bound      below this σ' is as good as 0
    two_sided  it comes to nothing for z → ∞ and for z → -∞, else on one side alone
    """

    layer: int
    function: Function
    operands: tuple[Tensor, ...]
    bound: float
    two_sided: bool


@dataclass(frozen=True)
class Dropout:
    """A layer whose neurons are dropped with the probability named `constant`."""

    layer: int
    constant: str
    factor: Tensor


@dataclass(frozen=True)
class Constant:
    """A number of the spec under its name in the book: eta, lmbda, epochs.

    value   or several, of which each class or layer has its own
    path    where the normalised spec has it, as a JSON pointer, but layers counted
            from 1 as in the book
    """

    name: str
    value: float | tuple[float, ...]
    path: str


@dataclass(frozen=True)
class Scaling:
    """Inputs as (x - shift) / divisor, both over a column's statistics."""

    kind: str
    shift: Expr
    divisor: Expr
    fitted: bool
    formula: str

    @property
    def comment(self) -> str:
        return f"layer 1: a¹ = {self.formula}"


@dataclass(frozen=True)
class Labels:
    """How y is coded and checked.

    low, high   the two values of a one-hot row
    boundary    where the classes of a single output part
    targets     what values of y must satisfy
    coded       what "y" becomes then, over "n_out" as well; None: it stays
    are_shares  outputs are within 0 to 1, as probabilities are
    """

    low: int
    high: int
    boundary: float
    targets: Targets
    coded: Expr | None
    are_shares: bool


@dataclass(frozen=True)
class CostValue:
    """C_x by the function of that name, from "z" or "a" and "y"."""

    function: str
    reads: str
    formula: str
    penalty: Expr | None
    penalty_formula: str


@dataclass(frozen=True)
class Plan:
    """A network, lowered. `constants` are its numbers, each named once.

    shape        what it is in words: "A 784-30-10 network"
    arrays       of layers 1 to L: what one mini-batch needs, allocated once
    feedforward  from the inputs to the output's z, nothing dropped; `output` is the
                 step from there to its a
    forward      the same in training, with dropout, to the output's a
    counts_steps     something depends on the number of the mini-batch in its epoch
    early_stopping   what is watched for the end of training
    plateau          what is watched for halving η
    counters         numbers that training changes, beside parameters and states
    slopes           of the hidden layers that may be flat
    scalings         the kinds of scaling that are fitted to the data, for a hint
    validates        a part of the training data is held out
    folds            it is one of several equal parts, which has a number
    weighs_classes   the examples of each class have a factor
    parallel         the kind by which processes share a step's examples, "" for none
    reduction        what is done to the gradients of their shares, before clipping
    accumulates      an update is of several mini-batches, whose gradients are added up
    """

    name: str
    description: str
    shape: str
    summary: str
    digest: str
    dtype: str
    task: str
    sizes: tuple[int, ...]
    layers: tuple[Layer, ...]
    constants: tuple[Constant, ...]
    scaling: Scaling | None
    labels: Labels
    functions: tuple[Function, ...]
    cost: CostValue
    arrays: tuple[tuple[Tensor, ...], ...]
    dropouts: tuple[Dropout, ...]
    feedforward: tuple[Block, ...]
    output: Activate
    inference: Inference
    forward: tuple[Block, ...]
    backward: tuple[Block, ...]
    scalars: tuple[tuple[str, Expr], ...]
    scalar_state: tuple[tuple[str, float], ...]
    clipping: tuple[Step, ...]
    update: tuple[Block, ...]
    update_formula: str
    update_function: UpdateFunction | None
    decays: tuple[Decay, ...]
    normalised: dict[str, Any]
    schedule: Schedule | None = None
    counts_steps: bool = False
    early_stopping: Watch | None = None
    plateau: Watch | None = None
    counters: tuple[str, ...] = ()
    slopes: tuple[Slope, ...] = ()
    scalings: tuple[str, ...] = ()
    validates: bool = False
    folds: bool = False
    weighs_classes: bool = False
    parallel: str = ""
    reduction: tuple[Step, ...] = ()
    accumulates: bool = False

    @property
    def output_comment(self) -> str:
        """Over `output` where it stands apart from the step before it."""
        return f"layer {self.output.layer}: {self.output.formula}"

    @property
    def watches(self) -> tuple[Watch, ...]:
        """All that is evaluated after every epoch, asked for or not."""
        return tuple(w for w in (self.early_stopping, self.plateau) if w)

    @cached_property
    def descends(self) -> bool:
        """Whether each update is `UpdateParameter.descent` of a gradient as it is."""
        steps = [step for block in self.update for step in block.steps]
        updates = [step for step in steps if isinstance(step, UpdateParameter)]
        clips = any(isinstance(step, ClipValue) for step in steps)
        added_up = self.reduction or self.accumulates
        as_they_are = not (added_up or self.clipping or clips)
        return as_they_are and all(u.descent for u in updates)

    @property
    def first(self) -> str:
        """The name of the number of inputs."""
        return "N1"

    @property
    def last(self) -> str:
        """The name of the number of outputs."""
        return f"N{self.depth}"

    @property
    def depth(self) -> int:
        """L, the number of layers with the input layer."""
        return len(self.sizes)

    @property
    def outputs(self) -> int:
        return self.sizes[-1]

    @property
    def firsts(self) -> tuple[Initial, ...]:
        """The first values of all weights and biases."""
        pairs = ((e.initial_weights, e.initial_biases) for e in self.layers)
        return tuple(first for pair in pairs for first in pair)

    @property
    def draws(self) -> frozenset[str]:
        """What first values are drawn from; see `Initializer`."""
        return frozenset(first.draws for first in self.firsts if first.draws)

    @property
    def orthogonal(self) -> bool:
        """Whether any first values are made orthonormal."""
        return any(first.orthogonal for first in self.firsts)

    def _repr_svg_(self) -> str:
        """The network's picture, as notebooks show it."""
        from bpcompile.picture import svg

        return svg(self)

    def _repr_html_(self) -> str:
        """Picture and summary, as notebooks show them."""
        from bpcompile.picture.notebook import html

        return html(self)
