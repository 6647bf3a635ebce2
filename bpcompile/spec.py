"""What a user may write: the spec's models, its cross-field rules, its normal form.

The kinds of every operator and their parameters come from the registries of
`bpcompile.operators`; nothing here names one but the defaults.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    model_validator,
)
from pydantic_core import PydanticCustomError, PydanticKnownError, core_schema

from bpcompile.conflicts import conflicts
from bpcompile.operators import (
    ACTIVATIONS,
    COSTS,
    INITIALIZERS,
    OPTIMIZERS,
    SCALINGS,
)
from bpcompile.operators.entry import Entry

MAX_WIDTH = 1_000_000
MAX_COUNT = 1_000_000_000
MAX_DESCRIPTION = 2_000
MAX_NAME = 64
NAME = rf"[A-Za-z][A-Za-z0-9_]{{0,{MAX_NAME - 1}}}"

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True)
class Operator:
    """The choice of one registry entry, with all of its parameters."""

    kind: str
    values: tuple[tuple[str, float], ...] = ()
    #: the parameters that change nothing: the normal form leaves them out
    off: tuple[str, ...] = ()

    @property
    def parameters(self) -> dict[str, float]:
        return dict(self.values)

    def normalised(self) -> Any:
        """The kind alone where there are no parameters, else an object."""
        values = {k: v for k, v in self.values if k not in self.off}
        return {"kind": self.kind, **values} if values else self.kind


@dataclass(frozen=True)
class OneOf:
    """A Pydantic type: a union over a registry, discriminated by `kind`."""

    registry: Mapping[str, Entry]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        choices: dict[Any, core_schema.CoreSchema] = {
            kind: core_schema.typed_dict_schema(
                {
                    "kind": core_schema.typed_dict_field(
                        core_schema.literal_schema([kind])
                    ),
                    **{
                        parameter.name: core_schema.typed_dict_field(
                            core_schema.no_info_before_validator_function(
                                _exact,
                                core_schema.float_schema(
                                    strict=True,
                                    gt=parameter.above,
                                    ge=parameter.at_least,
                                    le=parameter.at_most,
                                    allow_inf_nan=False,
                                ),
                            ),
                            required=parameter.default is None,
                        )
                        for parameter in entry.parameters
                    },
                },
                extra_behavior="forbid",
            )
            for kind, entry in self.registry.items()
        }
        union = core_schema.tagged_union_schema(choices, discriminator="kind")
        return core_schema.no_info_before_validator_function(
            lambda value: {"kind": value} if isinstance(value, str) else value,
            core_schema.no_info_after_validator_function(self._chosen, union),
        )

    def _chosen(self, value: dict[str, Any]) -> Operator:
        parameters = self.registry[value["kind"]].parameters
        # A parameter without a default is required, so it is there.
        chosen = {p.name: value.get(p.name, p.default or 0.0) for p in parameters}
        off = tuple(p.name for p in parameters if chosen[p.name] == p.off)
        return Operator(value["kind"], tuple(chosen.items()), off)


def _exact(value: Any) -> Any:
    """Refuses an integer that would be rounded where a float is wanted."""
    if type(value) is int and value != int(float(value)):
        raise PydanticCustomError("inexact", "not exactly representable")
    return value


Real = Annotated[float, BeforeValidator(_exact)]


class Section(BaseModel):
    """Every model of the spec: frozen, strict, unknown keys forbidden."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False
    )


def _whole(value: Any) -> Any:
    """Refuses what only equals an integer, as true and 1.0 do."""
    if type(value) is not int:
        raise PydanticKnownError("int_type")
    return value


def _sized(value: Any) -> Any:
    return {"size": value} if type(value) is int else value


Size = Annotated[
    int, Field(ge=1, le=MAX_WIDTH, description="number of neurons", examples=[30])
]


class InputLayer(Section):
    """Layer 1: the inputs."""

    size: Size
    scaling: Annotated[Operator, OneOf(SCALINGS)] = Field(
        default=Operator("none"),
        description="how raw inputs are scaled inside the network",
    )


