"""What a user may write: the spec's models, its cross-field rules, its normal form.

The kinds of every operator and their parameters come from the registries of
`bpcompile.operators`; nothing here names one but the defaults.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema

from bpcompile.operators import (
    ACTIVATIONS,
    COSTS,
    INITIALIZERS,
    OPTIMIZERS,
    SCALINGS,
)
from bpcompile.operators.entry import Activation, Cost, Entry

MAX_WIDTH = 1_000_000
MAX_LAYERS = 10_000
MAX_PARAMETERS = 1_000_000_000
MAX_COUNT = 1_000_000_000
MAX_DESCRIPTION = 2_000


@dataclass(frozen=True)
class Operator:
    """The choice of one registry entry, with all of its parameters."""

    kind: str
    values: tuple[tuple[str, float], ...] = ()

    @property
    def parameters(self) -> dict[str, float]:
        return dict(self.values)

    def normalised(self) -> Any:
        """The kind alone where there are no parameters, else an object."""
        return {"kind": self.kind, **self.parameters} if self.values else self.kind


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
                            core_schema.float_schema(
                                gt=parameter.above, allow_inf_nan=False
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
        return Operator(
            value["kind"],
            # A parameter without a default is required, so it is there.
            tuple((p.name, value.get(p.name, p.default or 0.0)) for p in parameters),
        )


class Section(BaseModel):
    """Every model of the spec: frozen, strict, unknown keys forbidden."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False
    )


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
    l2: float = Field(
        default=0.0,
        ge=0,
        le=1e9,
        description="the book's lmbda: lmbda/2n Σ w², weights only",
    )


class Hyperparameters(Section):
    learning_rate: float = Field(
        default=0.5, gt=0, le=1e6, description="the book's eta"
    )
    mini_batch_size: int = Field(default=10, ge=1, le=MAX_COUNT)
    epochs: int = Field(default=30, ge=1, le=MAX_COUNT)
    seed: int = Field(
        default=0, ge=0, lt=2**53, description="of all that is drawn at random"
    )
    optimizer: Annotated[Operator, OneOf(OPTIMIZERS)] = Operator("sgd")
    regularization: Regularization = Regularization()


class NetworkSpec(Section):
    """A whole spec, valid in itself; see `CONTRACT` in docs/spec.md for the language.

    Raises pydantic.ValidationError where it is built from something invalid.
    """

    version: Literal[1] = 1
    name: str = Field(default="network", pattern=r"\A[A-Za-z][A-Za-z0-9_]{0,63}\z")
    description: str | None = Field(default=None, max_length=MAX_DESCRIPTION)
    dtype: Literal["float32", "float64"] = "float32"
    task: Literal["classification", "regression"] | None = None
    layers: Annotated[tuple[InputLayer, Layer, *tuple[Layer, ...]], Stack()]
    cost: Annotated[Operator, OneOf(COSTS)]
    hyperparameters: Hyperparameters = Hyperparameters()

    @model_validator(mode="after")
    def _rules(self) -> NetworkSpec:
        conflicts = tuple(_conflicts(self))
        if conflicts:
            raise PydanticCustomError(
                "conflict",
                "{message}",
                {"message": conflicts[0].message, "conflicts": conflicts},
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


@dataclass(frozen=True)
class Conflict:
    """Fields that are valid one by one but not together."""

    path: tuple[str | int, ...]
    message: str
    hint: str


def _conflicts(spec: NetworkSpec) -> Iterator[Conflict]:
    yield from _size_conflicts(spec)
    last = len(spec.layers) - 1
    for index, layer in enumerate(spec.layers[1:], start=1):
        entry = ACTIVATIONS[layer.activation.kind]
        if entry.output_only and index != last:
            yield Conflict(
                ("layers", index, "activation"),
                f"{entry.kind} stands in hidden layer {index + 1}, "
                "but goes with the output layer only",
                f"take another activation here, one of: {_hidden_activations()}",
            )
    output = ACTIVATIONS[spec.layers[-1].activation.kind]
    yield from _pair_conflicts(COSTS[spec.cost.kind], output)


def _size_conflicts(spec: NetworkSpec) -> Iterator[Conflict]:
    if len(spec.layers) > MAX_LAYERS:
        yield Conflict(
            ("layers",),
            f"{len(spec.layers)} layers, but at most {MAX_LAYERS} are allowed",
            "take fewer",
        )
    sizes = [layer.size for layer in spec.layers]
    total = sum(n * (n_in + 1) for n_in, n in pairwise(sizes))
    if total > MAX_PARAMETERS:
        yield Conflict(
            ("layers",),
            f"the layers have {total} parameters together, "
            f"but at most {MAX_PARAMETERS} are allowed",
            "take narrower layers",
        )


def _pair_conflicts(cost: Cost, output: Activation) -> Iterator[Conflict]:
    pair = f"{cost.kind} does not go with {output.kind} outputs"
    if output.kind in cost.refuses:
        yield Conflict(("cost",), pair, f"use {cost.refuses[output.kind]}")
    elif cost.needs and output.kind not in cost.needs:
        needed = " or ".join(sorted(cost.needs))
        yield Conflict(
            ("cost",), f"{pair}: it needs {needed}", f"give the last layer {needed}"
        )
    elif output.interval not in cost.outputs:
        yield Conflict(
            ("cost",),
            f"{pair}: they lie in {output.interval}, it needs {cost.outputs}",
            f"give the last layer one of: {_outputs_for(cost)}",
        )


def _hidden_activations() -> str:
    return ", ".join(k for k, entry in ACTIVATIONS.items() if not entry.output_only)


def _outputs_for(cost: Cost) -> str:
    return ", ".join(
        kind
        for kind, entry in ACTIVATIONS.items()
        if entry.interval in cost.outputs and kind not in cost.refuses
    )
