"""The reference up to the cost: initial values, scaling, targets, feedforward.

Plain loops over lists of float or complex numbers. Layers are numbered as in the
book: "w2" is a list of N2 rows of N1 numbers, "b2" a list of N2. Examples are rows.

Source: Nielsen, "Neural Networks and Deep Learning", chapters 1 to 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, TypeAlias

from bpcompile.operators import INITIALIZERS, REGULARIZERS, SCALINGS
from bpcompile.operators.entry import label_values
from bpcompile.operators.training import UNIFORM_DRAWS
from bpcompile.reference.randomness import (
    BIASES,
    WEIGHTS,
    normal_stream,
    uniform_stream,
)

if TYPE_CHECKING:
    from bpcompile.fields import Operator
    from bpcompile.sections import Layer
    from bpcompile.spec import NetworkSpec

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

    Drawn row by row, weights from stream 0 and biases, a column, from stream 1.
    Raises ValueError if the seed does not fit into 64 unsigned bits.
    """
    seed = spec.hyperparameters.seed if seed is None else seed
    parameters: dict[str, Any] = {}
    for number, layer in numbered_layers(spec):
        n_in, n_out = spec.layers[number - 2].size, layer.size
        sizes = n_in, n_out
        drawn = _draws(layer.initializer, seed, WEIGHTS, number, n_out, n_in)
        parameters[f"w{number}"] = [
            _initial(layer.initializer, row, sizes) for row in drawn
        ]
        drawn = _draws(layer.bias_initializer, seed, BIASES, number, n_out, 1)
        column = [draw for (draw,) in drawn]
        parameters[f"b{number}"] = _initial(layer.bias_initializer, column, sizes)
    return parameters


def _draws(
    chosen: Operator, seed: int, stream: int, number: int, rows: int, columns: int
) -> list[list[float]]:
    """What an initializer makes its values from: a number for each, row by row."""
    entry = INITIALIZERS[chosen.kind]
    draws: Iterator[float] = repeat(0.0)
    if entry.draws == UNIFORM_DRAWS:
        draws = uniform_stream(seed, stream, number)
    elif entry.draws:
        draws = normal_stream(seed, stream, number)
    drawn = [[next(draws) for _ in range(columns)] for _ in range(rows)]
    if not entry.orthogonal:
        return drawn
    if rows < columns:
        return _orthonormal(drawn)
    turned = _orthonormal([list(column) for column in zip(*drawn, strict=True)])
    return [list(row) for row in zip(*turned, strict=True)]


def _orthonormal(rows: list[list[float]]) -> list[list[float]]:
    """The rows by Gram and Schmidt, in order; no more of them than they are long."""
    found: list[list[float]] = []
    for row in rows:
        # Once leaves rounding errors, which a second time takes out (Giraud et al.,
        # "The loss of orthogonality in the Gram-Schmidt process", 2005).
        for other in found * 2:
            along = sum(r * o for r, o in zip(row, other, strict=True))
            row = [r - along * o for r, o in zip(row, other, strict=True)]
        length = math.hypot(*row)
        found.append([r / length for r in row])
    return found


def _initial(
    chosen: Operator, draws: Sequence[float], sizes: tuple[int, int]
) -> list[float]:
    """A value from each number drawn; sizes: the layer's inputs and neurons."""
    define = INITIALIZERS[chosen.kind].define
    return [define(draw, *sizes, **chosen.parameters) for draw in draws]


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
        a = activate(spec, layer, z)
        zs.append(z)
        activations.append(a)
    return zs, activations


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


def mean_cost(
    spec: NetworkSpec,
    parameters: Parameters,
    x: Rows,
    y: Labels,
    scaling: Scaling | None = None,
) -> Number:
    """`cost` for complex parameters too, as a complex step needs it."""
    from_z = cost_of_z(spec)
    define = spec.cost_entry.define
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
    """`cost` + the regularizers' penalties of every weight (no bias), n = len(x)."""
    total = cost(spec, parameters, x, y, scaling)
    for kind, lmbda in spec.hyperparameters.regularization.penalties.items():
        penalty = REGULARIZERS[kind].define
        for number, _ in numbered_layers(spec):
            for w_j in parameters[f"w{number}"]:
                total += sum(penalty(w_jk, lmbda, len(x)).real for w_jk in w_j)
    return total