class Layer(Section):
    """Layer 2 and every later one."""

    size: Size
    activation: Annotated[Operator, OneOf(ACTIVATIONS)] = Field(
        default=Operator("sigmoid"), description="σ in a = σ(z)"
    )
    initializer: Annotated[Operator, OneOf(INITIALIZERS)] = Field(
        default=Operator("scaled_normal"), description="the first weights"
    )


class Stack:
    """A Pydantic type: the input layer, then one or more layers.

    Pydantic has no schema for an unpacked tuple, its core does.
    """

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        first, later = (
            handler.generate_schema(Annotated[layer, BeforeValidator(_sized)])
            for layer in (InputLayer, Layer)
        )
        return core_schema.tuple_schema(
            [first, later, later], variadic_item_index=2, strict=True
        )


class Regularization(Section):
    l2: Real = Field(
        default=0.0,
        ge=0,
        le=1e9,
        description="the book's lmbda: lmbda/2n Σ w², weights only",
    )


class Hyperparameters(Section):
    learning_rate: Real = Field(default=0.5, gt=0, le=1e6, description="the book's eta")
    mini_batch_size: int = Field(default=10, ge=1, le=MAX_COUNT)
    epochs: int = Field(default=30, ge=1, le=MAX_COUNT)
    seed: int = Field(
        default=0, ge=0, le=2**53 - 1, description="of all that is drawn at random"
    )
    optimizer: Annotated[Operator, OneOf(OPTIMIZERS)] = Operator("sgd")
    regularization: Regularization = Regularization()


class NetworkSpec(Section):
    """A whole spec, valid in itself; see `CONTRACT` in docs/spec.md for the language.

    Raises pydantic.ValidationError where it is built from something invalid.
    """

    version: Annotated[Literal[1], BeforeValidator(_whole)] = 1
    name: str = Field(default="network", pattern=rf"\A{NAME}\z")
    description: str | None = Field(default=None, max_length=MAX_DESCRIPTION)
    dtype: Literal["float32", "float64"] = "float32"
    task: Literal["classification", "regression"] | None = None
    layers: Annotated[tuple[InputLayer, Layer, *tuple[Layer, ...]], Stack()]
    cost: Annotated[Operator, OneOf(COSTS)]
    hyperparameters: Hyperparameters = Hyperparameters()

    @model_validator(mode="after")
    def _rules(self) -> NetworkSpec:
        found = tuple(conflicts(self))
        if found:
            raise PydanticCustomError(
                "conflict",
                "{message}",
                {"message": found[0].message, "conflicts": found},
            )
        return self

    @property
    def resolved_task(self) -> str:
        """The task as given, else by the contract's rule."""
        if self.task:
            return self.task
        output = ACTIVATIONS[self.layers[-1].activation.kind]
        classifies = COSTS[self.cost.kind].classifies or output.classifies
        return "classification" if classifies else "regression"

    def normalised(self) -> dict[str, Any]:
        """The spec with every default filled in; what is off is left out."""
        first, *rest = self.layers
        layers: list[dict[str, Any]] = [{"size": first.size}]
        if first.scaling.kind != "none":
            layers[0]["scaling"] = first.scaling.normalised()
        layers += [
            {
                "size": layer.size,
                "activation": layer.activation.normalised(),
                "initializer": layer.initializer.normalised(),
            }
            for layer in rest
        ]
        hyper = self.hyperparameters
        hyperparameters: dict[str, Any] = {
            "learning_rate": hyper.learning_rate,
            "mini_batch_size": hyper.mini_batch_size,
            "epochs": hyper.epochs,
            "seed": hyper.seed,
            "optimizer": hyper.optimizer.normalised(),
        }
        if hyper.regularization.l2:
            hyperparameters["regularization"] = {"l2": hyper.regularization.l2}
        described = {"description": self.description} if self.description else {}
        return {
            "version": self.version,
            "name": self.name,
            **described,
            "dtype": self.dtype,
            "task": self.resolved_task,
            "layers": layers,
            "cost": self.cost.normalised(),
            "hyperparameters": hyperparameters,
        }


def canonical_json(value: Any) -> str:
    """One text for one value: keys sorted, no white space, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def digest(spec: NetworkSpec) -> str:
    """SHA-256 of the normalised spec, in hexadecimal."""
    return hashlib.sha256(canonical_json(spec.normalised()).encode()).hexdigest()
