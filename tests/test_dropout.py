"""Dropout: its masks, the dropped network's gradient, and where nothing is dropped."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import faults_page
import numpy as np
import pytest
from dropping import MASKS, dropped_gradient, factors, factors_of_step
from faults import Fault
from faults_dropout import FAULTS
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import apart, imported, library, library_text
from random_specs import HIDDEN, PAIRS, data_for, minimal, repeatable, specs
from support import TARGETS, difference, module_of, shared, spec_of

from bpcompile.operators import ACTIVATIONS, COSTS
from bpcompile.spec import NetworkSpec

EXACT = 1e-12
SEED = 6  # not the specs' own
N = 10  # examples, in mini-batches of 4

#: All layers 3 wide, so that a mask of the wrong layer gives wrong numbers, no error.
FIELDS: dict[str, Any] = {
    "dtype": "float64",
    "layers": [
        {"size": 3, "dropout": 0.2},
        {"size": 3, "dropout": 0.5},
        {"size": 3, "activation": "tanh", "dropout": 0.3},
        3,
    ],
    "cost": "quadratic",
    "hyperparameters": {"learning_rate": 0.3, "mini_batch_size": 4, "seed": 5},
}

both_targets = pytest.mark.parametrize("target", TARGETS)


def data(n: int = N) -> tuple[Any, Any]:
    rng = np.random.default_rng(11)
    return rng.normal(size=(n, 3)) + 1, rng.random((n, 3))


def without_dropout(spec: NetworkSpec) -> NetworkSpec:
    layers = tuple(e.model_copy(update={"dropout": 0.0}) for e in spec.layers)
    return spec.model_copy(update={"layers": layers})


def bits(net: Any) -> list[bytes]:
    return [array.tobytes() for array in net.parameters.values()]


def copied(net: Any) -> dict[str, Any]:
    return {name: array.copy() for name, array in net.parameters.items()}


# ---- Masks -------------------------------------------------------------------------


@both_targets
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_known_masks(target: str, dtype: Any) -> None:
    module = library(spec_of(**FIELDS), target)
    cases = json.loads(shared("cases/randomness.json").read_text())["dropped"]
    assert cases
    for case in cases:
        r = np.full((case["units"], case["examples"]), np.nan, dtype)
        place = (case[key] for key in ("seed", "epoch", "step", "layer"))
        module.dropout(r, case["p"], *place)
        dropped = np.array(case["dropped"]).T
        # Rounded once: the double nearest to 1/(1 - p) in the network's dtype.
        assert np.array_equal(r, np.where(dropped, 0, dtype(1 / (1 - case["p"]))))
        by_hand = factors(
            case["p"], *(case[k] for k in ("seed", "epoch", "step", "layer")), 6, 4
        )
        assert np.array_equal(np.array(by_hand) == 0, dropped.T)


@both_targets
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_mask_of_two_epochs(target: str, dtype: str) -> None:
    """Whatever target and dtype, train() draws these and no others."""
    spec, drawn = spec_of(**FIELDS), []
    module = library(spec, target)
    draw = module.dropout

    def recorded(r: Any, p: float, *place: int) -> None:
        draw(r, p, *place)
        drawn.append((place, r == 0))

    module.dropout = recorded
    module.Network(seed=SEED, dtype=dtype).train(*data(), epochs=2)
    places = [place for place, _ in drawn]
    steps = [(SEED, epoch, step) for epoch in (0, 1) for step in (0, 1, 2)]
    assert places == [(*step, layer) for step in steps for layer in (1, 2, 3)]
    for (_, epoch, step, layer), dropped in drawn:
        m, p = (4, 4, 2)[step], spec.layers[layer - 1].dropout
        expected = factors(p, SEED, epoch, step, layer, 3, m)
        assert np.array_equal(dropped, np.array(expected).T == 0)


@both_targets
@pytest.mark.parametrize("p", [1e-9, 0.1, 0.5, 0.9, 1 - 2**-53])
def test_share_that_is_dropped(target: str, p: float) -> None:
    r = np.empty((300, 200))
    library(spec_of(**FIELDS), target).dropout(r, p, 1, 2, 3, 4)
    # Five standard deviations of a binomial share.
    assert abs((r == 0).mean() - p) <= 5 * np.sqrt(p * (1 - p) / r.size)
    assert set(np.unique(r)) <= {0, 1 / (1 - p)}


# ---- A step ------------------------------------------------------------------------


def step_apart(
    module: ModuleType, spec: NetworkSpec, x: Any, y: Any, seed: int, epoch: int
) -> float:
    """How far two steps of update_mini_batch are from complex steps of the cost."""
    net, found = module.Network(seed=seed), []
    net.epoch = epoch
    eta = spec.hyperparameters.learning_rate
    for step in range(2):
        before = copied(net)
        r = factors_of_step(spec, seed, epoch, step, len(x))
        gradient = dropped_gradient(spec, before, x, y, r)
        net.update_mini_batch(x, y, 100)
        expected = {n: p - eta * gradient[n] for n, p in before.items()}
        found.append(apart(net.parameters, expected))
    return max(found)


@both_targets
@pytest.mark.parametrize("hidden", HIDDEN)
def test_gradient_of_the_dropped_network(hidden: str, target: str) -> None:
    """σ' reads the undropped a or z, whichever the activation's derivative takes."""
    # Two layers of exp with N(0, 1) weights would leave the range of a float.
    small = {"kind": "uniform", "low": -0.5, "high": 0.5}
    inner = {"activation": minimal(ACTIVATIONS[hidden]), "dropout": 0.4}
    inner |= {"initializer": small, "bias_initializer": small}
    layers = [{"size": 4, "dropout": 0.2}, {"size": 5, **inner}, {"size": 4, **inner}]
    for output, cost in PAIRS:
        last = {**inner, "size": 2, "activation": minimal(ACTIVATIONS[output])}
        del last["dropout"]
        fields = {"dtype": "float64", "cost": minimal(COSTS[cost])}
        spec = spec_of(layers=[*layers, last], **fields)
        x, y = data_for(spec, 3, seed=4)
        module = library(spec, target)
        assert step_apart(module, spec, x.astype(float), y, SEED, 2) <= EXACT, output


@settings(repeatable, max_examples=40)
@given(st.data())
def test_dropout_of_any_layers(draws: st.DataObject) -> None:
    sizes = draws.draw(st.lists(st.integers(1, 4), min_size=2, max_size=5))
    rates = draws.draw(st.lists(st.floats(0, 0.9), min_size=4, max_size=4))
    layers: list[Any] = [
        {"size": size, "dropout": p} for size, p in zip(sizes[:-1], rates, strict=False)
    ]
    spec = spec_of(layers=[*layers, sizes[-1]], cost="quadratic", dtype="float64")
    n, seed = draws.draw(st.integers(1, 4)), draws.draw(st.integers(0, 2**53 - 1))
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(n, sizes[0])), rng.random((n, sizes[-1]))
    for target in TARGETS:
        assert step_apart(library(spec, target), spec, x, y, seed, seed % 7) <= EXACT


@both_targets
def test_sample_weights_and_dropout(target: str) -> None:
    """An example of weight 0 adds nothing, whatever was dropped for it."""
    spec = spec_of(**FIELDS)
    x, y = data(4)
    weight = np.array([1.0, 0.0, 2.0, 0.5])
    net = library(spec, target).Network()
    before = copied(net)
    order = np.argsort(library(spec, target).words(4, 5, 2, 0), kind="stable")
    r = factors_of_step(spec, 5, 0, 0, 4)
    expected = dict(before)
    for i, row in enumerate(order):
        single = {layer: [rows[i]] for layer, rows in r.items()}
        one = slice(row, row + 1)
        gradient = dropped_gradient(spec, before, x[one], y[one], single)
        for name, g in gradient.items():
            expected[name] = expected[name] - 0.3 * weight[row] / 4 * g
    net.train(x, y, epochs=1, sample_weight=weight)
    assert apart(net.parameters, expected) <= EXACT


# ---- Runs --------------------------------------------------------------------------


@both_targets
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_five_and_five_epochs_are_ten(
    dtype: str, target: str, tmp_path: pathlib.Path
) -> None:
    module = module_of(spec_of(**{**FIELDS, "dtype": dtype}), target)
    x, y = data()
    ten, parts = module.Network(seed=SEED), module.Network(seed=SEED)
    ten.train(x, y, epochs=10)
    parts.train(x, y, epochs=5)
    parts.backprop(x[:3], y[:3])
    parts.save(tmp_path / "half.safetensors")
    loaded = module.Network.load(tmp_path / "half.safetensors")
    for net in (parts, loaded):
        assert (net.epoch, net.step) == (5, 0)
        net.train(x, y, epochs=5, monitor=("cost", "accuracy"))
        assert bits(net) == bits(ten)
        # What comes after an epoch is the next one's first step.
        net.update_mini_batch(x, y, N)
    assert bits(parts) == bits(loaded)


@both_targets
def test_steps_one_by_one_are_an_epoch(target: str) -> None:
    module = library(spec_of(**FIELDS), target)
    x, y = data()
    trained, stepped = module.Network(seed=SEED), module.Network(seed=SEED)
    trained.train(x, y, epochs=2)
    for epoch in range(2):
        order = np.argsort(module.words(N, SEED, 2, epoch), kind="stable")
        for start in (0, 4, 8):
            batch = order[start : start + 4]
            stepped.update_mini_batch(x[batch], y[batch], N)
        stepped.epoch, stepped.step = epoch + 1, 0
    assert bits(trained) == bits(stepped)


@both_targets
def test_an_epoch_begins_at_its_first_step(target: str) -> None:
    """Steps of one's own before it change no mask of train()."""
    module = library(spec_of(**FIELDS), target)
    x, y = data()
    plain, stepped = module.Network(), module.Network()
    stepped.update_mini_batch(x, y, N)
    assert stepped.step == 1
    for net in (plain, stepped):
        for array in net.parameters.values():
            array.fill(0.1)
        net.train(x, y, epochs=1)
    assert bits(plain) == bits(stepped)


