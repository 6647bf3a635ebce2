"""Pydantic's findings as the contract's messages: the place, the mistake, the fix."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from bpcompile import __version__
from bpcompile.conflicts import Conflict
from bpcompile.errors import MAX_QUOTED, SpecError, SpecErrors, format_error, quote
from bpcompile.fields import OneOf
from bpcompile.meant import Held, key_elsewhere, keys_of, meant_key, meant_kind, walk
from bpcompile.operators.entry import Entry
from bpcompile.own import own_kinds
from bpcompile.records import dataclass
from bpcompile.sections import InputLayer, Layer, Stack
from bpcompile.source import Document, pointer
from bpcompile.spec import MAX_NAME, NAME, NetworkSpec, Path

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?")


@dataclass(frozen=True)
class _Detail:
    """One of Pydantic's findings, in the user's terms.

    path    where, without the tags of unions
    held    what the spec knows at that path; `holder`, one level up
    """

    path: Path
    held: Held
    holder: Held
    value: Any
    context: Mapping[str, Any]


@dataclass(frozen=True)
class _Finding:
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


def validate(document: Document) -> NetworkSpec:
    """The spec in a document; SpecErrors with every mistake and its place."""
    try:
        return NetworkSpec.model_validate(document.value)
    except ValidationError as failure:
        found = [
            finding
            for detail in failure.errors(include_url=False)
            for finding in _translated(dict(detail), document)
        ]
    # A misspelt key is one mistake, though the right one is missing then.
    instead = {finding.instead for finding in found if finding.instead}
    raise SpecErrors(
        _error(document, finding)
        for finding in dict.fromkeys(found)
        if finding.code != "missing-key" or finding.path not in instead
    )


def _translated(detail: dict[str, Any], document: Document) -> Iterator[_Finding]:
    context = detail.get("ctx", {})
    if detail["type"] == "conflict":
        yield from map(_of_conflict, context["conflicts"])
        return
    path, holder, held = walk(detail["loc"])
    if isinstance(held, OneOf) and held.own:
        own = {kind: Entry(kind, "") for kind in own_kinds(document.value, held.own)}
        held = replace(held, registry={**held.registry, **own})
    describe = _DESCRIBED.get(detail["type"], _other(detail["msg"]))
    finding = describe(_Detail(path, held, holder, detail["input"], context))
    yield _Finding(
        finding.code,
        finding.message,
        finding.hint,
        path if finding.path is None else finding.path,
        finding.instead,
    )


def _of_conflict(conflict: Conflict) -> _Finding:
    code = "conflict" if conflict.path[:1] != ("operators",) else "formula"
    message, hint, path = conflict.message, conflict.hint, conflict.path
    return _Finding(code, message, hint, path, span=conflict.span, key=conflict.key)


def warnings(spec: NetworkSpec, document: Document) -> list[str]:
    """What the user should know of a valid spec: each a text as errors have, to print.

    Its formulas may leave the range of the dtype somewhere.
    """
    found = (_error(document, _of_conflict(worry)) for worry in spec.own.worries)
    return [format_error(error, "warning") for error in found]


def _error(document: Document, finding: _Finding) -> SpecError:
    path = finding.path or ()
    if path[-1:] == ("kind",) and path not in document.marks:
        path = path[:-1]  # a string that is short for an object
    place = document.place(path, key=finding.key or finding.code == "unknown-key")
    if finding.span:
        place = document.place_within(path, *finding.span)
    message = f"{_shown(path) or 'the spec'} {finding.message}"
    return SpecError(pointer(path), place, finding.code, message, finding.hint)


def _shown(path: Path) -> str:
    """The pointer for a message: an unknown key may have megabytes."""
    cut = (s[:MAX_QUOTED] + "..." if len(s) > MAX_QUOTED else s for s in map(str, path))
    return pointer(tuple(cut))


# ---- What each kind of finding says ------------------------------------------------


def _unknown_key(detail: _Detail) -> _Finding:
    word, keys = str(detail.path[-1]), keys_of(detail.holder)
    message = "is not a key of the spec"
    if isinstance(detail.holder, Entry):
        message = f"is not a parameter of {detail.holder.kind}"
    if not keys:
        return _Finding("unknown-key", message, "it has none")
    hint, instead = "", None
    if meant := meant_key(word, keys):
        hint, instead = f'did you mean "{meant}"?', (*detail.path[:-1], meant)
    elif detail.holder is InputLayer and word in Layer.model_fields:
        hint = "the first layer is the input, which has none"
    elif elsewhere := key_elsewhere(word):
        key, place = elsewhere
        hint = f'did you mean "{key}" {place}?'
    return _Finding("unknown-key", message, _listed(hint, keys), instead=instead)


def _unknown_kind(detail: _Detail) -> _Finding:
    assert isinstance(detail.held, OneOf)
    path = (*detail.path, "kind")
    # A string is short for an object, and has become one by now.
    kind = detail.value["kind"]
    if not isinstance(kind, str):
        message = f"is {quote(kind)}, expected a string"
        hint = _listed("", detail.held.registry)
        return _Finding("wrong-type", message, hint, path)
    if kind in detail.held.registry:
        # One of the spec's own, else it would have been found.
        key = next(key for key in detail.value if key != "kind")
        message = f"is not a parameter of {kind}"
        return _Finding("unknown-key", message, "it has none", (*detail.path, key))
    return _unknown_word(kind, detail.held.registry, path)


def _unknown_literal(detail: _Detail) -> _Finding:
    allowed = detail.context["expected"].replace(" or ", ", ").split(",")
    if detail.path == ("version",):
        message = f"is {quote(detail.value)}, which bpcompile {__version__} cannot read"
        return _Finding("unknown-value", message, f"write {allowed[0]}")
    return _unknown_word(detail.value, [word.strip(" '") for word in allowed])


def _unknown_word(word: Any, words: Any, path: Path | None = None) -> _Finding:
    near = meant_kind(word, words) if isinstance(word, str) else None
    hint = _listed(f'did you mean "{near}"?' if near else "", words)
    return _Finding("unknown-value", f"is {quote(word)}", hint, path)


def _listed(hint: str, words: Any) -> str:
    choice = f"one of: {', '.join(words)}"
    return f"{hint} ({choice})" if hint else choice


def _no_kind(detail: _Detail) -> _Finding:
    assert isinstance(detail.held, OneOf)
    hint = _listed('add "kind"', detail.held.registry)
    return _Finding("missing-key", 'has no "kind"', hint)


def _missing(detail: _Detail) -> _Finding:
    if isinstance(detail.holder, Stack):
        # Pydantic says it of each layer that is missing.
        message = "has fewer than two layers"
        hint = "the first is the input, the last the output"
        return _Finding("out-of-range", message, hint, detail.path[:-1])
    hint = f'add "{detail.path[-1]}"'
    if isinstance(detail.holder, Entry) and len(detail.value) == 1:
        # Perhaps the string that is short for such an object: there is no place to add.
        required = (p.name for p in detail.holder.parameters if p.default is None)
        given = "".join(f', "{name}": ...' for name in required)
        hint = f'write {{"kind": "{detail.holder.kind}"{given}}}'
    return _Finding("missing-key", "is missing", hint)


def _wrong_type(expected: str) -> Callable[[_Detail], _Finding]:
    def describe(detail: _Detail) -> _Finding:
        value, wanted = detail.value, expected
        if isinstance(detail.holder, Stack):
            wanted = "a whole number or an object"
        number = expected.endswith("number")
        hint = ""
        if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
            hint = f"write {int(value)}" if number else ""
        elif isinstance(value, str) and number and _NUMBER.fullmatch(value):
            hint = f"write {value} without the quotes"
        return _Finding("wrong-type", f"is {quote(value)}, expected {wanted}", hint)

    return describe


def _out_of_range(sign: str, key: str) -> Callable[[_Detail], _Finding]:
    def describe(detail: _Detail) -> _Finding:
        limit = detail.context[key]
        shown = f"{limit:.15g}" if isinstance(limit, float) else f"{limit}"
        message = f"is {quote(detail.value)}, expected {sign} {shown}"
        return _Finding("out-of-range", message)

    return describe


def _inexact(detail: _Detail) -> _Finding:
    message = f"is {quote(detail.value)}, which no float64 holds exactly"
    hint = f"the nearest one is {float(detail.value)!r}"
    return _Finding("out-of-range", message, hint)


def _not_a_name(detail: _Detail) -> _Finding:
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
    return _Finding("wrong-value", message, f"it must match {NAME}")


def _too_long(detail: _Detail) -> _Finding:
    most = detail.context["max_length"]
    message = f"has {len(detail.value)} characters, at most {most} are allowed"
    return _Finding("out-of-range", message)


def _not_bounds(detail: _Detail) -> _Finding:
    message = f"is {quote(detail.value)}, expected two bounds"
    return _Finding("wrong-type", message, "such as [0, null]; null is no bound")


def _other(message: str) -> Callable[[_Detail], _Finding]:
    def describe(detail: _Detail) -> _Finding:
        said = f"is {quote(detail.value)}: {message[:1].lower()}{message[1:]}"
        return _Finding("wrong-value", said)

    return describe


#: By Pydantic's own names of its findings, and those that spec.py adds.
_DESCRIBED: Mapping[str, Callable[[_Detail], _Finding]] = {
    "extra_forbidden": _unknown_key,
    "union_tag_invalid": _unknown_kind,
    "union_tag_not_found": _no_kind,
    "literal_error": _unknown_literal,
    "missing": _missing,
    "model_type": _wrong_type("an object"),
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
    "dict_type": _wrong_type("an object"),
    "string_pattern_mismatch": _not_a_name,
    "string_too_long": _too_long,
}
