"""First values of weights and biases: from the known words, by the papers' formulas."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from oracle import apart, library, library_text
from random_specs import minimal
from support import TARGETS, shared, spec_of

from bpcompile import reference
from bpcompile.operators import INITIALIZERS
from bpcompile.spec import NetworkSpec

EXACT = 1e-12
GAIN = {"kind": "orthogonal", "gain": 1.5}

both_targets = pytest.mark.parametrize("target", TARGETS)


def network(
    initializer: Any, n_in: int, n_out: int, bias: Any = "zeros", **rest: Any
) -> NetworkSpec:
    layer = {"size": n_out, "initializer": initializer, "bias_initializer": bias}
    fields = {"dtype": "float64", "cost": "quadratic", **rest}
    return spec_of(layers=[n_in, layer], **fields)


def first(spec: NetworkSpec, target: str = "numpy", **options: Any) -> dict[str, Any]:
    parameters: dict[str, Any] = library(spec, target).Network(**options).parameters
    return parameters


@both_targets
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (1, 3), (3, 1), (1, 1)])
@pytest.mark.parametrize("kind", INITIALIZERS)
def test_each_is_that_of_the_reference(
    kind: str, shape: tuple[int, int], target: str
) -> None:
    chosen = minimal(INITIALIZERS[kind])
    spec = network(chosen, *shape, bias=chosen)
    found = first(spec, target, seed=7)
    assert found["w2"].shape == shape[::-1] and found["b2"].shape == (shape[1], 1)
    assert apart(found, reference.initial_parameters(spec, 7)) <= EXACT
    single = first(spec, target, seed=7, dtype="float32")
    for name, array in found.items():
        assert np.array_equal(single[name], array.astype(np.float32))
        # The shapes of BLAS: what is not in rows cannot take a product.
        assert array.flags.c_contiguous


@both_targets
def test_every_initializer_trains(target: str) -> None:
    for kind in INITIALIZERS:
        chosen = minimal(INITIALIZERS[kind])
        spec = network(chosen, 5, 3, bias=chosen)
        net = library(spec, target).Network()
        before = {name: p.copy() for name, p in net.parameters.items()}
        x = np.random.default_rng(0).random((4, 5))
        net.train(x, np.zeros((4, 3)), epochs=1)
        assert all((net.parameters[n] != p).any() for n, p in before.items()), kind


# ---- Known answers -----------------------------------------------------------------


def known(what: str) -> list[Any]:
    return list(json.loads(shared("cases/randomness.json").read_text())[what])


@both_targets
def test_uniform_draws_are_the_upper_bits_of_the_known_words(target: str) -> None:
    case = next(c for c in known("words") if (c["stream"], c["layer"]) == (0, 2))
    chosen = {"kind": "uniform", "low": 0, "high": 1}
    found = first(network(chosen, 3, 2), target, seed=int(case["seed"]))
    expected = [(int(word) >> 11) * 2.0**-53 for word in case["words"]]
    assert found["w2"].ravel().tolist() == expected


@both_targets
@pytest.mark.parametrize("kind", ["he", "lecun", "glorot_normal"])
def test_normal_draws_are_the_known_ones(kind: str, target: str) -> None:
    """4 ULP of the draw, as the contract has it, and one of the factor's product."""
    scale = {"he": 2 / 5, "lecun": 1 / 5, "glorot_normal": 2 / 6}[kind]
    case = next(c for c in known("normals") if (c["stream"], c["layer"]) == (0, 2))
    found = first(network(kind, 5, 1), target, seed=case["seed"])["w2"].ravel()
    expected = np.array(case["values"]) * math.sqrt(scale)
    assert np.all(np.abs(found - expected) <= 6 * np.spacing(np.abs(expected)))


# ---- The papers' formulas, as PyTorch has them ---------------------------------------


def large(initializer: Any) -> Any:
    return first(network(initializer, 400, 300))["w2"]


