"""`bpcompile schema`: the JSON Schema of specs, for editors and other programs.

It follows from the models that check a spec and from the registries. What only the
rules over more than one field refuse (`conflicts`) is beyond its reach, and so is that
1.0 is no whole number here: JSON Schema knows one kind of number.

Source: JSON Schema draft-07, which every editor reads.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

from pydantic import BeforeValidator, TypeAdapter
from pydantic.fields import FieldInfo

from bpcompile.conflicts import MAX_LAYERS
from bpcompile.fields import OneOf, Section, normalised
from bpcompile.operators.entry import Entry, Parameter
from bpcompile.sections import InputLayer, Layer, Stack
from bpcompile.spec import NetworkSpec

DRAFT = "http://json-schema.org/draft-07/schema#"

#: A schema, or a part of one.
Node: TypeAlias = dict[str, Any]


def json_schema(model: type[Section] = NetworkSpec) -> Node:
    """The schema of a whole spec as a JSON value."""
    writer = _Writer()
    spec = writer.section(model)
    title = {"$schema": DRAFT, "title": "a network spec for bpcompile"}
    rule = _without_own(model)
    return {**title, **spec, **rule, "definitions": writer.definitions}


def schema_text() -> str:
    """The schema as a file: the same bytes every time."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


class _Writer:
    """A walk over the models that collects what is said once on the way."""

    def __init__(self) -> None:
        self.definitions: dict[str, Node] = {}
        self._registries: list[tuple[Mapping[str, Entry], str]] = []

    def section(self, model: type[Section]) -> Node:
        fields = {f.alias or name: f for name, f in model.model_fields.items()}
        return {
            "description": (inspect.getdoc(model) or "").partition("\n\n")[0],
            **_object(
                {key: self._field(key, field) for key, field in fields.items()},
                (key for key, field in fields.items() if field.is_required()),
            ),
        }

    def _field(self, key: str, field: FieldInfo) -> Node:
        about: Node = {"description": field.description or ""}
        if not field.is_required() and field.default is not None:
            about["default"] = _default(field.default)
        if field.examples:
            about["examples"] = field.examples
        node = self._value(key, field.annotation, field.metadata)
        if "$ref" in node:
            # A reader of draft-07 skips whatever stands beside a reference.
            node = {"allOf": [node]}
        # First, and what a key means before what its section is.
        return {**about, **node, **about}

    def _value(self, key: str, kind: Any, metadata: Iterable[Any] = ()) -> Node:
        """The schema of a type with what its field says of it."""
        metadata = tuple(_spread(metadata))
        for known in metadata:
            if isinstance(known, OneOf):
                return self._chosen(key, known)
            if isinstance(known, Stack):
                return self._layers()
        origin, args = get_origin(kind), get_args(kind)
        if origin is Annotated:
            return self._value(key, args[0], (*args[1:], *metadata))
        if origin in (Union, UnionType):
            (given,) = (arg for arg in args if arg is not NoneType)
            node = self._value(key, given, metadata)
            return {"anyOf": [node, {"type": "null"}]}
        if origin is tuple:
            return self._array(key, args)
        if origin is dict:
            held = self._value(key, args[1])
            return {"type": "object", "additionalProperties": held}
        if isinstance(kind, type) and issubclass(kind, Section):
            return self.section(kind)
        # A number, a word or a text: Pydantic knows its limits, but for those that it
        # meets on the far side of a function.
        limits = tuple(m for m in metadata if not isinstance(m, BeforeValidator))
        leaf: Any = TypeAdapter(Annotated[kind, *limits] if limits else kind)
        found: Node = leaf.json_schema()
        if "pattern" in found:
            # Python's signs for the ends of a text, and those of all other languages.
            found["pattern"] = found["pattern"].replace(r"\A", "^").replace(r"\z", "$")
        return found

    def _array(self, key: str, kinds: tuple[Any, ...]) -> Node:
        held = [self._value(key, kind) for kind in kinds if kind is not Ellipsis]
        if Ellipsis in kinds:
            return {"type": "array", "items": held[0]}
        count = len(held)
        return {"type": "array", "items": held, "minItems": count, "maxItems": count}

    def _layers(self) -> Node:
        for name, layer in (("input_layer", InputLayer), ("layer", Layer)):
            node = self.section(layer)
            size = node["properties"]["size"]
            short = {**size, "description": "the number of neurons, all else as usual"}
            about = {"description": node.pop("description")}
            self.definitions[name] = {**about, "anyOf": [short, node]}
        return {
            "type": "array",
            "items": [_reference("input_layer")],
            "additionalItems": _reference("layer"),
            "minItems": 2,
            "maxItems": MAX_LAYERS,
        }

    def _chosen(self, key: str, choice: OneOf) -> Node:
        """A reference to the choice, which bears the name of its first key."""
        names = [name for known, name in self._registries if known is choice.registry]
        if not names:
            names = [key]
            self._registries.append((choice.registry, key))
            self.definitions[key] = _choice(choice)
        return _reference(names[0])


