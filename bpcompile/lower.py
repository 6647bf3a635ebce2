"""NetworkSpec -> Plan: which steps this network takes, in the book's order."""

from __future__ import annotations

from bpcompile import lower_training
from bpcompile.expr import BOOK, Const, Var, spell, substitute
from bpcompile.functions import Function
from bpcompile.lower_operators import (
    added,
    gradient_body,
    kinks_in_words,
    named_derivative,
    named_gradient,
    reads_z,
    special_functions,
)
from bpcompile.lower_slopes import slopes
from bpcompile.lower_steps import LayerSteps
from bpcompile.operators import SCALINGS
from bpcompile.operators.entry import Activation, Interval, Map, label_values
from bpcompile.plan import Constant, CostValue, Inference, Labels, Plan, Scaling
from bpcompile.spec import NetworkSpec, digest
from bpcompile.step import ErrorStep

_MOST_SIZES_IN_SUMMARY = 8


def lower(spec: NetworkSpec) -> Plan:
    """The plan of a valid spec; pure, without recursion over the depth."""
    return _Lowering(spec).plan()


class _Lowering:
    """One spec on its way to a plan; every method answers one question of it."""

    def __init__(self, spec: NetworkSpec) -> None:
        self.spec = spec
        self.depth = len(spec.layers)
        self.sizes = tuple(layer.size for layer in spec.layers)
        self.steps = LayerSteps(spec)
        self.cost = self.steps.cost
        self.fused = self.steps.fused
        self.output = self.steps.activations[self.depth]
        self.updates = self.steps.updates

    def plan(self) -> Plan:
        spec = self.spec
        return Plan(
            name=spec.name,
            description=spec.description or "",
            shape=self._shape(),
            summary=self._summary(),
            digest=digest(spec),
            dtype=spec.dtype,
            task=spec.resolved_task,
            sizes=self.sizes,
            layers=tuple(self.steps.layer(i) for i in range(2, self.depth + 1)),
            constants=self._constants(),
            scaling=self._scaling(),
            labels=self._labels(),
            functions=self._functions(),
            cost=self._cost_value(),
            arrays=tuple(self.steps.arrays(i) for i in range(1, self.depth + 1)),
            dropouts=self.steps.dropouts(),
            feedforward=self.steps.feedforward(),
            output=self.steps.activate(self.depth),
            inference=self._inference(),
            forward=self.steps.forward(),
            backward=self.steps.backward(),
            scalars=self.updates.scalars(),
            scalar_state=self.updates.optimizer.scalar_state,
            clipping=self.steps.clipping(),
            update=tuple(self.steps.update(i) for i in range(2, self.depth + 1)),
            update_formula=self.updates.formula(),
            update_function=self.updates.function(),
            decays=self.updates.decays(),
            normalised=spec.normalised(),
            schedule=lower_training.schedule(spec),
            counts_steps=bool(self.steps.dropouts())
            or lower_training.counts_steps(spec),
            early_stopping=lower_training.early_stopping(spec),
            plateau=lower_training.plateau(spec),
            counters=lower_training.counters(spec),
            slopes=tuple(slopes(self.steps)),
            scalings=tuple(kind for kind, entry in SCALINGS.items() if entry.fitted),
            validates=spec.hyperparameters.validates,
            folds=spec.hyperparameters.validation_fold is not None,
            weighs_classes=spec.hyperparameters.class_weights is not None,
            parallel=spec.parallel.kind if self.steps.reduction() else "",
            reduction=self.steps.reduction(),
            accumulates=spec.hyperparameters.accumulate > 1,
        )

    def _shape(self) -> str:
        if self.depth <= _MOST_SIZES_IN_SUMMARY:
            network = "-".join(map(str, self.sizes)) + " network"
        else:
            network = (
                f"network of {self.depth} layers, "
                f"{self.sizes[0]} inputs to {self.sizes[-1]} outputs"
            )
        article = "An" if network[0] == "8" or network[:2] in ("11", "18") else "A"
        return f"{article} {network}"

    def _summary(self) -> str:
        optimizer = self.updates.optimizer.symbol
        return f"{self._shape()}: {self.cost.symbol} cost, trained by {optimizer}."

    def _constants(self) -> tuple[Constant, ...]:
        hyper = self.spec.hyperparameters
        section = "/hyperparameters"
        dropouts = (
            (dropout, self.spec.layers[dropout.layer - 1].dropout)
            for dropout in self.steps.dropouts()
        )
        return (
            *(
                Constant(dropout.constant, p, f"/layers/{dropout.layer}/dropout")
                for dropout, p in dropouts
            ),
            Constant("eta", hyper.learning_rate, f"{section}/learning_rate"),
            *self.updates.penalty_constants(),
            *(
                Constant(name, getattr(hyper, name), f"{section}/{name}")
                for name in self._counts()
            ),
            *self.updates.optimizer_constants(),
            *lower_training.constants(self.spec),
        )

    def _counts(self) -> tuple[str, ...]:
        accumulates = self.spec.hyperparameters.accumulate > 1
        more = ("accumulate",) if accumulates else ()
        return "mini_batch_size", *more, "epochs", "seed"

    def _scaling(self) -> Scaling | None:
        chosen = self.spec.layers[0].scaling
        entry = SCALINGS[chosen.kind]
        if entry.is_identity:
            return None
        numbers = {name: Const(value) for name, value in chosen.numbers.items()}
        return Scaling(
            chosen.kind,
            substitute(entry.shift, numbers),
            substitute(entry.divisor, numbers),
            entry.fitted,
            entry.formula.format(**chosen.parameters),
        )

    def _labels(self) -> Labels:
        low, high = label_values(self.cost, self.output)
        coded = self.cost.coded
        coded = None if coded is None or coded == Var("y") else coded
        boundary, shares = (low + high) / 2, Interval(0, 1, True, True)
        are_shares = low == 0 and self.output.interval in shares
        return Labels(low, high, boundary, self.cost.targets, coded, are_shares)

    # ---- What is defined once -----------------------------------------------------

    def _functions(self) -> tuple[Function, ...]:
        functions: dict[str, Function] = {}
        for entry in self.steps.activations.values():
            for function in self._activation_functions(entry):
                functions[function.name] = function
        for function in (*self._cost_functions(), *self._fused_functions()):
            functions[function.name] = function
        called = {call.function for step in self._errors() for call in step.calls}
        used = [
            function
            for function in functions.values()
            if function.purpose != "derivative" or function.name in called
        ]
        # BP1 and BP2 as they stand in the steps, for what they apply.
        errors = tuple(Map("delta", step.value) for step in self._errors())
        return *special_functions([errors, *(f.body for f in used)]), *used

    def _inference(self) -> Inference:
        applied = [f for f in self._functions() if f.purpose == "activation"]
        special = special_functions(f.body for f in applied)
        return Inference(self.steps.inference(), (*special, *applied))

    def _errors(self) -> list[ErrorStep]:
        """The steps of BP1 and BP2."""
        steps = (step for block in self.steps.backward() for step in block.steps)
        return [step for step in steps if isinstance(step, ErrorStep)]

    def _activation_functions(self, entry: Activation) -> list[Function]:
        if entry.is_identity:
            return []
        functions = [
            Function(
                entry.function,
                "activation",
                ("z",),
                entry.body,
                f"{entry.symbol}(z) = {entry.formula}",
                kinks_in_words(entry),
                reads_z(entry),
                entry.overflows,
                entry.masks,
            )
        ]
        prime = named_derivative(entry)
        if prime and entry.derivative is not None:
            book = entry.derivative_formula or spell(entry.derivative, BOOK, {})
            functions.append(
                Function(
                    prime.function,
                    "derivative",
                    prime.reads,
                    entry.way_back,
                    f"{entry.symbol}'(z) = {book}",
                    overflows=entry.overflows_back,
                    masks=entry.masks,
                )
            )
        if not entry.elementwise and not self.fused:
            functions.append(
                Function(
                    f"{entry.function}_vjp",
                    "derivative",
                    ("g", "a"),
                    entry.vjp,
                    f"Jᵀ g = {entry.vjp_formula}, J = ∂a/∂z of {entry.symbol}",
                )
            )
        return functions

    def _cost_functions(self) -> list[Function]:
        functions = [self._cost_function()]
        named = None if self.fused else named_gradient(self.cost)
        if named:
            functions.append(
                Function(
                    named.function,
                    "derivative",
                    named.reads,
                    gradient_body(self.cost),
                    f"∂C/∂a of {self.cost.symbol}, for each output",
                    self.cost.kink,
                    keeps=True,
                    overflows=self.cost.overflows,
                    masks=self.cost.masks,
                )
            )
        return functions

    def _cost_function(self) -> Function:
        formula = self.cost.formula
        if self.fused is None:
            text = f"{formula}, before the sum over the outputs"
            return Function(
                self.cost.function,
                "cost",
                ("a", "y"),
                self.cost.body,
                text,
                overflows=self.cost.overflows,
                masks=self.cost.masks,
            )
        return Function(
            f"{self.cost.function}_of_{self.output.kind}",
            "cost",
            ("z", "y"),
            self.fused.value,
            f"{formula} with a = {self.output.symbol}(z), from z: nothing cancels",
            overflows=self.fused.overflows,
        )

    def _fused_functions(self) -> list[Function]:
        """The part of a fused output error that sums over the neurons."""
        if self.fused is None or not self.fused.through:
            return []
        call = self.steps.output_error().through
        assert call
        left, start = (
            spell(tree, BOOK, {})
            for tree in (self.fused.left or self.fused.error, self.fused.error)
        )
        costs = f"{self.cost.symbol} cost and {self.output.symbol}"
        text = f"δ = {left} of {costs}, from g = {start}"
        parameters = ("g", *call.reads)
        return [
            Function(call.function, "derivative", parameters, self.fused.through, text)
        ]

    def _cost_value(self) -> CostValue:
        penalties = list(self.updates.penalties)
        function = self._cost_function()
        return CostValue(
            function.name,
            function.parameters[0],
            self.cost.formula,
            added(entry.penalty for entry in penalties) if penalties else None,
            " + ".join(entry.penalty_formula for entry in penalties),
        )
