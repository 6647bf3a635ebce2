"""The rectified linear unit and its relatives: one entry each.

At a kink the derivative is the one that PyTorch takes.
"""

from __future__ import annotations

import math

from bpcompile.expr import (
    Const,
    Number,
    Var,
    abs_,
    erf,
    exp,
    expm1,
    log1p,
    max_,
    min_,
    tanh,
    where,
)
from bpcompile.operators import plain
from bpcompile.operators.entry import (
    REALS,
    Activation,
    Interval,
    Map,
    Parameter,
    elementwise,
)

z, a = Var("z"), Var("a")
slope, alpha = Var("slope", scalar=True), Var("alpha", scalar=True)
c, d, e, h, k, m, n, s, t, u = map(Var, "cdehkmnstu")

#: Klambauer et al., 2017: the fixed point of mean 0 and variance 1.
_SCALE, _ALPHA = 1.0507009873554805, 1.6732632423543772
_ROOT_HALF = 0.7071067811865476
_DENSITY = 0.3989422804014327  # 1 / √(2π), N(0, 1) at 0
_BEND, _CUBIC = 0.7978845608028654, 0.044715  # √(2/π)


def _relu(z: Number) -> Number:
    return z if z.real > 0 else 0 * z


def _leaky_relu(z: Number, slope: float) -> Number:
    return z if z.real > 0 else slope * z


def _elu(z: Number, alpha: float) -> Number:
    return z if z.real > 0 else alpha * plain.expm1(z)


def _selu(z: Number) -> Number:
    return _SCALE * _elu(z, _ALPHA)


def _gelu(z: Number) -> Number:
    return z * plain.erfc(-z / math.sqrt(2)) / 2


def _gelu_tanh(z: Number) -> Number:
    # (1 + tanh u) / 2 = σ(2u), with all digits where it is small.
    return z * plain.sigmoid(2 * math.sqrt(2 / math.pi) * (z + _CUBIC * z * z * z))


def _silu(z: Number) -> Number:
    return z * plain.sigmoid(z)


def _mish(z: Number) -> Number:
    return z * plain.tanh(plain.softplus(z))


RELU = Activation(
    kind="relu",
    aliases=("rectifier",),
    description="the rectified linear unit",
    symbol="relu",
    formula="max(z, 0)",
    define=elementwise(_relu),
    body=(Map("a", max_(z, 0)),),
    derivative=a > 0,
    interval=Interval(0, math.inf, closed_low=True),
    kinks=((0, Const(0)),),
)

LEAKY_RELU = Activation(
    kind="leaky_relu",
    aliases=("lrelu",),
    description="relu with a small slope below 0 (Maas et al., 2013)",
    symbol="leaky_relu",
    formula="max(z, {slope} z)",
    parameters=(
        Parameter("slope", 0.01, at_least=0, at_most=1, description="below 0"),
    ),
    define=elementwise(_leaky_relu),
    body=(Map("a", max_(z, slope * z)),),
    # a has the sign of z, so that z need not be kept.
    derivative=where(a > 0, 1, slope),
    kinks=((0, slope),),
    interval=REALS,
)

ELU = Activation(
    kind="elu",
    description="the exponential linear unit (Clevert et al., 2015)",
    symbol="elu",
    formula="z above 0, {alpha} (eᶻ - 1) below",
    parameters=(
        Parameter(
            "alpha", 1.0, at_least=0, at_most=100, description="its depth below 0"
        ),
    ),
    define=elementwise(_elu),
    body=(Map("a", max_(z, 0) + alpha * expm1(min_(z, 0))),),
    derivative=where(a > 0, 1, a + alpha),
    derivative_formula="1 above 0, a + {alpha} below",
    kinks=((0, alpha),),
    # Down to -alpha, which the spec says.
    interval=REALS,
)

SELU = Activation(
    kind="selu",
    description="elu scaled to keep mean 0 and variance 1 (Klambauer et al., 2017)",
    symbol="selu",
    formula="1.0507 times z above 0, 1.6733 (eᶻ - 1) below",
    define=elementwise(_selu),
    body=(
        Map("e", _ALPHA * expm1(min_(z, 0))),
        Map("a", _SCALE * (max_(z, 0) + e)),
    ),
    derivative=where(a > 0, _SCALE, a + _SCALE * _ALPHA),
    derivative_formula="1.0507 above 0, a + 1.7581 below",
    kinks=((0, Const(_SCALE * _ALPHA)),),
    # The limit, -1.75809934..., rounded down.
    interval=Interval(-1.7581, math.inf),
)

