"""The steps of each layer, in the book's order: forward, BP1 to BP4, the update."""

from __future__ import annotations

from dataclasses import replace

from bpcompile.expr import (
    BOOK,
    Const,
    Expr,
    Var,
    spell,
    substitute,
    variables,
)
from bpcompile.lower_operators import (
    consumed,
    named_derivative,
    reads_z,
    resolved,
    resolved_cost,
    times,
)
from bpcompile.operators import (
    INITIALIZERS,
    OPTIMIZERS,
    REGULARIZERS,
)
from bpcompile.operators.entry import Activation, Body, Cost
from bpcompile.operators.training import Regularizer
from bpcompile.plan import Block, Layer
from bpcompile.spec import NetworkSpec
from bpcompile.steps import (
    Activate,
    BiasGradient,
    Call,
    ErrorStep,
    HiddenError,
    OutputError,
    Step,
    Tensor,
    UpdateParameter,
    WeighExamples,
    WeightedInput,
    WeightGradient,
)

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def _up(layer: int) -> str:
    return str(layer).translate(_SUPERSCRIPTS)


class _Names:
    """The tensors of one layer, named as in the book."""

    def __init__(self, layer: int) -> None:
        def tensor(name: str, role: str, *axes: str) -> Tensor:
            return Tensor(f"{name}{layer}", role, layer, axes)

        self.z = tensor("z", "weighted_input", "neuron", "example")
        self.a = tensor("a", "activation", "neuron", "example")
        self.delta = tensor("delta", "error", "neuron", "example")
        self.w = tensor("w", "weight", "neuron", "input")
        self.b = tensor("b", "bias", "neuron", "one")
        self.nabla_w = tensor("nabla_w", "weight_gradient", "neuron", "input")
        self.nabla_b = tensor("nabla_b", "bias_gradient", "neuron", "one")


