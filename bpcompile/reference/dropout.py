"""Dropout in the reference: which neurons a step of training leaves, and how strong.

Source: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a
simple way to prevent neural networks from overfitting", JMLR 15 (2014), with the
factor 1/(1 - p) in training instead of 1 - p afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpcompile.reference.randomness import dropped

if TYPE_CHECKING:
    from bpcompile.sections import InputLayer, Layer
    from bpcompile.spec import NetworkSpec

__all__ = ["dropout_factors"]


def dropout_factors(
    spec: NetworkSpec, m: int, seed: int, epoch: int, step: int
) -> list[dict[int, list[float]]]:
    """What each of m examples' neurons are multiplied by: 0 or 1/(1 - p).

    By number of the layer, for those that have dropout; epoch and step are counted
    from 0, step within its epoch. Raises ValueError if a number does not fit into 64
    unsigned bits.
    """
    found: list[dict[int, list[float]]] = [{} for _ in range(m)]
    layers: list[InputLayer | Layer] = [*spec.layers]
    for number, layer in enumerate(layers, start=1):
        if p := layer.dropout:
            rows = dropped(p, m, layer.size, seed, epoch, step, number)
            for factors, drop in zip(found, rows, strict=True):
                factors[number] = [0.0 if out else 1 / (1 - p) for out in drop]
    return found
