"""What a planted fault is, and the specs in whose modules faults are planted.

A fault is one replacement in the text, spelled for each target. All layers are 3
wide, so that a missing transpose or a wrong layer runs through and gives wrong numbers
instead of an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Old text, new text and, if it is not 1, how often the old one stands there.
Change = tuple[str, str] | tuple[str, str, int]


@dataclass(frozen=True)
class Fault:
    """changes: by target; spec: which of `SPECS`."""

    name: str
    changes: Mapping[str, Change]
    spec: str

    def planted(self, text: str, target: str) -> str:
        """The text with the fault; AssertionError where it no longer applies."""
        old, new, *times = self.changes[target]
        assert text.count(old) == (times[0] if times else 1), (old, text.count(old))
        changed = text.replace(old, new)
        assert changed != text
        return changed


def each(name: str, in_place: Change, plain: Change, spec: str = "quadratic") -> Fault:
    """A fault that each target spells in its own way."""
    return Fault(name, {"numpy": in_place, "numpy-textbook": plain}, spec)


def both(name: str, change: Change, spec: str = "quadratic") -> Fault:
    """A fault in a line that the targets share."""
    return each(name, change, change, spec)


def _fields(scaling: Any, hidden: str, output: str, cost: str) -> dict[str, Any]:
    return {
        "dtype": "float64",
        "layers": [
            {"size": 3, "scaling": scaling},
            {"size": 3, "activation": "tanh"},
            {"size": 3, "activation": hidden},
            {"size": 3, "activation": output},
        ],
        "cost": cost,
        "hyperparameters": {
            "learning_rate": 0.3,
            "mini_batch_size": 4,
            "seed": 5,
            "regularization": {"l2": 0.5},
        },
    }


SPECS: Mapping[str, dict[str, Any]] = {
    "quadratic": _fields("standardize", "sigmoid", "sigmoid", "quadratic"),
    "cross_entropy": _fields(
        {"kind": "divide", "by": 2}, "sigmoid", "sigmoid", "cross_entropy"
    ),
    "log_likelihood": _fields("min_max", "relu", "softmax", "log_likelihood"),
    "softmax": _fields("none", "relu", "softmax", "quadratic"),
}
