"""What a network costs, layer by layer: shapes, parameters, multiply-adds and memory.

Counted from the plan alone, so that every picture, page and table says the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from bpcompile.plan import Layer, Plan
from bpcompile.step import Tensor

if TYPE_CHECKING:
    from bpcompile.spec import NetworkSpec

BITS_OF_A_BYTE = 8
#: Of fewer bytes every one is told; units are those of the SI.
MOST_BYTES, THOUSAND, UNITS = 10_000, 1000, ("kB", "MB", "GB", "TB")

#: Columns of a table; forward and backward are multiply-adds for one example. The first
#: `WORDS` hold words, the others numbers.
HEAD = ("layer", "activation", "neurons", "w", "b", "parameters", "forward", "backward")
WORDS = 2


@dataclass(frozen=True)
class LayerSummary:
    """Layer `index`, counted from 1; the input layer has sizes and nothing else.

    weights      the shape of w, (n_out, n_in), and biases that of b, (n_out, 1)
    parameters   how many numbers these are
    forward      multiply-adds of feedforward for one example: those of w·a
    backward     the same of BP2's transpose(w)·δ, which the first layer with weights
                 takes no part in, and BP4's δ·transpose(a)
    state        how many numbers the optimizer keeps
    activations  numbers for each example of a mini-batch: z, a, δ and what else is kept,
                 of layer 1 the inputs and of the last one y as well
    """

    index: int
    size: int
    activation: str
    weights: tuple[int, int] | None
    biases: tuple[int, int] | None
    forward: int
    backward: int
    state: int
    activations: int

    @property
    def parameters(self) -> int:
        return sum(prod(shape) for shape in (self.weights, self.biases) if shape)


@dataclass(frozen=True)
class Summary:
    """All layers and their sums; `bytes_each` is the size of one number."""

    layers: tuple[LayerSummary, ...]
    bytes_each: int
    mini_batch_size: int

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def forward(self) -> int:
        return sum(layer.forward for layer in self.layers)

    @property
    def backward(self) -> int:
        return sum(layer.backward for layer in self.layers)

    @property
    def parameter_bytes(self) -> int:
        return self.bytes_each * self.parameters

    @property
    def state_bytes(self) -> int:
        return self.bytes_each * sum(layer.state for layer in self.layers)

    @property
    def gradient_bytes(self) -> int:
        """Of nabla, where a target keeps all of it at once."""
        return self.parameter_bytes

    @property
    def mini_batch_bytes(self) -> int:
        """Of all that has a number for each example: x, y, z, a, δ and what else the
        plan lists."""
        each = sum(layer.activations for layer in self.layers)
        return self.bytes_each * each * self.mini_batch_size

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """A row of cells for each layer and one of the sums, under `HEAD`."""
        total = (
            *("all", "", "", "", "", f"{self.parameters:,}"),
            *(f"{self.forward:,}", f"{self.backward:,}"),
        )
        return (*map(_row, self.layers), total)

    @property
    def memory(self) -> dict[str, int]:
        """Bytes, by what they hold."""
        return {
            "parameters": self.parameter_bytes,
            "gradients": self.gradient_bytes,
            "the optimizer's state": self.state_bytes,
            f"a mini-batch of {self.mini_batch_size:,}": self.mini_batch_bytes,
        }

    def text(self) -> str:
        """Columns as wide as their cells, then the memory; it ends with a line feed."""
        table = (HEAD, *self.rows)
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(
                f"{cell:{'<' if place < WORDS else '>'}{width}}"
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in table
        ]
        return "\n".join((*lines, "", *self._memory_lines())) + "\n"

    def markdown(self) -> str:
        """The same as a table of Markdown and a list."""
        rule = ["---" if place < WORDS else "--:" for place in range(len(HEAD))]
        lines = [f"| {' | '.join(row)} |" for row in (HEAD, rule, *self.rows)]
        memory = [f"- {line}" for line in self._memory_lines()]
        return "\n".join((*lines, "", *memory)) + "\n"

    def html(self) -> str:
        """The same as a <table> and a list; classes begin with "bp-"."""
        # Loaded here, because counting needs no templates.
        from bpcompile.pages import page_template

        template = page_template("summary.html.jinja")
        memory = self._memory_lines()
        return template.render(head=HEAD, rows=self.rows, words=WORDS, memory=memory)

    def _repr_html_(self) -> str:
        return self.html()

    def _memory_lines(self) -> list[str]:
        return [f"{size_text(size)} for {what}" for what, size in self.memory.items()]


def size_text(size: int) -> str:
    """Bytes as a person reads them: 9,540 bytes, 95.4 kB; negative ones, too."""
    if abs(size) < MOST_BYTES:
        return f"{size:,} bytes"
    amount, unit = size / THOUSAND, 0
    # Not `amount < THOUSAND`: 999.97 would be printed as 1000.0.
    while round(abs(amount), 1) >= THOUSAND and unit < len(UNITS) - 1:
        amount, unit = amount / THOUSAND, unit + 1
    return f"{amount:,.1f} {UNITS[unit]}"


def _row(layer: LayerSummary) -> tuple[str, ...]:
    shapes = (
        f"{shape[0]:,}×{shape[1]:,}" if shape else ""
        for shape in (layer.weights, layer.biases)
    )
    return (
        str(layer.index),
        layer.activation or "input",
        f"{layer.size:,}",
        *shapes,
        *(f"{n:,}" for n in (layer.parameters, layer.forward, layer.backward)),
    )


def summarize(source: str | Path | NetworkSpec | Plan) -> Summary:
    """What the network of a plan, a spec or a spec file costs.

    Raises what `load_spec` raises.
    """
    plan = source if isinstance(source, Plan) else _lowered(source)
    pairs = zip(plan.layers, plan.sizes, plan.arrays[1:], strict=False)
    layers = [_layer(layer, n_in, arrays) for layer, n_in, arrays in pairs]
    layers[-1] = replace(layers[-1], activations=layers[-1].activations + plan.outputs)
    inputs = plan.sizes[0] + _per_example(plan.arrays[0], plan.sizes[0])
    first = LayerSummary(1, plan.sizes[0], "", None, None, 0, 0, 0, inputs)
    return Summary(
        layers=(first, *layers),
        bytes_each=int(plan.dtype.removeprefix("float")) // BITS_OF_A_BYTE,
        mini_batch_size=plan.normalised["hyperparameters"]["mini_batch_size"],
    )


def _lowered(source: object) -> Plan:
    # Loaded here, because who has a plan already needs neither.
    from bpcompile.api import spec_given
    from bpcompile.lower import lower

    return lower(spec_given(source))


def _layer(layer: Layer, n_in: int, arrays: tuple[Tensor, ...]) -> LayerSummary:
    products = layer.size * n_in
    sizes = {"weight": products, "bias": layer.size}
    return LayerSummary(
        index=layer.index,
        size=layer.size,
        activation=layer.activation,
        weights=(layer.size, n_in),
        biases=(layer.size, 1),
        forward=products,
        backward=products * (1 if layer.index == 2 else 2),
        state=sum(sizes[parameter.role] for _, parameter in layer.state),
        activations=_per_example(arrays, layer.size),
    )


def _per_example(arrays: Iterable[Tensor], size: int) -> int:
    """The numbers of all arrays that have one for each neuron and example."""
    return size * sum("example" in tensor.axes for tensor in arrays)
