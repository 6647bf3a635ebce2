"""The tables of docs/spec.md: keys from the JSON Schema, operators from their entries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from words import (
    default,
    meaning,
    number_limits,
    parameter_table,
    parameters,
    table,
    text_limits,
)

from bpcompile.expr import BOOK, Apply, Const, Expr, spell
from bpcompile.lower_operators import kinks_in_words
from bpcompile.operators import (
    ACTIVATIONS,
    COSTS,
    INITIALIZERS,
    OPTIMIZERS,
    PARALLELS,
    REGULARIZERS,
    SCALINGS,
    SCHEDULES,
)
from bpcompile.operators.entry import Activation, Cost, Entry
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
            (f"`{key}`", default(key, held, node), self._limits(held), meaning(held))
            for key, held in node["properties"].items()
        ]
        return table(("key", "default", "may be", "meaning"), rows)

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
            return text_limits(node)
        return number_limits(node) if kind in ("number", "integer") else str(kind)

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
        parts = [table(("`activation`", "a = σ(z)", "values", ""), rows)]
        parts += [
            self._one(e, "activation", _of_activation(e)) for e in _all(ACTIVATIONS)
        ]
        return "\n".join(filter(None, parts))

    def costs(self) -> str:
        rows = [
            (f"`{k}`", _formula(e), _outputs(e), _targets(e)) for k, e in COSTS.items()
        ]
        parts = [table(("`cost`", "C_x", "goes with output", "y"), rows)]
        parts += [self._one(entry, "cost", _of_cost(entry)) for entry in _all(COSTS)]
        return "\n".join(filter(None, parts))

    def schedules(self) -> str:
        rows = [(f"`{k}`", _formula(e), e.description) for k, e in SCHEDULES.items()]
        parts = [table(("`schedule`", "the learning rate", ""), rows)]
        parts += [self._one(entry, "schedule", ()) for entry in _all(SCHEDULES)]
        return "\n".join(filter(None, parts))

    def optimizers(self) -> str:
        rows = [
            (f"`{k}`", _formula(e, p="w"), e.description, e.source)
            for k, e in OPTIMIZERS.items()
        ]
        head = ("`optimizer`", "step of a parameter w", "", "source")
        return table(head, rows) + parameters(OPTIMIZERS)

    def initializers(self) -> str:
        rows = [(f"`{k}`", _formula(e), e.description) for k, e in INITIALIZERS.items()]
        return table(("`initializer`", "values", ""), rows) + parameters(INITIALIZERS)

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
        return table(head, rows) + parameters(SCALINGS)

    def regularizers(self) -> str:
        rows = [
            (f"`{k}`", e.penalty_formula, e.gradient_formula, e.description)
            for k, e in REGULARIZERS.items()
        ]
        head = ("`regularization`", "added to the cost", "to the gradient of w", "")
        return table(head, rows)

    def parallels(self) -> str:
        rows = [(f"`{k}`", e.description, e.formula) for k, e in PARALLELS.items()]
        return table(("`parallel`", "", "before an update"), rows)

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
                parameter_table(((entry, entry.parameters),))
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
        slope = f"σ'(z) = {_slope(entry)}"
    if entry.kinks:
        slope += f"; {kinks_in_words(entry)}"
    facts = [slope, f"values: {entry.interval}".replace("inf", "∞")]
    if entry.output_only:
        facts.append(f"output layer only, of {entry.least_size} neurons or more")
    if entry.codes_minus_one:
        facts.append("class labels are coded -1 and 1")
    if entry.classifies:
        facts.append("as an output it makes the task a classification")
    return tuple(facts)


def _slope(entry: Activation) -> str:
    """σ' as the entry words it, else as its tree has it."""
    assert entry.derivative is not None
    worded = entry.derivative_formula.format_map(_Names({}))
    return worded or _spelled(entry.derivative)


def _of_cost(entry: Cost) -> tuple[str, ...]:
    facts = [
        f"∂C/∂a = {_spelled(entry.gradient)}",
        f"y: {_targets(entry)}",
        f"goes with output: {_outputs(entry)}",
    ]
    for kind, fused in entry.fused.items():
        error = _spelled(fused.left or fused.error)
        facts.append(f"with {kind}, δ = {error}, as {fused.reason}")
    if entry.classifies:
        facts.append("makes the task a classification")
    if entry.codes_minus_one:
        facts.append("class labels are coded -1 and 1")
    return tuple(facts)


def _targets(entry: Cost) -> str:
    return str(entry.targets)


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
