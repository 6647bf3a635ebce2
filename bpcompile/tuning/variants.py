"""Values of a space's parameters -> the assignments that make a variant of a spec.

A parameter is called by its path in the spec, `layers[2].size` of a hidden layer; the
number of these is `hidden_layers`, and what they share is `hidden_layers.activation`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bpcompile.source import Document
from bpcompile.tuning.space import HiddenLayers, Space, Values

#: Asks for the value of a parameter: its name, the values that it may take.
Ask = Callable[[str, Values], Any]

HIDDEN, SIZE = "hidden_layers", "size"


def chosen(space: Space, ask: Ask) -> dict[str, Any]:
    """A value for every parameter that there is, by its name."""
    found = {path: ask(path, values) for path, values in space.set.items()}
    hidden = space.hidden_layers
    if hidden is None:
        return found
    count = ask(HIDDEN, hidden.count)
    found[HIDDEN] = count
    shared = {key: values for key, values in hidden.keys.items() if values.shared}
    for key, values in shared.items():
        found[f"{HIDDEN}.{key}"] = ask(f"{HIDDEN}.{key}", values)
    for number in range(1, count + 1):
        for key, values in hidden.keys.items():
            if key not in shared:
                name = f"layers[{number}].{key}"
                found[name] = ask(name, values)
    return found


def assignments(
    document: Document, space: Space, values: Mapping[str, Any]
) -> tuple[str, ...]:
    """Each PATH=VALUE that makes the variant: what `--set` of the compiler takes.

    Parameters without a value stay as the spec has them. The layers come first, so that a path into one of them finds it.
    """
    hidden = space.hidden_layers if HIDDEN in values else None
    first = () if hidden is None else (_layers(document, hidden, values),)
    paths = (path for path in space.set if path in values)
    return (*first, *(f"{path}={json.dumps(values[path])}" for path in paths))


def _layers(document: Document, hidden: HiddenLayers, values: Mapping[str, Any]) -> str:
    """All of the spec's layers with others between the first and the last.

    The k-th of these is the spec's own k-th, or like its last where it has fewer.
    """
    first, *between, last = document.value["layers"]
    own = [{"size": n} if isinstance(n, int) else n for n in between] or [{}]
    found = []
    for number in range(1, values[HIDDEN] + 1):
        layer = own[min(number, len(own)) - 1]
        found.append({**layer, **dict(_held(hidden, values, number))})
    return f"layers={json.dumps([first, *found, last])}"


def _held(
    hidden: HiddenLayers, values: Mapping[str, Any], number: int
) -> Iterator[tuple[str, Any]]:
    for key, held in hidden.keys.items():
        name = f"{HIDDEN}.{key}" if held.shared else f"layers[{number}].{key}"
        if name in values:
            yield key, values[name]
