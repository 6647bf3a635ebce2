"""NetworkSpec -> Plan: which steps this network takes, in the book's order."""

from __future__ import annotations

from bpcompile.expr import BOOK, Apply, Const, Expr, Var, spell, substitute, variables
from bpcompile.operators import (
    ACTIVATIONS,
    COSTS,
    INITIALIZERS,
    OPTIMIZERS,
    REGULARIZERS,
    SCALINGS,
)
from bpcompile.operators.entry import TARGETS, Activation, Cost, Map
from bpcompile.plan import (
    Activate,
    BiasGradient,
    Block,
    CostValue,
    Function,
    HiddenError,
    Labels,
    Layer,
    OutputError,
    Plan,
    Scaling,
    Step,
    Tensor,
    UpdateParameter,
    WeighExamples,
    WeightedInput,
    WeightGradient,
)
from bpcompile.spec import NetworkSpec, digest

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_MOST_SIZES_IN_SUMMARY = 8


def lower(spec: NetworkSpec) -> Plan:
    """The plan of a valid spec; pure, without recursion over the depth."""
    return _Lowering(spec).plan()


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


def _reads_z(entry: Activation) -> bool:
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


class _Lowering:
    """One spec on its way to a plan; every method answers one question of it."""

    def __init__(self, spec: NetworkSpec) -> None:
        self.spec = spec
        self.depth = len(spec.layers)
        self.sizes = tuple(layer.size for layer in spec.layers)
        self.activations: dict[int, Activation] = {
            index: ACTIVATIONS[layer.activation.kind]
            for index, layer in enumerate(spec.layers[1:], start=2)
        }
        self.cost: Cost = COSTS[spec.cost.kind]
        self.fused = self.cost.fused.get(self.activations[self.depth].kind)
        self.names = {index: _Names(index) for index in range(1, self.depth + 1)}
        self.y = Tensor("y", "target", self.depth, ("neuron", "example"))

    def plan(self) -> Plan:
        spec = self.spec
        optimizer = OPTIMIZERS[spec.hyperparameters.optimizer.kind]
        scalars = list(optimizer.scalars)
        if self._lmbda:
            scalars.insert(0, ("decay", REGULARIZERS["l2"].decay))
        return Plan(
            name=spec.name,
            description=spec.description or "",
            summary=self._summary(),
            digest=digest(spec),
            dtype=spec.dtype,
            task=spec.resolved_task,
            sizes=self.sizes,
            layers=tuple(self._layer(i) for i in range(2, self.depth + 1)),
            constants=self._constants(),
            scaling=self._scaling(),
            labels=self._labels(),
            functions=self._functions(),
            cost=self._cost_value(),
            forward=tuple(self._forward(i) for i in range(2, self.depth + 1)),
            backward=tuple(self._backward(i) for i in range(self.depth, 1, -1)),
            update=tuple(self._update(i) for i in range(2, self.depth + 1)),
            scalars=tuple(scalars),
            update_formula=self._update_formula(),
            normalised=spec.normalised(),
        )

    @property
    def _lmbda(self) -> float:
        return self.spec.hyperparameters.regularization.l2

    def _summary(self) -> str:
        if self.depth <= _MOST_SIZES_IN_SUMMARY:
            network = "-".join(map(str, self.sizes)) + " network"
        else:
            network = (
                f"network of {self.depth} layers, "
                f"{self.sizes[0]} inputs to {self.sizes[-1]} outputs"
            )
        optimizer = OPTIMIZERS[self.spec.hyperparameters.optimizer.kind]
        article = "An" if network[0] == "8" or network[:2] in ("11", "18") else "A"
        return f"{article} {network}: {self.cost.symbol} cost, {optimizer.description}."

    def _constants(self) -> tuple[tuple[str, float], ...]:
        hyper = self.spec.hyperparameters
        decay = (("lmbda", self._lmbda),) if self._lmbda else ()
        return (
            ("eta", hyper.learning_rate),
            *decay,
            ("mini_batch_size", hyper.mini_batch_size),
            ("epochs", hyper.epochs),
            ("seed", hyper.seed),
        )

    def _scaling(self) -> Scaling | None:
        chosen = self.spec.layers[0].scaling
        if chosen.kind == "none":
            return None
        entry = SCALINGS[chosen.kind]
        numbers = {name: Const(value) for name, value in chosen.values}
        return Scaling(
            chosen.kind,
            substitute(entry.shift, numbers),
            substitute(entry.divisor, numbers),
            entry.fitted,
            entry.formula.format(**chosen.parameters),
        )

    def _labels(self) -> Labels:
        low = -1 if self.activations[self.depth].codes_minus_one else 0
        return Labels(
            low, 1, (low + 1) / 2, self.cost.targets, TARGETS[self.cost.targets]
        )

    # ---- What is defined once -----------------------------------------------------

    def _functions(self) -> tuple[Function, ...]:
        functions: dict[str, Function] = {}
        for entry in self.activations.values():
            for function in self._activation_functions(entry):
                functions[function.name] = function
        cost = self._cost_function()
        functions[cost.name] = cost
        return tuple(functions.values())

    def _activation_functions(self, entry: Activation) -> list[Function]:
        if entry.body == (Map("a", Var("z")),):
            return []
        kink = f"; {entry.kink}" if entry.kink else ""
        functions = [
            Function(
                entry.kind,
                "activation",
                ("z",),
                entry.body,
                f"{entry.symbol}(z) = {entry.formula}",
                kink,
                _reads_z(entry),
                entry.overflows,
            )
        ]
        if not entry.elementwise and not self.fused:
            functions.append(
                Function(
                    f"{entry.kind}_vjp",
                    "derivative",
                    ("g", "a"),
                    entry.vjp,
                    f"Jᵀ g = {entry.vjp_formula}, J = ∂a/∂z of {entry.symbol}",
                )
            )
        return functions

    def _cost_function(self) -> Function:
        formula = self.cost.formula
        if self.fused is None:
            text = f"{formula}, before the sum over the outputs"
            return Function(self.cost.kind, "cost", ("a", "y"), self.cost.body, text)
        output = self.activations[self.depth]
        return Function(
            f"{self.cost.kind}_of_{output.kind}",
            "cost",
            ("z", "y"),
            self.fused.value,
            f"{formula} with a = {output.symbol}(z), from z: nothing cancels",
        )

    def _cost_value(self) -> CostValue:
        penalty = REGULARIZERS["l2"] if self._lmbda else None
        function = self._cost_function()
        return CostValue(
            function.name,
            function.parameters[0],
            self.cost.formula,
            penalty.penalty if penalty else None,
            penalty.penalty_formula if penalty else "",
        )

    # ---- What stands per layer ----------------------------------------------------

    def _layer(self, index: int) -> Layer:
        names = self.names[index]
        _, *later = self.spec.layers
        initializer = INITIALIZERS[later[index - 2].initializer.kind]
        up, first = _up(index), initializer.formula.format(n_in=f"N{index - 1}")
        arrays = [names.a, names.delta]
        if _reads_z(self.activations[index]):
            arrays.insert(0, names.z)
        return Layer(
            index,
            self.sizes[index - 1],
            self.activations[index].kind,
            names.w,
            names.b,
            names.nabla_w,
            names.nabla_b,
            tuple(arrays),
            initializer.value,
            f"layer {index}: w{up} ~ {first}, b{up} ~ N(0, 1)",
        )

    def _forward(self, index: int) -> Block:
        names, below = self.names[index], self.names[index - 1]
        entry, up, down = self.activations[index], _up(index), _up(index - 1)
        z = names.z if _reads_z(entry) else names.a
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

    def _backward(self, index: int) -> Block:
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
        index, names = self.depth, self.names[self.depth]
        entry, up = self.activations[index], _up(index)
        operands = (("a", names.a), ("y", self.y), ("z", names.z))
        in_book = {"a": f"a{up}", "z": f"z{up}"}
        function: str = ""
        value = self.cost.gradient
        gradient = f"∇ₐC = {spell(value, BOOK, in_book)}"
        if self.fused:
            value = self.fused.error
            left = spell(value, BOOK, in_book)
            formula = f"δ{up} = ∇ₐC ⊙ {entry.symbol}'(z{up}); {self.fused.reason}, leaving {left}"
            if not entry.elementwise:
                formula = (
                    f"δ{up} = (∂a{up}/∂z{up})ᵀ ∇ₐC; {self.fused.reason}, leaving {left}"
                )
        elif entry.derivative is None:
            function = f"{entry.kind}_vjp"
            formula = f"δ{up} = (∂a{up}/∂z{up})ᵀ ∇ₐC, where {gradient}"
        elif entry.derivative == Const(1):
            formula = f"δ{up} = ∇ₐC ⊙ 1, where {gradient}"
        else:
            value = _times(value, entry.derivative)
            prime = f"{entry.symbol}'(z{up})"
            formula = f"δ{up} = ∇ₐC ⊙ {prime}, where {gradient}, {self._prime(index)}"
        used = {v.name for v in variables(value)} | ({"a"} if function else set())
        return OutputError(
            index,
            formula,
            value,
            function,
            ("a",) if function else (),
            tuple((name, tensor) for name, tensor in operands if name in used),
            names.delta,
        )

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

    def _update(self, index: int) -> Block:
        names = self.names[index]
        optimizer = OPTIMIZERS[self.spec.hyperparameters.optimizer.kind]
        plain = optimizer.body
        decayed = plain
        if self._lmbda:
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

    def _update_formula(self) -> str:
        optimizer = OPTIMIZERS[self.spec.hyperparameters.optimizer.kind]
        if not self._lmbda:
            return f"{optimizer.formula}, and b alike"
        decay = REGULARIZERS["l2"].decay_formula
        weights = optimizer.formula.replace("→ w", f"→ ({decay}) w")
        return f"{weights}, b → b - η/m ∂C/∂b"