def test_targets_agree() -> None:
    x, y = data()
    nets = [library(spec_of(**FIELDS), target).Network() for target in TARGETS]
    for net in nets:
        net.train(x, y, epochs=20)
    assert apart(nets[0].parameters, nets[1].parameters) <= EXACT


# ---- Where nothing is dropped ------------------------------------------------------


@settings(repeatable, max_examples=30)
@given(specs(), st.integers(0, 2**20))
def test_public_methods_never_drop(spec: NetworkSpec, seed: int) -> None:
    x, y = data_for(spec, 5, seed)
    rates = {"dropout": 0.5}
    first, *inner, last = spec.layers
    layers = [layer.model_copy(update=rates) for layer in (first, *inner)]
    dropping = spec.model_copy(update={"layers": (*layers, last)})
    for target in TARGETS:
        plain = library(without_dropout(spec), target).Network()
        net = library(dropping, target).Network()
        for name, array in net.parameters.items():
            array[...] = plain.parameters[name]
        assert net.feedforward(x).tobytes() == plain.feedforward(x).tobytes()
        assert net.cost(x, y) == plain.cost(x, y)
        # Rows and columns may lie otherwise in memory, so that sums round otherwise.
        assert apart(net.backprop(x, y), plain.backprop(x, y)) <= 1e-14