GELU = Activation(
    kind="gelu",
    description="z times Φ(z), the exact form (Hendrycks and Gimpel, 2016)",
    symbol="gelu",
    formula="½ z (1 + erf(z / √2))",
    define=elementwise(_gelu),
    body=(Map("a", 0.5 * z * (1 + erf(_ROOT_HALF * z))),),
    # The density is 0 from 40 on, where z² might overflow.
    beforehand=(
        Map("m", min_(abs_(z), 40)),
        Map("d", _DENSITY * exp(-0.5 * (m * m))),
    ),
    derivative=0.5 * (1 + erf(_ROOT_HALF * z)) + z * d,
    derivative_formula="½ (1 + erf(z / √2)) + z exp(-z²/2) / √(2π)",
    # The least value, about -0.16997, rounded down.
    interval=Interval(-0.17, math.inf),
)

GELU_TANH = Activation(
    kind="gelu_tanh",
    aliases=("gelu_new", "gelu_approx"),
    description="gelu approximated by tanh (Hendrycks and Gimpel, 2016)",
    symbol="gelu_tanh",
    formula="½ z (1 + tanh(√(2/π) (z + 0.044715 z³)))",
    define=elementwise(_gelu_tanh),
    # From 10 on tanh is 1, and z³ might overflow.
    body=(
        Map("c", max_(min_(z, 10), -10)),
        Map("t", tanh(_BEND * (c + _CUBIC * (c * c * c)))),
        Map("a", 0.5 * z * (1 + t)),
    ),
    # z σ(u) by the product rule, u twice what tanh takes; nothing cancels.
    beforehand=(
        Map("c", max_(min_(z, 10), -10)),
        Map("u", 2 * _BEND * (c + _CUBIC * (c * c * c))),
        Map("e", exp(-abs_(u))),
        Map("d", c * (2 * _BEND * (1 + 3 * _CUBIC * (c * c)))),
    ),
    derivative=(max_(e, z >= 0) + d * e / (1 + e)) / (1 + e),
    derivative_formula="σ(u) + z σ'(u) u', u = 1.5958 (z + 0.044715 z³)",
    interval=Interval(-0.1701, math.inf),
)

SILU = Activation(
    kind="silu",
    aliases=("swish",),
    description="z σ(z), also called swish (Elfwing et al., 2017)",
    symbol="silu",
    formula="z / (1 + e⁻ᶻ)",
    define=elementwise(_silu),
    # By the root of e^-|z|, for the product with z is larger than it and would be
    # left with too few digits near the smallest number.
    body=(Map("h", exp(-0.5 * abs_(z))), Map("a", max_(z, z * h * h) / (1 + h * h))),
    beforehand=(Map("e", exp(-abs_(z))),),
    derivative=(max_(e, z >= 0) + z * e / (1 + e)) / (1 + e),
    derivative_formula="σ(z) + z σ(z) (1 - σ(z))",
    interval=Interval(-0.2785, math.inf),
)

MISH = Activation(
    kind="mish",
    description="z tanh(softplus(z)) (Misra, 2019)",
    symbol="mish",
    formula="z tanh(ln(1 + eᶻ))",
    define=elementwise(_mish),
    body=(
        Map("s", max_(z, 0) + log1p(exp(-abs_(z)))),
        Map("a", z * tanh(s)),
    ),
    # With tanh(s) = (n - k²) / (n + k²), which e^-|z| gives without overflow.
    beforehand=(
        Map("e", exp(-abs_(z))),
        Map("k", where(z > 0, e, 1)),
        Map("n", (1 + e) * (1 + e)),
        Map("d", n + k * k),
    ),
    derivative=(n - k * k) / d + z * e * (4 * k * (1 + e)) / (d * d),
    derivative_formula="tanh(s) + z (1 - tanh(s)²) σ(z), s = ln(1 + eᶻ)",
    interval=Interval(-0.309, math.inf),
)

UNITS = (RELU, LEAKY_RELU, ELU, SELU, GELU, GELU_TANH, SILU, MISH)
