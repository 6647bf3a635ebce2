"""A second opinion on whole updates: torch.optim, torch.nn.utils, scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from oracle import apart, library
from support import TARGETS, spec_of
from updates import NEAR, PENALTIES, N, data, mini_batches, spec_with

from bpcompile.operators import OPTIMIZERS
from bpcompile.spec import NetworkSpec

torch: Any = pytest.importorskip(
    "torch", reason="PyTorch comes with the extra: pip install 'bpcompile[bench]'"
)

ETA = 0.05


@pytest.fixture(autouse=True)
def _numbers_in_float64() -> Iterator[None]:
    """PyTorch's NAdam keeps its product of momenta in the default type, float32."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


#: PyTorch's optimizer with all of its own defaults but the learning rate; the momentum
#: is the contract's, for PyTorch's default is none.
PEERS: Mapping[str, Callable[..., Any]] = {
    "sgd": torch.optim.SGD,
    "momentum": lambda p, **k: torch.optim.SGD(p, momentum=0.9, **k),
    "nesterov": lambda p, **k: torch.optim.SGD(p, momentum=0.9, nesterov=True, **k),
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
}


def test_every_optimizer_that_pytorch_has_is_compared() -> None:
    """Lion it has not: tests/test_optimizers.py has its paper's algorithm."""
    assert set(OPTIMIZERS) - set(PEERS) == {"lion"}


class Twin:
    """The same network in PyTorch, with an optimizer of its own."""

    def __init__(self, net: Any, kind: str, l2: float, l1: float) -> None:
        self.parameters = {
            name: torch.tensor(p, requires_grad=True)
            for name, p in net.parameters.items()
        }
        weights, biases = (
            [p for name, p in self.parameters.items() if name[0] == letter]
            for letter in "wb"
        )
        groups = [
            {"params": weights, "weight_decay": l2 / N},
            {"params": biases, "weight_decay": 0.0},
        ]
        self.weights, self.l1 = weights, l1
        self.optimizer = PEERS[kind](groups, lr=ETA)

    def gradient(self, x: Any, y: Any) -> None:
        """Of the mean cost, into the parameters' grad."""
        self.optimizer.zero_grad()
        p = self.parameters
        a = torch.tanh(torch.tensor(x) @ p["w2"].T + p["b2"].T)
        z = a @ p["w3"].T + p["b3"].T
        torch.nn.functional.binary_cross_entropy_with_logits(
            z, torch.tensor(y), reduction="sum"
        ).div(len(x)).backward()

    def step(self) -> None:
        if self.l1:
            for p in self.weights:
                p.grad += self.l1 / N * torch.sign(p.detach())
        self.optimizer.step()

    def arrays(self) -> dict[str, Any]:
        return {name: p.detach().numpy() for name, p in self.parameters.items()}


def compared(spec: NetworkSpec, target: str) -> Iterator[tuple[Any, Twin, Any, Any]]:
    """Both after the gradient and before the step, mini-batch for mini-batch."""
    net = library(spec, target).Network()
    hyper = spec.hyperparameters
    penalties = hyper.regularization.penalties
    twin = Twin(
        net, hyper.optimizer.kind, penalties.get("l2", 0), penalties.get("l1", 0)
    )
    x, y = data()
    for batch in mini_batches():
        twin.gradient(x[batch], y[batch])
        yield net, twin, x[batch], y[batch]
        net.update_mini_batch(x[batch], y[batch], N)
        twin.step()
        assert apart(net.parameters, twin.arrays()) <= NEAR


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("penalties", PENALTIES)
@pytest.mark.parametrize("kind", PEERS)
def test_thirty_steps_are_pytorchs(kind: str, penalties: str, target: str) -> None:
    spec = spec_with(eta=ETA, optimizer=kind, regularization=PENALTIES[penalties])
    for _ in compared(spec, target):
        pass


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("limit", [0.01, 0.3])
@pytest.mark.parametrize("way", ["value", "norm"])
@pytest.mark.parametrize("kind", ["sgd", "momentum", "adam"])
def test_clipping_is_pytorchs(kind: str, way: str, limit: float, target: str) -> None:
    clipping = {way: limit}
    spec = spec_with(
        eta=ETA, optimizer=kind, clipping=clipping, regularization={"l2": 2}
    )
    clip = getattr(torch.nn.utils, f"clip_grad_{way}_")
    clipped = 0
    for _, twin, _, _ in compared(spec, target):
        before = [p.grad.clone() for p in twin.parameters.values()]
        clip(list(twin.parameters.values()), limit)
        after = [p.grad for p in twin.parameters.values()]
        pairs = zip(before, after, strict=True)
        clipped += not all(torch.equal(one, other) for one, other in pairs)
    assert clipped > 5


