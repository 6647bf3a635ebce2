"""The tables of docs/spec.md: keys from the JSON Schema, operators from their entries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bpcompile.expr import BOOK, Apply, Const, Expr, spell
from bpcompile.operators import (
    ACTIVATIONS,
    COSTS,
    INITIALIZERS,
    OPTIMIZERS,
    REGULARIZERS,
    SCALINGS,
    SCHEDULES,
)
from bpcompile.operators.entry import TARGETS, Activation, Cost, Entry, Parameter
from bpcompile.schema import json_schema
from bpcompile.spec import NetworkSpec

#: As the book writes one neuron's numbers: a product of them has no sign.
SCALAR = {**BOOK, "mul": "{0} {1}"}


class _Name(str):
    """A name in a formula where the code would print a number."""

    def __format__(self, spec: str) -> str:
        return str(self)


class _Names(dict[str, Any]):
    def __missing__(self, key: str) -> _Name:
        return _Name(key)


class Tables:
    """What the template asks for; `plots` are the names of those there are."""

    def __init__(self, plots: tuple[str, ...]) -> None:
        self.plots = plots
        self.schema = json_schema()

    # ---- Keys --------------------------------------------------------------------

    def keys(self, *path: str) -> str:
        """The keys of a section: at the top, of a definition or of a field."""
        node = self._section(path)
        rows = [
            (f"`{key}`", _default(key, held, node), self._limits(held), _meaning(held))
            for key, held in node["properties"].items()
        ]
        return _table(("key", "default", "may be", "meaning"), rows)

    def _section(self, path: tuple[str, ...]) -> dict[str, Any]:
        node = self.schema
        for key in path:
            node = node["definitions"].get(key) or node["properties"][key]
            options = node.get("anyOf", [node])
            node = next(option for option in options if "properties" in option)
            node = {"definitions": self.schema["definitions"], **node}
        return node

    def _limits(self, node: Mapping[str, Any]) -> str:
        if "allOf" in node:
            name = node["allOf"][0]["$ref"].rpartition("/")[2]
            return f"see `{name}` below"
        if "anyOf" in node:
            # That null may stand for none is said once.
            options = [o for o in node["anyOf"] if o.get("type") != "null"]
            return " or ".join(map(self._limits, options))
        if "const" in node or "enum" in node:
            words = node.get("enum", [node.get("const")])
            return ", ".join(f"`{word}`" for word in words)
        kind = node.get("type", "")
        if kind == "object":
            return "an object"
        if kind == "array":
            return self._array(node)
        if kind == "string":
            return _text_limits(node)
        return _number_limits(node) if kind in ("number", "integer") else str(kind)

    def _array(self, node: Mapping[str, Any]) -> str:
        least, most = node.get("minItems"), node.get("maxItems")
        held = node["items"]
        inner = "" if isinstance(held, list) else f", each {self._limits(held)}"
        count = f", {least} to {most:,}" if least and most else ""
        return f"an array{count}{inner}"

    # ---- Operators ---------------------------------------------------------------

    def activations(self) -> str:
        rows = [
            (f"`{k}`", _formula(e), str(e.interval).replace("inf", "∞"), e.description)
            for k, e in ACTIVATIONS.items()
        ]
        parts = [_table(("`activation`", "a = σ(z)", "values", ""), rows)]
        parts += [
            self._one(e, "activation", _of_activation(e)) for e in _all(ACTIVATIONS)
        ]
        return "\n".join(filter(None, parts))

    def costs(self) -> str:
        rows = [
            (f"`{k}`", _formula(e), _outputs(e), _targets(e)) for k, e in COSTS.items()
        ]
        parts = [_table(("`cost`", "C_x", "goes with output", "y"), rows)]
        parts += [self._one(entry, "cost", _of_cost(entry)) for entry in _all(COSTS)]
        return "\n".join(filter(None, parts))

    def schedules(self) -> str:
        rows = [(f"`{k}`", _formula(e), e.description) for k, e in SCHEDULES.items()]
        parts = [_table(("`schedule`", "the learning rate", ""), rows)]
        parts += [self._one(entry, "schedule", ()) for entry in _all(SCHEDULES)]
        return "\n".join(filter(None, parts))

    def optimizers(self) -> str:
        rows = [
            (f"`{k}`", _formula(e, p="w"), e.description, e.source)
            for k, e in OPTIMIZERS.items()
        ]
        head = ("`optimizer`", "step of a parameter w", "", "source")
        return _table(head, rows) + _parameters(OPTIMIZERS)

    def initializers(self) -> str:
        rows = [(f"`{k}`", _formula(e), e.description) for k, e in INITIALIZERS.items()]
        return _table(("`initializer`", "values", ""), rows) + _parameters(INITIALIZERS)

    def scalings(self) -> str:
        rows = [
            (
                f"`{k}`",
                _formula(e),
                "by the first `train`" if e.fitted else "",
                e.description,
            )
            for k, e in SCALINGS.items()
        ]
        head = ("`scaling`", "inputs become", "fitted", "")
        return _table(head, rows) + _parameters(SCALINGS)

    def regularizers(self) -> str:
        rows = [
            (f"`{k}`", e.penalty_formula, e.gradient_formula, e.description)
            for k, e in REGULARIZERS.items()
        ]
        head = ("`regularization`", "added to the cost", "to the gradient of w", "")
        return _table(head, rows)

    def _one(self, entry: Entry, group: str, facts: tuple[str, ...]) -> str:
        """What there is to say of one operator beyond its row, with its plot."""
        name = f"{group}_{entry.kind}"
        drawn = name in self.plots
        if not (facts or entry.parameters or drawn):
            return ""
        lines = [f"### `{entry.kind}`", ""]
        lines += [f"- {fact}" for fact in facts]
        if entry.parameters:
            lines += [""] * bool(facts) + [
                _parameter_table(((entry, entry.parameters),))
            ]
        if drawn:
            lines += ["", f"![{entry.kind}](plots/{name}.svg)"]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


# ---- Facts of an entry ---------------------------------------------------------------


def _all(registry: Mapping[str, Any]) -> Iterator[Any]:
    yield from registry.values()


def _formula(entry: Any, **names: str) -> str:
    given: str = entry.formula.format_map(_Names(names))
    return given


def _of_activation(entry: Activation) -> tuple[str, ...]:
    slope = f"Jᵀg = {entry.vjp_formula}"
    if entry.derivative is not None:
        slope = f"σ'(z) = {_spelled(entry.derivative)}"
    if entry.kink:
        slope += f"; {entry.kink}"
    facts = [slope, f"values: {entry.interval}".replace("inf", "∞")]
    if entry.output_only:
        facts.append(f"output layer only, of {entry.least_size} neurons or more")
    if entry.codes_minus_one:
        facts.append("class labels are coded -1 and 1")
    if entry.classifies:
        facts.append("as an output it makes the task a classification")
    return tuple(facts)


def _of_cost(entry: Cost) -> tuple[str, ...]:
    facts = [
        f"∂C/∂a = {_spelled(entry.gradient)}",
        f"y: {_targets(entry)}",
        f"goes with output: {_outputs(entry)}",
    ]
    for kind, fused in entry.fused.items():
        error = _spelled(fused.error)
        facts.append(f"with {kind}, δ = {error}, as {fused.reason}")
    if entry.classifies:
        facts.append("makes the task a classification")
    if entry.codes_minus_one:
        facts.append("class labels are coded -1 and 1")
    return tuple(facts)


def _targets(entry: Cost) -> str:
    return TARGETS[entry.targets]


def _outputs(entry: Cost) -> str:
    """The output activations that a spec may give it, by the spec's own rules."""
    kinds = [kind for kind, output in ACTIVATIONS.items() if _fits(entry, output)]
    return (
        "any" if len(kinds) == len(ACTIVATIONS) else ", ".join(f"`{k}`" for k in kinds)
    )


