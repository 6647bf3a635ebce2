"""The generated NumPy modules as contenders, and what NumPy's BLAS alone would take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from importing import compiled
from jobs import Job, Trainer
from workloads import spec_file

#: A product of so many rows, terms and columns runs at the full rate of a BLAS.
LARGE = 1536


def generated_network(
    job: Job, target: str, dtype: str, overrides: Sequence[str] = ()
) -> Any:
    """The network of a generated module, with the job's weights."""
    with spec_file(job.work) as path:
        network = compiled(path, target, overrides).Network(dtype=dtype)
    for name, values in job.start.items():
        network.parameters[name][...] = values
    return network


def generated(
    job: Job, target: str, dtype: str = "float32", overrides: Sequence[str] = ()
) -> Trainer:
    """An epoch's time is that of its record: `train` checks the data at every call."""
    network = generated_network(job, target, dtype, overrides)
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


def set_up(job: Job) -> Trainer:
    """What a call of `train` costs beside its epochs: it is asked for none of them."""
    network = generated_network(job, "numpy", "float32")

    def epoch() -> None:
        network.train(job.x, job.labels, epochs=0)

    return Trainer(lambda: None, epoch, lambda: job.weights)


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


def products(job: Job) -> Trainer:
    """w a, (wᵀ) δ and δ aᵀ of every layer, into arrays that exist already: the floor."""
    m, sizes = job.work.mini_batch_size, job.work.layers
    w = job.weights[::2]
    # As the generated module has them: one example per column, of the inputs per row.
    a = [job.x[:m].T] + [np.full((n, m), 0.5, np.float32) for n in sizes[1:]]
    delta = [np.full((n, m), 0.5, np.float32) for n in sizes]
    out = [np.empty_like(array) for array in a]
    nabla = [np.empty_like(weights) for weights in w]

    def epoch() -> None:
        for _ in range(job.work.steps):
            for layer, weights in enumerate(w):
                np.dot(weights, a[layer], out=out[layer + 1])
            for layer in range(len(w) - 1, -1, -1):
                np.dot(delta[layer + 1], a[layer].T, out=nabla[layer])
                if layer:
                    np.dot(w[layer].T, delta[layer + 1], out=out[layer])

    return Trainer(lambda: None, epoch, lambda: job.weights)
