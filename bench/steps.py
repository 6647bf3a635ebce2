"""Microseconds per mini-batch step: generated trainers beside their peers.

    make bench

Every implementation trains the same network on the same data, in turn, several times
over; the table has medians and the ratio to the generated `numpy` module within this
run, for absolute times depend on the machine and on what else it does. "products" is
the floor: the matrix products of a step alone, through the same BLAS. PyTorch (eager,
its plain SGD) and scikit-learn take part where the extra `bench` is installed; both
run with the same number of threads as NumPy.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from importing import compiled
from workloads import Workload, data_for, spec_file

Run = Callable[[], object]


WORKLOADS = (
    Workload((784, 30, 10), "sigmoid", "sigmoid", "quadratic", 10, 5_000),
    Workload((784, 100, 10), "sigmoid", "sigmoid", "cross_entropy", 10, 5_000, 5.0),
    Workload((64, 32, 10), "relu", "softmax", "log_likelihood", 32, 16_000),
    Workload((784, 512, 512, 10), "relu", "softmax", "log_likelihood", 128, 12_800),
)


def generated(work: Workload, target: str) -> Run:
    with spec_file(work) as path:
        network = compiled(path, target).Network()
    x, y = data_for(work)
    return lambda: network.train(x, y, epochs=1)


def products(work: Workload) -> Run:
    """w a, wᵀ δ and δ aᵀ of every layer, written into arrays that exist already."""
    m, sizes = work.mini_batch_size, work.layers
    w = [np.ones((n, k), np.float32) for k, n in pairwise(sizes)]
    a = [np.ones((n, m), np.float32) for n in sizes]
    delta = [np.ones((n, m), np.float32) for n in sizes]
    nabla = [np.empty_like(weight) for weight in w]

    def run() -> None:
        for _ in range(work.steps):
            for layer, weight in enumerate(w):
                np.dot(weight, a[layer], out=a[layer + 1])
            for layer in range(len(w) - 1, -1, -1):
                np.dot(delta[layer + 1], a[layer].T, out=nabla[layer])
                if layer:
                    np.dot(w[layer].T, delta[layer + 1], out=delta[layer])

    return run


def pytorch(work: Workload) -> Run:
    import torch
    from torch import nn

    torch.set_num_threads(2)
    activations: dict[str, Any] = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}
    parts: list[Any] = []
    last = len(work.layers) - 2
    for index in range(last + 1):
        parts.append(nn.Linear(work.layers[index], work.layers[index + 1]))
        if index < last:
            parts.append(activations[work.hidden]())
    model = nn.Sequential(*parts)
    x, y = data_for(work)
    inputs, labels = torch.from_numpy(x), torch.from_numpy(y)
    rows = nn.functional.one_hot(labels, work.layers[-1]).float()
    decay = work.l2 / work.examples
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=decay)
    losses: dict[str, Callable[[Any, Any, Any], Any]] = {
        "quadratic": lambda z, _, t: (
            (torch.sigmoid(z) - t).square().sum() / (2 * len(z))
        ),
        "cross_entropy": lambda z, _, t: (
            nn.functional.binary_cross_entropy_with_logits(z, t, reduction="sum")
            / len(z)
        ),
        "log_likelihood": lambda z, label, _: nn.functional.cross_entropy(z, label),
    }
    loss = losses[work.cost]

    def run() -> None:
        order = torch.randperm(work.examples)
        for k in range(0, work.examples, work.mini_batch_size):
            batch = order[k : k + work.mini_batch_size]
            optimizer.zero_grad()
            loss(model(inputs[batch]), labels[batch], rows[batch]).backward()
            optimizer.step()

    return run


def scikit_learn(work: Workload) -> Run:
    import warnings

    from sklearn.neural_network import MLPClassifier

    warnings.filterwarnings("ignore", module="sklearn")
    names = {"sigmoid": "logistic", "relu": "relu"}
    x, y = data_for(work)
    network = MLPClassifier(
        work.layers[1:-1],
        activation=names[work.hidden],
        solver="sgd",
        batch_size=work.mini_batch_size,
        learning_rate_init=0.1,
        momentum=0.0,
        alpha=work.l2,
        max_iter=1,
        n_iter_no_change=10_000,
        warm_start=True,
    )
    return lambda: network.fit(x, y)


def contestants(work: Workload) -> Iterator[tuple[str, Run]]:
    yield "numpy", generated(work, "numpy")
    yield "numpy-textbook", generated(work, "numpy-textbook")
    yield "products", products(work)
    if importlib.util.find_spec("torch"):
        yield "PyTorch", pytorch(work)
    # scikit-learn has no cost but the log-likelihood for several classes.
    if importlib.util.find_spec("sklearn") and work.cost == "log_likelihood":
        yield "scikit-learn", scikit_learn(work)


def measured(work: Workload, rounds: int) -> dict[str, float]:
    """The median microseconds per step of each, run in turn after one warm-up."""
    runs = dict(contestants(work))
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds = time.perf_counter() - start
            if turn:
                times[name].append(1e6 * seconds / work.steps)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--rounds", type=int, default=7)
    options = arguments.parse_args()
    print("| network, mini-batch | implementation | µs per step | to numpy |")
    print("|---|---|---:|---:|")
    for work in WORKLOADS:
        medians = measured(work, options.rounds)
        for name, value in medians.items():
            ratio = value / medians["numpy"]
            print(f"| {work.title} | {name} | {value:.1f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
