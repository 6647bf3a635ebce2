"""The plan: a network lowered to steps, the one thing that every target reads.

Frozen dataclasses without behaviour; the kinds of step are in `bpcompile.steps`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bpcompile.expr import Expr
from bpcompile.operators.entry import Body, Targets
from bpcompile.steps import Step, Tensor


@dataclass(frozen=True)
class Function:
    """An operator that the module defines once, as a named function.

    purpose     "activation", "derivative", "cost" or "primitive"
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
    state            what the optimizer keeps, each with the parameter it is like
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
    state: tuple[tuple[Tensor, Tensor], ...] = ()


@dataclass(frozen=True)
class Constant:
    """A number of the spec under its name in the book: eta, lmbda, epochs.

    path    where the normalised spec has it, as a JSON pointer
    """

    name: str
    value: float
    path: str


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
    targets     what values of y must satisfy
    coded       what "y" becomes then, over "n_out" as well; None: it stays
    """

    low: int
    high: int
    boundary: float
    targets: Targets
    coded: Expr | None


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
    constants: tuple[Constant, ...]
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
