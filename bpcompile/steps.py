"""The kinds of step a plan is made of: one small class each.

A target has one macro of the same name for every class of `STEPS`.
"""

from __future__ import annotations

from typing import ClassVar

from bpcompile.expr import Apply, Const, Expr, Var
from bpcompile.operators.entry import Body
from bpcompile.records import dataclass
from bpcompile.step import AllInPlace, Call, ErrorStep, InPlace, Step, Tensor


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
class Drop(Step):
    """kept = r ⊙ a in training: r is 0 for a neuron that is dropped, else 1/(1 - p).

    r is drawn before the step, by layer, for every neuron and example; where nothing
    is dropped it is 1. What reads a on the layer above reads what is kept instead.

    Source: Srivastava et al., "Dropout" (2014), with the factor in training.
    """

    factor: Tensor
    activation: Tensor
    result: Tensor

    @property
    def reads(self) -> tuple[Tensor, ...]:
        return self.factor, self.activation

    @property
    def writes(self) -> tuple[Tensor, ...]:
        return (self.result,)


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
class WeighExamples(InPlace):
    """δ of the output layer times each example's own weight, where one is given."""


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
class ReduceGradients(AllInPlace):
    """All gradients added up over the ranks, of which each has a part of the examples.

    Before anything else is done to them: what follows is the same on every rank. Each
    is a sum over examples, so that how they are parted changes the rounding alone.
    """

    needs: ClassVar[str] = "parallel"


@dataclass(frozen=True)
class ClipNorm(AllInPlace):
    """All gradients times min(1, limit / (norm + ε)), norm that of all together.

    They are sums over the mini-batch; the norm is that of their mean.
    """

    #: torch.nn.utils.clip_grad_norm_ has the same, so that the two are equal.
    epsilon: ClassVar[float] = 1e-6


@dataclass(frozen=True)
class ClipValue(InPlace):
    """Every entry of a parameter's gradient within -limit and limit, a scalar."""

    parameter: Tensor


@dataclass(frozen=True)
class UpdateParameter(Step):
    """The optimizer's step: the new "w" over "w", "nabla" or "g", the plan's scalars.

    before   what is done to "nabla" and "w" first: penalties, the mean, decay
    body     the step itself, unless there is a function of it to call
    state    what it keeps from step to step, by its name in the body
    """

    before: Body
    body: Body
    call: Call | None
    parameter: Tensor
    gradient: Tensor
    state: tuple[tuple[str, Tensor], ...] = ()

    @property
    def descent(self) -> tuple[Expr, Expr] | None:
        """(keep, rate) where all there is to the step is w → keep w - rate nabla, so
        that a target may make it one with the gradient's product."""
        if self.before or len(self.body) != 1:
            return None
        w, nabla = Var("w"), Var("nabla")
        match self.body[0].value:
            case Apply("sub", (kept, Apply("mul", (rate, last)))) if last == nabla:
                match kept:
                    case Apply("mul", (keep, left)) if left == w:
                        return keep, rate
                return (Const(1), rate) if kept == w else None
        return None

    @property
    def reads(self) -> tuple[Tensor, ...]:
        return self.parameter, self.gradient, *(tensor for _, tensor in self.state)

    @property
    def writes(self) -> tuple[Tensor, ...]:
        return self.parameter, *(tensor for _, tensor in self.state)


@dataclass(frozen=True)
class LimitNorm(InPlace):
    """Every row of w, a neuron's weights, times min(1, limit / its norm)."""


#: Every kind of step; a target must have a macro for each.
STEPS: tuple[type[Step], ...] = (
    WeightedInput,
    Activate,
    Drop,
    OutputError,
    HiddenError,
    WeighExamples,
    BiasGradient,
    WeightGradient,
    ReduceGradients,
    ClipNorm,
    ClipValue,
    UpdateParameter,
    LimitNorm,
)
