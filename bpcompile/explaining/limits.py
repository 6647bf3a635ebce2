"""What limits gradients before an update and weights after it, as formulas."""

from __future__ import annotations

from collections.abc import Iterator

from bpcompile.explaining.model import Sentence
from bpcompile.explaining.sentences import sentence
from bpcompile.lower_forward import superscript
from bpcompile.plan import Plan
from bpcompile.steps import ClipNorm, ClipValue, LimitNorm


def of_all_layers(plan: Plan) -> tuple[Sentence, ...]:
    """What is done to all gradients: added up over processes, limited in norm."""
    added = tuple(sentence(step.formula) for step in plan.reduction)
    if not plan.clipping:
        return added
    text = "norm = √(Σ g²) / m, over every entry g of all Σ ∂C/∂w and Σ ∂C/∂b"
    return *added, sentence(text), sentence(_by_norm(""))


def before_update(plan: Plan, layer: int) -> Iterator[Sentence]:
    """What becomes of a layer's gradients, which are sums over the mini-batch."""
    up = superscript(layer)
    if plan.clipping:
        yield sentence(f"{_by_norm(up)}, norm that of all layers")
    if any(isinstance(step, ClipValue) for step in plan.update[0].steps):
        nabla = f"Σ ∂C/∂w{up}"
        yield sentence(
            f"{nabla} → max(-κ m, min(κ m, {nabla})), entry by entry, "
            f"and ∂C/∂b{up} alike"
        )


def _by_norm(up: str) -> str:
    factor = f"min(1, κ / (norm + {ClipNorm.epsilon!r}))"
    return f"Σ ∂C/∂w{up} → {factor} Σ ∂C/∂w{up}, and ∂C/∂b{up} alike"


def after_update(plan: Plan, layer: int) -> Iterator[Sentence]:
    """What becomes of a layer's weights once they are updated."""
    if any(isinstance(step, LimitNorm) for step in plan.update[0].steps):
        w = f"w{superscript(layer)}"
        yield sentence(f"{w}ⱼ → (M / max(|{w}ⱼ|, M)) {w}ⱼ, for every row j of {w}")