def _choice(choice: OneOf) -> Node:
    """A kind as a string where it needs no parameter, or as an object."""
    entries = tuple(choice.registry.values())
    short = [
        {"const": kind, "description": choice.registry[kind].description}
        for kind in _short(choice)
    ]
    own = []
    if choice.own:
        # Which there are is in another place, where no schema looks.
        name: Node = {"type": "string", "not": {"enum": list(choice.registry)}}
        name |= {"description": f"a name from operators.{choice.own}"}
        own = [name, _object({"kind": name}, ("kind",))]
    return {"anyOf": [*short, *map(_operator, entries), *own]}


def _short(choice: OneOf) -> list[str]:
    """The kinds that a string may choose."""
    return [kind for kind, entry in choice.registry.items() if not _required(entry)]


def _without_own(model: type[Section]) -> Node:
    """Where a spec has no `operators`, a kind of its own is a misspelt one."""
    later, here = _known_kinds(Layer), _known_kinds(model)
    if later and "layers" in model.model_fields:
        # Without `items` in the same place, `additionalItems` says nothing.
        here["layers"] = {"items": [{}], "additionalItems": {"properties": later}}
    if not here:
        return {}
    return {"if": {"not": {"required": ["operators"]}}, "then": {"properties": here}}


def _known_kinds(model: type[Section]) -> Node:
    """For each key that may name a kind of the spec's own, the kinds that are known."""
    return {
        key: {
            "anyOf": [
                {"enum": _short(known)},
                {"type": "object", "properties": {"kind": {"enum": [*known.registry]}}},
            ]
        }
        for key, field in model.model_fields.items()
        for known in field.metadata
        if isinstance(known, OneOf) and known.own
    }


def _operator(entry: Entry) -> Node:
    parameters = {p.name: _parameter(p) for p in entry.parameters}
    properties = {"kind": {"const": entry.kind}, **parameters}
    about = {"description": entry.description}
    return {**about, **_object(properties, ("kind", *_required(entry)))}


def _required(entry: Entry) -> tuple[str, ...]:
    return tuple(p.name for p in entry.parameters if p.default is None)


def _parameter(parameter: Parameter) -> Node:
    node: Node = {"description": parameter.description}
    if parameter.default is not None:
        node["default"] = parameter.default
    if parameter.words:
        return {**node, "enum": list(parameter.words)}
    bounds = {
        "exclusiveMinimum": parameter.above,
        "minimum": parameter.at_least,
        "exclusiveMaximum": parameter.below,
        "maximum": parameter.at_most,
    }
    node["type"] = "integer" if parameter.whole else "number"
    return {**node, **{k: bound for k, bound in bounds.items() if bound is not None}}


def _object(properties: Mapping[str, Node], required: Iterable[str]) -> Node:
    node: Node = {"type": "object", "properties": dict(properties)}
    if required := list(required):
        node["required"] = required
    return {**node, "additionalProperties": False}


def _reference(name: str) -> Node:
    return {"$ref": f"#/definitions/{name}"}


def _default(value: Any) -> Any:
    # A section's own fields say their defaults.
    return {} if isinstance(value, Section) else normalised(value)


def _spread(metadata: Iterable[Any]) -> Iterator[Any]:
    """What is said of a type, that of a field within it too."""
    for known in metadata:
        yield from known.metadata if isinstance(known, FieldInfo) else (known,)
