"""Where two normalised specs differ, value by value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bpcompile.compare.align import Match
from bpcompile.compare.difference import Setting

LAYERS = "layers"


def outside_layers(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Setting]:
    """All that differs but the layers, in the order of the specs."""
    before, after = (
        {key: value for key, value in spec.items() if key != LAYERS} for spec in (a, b)
    )
    return changes(before, after)


def whole_spec(
    a: Mapping[str, Any], b: Mapping[str, Any], matches: Sequence[Match]
) -> Iterator[Setting]:
    """All that differs; what only has another number because of others is no change."""
    for key in _keys(a, b):
        if key == LAYERS:
            for match in matches:
                yield from layer_settings(a, b, match)
        else:
            yield from changes(a.get(key), b.get(key), f"/{key}", f"/{key}")


def layer_settings(
    a: Mapping[str, Any], b: Mapping[str, Any], match: Match
) -> Iterator[Setting]:
    """What differs in a layer; the layer itself where it came, went or moved."""
    was, path = (f"/{LAYERS}/{i - 1}" if i else "" for i in (match.left, match.right))
    before, after = (
        spec[LAYERS][i - 1] if i else None
        for spec, i in ((a, match.left), (b, match.right))
    )
    if before is None or after is None or match.moved:
        yield Setting(path, was, before, after)
    else:
        yield from changes(before, after, path, was)


def changes(
    before: Any, after: Any, path: str = "", was: str = ""
) -> Iterator[Setting]:
    """The values that differ below a path of b and where a has the same."""
    todo = [(before, after, path, was)]
    while todo:
        before, after, path, was = todo.pop()
        if before == after:
            continue
        both = isinstance(before, Mapping) and isinstance(after, Mapping)
        # Another kind has other parameters: then the whole is what changed.
        if both and before.get("kind") == after.get("kind"):
            for key in reversed(_keys(before, after)):
                here, there = (f"{place}/{_escaped(key)}" for place in (path, was))
                todo.append((before.get(key), after.get(key), here, there))
        else:
            here = "" if after is None else path
            yield Setting(here, "" if before is None else was, before, after)


def _keys(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """In the order of b; what only a has comes after what precedes it there."""
    keys = list(b)
    last = -1
    for key in a:
        if key in b:
            last = keys.index(key)
        else:
            last += 1
            keys.insert(last, key)
    return keys


def _escaped(key: str) -> str:
    """A key in a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
