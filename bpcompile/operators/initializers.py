"""The first values of weights and biases: one entry each, with the paper it is from."""

from __future__ import annotations

import math

from bpcompile.expr import Const, Var, sqrt
from bpcompile.operators.entry import Parameter
from bpcompile.operators.training import UNIFORM_DRAWS, Initializer

draw = Var("draw")
n_in, n_out = Var("n_in", scalar=True), Var("n_out", scalar=True)
low, high = Var("low", scalar=True), Var("high", scalar=True)
gain = Var("gain", scalar=True)

# Beyond these float32 weights become infinite, or all 0.
LARGEST, SMALLEST = 1e30, 1e-30


def _scaled_normal(draw: float, n_in: int, n_out: int) -> float:
    return draw / math.sqrt(n_in)


def _standard_normal(draw: float, n_in: int, n_out: int) -> float:
    return draw


def _uniform(draw: float, n_in: int, n_out: int, low: float, high: float) -> float:
    return low + (high - low) * draw


def _glorot_uniform(draw: float, n_in: int, n_out: int) -> float:
    bound = math.sqrt(6 / (n_in + n_out))
    return -bound + 2 * bound * draw


def _glorot_normal(draw: float, n_in: int, n_out: int) -> float:
    return math.sqrt(2 / (n_in + n_out)) * draw


def _he(draw: float, n_in: int, n_out: int) -> float:
    return math.sqrt(2 / n_in) * draw


def _orthogonal(draw: float, n_in: int, n_out: int, gain: float) -> float:
    return gain * draw


def _constant(draw: float, n_in: int, n_out: int, value: float) -> float:
    return value


def _zeros(draw: float, n_in: int, n_out: int) -> float:
    return 0.0


SCALED_NORMAL = Initializer(
    kind="scaled_normal",
    description="N(0, 1) over the square root of the inputs (the book, chapter 3)",
    formula="N(0, 1) / √{n_in}",
    source="Nielsen, chapter 3",
    define=_scaled_normal,
    value=draw / sqrt(n_in),
)

STANDARD_NORMAL = Initializer(
    kind="standard_normal",
    aliases=("normal", "random_normal"),
    description="N(0, 1) (the book, chapter 1)",
    formula="N(0, 1)",
    source="Nielsen, chapter 1",
    define=_standard_normal,
    value=draw,
)

UNIFORM = Initializer(
    kind="uniform",
    aliases=("random_uniform",),
    description="uniform between two numbers",
    formula="U({low}, {high})",
    parameters=(
        Parameter(
            "low",
            -0.05,
            at_least=-LARGEST,
            at_most=LARGEST,
            description="the smallest value",
        ),
        Parameter(
            "high",
            0.05,
            at_least=-LARGEST,
            at_most=LARGEST,
            description="what all values are below",
        ),
    ),
    ascending=("low", "high"),
    draws=UNIFORM_DRAWS,
    define=_uniform,
    value=low * (1 - draw) + high * draw,
)

GLOROT_UNIFORM = Initializer(
    kind="glorot_uniform",
    aliases=("xavier", "xavier_uniform", "glorot"),
    description="uniform within ±√(6 / (inputs + neurons))",
    formula="U(-1, 1) √(6 / ({n_in} + {n_out}))",
    source="Glorot and Bengio, Understanding the difficulty of training deep "
    "feedforward neural networks (2010), equation (16)",
    draws=UNIFORM_DRAWS,
    define=_glorot_uniform,
    value=(2 * draw - 1) * sqrt(6 / (n_in + n_out)),
)

GLOROT_NORMAL = Initializer(
    kind="glorot_normal",
    aliases=("xavier_normal",),
    description="normal of variance 2 / (inputs + neurons)",
    formula="N(0, 1) √(2 / ({n_in} + {n_out}))",
    source="Glorot and Bengio (2010), equation (12)",
    define=_glorot_normal,
    value=draw * sqrt(2 / (n_in + n_out)),
)

HE = Initializer(
    kind="he",
    aliases=("kaiming", "kaiming_normal", "he_normal"),
    description="normal of variance 2 / inputs, for relu",
    formula="N(0, 1) √(2 / {n_in})",
    source="He, Zhang, Ren and Sun, Delving deep into rectifiers (2015), equation (10)",
    define=_he,
    value=draw * sqrt(2 / n_in),
)

LECUN = Initializer(
    kind="lecun",
    aliases=("lecun_normal",),
    description="normal of variance 1 / inputs, as scaled_normal is",
    formula="N(0, 1) / √{n_in}",
    source="LeCun, Bottou, Orr and Müller, Efficient BackProp (1998), equation (16)",
    define=_scaled_normal,
    value=draw / sqrt(n_in),
)

ORTHOGONAL = Initializer(
    kind="orthogonal",
    description="orthonormal columns, or rows where they are fewer, times gain; "
    "biases are a column of length gain",
    formula="{gain} times N(0, 1) made orthonormal",
    source="Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of "
    "learning in deep linear neural networks (2014)",
    parameters=(
        Parameter(
            "gain",
            1.0,
            at_least=SMALLEST,
            at_most=LARGEST,
            description="length of each column or row",
        ),
    ),
    orthogonal=True,
    define=_orthogonal,
    value=gain * draw,
)

CONSTANT = Initializer(
    kind="constant",
    description="all the same number",
    formula="{value}",
    parameters=(
        Parameter(
            "value",
            None,
            at_least=-LARGEST,
            at_most=LARGEST,
            description="that number",
        ),
    ),
    draws="",
    define=_constant,
    value=Var("value", scalar=True),
)

ZEROS = Initializer(
    kind="zeros",
    aliases=("zero",),
    description="all 0, as biases often are at first",
    formula="0",
    draws="",
    define=_zeros,
    value=Const(0),
)

INITIALIZERS = {
    entry.kind: entry
    for entry in (
        SCALED_NORMAL,
        STANDARD_NORMAL,
        UNIFORM,
        GLOROT_UNIFORM,
        GLOROT_NORMAL,
        HE,
        LECUN,
        ORTHOGONAL,
        CONSTANT,
        ZEROS,
    )
}
