"""What a user may write in a space file: which values of a spec are tried.

    {"version": 1,
     "set": {"hyperparameters.learning_rate": {"float": [0.05, 2], "log": true},
             "hyperparameters.mini_batch_size": {"choices": [10, 20, 50]}},
     "hidden_layers": {"count": {"int": [1, 3]}, "size": {"int": [32, 256], "step": 32}}}

The keys of `set` are paths as `--set` takes them. `hidden_layers` says how many layers
stand between the first and the last and what each of them holds, by the keys of a layer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from bpcompile.fields import Real, Section, Whole, whole

#: Kinds of values: the keys of which each parameter has one.
KINDS = ("int", "float", "choices")
MAX_CHOICES = 1_000
MAX_LAYERS = 100

Bounds: TypeAlias = tuple[float, float]


def _pair(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise PydanticCustomError("bounds", "expected [lowest, highest]")
    return tuple(value)


def _several(value: Any) -> Any:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MAX_CHOICES:
        message = f"expected an array of 1 to {MAX_CHOICES} values"
        raise PydanticCustomError("several", message)
    return tuple(value)


class Values(Section):
    """The values that one parameter takes: a range or a choice.

    Its `label`s are what Optuna stores of a choice: texts, JSON values apart.
    """

    ints: Annotated[tuple[Whole, Whole], BeforeValidator(_pair)] | None = Field(
        default=None, alias="int"
    )
    floats: Annotated[tuple[Real, Real], BeforeValidator(_pair)] | None = Field(
        default=None, alias="float"
    )
    choices: Annotated[tuple[Any, ...], BeforeValidator(_several)] | None = None
    log: Annotated[bool, Field(strict=True)] = False
    step: Real | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _rules(self) -> Values:
        found = next(_mistakes(self), None)
        if found:
            key, message = found
            raise PydanticCustomError(
                "rule", "{message}", {"message": message, "key": key}
            )
        return self

    @property
    def bounds(self) -> Bounds:
        """Lowest and highest of a range."""
        found = self.ints or self.floats
        assert found
        return found

    @property
    def ends(self) -> Mapping[tuple[str | int, ...], Any]:
        """The values that stand for all of them, by where they stand in the object."""
        kind = self.kind
        listed = self.choices if self.choices is not None else self.bounds
        return {(kind, i): value for i, value in enumerate(listed)}

    @property
    def kind(self) -> str:
        """The one of KINDS."""
        named = zip(KINDS, (self.ints, self.floats, self.choices), strict=True)
        return next(kind for kind, held in named if held is not None)

    @property
    def labels(self) -> dict[str, Any]:
        """Every choice by its label."""
        return {label(value): value for value in self.choices or ()}


class Shared(Values):
    """The same of a key of the hidden layers; with `shared`, one value for all."""

    shared: Annotated[bool, Field(strict=True)] = False


class Count(Values):
    """How many hidden layers there are."""

    @model_validator(mode="after")
    def _whole(self) -> Count:
        counts = self.ints or self.choices or ()
        if (
            not all(type(n) is int and 0 <= n <= MAX_LAYERS for n in counts)
            or not counts
        ):
            message = f"takes int or choices, from 0 to {MAX_LAYERS} layers"
            raise PydanticCustomError(
                "rule", "{message}", {"message": message, "key": ""}
            )
        return self


class HiddenLayers(Section):
    """The layers between the first and the last: `count`, and keys of a layer."""

    model_config: ClassVar = {**Section.model_config, "extra": "allow"}
    __pydantic_extra__: dict[str, Shared]

    count: Count

    @property
    def keys(self) -> Mapping[str, Shared]:
        return self.__pydantic_extra__ or {}


class Space(Section):
    """What is searched. docs/tune.md has the language."""

    version: Annotated[Literal[1], BeforeValidator(whole)] = 1
    set: dict[str, Values] = Field(default={})
    hidden_layers: HiddenLayers | None = None
    schema_: str | None = Field(default=None, alias="$schema", exclude=True)

    @model_validator(mode="after")
    def _something(self) -> Space:
        if not self.set and self.hidden_layers is None:
            message = "has nothing to search"
            raise PydanticCustomError(
                "rule", "{message}", {"message": message, "key": ""}
            )
        return self


def label(value: Any) -> str:
    """What a choice is called: a string by itself, else JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _mistakes(values: Values) -> Iterator[tuple[str, str]]:
    """Key and message of what does not go together."""
    given = {"int": values.ints, "float": values.floats, "choices": values.choices}
    kinds = [kind for kind, held in given.items() if held is not None]
    if len(kinds) != 1:
        found = f"has {' and '.join(kinds)}" if kinds else "has no values"
        yield kinds[1] if kinds else "", f"{found}, expected one of: {', '.join(KINDS)}"
    elif kinds == ["choices"]:
        yield from _mistakes_of_choices(values)
    else:
        yield from _mistakes_of_range(values, kinds[0])


def _mistakes_of_choices(values: Values) -> Iterator[tuple[str, str]]:
    for key, held in (("log", values.log), ("step", values.step)):
        if held:
            yield key, "goes with int and float"
    if len(values.labels) < len(values.choices or ()):
        yield "choices", "names a value twice"


def _mistakes_of_range(values: Values, kind: str) -> Iterator[tuple[str, str]]:
    low, high = values.bounds
    if low >= high:
        yield kind, f"goes from {low:g} to {high:g}; write the lower number first"
    elif values.log and low <= 0:
        yield kind, f"begins at {low:g}, which has no logarithm"
    elif values.log and values.step:
        yield "step", "does not go with log"
    elif values.step and kind == "int" and not values.step.is_integer():
        yield "step", f"is {values.step:g}, expected a whole number of an int"
    elif values.step and not _is_whole(low, high, values.step):
        text = f"is {values.step:g}; {low:g} to {high:g} is no whole number of them"
        yield "step", text


def _is_whole(low: float, high: float, step: float) -> bool:
    """Whether a range is so many steps, as decimals: 0.3 is three times 0.1."""
    first, last, width = (Decimal(repr(number)) for number in (low, high, step))
    steps = (last - first) / width
    return steps == steps.to_integral_value()
