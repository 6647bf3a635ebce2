"""Faults to plant in optimizers, schedules, clipping and norms; see `faults.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import faults
from faults import Fault, both, each


def _fields(**hyper: Any) -> dict[str, Any]:
    """The quadratic network with other hyperparameters, which all come into force."""
    plain = faults.SPECS["quadratic"]
    rates = {"learning_rate": 0.1, "mini_batch_size": 4, "seed": 5}
    return {**plain, "hyperparameters": {**rates, **hyper}}


SPECS: Mapping[str, dict[str, Any]] = {
    "momentum": _fields(
        optimizer="momentum",
        schedule="cosine",
        regularization={"l1": 0.3},
        epochs=5,
        clipping={"norm": 0.1},
    ),
    "adam": _fields(
        optimizer="adam",
        schedule={"kind": "step", "every": 1, "factor": 0.5},
        regularization={"max_norm": 0.5},
        clipping={"value": 0.01},
    ),
}

MOMENTUM: tuple[Fault, ...] = (
    both(
        "momentum: one velocity never builds up",
        ("self.v_w3 *= MU", "self.v_w3 *= 0"),
        "momentum",
    ),
    both(
        "momentum: velocity of another layer",
        ("self.w3 += self.v_w3", "self.w3 += self.v_w4"),
        "momentum",
    ),
    each(
        "momentum: stale velocity",
        (
            "self.v_w2 -= self.nabla_w2\n        self.w2 += self.v_w2",
            "self.w2 += self.v_w2\n        self.v_w2 -= self.nabla_w2",
        ),
        (
            'self.v_w2 -= rate * nabla["w2"]\n        self.w2 += self.v_w2',
            'self.w2 += self.v_w2\n        self.v_w2 -= rate * nabla["w2"]',
        ),
        "momentum",
    ),
    each(
        "momentum: velocity against the step",
        ("self.v_b4 -= self.nabla_b4", "self.v_b4 += self.nabla_b4"),
        ('self.v_b4 -= rate * nabla["b4"]', 'self.v_b4 += rate * nabla["b4"]'),
        "momentum",
    ),
    each(
        "L1: without lmbda",
        ("pull = LMBDA1 * mini_batch.m", "pull = mini_batch.m"),
        ("pull = LMBDA1 * m", "pull = m"),
        "momentum",
    ),
    each(
        "L1: the weight for its sign",
        ("np.sign(self.w3, out=self.scratch1_w3)", "self.scratch1_w3[...] = self.w3"),
        ("pull * np.sign(self.w3)", "pull * self.w3"),
        "momentum",
    ),
    both("L1: twice lmbda/n", ("pull = LMBDA1 *", "pull = 2 * LMBDA1 *"), "momentum"),
    each(
        "L1: not times the examples",
        ("LMBDA1 * mini_batch.m / n", "LMBDA1 / n"),
        ("LMBDA1 * m / n", "LMBDA1 / n"),
        "momentum",
    ),
    both(
        "total cost: l1 of w for |w|",
        ("LMBDA1 / n * np.abs(w)", "LMBDA1 / n * w"),
        "momentum",
    ),
    each(
        "clipping: norm of the sums, not of the means",
        ("for g in gradients)) / mini_batch.m", "for g in gradients))"),
        ("for g in nabla.values())) / m", "for g in nabla.values()))"),
        "momentum",
    ),
    both("clipping: never", ("factor = min(1.0, ", "factor = max(1.0, "), "momentum"),
    both(
        "clipping: without 1e-6",
        ("CLIP_NORM / (norm + 1e-06)", "CLIP_NORM / norm"),
        "momentum",
    ),
    both(
        "schedule: cosine of twice the angle",
        ("math.cos(math.pi * t", "math.cos(2 * math.pi * t"),
        "momentum",
    ),
    both(
        "schedule: one epoch late",
        ("learning_rate(self.epoch,", "learning_rate(max(0, self.epoch - 1),"),
        "momentum",
    ),
)

ADAM: tuple[Fault, ...] = (
    both("Adam: t not counted", ("self.t += 1", "self.t = 1"), "adam"),
    both("Adam: 1 - β₁ᵗ missing", ("root / (1 - BETA1**self.t)", "root"), "adam"),
    both("Adam: ε outside the correction", ("EPSILON * root", "EPSILON"), "adam"),
    both("Adam: β₁ for β₂", ("1 - BETA2**self.t", "1 - BETA1**self.t"), "adam"),
    each(
        "Adam: mean of squares of the mean",
        ("    g *= g\n", "    g[...] = mean * mean\n"),
        ("(g * g)", "(mean * mean)"),
        "adam",
    ),
    each(
        "Adam: without the root",
        ("np.sqrt(square, out=g)", "np.copyto(g, square)"),
        ("np.sqrt(square)", "square"),
        "adam",
    ),
    each(
        "Adam: another state than its own",
        ("self.mean, self.square, rate", "self.mean, self.mean, rate"),
        ("self.mean_w3, self.square_w3", "self.mean_w3, self.square_w2"),
        "adam",
    ),
    each(
        "max-norm: of columns for rows",
        (
            '"jk,jk->j", self.w3, self.w3))[:, np.newaxis]',
            '"jk,jk->k", self.w3, self.w3))',
        ),
        ("norm(self.w3, axis=1", "norm(self.w3, axis=0"),
        "adam",
    ),
    each(
        "max-norm: one layer left out",
        ("self.w4 *= MAX_NORM / np.maximum(norms, MAX_NORM)\n", "pass\n"),
        ("self.w4 * (MAX_NORM / np.maximum(norms, MAX_NORM))", "self.w4"),
        "adam",
    ),
    both(
        "clipping: value of the sums, not of the means",
        ("limit = CLIP_VALUE * ", "limit = CLIP_VALUE or "),
        "adam",
    ),
    both(
        "schedule: a factor too many", ("floor(t / SCH", "ceil((t + 1) / SCH"), "adam"
    ),
)

DETOURS: tuple[Fault, ...] = (
    each(
        "float32: detour of the error",
        (
            "np.subtract(a4, y, out=delta4)",
            "np.subtract(a4, y, out=delta4)\n"
            "        delta4[...] = delta4.astype(np.float32)",
        ),
        ("delta4 = (a4 - y)", "delta4 = (a4 - y).astype(np.float32)"),
    ),
    each(
        "float32: detour of the rate",
        (
            "rate = ETA / mini_batch.m",
            "rate = float(np.float32(ETA / mini_batch.m))",
        ),
        ("rate = ETA / m", "rate = float(np.float32(ETA / m))"),
    ),
    both(
        "float32: detour of the cost's sum",
        (
            "total += float(np.sum(terms, dtype=np.float64))",
            "total += float(np.sum(terms, dtype=np.float32))",
        ),
    ),
)

FAULTS = MOMENTUM + ADAM + DETOURS
