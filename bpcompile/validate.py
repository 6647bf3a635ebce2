"""Pydantic's findings as the contract's messages: the place, the mistake, the fix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from bpcompile.errors import SpecError, SpecErrors, nearest, quote
from bpcompile.operators.entry import Entry
from bpcompile.source import Document
from bpcompile.spec import InputLayer, Layer, NetworkSpec, OneOf

Path = tuple[str | int, ...]


def validate(document: Document) -> NetworkSpec:
    """The spec in a document; SpecErrors with every mistake and its place."""
    try:
        return NetworkSpec.model_validate(document.value)
    except ValidationError as failure:
        found = [
            error
            for detail in failure.errors(include_url=False)
            for error in _translated(document, dict(detail))
        ]
    raise SpecErrors(found)


def _translated(document: Document, detail: dict[str, Any]) -> Iterator[SpecError]:
    context = detail.get("ctx", {})
    if detail["type"] == "conflict":
        for conflict in context["conflicts"]:
            message = f"does not fit: {conflict.message}"
            yield _error(document, conflict.path, "conflict", message, conflict.hint)
        return
    path = _user_path(document.value, detail["loc"])
    describe = _DESCRIBED.get(detail["type"], _other)
    code, message, hint = describe(path, detail["input"], context, detail)
    on_key = detail["type"] == "extra_forbidden"
    yield _error(document, path, code, message, hint, on_key)


def _error(
    document: Document,
    path: Path,
    code: str,
    message: str,
    hint: str,
    on_key: bool = False,
) -> SpecError:
    pointer = _pointer(path)
    place = document.place(path, key=on_key)
    return SpecError(pointer, place, code, f"{pointer or 'the spec'} {message}", hint)


def _pointer(path: Path) -> str:
    return "".join(
        "/" + str(part).replace("~", "~0").replace("/", "~1") for part in path
    )


def _user_path(value: Any, loc: tuple[str | int, ...]) -> Path:
    """Pydantic's location in the user's own terms: without the tags of unions."""
    path: list[str | int] = []
    for index, part in enumerate(loc):
        inside = part in value if isinstance(value, dict) else False
        if isinstance(value, tuple) and isinstance(part, int):
            inside = part < len(value)
        if inside:
            value = value[part]
        elif index < len(loc) - 1:
            continue  # the tag of a union, or the inside of a short form
        path.append(part)
    return tuple(path)


# ---- What each kind of finding says ------------------------------------------------

Description = tuple[str, str, str]


def _unknown_key(
    path: Path, value: Any, context: Mapping[str, Any], detail: Mapping[str, Any]
) -> Description:
    keys = list(_keys_at(path[:-1], detail["loc"]))
    word = str(path[-1])
    if path[:2] == ("layers", 0) and word in Layer.model_fields:
        hint = "the first layer is the input, which has none"
    elif near := nearest(word, keys):
        hint = f'did you mean "{near}"?'
    elif elsewhere := _elsewhere(word):
        hint = f'did you mean "{elsewhere}"?'
    else:
        hint = ""
    listed = f"(one of: {', '.join(keys)})" if hint else f"one of: {', '.join(keys)}"
    return "unknown-key", "is not a key of the spec", f"{hint} {listed}".strip()


def _unknown_kind(
    path: Path, value: Any, context: Mapping[str, Any], detail: Mapping[str, Any]
) -> Description:
    kinds = [word.strip(" '") for word in context["expected_tags"].split(",")]
    return _unknown_word(context["tag"], kinds)


def _unknown_literal(
    path: Path, value: Any, context: Mapping[str, Any], detail: Mapping[str, Any]
) -> Description:
    allowed = context["expected"].replace(" or ", ", ").split(",")
    return _unknown_word(value, [word.strip(" '") for word in allowed])


def _unknown_word(word: Any, words: list[str]) -> Description:
    near = nearest(word, words) if isinstance(word, str) else None
    meant = f'did you mean "{near}"? ' if near else ""
    return "unknown-value", f"is {quote(word)}", f"{meant}(one of: {', '.join(words)})"


def _missing(
    path: Path, value: Any, context: Mapping[str, Any], detail: Mapping[str, Any]
) -> Description:
    if path and path[0] == "layers" and len(path) == 2:
        hint = "give two or more: the input layer, then one for each layer"
        return "missing-key", "is missing", hint
    return "missing-key", "is missing", f'add "{path[-1]}"'


def _wrong_type(expected: str) -> Any:
    def describe(
        path: Path, value: Any, context: Mapping[str, Any], detail: Mapping[str, Any]
    ) -> Description:
        message = f"is {quote(value)}, expected {expected}"
        whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
        hint = f"write {int(value)}" if whole and "whole" in expected else ""
        return "wrong-type", message, hint

    return describe


def _out_of_range(sign: str, key: str) -> Any:
    def describe(
        path: Path, value: Any, context: Mapping[str, Any], detail: Mapping[str, Any]
    ) -> Description:
        limit = context[key]
        limit = (
            f"{limit:,}".replace(",", "") if isinstance(limit, int) else f"{limit:g}"
        )
        return "out-of-range", f"is {quote(value)}, expected {sign} {limit}", ""

    return describe


def _pattern(
    path: Path, value: Any, context: Mapping[str, Any], detail: Mapping[str, Any]
) -> Description:
    hint = "take a letter, then up to 63 letters, digits or _"
    return "wrong-value", f"is {quote(value)}, not a name", hint


def _too_long(
    path: Path, value: Any, context: Mapping[str, Any], detail: Mapping[str, Any]
) -> Description:
    most = context["max_length"]
    message = f"has {len(value)} characters, at most {most} are allowed"
    return "out-of-range", message, "shorten it"


def _other(
    path: Path, value: Any, context: Mapping[str, Any], detail: Mapping[str, Any]
) -> Description:
    message = detail["msg"][0].lower() + detail["msg"][1:]
    return "wrong-value", f"is {quote(value)}: {message}", ""


_OBJECT = _wrong_type("an object")
_KIND = _wrong_type('the name of a kind, or an object with a "kind"')

_DESCRIBED: Mapping[str, Any] = {
    "extra_forbidden": _unknown_key,
    "union_tag_invalid": _unknown_kind,
    "union_tag_not_found": lambda path, value, context, detail: (
        "missing-key",
        'has no "kind"',
        'add "kind"',
    ),
    "literal_error": _unknown_literal,
    "missing": _missing,
    "model_type": _OBJECT,
    "model_attributes_type": _KIND,
    "dict_type": _OBJECT,
    "tuple_type": _wrong_type("an array"),
    "int_type": _wrong_type("a whole number"),
    "int_from_float": _wrong_type("a whole number"),
    "float_type": _wrong_type("a number"),
    "string_type": _wrong_type("a string"),
    "finite_number": _wrong_type("a finite number"),
    "greater_than": _out_of_range("more than", "gt"),
    "greater_than_equal": _out_of_range("at least", "ge"),
    "less_than": _out_of_range("less than", "lt"),
    "less_than_equal": _out_of_range("at most", "le"),
    "string_pattern_mismatch": _pattern,
    "string_too_long": _too_long,
}


# ---- What could have been meant ----------------------------------------------------


def _keys_at(path: Path, loc: tuple[str | int, ...]) -> Iterator[str]:
    """The keys that the spec knows at a place; `loc` still holds a union's tag."""
    held: Any = NetworkSpec
    for part in path:
        if not (isinstance(held, type) and issubclass(held, BaseModel)):
            break
        held = _field(held, part)
        if held is None:
            return
        if part == "layers" and len(path) > 1:
            held = InputLayer if path[1] == 0 else Layer
            if len(path) == 2:
                break
            held = _field(held, path[2])
            break
    if isinstance(held, OneOf):
        tag = loc[-2] if len(loc) > 1 else ""
        entry: Entry | None = held.registry.get(str(tag))
        yield "kind"
        yield from (p.name for p in entry.parameters) if entry else ()
    elif isinstance(held, type) and issubclass(held, BaseModel):
        yield from held.model_fields


