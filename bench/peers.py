"""One contender of bench/languages.py, in a process of its own.

    python bench/peers.py NAME FOLDER

FOLDER is as `rounds.write_job` leaves it. Obeys lines on standard input, as the C
contenders do (bench/contender.h), and answers each with the seconds it took, and with
those for which its threads together had a core:

    update      one step on the first mini-batch of the data, in their order
    epoch       all mini-batches once, shuffled, gathered from the rows in memory
    save FILE   the parameters as float32, in the book's shapes, one after another
"""

from __future__ import annotations

import json
import pathlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from importing import compiled
from workloads import Workload, spec_file

#: A product of so many rows, terms and columns runs at the full rate of a BLAS.
LARGE = 1536


@dataclass(frozen=True)
class Job:
    work: Workload
    x: Any
    labels: Any
    start: dict[str, Any]

    @property
    def rows(self) -> Any:
        return np.eye(self.work.layers[-1], dtype=np.float32)[self.labels]

    @property
    def weights(self) -> list[Any]:
        """w, b of each layer in turn."""
        return list(self.start.values())


@dataclass(frozen=True)
class Trainer:
    """`epoch` may say itself how many seconds of its time to count."""

    update: Callable[[], object]
    epoch: Callable[[], float | None]
    parameters: Callable[[], list[Any]]


def split(work: Workload, values: Any) -> dict[str, Any]:
    """The parameters by name from one array of all their values."""
    found, at = {}, 0
    for name, shape in work.shapes:
        size = shape[0] * shape[1]
        found[name] = values[at : at + size].reshape(shape)
        at += size
    return found


def read_job(folder: pathlib.Path) -> Job:
    fields = json.loads((folder / "work.json").read_text("utf-8"))
    work = Workload(**fields | {"layers": tuple(fields["layers"])})
    x = np.fromfile(folder / "x.f32", np.float32).reshape(work.examples, -1)
    labels = np.fromfile(folder / "labels.u8", np.uint8).astype(np.int64)
    start = np.fromfile(folder / "start.f32", np.float32)
    return Job(work, x, labels, split(work, start))


def generated(job: Job, target: str, dtype: str = "float32") -> Trainer:
    """An epoch's time is that of its record: `train` checks the data at every call."""
    with spec_file(job.work) as path:
        network = compiled(path, target).Network(dtype=dtype)
    for name, values in job.start.items():
        network.parameters[name][...] = values
    m = job.work.mini_batch_size
    return Trainer(
        lambda: network.update_mini_batch(job.x[:m], job.labels[:m], len(job.x)),
        lambda: float(network.train(job.x, job.labels, epochs=1)[0]["seconds"]),
        lambda: list(network.parameters.values()),
    )


def numpy(job: Job) -> Trainer:
    return generated(job, "numpy")


def numpy_textbook(job: Job) -> Trainer:
    return generated(job, "numpy-textbook")


def matrix_product(job: Job) -> Trainer:
    """The limit: how long the multiply-adds of an epoch take in a large product."""
    a = np.full((LARGE, LARGE), 0.5, np.float32)
    out = np.empty_like(a)

    def epoch() -> float:
        start = time.perf_counter()
        np.dot(a, a, out=out)
        rate = 2 * LARGE**3 / (time.perf_counter() - start)
        return job.work.operations * job.work.steps / rate

    return Trainer(lambda: None, epoch, lambda: job.weights)


def torch_eager(job: Job) -> Trainer:
    return pytorch(job, lambda function: function)


def torch_compile(job: Job) -> Trainer:
    """Forward, cost and backward as one graph, the optimizer's step as another."""
    import torch

    return pytorch(job, torch.compile)


def pytorch(job: Job, compiled: Callable[[Any], Any]) -> Trainer:
    import torch
    from torch import nn

    work, m = job.work, job.work.mini_batch_size
    activation: dict[str, Any] = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}
    parts: list[Any] = []
    for w, b in zip(job.weights[::2], job.weights[1::2], strict=True):
        linear = nn.Linear(w.shape[1], w.shape[0])
        linear.weight.data = torch.from_numpy(w.copy())
        linear.bias.data = torch.from_numpy(b[:, 0].copy())
        parts += [linear, activation[work.hidden]()]
    model = nn.Sequential(*parts[:-1])
    inputs, labels = torch.from_numpy(job.x), torch.from_numpy(job.labels)
    rows = torch.from_numpy(job.rows)
    binary = nn.functional.binary_cross_entropy_with_logits
    costs: dict[str, Any] = {
        "quadratic": lambda z, y: (torch.sigmoid(z) - y).square().sum() / (2 * len(z)),
        "cross_entropy": lambda z, y: binary(z, y, reduction="sum") / len(z),
        "log_likelihood": nn.functional.cross_entropy,
    }
    cost, targets = costs[work.cost], rows
    if work.cost == "log_likelihood":
        targets = labels
    forward = compiled(lambda x, y: cost(model(x), y))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    step = compiled(optimizer.step)

    def update(batch: Any) -> None:
        optimizer.zero_grad()
        forward(inputs[batch], targets[batch]).backward()
        step()

    def epoch() -> None:
        order = torch.randperm(work.examples)
        for k in range(0, work.steps * m, m):
            update(order[k : k + m])

    return Trainer(
        lambda: update(torch.arange(m)),
        epoch,
        lambda: [p.detach().numpy() for p in model.parameters()],
    )


