"""The plan: a network lowered to steps, the one thing that every target reads.

Frozen dataclasses and one small class per kind of step. A target has one macro of
the same name for every class of `STEPS`. Nothing here knows a language; layout,
padding and transposes belong to the target, the axes of a tensor are named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bpcompile.expr import Expr
from bpcompile.operators.entry import Body


@dataclass(frozen=True)
class Tensor:
    """A named array: "w2" with axes ("neuron", "input"), "a2" ("neuron", "example").

    role   weight, bias, weighted_input, activation, error, weight_gradient,
           bias_gradient or target
    """

    name: str
    role: str
    layer: int
    axes: tuple[str, ...]


@dataclass(frozen=True)
class Function:
    """An operator that the module defines once, as a named function.

    purpose     "activation", "derivative" or "cost"
    parameters  the arrays it takes; an in-place target writes over the first
    keeps       the first is read again later, so the result goes to an array beside
    overflows   exp may pass infinity on the way to a right result
    """

    name: str
    purpose: str
    parameters: tuple[str, ...]
    body: Body
    documentation: str
    note: str = ""
    keeps: bool = False
    overflows: bool = False

    @property
    def result(self) -> str:
        return self.body[-1].target


@dataclass(frozen=True)
class Step:
    """One statement group: what the book writes as one formula, for one layer."""

    layer: int
    formula: str

    equation: ClassVar[str] = ""

    @property
    def macro(self) -> str:
        return type(self).__name__

    @property
    def comment(self) -> str:
        """The equation's name first, so that a search for BP2 lists every use."""
        return f"{self.equation}  {self.formula}" if self.equation else self.formula

    @property
    def reads(self) -> tuple[Tensor, ...]:
        raise NotImplementedError

    @property
    def writes(self) -> tuple[Tensor, ...]:
        raise NotImplementedError


@dataclass(frozen=True)
class WeightedInput(Step):
    """z = w a + b, with a of the layer below."""

    weight: Tensor
    bias: Tensor
    below: Tensor
    result: Tensor

    @property
    def reads(self) -> tuple[Tensor, ...]:
        return self.weight, self.bias, self.below

    @property
    def writes(self) -> tuple[Tensor, ...]:
        return (self.result,)


@dataclass(frozen=True)
class Activate(Step):
    """a = σ(z) by the function of that name."""

    function: str
    weighted_input: Tensor
    result: Tensor

    @property
    def reads(self) -> tuple[Tensor, ...]:
        return (self.weighted_input,)

    @property
    def writes(self) -> tuple[Tensor, ...]:
        return (self.result,)


@dataclass(frozen=True)
class ErrorStep(Step):
    """What BP1 and BP2 share: an error taken back through the activation.

    value      δ over "a", "z" and what comes in; for `function` only what goes in
    function   the named derivative that is applied to it, or ""
    """

    value: Expr
    function: str
    function_reads: tuple[str, ...]
    operands: tuple[tuple[str, Tensor], ...]
    result: Tensor

    @property
    def writes(self) -> tuple[Tensor, ...]:
        return (self.result,)

    @property
    def tensors(self) -> dict[str, str]:
        """The name of the array in which each variable of `value` stands."""
        return {name: tensor.name for name, tensor in self.operands}

    @property
    def storage(self) -> dict[str, str]:
        """The same with "g", which an in-place target computes into the result."""
        return {**self.tensors, "g": self.result.name}


@dataclass(frozen=True)
class OutputError(ErrorStep):
    """δ of the output layer, from "a" and "y"."""

    equation: ClassVar[str] = "BP1"

    @property
    def reads(self) -> tuple[Tensor, ...]:
        return tuple(tensor for _, tensor in self.operands)


@dataclass(frozen=True)
class HiddenError(ErrorStep):
    """δ of a hidden layer; "g" stands for wᵀδ of the layer above."""

    weight_above: Tensor
    error_above: Tensor

    equation: ClassVar[str] = "BP2"

    @property
    def reads(self) -> tuple[Tensor, ...]:
        operands = tuple(tensor for _, tensor in self.operands)
        return self.weight_above, self.error_above, *operands


@dataclass(frozen=True)
class WeighExamples(Step):
    """δ of the output layer times each example's own weight, where one is given."""

    result: Tensor

    @property
    def reads(self) -> tuple[Tensor, ...]:
        return (self.result,)

    @property
    def writes(self) -> tuple[Tensor, ...]:
        return (self.result,)


@dataclass(frozen=True)
class BiasGradient(Step):
    """∂C/∂b = δ, summed over the mini-batch."""

    error: Tensor
    result: Tensor

    equation: ClassVar[str] = "BP3"

    @property
    def reads(self) -> tuple[Tensor, ...]:
        return (self.error,)

    @property
    def writes(self) -> tuple[Tensor, ...]:
        return (self.result,)


@dataclass(frozen=True)
class WeightGradient(Step):
    """∂C/∂w = δ aᵀ with a of the layer below, summed over the mini-batch."""

    error: Tensor
    below: Tensor
    result: Tensor

    equation: ClassVar[str] = "BP4"

    @property
    def reads(self) -> tuple[Tensor, ...]:
        return self.error, self.below

    @property
    def writes(self) -> tuple[Tensor, ...]:
        return (self.result,)


@dataclass(frozen=True)
class UpdateParameter(Step):
    """The optimizer's step: the new "w" over "w", "nabla" and the plan's scalars."""

    body: Body
    parameter: Tensor
    gradient: Tensor

    @property
    def reads(self) -> tuple[Tensor, ...]:
        return self.parameter, self.gradient

    @property
    def writes(self) -> tuple[Tensor, ...]:
        return (self.parameter,)


#: Every kind of step; a target must have a macro for each.
STEPS: tuple[type[Step], ...] = (
    WeightedInput,
    Activate,
    OutputError,
    HiddenError,
    WeighExamples,
    BiasGradient,
    WeightGradient,
    UpdateParameter,
)


@dataclass(frozen=True)
class Block:
    """The steps of one layer, under one comment."""

    layer: int
    comment: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Layer:
    """Layer 2 or later: its parameters, their first values, its arrays.

    initial          the first weights over "draw", one N(0, 1) value, and "n_in"
    arrays           what one mini-batch needs, allocated once
    """

    index: int
    size: int
    activation: str
    weight: Tensor
    bias: Tensor
    weight_gradient: Tensor
    bias_gradient: Tensor
    arrays: tuple[Tensor, ...]
    initial: Expr
    comment: str


@dataclass(frozen=True)
class Scaling:
    """Inputs as (x - shift) / divisor, both over a column's statistics."""

    kind: str
    shift: Expr
    divisor: Expr
    fitted: bool
    formula: str


@dataclass(frozen=True)
class Labels:
    """How y is coded and checked.

    low, high   the two values of a one-hot row
    boundary    where the classes of a single output part
    targets     what values of y must satisfy: a key of `TARGETS`
    """

    low: int
    high: int
    boundary: float
    targets: str
    targets_in_words: str


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
    """A network, lowered. `constants` are its numbers, each named once."""

    name: str
    description: str
    summary: str
    digest: str
    dtype: str
    task: str
    sizes: tuple[int, ...]
    layers: tuple[Layer, ...]
    constants: tuple[tuple[str, float], ...]
    scaling: Scaling | None
    labels: Labels
    functions: tuple[Function, ...]
    cost: CostValue
    forward: tuple[Block, ...]
    backward: tuple[Block, ...]
    update: tuple[Block, ...]
    scalars: tuple[tuple[str, Expr], ...]
    update_formula: str
    normalised: dict[str, Any]

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
