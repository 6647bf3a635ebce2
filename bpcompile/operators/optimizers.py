"""The optimizers: one entry each, with the paper it is from."""

from __future__ import annotations

from bpcompile.expr import Var
from bpcompile.operators.entry import Map
from bpcompile.operators.training import Optimizer, State

w, nabla = Var("w"), Var("nabla")
eta, m = Var("eta", scalar=True), Var("m", scalar=True)
rate = Var("rate", scalar=True)


def _sgd(
    w: float, g: float, state: State, eta: float, t: int
) -> tuple[float, dict[str, float]]:
    return w - eta * g, {}


SGD = Optimizer(
    kind="sgd",
    description="plain stochastic gradient descent",
    symbol="SGD",
    formula="{p} → {p} - η/m Σ ∂C/∂{p}",
    source="Nielsen, chapter 1, equations (20) and (21)",
    scalars=(("rate", eta / m),),
    body=(Map("w", w - rate * nabla),),
    define=_sgd,
    folds_decay=True,
)

OPTIMIZERS = {entry.kind: entry for entry in (SGD,)}
