"""The steps of each layer, in the book's order: forward, BP1 to BP4, the update."""

from __future__ import annotations

from bpcompile.expr import BOOK, Apply, Const, Expr, Var, spell, substitute, variables
from bpcompile.operators import (
    ACTIVATIONS,
    COSTS,
    INITIALIZERS,
    OPTIMIZERS,
)
from bpcompile.operators.entry import Activation, Cost, Map
from bpcompile.plan import Block, Layer
from bpcompile.spec import NetworkSpec
from bpcompile.steps import (
    Activate,
    BiasGradient,
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


def _times(factor: Expr, derivative: Expr) -> Expr:
    """factor * derivative with the products leaning left, `(g * a) * (1 - a)`."""
    if derivative == Const(1):
        return factor
    if isinstance(derivative, Apply) and derivative.primitive == "mul":
        left, right = derivative.args
        return _times(factor, left) * right
    return factor * derivative


def reads_z(entry: Activation) -> bool:
    """Whether the way back reads z; else a may take its place in memory."""
    derivative = [entry.derivative] if entry.derivative is not None else []
    back = derivative + [statement.value for statement in entry.vjp]
    return any(v.name == "z" for value in back for v in variables(value))


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
            index: ACTIVATIONS[layer.activation.kind]
            for index, layer in enumerate(later, start=2)
        }
        self.initializers = {
            index: INITIALIZERS[layer.initializer.kind]
            for index, layer in enumerate(later, start=2)
        }
        self.cost: Cost = COSTS[spec.cost.kind]
        self.fused = self.cost.fused.get(self.activations[self.depth].kind)
        self.decays = bool(spec.hyperparameters.regularization.l2)
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
        identity = entry.body == (Map("a", Var("z")),)
        right = f"z{up}" if identity else f"{entry.symbol}(z{up})"
        function = "" if identity else entry.kind
        steps.append(Activate(index, f"a{up} = {right}", function, z, names.a))
        formulas = ", ".join(step.formula for step in steps)
        return Block(index, f"layer {index}: {formulas}", tuple(steps))

    def backward(self, index: int) -> Block:
        names, below = self.names[index], self.names[index - 1]
        up, down = _up(index), _up(index - 1)
        steps: list[Step] = []
        if index == self.depth:
            steps.append(self._output_error())
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
        """The derivative in words: where σ'(z²) = a² ⊙ (1 - a²)."""
        entry, up = self.activations[index], _up(index)
        assert entry.derivative is not None
        book = spell(entry.derivative, BOOK, {"a": f"a{up}", "z": f"z{up}"})
        return f"{entry.symbol}'(z{up}) = {book}"

    def _output_error(self) -> OutputError:
        names, entry = self.names[self.depth], self.activations[self.depth]
        function = "" if entry.elementwise or self.fused else f"{entry.kind}_vjp"
        value = self.fused.error if self.fused else self.cost.gradient
        if entry.derivative is not None and not self.fused:
            value = _times(value, entry.derivative)
        used = {v.name for v in variables(value)} | ({"a"} if function else set())
        operands = (("a", names.a), ("y", self.y), ("z", names.z))
        return OutputError(
            self.depth,
            self._output_formula(),
            value,
            function,
            ("a",) if function else (),
            tuple((name, tensor) for name, tensor in operands if name in used),
            names.delta,
        )

    def _output_formula(self) -> str:
        """BP1 in the book's words, then what this network makes of it."""
        entry, up = self.activations[self.depth], _up(self.depth)
        in_book = {"a": f"a{up}", "z": f"z{up}"}
        gradient = f"∇ₐC = {spell(self.cost.gradient, BOOK, in_book)}"
        if entry.derivative is None:
            bp1 = f"δ{up} = (∂a{up}/∂z{up})ᵀ ∇ₐC"
        elif entry.derivative == Const(1):
            return f"δ{up} = ∇ₐC ⊙ 1, where {gradient}"
        else:
            bp1 = f"δ{up} = ∇ₐC ⊙ {entry.symbol}'(z{up})"
        if self.fused:
            left = spell(self.fused.error, BOOK, in_book)
            return f"{bp1}; {self.fused.reason}, leaving {left}"
        prime = f", {self._prime(self.depth)}" if entry.derivative is not None else ""
        return f"{bp1}, where {gradient}{prime}"

    def _hidden_error(self, index: int) -> HiddenError:
        names, above = self.names[index], self.names[index + 1]
        entry, up, over = self.activations[index], _up(index), _up(index + 1)
        # Only the output layer may have an activation that is not element-wise.
        assert entry.derivative is not None
        value = _times(Var("g"), entry.derivative)
        product = f"δ{up} = (w{over})ᵀ δ{over}"
        if entry.derivative == Const(1):
            formula = f"{product} ⊙ 1, as a{up} = z{up}"
        else:
            formula = f"{product} ⊙ {entry.symbol}'(z{up}), where {self._prime(index)}"
        used = {v.name for v in variables(value)}
        operands = (("a", names.a), ("z", names.z))
        return HiddenError(
            index,
            formula,
            value,
            "",
            (),
            tuple((name, tensor) for name, tensor in operands if name in used),
            names.delta,
            above.w,
            above.delta,
        )

    def update(self, index: int) -> Block:
        names = self.names[index]
        optimizer = OPTIMIZERS[self.spec.hyperparameters.optimizer.kind]
        plain = optimizer.body
        decayed = plain
        if self.decays:
            decay = Var("decay", scalar=True) * Var("w")
            decayed = tuple(
                Map(s.target, substitute(s.value, {"w": decay}))
                for s in plain
                if isinstance(s, Map)
            )
        steps = (
            UpdateParameter(index, "", decayed, names.w, names.nabla_w),
            UpdateParameter(index, "", plain, names.b, names.nabla_b),
        )
        return Block(index, f"layer {index}", steps)
