"""BP1 to BP4 in loops, derivatives of the cost by other means, training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from bpcompile.reference.forward import (
    Labels,
    Number,
    Parameters,
    Rows,
    Scaling,
    activate,
    cost,
    cost_of_z,
    examples,
    feedforward,
    fit_scaling,
    initial_parameters,
    mean_cost,
    numbered_layers,
    scaled,
)
from bpcompile.reference.randomness import epoch_order

if TYPE_CHECKING:
    from bpcompile.sections import Layer
    from bpcompile.spec import NetworkSpec

Index: TypeAlias = int | tuple[int, ...]

# Nothing is subtracted in a complex step, so h may be so small that its error,
# of order h**2, lies far below rounding.
_H = 1e-30


@dataclass(frozen=True)
class Training:
    """What `train` returns.

    parameters: final values by name; costs: mean C_x over the training set after
    each epoch; scaling: (shift, divisor) of the inputs; epoch: epochs done so far,
    those before `start_epoch` included.
    """

    parameters: dict[str, Any]
    costs: tuple[float, ...]
    scaling: Scaling
    epoch: int


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
) -> list[list[float]]:
    """The errors of layers 2 to L for one example: BP1, then BP2 backwards."""
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
) -> dict[str, Any]:
    """Gradient of `cost` by BP1 to BP4, in the names and shapes of the parameters.

    x (n, N1) raw inputs, y as `targets` takes it. With sample weights it is the
    gradient of sum(weight * C_x) / n: the weights do not change the divisor.
    Raises ValueError without examples, and for unequal numbers of x, y and weights.
    """
    pairs = examples(spec, x, y)
    weights = [1.0] * len(pairs) if sample_weight is None else sample_weight
    nabla: dict[str, Any] = {}
    for number, layer in numbered_layers(spec):
        n_in, n_out = spec.layers[number - 2].size, layer.size
        nabla[f"w{number}"] = [[0.0] * n_in for _ in range(n_out)]
        nabla[f"b{number}"] = [0.0] * n_out
    for (x_row, y_row), weight in zip(pairs, weights, strict=True):
        zs, activations = feedforward(spec, parameters, x_row, scaling)
        deltas = _deltas(spec, parameters, zs, activations, y_row)
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
) -> float:
    """Derivative of `cost` with respect to one entry, by a complex step of it all.

    index: (j, k) of a weight, j or (j,) of a bias. It shares only `feedforward` with
    `backprop` and is exact to rounding. Raises KeyError and IndexError for an entry
    that is not there, ValueError as `cost` does.
    """
    moved = _moved(parameters, name, index, 1j * _H)
    return mean_cost(spec, moved, x, y, scaling).imag / _H


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


def update(
    spec: NetworkSpec, parameters: Parameters, gradient: Parameters, n: int
) -> dict[str, Any]:
    """One step of the book's SGD with L2, as new parameters.

    w -> (1 - eta lmbda / n) w - eta nabla_w and b -> b - eta nabla_b, where `gradient`
    is that of the *mean* cost of the mini-batch and n the size of the training set.
    """
    eta = spec.hyperparameters.learning_rate
    l2 = spec.hyperparameters.regularization.penalties.get("l2", 0.0)
    decay = 1.0 - eta * l2 / n
    moved: dict[str, Any] = {}
    for number, _ in numbered_layers(spec):
        w, b = f"w{number}", f"b{number}"
        moved[w] = [
            [decay * w_jk - eta * g_jk for w_jk, g_jk in zip(w_j, g_j, strict=True)]
            for w_j, g_j in zip(parameters[w], gradient[w], strict=True)
        ]
        moved[b] = [
            b_j - eta * g_j for b_j, g_j in zip(parameters[b], gradient[b], strict=True)
        ]
    return moved


def train(
    spec: NetworkSpec,
    x: Rows,
    y: Labels,
    epochs: int,
    seed: int | None = None,
    parameters: Parameters | None = None,
    start_epoch: int = 0,
    sample_weight: Sequence[float] | None = None,
    on_step: Callable[[int, int, dict[str, Any]], None] | None = None,
    scaling: Scaling | None = None,
) -> Training:
    """Train by mini-batches in the order of each epoch, from `start_epoch` on.

    x (n, N1) raw inputs, y as `targets` takes it. seed: None is the spec's;
    parameters: None draws initial ones; scaling: None fits it on x. on_step(epoch,
    step, parameters) is called after each update, both numbers from 0. Raises
    ValueError as `backprop` does, and OverflowError where a diverging run leaves the
    range of a definition.
    """
    pairs = examples(spec, x, y)
    if sample_weight is not None and len(sample_weight) != len(pairs):
        raise ValueError(f"expected {len(pairs)} weights, got {len(sample_weight)}")
    n, m = len(pairs), spec.hyperparameters.mini_batch_size
    seed = spec.hyperparameters.seed if seed is None else seed
    scaling = fit_scaling(spec, x) if scaling is None else scaling
    inputs = [scaled(x_row, scaling) for x_row, _ in pairs]
    outputs = [y_row for _, y_row in pairs]
    weights = [1.0] * n if sample_weight is None else sample_weight
    current = initial_parameters(spec, seed) if parameters is None else dict(parameters)
    costs: list[float] = []
    for epoch in range(start_epoch, start_epoch + epochs):
        order = epoch_order(n, seed, epoch)
        for step, start in enumerate(range(0, n, m)):
            batch = order[start : start + m]
            gradient = backprop(
                spec,
                current,
                [inputs[i] for i in batch],
                [outputs[i] for i in batch],
                sample_weight=[weights[i] for i in batch],
            )
            current = update(spec, current, gradient, n)
            if on_step is not None:
                on_step(epoch, step, current)
        costs.append(cost(spec, current, inputs, outputs))
    return Training(current, tuple(costs), scaling, start_epoch + epochs)
