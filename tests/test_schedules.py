"""The learning rate of every epoch and step, against definitions and PyTorch."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from modules import bytes_of, inputs, labels, spec_for
from oracle import library, library_text
from random_specs import minimal
from support import TARGETS, spec_of

from bpcompile.expr import evaluate
from bpcompile.operators import SCHEDULES
from bpcompile.spec import NetworkSpec, digest

ETA = 0.3
EPOCHS = 12
#: Two ways to round the same few operations, measured against the first rate.
ROUNDING = 1e-14

KINDS = tuple(SCHEDULES)
FORMULAS = tuple(kind for kind, entry in SCHEDULES.items() if entry.define)
#: With parameters that are not the defaults, beside the defaults.
OTHERS: dict[str, dict[str, Any]] = {
    "step": {"every": 3, "factor": 0.5},
    "exponential": {"factor": 0.9},
    "linear": {"end": 0.25},
    "cosine": {"end": 0.1},
    "one_cycle": {"rise": 0.5, "start_divisor": 10.0, "end_divisor": 100.0},
}
CHOICES = [
    *(minimal(SCHEDULES[kind]) for kind in KINDS),
    *({"kind": kind, **given} for kind, given in OTHERS.items()),
]
COUNTS = [
    {"unit": unit, "warmup": warmup} for unit in ("epoch", "step") for warmup in (0, 3)
]


def scheduled(chosen: dict[str, Any], kind: str = "classes") -> NetworkSpec:
    hyper = {"learning_rate": ETA, "mini_batch_size": 4, "epochs": EPOCHS}
    hyper["schedule"] = chosen
    return spec_for(kind, hyperparameters=hyper)


def words(chosen: dict[str, Any]) -> str:
    return "-".join(str(value) for value in chosen.values())


every_choice = pytest.mark.parametrize("chosen", CHOICES, ids=words)
every_count = pytest.mark.parametrize("counts", COUNTS, ids=words)
every_target = pytest.mark.parametrize("target", TARGETS)


def rate(chosen: dict[str, Any], t: int, total: int) -> float:
    """η of epoch or step t by the entry's own definition and the language's rules."""
    operator = spec_of(
        layers=[1, 1], cost="quadratic", hyperparameters={"schedule": chosen}
    ).hyperparameters.schedule
    own = operator.parameters
    t, warmup = min(t, total - 1), own["warmup"]
    if t < warmup:
        return ETA * (t + 1) / (warmup + 1)
    define = SCHEDULES[operator.kind].define
    return define(ETA, t - warmup, total - warmup, **own) if define else ETA


# ---- The function ----------------------------------------------------------------------


@every_count
@every_choice
def test_the_rate_is_the_definition_s(
    chosen: dict[str, Any], counts: dict[str, Any]
) -> None:
    """Also beyond the total, and where the warm-up takes all there is."""
    whole = {**chosen, **counts}
    module = library(scheduled(whole), TARGETS[0])
    if not hasattr(module, "learning_rate"):
        assert not counts["warmup"]
        assert all(rate(whole, t, EPOCHS) == ETA for t in range(EPOCHS))
        return
    for total in (1, 2, 3, 4, 5, 10, 37, 100):
        for t in range(total + 5):
            found = module.learning_rate(t, total)
            assert type(found) is float
            assert found == pytest.approx(rate(whole, t, total), abs=ETA * ROUNDING)
            assert 0 <= found <= ETA * (1 + ROUNDING)


@every_choice
def test_an_entry_s_expression_is_its_definition(chosen: dict[str, Any]) -> None:
    entry = SCHEDULES[chosen["kind"]]
    if entry.define is None or entry.value is None:
        assert entry.halves
        return
    given = {p.name: p.default for p in entry.parameters} | chosen
    numbers = {k: v for k, v in given.items() if not isinstance(v, str)}
    for total in (1, 2, 7, 100):
        for t in range(total):
            known = {"eta": ETA, "pi": math.pi, "t": t, "total": total, **numbers}
            for name, value in entry.scalars:
                # Of the two forms of a choice, one may divide by nothing.
                known[name] = _lazily(value, known)
            expected = entry.define(ETA, t, total, **given)
            assert _lazily(entry.value, known) == pytest.approx(expected, abs=ROUNDING)


def _lazily(value: Any, known: dict[str, Any]) -> Any:
    if getattr(value, "primitive", "") == "where":
        condition, this, that = value.args
        return evaluate(this if evaluate(condition, known) else that, known)
    return evaluate(value, known)


def torch_rates(name: str, steps: int, **options: Any) -> list[float]:
    """What a scheduler of PyTorch sets for each of so many steps."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=ETA)
    scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no step is taken, which it would warn of
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            scheduler.step()
    return rates


