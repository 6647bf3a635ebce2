"""The section `operators` of a spec: activations and costs given as formulas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from bpcompile.conflicts import Conflict
from bpcompile.fields import MAX_DESCRIPTION, Operator, Real, Section
from bpcompile.operators.entry import Activation, Cost
from bpcompile.records import dataclass


def _pair(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise PydanticCustomError("bounds", "not two bounds")
    return tuple(value)


Range = Annotated[
    tuple[Real | None, Real | None],
    BeforeValidator(_pair),
    Field(examples=[[0, None]]),
]


class OwnActivation(Section):
    """a = σ(z) as a formula over z."""

    formula: str = Field(
        description="σ(z), of numbers, z, primitives and other activations",
        examples=["z * sigmoid(2 * z)"],
    )
    derivative: str | None = Field(
        default=None,
        description="σ'(z) over z and a; else it is derived from the formula",
        examples=["1 - a * a"],
    )
    description: str | None = Field(
        default=None, max_length=MAX_DESCRIPTION, description="free text", exclude=True
    )
    range: Range | None = Field(
        default=None,
        description="between which values a lies, null for no bound",
    )


class OwnCost(Section):
    """The part of C_x that one output neuron adds, as a formula over a and y."""

    formula: str = Field(
        description="what each output neuron adds to C_x",
        examples=["(a - y)**4 / 4"],
    )
    derivative: str | None = Field(
        default=None,
        description="∂C/∂a over a and y; else it is derived from the formula",
        examples=["(a - y)**3"],
    )
    description: str | None = Field(
        default=None, max_length=MAX_DESCRIPTION, description="free text", exclude=True
    )
    range: Range | None = Field(
        default=None,
        description="between which values the outputs must lie, null for no bound",
    )


class OwnOperators(Section):
    """Operators of the spec's own, by the kind that its layers and cost name."""

    optional: ClassVar[frozenset[str]] = frozenset({"activations", "costs"})

    activations: dict[str, OwnActivation] = Field(
        default={}, description="element-wise, for any layer"
    )
    costs: dict[str, OwnCost] = Field(default={}, description="for the output layer")


@dataclass(frozen=True)
class Own:
    """The entries of those operators, with what is to be said of them.

    normalised  the section with every formula in its one spelling
    mistakes    then the entries are not all there
    worries     where an operator overflows: it is compiled as it is
    """

    activations: dict[str, Activation] = field(default_factory=dict)
    costs: dict[str, Cost] = field(default_factory=dict)
    normalised: Mapping[str, Any] = field(default_factory=dict)
    mistakes: tuple[Conflict, ...] = ()
    worries: tuple[Conflict, ...] = ()


def own_kinds(value: Any, section: str) -> Iterable[str]:
    """The kinds that a spec's value, not yet valid, has in a section of its own."""
    operators = value.get("operators") if isinstance(value, dict) else None
    found = operators.get(section) if isinstance(operators, dict) else None
    return found if isinstance(found, dict) else ()


def chosen_own(value: Mapping[str, Any]) -> dict[str, Any]:
    """A spec's value in which its own kinds are chosen already: no registry has them."""
    found = dict(value)
    kinds = own_kinds(value, "activations")
    layers = value.get("layers")
    if isinstance(layers, list | tuple):
        # A tuple also where JSON gave a list: the strict schema takes nothing else.
        found["layers"] = tuple(
            {**layer, "activation": _chosen(layer["activation"], kinds)}
            if isinstance(layer, dict) and "activation" in layer
            else layer
            for layer in layers
        )
    if "cost" in value:
        found["cost"] = _chosen(value["cost"], own_kinds(value, "costs"))
    return found


def _chosen(value: Any, kinds: Iterable[str]) -> Any:
    kind = value.get("kind") if isinstance(value, dict) else value
    bare = not isinstance(value, dict) or len(value) == 1
    if isinstance(kind, str) and kind in kinds and bare:
        return Operator(kind)
    return value
