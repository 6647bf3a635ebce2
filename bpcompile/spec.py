"""What a user may write: a whole spec, its normal form and its digest."""

from __future__ import annotations

import hashlib
import json
from collections import ChainMap
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from bpcompile.conflicts import conflicts
from bpcompile.fields import (
    MAX_DESCRIPTION,
    OneOf,
    Operator,
    Section,
    normalised,
    whole,
)
from bpcompile.operators import ACTIVATIONS, COSTS, PARALLELS
from bpcompile.operators.entry import Activation, Cost
from bpcompile.own import Own, OwnOperators, chosen_own
from bpcompile.sections import Hyperparameters, InputLayer, Layer, Stack

MAX_NAME = 64
NAME = rf"[A-Za-z][A-Za-z0-9_]{{0,{MAX_NAME - 1}}}"

Path: TypeAlias = tuple[str | int, ...]


class NetworkSpec(Section):
    """A network and how it is trained.

    docs/spec.md has the language. Raises pydantic.ValidationError where it is built
    from something invalid.
    """

    optional: ClassVar[frozenset[str]] = frozenset({"operators", "parallel"})

    version: Annotated[Literal[1], BeforeValidator(whole)] = Field(
        default=1, description="of this language"
    )
    name: str = Field(
        default="network",
        pattern=rf"\A{NAME}\z",
        description="printed, and the stem of the weights file",
        examples=["mnist_30"],
    )
    description: str | None = Field(
        default=None, max_length=MAX_DESCRIPTION, description="free text"
    )
    dtype: Literal["float32", "float64"] = Field(
        default="float32", description="of the parameters, in memory and in files"
    )
    task: Literal["classification", "regression"] | None = Field(
        default=None, description="by default what cost and output activation say"
    )
    layers: Annotated[tuple[InputLayer, Layer, *tuple[Layer, ...]], Stack()] = Field(
        description="the input, then every layer with neurons"
    )
    cost: Annotated[Operator, OneOf(COSTS, "costs")] = Field(
        description="C_x, the cost of one example: the sum over the output neurons"
    )
    operators: OwnOperators = Field(
        default=OwnOperators(), description="activations and costs of the spec's own"
    )
    hyperparameters: Hyperparameters = Field(
        default=Hyperparameters(), description="how the network is trained"
    )
    parallel: Annotated[Operator, OneOf(PARALLELS)] = Field(
        default=Operator("none"),
        description="how the examples of every step are shared among processes",
    )
    schema_: str | None = Field(
        default=None,
        alias="$schema",
        exclude=True,
        description="where an editor finds the schema of specs",
    )

    @model_validator(mode="before")
    @classmethod
    def _own_kinds(cls, value: Any) -> Any:
        """Kinds of the spec's own chosen as such: no registry has them."""
        return chosen_own(value) if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _rules(self) -> NetworkSpec:
        # Of operators that are wrong nothing more can be said.
        found = self.own.mistakes or tuple(conflicts(self))
        if found:
            raise PydanticCustomError(
                "conflict",
                "{message}",
                {"message": found[0].message, "conflicts": found},
            )
        return self

    @cached_property
    def own(self) -> Own:
        """The operators of the spec's own, with what is to be said of them."""
        if self.operators == OwnOperators():
            return Own()
        # Loaded here, because most specs have none.
        from bpcompile.formula import own_operators

        return own_operators(self.operators, self.dtype)

    @property
    def activations(self) -> Mapping[str, Activation]:
        """Every activation that a layer of this spec may name."""
        own = self.own.activations
        return ChainMap(own, ACTIVATIONS) if own else ACTIVATIONS

    @property
    def costs(self) -> Mapping[str, Cost]:
        """Every cost that this spec may name."""
        own = self.own.costs
        return ChainMap(own, COSTS) if own else COSTS

    @property
    def output_activation(self) -> Activation:
        return self.activations[self.layers[-1].activation.kind]

    @property
    def cost_entry(self) -> Cost:
        return self.costs[self.cost.kind]

    @property
    def resolved_task(self) -> str:
        """The task as given, else by the contract's rule."""
        if self.task:
            return self.task
        classifies = self.cost_entry.classifies or self.output_activation.classifies
        return "classification" if classifies else "regression"

    def normalised(self) -> dict[str, Any]:
        """The spec with every default filled in; what is off is left out."""
        return self._with_what_follows(normalised(self))

    def resolved(self) -> dict[str, Any]:
        """The same with what is off, too: every key that the spec may have."""
        return self._with_what_follows(normalised(self, complete=True))

    def _repr_svg_(self) -> str:
        """The network's picture, as notebooks show it."""
        from bpcompile.picture import svg

        return svg(self)

    def _repr_html_(self) -> str:
        """Picture and summary, as notebooks show them."""
        from bpcompile.picture.notebook import html

        return html(self)

    def _with_what_follows(self, found: dict[str, Any]) -> dict[str, Any]:
        if found.get("operators"):
            found["operators"] = self.own.normalised
        return {
            key: self.resolved_task if key == "task" else found[key]
            for key in type(self).model_fields
            if key in found or key == "task"
        }


def canonical_json(value: Any) -> str:
    """One text for one value: keys sorted, no white space, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def digest(spec: NetworkSpec) -> str:
    """SHA-256 of the normalised spec, in hexadecimal."""
    return hashlib.sha256(canonical_json(spec.normalised()).encode()).hexdigest()
