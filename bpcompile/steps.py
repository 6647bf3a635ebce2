"""The kinds of step a plan is made of: one small class each, and the tensors they name.

A target has one macro of the same name for every class of `STEPS`. Nothing here knows
a language; layout, padding and transposes belong to the target.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from bpcompile.expr import Apply, Const, Expr, Var
from bpcompile.operators.entry import Body


@dataclass(frozen=True)
class Tensor:
    """A named array: "w2" with axes ("neuron", "input"), "a2" ("neuron", "example").

    role   weight, bias, weighted_input, activation, factor (of dropout), kept, error,
           weight_gradient, bias_gradient, target or state
    """

    name: str
    role: str
    layer: int
    axes: tuple[str, ...]


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
class Call:
    """A named derivative, and the variables that it takes."""

    function: str
    reads: tuple[str, ...]


@dataclass(frozen=True)
class ErrorStep(Step):
    """What BP1 and BP2 share: an error taken back through the activation.

    value      δ over "a", "z", "y", "g" (what comes from above) and "r" (of dropout)
    prime      σ'(z) as a named function, where `value` still lacks it as a factor
    through    the named function that takes the value back through the Jacobian
    gradient   the named function of ∇ₐC, which "g" is then
    operands   the array in which each variable stands
    consumes   the variables that no later step reads: their arrays are free
    """

    value: Expr
    prime: Call | None
    through: Call | None
    operands: tuple[tuple[str, Tensor], ...]
    result: Tensor
    consumes: tuple[str, ...] = field(default=(), kw_only=True)
    gradient: Call | None = field(default=None, kw_only=True)

    @property
    def writes(self) -> tuple[Tensor, ...]:
        return (self.result,)

    @property
    def whole(self) -> Expr:
        """The value with σ' as the variable "prime", where that has a name."""
        return self.value * Var("prime") if self.prime else self.value

    @property
    def times_prime(self) -> Expr:
        """What is left to do with σ' once the value stands in "g"."""
        return Var("g") * Var("prime")

    @property
    def consumes_early(self) -> list[str]:
        """What may be written over before σ' is taken: not what σ' reads."""
        reads = self.prime.reads if self.prime else ()
        return [name for name in self.consumes if name not in reads]

    def arguments(self, call: Call) -> list[str]:
        """The names of the arrays that a named derivative is given."""
        return [self.tensors[name] for name in call.reads]

    @property
    def freed(self) -> list[str]:
        """The arrays of earlier steps that this one may write over."""
        return [self.tensors[name] for name in self.consumes if name in self.tensors]

    @property
    def tensors(self) -> dict[str, str]:
        """The name of the array in which each variable stands."""
        return {name: tensor.name for name, tensor in self.operands}

    @property
    def storage(self) -> dict[str, str]:
        """The same where values are computed in place: "g" in the result, "prime"
        over the first array that its function takes."""
        prime = {"prime": self.tensors[self.prime.reads[0]]} if self.prime else {}
        return {**self.tensors, "g": self.result.name, **prime}


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
class InPlace(Step):
    """One array, changed where it stands."""

    result: Tensor

    @property
    def reads(self) -> tuple[Tensor, ...]:
        return (self.result,)

    @property
    def writes(self) -> tuple[Tensor, ...]:
        return (self.result,)


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
class ClipNorm(Step):
    """All gradients times min(1, limit / (norm + ε)), norm that of all together.

    They are sums over the mini-batch; the norm is that of their mean.
    """

    gradients: tuple[Tensor, ...]

    #: torch.nn.utils.clip_grad_norm_ has the same, so that the two are equal.
    epsilon: ClassVar[float] = 1e-6

    @property
    def reads(self) -> tuple[Tensor, ...]:
        return self.gradients

    @property
    def writes(self) -> tuple[Tensor, ...]:
        return self.gradients


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
    ClipNorm,
    ClipValue,
    UpdateParameter,
    LimitNorm,
)