def _field(model: type[BaseModel], name: str | int) -> Any:
    """What a field holds: a section's class, or the OneOf of an operator."""
    field = model.model_fields.get(str(name))
    if field is None:
        return None
    choices = [part for part in field.metadata if isinstance(part, OneOf)]
    return choices[0] if choices else field.annotation


def _elsewhere(word: str) -> str | None:
    """Where in the spec the nearest key of another level stands, as a dotted path."""
    places: dict[str, str] = {}
    for prefix, model in _sections(NetworkSpec, ""):
        for key in model.model_fields:
            places.setdefault(key, prefix + key)
    for key in Layer.model_fields:
        places.setdefault(key, f"layers[1].{key}")
    for short, key in _ABBREVIATIONS.items():
        if key in places:
            places.setdefault(short, places[key])
    near = nearest(word, places)
    return places[near] if near else None


def _sections(
    model: type[BaseModel], prefix: str
) -> Iterator[tuple[str, type[BaseModel]]]:
    yield prefix, model
    for name, field in model.model_fields.items():
        held = field.annotation
        if isinstance(held, type) and issubclass(held, BaseModel):
            yield from _sections(held, f"{prefix}{name}.")


#: What other tools call the same thing.
_ABBREVIATIONS: Mapping[str, str] = {
    "lr": "learning_rate",
    "eta": "learning_rate",
    "lmbda": "l2",
    "weight_decay": "l2",
    "batch_size": "mini_batch_size",
    "loss": "cost",
    "random_state": "seed",
    "max_iter": "epochs",
}