class LayerSteps:
    """One spec's layers on their way to steps; every method takes a layer's number."""

    def __init__(self, spec: NetworkSpec) -> None:
        self.spec = spec
        self.depth = len(spec.layers)
        _, *later = spec.layers
        self.activations: dict[int, Activation] = {
            index: resolved(spec.activations[layer.activation.kind], layer.activation)
            for index, layer in enumerate(later, start=2)
        }
        self.initializers = {
            index: INITIALIZERS[layer.initializer.kind]
            for index, layer in enumerate(later, start=2)
        }
        self.cost: Cost = resolved_cost(spec.cost_entry, spec.cost)
        self.fused = self.cost.fused.get(later[-1].activation.kind)
        self.optimizer = OPTIMIZERS[spec.hyperparameters.optimizer.kind]
        penalties = spec.hyperparameters.regularization.penalties
        self.penalties = {
            REGULARIZERS[kind]: value for kind, value in penalties.items()
        }
        self.names = {index: _Names(index) for index in range(1, self.depth + 1)}
        self.y = Tensor("y", "target", self.depth, ("neuron", "example"))

    def layer(self, index: int) -> Layer:
        names = self.names[index]
        initializer = self.initializers[index]
        up, first = _up(index), initializer.formula.format(n_in=f"N{index - 1}")
        arrays = [names.a, names.delta]
        if reads_z(self.activations[index]):
            arrays.insert(0, names.z)
        return Layer(
            index,
            self.spec.layers[index - 1].size,
            self.activations[index].kind,
            names.w,
            names.b,
            names.nabla_w,
            names.nabla_b,
            tuple(arrays),
            initializer.value,
            f"layer {index}: w{up} ~ {first}, b{up} ~ N(0, 1)",
            tuple(
                (tensor, parameter)
                for parameter in (names.w, names.b)
                for _, tensor in self._state(parameter)
            ),
        )

    def _state(self, parameter: Tensor) -> tuple[tuple[str, Tensor], ...]:
        """What the optimizer keeps of a parameter: v_w2 is the v of w2."""
        return tuple(
            (name, replace(parameter, name=f"{name}_{parameter.name}", role="state"))
            for name in self.optimizer.state
        )

    def forward(self, index: int) -> Block:
        names, below = self.names[index], self.names[index - 1]
        entry, up, down = self.activations[index], _up(index), _up(index - 1)
        z = names.z if reads_z(entry) else names.a
        steps: list[Step] = [
            WeightedInput(
                index, f"z{up} = w{up} a{down} + b{up}", names.w, names.b, below.a, z
            )
        ]
        right = f"z{up}" if entry.is_identity else f"{entry.symbol}(z{up})"
        function = "" if entry.is_identity else entry.kind
        steps.append(Activate(index, f"a{up} = {right}", function, z, names.a))
        formulas = ", ".join(step.formula for step in steps)
        return Block(index, f"layer {index}: {formulas}", tuple(steps))

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
        names, below = self.names[index], self.names[index - 1]
        up, down = _up(index), _up(index - 1)
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
                f"∂C/∂w{up} = δ{up} (a{down})ᵀ, summed over the mini-batch",
                names.delta,
                below.a,
                names.nabla_w,
            )
        )
        return Block(index, f"layer {index}", tuple(steps))

    def _prime(self, index: int) -> str:
        """The derivative in words: where σ'(z²) = a² ⊙ (1 - a²), unless it is long."""
        entry, up = self.activations[index], _up(index)
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
        known = (("z", names.z), ("a", names.a), ("y", self.y))
        return tuple((name, tensor) for name, tensor in known if name in used)

    def output_error(self) -> OutputError:
        names, entry = self.names[self.depth], self.activations[self.depth]
        value = self.fused.error if self.fused else self.cost.gradient
        prime = through = None
        if not self.fused and entry.elementwise:
            value, prime = self._through(self.depth, value)
        elif not self.fused:
            through = Call(f"{entry.kind}_vjp", ("a",))
        elif self.fused.through:
            through = Call(f"{self.cost.kind}_error_of_{entry.kind}", ("y",))
        return OutputError(
            self.depth,
            self._output_formula(),
            value,
            prime,
            through,
            self._operands(self.depth, value, prime, through),
            names.delta,
        )

    def _output_formula(self) -> str:
        """BP1 in the book's words, then what this network makes of it."""
        entry, up = self.activations[self.depth], _up(self.depth)
        in_book = {"a": f"a{up}", "z": f"z{up}"}
        gradient = spell(self.cost.gradient, BOOK, in_book)
        if entry.derivative == Const(1):
            return f"δ{up} = ∇ₐC = {gradient}, as a{up} = z{up}"
        bp1 = f"δ{up} = ∇ₐC ⊙ {entry.symbol}'(z{up})"
        if entry.derivative is None:
            bp1 = f"δ{up} = (∂a{up}/∂z{up})ᵀ ∇ₐC"
        if self.fused:
            left = spell(self.fused.left or self.fused.error, BOOK, in_book)
            return f"{bp1}; {self.fused.reason}, leaving {left}"
        prime = self._prime(self.depth)
        return f"{bp1}, where ∇ₐC = {gradient}" + (f", {prime}" if prime else "")

    def _hidden_error(self, index: int) -> HiddenError:
        names, above = self.names[index], self.names[index + 1]
        entry, up, over = self.activations[index], _up(index), _up(index + 1)
        # Only the output layer may have an activation that is not element-wise.
        value, prime = self._through(index, Var("g"))
        formula = f"δ{up} = (w{over})ᵀ δ{over}"
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

    def update(self, index: int) -> Block:
        names, body = self.names[index], self.optimizer.body
        steps = (
            UpdateParameter(
                index,
                "",
                self._regularized(body),
                names.w,
                names.nabla_w,
                self._state(names.w),
            ),
            UpdateParameter(
                index, "", body, names.b, names.nabla_b, self._state(names.b)
            ),
        )
        return Block(index, f"layer {index}", steps)

    def _regularized(self, body: Body) -> Body:
        """The optimizer's body for weights: with decay, or the penalty's gradient."""
        changed: dict[str, Expr] = {}
        for entry in self.penalties:
            if decay := self.decay_of(entry):
                changed["w"] = Var(decay[0], scalar=True) * changed.get("w", Var("w"))
            else:
                changed["nabla"] = changed.get("nabla", Var("nabla")) + entry.gradient
        return tuple(replace(s, value=substitute(s.value, changed)) for s in body)

    def decay_of(self, entry: Regularizer) -> tuple[str, Expr] | None:
        """The factor that the weights may be multiplied by beforehand, with its name."""
        return entry.decay if self.optimizer.folds_decay else None
