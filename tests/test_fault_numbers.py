"""Numbers at their limits, and gradients against oracles that share no code with ours."""

from __future__ import annotations

import pathlib
from typing import Any

import mpmath
import numpy as np
import pytest
from modules import LAYERS, inputs, labels, spec_for
from oracle import library
from random_specs import PAIRS, data_for, spec_of_triple
from support import LONG, TARGETS, bpcompile, difference, spec_of

EPS = float(np.finfo(np.float64).eps)


# ---- Costs where an output rounds to 0 or 1 ----------------------------------------

#: Weighted inputs at which sigmoid and softmax are 0 and 1, or all but that.
SIZES = [0.0, 1e-300, 1.0, 36.0, 40.0, 710.0, 750.0, 1e4, 1e308]
ENDS = {
    "sigmoid": ([3, 1], "cross_entropy"),
    "softmax": ([3, {"size": 2, "activation": "softmax"}], "log_likelihood"),
}


def costs_of(z: float, y: float) -> tuple[Any, Any]:
    """-ln of what is wanted, and its derivative by z, in 60 digits; a = σ(z)."""
    with mpmath.workdps(60):
        sign = -1 if y else 1
        cost = mpmath.log1p(mpmath.exp(sign * mpmath.mpf(z)))
        return cost, sign / (1 + mpmath.exp(-sign * mpmath.mpf(z)))


@pytest.mark.fault("NUM-03", "NUM-04")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("output", ENDS)
@pytest.mark.parametrize("size", SIZES)
def test_costs_at_the_ends_are_exact_to_4_ulp(
    size: float, output: str, target: str
) -> None:
    """A softmax of z and 0 is a sigmoid of z; nothing is clipped, nothing warns."""
    layers, cost = ENDS[output]
    net = library(spec_of(layers=layers, cost=cost, dtype="float64"), target).Network()
    net.parameters["w2"][...] = 0
    for z in (size, -size):
        net.parameters["b2"][...] = 0
        net.parameters["b2"][-1] = z
        for y in (0, 1):
            exact, slope = costs_of(z, y)
            with np.errstate(all="raise", under="ignore"):
                found = net.cost(inputs(1), np.array([y]))
                gradient = net.backprop(inputs(1), np.array([y]))["b2"]
            # below the smallest number of full precision there is no ULP of it; a
            # softmax adds its 1 to the rest before the logarithm, and rounds with it
            scale = exact if output == "sigmoid" else max(exact, 1)
            assert abs(found - exact) <= 4 * EPS * scale + 1e-307
            # a - y: its error is that of a, which is of the size of 1
            assert abs(gradient[-1, 0] - slope) <= 4 * EPS


@pytest.mark.fault("NUM-03")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("size", [40.0, 750.0, 1e308])
@pytest.mark.parametrize("pattern", [(1, 1, 1, 1), (1, 1, 0, 0), (-1, -1, -1, -1)])
def test_equal_maxima_share_the_output(
    pattern: tuple[int, ...], size: float, target: str
) -> None:
    """No more than 1e308 apart: a larger difference is no number any more."""
    layers = [3, {"size": 4, "activation": "softmax"}]
    spec = spec_of(layers=layers, cost="log_likelihood", dtype="float64")
    net = library(spec, target).Network()
    net.parameters["w2"][...] = 0
    net.parameters["b2"][:, 0] = size * np.array(pattern)
    with np.errstate(all="raise", under="ignore"):
        outputs = net.feedforward(inputs(1))
        cost = net.cost(inputs(1), np.array([0]))
    share = (np.array(pattern) == max(pattern)) / pattern.count(max(pattern))
    assert np.abs(outputs[0] - share).max() <= EPS
    assert abs(cost + np.log(share[0])) <= EPS


# ---- Examples one by one; no step at all -------------------------------------------


@pytest.mark.fault("NUM-07")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [(784, 100, 10), (20, 50, 5), (3, 2)], ids=str)
def test_a_row_alone_is_the_row_of_a_batch_to_4_ulp(
    sizes: tuple[int, ...], dtype: str, target: str
) -> None:
    """Not equal: a product of one column is summed in another order."""
    spec = spec_of(layers=list(sizes), cost="cross_entropy", dtype=dtype)
    net = library(spec, target).Network()
    x = np.random.default_rng(0).random((64, sizes[0])).astype(dtype)
    whole = net.feedforward(x)
    rows = np.concatenate([net.feedforward(row[np.newaxis]) for row in x])
    most = 4 * np.finfo(dtype).eps * np.abs(whole).max()
    assert np.abs(whole - rows).max() <= most


