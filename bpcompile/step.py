"""What the kinds of step have in common, and the tensors that they name.

Nothing here knows a language; layout, padding and transposes belong to the target.
"""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar

from bpcompile.expr import Expr, Var
from bpcompile.records import dataclass


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
    #: The setting of a target without which it need not have a macro of this step.
    needs: ClassVar[str] = ""

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
class AllInPlace(Step):
    """All gradients together, changed where they stand."""

    gradients: tuple[Tensor, ...]

    @property
    def reads(self) -> tuple[Tensor, ...]:
        return self.gradients

    @property
    def writes(self) -> tuple[Tensor, ...]:
        return self.gradients


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
    def calls(self) -> tuple[Call, ...]:
        """The named functions that the step applies."""
        calls = self.gradient, self.prime, self.through
        return tuple(call for call in calls if call)

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
