"""The optimizers that keep a mean of the gradient: Adam and those after it.

Where the papers and practice differ, the definition is PyTorch's; the differences are
listed in docs/optimizers.md.
"""

from __future__ import annotations

import math

from bpcompile.expr import Var, sign, sqrt
from bpcompile.operators.entry import Map, Parameter
from bpcompile.operators.training import Optimizer, State, Stepped

w, g = Var("w"), Var("g")
mean, square, step = Var("mean"), Var("square"), Var("step")

eta, t, rate, root, floor = (
    Var(name, scalar=True) for name in ("eta", "t", "rate", "root", "floor")
)
beta1, beta2, epsilon = (
    Var(name, scalar=True) for name in ("beta1", "beta2", "epsilon")
)


def share(name: str, default: float, description: str) -> Parameter:
    """What is kept of the last step: from 0 on, below 1."""
    return Parameter(name, default, at_least=0.0, below=1.0, description=description)


def above_zero(default: float) -> Parameter:
    # Far above the least float32, as a gradient of 0 must not be divided by 0.
    return Parameter(
        "epsilon",
        default,
        at_least=1e-30,
        at_most=1.0,
        description="keeps the divisor above 0",
    )


_BETAS = (
    share("beta1", 0.9, "the share of the mean gradient that is kept"),
    share("beta2", 0.999, "the share of the mean square that is kept"),
)
_MEAN = "mean → β₁ mean + (1 - β₁) g"
_SQUARE = "square → β₂ square + (1 - β₂) g²"
_MOMENTS = (
    Map("mean", beta1 * mean + (1 - beta1) * g),
    Map("square", beta2 * square + (1 - beta2) * (g * g)),
)


def _adam(
    w: float,
    g: float,
    state: State,
    eta: float,
    t: int,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> Stepped:
    mean = beta1 * state["mean"] + (1 - beta1) * g
    square = beta2 * state["square"] + (1 - beta2) * g**2
    unbiased_mean, unbiased_square = mean / (1 - beta1**t), square / (1 - beta2**t)
    new = w - eta * unbiased_mean / (math.sqrt(unbiased_square) + epsilon)
    return new, {"mean": mean, "square": square}


ADAM = Optimizer(
    kind="adam",
    description="the mean gradient over the root of the mean squared gradient",
    symbol="Adam",
    formula=f"{_MEAN}; {_SQUARE}; "
    "{p} → {p} - η (mean / (1 - β₁ᵗ)) / (√(square / (1 - β₂ᵗ)) + ε)",
    note="The divisors 1 - β₁ᵗ and 1 - β₂ᵗ stand in rate and floor",
    source="Kingma and Ba, 2015, algorithm 1 in the order that section 2 gives",
    parameters=(*_BETAS, above_zero(1e-8)),
    scalars=(
        ("t", t + 1),
        ("root", sqrt(1 - beta2**t)),
        ("rate", eta * root / (1 - beta1**t)),
        ("floor", epsilon * root),
    ),
    body=(*_MOMENTS, Map("w", w - rate * (mean / (sqrt(square) + floor)))),
    define=_adam,
    state=("mean", "square"),
    scalar_state=(("t", 0),),
)

ADAMW = Optimizer(
    kind="adamw",
    description="adam with l2 as a decay of the weights beside the step",
    symbol="AdamW",
    formula=ADAM.formula,
    note=ADAM.note,
    source="Loshchilov and Hutter, 2019",
    parameters=ADAM.parameters,
    scalars=ADAM.scalars,
    body=ADAM.body,
    define=_adam,
    state=ADAM.state,
    scalar_state=ADAM.scalar_state,
    folds_decay=True,
)

mu, mu_next, mu_product, momentum_decay = (
    Var(name, scalar=True) for name in ("mu", "mu_next", "mu_product", "momentum_decay")
)
ahead = Var("ahead", scalar=True)


def _nadam(
    w: float,
    g: float,
    state: State,
    eta: float,
    t: int,
    beta1: float,
    beta2: float,
    epsilon: float,
    momentum_decay: float,
) -> Stepped:
    mus = [beta1 * (1 - 0.5 * 0.96 ** (k * momentum_decay)) for k in range(1, t + 2)]
    product = math.prod(mus[:t])
    mean = beta1 * state["mean"] + (1 - beta1) * g
    square = beta2 * state["square"] + (1 - beta2) * g**2
    ahead = mus[t] * mean / (1 - product * mus[t]) + (1 - mus[t - 1]) * g / (
        1 - product
    )
    new = w - eta * ahead / (math.sqrt(square / (1 - beta2**t)) + epsilon)
    return new, {"mean": mean, "square": square}


NADAM = Optimizer(
    kind="nadam",
    description="adam with Nesterov's momentum",
    symbol="NAdam",
    formula=f"{_MEAN}; {_SQUARE}; "
    "{p} → {p} - η (r g + s mean) / (√(square / (1 - β₂ᵗ)) + ε), "
    "where r = (1 - μ) / (1 - Πμ), s = μ' / (1 - Πμ μ')",
    note="μ is β₁ (1 - ½ 0.96^(t ψ)), ψ being momentum_decay; μ' is that of the next "
    "step, Πμ the product up to this one; all stand in rate, ahead and floor",
    source="Dozat, 2016",
    parameters=(
        *_BETAS,
        above_zero(1e-8),
        Parameter(
            "momentum_decay",
            0.004,
            at_least=0.0,
            at_most=1.0,
            description="how fast the momentum grows towards beta1",
        ),
    ),
    scalars=(
        ("t", t + 1),
        ("mu", beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))),
        ("mu_next", beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))),
        ("mu_product", mu_product * mu),
        ("root", sqrt(1 - beta2**t)),
        ("rate", eta * root * (1 - mu) / (1 - mu_product)),
        ("ahead", eta * root * mu_next / (1 - mu_product * mu_next)),
        ("floor", epsilon * root),
    ),
    body=(
        *_MOMENTS,
        Map("w", w - (rate * g + ahead * mean) / (sqrt(square) + floor)),
    ),
    define=_nadam,
    state=("mean", "square"),
    scalar_state=(("t", 0), ("mu_product", 1.0)),
)


def _lion(
    w: float, g: float, state: State, eta: float, t: int, beta1: float, beta2: float
) -> Stepped:
    ahead = beta1 * state["mean"] + (1 - beta1) * g
    step = (ahead > 0) - (ahead < 0)
    return w - eta * step, {"mean": beta2 * state["mean"] + (1 - beta2) * g}


LION = Optimizer(
    kind="lion",
    description="steps of the size eta, by the sign of the gradient and its mean",
    symbol="Lion",
    formula="step = sign(β₁ mean + (1 - β₁) g); mean → β₂ mean + (1 - β₂) g; "
    "{p} → {p} - η step",
    source="Chen et al., 2023, algorithm 2",
    parameters=(
        share("beta1", 0.9, "the share of the mean gradient in a step"),
        share("beta2", 0.99, "the share of the mean gradient that is kept"),
    ),
    scalars=(),
    body=(
        Map("step", sign(beta1 * mean + (1 - beta1) * g)),
        Map("mean", beta2 * mean + (1 - beta2) * g),
        Map("w", w - eta * step),
    ),
    define=_lion,
    state=("mean",),
    folds_decay=True,
)
