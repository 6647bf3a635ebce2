"""What the spec knows at a place, and which of its keys a wrong one was meant for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel

from bpcompile.errors import nearest
from bpcompile.operators.entry import Entry
from bpcompile.spec import InputLayer, Layer, NetworkSpec, OneOf, Path, Stack

#: A section's class, the layers, a choice of operators, one operator; None: a scalar.
Held: TypeAlias = type[BaseModel] | Stack | OneOf | Entry | None

#: What other tools call the same thing.
_ABBREVIATIONS: Mapping[str, str] = {
    "lr": "learning_rate",
    "eta": "learning_rate",
    "lmbda": "l2",
    "lambda": "l2",
    "weight_decay": "l2",
    "batch_size": "mini_batch_size",
    "loss": "cost",
    "random_state": "seed",
    "max_iter": "epochs",
    "units": "size",
    "neurons": "size",
}


def walk(loc: tuple[str | int, ...]) -> tuple[Path, Held, Held]:
    """Pydantic's location as the user's path, without the tags of unions, with what
    the spec knows one level above that path and at it."""
    path: list[str | int] = []
    holder: Held = None
    held: Held = NetworkSpec
    for part in loc:
        if isinstance(held, OneOf) and part in held.registry:
            held = held.registry[str(part)]
            continue
        path.append(part)
        holder, held = held, _inside(held, part)
    return tuple(path), holder, held


def keys_of(held: Held) -> tuple[str, ...]:
    """The keys that the spec knows in a section or of an operator."""
    if isinstance(held, Entry):
        return tuple(parameter.name for parameter in held.parameters)
    return tuple(held.model_fields) if isinstance(held, type) else ()


def meant_key(word: str, keys: tuple[str, ...]) -> str | None:
    """The key of the same object that `word` was probably meant to be."""
    short = _ABBREVIATIONS.get(word.casefold())
    return short if short in keys else nearest(word, keys)


def key_elsewhere(word: str) -> tuple[str, str] | None:
    """The nearest key of any object, and where that stands in words."""
    places: dict[str, str] = {}
    for place, section in _sections(NetworkSpec, ""):
        for key in section.model_fields:
            places.setdefault(key, place)
    meant = _ABBREVIATIONS.get(word.casefold()) or nearest(word, places)
    return (meant, places[meant]) if meant else None


def _inside(held: Held, part: str | int) -> Held:
    if isinstance(held, Stack):
        return InputLayer if part == 0 else Layer
    if not isinstance(held, type) or part not in held.model_fields:
        return None
    field = held.model_fields[str(part)]
    for known in field.metadata:
        if isinstance(known, Stack | OneOf):
            return known
    section: Any = field.annotation
    is_section = isinstance(section, type) and issubclass(section, BaseModel)
    return section if is_section else None


def _sections(
    model: type[BaseModel], prefix: str
) -> Iterator[tuple[str, type[BaseModel]]]:
    yield f"in {prefix}" if prefix else "at the top level", model
    for name in model.model_fields:
        held: Any = _inside(model, name)
        if isinstance(held, Stack):
            yield "in a layer after the first", Layer
            yield "in the first layer", InputLayer
        elif isinstance(held, type):
            yield from _sections(held, f"{prefix}.{name}" if prefix else name)
