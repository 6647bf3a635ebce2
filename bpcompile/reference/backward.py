"""BP1 to BP4 in loops, and derivatives of the cost by other means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from bpcompile.reference.forward import (
    Factors,
    Labels,
    Number,
    Parameters,
    Rows,
    Scaling,
    activate,
    cost_of_z,
    examples,
    feedforward,
    numbered_layers,
)
from bpcompile.reference.measures import cost, mean_cost

if TYPE_CHECKING:
    from bpcompile.sections import Layer
    from bpcompile.spec import NetworkSpec

Index: TypeAlias = int | tuple[int, ...]

# Nothing is subtracted in a complex step, so h may be so small that its error,
# of order h**2, lies far below rounding.
_H = 1e-30


__all__ = ["backprop", "complex_step", "derivative", "finite_difference"]


def derivative(function: Callable[[Number], Number], value: float) -> float:
    """That of a function of one number, by a complex step: exact to rounding."""
    return function(value + 1j * _H).imag / _H


def _stepped(values: Sequence[Number], j: int) -> list[Number]:
    return [*values[:j], values[j] + 1j * _H, *values[j + 1 :]]


def _partials(
    function: Callable[[Sequence[Number]], Number], values: Sequence[Number]
) -> list[float]:
    return [function(_stepped(values, j)).imag / _H for j in range(len(values))]


def _through_activation(
    spec: NetworkSpec, layer: Layer, z: Sequence[Number], g: Sequence[float]
) -> list[float]:
    """dC/dz of a layer from its z and g = dC/da: the transposed Jacobian times g."""
    if spec.activations[layer.activation.kind].elementwise:
        slopes = [activate(spec, layer, [z_j + 1j * _H])[0].imag / _H for z_j in z]
        return [g_j * slope for g_j, slope in zip(g, slopes, strict=True)]
    delta = []
    for j in range(len(z)):
        column = activate(spec, layer, _stepped(z, j))
        delta.append(
            sum(g_i * a_i.imag / _H for g_i, a_i in zip(g, column, strict=True))
        )
    return delta


def _deltas(
    spec: NetworkSpec,
    parameters: Parameters,
    zs: Sequence[Sequence[Number]],
    activations: Sequence[Sequence[Number]],
    y_row: Sequence[float],
    factors: Factors | None,
) -> list[list[float]]:
    """The errors of layers 2 to L for one example: BP1, then BP2 backwards.

    What goes on from a layer is its a times the factors of dropout, so what comes back
    is dC/da only after it has been multiplied by them too.
    """
    layers = list(numbered_layers(spec))
    from_z = cost_of_z(spec)
    if from_z is not None:
        delta = _partials(lambda z: from_z(z, y_row), zs[-1])
    else:
        define = spec.cost_entry.define
        settings = spec.cost.parameters
        g = _partials(lambda a: define(a, y_row, **settings), activations[-1])
        delta = _through_activation(spec, layers[-1][1], zs[-1], g)
    backwards = [delta]
    for number, layer in layers[-2::-1]:
        w = parameters[f"w{number + 1}"]
        g = [
            sum(w_j[k] * delta_j for w_j, delta_j in zip(w, delta, strict=True))
            for k in range(layer.size)
        ]
        if factors is not None and number in factors:
            g = [r_k * g_k for r_k, g_k in zip(factors[number], g, strict=True)]
        delta = _through_activation(spec, layer, zs[number - 2], g)
        backwards.append(delta)
    return backwards[::-1]


def backprop(
    spec: NetworkSpec,
    parameters: Parameters,
    x: Rows,
    y: Labels,
    scaling: Scaling | None = None,
    sample_weight: Sequence[float] | None = None,
    factors: Sequence[Factors] | None = None,
) -> dict[str, Any]:
    """Gradient of `mean_cost` by BP1 to BP4, in names and shapes of the parameters.

    x (n, N1) raw inputs, y as `targets` takes it. With sample weights it is the
    gradient of sum(weight * C_x) / n: the weights do not change the divisor. factors:
    what dropout makes of each example, none for the whole network. Raises ValueError
    without examples, and for unequal numbers of x, y, weights and factors.
    """
    pairs = examples(spec, x, y)
    weights = [1.0] * len(pairs) if sample_weight is None else sample_weight
    kept: Sequence[Factors | None] = factors or [None] * len(pairs)
    nabla: dict[str, Any] = {}
    for number, layer in numbered_layers(spec):
        n_in, n_out = spec.layers[number - 2].size, layer.size
        nabla[f"w{number}"] = [[0.0] * n_in for _ in range(n_out)]
        nabla[f"b{number}"] = [0.0] * n_out
    for (x_row, y_row), weight, left in zip(pairs, weights, kept, strict=True):
        zs, activations = feedforward(spec, parameters, x_row, scaling, left)
        deltas = _deltas(spec, parameters, zs, activations, y_row, left)
        share = float(weight) / len(pairs)
        for number, delta in enumerate(deltas, start=2):
            a = activations[number - 2]
            nabla_w, nabla_b = nabla[f"w{number}"], nabla[f"b{number}"]
            for j, delta_j in enumerate(delta):
                error = share * delta_j
                nabla_b[j] += error  # BP3
                row = nabla_w[j]
                for k, a_k in enumerate(a):
                    row[k] += error * a_k  # BP4
    return nabla


def _moved(
    parameters: Parameters, name: str, index: Index, step: Number
) -> dict[str, Any]:
    """The parameters with `step` added to one entry; the given ones stay."""
    place = (index,) if isinstance(index, int) else tuple(index)
    values = list(parameters[name])
    if len(place) == 1:
        values[place[0]] += step
    else:
        j, k = place
        values[j] = list(values[j])
        values[j][k] += step
    return {**parameters, name: values}


def complex_step(
    spec: NetworkSpec,
    parameters: Parameters,
    x: Rows,
    y: Labels,
    name: str,
    index: Index,
    scaling: Scaling | None = None,
    sample_weight: Sequence[float] | None = None,
    factors: Sequence[Factors] | None = None,
) -> float:
    """Derivative of `mean_cost` in one entry, by a complex step of it all.

    index: (j, k) of a weight, j or (j,) of a bias. It shares only `feedforward` with
    `backprop` and is exact to rounding. Raises KeyError and IndexError for an entry
    that is not there, ValueError as `cost` does.
    """
    moved = _moved(parameters, name, index, 1j * _H)
    moved_cost = mean_cost(spec, moved, x, y, scaling, sample_weight, factors)
    return moved_cost.imag / _H


def finite_difference(
    spec: NetworkSpec,
    parameters: Parameters,
    x: Rows,
    y: Labels,
    name: str,
    index: Index,
    scaling: Scaling | None = None,
    step: float = 1e-5,
) -> float:
    """`complex_step` by central differences, good to about 1e-9.

    The one derivative here that needs no complex arithmetic, so a definition that
    treats complex numbers wrongly shows up against it.
    """
    above = cost(spec, _moved(parameters, name, index, step), x, y, scaling)
    below = cost(spec, _moved(parameters, name, index, -step), x, y, scaling)
    return (above - below) / (2 * step)
