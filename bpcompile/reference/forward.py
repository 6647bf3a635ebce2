"""The reference up to the cost: initial values, scaling, targets, feedforward.

Plain loops over lists of float or complex numbers. Layers are numbered as in the
book: "w2" is a list of N2 rows of N1 numbers, "b2" a list of N2. Examples are rows.

Source: Nielsen, "Neural Networks and Deep Learning", chapters 1 to 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from bpcompile.operators import ACTIVATIONS, COSTS, INITIALIZERS
from bpcompile.operators.entry import label_values
from bpcompile.reference.randomness import BIASES, WEIGHTS, normal_stream, normals

if TYPE_CHECKING:
    from bpcompile.spec import Layer, NetworkSpec

__all__ = [
    "Labels",
    "Number",
    "Parameters",
    "Rows",
    "Scaling",
    "activate",
    "cost",
    "cost_of_z",
    "examples",
    "feedforward",
    "fit_scaling",
    "initial_parameters",
    "mean_cost",
    "numbered_layers",
    "scaled",
    "targets",
    "total_cost",
]

Number: TypeAlias = float | complex
Rows: TypeAlias = Sequence[Sequence[float]]
# Labels or values (n,), or rows (n, NL).
Labels: TypeAlias = Sequence[Any]
Scaling: TypeAlias = tuple[list[float], list[float]]
# "w2" holds rows and "b2" numbers: no one value type says both.
Parameters: TypeAlias = Mapping[str, Any]


def numbered_layers(spec: NetworkSpec) -> Iterator[tuple[int, Layer]]:
    """Layers 2, 3, ..., L, those that have weights, each with its number."""
    return enumerate(spec.layers[1:], start=2)


def initial_parameters(spec: NetworkSpec, seed: int | None = None) -> dict[str, Any]:
    """Initial values: "w2" (N2 rows of N1), "b2" (N2), "w3", ...

    Biases are N(0, 1) of stream 1, weights the initializer's, drawing row by row from
    stream 0. Raises ValueError if the seed does not fit into 64 unsigned bits.
    """
    seed = spec.hyperparameters.seed if seed is None else seed
    parameters: dict[str, Any] = {}
    for number, layer in numbered_layers(spec):
        n_in, n_out = spec.layers[number - 2].size, layer.size
        define = INITIALIZERS[layer.initializer.kind].define
        settings = layer.initializer.parameters
        draw = normal_stream(seed, WEIGHTS, number).__next__
        parameters[f"w{number}"] = [
            [define(draw, n_in, n_out, **settings) for _ in range(n_in)]
            for _ in range(n_out)
        ]
        parameters[f"b{number}"] = normals(n_out, seed, BIASES, number)
    return parameters


def fit_scaling(spec: NetworkSpec, x: Rows) -> Scaling:
    """(shift, divisor), N1 numbers each, so that scaled = (x - shift) / divisor.

    none: 0 and 1; divide: 0 and `by`; standardize: mean and population standard
    deviation; min_max: minimum and range. A constant column is divided by 1.
    Raises ValueError without examples or with rows that are not all N1 long.
    """
    n_inputs = spec.layers[0].size
    if len(x) == 0 or any(len(x_row) != n_inputs for x_row in x):
        raise ValueError(f"expected one or more rows of {n_inputs} numbers")
    columns = [[float(value) for value in column] for column in zip(*x, strict=True)]
    zeros, ones = [0.0] * n_inputs, [1.0] * n_inputs
    scaling = spec.layers[0].scaling
    if scaling.kind == "none":
        return zeros, ones
    if scaling.kind == "divide":
        return zeros, [scaling.parameters["by"]] * n_inputs
    if scaling.kind == "standardize":
        moments = [_mean_and_deviation(column) for column in columns]
        return [mean for mean, _ in moments], [d or 1.0 for _, d in moments]
    if scaling.kind == "min_max":
        lows = [min(column) for column in columns]
        ranges = [max(column) - min(column) for column in columns]
        return lows, [r or 1.0 for r in ranges]
    raise ValueError(f"expected a known scaling, got {scaling.kind!r}")


def _mean_and_deviation(column: list[float]) -> tuple[float, float]:
    # The mean of equal numbers may round away from them, and the deviation would
    # then be tiny instead of 0.
    if min(column) == max(column):
        return column[0], 0.0
    mean = sum(column) / len(column)
    return mean, (sum((value - mean) ** 2 for value in column) / len(column)) ** 0.5


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
    output = ACTIVATIONS[_output(spec).activation.kind]
    low, high = map(float, label_values(COSTS[spec.cost.kind], output))
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


def _output(spec: NetworkSpec) -> Layer:
    return spec.layers[1:][-1]


def activate(layer: Layer, z: Sequence[Number]) -> list[Number]:
    """a of a layer from its z, or of one neuron where σ is element-wise."""
    activation = layer.activation
    return ACTIVATIONS[activation.kind].define(z, **activation.parameters)


def feedforward(
    spec: NetworkSpec,
    parameters: Parameters,
    x_row: Sequence[float],
    scaling: Scaling | None = None,
) -> tuple[list[list[Number]], list[list[Number]]]:
    """(zs, activations) of one example of N1 raw inputs.

    activations[0] is the scaled input and activations[l - 1] the a of layer l;
    zs[l - 2] is the z of layer l. Complex parameters give complex numbers.
    """
    a: list[Number] = list(scaled(x_row, scaling))
    zs: list[list[Number]] = []
    activations = [a]
    for number, layer in numbered_layers(spec):
        w, b = parameters[f"w{number}"], parameters[f"b{number}"]
        z = [
            sum(w_jk * a_k for w_jk, a_k in zip(w_j, a, strict=True)) + b_j
            for w_j, b_j in zip(w, b, strict=True)
        ]
        a = activate(layer, z)
        zs.append(z)
        activations.append(a)
    return zs, activations


def cost_of_z(
    spec: NetworkSpec,
) -> Callable[[Sequence[Number], Sequence[float]], Number] | None:
    """C_x(z, y) straight from the output's z, or None where there is no such form.

    It is there where C_x(a, y) would cancel: the logarithm of a rounded a.
    """
    define = COSTS[spec.cost.kind].define_from_z.get(_output(spec).activation.kind)
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


def mean_cost(
    spec: NetworkSpec,
    parameters: Parameters,
    x: Rows,
    y: Labels,
    scaling: Scaling | None = None,
) -> Number:
    """`cost` for complex parameters too, as a complex step needs it."""
    from_z = cost_of_z(spec)
    define = COSTS[spec.cost.kind].define
    total: Number = 0.0
    for x_row, y_row in examples(spec, x, y):
        zs, activations = feedforward(spec, parameters, x_row, scaling)
        if from_z is not None:
            total += from_z(zs[-1], y_row)
        else:
            total += define(activations[-1], y_row, **spec.cost.parameters)
    return total / len(x)


def cost(
    spec: NetworkSpec,
    parameters: Parameters,
    x: Rows,
    y: Labels,
    scaling: Scaling | None = None,
) -> float:
    """Mean of C_x over the n examples x (n, N1), y as `targets` takes it.

    Raises ValueError as `examples` does.
    """
    return mean_cost(spec, parameters, x, y, scaling).real


def total_cost(
    spec: NetworkSpec,
    parameters: Parameters,
    x: Rows,
    y: Labels,
    scaling: Scaling | None = None,
) -> float:
    """`cost` + lmbda/(2 n) * the sum of w**2 (no biases), n = len(x)."""
    squares = sum(
        w_jk * w_jk
        for number, _ in numbered_layers(spec)
        for w_j in parameters[f"w{number}"]
        for w_jk in w_j
    )
    lmbda = spec.hyperparameters.regularization.l2
    return cost(spec, parameters, x, y, scaling) + lmbda / (2 * len(x)) * float(squares)
