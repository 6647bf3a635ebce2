"""The steps of each layer, in the book's order: forward, BP1 to BP4, the update."""

from __future__ import annotations

from dataclasses import replace

from bpcompile.expr import (
    BOOK,
    Const,
    Expr,
    Var,
    spell,
    variables,
)
from bpcompile.lower_forward import ForwardSteps, book, superscript
from bpcompile.lower_initial import initial, initial_formula
from bpcompile.lower_operators import (
    consumed,
    named_derivative,
    named_gradient,
    resolved_cost,
    times,
)
from bpcompile.lower_update import UpdateSteps
from bpcompile.operators import PARALLELS
from bpcompile.operators.entry import Cost
from bpcompile.plan import Block, Layer
from bpcompile.spec import NetworkSpec
from bpcompile.step import Call, ErrorStep, Step, Tensor
from bpcompile.steps import (
    BiasGradient,
    HiddenError,
    OutputError,
    ReduceGradients,
    WeighExamples,
    WeightGradient,
)


class LayerSteps(ForwardSteps):
    """One spec's layers on their way to steps: forward, back and the update."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__(spec)
        self.cost: Cost = resolved_cost(spec.cost_entry, spec.cost)
        self.fused = self.cost.fused.get(spec.layers[-1].activation.kind)
        self.updates = UpdateSteps(spec)
        self.y = Tensor("y", "target", self.depth, ("neuron", "example"))

    def layer(self, index: int) -> Layer:
        names, layer = self.names[index], self.layers[index]
        first_w = initial_formula(book(names.w), layer.initializer, index)
        first_b = initial_formula(book(names.b), layer.bias_initializer, index)
        return Layer(
            index,
            layer.size,
            self.activations[index].kind,
            names.w,
            names.b,
            names.nabla_w,
            names.nabla_b,
            initial(layer.initializer),
            initial(layer.bias_initializer),
            f"layer {index}: {first_w}, {first_b}",
            tuple(
                (tensor, parameter)
                for parameter in (names.w, names.b)
                for _, tensor in self.updates.state(parameter)
            ),
        )

    # ---- Backward -----------------------------------------------------------------

    def backward(self) -> tuple[Block, ...]:
        """The blocks from the last layer to the second, each array freed in time."""
        blocks = [self._backward(index) for index in range(self.depth, 1, -1)]
        later: set[Tensor] = set()
        for position in range(len(blocks) - 1, -1, -1):
            steps: list[Step] = []
            for step in reversed(blocks[position].steps):
                if isinstance(step, ErrorStep):
                    step = replace(step, consumes=consumed(step, later))
                later.update(step.reads)
                steps.append(step)
            blocks[position] = replace(blocks[position], steps=tuple(reversed(steps)))
        return tuple(blocks)

    def _backward(self, index: int) -> Block:
        names, below, up = self.names[index], self.sent(index - 1), superscript(index)
        steps: list[Step] = []
        if index == self.depth:
            steps.append(self.output_error())
            steps.append(
                WeighExamples(index, "each example by its sample weight", names.delta)
            )
        else:
            steps.append(self._hidden_error(index))
        steps.append(
            BiasGradient(
                index,
                f"∂C/∂b{up} = δ{up}, summed over the mini-batch",
                names.delta,
                names.nabla_b,
            )
        )
        steps.append(
            WeightGradient(
                index,
                f"∂C/∂w{up} = δ{up} ({book(below)})ᵀ, summed over the mini-batch",
                names.delta,
                below,
                names.nabla_w,
            )
        )
        return Block(index, f"layer {index}", tuple(steps))

    def _prime(self, index: int) -> str:
        """The derivative in words: where σ'(z²) = a² ⊙ (1 - a²), unless it is long."""
        entry, up = self.activations[index], superscript(index)
        if entry.derivative is None or named_derivative(entry):
            return ""
        book = spell(entry.derivative, BOOK, {"a": f"a{up}", "z": f"z{up}"})
        return f"{entry.symbol}'(z{up}) = {book}"

    def _through(self, index: int, error: Expr) -> tuple[Expr, Call | None]:
        """An error times σ' of a layer, or with its name where that is long."""
        entry = self.activations[index]
        prime = named_derivative(entry)
        if prime:
            return error, prime
        assert entry.derivative is not None
        return times(error, entry.derivative), None

    def _operands(
        self, index: int, value: Expr, *calls: Call | None
    ) -> tuple[tuple[str, Tensor], ...]:
        """The arrays of the variables that an error step reads."""
        used = {v.name for v in variables(value)}
        used |= {name for call in calls if call for name in call.reads}
        names = self.names[index]
        known = (("z", names.z), ("a", names.a), ("y", self.y), ("r", names.r))
        return tuple((name, tensor) for name, tensor in known if name in used)

    def output_error(self) -> OutputError:
        names, entry = self.names[self.depth], self.activations[self.depth]
        value = self.fused.error if self.fused else self.cost.gradient
        prime = through = None
        gradient = None if self.fused else named_gradient(self.cost)
        if gradient:
            value = Var("g")
        if not self.fused and entry.elementwise:
            value, prime = self._through(self.depth, value)
        elif not self.fused:
            through = Call(f"{entry.function}_vjp", ("a",))
        elif self.fused.through:
            function = f"{self.cost.function}_error_of_{entry.function}"
            through = Call(function, ("y",))
        return OutputError(
            self.depth,
            self._output_formula(),
            value,
            prime,
            through,
            self._operands(self.depth, value, gradient, prime, through),
            names.delta,
            gradient=gradient,
        )

    def _output_formula(self) -> str:
        """BP1 in the book's words, then what this network makes of it."""
        entry, up = self.activations[self.depth], superscript(self.depth)
        in_book = {"a": f"a{up}", "z": f"z{up}"}
        named = named_gradient(self.cost)
        gradient = "" if named else spell(self.cost.gradient, BOOK, in_book)
        if entry.derivative == Const(1):
            equal = f" = {gradient}" if gradient else ""
            return f"δ{up} = ∇ₐC{equal}, as a{up} = z{up}"
        bp1 = f"δ{up} = ∇ₐC ⊙ {entry.symbol}'(z{up})"
        if entry.derivative is None:
            bp1 = f"δ{up} = (∂a{up}/∂z{up})ᵀ ∇ₐC"
        if self.fused:
            left = spell(self.fused.left or self.fused.error, BOOK, in_book)
            return f"{bp1}; {self.fused.reason}, leaving {left}"
        prime = self._prime(self.depth)
        where = [f"∇ₐC = {gradient}"] if gradient else []
        where += [prime] if prime else []
        return bp1 + (f", where {', '.join(where)}" if where else "")

    def _hidden_error(self, index: int) -> HiddenError:
        names, above = self.names[index], self.names[index + 1]
        entry, up, over = (
            self.activations[index],
            superscript(index),
            superscript(index + 1),
        )
        # Only the output layer may have an activation that is not element-wise.
        from_above: Expr = Var("g") * Var("r") if self.drops(index) else Var("g")
        value, prime = self._through(index, from_above)
        formula = f"δ{up} = (w{over})ᵀ δ{over}"
        if self.drops(index):
            formula += f" ⊙ r{up}"
        if entry.derivative == Const(1):
            formula += f", as a{up} = z{up}"
        else:
            in_words = self._prime(index)
            where = f", where {in_words}" if in_words else ""
            formula += f" ⊙ {entry.symbol}'(z{up}){where}"
        return HiddenError(
            index,
            formula,
            value,
            prime,
            None,
            self._operands(index, value, prime),
            names.delta,
            above.w,
            above.delta,
        )

    # ---- Update -------------------------------------------------------------------

    def reduction(self) -> tuple[Step, ...]:
        """What is done to the gradients of every process's share of the examples."""
        entry = PARALLELS[self.spec.parallel.kind]
        if not entry.shares:
            return ()
        return (ReduceGradients(0, entry.formula, self._gradients()),)

    def clipping(self) -> tuple[Step, ...]:
        return self.updates.clipping(self._gradients())

    def _gradients(self) -> tuple[Tensor, ...]:
        later = [self.names[index] for index in range(2, self.depth + 1)]
        return tuple(g for names in later for g in (names.nabla_w, names.nabla_b))

    def update(self, index: int) -> Block:
        names = self.names[index]
        pairs = (names.w, names.nabla_w), (names.b, names.nabla_b)
        return self.updates.block(index, pairs, superscript(index))
