"""What the fields of a spec are made of: numbers, words, choices from a registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
)
from pydantic_core import PydanticCustomError, PydanticKnownError, core_schema

from bpcompile.operators.entry import Entry, Parameter
from bpcompile.records import dataclass

#: Characters of a free text.
MAX_DESCRIPTION = 2_000

Value: TypeAlias = float | str


@dataclass(frozen=True)
class Operator:
    """The choice of one registry entry, with all of its parameters."""

    kind: str
    values: tuple[tuple[str, Value], ...] = ()
    #: the parameters that change nothing: the normal form leaves them out
    off: tuple[str, ...] = ()

    @property
    def parameters(self) -> dict[str, Any]:
        return dict(self.values)

    @property
    def numbers(self) -> dict[str, float]:
        """The parameters that are numbers."""
        return {k: v for k, v in self.values if not isinstance(v, str)}

    def normalised(self, complete: bool = False) -> Any:
        """The kind alone where there are no parameters, else an object."""
        values = {k: v for k, v in self.values if complete or k not in self.off}
        return {"kind": self.kind, **values} if values else self.kind


@dataclass(frozen=True)
class OneOf:
    """A Pydantic type: a union over a registry, discriminated by `kind`.

    own    the section of `operators` that adds kinds of the spec's own, if one does
    """

    registry: Mapping[str, Entry]
    own: str = ""

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
                            _parameter_schema(parameter),
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
        full = core_schema.no_info_before_validator_function(
            lambda value: {"kind": value} if isinstance(value, str) else value,
            core_schema.no_info_after_validator_function(self._chosen, union),
        )
        # A kind of the spec's own has been chosen before, as no registry has it.
        return core_schema.no_info_wrap_validator_function(
            lambda value, choose: (
                value if isinstance(value, Operator) else choose(value)
            ),
            full,
        )

    def _chosen(self, value: dict[str, Any]) -> Operator:
        return chosen(self.registry[value["kind"]], value)


def chosen(entry: Entry, given: Mapping[str, Any]) -> Operator:
    """The choice of an entry, with the defaults of what is not given.

    Raises KeyError where a parameter without a default is not given.
    """
    values = {
        p.name: given[p.name] if p.default is None else given.get(p.name, p.default)
        for p in entry.parameters
    }
    off = tuple(p.name for p in entry.parameters if values[p.name] == p.off)
    return Operator(entry.kind, tuple(values.items()), off)


def _parameter_schema(parameter: Parameter) -> core_schema.CoreSchema:
    if parameter.words:
        return core_schema.literal_schema(list(parameter.words))
    bounds: dict[str, Any] = {
        "gt": parameter.above,
        "ge": parameter.at_least,
        "le": parameter.at_most,
        "lt": parameter.below,
    }
    if parameter.whole:
        return core_schema.no_info_before_validator_function(
            whole, core_schema.int_schema(strict=True, **bounds)
        )
    return core_schema.no_info_before_validator_function(
        _exact, core_schema.float_schema(strict=True, allow_inf_nan=False, **bounds)
    )


def _exact(value: Any) -> Any:
    """Refuses an integer that would be rounded where a float is wanted.

    Of the two zeros it takes the positive one: they are equal, and so must digests be.
    """
    if type(value) is int and value != int(float(value)):
        raise PydanticCustomError("inexact", "not exactly representable")
    return 0.0 if type(value) is float and value == 0 else value


def whole(value: Any) -> Any:
    """Refuses what only equals an integer, as true and 1.0 do."""
    if type(value) is not int:
        raise PydanticKnownError("int_type")
    return value


Real = Annotated[float, BeforeValidator(_exact)]
Whole = Annotated[int, BeforeValidator(whole)]


class Section(BaseModel):
    """Every model of the spec: frozen, strict, unknown keys forbidden."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False
    )

    #: Fields, beside those that are None, whose default is that there is nothing.
    optional: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def can_be_off(cls, name: str) -> bool:
        return name in cls.optional or cls.model_fields[name].default is None


def normalised(value: Any, complete: bool = False) -> Any:
    """A field's value as JSON has it, defaults filled in; what is off is left out,
    unless it is to be `complete`."""
    if isinstance(value, Operator):
        return value.normalised(complete)
    if isinstance(value, tuple):
        return [normalised(item, complete) for item in value]
    if isinstance(value, dict):
        return {key: normalised(item, complete) for key, item in value.items()}
    if not isinstance(value, Section):
        return value
    found = {}
    for name, field in type(value).model_fields.items():
        held = getattr(value, name)
        off = value.can_be_off(name) and held == field.default
        if (complete or not off) and not field.exclude:
            found[name] = normalised(held, complete)
    return found