@pytest.mark.parametrize(
    ("initializer", "torch_name", "options"),
    [
        ("glorot_uniform", "xavier_uniform_", {}),
        ("glorot_normal", "xavier_normal_", {}),
        ("he", "kaiming_normal_", {"nonlinearity": "relu"}),
        ("lecun", "kaiming_normal_", {"nonlinearity": "linear"}),
        ({"kind": "uniform", "low": -2, "high": 3}, "uniform_", {"a": -2, "b": 3}),
    ],
)
def test_bounds_and_deviations_are_those_of_pytorch(
    initializer: Any, torch_name: str, options: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch comes with the extra bench")
    asked: list[tuple[float, ...]] = []

    def record(tensor: Any, *bounds: float, **_: Any) -> Any:
        asked.append(bounds)
        return tensor

    monkeypatch.setattr(torch.Tensor, "uniform_", record)
    monkeypatch.setattr(torch.Tensor, "normal_", record)
    getattr(torch.nn.init, torch_name)(torch.empty(30, 70), **options)
    ((low, high),) = asked
    drawn = reference.uniforms(2100, 0, 0, layer=2)
    if "uniform" in torch_name:
        expected = [low * (1 - u) + high * u for u in drawn]
    else:
        assert low == 0
        expected = [high * value for value in reference.normals(2100, 0, 0, layer=2)]
    found = first(network(initializer, 70, 30))["w2"].ravel()
    assert np.abs(found - expected).max() <= 1e-14


@pytest.mark.parametrize("shape", [(30, 30), (40, 7), (7, 40), (5, 1)])
def test_orthogonal_is_that_of_pytorch(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same draws, signs included."""
    torch = pytest.importorskip("torch", reason="PyTorch comes with the extra bench")
    n_out, n_in = shape
    draws = first(network("standard_normal", n_in, n_out))["w2"]
    fill = torch.from_numpy(draws.copy())
    monkeypatch.setattr(torch.Tensor, "normal_", lambda t, *_, **__: t.copy_(fill))
    expected = torch.empty(n_out, n_in, dtype=torch.float64)
    torch.nn.init.orthogonal_(expected, gain=1.5)
    found = first(network(GAIN, n_in, n_out))["w2"]
    # Two factorisations differ by rounding times the condition of the draws.
    assert np.abs(found - expected.numpy()).max() <= 1e-11


@pytest.mark.parametrize("shape", [(60, 60), (80, 9), (9, 80)])
def test_orthogonal_columns_or_rows(shape: tuple[int, int]) -> None:
    w = first(network(GAIN, *shape))["w2"]
    short = w if w.shape[0] <= w.shape[1] else w.T
    identity = np.eye(min(shape))
    assert np.abs(short @ short.T - 1.5**2 * identity).max() <= 1e-13


def test_orthogonal_biases_are_a_column_of_length_gain() -> None:
    biases = first(network("zeros", 3, 5, bias=GAIN))["b2"]
    normals = np.array(reference.normals(5, 0, 1, layer=2))
    expected = 1.5 * normals / np.linalg.norm(normals)
    assert np.abs(biases.ravel() - expected).max() <= 1e-15


@pytest.mark.parametrize(
    ("initializer", "variance", "bound"),
    [
        ({"kind": "uniform", "low": -1, "high": 1}, 1 / 3, 1),
        ("glorot_uniform", 2 / 700, math.sqrt(6 / 700)),
        ("glorot_normal", 2 / 700, math.inf),
        ("he", 2 / 400, math.inf),
        ("lecun", 1 / 400, math.inf),
    ],
)
def test_moments_of_large_draws(
    initializer: Any, variance: float, bound: float
) -> None:
    w = large(initializer)
    # Five standard deviations; that of w² is at most √2 of the variance.
    assert abs(w.mean()) <= 5 * math.sqrt(variance / w.size)
    assert abs((w**2).mean() / variance - 1) <= 5 * math.sqrt(2 / w.size)
    if bound < math.inf:
        assert 0.99 * bound <= np.abs(w).max() <= bound


# ---- What the module says ----------------------------------------------------------


@both_targets
def test_comments_give_the_formula(target: str) -> None:
    spec = network("he", 4, 3)
    text = library_text(spec, target)
    assert "# layer 2: w² ~ N(0, 1) √(2 / N1), b² = 0\n" in text
    text = library_text(
        network("glorot_uniform", 4, 3, {"kind": "constant", "value": 0.1}), target
    )
    assert "# layer 2: w² ~ U(-1, 1) √(6 / (N1 + N2)), b² = 0.1\n" in text


@both_targets
def test_a_module_draws_with_what_it_needs(target: str) -> None:
    for kinds, functions in {
        ("zeros", "zeros"): set(),
        ("glorot_uniform", "zeros"): {"uniform"},
        ("he", "zeros"): {"uniform", "normal"},
        ("zeros", "orthogonal"): {"uniform", "normal", "orthogonal"},
    }.items():
        spec = network(kinds[0], 4, 3, kinds[1])
        text = library_text(spec, target)
        drawing = ("uniform", "normal", "orthogonal")
        assert {f for f in drawing if f"def {f}(" in text} == functions


def test_each_entry_from_a_paper_names_it() -> None:
    unnamed = {kind for kind, entry in INITIALIZERS.items() if not entry.source}
    assert unnamed == {"uniform", "constant", "zeros"}
