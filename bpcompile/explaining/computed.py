"""All numbers of one step of training on one example, by the reference runtime."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bpcompile import reference
from bpcompile.operators import SCALINGS
from bpcompile.reference.forward import activate, numbered_layers, scaled
from bpcompile.reference.measures import mean_cost
from bpcompile.reference.optimise import clipped
from bpcompile.spec import NetworkSpec

#: Examples in the training set, for what a penalty is divided by.
TRAINING_SET = 1000

Layers = Mapping[int, list[float]]


@dataclass(frozen=True)
class Computed:
    """What training computes in its first step, were its mini-batch this one example.

    x, y          the example: N1 raw inputs, and the values of the desired outputs
    parameters    before the step, as `reference.initial_parameters` has them
    scaling       (shift, divisor) of the inputs; None where they stay what they are
    z, a, delta   by layer; a of layer 1 are the scaled inputs
    factors       of dropout by layer, and `kept`: what goes on to the next layer
    cost          C_x
    error         δ of the output layer before it is multiplied by `weight`, that of
                  the example's class
    nabla         the gradients, and `clipped`: what the update reads
    eta           of the first step
    after         the parameters after the step
    """

    spec: NetworkSpec
    x: list[float]
    y: list[float]
    parameters: Mapping[str, Any]
    scaling: tuple[list[float], list[float]] | None
    z: Layers
    a: Layers
    factors: Layers
    kept: Layers
    cost: float
    delta: Layers
    error: list[float]
    weight: float
    nabla: Mapping[str, Any]
    clipped: Mapping[str, Any]
    eta: float
    after: Mapping[str, Any]


def computed(
    spec: NetworkSpec, x: list[float], y: Any, parameters: Mapping[str, Any]
) -> Computed:
    """One step on x (N1 raw inputs) and y, a label or value as `targets` takes it.

    Raises ValueError as `reference.backprop` does.
    """
    # A scaling that is fitted on data is the identity before there are any.
    fitted = SCALINGS[spec.layers[0].scaling.kind].fitted
    scaling = None if fitted else reference.fit_scaling(spec, [x])
    (factors,) = reference.dropout_factors(spec, 1, spec.hyperparameters.seed, 0, 0)
    zs, kept = reference.feedforward(spec, parameters, x, scaling, factors)
    backprop = partial(
        reference.backprop, spec, parameters, [x], [y], scaling, factors=[factors]
    )
    (weight,) = reference.class_weights(spec, [y])
    nabla = backprop(sample_weight=[weight])
    plain = nabla if weight == 1 else backprop()
    activations = {
        number: _real(activate(spec, layer, z))
        for (number, layer), z in zip(numbered_layers(spec), zs, strict=True)
    }
    eta = reference.learning_rate(spec, TRAINING_SET, 0, 0)
    after, _ = reference.update(spec, parameters, nabla, TRAINING_SET, eta=eta)
    cost = mean_cost(spec, parameters, [x], [y], scaling, factors=[factors])
    return Computed(
        spec=spec,
        x=x,
        y=reference.targets(spec, [y])[0],
        parameters=parameters,
        scaling=scaling,
        z={number: _real(z) for number, z in enumerate(zs, start=2)},
        a={1: scaled(x, scaling), **activations},
        factors=factors,
        kept={number: _real(a) for number, a in enumerate(kept, start=1)},
        cost=cost.real,
        delta={number: nabla[f"b{number}"] for number in activations},
        error=plain[f"b{len(spec.layers)}"],
        weight=weight,
        nabla=nabla,
        clipped=clipped(spec, nabla),
        eta=eta,
        after=after,
    )


def _real(values: Iterable[complex]) -> list[float]:
    return [value.real for value in values]