def jax_scan(job: Job) -> Trainer:
    import jax
    import jax.numpy as jnp
    from jax import nn

    work, m = job.work, job.work.mini_batch_size
    activation = {"sigmoid": nn.sigmoid, "relu": nn.relu}[work.hidden]
    costs: dict[str, Callable[[Any, Any], Any]] = {
        "quadratic": lambda z, y: jnp.sum((nn.sigmoid(z) - y) ** 2) / 2,
        "cross_entropy": lambda z, y: jnp.sum(jnp.logaddexp(0, z) - y * z),
        "log_likelihood": lambda z, y: -jnp.sum(y * nn.log_softmax(z)),
    }

    def cost(parameters: Any, x: Any, y: Any) -> Any:
        a = x
        for w, b in parameters[:-1]:
            a = activation(a @ w + b)
        w, b = parameters[-1]
        return costs[work.cost](a @ w + b, y) / len(x)

    def step(parameters: Any, x: Any, y: Any) -> Any:
        nabla = jax.grad(cost)(parameters, x, y)
        return jax.tree.map(lambda p, g: p - 0.1 * g, parameters, nabla)

    def scan(parameters: Any, x: Any, y: Any, key: Any) -> Any:
        order = jax.random.permutation(key, work.examples)[: work.steps * m]

        def body(held: Any, batch: Any) -> tuple[Any, None]:
            return step(held, x[batch], y[batch]), None

        return jax.lax.scan(body, parameters, order.reshape(work.steps, m))[0]

    finished: Any = jax.block_until_ready
    one, whole = jax.jit(step), jax.jit(scan, donate_argnums=0)
    x, y = jnp.asarray(job.x), jnp.asarray(job.rows)
    pairs = zip(job.weights[::2], job.weights[1::2], strict=True)
    held = [[(jnp.array(w.T), jnp.array(b[:, 0])) for w, b in pairs]]
    key = [jax.random.key(0)]

    def update() -> None:
        held[0] = finished(one(held[0], x[:m], y[:m]))

    def epoch() -> None:
        key[0], now = jax.random.split(key[0])
        held[0] = finished(whole(held[0], x, y, now))

    def parameters() -> list[Any]:
        return [np.asarray(p).T for layer in held[0] for p in layer]

    return Trainer(update, epoch, parameters)


def scikit_learn(job: Job) -> Trainer:
    """`partial_fit` on all data is one epoch of shuffled mini-batches."""
    import warnings

    from sklearn.neural_network import MLPClassifier

    warnings.filterwarnings("ignore", module="sklearn")
    work, m = job.work, job.work.mini_batch_size
    names = {"sigmoid": "logistic", "relu": "relu"}
    network = MLPClassifier(
        work.layers[1:-1],
        activation=names[work.hidden],
        solver="sgd",
        batch_size=m,
        learning_rate_init=0.1,
        momentum=0.0,
        alpha=0.0,
    )
    # Several labels at once are what makes it use sigmoids and the cross-entropy.
    y = job.labels if work.cost == "log_likelihood" else job.rows.astype(np.int64)
    network.partial_fit(job.x[:m], y[:m], classes=np.arange(work.layers[-1]))
    for held, w in zip(network.coefs_, job.weights[::2], strict=True):
        held[...] = w.T
    for held, b in zip(network.intercepts_, job.weights[1::2], strict=True):
        held[...] = b[:, 0]

    def parameters() -> list[Any]:
        layers = zip(network.coefs_, network.intercepts_, strict=True)
        return [p.T for layer in layers for p in layer]

    def fit(count: int) -> None:
        network.partial_fit(job.x[:count], y[:count])

    return Trainer(lambda: fit(m), lambda: fit(work.examples), parameters)


@dataclass(frozen=True)
class Peer:
    """What tables call it, the module that it needs, and how it begins."""

    title: str
    module: str
    build: Callable[[Job], Trainer]


#: What `python bench/peers.py NAME` answers to.
PEERS = {
    "numpy": Peer("generated NumPy", "numpy", numpy),
    "numpy-textbook": Peer("generated NumPy, textbook", "numpy", numpy_textbook),
    "torch": Peer("PyTorch eager", "torch", torch_eager),
    "torch-compile": Peer("torch.compile", "torch", torch_compile),
    "jax": Peer("JAX scan", "jax", jax_scan),
    "scikit-learn": Peer("scikit-learn", "sklearn", scikit_learn),
    "product": Peer("limit", "numpy", matrix_product),
}


def obey(trainer: Trainer, line: str) -> float | None:
    command, _, argument = line.partition(" ")
    if command == "update":
        trainer.update()
    elif command == "epoch":
        return trainer.epoch()
    elif command == "save":
        values = [np.asarray(p, np.float32).ravel() for p in trainer.parameters()]
        np.concatenate(values).tofile(argument)
    else:
        raise ValueError(f"no command: {line}")
    return None


def main() -> None:
    name, folder = sys.argv[1:]
    trainer = PEERS[name].build(read_job(pathlib.Path(folder)))
    for line in sys.stdin:
        start, had = time.perf_counter(), time.process_time()
        counted = obey(trainer, line.rstrip("\n"))
        seconds, on_core = time.perf_counter() - start, time.process_time() - had
        share = 1.0 if counted is None else counted / seconds
        print(f"{seconds * share:.9f} {on_core * share:.9f}", flush=True)


if __name__ == "__main__":
    main()