@both_targets
def test_a_module_without_dropout_has_nothing_of_it(target: str) -> None:
    spec = spec_of(**FIELDS)
    text = library_text(without_dropout(spec), target)
    for word in ("dropout", "DROPOUT", "MASKS", "kept2", "r1", "r2"):
        assert word in library_text(spec, target)
        assert word not in text
    zero = spec_of(**{**FIELDS, "layers": [{"size": 3, "dropout": 0}, 3, 3]})
    assert zero == spec_of(**{**FIELDS, "layers": [3, 3, 3]})


@both_targets
def test_program_of_a_network_with_dropout(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module = module_of(spec_of(**FIELDS), target)
    assert module.main(["info"]) == 0
    assert "dropout: layer 1 0.2, layer 2 0.5, layer 3 0.3\n" in capsys.readouterr().out
    # The public gradient is that of the public cost, which nothing is dropped from.
    assert module.main(["gradcheck"]) == 0


@both_targets
def test_one_layer_s_dropout_is_its_own_lines(target: str) -> None:
    layers = [3, {"size": 4, "dropout": 0.5}, 4, 2]
    text = library_text(spec_of(layers=layers, cost="quadratic"), target)
    assert "kept2 = r2 * a2" in text or "np.multiply(r2, a2, out=kept2)" in text
    assert "# BP4  ∂C/∂w³ = δ³ (kept²)ᵀ, summed over the mini-batch" in text
    assert "# BP2  δ² = (w³)ᵀ δ³ ⊙ r² ⊙ σ'(z²), where" in text
    assert not {"r1", "r3", "kept1", "kept3"} & set(text.replace(".", " ").split())


@both_targets
def test_float32_step_is_close_to_float64(target: str) -> None:
    module = library(spec_of(**FIELDS), target)
    nets = [module.Network(dtype=dtype) for dtype in ("float32", "float64")]
    for net in nets:
        net.update_mini_batch(*data(), N)
    single, double = (net.parameters for net in nets)
    assert all(array.dtype == np.float32 for array in single.values())
    assert max(difference(single[name], p) for name, p in double.items()) <= 2e-6


# ---- Planted faults ----------------------------------------------------------------


def findings(module: ModuleType) -> Iterator[str]:
    """What of a module with dropout is wrong, a step at a time and over epochs."""
    spec = spec_of(**FIELDS)
    x, y = data()
    if not step_apart(module, spec, x[:4], y[:4], SEED, 2) <= EXACT:
        yield "step"
    net = module.Network(seed=SEED)
    plain = library(without_dropout(spec), "numpy").Network(seed=SEED)
    if not apart(net.backprop(x, y), plain.backprop(x, y)) <= EXACT:
        yield "gradient"
    net.update_mini_batch(x, y, N)
    expected = copied(net)
    for epoch in range(2):
        order = np.argsort(module.words(N, SEED, 2, epoch), kind="stable")
        for step in range(3):
            batch = order[4 * step : 4 * step + 4]
            r = factors_of_step(spec, SEED, epoch, step, len(batch))
            gradient = dropped_gradient(spec, expected, x[batch], y[batch], r)
            expected = {n: p - 0.3 * gradient[n] for n, p in expected.items()}
    net.train(x, y, epochs=2)
    r = factors_of_step(spec, SEED, 2, 0, N)
    gradient = dropped_gradient(spec, expected, x, y, r)
    net.update_mini_batch(x, y, N)
    expected = {n: p - 0.3 * gradient[n] for n, p in expected.items()}
    if not apart(net.parameters, expected) <= EXACT:
        yield "training"


@both_targets
def test_nothing_is_found_where_nothing_is_planted(target: str) -> None:
    module = imported(library_text(spec_of(**FIELDS), target))
    assert module.MASKS == MASKS
    assert list(findings(module)) == []


def first_finding(fault: Fault, target: str) -> str:
    """The first comparison that finds a fault; a test fails where there is none."""
    text = fault.planted(library_text(spec_of(**FIELDS), target), target)
    with np.errstate(all="ignore"):
        found = next(findings(imported(text)), "")
    assert found, f"{fault.name} lives"
    return found


@both_targets
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault_is_found(
    fault: Fault, target: str, figures: Callable[..., None]
) -> None:
    assert faults_page.says(fault, target) == first_finding(fault, target)
    figures("planted faults", planted=1, killed=1)
