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

import pathlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jobs import Job, Trainer, read_job
from peers_jax import jax_scan
from peers_numpy import matrix_product, numpy, numpy_textbook, products, set_up


def torch_eager(job: Job) -> Trainer:
    return pytorch(job, lambda function: function)


def torch_compile(job: Job) -> Trainer:
    """Forward, cost and backward as one graph, the optimizer's step as another."""
    import torch

    return pytorch(job, torch.compile)


def pytorch(
    job: Job,
    compiled: Callable[[Any], Any],
    among: Callable[[Any], Any] | None = None,
    own: Callable[[Any], Any] = lambda batch: batch,
) -> Trainer:
    """`among` makes a network one of several, each of which trains on its `own` part of
    every mini-batch; all shuffle alike."""
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
    model: Any = nn.Sequential(*parts[:-1])
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
    parameters = list(model.parameters())
    if among is not None:
        model = among(model)
    groups: list[dict[str, Any]] = [
        {"params": parameters[::2], "weight_decay": work.decay},
        {"params": parameters[1::2]},
    ]
    optimizer: Any = torch.optim.SGD(groups, lr=work.rate)
    if work.optimizer == "adam":
        optimizer = torch.optim.Adam(groups, lr=work.rate, fused=True)
    step = compiled(optimizer.step)

    def update(batch: Any) -> None:
        batch = own(batch)
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
        lambda: [p.detach().numpy() for p in parameters],
    )


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
        solver=work.optimizer,
        batch_size=m,
        learning_rate_init=work.rate,
        momentum=0.0,
        # It divides by the examples of a mini-batch, the others by all.
        alpha=work.decay * m,
        # Its Adam adds it to the root before that is made unbiased.
        epsilon=1e-8 * np.sqrt(1 - 0.999),
    )
    # Several labels at once are what makes it use sigmoids and the cross-entropy.
    several = work.cost != "log_likelihood" and work.layers[-1] > 1
    y = job.rows.astype(np.int64) if several else job.labels
    network.partial_fit(job.x[:m], y[:m], classes=np.arange(work.classes))
    del network._optimizer  # that first step was for the arrays alone
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
    trains: bool = True


#: What `python bench/peers.py NAME` answers to.
PEERS = {
    "numpy": Peer("generated NumPy", "numpy", numpy),
    "numpy-textbook": Peer("generated NumPy, textbook", "numpy", numpy_textbook),
    "torch": Peer("PyTorch eager", "torch", torch_eager),
    "torch-compile": Peer("torch.compile", "torch", torch_compile),
    "jax": Peer("JAX scan", "jax", jax_scan),
    "scikit-learn": Peer("scikit-learn", "sklearn", scikit_learn),
    "product": Peer("limit", "numpy", matrix_product, trains=False),
    "products": Peer("products alone", "numpy", products, trains=False),
    "set-up": Peer("set-up of train()", "numpy", set_up, trains=False),
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
