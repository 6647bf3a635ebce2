"""The reference up to the outputs: scaling, targets, feedforward.

Plain loops over lists of float or complex numbers. Layers are numbered as in the
book: "w2" is a list of N2 rows of N1 numbers, "b2" a list of N2. Examples are rows.

Source: Nielsen, "Neural Networks and Deep Learning", chapters 1 to 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from bpcompile.operators import SCALINGS
from bpcompile.operators.entry import label_values

if TYPE_CHECKING:
    from bpcompile.sections import Layer
    from bpcompile.spec import NetworkSpec

__all__ = [
    "Factors",
    "Labels",
    "Number",
    "Parameters",
    "Rows",
    "Scaling",
    "activate",
    "cost_of_z",
    "examples",
    "feedforward",
    "fit_scaling",
    "numbered_layers",
    "scaled",
    "targets",
]

Number: TypeAlias = float | complex
Rows: TypeAlias = Sequence[Sequence[float]]
# Labels or values (n,), or rows (n, NL).
Labels: TypeAlias = Sequence[Any]
Scaling: TypeAlias = tuple[list[float], list[float]]
# "w2" holds rows and "b2" numbers: no one value type says both.
Parameters: TypeAlias = Mapping[str, Any]
# What dropout multiplies the neurons of one example by, by the number of the layer.
Factors: TypeAlias = Mapping[int, Sequence[float]]


def numbered_layers(spec: NetworkSpec) -> Iterator[tuple[int, Layer]]:
    """Layers 2, 3, ..., L, those that have weights, each with its number."""
    return enumerate(spec.layers[1:], start=2)


def fit_scaling(spec: NetworkSpec, x: Rows) -> Scaling:
    """(shift, divisor), N1 numbers each, so that scaled = (x - shift) / divisor.

    A constant column is divided by 1.
    Raises ValueError without examples or with rows that are not all N1 long.
    """
    n_inputs = spec.layers[0].size
    if len(x) == 0 or any(len(x_row) != n_inputs for x_row in x):
        raise ValueError(f"expected one or more rows of {n_inputs} numbers")
    columns = [[float(value) for value in column] for column in zip(*x, strict=True)]
    chosen = spec.layers[0].scaling
    define = SCALINGS[chosen.kind].define
    pairs = [define(column, **chosen.parameters) for column in columns]
    return [shift for shift, _ in pairs], [divisor for _, divisor in pairs]


def scaled(x_row: Sequence[float], scaling: Scaling | None) -> list[float]:
    """One example of N1 raw inputs as the network sees it; None changes nothing."""
    if scaling is None:
        return [float(value) for value in x_row]
    shift, divisor = scaling
    return [
        (float(value) - s) / d
        for value, s, d in zip(x_row, shift, divisor, strict=True)
    ]


def targets(spec: NetworkSpec, y: Labels) -> list[list[float]]:
    """The desired outputs, (n, NL), of labels (n,), values (n,) or rows (n, NL).

    Labels of a classification with NL >= 2 become one-hot rows of 0 and 1, or of -1
    and +1 where the output or the cost is coded so. Raises ValueError for a label that is no
    class, a row of another length than NL, and plain values where NL >= 2 are due.
    """
    width = spec.layers[-1].size
    low, high = map(float, label_values(spec.cost_entry, spec.output_activation))
    rows: list[list[float]] = []
    for value in y:
        if hasattr(value, "__len__"):
            row = [float(entry) for entry in value]
            if len(row) != width:
                raise ValueError(f"expected rows of {width} values, got {len(row)}")
        elif width == 1:
            row = [float(value)]
        elif spec.resolved_task != "classification":
            raise ValueError(f"expected rows of {width} values, got the number {value}")
        elif value not in range(width):
            raise ValueError(f"expected labels from 0 to {width - 1}, got {value}")
        else:
            row = [high if k == value else low for k in range(width)]
        rows.append(row)
    return rows


def activate(spec: NetworkSpec, layer: Layer, z: Sequence[Number]) -> list[Number]:
    """a of a layer from its z, or of one neuron where σ is element-wise."""
    activation = layer.activation
    return spec.activations[activation.kind].define(z, **activation.parameters)


def feedforward(
    spec: NetworkSpec,
    parameters: Parameters,
    x_row: Sequence[float],
    scaling: Scaling | None = None,
    factors: Factors | None = None,
) -> tuple[list[list[Number]], list[list[Number]]]:
    """(zs, activations) of one example of N1 raw inputs.

    activations[0] is the scaled input and activations[l - 1] the a of layer l, either
    as it goes on to the next layer: times its factors, where dropout gives some.
    zs[l - 2] is the z of layer l. Complex parameters give complex numbers.
    """
    a = _kept(scaled(x_row, scaling), factors, 1)
    zs: list[list[Number]] = []
    activations = [a]
    for number, layer in numbered_layers(spec):
        w, b = parameters[f"w{number}"], parameters[f"b{number}"]
        z = [
            sum(w_jk * a_k for w_jk, a_k in zip(w_j, a, strict=True)) + b_j
            for w_j, b_j in zip(w, b, strict=True)
        ]
        a = _kept(activate(spec, layer, z), factors, number)
        zs.append(z)
        activations.append(a)
    return zs, activations


def _kept(a: Sequence[Number], factors: Factors | None, number: int) -> list[Number]:
    """What dropout leaves of a layer's a."""
    if factors is None or number not in factors:
        return list(a)
    return [r_j * a_j for r_j, a_j in zip(factors[number], a, strict=True)]


def cost_of_z(
    spec: NetworkSpec,
) -> Callable[[Sequence[Number], Sequence[float]], Number] | None:
    """C_x(z, y) straight from the output's z, or None where there is no such form.

    It is there where C_x(a, y) would cancel: the logarithm of a rounded a.
    """
    define = spec.cost_entry.define_from_z.get(spec.output_activation.kind)
    if define is None:
        return None
    return lambda z, y: define(z, y, **spec.cost.parameters)


def examples(
    spec: NetworkSpec, x: Rows, y: Labels
) -> list[tuple[Sequence[float], list[float]]]:
    """Pairs of a row of x and its desired outputs.

    Raises ValueError without examples, for unequal numbers of x and y, and as
    `targets` does.
    """
    if len(x) == 0 or len(x) != len(y):
        raise ValueError(
            "expected one or more examples, as many x as y, "
            f"got {len(x)} x and {len(y)} y"
        )
    return list(zip(x, targets(spec, y), strict=True))