TORCH: list[tuple[dict[str, Any], str, Any]] = [
    (
        {"kind": "step", "every": 3, "factor": 0.5},
        "StepLR",
        lambda total: {"step_size": 3, "gamma": 0.5},
    ),
    (
        {"kind": "exponential", "factor": 0.9},
        "ExponentialLR",
        lambda total: {"gamma": 0.9},
    ),
    ({"kind": "cosine"}, "CosineAnnealingLR", lambda total: {"T_max": total}),
    (
        {"kind": "cosine", "end": 0.1},
        "CosineAnnealingLR",
        lambda total: {"T_max": total, "eta_min": 0.1 * ETA},
    ),
    (
        {"kind": "linear", "end": 0.25},
        "LinearLR",
        lambda total: {"start_factor": 1, "end_factor": 0.25, "total_iters": total},
    ),
    (
        {"kind": "one_cycle"},
        "OneCycleLR",
        lambda total: {"max_lr": ETA, "total_steps": total, "cycle_momentum": False},
    ),
    (
        {"kind": "one_cycle", "rise": 0.5, "start_divisor": 10, "end_divisor": 100},
        "OneCycleLR",
        lambda total: {
            "max_lr": ETA,
            "total_steps": total,
            "pct_start": 0.5,
            "div_factor": 10,
            "final_div_factor": 100,
            "cycle_momentum": False,
        },
    ),
]


@pytest.mark.parametrize("total", [5, 37, 200])
@pytest.mark.parametrize(
    ("chosen", "name", "options"), TORCH, ids=[words(chosen) for chosen, *_ in TORCH]
)
def test_schedules_are_pytorch_s(
    chosen: dict[str, Any], name: str, options: Any, total: int
) -> None:
    """PyTorch multiplies its rate on from step to step, so rounding adds up there."""
    module = library(scheduled(chosen), TARGETS[0])
    expected = torch_rates(name, total, **options(total))
    found = [module.learning_rate(t, total) for t in range(total)]
    assert np.abs(np.subtract(found, expected)).max() <= 1e-12 * ETA


# ---- In training ----------------------------------------------------------------------


def data(kind: str, n: int = 11) -> dict[str, Any]:
    return {
        "x": inputs(n),
        "y": labels(kind, n),
        "x_test": inputs(7, 5),
        "y_test": labels(kind, 7, 6),
    }


@every_target
@every_count
@every_choice
def test_steps_are_those_at_the_rates_of_the_definition(
    chosen: dict[str, Any], counts: dict[str, Any], target: str
) -> None:
    """Step by step beside a network of plain descent, past the last epoch."""
    whole, kind, n = {**chosen, **counts}, "classes", 11
    spec = scheduled(whole)
    if SCHEDULES[chosen["kind"]].halves:
        # Nothing is halved, and so nothing ends, in fewer epochs than patience.
        whole["patience"] = EPOCHS + 5
        spec = scheduled(whole)
    net = library(spec, target).Network()
    module = library(spec_for(kind), target)
    plain, given = module.Network(), data(kind, n)
    history = net.train(**given, epochs=EPOCHS + 2)
    for epoch in range(EPOCHS + 2):
        order = np.argsort(module.words(n, 0, 2, epoch), kind="stable")
        by_step = counts["unit"] == "step"
        for step, start in enumerate(range(0, n, 4)):
            t, total = (3 * epoch + step, 3 * EPOCHS) if by_step else (epoch, EPOCHS)
            eta = rate(whole, t, total)
            if step == 0 and "learning_rate" in history[epoch]:
                logged = history[epoch]["learning_rate"]
                assert logged == pytest.approx(eta, abs=ROUNDING)
            batch = order[start : start + 4]
            nabla = plain.backprop(given["x"][batch], given["y"][batch])
            for name, p in plain.parameters.items():
                p -= eta * nabla[name]
    for name, p in plain.parameters.items():
        # 42 steps, each rounded in another order.
        assert np.abs(net.parameters[name] - p).max() <= 1e-12


@every_target
@every_count
@every_choice
def test_five_and_five_epochs_are_ten(
    chosen: dict[str, Any], counts: dict[str, Any], target: str
) -> None:
    if SCHEDULES[chosen["kind"]].halves:
        chosen = {**chosen, "patience": 2, "monitor": "cost"}
    module = library(scheduled({**chosen, **counts}), target)
    given = data("classes")
    whole, parts = module.Network(), module.Network()
    ten = whole.train(**given, epochs=10)
    both = parts.train(**given, epochs=5) + parts.train(**given, epochs=5)
    rates = [[r.get("learning_rate") for r in records] for records in (ten, both)]
    assert rates[0] == rates[1]
    assert bytes_of(parts) == bytes_of(whole)
    assert parts.epoch == whole.epoch


