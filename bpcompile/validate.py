"""Pydantic's findings as the contract's messages, each at its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from bpcompile.conflicts import Conflict
from bpcompile.errors import MAX_QUOTED, SpecError, SpecErrors, quote
from bpcompile.fields import OneOf
from bpcompile.findings import ANY, Detail, Finding, described
from bpcompile.meant import walk
from bpcompile.operators.entry import Entry
from bpcompile.own import own_kinds
from bpcompile.source import Document, pointer
from bpcompile.spec import NetworkSpec, Path

#: How many mistakes are told what was probably meant: for each the time is spent anew.
MAX_GUESSED = 100


def validate(document: Document) -> NetworkSpec:
    """The spec in a document; SpecErrors with every mistake and its place.

    Of very many mistakes, only the first are told which word was probably meant.
    """
    try:
        return NetworkSpec.model_validate(document.value)
    except ValidationError as failure:
        details = [dict(detail) for detail in failure.errors(include_url=False)]
    if len(details) > MAX_GUESSED:
        details.sort(key=lambda detail: _offset(detail, document))
    found = [
        finding
        for count, detail in enumerate(details)
        for finding in _translated(detail, document, count < MAX_GUESSED)
    ]
    # A misspelt key is one mistake, though the right one is missing then.
    instead = {finding.instead for finding in found if finding.instead}
    raise SpecErrors(
        _error(document, finding)
        for finding in dict.fromkeys(found)
        if finding.code != "missing-key"
        or not finding.path
        or not instead & {finding.path, (*finding.path[:-1], ANY)}
    )


def _offset(detail: Mapping[str, Any], document: Document) -> tuple[int, int]:
    path, _, _ = walk(detail["loc"])
    place = document.place(path)
    return place.line, place.column


def _translated(
    detail: dict[str, Any], document: Document, guess: bool
) -> Iterator[Finding]:
    context = detail.get("ctx", {})
    if detail["type"] == "conflict":
        yield from map(_of_conflict, context["conflicts"])
        return
    path, holder, held = walk(detail["loc"])
    if isinstance(held, OneOf) and held.own:
        own = {kind: Entry(kind, "") for kind in own_kinds(document.value, held.own)}
        held = replace(held, registry={**held.registry, **own})
    value = detail["input"]
    shown = document.written(path) if isinstance(value, float) else ""
    found = Detail(path, held, holder, value, shown or quote(value), context, guess)
    finding = described(detail["type"], found, detail["msg"])
    yield Finding(
        finding.code,
        finding.message,
        finding.hint,
        path if finding.path is None else finding.path,
        finding.instead,
    )


def _of_conflict(conflict: Conflict) -> Finding:
    code = "conflict" if conflict.path[:1] != ("operators",) else "formula"
    message, hint, path = conflict.message, conflict.hint, conflict.path
    return Finding(code, message, hint, path, span=conflict.span, key=conflict.key)


def warnings(spec: NetworkSpec, document: Document) -> list[SpecError]:
    """What the user should know of a valid spec: its formulas may leave the range of
    the dtype somewhere."""
    found = (_error(document, _of_conflict(worry)) for worry in spec.own.worries)
    return [replace(error, severity="warning") for error in found]


def _error(document: Document, finding: Finding) -> SpecError:
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
