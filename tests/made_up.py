"""Activations that no registry holds: what a derivative may ask for, all of it."""

from __future__ import annotations

import cmath
import math
from typing import Any

import pytest

from bpcompile.expr import Number, Var, abs_, exp, log1p, max_, tanh
from bpcompile.fields import Operator
from bpcompile.operators import ACTIVATIONS
from bpcompile.operators.entry import REALS, Activation, Interval, Map, elementwise
from bpcompile.spec import NetworkSpec

z, a = Var("z"), Var("a")


def _exp(value: Number) -> Number:
    return cmath.exp(value) if isinstance(value, complex) else math.exp(value)


def _softplus(value: Number) -> Number:
    grown = 1 + _exp(value)
    return cmath.log(grown) if isinstance(grown, complex) else math.log(grown)


def _silu(value: Number) -> Number:
    return value / (1 + _exp(-value))


def _gelu_tanh(value: Number) -> Number:
    inside = 0.7978845608028654 * (value + 0.044715 * value * value * value)
    bent = cmath.tanh(inside) if isinstance(inside, complex) else math.tanh(inside)
    return 0.5 * value * (1 + bent)


def _kind(kind: str, **fields: Any) -> Activation:
    return Activation(
        kind=kind, description="made up", symbol=kind, formula=f"{kind}(z)", **fields
    )


_sigma = 1 / (1 + exp(-z))
_bent = tanh(0.7978845608028654 * (z + 0.044715 * (z * z * z)))

MADE_UP = {
    entry.kind: entry
    for entry in (
        # its derivative reads a alone
        _kind(
            "made_up_softplus",
            define=elementwise(_softplus),
            body=(Map("a", max_(z, 0) + log1p(exp(-abs_(z)))),),
            derivative=1 - exp(-a),
            interval=Interval(0, math.inf),
        ),
        # its derivative reads z alone
        _kind(
            "made_up_softplus_of_z",
            define=elementwise(_softplus),
            body=(Map("a", max_(z, 0) + log1p(exp(-abs_(z)))),),
            derivative=_sigma,
            interval=Interval(0, math.inf),
        ),
        # z and a, and z twice
        _kind(
            "made_up_silu",
            define=elementwise(_silu),
            body=(Map("a", z * _sigma),),
            derivative=a + _sigma * (1 - a),
            interval=REALS,
        ),
        # z so often that no array is free: it needs scratch
        _kind(
            "made_up_gelu",
            define=elementwise(_gelu_tanh),
            body=(Map("a", (0.5 * z) * (1 + _bent)),),
            derivative=0.5 * (1 + _bent)
            + ((0.5 * z) * (1 - _bent * _bent))
            * (0.7978845608028654 * (1 + 0.134145 * (z * z))),
            interval=REALS,
        ),
    )
}


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put them into the registry of this process until the test ends."""
    for kind, entry in MADE_UP.items():
        monkeypatch.setitem(ACTIVATIONS, kind, entry)


def with_hidden(spec: NetworkSpec, kind: str, output: bool = False) -> NetworkSpec:
    """The spec with a made-up activation in its hidden layers, and perhaps the last.

    The schema was built from the registry before, so it is not asked.
    """
    first, *later = spec.layers
    changed = tuple(
        layer.model_copy(update={"activation": Operator(kind)})
        if output or layer is not later[-1]
        else layer
        for layer in later
    )
    return spec.model_copy(update={"layers": (first, *changed)})
