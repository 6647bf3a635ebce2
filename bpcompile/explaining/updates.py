"""The update with its numbers: clipping, what the optimizer does, max-norm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

from bpcompile.explaining.arithmetic import (
    SHOWN,
    Result,
    Value,
    followed,
    named,
    operand,
    spelled,
    sum_of,
)
from bpcompile.explaining.computed import TRAINING_SET, Computed
from bpcompile.explaining.expressions import SIGNS
from bpcompile.explaining.stage import Stage, count, entries
from bpcompile.expr import evaluate, variables
from bpcompile.operators.entry import Body
from bpcompile.plan import Plan
from bpcompile.step import Step
from bpcompile.steps import ClipNorm, ClipValue, LimitNorm, UpdateParameter


@dataclass(frozen=True)
class Update:
    """The update of a plan over the numbers of one example."""

    plan: Plan
    numbers: Computed

    def stages(self) -> Iterator[Stage]:
        """From the gradients to the new parameters."""
        for step in self.plan.clipping:
            assert isinstance(step, ClipNorm)
            yield self._clipped_norm(step)
        yield Stage("update", 0, "", self.plan.update_formula, tuple(self._scalars()))
        for block in self.plan.update:
            limits = any(isinstance(step, LimitNorm) for step in block.steps)
            update: UpdateParameter | None = None
            for step in block.steps:
                yield self._stage(step, limits, update)
                update = step if isinstance(step, UpdateParameter) else None

    def _stage(self, step: Step, limits: bool, before: UpdateParameter | None) -> Stage:
        match step:
            case ClipValue(parameter=parameter):
                values = tuple(self._clipped(parameter.name))
                text = step.formula or f"clipping of ∂C/∂{_name(parameter.name)}"
            case UpdateParameter(parameter=parameter):
                values = tuple(self._moved(step, limits))
                text = step.formula or f"the new {_name(parameter.name)}"
            case LimitNorm(result=parameter):
                assert before and before.parameter == parameter
                values, text = tuple(self._limited(before)), step.formula
            case _:
                raise TypeError(step)
        held = self.numbers.parameters[parameter.name]
        more = count(held) - len(list(entries("", held)))
        return Stage("update", step.layer, "", text, values, more)

    # ---- Clipping ----------------------------------------------------------------------

    def _clipped_norm(self, step: ClipNorm) -> Stage:
        most = self.numbers.spec.hyperparameters.clipping.norm
        assert most is not None
        flat = [g for values in self.numbers.nabla.values() for g in _flat(values)]
        squares = [g * g for g in flat]
        norm = sqrt(sum(squares))
        factor = min(1.0, most / (norm + step.epsilon))
        text = f"min(1, {operand(most)} / ({operand(norm)} + {step.epsilon!r}))"
        values = (
            Value("norm", norm, f"√({sum_of(squares)})"),
            Value("factor of every ∂C/∂w and ∂C/∂b", factor, text),
        )
        return Stage("update", 0, "", step.formula, values)

    def _clipped(self, name: str) -> Iterator[Value]:
        most = self.numbers.spec.hyperparameters.clipping.value
        assert most is not None
        bound = operand(most)
        texts = [
            f"max(-{bound}, min({bound}, {value.text}))"
            for value in entries("", self.numbers.nabla[name])
        ]
        values = entries(f"∂C/∂{_name(name)}", self.numbers.clipped[name], texts)
        yield from (replace(value, becomes=True) for value in values)

    # ---- The step itself -----------------------------------------------------------------

    def _constants(self) -> dict[str, float]:
        """The numbers of the spec and of the example, by their names in expressions."""
        found = {
            constant.name: constant.value
            for constant in self.plan.constants
            if not isinstance(constant.value, tuple)
        }
        own = {"eta": self.numbers.eta, "m": 1.0, "n": float(TRAINING_SET)}
        return {**found, **dict(self.plan.scalar_state), **own}

    def _all_scalars(self) -> dict[str, float]:
        held = self._constants()
        for name, value in self.plan.scalars:
            held[name] = evaluate(value, held).real
        return held

    def _scalars(self) -> Iterator[Value]:
        """What the step reads that is one number, given or computed beforehand."""
        held, computed = self._constants(), dict(self.plan.scalars)
        trees = [*computed.values()]
        for block in self.plan.update:
            for step in block.steps:
                if isinstance(step, UpdateParameter):
                    trees += [statement.value for statement in self._body(step)]
        read = {variable.name for tree in trees for variable in variables(tree)}
        for name in sorted(read & held.keys()):
            yield Value(SIGNS.get(name, name), held[name])
        for name, value in self.plan.scalars:
            text = spelled(value, {v.name: held[v.name] for v in variables(value)})
            held[name] = evaluate(value, held).real
            known = name in read and name in self._constants()
            yield Value(SIGNS.get(name, name), held[name], text, becomes=known)

    def _body(self, step: UpdateParameter) -> Body:
        function = self.plan.update_function
        return (*step.before, *(function.body if step.call and function else step.body))

    def _moved(self, step: UpdateParameter, limits: bool) -> Iterator[Value]:
        """Every statement for the entries shown; the last word has the reference,
        unless max-norm comes after it."""
        name = step.parameter.name
        shown = list(entries(_name(name), self.numbers.parameters[name]))
        nabla = [v.number for v in entries("", self.numbers.clipped[name])]
        after = [v.number for v in entries("", self.numbers.after[name])]
        results = self._results(step, [v.number for v in shown], nabla)
        is_weight = step.parameter.role == "weight"
        changed = {"w", "nabla", *(name for name, _ in step.state)}
        for number, result in enumerate(results, start=1):
            ends = number == len(results) and not (limits and is_weight)
            values = after if ends else result.values
            rows = zip(shown, values, result.arithmetic, strict=True)
            for entry, value, text in rows:
                name = _target(result.target, entry.name)
                yield Value(name, value, text, becomes=result.target in changed)

    def _results(
        self, step: UpdateParameter, w: Sequence[float], nabla: Sequence[float]
    ) -> list[Result]:
        """The statements of a step in order, on entries of w and of its gradient."""
        zeros = [0.0] * len(w)
        held = dict.fromkeys((name for name, _ in step.state), zeros)
        scalars = self._all_scalars()
        inputs: dict[str, Sequence[float] | float] = {**scalars, **held}
        inputs |= {"w": w, "nabla": nabla}
        before = list(followed(step.before, inputs, len(w)))
        for result in before:
            inputs[result.target] = result.values
        function = self.plan.update_function
        body = function.body if step.call and function else step.body
        inputs["g"] = inputs["nabla"]
        return [*before, *followed(body, inputs, len(w))]

    def _limited(self, step: UpdateParameter) -> Iterator[Value]:
        """The rows as the step leaves them, and what their norms allow."""
        most = self.numbers.spec.hyperparameters.regularization.max_norm
        assert most is not None
        name = step.parameter.name
        held, nabla = self.numbers.parameters[name], self.numbers.clipped[name]
        texts = []
        for j, (w_j, nabla_j) in enumerate(
            zip(held[:SHOWN], nabla[:SHOWN], strict=True)
        ):
            row = self._results(step, w_j, nabla_j)[-1].values
            squares = [w_jk * w_jk for w_jk in row]
            norm = sqrt(sum(squares))
            label = f"norm of row {j + 1} of {_name(name)}"
            yield Value(label, norm, f"√({sum_of(squares)})")
            factor = f"min(1, {operand(most)} / {operand(norm)})"
            texts += [f"{factor}·{operand(w_jk)}" for w_jk in row[:SHOWN]]
        values = entries(_name(name), self.numbers.after[name], texts)
        yield from (replace(value, becomes=True) for value in values)


def _name(parameter: str) -> str:
    """w² of "w2"."""
    return named(parameter[0], int(parameter[1:]))


def _target(target: str, entry: str) -> str:
    """What a statement changes: the parameter, its gradient or what is kept of it."""
    if target == "w":
        return entry
    return f"∂C/∂{entry}" if target in ("nabla", "g") else f"{target} of {entry}"


def _flat(values: Any) -> list[float]:
    return [
        float(g) for row in values for g in (row if hasattr(row, "__len__") else (row,))
    ]