@pytest.mark.fault("NUM-08")
def test_a_learning_rate_of_0_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would train nothing for as long as it is let."""
    monkeypatch.chdir(tmp_path)
    text = '{"layers": [2, 1], "cost": "quadratic", "hyperparameters": {"learning_rate": 0}}'
    pathlib.Path("s.json").write_text(text)
    done = bpcompile("s.json", "-o", "s.py")
    assert done.returncode == 2
    assert "/hyperparameters/learning_rate is 0" in done.stderr
    assert not pathlib.Path("s.py").exists()


# ---- Gradients ---------------------------------------------------------------------

H = 6e-6
SMOOTH = ["tanh", "sigmoid", "softplus"]


@pytest.mark.fault("GRD-02")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_gradients_are_central_differences(pair: tuple[str, str], target: str) -> None:
    """At h = 6e-6, eps^(1/3), where rounding and truncation together are least."""
    for hidden in SMOOTH if LONG else SMOOTH[:1]:
        spec = spec_of_triple(hidden, *pair)
        x, y = data_for(spec, 6, seed=1)
        net = library(spec, target).Network()
        gradient = net.backprop(x, y)
        for name, p in net.parameters.items():
            slopes = np.empty_like(p)
            for place in np.ndindex(p.shape):
                kept, ends = p[place], []
                for p[place] in (kept + H, kept - H):
                    ends.append(net.cost(x, y))
                p[place] = kept
                slopes[place] = (ends[0] - ends[1]) / (2 * H)
            assert difference(gradient[name], slopes) <= 1e-7


@pytest.mark.fault("GRD-03")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", LAYERS)
def test_a_step_is_by_the_gradient_of_the_old_parameters(
    kind: str, target: str
) -> None:
    """To 4 ULP: what is divided by m, and when, rounds in another place."""
    spec = spec_for(kind, hyperparameters={"learning_rate": 0.5})
    net, x, y = library(spec, target).Network(), inputs(), labels(kind)
    before = {name: p.copy() for name, p in net.parameters.items()}
    gradient = net.backprop(x, y)
    net.update_mini_batch(x, y, len(x))
    for name, p in net.parameters.items():
        expected = before[name] - 0.5 * gradient[name]
        scale = np.maximum(np.abs(before[name]), np.abs(gradient[name]))
        assert (np.abs(p - expected) <= 4 * EPS * np.maximum(scale, 1)).all()


HIDDEN = ["tanh", "sigmoid", "relu", "softplus", "silu", "gelu", "gelu_tanh", "elu"]
OUTPUTS = [
    ("identity", "quadratic"),
    ("tanh", "quadratic"),
    ("sigmoid", "quadratic"),
    ("sigmoid", "cross_entropy"),
    ("softmax", "log_likelihood"),
    ("softmax", "quadratic"),
    ("identity", "hinge"),
]
TRIPLES = [(hidden, *pair) for hidden in HIDDEN for pair in OUTPUTS]


@pytest.mark.fault("GRD-07")
@pytest.mark.parametrize("triple", TRIPLES if LONG else TRIPLES[::19], ids="-".join)
def test_gradients_are_those_of_jax(triple: tuple[str, str, str]) -> None:
    """The long form is of 56 networks, each in both targets; for PyTorch's: test_torch."""
    jax = pytest.importorskip("jax", reason="jax is of the bench extra")
    spec = spec_of_triple(*triple)
    x, y = data_for(spec, 6, seed=11)
    with jax.enable_x64(True):
        made = functions(jax)
        for target in TARGETS:
            net = library(spec, target).Network()
            given = {n: jax.numpy.asarray(p) for n, p in net.parameters.items()}
            rows = jax.numpy.asarray(coded(spec, y))
            exact = jax.grad(mean_cost)(given, spec, x, rows, made)
            for name, found in net.backprop(x, y).items():
                assert difference(found, np.asarray(exact[name])) <= 1e-12


def functions(jax: Any) -> dict[str, Any]:
    """Activations and costs by kind, in JAX's own words."""
    jnp, nn = jax.numpy, jax.nn
    return {
        **{name: getattr(nn, name) for name in ("sigmoid", "relu", "softplus", "silu")},
        "tanh": jnp.tanh,
        "elu": nn.elu,
        "identity": lambda z: z,
        "gelu": lambda z: nn.gelu(z, approximate=False),
        "gelu_tanh": lambda z: nn.gelu(z, approximate=True),
        "softmax": lambda z: nn.softmax(z, axis=1),
        "quadratic": lambda a, y: ((a - y) ** 2).sum() / 2,
        "hinge": lambda a, y: jnp.maximum(0, 1 - y * a).sum(),
        "cross_entropy": lambda a, y: -(y * jnp.log(a) + (1 - y) * jnp.log1p(-a)).sum(),
        "log_likelihood": lambda a, y: -(y * jnp.log(a)).sum(),
    }


def mean_cost(parameters: Any, spec: Any, x: Any, y: Any, made: Any) -> Any:
    a = x
    for number, layer in enumerate(spec.layers[1:], start=2):
        z = a @ parameters[f"w{number}"].T + parameters[f"b{number}"][:, 0]
        a = made[layer.activation.kind](z)
    return made[spec.cost.kind](a, y) / len(x)


def coded(spec: Any, y: Any) -> Any:
    """Targets (n, NL): labels one-hot, for tanh outputs and hinge as -1 and 1."""
    width = spec.layers[-1].size
    if y.ndim == 2 or width == 1:
        return y.reshape(len(y), width).astype(float)
    signs = spec.cost.kind == "hinge" or spec.layers[-1].activation.kind == "tanh"
    return np.where(np.eye(width)[y] > 0, 1.0, -1.0 if signs else 0.0)
