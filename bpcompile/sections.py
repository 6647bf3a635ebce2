"""The sections of a spec: its layers and its hyperparameters, field by field.

The kinds of every operator and their parameters come from the registries of
`bpcompile.operators`; nothing here names one but the defaults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, Strict, create_model
from pydantic_core import core_schema

from bpcompile.fields import OneOf, Operator, Real, Section, Whole, chosen
from bpcompile.operators import (
    ACTIVATIONS,
    INITIALIZERS,
    OPTIMIZERS,
    REGULARIZERS,
    SCALINGS,
    SCHEDULES,
)

MAX_WIDTH = 1_000_000
MAX_COUNT = 1_000_000_000
MAX_ACCUMULATE = 1_000_000
MAX_PENALTY = 1e9
MAX_FOLDS = 1_000_000

Size = Annotated[
    int, Field(ge=1, le=MAX_WIDTH, description="number of neurons", examples=[30])
]
Dropout = Annotated[
    Real,
    Field(
        ge=0,
        lt=1,
        description="probability that a neuron is dropped from a step of training",
        examples=[0.5],
    ),
]
#: A list even where a validator before it has already made Python of the JSON.
Weights = Annotated[tuple[Annotated[Real, Field(ge=0, le=1e9)], ...], Strict(False)]
Monitor = Annotated[
    Literal["auto", "accuracy", "cost"],
    Field(description="what is watched: auto is accuracy, the cost of a regression"),
]


def _sized(value: Any) -> Any:
    return {"size": value} if type(value) is int else value


class InputLayer(Section):
    """Layer 1: the inputs."""

    optional: ClassVar[frozenset[str]] = frozenset({"scaling", "dropout"})

    size: Size
    scaling: Annotated[Operator, OneOf(SCALINGS)] = Field(
        default=Operator("none"),
        description="how raw inputs are scaled inside the network",
    )
    dropout: Dropout = 0.0


class Layer(Section):
    """Layer 2 and every later one."""

    optional: ClassVar[frozenset[str]] = frozenset({"dropout"})

    size: Size
    activation: Annotated[Operator, OneOf(ACTIVATIONS, "activations")] = Field(
        default=Operator("sigmoid"), description="σ in a = σ(z)"
    )
    initializer: Annotated[Operator, OneOf(INITIALIZERS)] = Field(
        default=Operator("scaled_normal"), description="the first weights"
    )
    bias_initializer: Annotated[Operator, OneOf(INITIALIZERS)] = Field(
        default=Operator("standard_normal"), description="the first biases"
    )
    dropout: Dropout = 0.0


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


if TYPE_CHECKING:
    _Penalties = Section
else:
    _Penalties = create_model(
        "_Penalties",
        __base__=Section,
        **{
            kind: (
                Real,
                Field(default=0.0, ge=0, le=MAX_PENALTY, description=entry.description),
            )
            for kind, entry in REGULARIZERS.items()
        },
    )


class Regularization(_Penalties):
    """Terms added to the cost, one key for each regularizer, and a limit."""

    optional: ClassVar[frozenset[str]] = frozenset(REGULARIZERS)

    max_norm: Real | None = Field(
        default=None,
        gt=0,
        le=1e9,
        description="largest norm of a neuron's weights, kept after every step",
    )

    @property
    def penalties(self) -> dict[str, float]:
        """The number of each regularizer that is on, by kind."""
        return {k: v for k in REGULARIZERS if (v := getattr(self, k))}


class Clipping(Section):
    """A limit on the gradient of a mini-batch: one of the two."""

    value: Real | None = Field(
        default=None, gt=0, le=1e30, description="largest size of an entry"
    )
    norm: Real | None = Field(
        default=None, gt=0, le=1e30, description="largest norm of all entries together"
    )


class EarlyStopping(Section):
    """The end of training when validation finds nothing better for some time."""

    patience: Whole = Field(
        default=10, ge=1, le=MAX_COUNT, description="epochs without an improvement"
    )
    monitor: Monitor = "auto"


class ValidationFold(Section):
    """One of several equal parts of the training data, as cross-validation needs it."""

    number: int = Field(
        ge=1, le=MAX_FOLDS, description="which of them is held out, from 1"
    )
    of: int = Field(ge=2, le=MAX_FOLDS, description="how many of them there are")


class Hyperparameters(Section):
    """How the network is trained."""

    optional: ClassVar[frozenset[str]] = frozenset(
        {"accumulate", "regularization", "clipping", "schedule"}
    )

    learning_rate: Real = Field(default=0.5, gt=0, le=1e6, description="the book's eta")
    mini_batch_size: int = Field(
        default=10, ge=1, le=MAX_COUNT, description="examples in a step, the book's m"
    )
    accumulate: Whole = Field(
        default=1,
        ge=1,
        le=MAX_ACCUMULATE,
        description="mini-batches whose gradients are added up before each update",
    )
    epochs: int = Field(
        default=30, ge=1, le=MAX_COUNT, description="passes over the training data"
    )
    seed: int = Field(
        default=0, ge=0, le=2**53 - 1, description="of all that is drawn at random"
    )
    optimizer: Annotated[Operator, OneOf(OPTIMIZERS)] = Field(
        default=Operator("sgd"), description="how a step follows from the gradient"
    )
    regularization: Regularization = Field(
        default=Regularization(), description="terms added to the cost"
    )
    clipping: Clipping = Field(
        default=Clipping(), description="a limit on the gradient"
    )
    schedule: Annotated[Operator, OneOf(SCHEDULES)] = Field(
        default=chosen(SCHEDULES["constant"], {}),
        description="how the learning rate changes",
    )
    early_stopping: EarlyStopping | None = Field(
        default=None, description="when training ends before its last epoch"
    )
    validation_fraction: Real | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="share of the training data that is split off for validation",
    )
    validation_fold: ValidationFold | None = Field(
        default=None, description="a fold of the training data, in the place of a share"
    )
    class_weights: Weights | None = Field(
        default=None, description="a factor on the cost of each class's examples"
    )

    @property
    def validates(self) -> bool:
        """Whether a part of the training data is held out."""
        return bool(self.validation_fraction or self.validation_fold)

    @property
    def examples_per_update(self) -> int:
        """Those of all the mini-batches whose gradients are added up."""
        return self.mini_batch_size * self.accumulate
