"""JAX as a contender: one `jit` over an epoch, `lax.scan` over its mini-batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jobs import Job, Trainer


def jax_scan(job: Job) -> Trainer:
    import jax
    import jax.numpy as jnp
    from jax import nn

    work, m = job.work, job.work.mini_batch_size
    optimizer = descent(work.rate) if work.optimizer == "sgd" else adam(work.rate)
    activation = {"sigmoid": nn.sigmoid, "relu": nn.relu}[work.hidden]
    costs: dict[str, Callable[[Any, Any], Any]] = {
        "quadratic": lambda z, y: jnp.sum((nn.sigmoid(z) - y) ** 2) / 2,
        "cross_entropy": lambda z, y: jnp.sum(jnp.logaddexp(0, z) - y * z),
        "log_likelihood": lambda z, y: -jnp.sum(y * nn.log_softmax(z)),
    }

    def cost(parameters: Any, x: Any, y: Any) -> Any:
        a, penalty = x, sum(jnp.sum(w * w) for w, _ in parameters) * work.decay / 2
        for w, b in parameters[:-1]:
            a = activation(a @ w + b)
        w, b = parameters[-1]
        return costs[work.cost](a @ w + b, y) / len(x) + penalty

    def step(held: Any, x: Any, y: Any) -> Any:
        return optimizer(held, jax.grad(cost)(held[0], x, y))

    def scan(held: Any, x: Any, y: Any, key: Any) -> Any:
        order = jax.random.permutation(key, work.examples)[: work.steps * m]

        def body(held: Any, batch: Any) -> tuple[Any, None]:
            return step(held, x[batch], y[batch]), None

        return jax.lax.scan(body, held, order.reshape(work.steps, m))[0]

    finished: Any = jax.block_until_ready
    one, whole = jax.jit(step), jax.jit(scan, donate_argnums=0)
    x, y = jnp.asarray(job.x), jnp.asarray(job.rows)
    pairs = zip(job.weights[::2], job.weights[1::2], strict=True)
    start = [(jnp.array(w.T), jnp.array(b[:, 0])) for w, b in pairs]
    held = [(start, *(jax.tree.map(jnp.zeros_like, start) for _ in range(2)), 0)]
    key = [jax.random.key(0)]

    def update() -> None:
        held[0] = finished(one(held[0], x[:m], y[:m]))

    def epoch() -> None:
        key[0], now = jax.random.split(key[0])
        held[0] = finished(whole(held[0], x, y, now))

    def parameters() -> list[Any]:
        return [np.asarray(p).T for layer in held[0][0] for p in layer]

    return Trainer(update, epoch, parameters)


def descent(rate: float) -> Callable[[Any, Any], Any]:
    """(parameters, mean, square, step) after a step; nothing but the first is read."""
    import jax

    def step(held: Any, nabla: Any) -> Any:
        w, *rest = held
        return jax.tree.map(lambda p, g: p - rate * g, w, nabla), *rest

    return step


def adam(rate: float) -> Callable[[Any, Any], Any]:
    """The same for Adam, as PyTorch defines it; JAX itself has no optimizers."""
    import jax
    import jax.numpy as jnp

    def step(held: Any, nabla: Any) -> Any:
        w, mean, square, t = held
        t += 1
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, nabla)
        square = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, square, nabla)
        root = jnp.sqrt(1 - 0.999**t)
        size, floor = rate * root / (1 - 0.9**t), 1e-8 * root
        moved = jax.tree.map(
            lambda p, m, s: p - size * m / (jnp.sqrt(s) + floor), w, mean, square
        )
        return moved, mean, square, t

    return step
