"""`bpcompile check --run`: what it compares, what it finds, what it says of it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from support import TARGETS, spec_of

from bpcompile import check as checking
from bpcompile import reference
from bpcompile.check import BOUND, Report, Row, check, table
from bpcompile.target import load_target

ROW = Row("w2", "parameters of the reference, trained", 6, 6, 3e-12)


def report_of(target: str = TARGETS[0], **fields: Any) -> Report:
    spec = spec_of(**{"layers": [3, 4, 2], "cost": "cross_entropy", **fields})
    return check(spec, load_target(target))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "hyper",
    [
        {"clipping": {"norm": 0.1}, "regularization": {"l2": 1.0, "max_norm": 1.5}},
        {"early_stopping": {"patience": 1}},
        {"early_stopping": {"monitor": "cost"}, "validation_fraction": 0.4},
        {"early_stopping": {}, "validation_fold": {"number": 2, "of": 3}},
        {"class_weights": [0.5, 2.0]},
    ],
    ids=lambda hyper: "-".join(hyper),
)
def test_training_in_the_whole_language(hyper: dict[str, Any], target: str) -> None:
    report = report_of(target, hyperparameters=hyper)
    assert report.passed, table(report)
    assert sum(row.what.endswith("trained") for row in report.rows) == 4


def test_steps_are_those_without_what_is_held_out() -> None:
    # 25 examples in mini-batches of 10; of the half that is left, 12, it is two.
    assert "2 epochs of 3 steps" in report_of().title
    assert (
        "2 epochs of 2 steps"
        in report_of(hyperparameters={"validation_fraction": 0.5}).title
    )


def test_training_that_diverges_is_a_finding_and_no_traceback() -> None:
    line = {"size": 40, "activation": "identity"}
    hyper = {"learning_rate": 1e6}
    report = report_of(layers=[3, *[line] * 5], cost="quadratic", hyperparameters=hyper)
    failed = [row for row in report.rows if not row.passed]
    assert {row.what for row in failed} == {"parameters of the reference, trained"}
    assert all(math.isnan(row.difference) for row in failed)


def test_definition_that_has_no_value_is_a_finding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def train(*_: Any, **__: Any) -> Any:
        raise OverflowError("math range error")

    monkeypatch.setattr(reference, "train", train)
    report = report_of()
    assert not report.passed
    assert "training, which diverges" in table(report)


def test_rounding_that_training_enlarges_widens_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where a step is the sign of a sum that is 0 but for rounding."""

    def off(found: Any, expected: Any) -> float:
        return 5e-9

    monkeypatch.setattr(checking, "_difference", off)
    moved = dict.fromkeys(("w2", "b2", "w3", "b3"), 1e-10)
    monkeypatch.setattr(reference, "sensitivity", lambda *_, **__: moved)
    rows = [row for row in report_of().rows if row.what.endswith("trained")]
    assert [row.passed for row in rows] == [True] * 4
    assert {row.bound for row in rows} == {100 * 1e-10}
    moved["w3"] = 1e-11
    rows = [row for row in report_of().rows if row.what.endswith("trained")]
    assert [row.passed for row in rows] == [True, True, False, True]


def test_table_names_the_wider_bound() -> None:
    plain, wide = ROW, Row(*list(vars(ROW).values())[:5], bound=1e-11)
    assert not plain.passed
    assert wide.passed
    assert "FAIL" in table(Report("net", (plain,)))
    text = table(Report("net", (wide,)))
    assert "ok, within 1.0e-11" in text
    assert f"all within {BOUND:g}, or 100 times" in text


def test_training_is_as_sensitive_as_its_steps() -> None:
    spec = spec_of(layers=[3, 4, 2], cost="cross_entropy")
    x = [[0.1, 0.5, 0.9], [0.4, 0.2, 0.6], [0.7, 0.7, 0.1]]
    run = reference.train(spec, x, [0, 1, 0], 3)
    moved = reference.sensitivity(spec, run, x, [0, 1, 0], 3)
    assert list(moved) == list(run.parameters)
    assert all(0 < value < 1e-13 for value in moved.values())
    again = reference.sensitivity(spec, run, x, [0, 1, 0], 3, first=1)
    assert again != moved
    assert all(0 < value < 1e-13 for value in again.values())


def test_training_is_as_sensitive_as_its_sums() -> None:
    """Of like examples one pulls up and the other down: a program in which products are
    fused with sums is left with an error of rounding, which an optimizer enlarges."""
    alike = {"size": 3, "initializer": {"kind": "constant", "value": 0.0}}
    optimizer = {"kind": "nadam", "beta2": 0.5}
    spec = spec_of(
        layers=[2, alike, {"size": 1, "activation": "softplus"}],
        cost="absolute",
        hyperparameters={"learning_rate": 0.1, "optimizer": optimizer},
    )
    data: Any = [[0.6, 0.1], [0.3, 0.5]], [0.1, 3.0]
    run = reference.train(spec, *data, epochs=1)
    moved = reference.sensitivity(spec, run, *data, epochs=1)
    assert 1e-10 < moved["w3"] < 1e-6
    assert moved["b2"] > 1e-12