# ---- The book's lmbda in the words of others: docs/regularization.md ---------------


@pytest.mark.parametrize("kind", ["sgd", "momentum", "nesterov", "adam", "adamw"])
def test_weight_decay_of_pytorch_is_lmbda_over_n(kind: str) -> None:
    """For weights alone: PyTorch's one number for all parameters decays biases too."""
    lmbda = 3.0
    spec = spec_with(eta=ETA, optimizer=kind, regularization={"l2": lmbda})
    for net, twin, _, _ in compared(spec, "numpy"):
        decays = [group["weight_decay"] for group in twin.optimizer.param_groups]
        assert decays == [lmbda / N, 0.0]
        assert list(net.parameters) == list(twin.parameters)


def sklearn_step(alpha: float, x: Any, y: Any, net: Any, eta: float) -> dict[str, Any]:
    """One step of MLPRegressor from a network's parameters, on all rows of x and y."""
    network = pytest.importorskip(
        "sklearn.neural_network",
        reason="scikit-learn comes with the extra: pip install 'bpcompile[bench]'",
    )
    peer = network.MLPRegressor(
        hidden_layer_sizes=(net.w2.shape[0],),
        activation="tanh",
        solver="sgd",
        alpha=alpha,
        batch_size=len(x),
        learning_rate_init=eta,
        momentum=0.0,
        nesterovs_momentum=False,
        shuffle=False,
    )
    peer.partial_fit(x, y)  # makes the arrays, into which the network's values go
    for layer, (w, b) in enumerate(((net.w2, net.b2), (net.w3, net.b3))):
        peer.coefs_[layer][...] = w.T
        peer.intercepts_[layer][...] = b[:, 0]
    peer.partial_fit(x, y)
    return {
        "w2": peer.coefs_[0].T,
        "b2": peer.intercepts_[0][:, None],
        "w3": peer.coefs_[1].T,
        "b3": peer.intercepts_[1][:, None],
    }


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("m", [8, N])
def test_alpha_of_scikit_learn_is_lmbda_m_over_n(m: int, target: str) -> None:
    """It divides the penalty by the mini-batch's size, the book by the training set's."""
    lmbda = 3.0
    spec = spec_of(
        layers=[
            4,
            {"size": 5, "activation": "tanh"},
            {"size": 3, "activation": "identity"},
        ],
        cost="quadratic",
        dtype="float64",
        hyperparameters={"learning_rate": ETA, "regularization": {"l2": lmbda}},
    )
    net = library(spec, target).Network()
    x, y = (array[:m] for array in data())
    expected = sklearn_step(lmbda * m / N, x, y, net, ETA)
    assert apart(expected, sklearn_step(0.0, x, y, net, ETA)) > 1e-3
    net.update_mini_batch(x, y, N)
    assert apart(net.parameters, expected) <= NEAR


@pytest.mark.parametrize("target", TARGETS)
def test_l2_of_keras_is_lmbda_over_2n(target: str) -> None:
    """Keras adds l2 * sum(w²) to the mean cost; its own definition, without Keras."""
    lmbda = 3.0
    l2 = lmbda / (2 * N)
    spec = spec_with(eta=ETA, regularization={"l2": lmbda})
    net = library(spec, target).Network()
    twin = Twin(net, "sgd", 0.0, 0.0)
    x, y = data()
    twin.gradient(x[:6], y[:6])
    sum(l2 * torch.square(p).sum() for p in twin.weights).backward()
    net.update_mini_batch(x[:6], y[:6], N)
    twin.step()
    assert apart(net.parameters, twin.arrays()) <= NEAR
    squares = sum(float((p**2).sum()) for p in (net.w2, net.w3))
    assert net.total_cost(x, y) - net.cost(x, y) == pytest.approx(l2 * squares)
