"""The first weights and biases of the reference.

Source: Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of
learning in deep linear neural networks" (ICLR 2014), for orthonormal arrays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import repeat
from typing import TYPE_CHECKING, Any

from bpcompile.operators import INITIALIZERS
from bpcompile.operators.training import NORMAL_DRAWS, UNIFORM_DRAWS
from bpcompile.reference.forward import numbered_layers
from bpcompile.reference.randomness import (
    BIASES,
    WEIGHTS,
    normal_stream,
    uniform_stream,
)

if TYPE_CHECKING:
    from bpcompile.fields import Operator
    from bpcompile.spec import NetworkSpec

__all__ = ["initial_parameters", "orthonormal"]


def initial_parameters(spec: NetworkSpec, seed: int | None = None) -> dict[str, Any]:
    """Initial values: "w2" (N2 rows of N1), "b2" (N2), "w3", ...

    Drawn row by row, weights from stream 0 and biases from stream 1. Raises ValueError
    if the seed does not fit into 64 unsigned bits.
    """
    seed = spec.hyperparameters.seed if seed is None else seed
    parameters: dict[str, Any] = {}
    for number, layer in numbered_layers(spec):
        n_in, n_out = spec.layers[number - 2].size, layer.size
        parameters[f"w{number}"] = _initial(
            layer.initializer, (seed, WEIGHTS, number), n_in, n_out, n_in
        )
        column = _initial(
            layer.bias_initializer, (seed, BIASES, number), n_in, n_out, 1
        )
        parameters[f"b{number}"] = [b_j for (b_j,) in column]
    return parameters


def _initial(
    chosen: Operator, place: tuple[int, int, int], n_in: int, n_out: int, width: int
) -> list[list[float]]:
    """n_out rows of `width` values, each from a number of its own drawn at `place`."""
    entry = INITIALIZERS[chosen.kind]
    # All three begin where the stream does, and only one of them is asked.
    streams: dict[str, Iterator[float]] = {
        NORMAL_DRAWS: normal_stream(*place),
        UNIFORM_DRAWS: uniform_stream(*place),
        "": repeat(0.0),
    }
    draws = streams[entry.draws]
    rows = [[next(draws) for _ in range(width)] for _ in range(n_out)]
    if entry.orthogonal:
        factor = entry.define(1.0, n_in, n_out, **chosen.parameters)
        return [[factor * value for value in row] for row in orthonormal(rows)]
    return [
        [entry.define(draw, n_in, n_out, **chosen.parameters) for draw in row]
        for row in rows
    ]


def orthonormal(rows: list[list[float]]) -> list[list[float]]:
    """The columns made orthonormal one after the other; the rows if they are fewer.

    That is Gram-Schmidt, or the Q of a QR decomposition whose R has a positive
    diagonal. Vectors that depend on each other give ZeroDivisionError or mere rounding.
    """
    if len(rows) < len(rows[0]):
        return _gram_schmidt(rows)
    columns = [list(column) for column in zip(*rows, strict=True)]
    return [list(row) for row in zip(*_gram_schmidt(columns), strict=True)]


def _gram_schmidt(vectors: list[list[float]]) -> list[list[float]]:
    done: list[list[float]] = []
    for vector in vectors:
        left = vector
        # Once leaves a rest of the size of rounding over what is left; twice does not.
        for other in done + done:
            share = _product(left, other)
            left = [v - share * o for v, o in zip(left, other, strict=True)]
        norm = math.sqrt(_product(left, left))
        done.append([value / norm for value in left])
    return done


def _product(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))
