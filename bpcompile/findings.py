"""What each kind of Pydantic's findings says: the mistake, and the fix."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from bpcompile import __version__
from bpcompile.errors import nearest, quote
from bpcompile.fields import OneOf
from bpcompile.meant import (
    Held,
    key_elsewhere,
    keys_of,
    meant_key,
    meant_kind,
    never_said,
)
from bpcompile.operators.entry import Entry
from bpcompile.records import dataclass
from bpcompile.sections import InputLayer, Layer, Stack
from bpcompile.spec import MAX_NAME, NAME, Path

#: A key that may be any of those that are missing.
ANY = "*"

_OBJECT = "an object"
_LEAVE_OUT = "leave it out"
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?")


@dataclass(frozen=True)
class Detail:
    """One of Pydantic's findings, in the user's terms.

    path    where, without the tags of unions
    held    what the spec knows at that path; `holder`, one level up
    shown   how the value is echoed
    guess   whether it is worth the time to find what was meant
    """

    path: Path
    held: Held
    holder: Held
    value: Any
    shown: str
    context: Mapping[str, Any]
    guess: bool


@dataclass(frozen=True)
class Finding:
    """What to say of it; `instead` is the path that an unknown key was meant for.

    span    of the text at the path that is meant; `key`: the key is, not its value
    """

    code: str
    message: str
    hint: str = ""
    path: Path | None = None
    instead: Path | None = None
    span: tuple[int, int] | None = None
    key: bool = False


def described(kind: str, detail: Detail, said: str) -> Finding:
    """What to say of a finding of that kind; of an unknown one what Pydantic has said."""
    return _DESCRIBED.get(kind, _other(said))(detail)


def _unknown_key(detail: Detail) -> Finding:
    word, keys = str(detail.path[-1]), keys_of(detail.holder)
    message = "is not a key of the spec"
    if isinstance(detail.holder, Entry):
        message = f"is not a parameter of {detail.holder.kind}"
    hint, instead = "", None
    if not detail.guess:
        instead = (*detail.path[:-1], ANY)
    elif said := never_said(word, detail.holder):
        hint = said
    elif meant := meant_key(word, keys):
        hint, instead = f'did you mean "{meant}"?', (*detail.path[:-1], meant)
    elif detail.holder is InputLayer and word in Layer.model_fields:
        hint = "the first layer is the input, which has none"
    elif elsewhere := key_elsewhere(word):
        hint = f"did you mean {elsewhere}?"
    if not keys:
        return Finding("unknown-key", f"{message}, which has none", hint or _LEAVE_OUT)
    return Finding("unknown-key", message, _listed(hint, keys), instead=instead)


def _unknown_kind(detail: Detail) -> Finding:
    assert isinstance(detail.held, OneOf)
    path = (*detail.path, "kind")
    # A string is short for an object, and has become one by now.
    kind = detail.value["kind"]
    if not isinstance(kind, str):
        message = f"is {quote(kind)}, expected a string"
        hint = _listed("", detail.held.registry)
        return Finding("wrong-type", message, hint, path)
    if kind in detail.held.registry:
        # One of the spec's own, else it would have been found.
        key = next(key for key in detail.value if key != "kind")
        message = f"is not a parameter of {kind}, which has none"
        return Finding("unknown-key", message, _LEAVE_OUT, (*detail.path, key))
    return _unknown_word(kind, detail.held.registry, detail.guess, path)


def _unknown_literal(detail: Detail) -> Finding:
    allowed = detail.context["expected"].replace(" or ", ", ").split(",")
    if detail.path == ("version",):
        message = f"is {quote(detail.value)}, which bpcompile {__version__} cannot read"
        return Finding("unknown-value", message, f"write {allowed[0]}")
    words = [word.strip(" '") for word in allowed]
    return _unknown_word(detail.value, words, detail.guess)


def _unknown_word(
    word: Any, words: Any, guess: bool, path: Path | None = None
) -> Finding:
    near = meant_kind(word, words) if guess and isinstance(word, str) else None
    hint = _listed(f'did you mean "{near}"?' if near else "", words)
    return Finding("unknown-value", f"is {quote(word)}", hint, path)


def _listed(hint: str, words: Any) -> str:
    choice = f"one of: {', '.join(words)}"
    return f"{hint} ({choice})" if hint else choice


def _no_kind(detail: Detail) -> Finding:
    assert isinstance(detail.held, OneOf)
    # Perhaps it stands there under another name.
    names = (
        f'write "kind" for {quote(key)}'
        for key, word in detail.value.items()
        if isinstance(word, str) and meant_kind(word, detail.held.registry)
    )
    hint = _listed(next(names, 'add "kind"'), detail.held.registry)
    return Finding("missing-key", 'has no "kind"', hint, (*detail.path, "kind"))


def _missing(detail: Detail) -> Finding:
    if isinstance(detail.holder, Stack):
        # Pydantic says it of each layer that is missing.
        message = "has fewer than two layers"
        hint = "the first is the input, the last the output"
        return Finding("out-of-range", message, hint, detail.path[:-1])
    hint = f'add "{detail.path[-1]}"'
    if isinstance(detail.holder, Entry) and len(detail.value) == 1:
        # Perhaps the string that is short for such an object: there is no place to add.
        required = (p.name for p in detail.holder.parameters if p.default is None)
        given = "".join(f', "{name}": ...' for name in required)
        hint = f'write {{"kind": "{detail.holder.kind}"{given}}}'
    return Finding("missing-key", "is missing", hint)


def _wrong_type(expected: str) -> Callable[[Detail], Finding]:
    def describe(detail: Detail) -> Finding:
        value, wanted = detail.value, expected
        if isinstance(detail.holder, Stack):
            wanted = "a whole number or an object"
        hint = ""
        number = "number" in wanted
        if isinstance(value, str) and number and _NUMBER.fullmatch(value):
            hint = f"write {value} without the quotes"
        elif expected == _OBJECT and keys_of(detail.held):
            hint = f"such as {_example(detail)}"
        elif isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
            hint = f"write {int(value)}" if number else ""
        return Finding("wrong-type", f"is {detail.shown}, expected {wanted}", hint)

    return describe


def _example(detail: Detail) -> str:
    """An object with the keys that a section must have, or with one that it may have:
    the one that was perhaps meant."""
    assert isinstance(detail.held, type)
    fields = detail.held.model_fields
    required = [name for name, field in fields.items() if field.is_required()]
    word = detail.value if isinstance(detail.value, str) else ""
    keys = required or [nearest(word, fields) or next(iter(fields))]
    inside = ", ".join(f'"{key}": ...' for key in keys)
    return f"{{{inside}}}"


def _out_of_range(sign: str, key: str) -> Callable[[Detail], Finding]:
    def describe(detail: Detail) -> Finding:
        limit = detail.context[key]
        shown = f"{limit:.15g}" if isinstance(limit, float) else f"{limit}"
        message = f"is {detail.shown}, expected {sign} {shown}"
        return Finding("out-of-range", message)

    return describe


def _inexact(detail: Detail) -> Finding:
    message = f"is {detail.shown}, which no float64 holds exactly"
    hint = f"the nearest one is {float(detail.value)!r}"
    return Finding("out-of-range", message, hint)


def _not_a_name(detail: Detail) -> Finding:
    name, wrong = detail.value, re.sub("[A-Za-z0-9_]", "", detail.value)[:1]
    message = f"is {quote(name)}, which does not begin with a letter"
    if not name:
        message = "is empty"
    elif wrong and wrong in "/\\.:":
        message = f"is {quote(name)}, which holds {quote(wrong)}: a name is not a path"
    elif wrong:
        shown = quote(wrong) if " " <= wrong <= "~" else f"U+{ord(wrong):04X}"
        message = f"is {quote(name)}, which holds {shown}"
    elif len(name) > MAX_NAME:
        message = f"has {len(name)} characters, at most {MAX_NAME} are allowed"
    return Finding("wrong-value", message, f"it must match {NAME}")


def _too_long(detail: Detail) -> Finding:
    most = detail.context["max_length"]
    message = f"has {len(detail.value)} characters, at most {most} are allowed"
    return Finding("out-of-range", message)


def _not_bounds(detail: Detail) -> Finding:
    message = f"is {quote(detail.value)}, expected two bounds"
    return Finding("wrong-type", message, "such as [0, null]; null is no bound")


def _other(message: str) -> Callable[[Detail], Finding]:
    def describe(detail: Detail) -> Finding:
        said = f"is {quote(detail.value)}: {message[:1].lower()}{message[1:]}"
        return Finding("wrong-value", said)

    return describe


#: By Pydantic's own names of its findings, and those that spec.py adds.
_DESCRIBED: Mapping[str, Callable[[Detail], Finding]] = {
    "extra_forbidden": _unknown_key,
    "union_tag_invalid": _unknown_kind,
    "union_tag_not_found": _no_kind,
    "literal_error": _unknown_literal,
    "missing": _missing,
    "model_type": _wrong_type(_OBJECT),
    "model_attributes_type": _wrong_type('a string or an object with a "kind"'),
    "tuple_type": _wrong_type("an array"),
    "int_type": _wrong_type("a whole number"),
    "float_type": _wrong_type("a number"),
    "string_type": _wrong_type("a string"),
    "greater_than": _out_of_range("more than", "gt"),
    "greater_than_equal": _out_of_range("at least", "ge"),
    "less_than_equal": _out_of_range("at most", "le"),
    "less_than": _out_of_range("less than", "lt"),
    "inexact": _inexact,
    "bounds": _not_bounds,
    "dict_type": _wrong_type(_OBJECT),
    "string_pattern_mismatch": _not_a_name,
    "string_too_long": _too_long,
}
