"""The steps on the way forward, in training and without, and the arrays of a layer."""

from __future__ import annotations

from bpcompile.lower_operators import reads_z, resolved
from bpcompile.operators.entry import Activation
from bpcompile.plan import Block, Dropout
from bpcompile.spec import NetworkSpec
from bpcompile.step import Step, Tensor
from bpcompile.steps import Activate, Drop, WeightedInput

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def superscript(layer: int) -> str:
    return str(layer).translate(_SUPERSCRIPTS)


def book(tensor: Tensor) -> str:
    """Its name as the book writes it: a², kept²."""
    return tensor.name.translate(_SUPERSCRIPTS)


class Names:
    """The tensors of one layer, named as in the book."""

    def __init__(self, layer: int) -> None:
        def tensor(name: str, role: str, *axes: str) -> Tensor:
            return Tensor(f"{name}{layer}", role, layer, axes)

        self.z = tensor("z", "weighted_input", "neuron", "example")
        self.a = tensor("a", "activation", "neuron", "example")
        self.r = tensor("r", "factor", "neuron", "example")
        self.kept = tensor("kept", "kept", "neuron", "example")
        self.delta = tensor("delta", "error", "neuron", "example")
        self.w = tensor("w", "weight", "neuron", "input")
        self.b = tensor("b", "bias", "neuron", "one")
        self.nabla_w = tensor("nabla_w", "weight_gradient", "neuron", "input")
        self.nabla_b = tensor("nabla_b", "bias_gradient", "neuron", "one")


class ForwardSteps:
    """One spec's layers on their way forward; methods of a layer take its number."""

    def __init__(self, spec: NetworkSpec) -> None:
        self.spec = spec
        self.depth = len(spec.layers)
        self.layers = dict(enumerate(spec.layers[1:], start=2))
        self.activations: dict[int, Activation] = {
            index: resolved(spec.activations[layer.activation.kind], layer.activation)
            for index, layer in self.layers.items()
        }
        self.names = {index: Names(index) for index in range(1, self.depth + 1)}

    def arrays(self, index: int) -> tuple[Tensor, ...]:
        """What one mini-batch needs of a layer beside x, y and the parameters."""
        names = self.names[index]
        drops = (names.r, names.kept) if self.drops(index) else ()
        if index == 1:
            return drops
        return (*dict.fromkeys((self._z(index), names.a)), *drops, names.delta)

    def drops(self, index: int) -> bool:
        return self.spec.layers[index - 1].dropout > 0

    def dropouts(self) -> tuple[Dropout, ...]:
        """The layers that drop neurons, each with the name of its probability."""
        return tuple(
            Dropout(index, f"dropout{index}", names.r)
            for index, names in self.names.items()
            if self.drops(index)
        )

    def sent(self, index: int) -> Tensor:
        """What a layer sends on to the next in training: a, or what is kept of it."""
        names = self.names[index]
        return names.kept if self.drops(index) else names.a

    def forward(self) -> tuple[Block, ...]:
        """The blocks of training; the first layer has one if it drops inputs."""
        blocks = [_block(1, *self._drop(1))] if self.drops(1) else []
        for index in range(2, self.depth + 1):
            below = self.sent(index - 1)
            weighted = self._weighted_input(index, below, self._z(index))
            steps = weighted, self.activate(index), *self._drop(index)
            blocks.append(_block(index, *steps))
        return tuple(blocks)

    def feedforward(self) -> tuple[Block, ...]:
        """The blocks from which nothing is dropped, up to z of the last layer."""
        below, last = self.names[self.depth - 1].a, self.names[self.depth].z
        return (
            *self.inference()[:-1],
            _block(self.depth, self._weighted_input(self.depth, below, last)),
        )

    def inference(self) -> tuple[Block, ...]:
        """The same blocks, the last one up to its activations."""
        blocks = []
        for index in range(2, self.depth + 1):
            below = self.names[index - 1].a
            weighted = self._weighted_input(index, below, self._z(index))
            blocks.append(_block(index, weighted, self.activate(index)))
        return tuple(blocks)

    def activate(self, index: int) -> Activate:
        names, entry = self.names[index], self.activations[index]
        up = superscript(index)
        right = f"z{up}" if entry.is_identity else f"{entry.symbol}(z{up})"
        function = "" if entry.is_identity else entry.function
        return Activate(index, f"a{up} = {right}", function, self._z(index), names.a)

    def _weighted_input(self, index: int, below: Tensor, z: Tensor) -> WeightedInput:
        names, up = self.names[index], superscript(index)
        formula = f"z{up} = w{up} {book(below)} + b{up}"
        return WeightedInput(index, formula, names.w, names.b, below, z)

    def _drop(self, index: int) -> tuple[Drop, ...]:
        if not self.drops(index):
            return ()
        names, up = self.names[index], superscript(index)
        formula = f"kept{up} = r{up} ⊙ a{up}"
        return (Drop(index, formula, names.r, names.a, names.kept),)

    def _z(self, index: int) -> Tensor:
        """Where z stands: a takes its place in memory unless z is read again."""
        names = self.names[index]
        return names.z if reads_z(self.activations[index]) else names.a


def _block(layer: int, *steps: Step) -> Block:
    """The steps under their formulas."""
    formulas = ", ".join(step.formula for step in steps)
    return Block(layer, f"layer {layer}: {formulas}", steps)