def _fits(cost: Cost, output: Activation) -> bool:
    layer = {"size": output.least_size, "activation": _least(output)}
    try:
        NetworkSpec.model_validate({"layers": (1, layer), "cost": _least(cost)})
    except ValueError:
        return False
    return True


def _least(entry: Entry) -> dict[str, Any]:
    """An operator as a spec gives it, with those parameters alone that it needs."""
    required = [p for p in entry.parameters if p.default is None]
    values = {p.name: (p.above or p.at_least or 0.0) + 1.0 for p in required}
    return {"kind": entry.kind, **values}


def _spelled(tree: Expr) -> str:
    return re.sub(r"\^2\b", "²", spell(_squared(tree), SCALAR, {}))


def _squared(tree: Expr) -> Expr:
    """The tree with x x as a power, for reading alone."""
    if not isinstance(tree, Apply):
        return tree
    args = tuple(_squared(arg) for arg in tree.args)
    if tree.primitive == "mul" and args[0] == args[1]:
        return Apply("pow", (args[0], Const(2)))
    return Apply(tree.primitive, args)


# ---- Parameters ------------------------------------------------------------------------


def _parameters(registry: Mapping[str, Entry]) -> str:
    """The parameters of a whole registry: those that many share are one row."""
    with_some = tuple((e, e.parameters) for e in registry.values() if e.parameters)
    return "\n" + _parameter_table(with_some) if with_some else ""


def _parameter_table(held: tuple[tuple[Entry, tuple[Parameter, ...]], ...]) -> str:
    owners: dict[Parameter, list[str]] = {}
    for entry, parameters in held:
        for parameter in parameters:
            owners.setdefault(parameter, []).append(f"`{entry.kind}`")
    rows = [
        (
            f"`{p.name}`",
            *([", ".join(kinds)] if len(held) > 1 else []),
            "required" if p.default is None else _shown(p.default),
            _range(p),
            p.description,
        )
        for p, kinds in owners.items()
    ]
    of = ("of",) if len(held) > 1 else ()
    return _table(("parameter", *of, "default", "may be", "meaning"), rows)


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
    return _number_limits({k: v for k, v in bounds.items() if v is not None})


# ---- Words -----------------------------------------------------------------------------


def _default(key: str, node: Mapping[str, Any], section: Mapping[str, Any]) -> str:
    if key in section.get("required", ()):
        return "required"
    return _shown(node["default"]) if "default" in node else "none"


def _shown(value: Any) -> str:
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


def _meaning(node: Mapping[str, Any]) -> str:
    example = json.dumps(node["examples"][0]) if "examples" in node else ""
    return str(node["description"]) + (f", such as `{example}`" if example else "")


def _text_limits(node: Mapping[str, Any]) -> str:
    if "pattern" in node:
        return f"text like `{node['pattern']}`"
    if "maxLength" in node:
        return f"text, up to {node['maxLength']:,} characters"
    return "text"


def _number_limits(node: Mapping[str, Any]) -> str:
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


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"

    rule = "|" + "---|" * len(head)
    return "\n".join([line(head), rule, *map(line, rows)]) + "\n"
