"""What the update multiplies every gradient by, and where there is no such number."""

from __future__ import annotations

from typing import Any

import pytest
from support import spec_of

from bpcompile.expr import Const, Var
from bpcompile.lower import lower
from bpcompile.plan import Plan
from bpcompile.shared import shared
from bpcompile.steps import UpdateParameter

RATE, MEAN = Var("rate", scalar=True), Const(1) / Var("m", scalar=True)


def plan(**hyper: Any) -> Plan:
    return lower(spec_of(layers=[3, 4, 2], cost="quadratic", hyperparameters=hyper))


@pytest.mark.parametrize(
    ("hyper", "share"),
    [
        ({}, RATE),
        ({"regularization": {"l2": 2.0, "max_norm": 3.0}}, RATE),
        ({"optimizer": "momentum"}, RATE),
        ({"optimizer": "adam"}, MEAN),
        ({"optimizer": "adamw", "regularization": {"l2": 2.0}}, MEAN),
        # Something is done to the gradient before: clipped, or added to.
        ({"clipping": {"value": 1.0}}, Const(1)),
        ({"clipping": {"norm": 1.0}}, Const(1)),
        ({"regularization": {"l1": 2.0}}, Const(1)),
        ({"optimizer": "momentum", "regularization": {"l2": 2.0}}, Const(1)),
        ({"optimizer": "adam", "regularization": {"l2": 2.0}}, Const(1)),
    ],
)
def test_share(hyper: dict[str, Any], share: object) -> None:
    assert shared(plan(**hyper)).share == share


def test_without_a_share_the_update_is_the_plan_s() -> None:
    made = plan(clipping={"value": 1.0})
    assert shared(made).update is made.update


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_nothing_else_of_the_update_changes(optimizer: str) -> None:
    made = plan(optimizer=optimizer, regularization={"max_norm": 3.0})
    before, after = made.update, shared(made).update
    assert [(b.layer, b.comment) for b in after] == [
        (b.layer, b.comment) for b in before
    ]
    for old, new in zip(before, after, strict=True):
        for a, b in zip(old.steps, new.steps, strict=True):
            assert type(a) is type(b)
            if isinstance(a, UpdateParameter) and isinstance(b, UpdateParameter):
                assert (a.parameter, a.gradient) == (b.parameter, b.gradient)
                assert a != b
            else:
                assert a == b
