"""From a gradient to new parameters: clipping, penalties, optimizer, max_norm.

Sources: Nielsen, chapter 3, for the penalties; Pascanu, Mikolov and Bengio, "On the
difficulty of training recurrent neural networks" (ICML 2013), for the clipped norm;
Loshchilov and Hutter, "Decoupled weight decay regularization" (ICLR 2019), for the
decay beforehand; Srivastava et al., JMLR 15 (2014), for max_norm.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from bpcompile.operators import OPTIMIZERS, REGULARIZERS
from bpcompile.reference.backward import derivative
from bpcompile.reference.forward import Number, Parameters

if TYPE_CHECKING:
    from bpcompile.operators.training import Regularizer
    from bpcompile.spec import NetworkSpec

__all__ = ["Memory", "clipped", "limited", "update"]

# By name, a bias as the one row that it is.
_Rows: TypeAlias = dict[str, list[list[Any]]]

# torch.nn.utils.clip_grad_norm_ divides by the norm and this.
_CLIP_EPSILON = 1e-6


@dataclass(frozen=True)
class Memory:
    """What an optimizer keeps: the steps it has done and the state of every number.

    state: by the name of the parameters and in their shape, a dict of each number;
    empty before the first step.
    """

    steps: int = 0
    state: Mapping[str, Any] | None = None


def update(
    spec: NetworkSpec,
    parameters: Parameters,
    gradient: Parameters,
    n: int,
    memory: Memory | None = None,
    eta: float | None = None,
) -> tuple[dict[str, Any], Memory]:
    """One step of the spec's optimizer: the new parameters and what it keeps.

    `gradient` is that of the *mean* cost of the mini-batch, n the size of the training
    set; eta: None is the spec's learning rate; memory: None is that of a first step.
    Clipping comes first, then the penalties, the optimizer and last max_norm.
    """
    eta = spec.hyperparameters.learning_rate if eta is None else eta
    memory = Memory() if memory is None else memory
    w, g = _penalised(spec, _rows(parameters), _rows(clipped(spec, gradient)), n, eta)
    chosen = spec.hyperparameters.optimizer
    entry = OPTIMIZERS[chosen.kind]
    define = partial(entry.define, eta=eta, t=memory.steps + 1, **chosen.parameters)
    fresh = dict.fromkeys(entry.state, 0.0)
    state = _rows(memory.state) if memory.state else _each(lambda _: fresh, w)
    stepped = _each(lambda w_jk, g_jk, s_jk: define(w_jk, g_jk, s_jk), w, g, state)
    moved = _unrows(_each(lambda pair: pair[0], stepped))
    kept = _unrows(_each(lambda pair: pair[1], stepped))
    return limited(spec, moved), Memory(memory.steps + 1, kept)


def clipped(spec: NetworkSpec, gradient: Parameters) -> dict[str, Any]:
    """The gradient within the spec's limit: of each entry, or of their common norm."""
    limits = spec.hyperparameters.clipping
    rows = _rows(gradient)
    if limits.value is not None:
        c = limits.value
        rows = _each(lambda g: min(max(g, -c), c), rows)
    if limits.norm is not None:
        norm = _norm(g for values in rows.values() for row in values for g in row)
        factor = min(1.0, limits.norm / (norm + _CLIP_EPSILON))
        rows = _each(lambda g: factor * g, rows)
    return _unrows(rows)


def limited(spec: NetworkSpec, parameters: Parameters) -> dict[str, Any]:
    """The parameters, no neuron's incoming weights longer than the spec's max_norm."""
    most = spec.hyperparameters.regularization.max_norm
    rows = _rows(parameters)
    if most is not None:
        for name, values in rows.items():
            if name.startswith("w"):
                rows[name] = [_shortened(row, most) for row in values]
    return _unrows(rows)


def _shortened(row: list[float], most: float) -> list[float]:
    norm = _norm(row)
    factor = min(1.0, most / norm) if norm else 1.0
    return [factor * w_jk for w_jk in row]


def _penalised(
    spec: NetworkSpec, w: _Rows, g: _Rows, n: int, eta: float
) -> tuple[_Rows, _Rows]:
    """Weights and gradient after each penalty: in one or the other, never in biases."""
    folds = OPTIMIZERS[spec.hyperparameters.optimizer.kind].folds_decay
    before = {name: rows for name, rows in w.items() if name.startswith("w")}
    for kind, lmbda in spec.hyperparameters.regularization.penalties.items():
        entry = REGULARIZERS[kind]
        slopes = _each(partial(_slope, entry, lmbda, n), before)
        if folds and entry.decay is not None:
            w |= _each(
                lambda w_jk, s_jk: w_jk - eta * s_jk, {k: w[k] for k in slopes}, slopes
            )
        else:
            g |= _each(
                lambda g_jk, s_jk: g_jk + s_jk, {k: g[k] for k in slopes}, slopes
            )
    return w, g


def _slope(entry: Regularizer, lmbda: float, n: int, w: float) -> float:
    """The derivative of the penalty of one weight; at 0, where it is least, 0."""

    def penalty(value: Number) -> Number:
        return entry.define(value, lmbda, n)

    return derivative(penalty, w) if w else 0.0


# ---- One number after another ------------------------------------------------------


def _rows(parameters: Mapping[str, Any]) -> _Rows:
    return {
        name: [list(values)] if name.startswith("b") else [list(row) for row in values]
        for name, values in parameters.items()
    }


def _unrows(rows: _Rows) -> dict[str, Any]:
    return {k: rows[k][0] if k.startswith("b") else rows[k] for k in rows}


def _each(function: Any, *sets: _Rows) -> _Rows:
    """A function of the numbers that stand at the same place."""
    return {
        name: [
            [function(*numbers) for numbers in zip(*rows, strict=True)]
            for rows in zip(*(each[name] for each in sets), strict=True)
        ]
        for name in sets[0]
    }


def _norm(values: Iterable[float]) -> float:
    return math.sqrt(sum(value * value for value in values))
