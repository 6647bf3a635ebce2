"""The steps of a plan with their numbers: feedforward, the cost, BP1 to BP4.

What an equation gives is the reference's number; what stands between is evaluated from
the expressions of the plan.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeAlias

from bpcompile.explaining.arithmetic import (
    SHOWN,
    Value,
    at,
    followed,
    named,
    operand,
    products,
    sum_of,
)
from bpcompile.explaining.computed import Computed
from bpcompile.explaining.stage import (
    Stage,
    count,
    entries,
    listed,
    more,
    results,
    statements,
)
from bpcompile.expr import Var, evaluate
from bpcompile.operators.entry import Body, Map
from bpcompile.plan import Plan
from bpcompile.step import Call, ErrorStep, Step
from bpcompile.steps import (
    Activate,
    BiasGradient,
    Drop,
    HiddenError,
    WeighExamples,
    WeightedInput,
    WeightGradient,
)

#: Lines on the way to numbers, which are the generator's result.
Pieces: TypeAlias = Generator[Value, None, Sequence[float]]


@dataclass(frozen=True)
class Walk:
    """The steps of a plan over the numbers of one example."""

    plan: Plan
    numbers: Computed

    def stages(self) -> Iterator[Stage]:
        """From the example to the gradients."""
        yield from self._given()
        for block in self.plan.forward:
            for step in block.steps:
                yield self._stage("feedforward", step)
        yield self._cost()
        for block in self.plan.backward:
            for step in block.steps:
                if not isinstance(step, WeighExamples) or self.numbers.weight != 1:
                    yield self._stage("backpropagation", step)

    def _stage(self, part: str, step: Step) -> Stage:
        values, size = self._values(step)
        shown = len(values) if isinstance(step, WeightGradient) else min(size, SHOWN)
        hidden = size - shown
        return Stage(part, step.layer, step.equation, step.formula, values, hidden)

    def _body(self, function: str) -> Body:
        """What a function of the module computes; nothing at all where it has none."""
        found = [f.body for f in self.plan.functions if f.name == function]
        return found[0] if found else (Map("a", Var("z")),)

    # ---- Given -----------------------------------------------------------------------

    def _given(self) -> Iterator[Stage]:
        numbers, last = self.numbers, self.plan.depth
        yield listed("given", 1, "x, the inputs", "x", numbers.x)
        yield listed("given", last, "y, the desired outputs", "y", numbers.y)
        for layer in self.plan.layers:
            for symbol in ("w", "b"):
                values = numbers.parameters[f"{symbol}{layer.index}"]
                name = named(symbol, layer.index)
                shown = tuple(entries(name, values))
                hidden = count(values) - len(shown)
                text = f"{name}, the first values, rounded"
                yield Stage("given", layer.index, "", text, shown, hidden)
        coded = self.plan.labels.coded
        if coded is not None:
            body = (Map("y", coded),)
            made = statements(body, self._labels(), "y", self._target())
            values = tuple(replace(value, becomes=True) for value in made)
            text = "y as the cost reads it"
            yield Stage("given", last, "", text, values, more(numbers.y))
        if self.plan.scaling is None or self.numbers.scaling is None:
            yield listed("feedforward", 1, "a¹ = x", "a¹", numbers.a[1])
        else:
            yield self._scaled()

    def _scaled(self) -> Stage:
        assert self.numbers.scaling and self.plan.scaling
        columns = zip(self.numbers.x, *self.numbers.scaling, strict=True)
        values = tuple(
            Value(named("a", 1, j), a, f"({operand(x)} - {operand(s)}) / {operand(d)}")
            for j, (a, (x, s, d)) in enumerate(
                islice(zip(self.numbers.a[1], columns, strict=True), SHOWN), start=1
            )
        )
        formula, hidden = self.plan.scaling.formula, more(self.numbers.x)
        return Stage("feedforward", 1, "", formula, values, hidden)

    # ---- Feedforward -----------------------------------------------------------------

    def _values(self, step: Step) -> tuple[tuple[Value, ...], int]:
        """The numbers of a step, and how many neurons or entries there are."""
        size, layer = self.plan.sizes[step.layer - 1], step.layer
        numbers = self.numbers
        match step:
            case WeightedInput():
                return tuple(self._weighted(layer)), size
            case Activate():
                return tuple(self._activated(step)), size
            case Drop():
                return tuple(self._dropped(layer)), size
            case ErrorStep():
                return tuple(self._error(step)), size
            case WeighExamples():
                return tuple(self._weighed(layer)), size
            case BiasGradient():
                name, nabla = named("∂C/∂b", layer), numbers.nabla[f"b{layer}"]
                sources = [named("δ", layer, j + 1) for j in range(SHOWN)]
                return tuple(results(name, nabla, sources)), size
            case WeightGradient():
                return tuple(self._weight_gradient(layer)), size * len(
                    numbers.kept[layer - 1]
                )
        raise TypeError(step)

    def _weighted(self, layer: int) -> Iterator[Value]:
        below = self.numbers.kept[layer - 1]
        w, b = (self.numbers.parameters[f"{symbol}{layer}"] for symbol in "wb")
        for j, z in enumerate(self.numbers.z[layer][:SHOWN]):
            yield Value(named("z", layer, j + 1), z, products(w[j], below, b[j]))

    def _activated(self, step: Activate) -> Iterator[Value]:
        layer, z = step.layer, self.numbers.z[step.layer]
        body = self._body(step.function)
        yield from statements(body, {"z": z}, named("a", layer), self.numbers.a[layer])

    def _dropped(self, layer: int) -> Iterator[Value]:
        factors, a = self.numbers.factors[layer], self.numbers.a[layer]
        p = operand(self.numbers.spec.layers[layer - 1].dropout)
        chosen = [f"1 / (1 - {p})" if r else "" for r in factors]
        yield from results(named("r", layer), factors, chosen)
        texts = [
            f"{operand(r)}·{operand(a_j)}"
            for r, a_j in islice(zip(factors, a, strict=True), SHOWN)
        ]
        yield from results(named("kept", layer), self.numbers.kept[layer], texts)

    def _cost(self) -> Stage:
        """C_x, from what lowering found to be the best to compute it from."""
        cost, last = self.plan.cost, self.plan.depth
        held = self.numbers.z if cost.reads == "z" else self.numbers.a
        inputs = {cost.reads: held[last], "y": self._target()}
        body = self._body(cost.function)
        terms = list(followed(body, inputs))[-1].values
        values = list(statements(body, inputs, "cost", terms))
        text = sum_of(terms)
        if len(terms) == 1:
            text = values.pop().arithmetic
        total = Value("cost", self.numbers.cost, text)
        formula = f"C = {cost.formula}, the cost"
        if cost.reads == "z":
            formula += ", from z: nothing cancels"
        return Stage("feedforward", last, "", formula, (*values, total), more(terms))

    # ---- Backpropagation -------------------------------------------------------------

    def _error(self, step: ErrorStep) -> Iterator[Value]:
        """δ, and before it what its expression takes from elsewhere."""
        layer, delta = step.layer, named("δ", step.layer)
        held = {name: self._operand(name, layer) for name, _ in step.operands}
        if isinstance(step, HiddenError):
            held["g"] = yield from self._from_above(layer)
        if step.gradient:
            held["g"] = yield from self._called(step.gradient, held, "∇ₐC")
        if step.prime:
            held["prime"] = yield from self._called(
                step.prime, held, f"σ'({named('z', layer)})"
            )
        hidden = isinstance(step, HiddenError)
        result = self.numbers.delta[layer] if hidden else self.numbers.error
        if step.through:
            whole = [evaluate(step.value, at(held, j)).real for j in range(len(result))]
            inputs = {**held, "g": whole}
            yield from statements((Map("g", step.value),), held, "g", whole)
            yield from statements(
                self._body(step.through.function), inputs, delta, result
            )
        else:
            yield from statements((Map("delta", step.whole),), held, delta, result)

    def _target(self) -> Sequence[float]:
        """y as what reads it has it."""
        coded = self.plan.labels.coded
        if coded is None:
            return self.numbers.y
        return list(followed((Map("y", coded),), self._labels()))[-1].values

    def _labels(self) -> dict[str, Sequence[float] | float]:
        return {"y": self.numbers.y, "n_out": float(self.plan.outputs)}

    def _operand(self, name: str, layer: int) -> Sequence[float]:
        """What a variable of an output's or a hidden layer's error stands for."""
        if name == "y":
            return self._target()
        held = {"z": self.numbers.z, "a": self.numbers.a, "r": self.numbers.factors}
        return held[name][layer]

    def _from_above(self, layer: int) -> Pieces:
        """transpose(w) δ of the layer above; it is the generator's result, too."""
        w, delta = (
            self.numbers.parameters[f"w{layer + 1}"],
            self.numbers.delta[layer + 1],
        )
        columns = list(zip(*w, strict=True))
        total = [sum(a * b for a, b in zip(c, delta, strict=True)) for c in columns]
        name = f"(({named('w', layer + 1)})ᵀ {named('δ', layer + 1)})"
        texts = [products(column, delta) for column in columns[:SHOWN]]
        yield from results(name, total, texts)
        return total

    def _called(
        self, call: Call, held: Mapping[str, Sequence[float]], name: str
    ) -> Pieces:
        """What a named function gives; it is the generator's result, too."""
        body = self._body(call.function)
        inputs = {variable: held[variable] for variable in call.reads}
        values = list(followed(body, inputs))[-1].values
        yield from statements(body, inputs, name, values)
        return values

    def _weighed(self, layer: int) -> Iterator[Value]:
        weight, error = self.numbers.weight, self.numbers.error
        texts = [f"{operand(weight)}·{operand(e)}" for e in error[:SHOWN]]
        values = results(named("δ", layer), self.numbers.delta[layer], texts)
        yield from (replace(value, becomes=True) for value in values)

    def _weight_gradient(self, layer: int) -> Iterator[Value]:
        below, delta = self.numbers.kept[layer - 1], self.numbers.delta[layer]
        nabla = self.numbers.nabla[f"w{layer}"]
        texts = [
            f"{operand(delta_j)}·{operand(a_k)}"
            for delta_j in delta[:SHOWN]
            for a_k in below[:SHOWN]
        ]
        return entries(named("∂C/∂w", layer), nabla, texts)
