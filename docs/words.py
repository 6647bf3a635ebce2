"""How the tables of docs/spec.md put numbers, words and parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bpcompile.operators.entry import Entry, Parameter


def parameters(registry: Mapping[str, Entry]) -> str:
    """The parameters of a whole registry: those that many share are one row."""
    with_some = tuple((e, e.parameters) for e in registry.values() if e.parameters)
    return "\n" + parameter_table(with_some) if with_some else ""


def parameter_table(held: tuple[tuple[Entry, tuple[Parameter, ...]], ...]) -> str:
    owners: dict[Parameter, list[str]] = {}
    for entry, parameters in held:
        for parameter in parameters:
            owners.setdefault(parameter, []).append(f"`{entry.kind}`")
    rows = [
        (
            f"`{p.name}`",
            *([", ".join(kinds)] if len(held) > 1 else []),
            "required" if p.default is None else shown(p.default),
            _range(p),
            p.description,
        )
        for p, kinds in owners.items()
    ]
    of = ("of",) if len(held) > 1 else ()
    return table(("parameter", *of, "default", "may be", "meaning"), rows)


def _range(parameter: Parameter) -> str:
    if parameter.words:
        return ", ".join(f"`{word}`" for word in parameter.words)
    bounds = {
        "exclusiveMinimum": parameter.above,
        "minimum": parameter.at_least,
        "exclusiveMaximum": parameter.below,
        "maximum": parameter.at_most,
        "type": "integer" if parameter.whole else "number",
    }
    return number_limits({k: v for k, v in bounds.items() if v is not None})


# ---- Words -----------------------------------------------------------------------------


def default(key: str, node: Mapping[str, Any], section: Mapping[str, Any]) -> str:
    if key in section.get("required", ()):
        return "required"
    return shown(node["default"]) if "default" in node else "none"


def shown(value: Any) -> str:
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


def meaning(node: Mapping[str, Any]) -> str:
    example = json.dumps(node["examples"][0]) if "examples" in node else ""
    return str(node["description"]) + (f", such as `{example}`" if example else "")


def text_limits(node: Mapping[str, Any]) -> str:
    if "pattern" in node:
        return f"text like `{node['pattern']}`"
    if "maxLength" in node:
        return f"text, up to {node['maxLength']:,} characters"
    return "text"


def number_limits(node: Mapping[str, Any]) -> str:
    kind = "a whole number" if node["type"] == "integer" else "a number"
    low = high = ""
    if "exclusiveMinimum" in node:
        low = f" above {_figure(node['exclusiveMinimum'])}"
    elif "minimum" in node:
        low = f" from {_figure(node['minimum'])}"
    if "exclusiveMaximum" in node:
        high = f", below {_figure(node['exclusiveMaximum'])}"
    elif "maximum" in node:
        word = " to" if "minimum" in node else ", at most"
        high = f"{word} {_figure(node['maximum'])}"
    return kind + low + high


def _figure(value: float) -> str:
    if value == int(value) and abs(value) < 1e16:
        return f"{int(value):,}"
    return f"{value:g}"


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"

    rule = "|" + "---|" * len(head)
    return "\n".join([line(head), rule, *map(line, rows)]) + "\n"
