"""The optimizers: one entry each, with the paper it is from.

Where the papers and practice differ, the definition is PyTorch's; the differences are
listed in docs/optimizers.md.
"""

from __future__ import annotations

import math

from bpcompile.expr import Var, sqrt
from bpcompile.operators.entry import Map
from bpcompile.operators.moments import ADAM, ADAMW, LION, NADAM, above_zero, share
from bpcompile.operators.training import Optimizer, State, Stepped

w, nabla, g, v = Var("w"), Var("nabla"), Var("g"), Var("v")
square, squares = Var("square"), Var("squares")
step, square_step = Var("step"), Var("square_step")

eta, m, rate = (Var(name, scalar=True) for name in ("eta", "m", "rate"))
mu, rho, epsilon = (Var(name, scalar=True) for name in ("mu", "rho", "epsilon"))

# ---- Gradient descent and its momentum ---------------------------------------------


def _sgd(w: float, g: float, state: State, eta: float, t: int) -> Stepped:
    return w - eta * g, {}


SGD = Optimizer(
    kind="sgd",
    aliases=("gd", "gradient_descent"),
    description="plain stochastic gradient descent",
    symbol="SGD",
    formula="{p} → {p} - η/m Σ ∂C/∂{p}",
    source="Nielsen, chapter 1, equations (20) and (21)",
    scalars=(("rate", eta / m),),
    body=(Map("w", w - rate * nabla),),
    define=_sgd,
    folds_decay=True,
)


def _momentum(
    w: float, g: float, state: State, eta: float, t: int, mu: float
) -> Stepped:
    v = mu * state["v"] - eta * g
    return w + v, {"v": v}


MOMENTUM = Optimizer(
    kind="momentum",
    aliases=("heavy_ball",),
    description="the book's momentum: a velocity that friction, 1 - mu, slows down",
    symbol="SGD with momentum",
    formula="v → μ v - η/m Σ ∂C/∂{p}; {p} → {p} + v",
    source="Nielsen, chapter 3, equations (107) and (108); Polyak, 1964",
    parameters=(share("mu", 0.9, "the share of the velocity that is kept"),),
    scalars=(("rate", eta / m),),
    body=(Map("v", mu * v - rate * nabla), Map("w", w + v)),
    define=_momentum,
    state=("v",),
)


def _nesterov(
    w: float, g: float, state: State, eta: float, t: int, mu: float
) -> Stepped:
    v = mu * state["v"] + g
    return w - eta * (g + mu * v), {"v": v}


NESTEROV = Optimizer(
    kind="nesterov",
    aliases=("nag", "nesterov_momentum"),
    description="Nesterov's momentum, which looks one step of the velocity ahead",
    symbol="SGD with Nesterov momentum",
    formula="v → μ v + g; {p} → {p} - η (g + μ v)",
    source="Sutskever et al., 2013, in PyTorch's form: v holds gradients without η",
    parameters=(share("mu", 0.9, "the share of the velocity that is kept"),),
    scalars=(),
    body=(Map("v", mu * v + g), Map("w", w - eta * (g + mu * v))),
    define=_nesterov,
    state=("v",),
)

# ---- A rate for each weight --------------------------------------------------------


def _adagrad(
    w: float, g: float, state: State, eta: float, t: int, epsilon: float
) -> Stepped:
    squares = state["squares"] + g * g
    return w - eta * g / (math.sqrt(squares) + epsilon), {"squares": squares}


ADAGRAD = Optimizer(
    kind="adagrad",
    description="steps over the root of the sum of all squared gradients",
    symbol="Adagrad",
    formula="squares → squares + g²; {p} → {p} - η g / (√squares + ε)",
    source="Duchi, Hazan and Singer, 2011",
    parameters=(above_zero(1e-10),),
    scalars=(),
    body=(
        Map("squares", squares + g * g),
        Map("w", w - eta * (g / (sqrt(squares) + epsilon))),
    ),
    define=_adagrad,
    state=("squares",),
)


def _adadelta(
    w: float, g: float, state: State, eta: float, t: int, rho: float, epsilon: float
) -> Stepped:
    square = rho * state["square"] + (1 - rho) * g**2
    step = g * math.sqrt(state["square_step"] + epsilon) / math.sqrt(square + epsilon)
    square_step = rho * state["square_step"] + (1 - rho) * step**2
    return w - eta * step, {"square": square, "square_step": square_step}


ADADELTA = Optimizer(
    kind="adadelta",
    description="steps as large as the last ones; the paper's learning_rate is 1",
    symbol="Adadelta",
    formula="square → ρ square + (1 - ρ) g²; "
    "step = g √(square_step + ε) / √(square + ε); "
    "square_step → ρ square_step + (1 - ρ) step²; {p} → {p} - η step",
    source="Zeiler, 2012; PyTorch adds the factor η",
    parameters=(
        share("rho", 0.9, "the share of the mean squares that is kept"),
        above_zero(1e-6),
    ),
    scalars=(),
    body=(
        Map("square", rho * square + (1 - rho) * (g * g)),
        Map("step", g * (sqrt(square_step + epsilon) / sqrt(square + epsilon))),
        Map("square_step", rho * square_step + (1 - rho) * (step * step)),
        Map("w", w - eta * step),
    ),
    define=_adadelta,
    state=("square", "square_step"),
)


def _rmsprop(
    w: float, g: float, state: State, eta: float, t: int, rho: float, epsilon: float
) -> Stepped:
    square = rho * state["square"] + (1 - rho) * g**2
    return w - eta * g / (math.sqrt(square) + epsilon), {"square": square}


RMSPROP = Optimizer(
    kind="rmsprop",
    description="steps over the root of the mean squared gradient",
    symbol="RMSprop",
    formula="square → ρ square + (1 - ρ) g²; {p} → {p} - η g / (√square + ε)",
    source="Tieleman and Hinton, 2012, lecture 6.5",
    parameters=(
        share("rho", 0.99, "the share of the mean square that is kept"),
        above_zero(1e-8),
    ),
    scalars=(),
    body=(
        Map("square", rho * square + (1 - rho) * (g * g)),
        Map("w", w - eta * (g / (sqrt(square) + epsilon))),
    ),
    define=_rmsprop,
    state=("square",),
)

OPTIMIZERS = {
    entry.kind: entry
    for entry in (
        SGD,
        MOMENTUM,
        NESTEROV,
        ADAGRAD,
        ADADELTA,
        RMSPROP,
        ADAM,
        ADAMW,
        NADAM,
        LION,
    )
}