@every_target
@every_count
@pytest.mark.parametrize("kind", FORMULAS)
def test_update_mini_batch_takes_the_rate_of_its_counters(
    kind: str, counts: dict[str, Any], target: str
) -> None:
    chosen = {**minimal(SCHEDULES[kind]), **counts}
    net = library(scheduled(chosen), target).Network()
    x, y, n = inputs(), labels("classes"), 11
    net.epoch = 2
    for step in range(2):
        before = {name: p.copy() for name, p in net.parameters.items()}
        nabla = net.backprop(x, y)
        net.update_mini_batch(x, y, n)
        by_step = counts["unit"] == "step"
        t, total = (3 * 2 + step, 3 * EPOCHS) if by_step else (2, EPOCHS)
        for name, p in net.parameters.items():
            expected = before[name] - rate(chosen, t, total) * nabla[name]
            assert np.abs(p - expected).max() <= 1e-14


@every_target
@pytest.mark.parametrize("kind", KINDS)
def test_arrays_keep_their_dtype(kind: str, target: str) -> None:
    """A float64 scalar of NumPy 2 would make them float64."""
    spec = scheduled({**minimal(SCHEDULES[kind]), "warmup": 1})
    net = library(spec, target).Network(dtype="float32")
    net.train(**data("classes"), epochs=2)
    assert {p.dtype for p in net.parameters.values()} == {np.dtype("float32")}


@every_target
def test_a_constant_schedule_is_no_schedule(target: str) -> None:
    plain = spec_for("classes")
    hyper = plain.normalised()["hyperparameters"]
    written = spec_for("classes", hyperparameters={**hyper, "schedule": "constant"})
    assert digest(written) == digest(plain)
    assert library_text(written, target) == library_text(plain, target)
    by_step = {"kind": "constant", "unit": "step"}
    other = spec_for("classes", hyperparameters={**hyper, "schedule": by_step})
    code = library_text(other, target).splitlines()[2:]
    assert code == library_text(plain, target).splitlines()[2:]


@pytest.mark.parametrize(
    ("kind", "then"),
    [
        ("constant", "then\n    η\n"),
        ("halve_on_plateau", "then\n    η, before it is halved\n"),
        ("exponential", "then, t counted from there,\n"),
        ("cosine", "then, t and T counted from there,\n"),
    ],
)
def test_a_warm_up_says_what_is_counted_from_its_end(kind: str, then: str) -> None:
    text = library_text(scheduled({"kind": kind, "warmup": 3}), TARGETS[0])
    assert then in text


# ---- halve_on_plateau ------------------------------------------------------------------


@every_target
@pytest.mark.parametrize("monitor", ["auto", "cost"])
@pytest.mark.parametrize("patience", [1, 2, 3])
def test_halvings_are_those_of_a_plain_loop(
    patience: int, monitor: str, target: str
) -> None:
    """So fast that the cost goes up and down; until η / 128 ends it."""
    chosen = {"kind": "halve_on_plateau", "patience": patience, "monitor": monitor}
    hyper = {"learning_rate": 20.0, "mini_batch_size": 4, "epochs": 500}
    spec = spec_for("classes", hyperparameters={**hyper, "schedule": chosen})
    net = library(spec, target).Network()
    history = net.train(**data("classes"))
    rates, best, waited, eta = [], -math.inf, 0, 20.0
    for record in history:
        rates.append(eta)
        value = -record["test_cost"] if monitor == "cost" else record["test_accuracy"]
        if value > best:
            best, waited = value, 0
        else:
            waited += 1
        if waited == patience:
            eta, waited = eta / 2, 0
    assert [record["learning_rate"] for record in history] == rates
    assert len(history) < 500
    assert eta == 20.0 / 128 and rates[-1] == 20.0 / 64
    assert history[-1]["stopped"] == "learning rate halved 7 times"
    assert all("stopped" not in record for record in history[:-1])
    assert net.train(**data("classes"), epochs=5) == []


@every_target
def test_a_value_that_is_no_number_is_no_improvement(target: str) -> None:
    chosen = {"kind": "halve_on_plateau", "patience": 2, "monitor": "cost"}
    net = library(scheduled(chosen), target).Network()
    net.w2[...] = np.nan
    with np.errstate(invalid="ignore"):
        history = net.train(**data("classes"), epochs=99)
    assert len(history) == 14 and history[-1]["stopped"]
