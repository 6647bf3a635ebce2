"""The random numbers of the reference: Philox4x64-10 in plain integers.

Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3"
(SC'11). The key is (seed, stream), the counter (block, epoch, step, layer).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import count, islice

__all__ = [
    "BIASES",
    "DROPOUT",
    "SHUFFLING",
    "SPLITS",
    "WEIGHTS",
    "dropped",
    "epoch_order",
    "fold",
    "held_out",
    "normal_stream",
    "normals",
    "philox_block",
    "philox_words",
    "uniform_stream",
    "uniforms",
]

WEIGHTS, BIASES, SHUFFLING, DROPOUT, SPLITS = range(5)

_MASK = 2**64 - 1
_MULTIPLIER_0, _MULTIPLIER_1 = 0xD2E7470EE14C6C93, 0xCA5A826395121157
_WEYL_0, _WEYL_1 = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
_ROUNDS = 10


def philox_block(
    counter: tuple[int, int, int, int], key: tuple[int, int]
) -> tuple[int, int, int, int]:
    """One block of Philox4x64-10: four 64-bit words from a counter and a key.

    Raises ValueError if a number of the counter or the key does not fit into 64
    unsigned bits.
    """
    if not all(0 <= number <= _MASK for number in (*counter, *key)):
        raise ValueError(
            f"expected unsigned 64-bit integers, got counter {counter} and key {key}"
        )
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        product0 = _MULTIPLIER_0 * c0
        product1 = _MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (
            (product1 >> 64) ^ c1 ^ k0,
            product1 & _MASK,
            (product0 >> 64) ^ c3 ^ k1,
            product0 & _MASK,
        )
        k0 = (k0 + _WEYL_0) & _MASK
        k1 = (k1 + _WEYL_1) & _MASK
    return c0, c1, c2, c3


def _word_stream(
    seed: int, stream: int, epoch: int, step: int, layer: int
) -> Iterator[int]:
    # Block 0 is never drawn: the usual generators add 1 to the counter first.
    for block in count(1):
        yield from philox_block((block, epoch, step, layer), (seed, stream))


def _uniform(word: int) -> float:
    return (word >> 11) * 2.0**-53


def philox_words(
    n: int, seed: int, stream: int, epoch: int = 0, step: int = 0, layer: int = 0
) -> list[int]:
    """The first n words, 0 <= word < 2**64, of one place in the counter.

    Raises ValueError if a number does not fit into 64 unsigned bits.
    """
    return list(islice(_word_stream(seed, stream, epoch, step, layer), n))


def uniforms(
    n: int, seed: int, stream: int, epoch: int = 0, step: int = 0, layer: int = 0
) -> list[float]:
    """The first n uniform numbers, 0 <= u < 1, each (word >> 11) * 2**-53.

    Raises ValueError if a number does not fit into 64 unsigned bits.
    """
    return [_uniform(w) for w in philox_words(n, seed, stream, epoch, step, layer)]


def uniform_stream(seed: int, stream: int, layer: int) -> Iterator[float]:
    """Endless uniform numbers of a layer, 0 <= u < 1."""
    return map(_uniform, _word_stream(seed, stream, 0, 0, layer))


def normal_stream(seed: int, stream: int, layer: int) -> Iterator[float]:
    """Endless N(0, 1) numbers of a layer, by Box-Muller on pairs of uniforms."""
    words = _word_stream(seed, stream, 0, 0, layer)
    for word in words:
        # 1 - u lies in (0, 1]: u itself may be 0, which has no logarithm.
        radius = math.sqrt(-2.0 * math.log(1.0 - _uniform(word)))
        angle = 2.0 * math.pi * _uniform(next(words))
        yield radius * math.cos(angle)
        yield radius * math.sin(angle)


def normals(n: int, seed: int, stream: int, layer: int) -> list[float]:
    """The first n numbers of `normal_stream`; for odd n the last sine is dropped.

    Raises ValueError if a number does not fit into 64 unsigned bits.
    """
    return list(islice(normal_stream(seed, stream, layer), n))


def epoch_order(n: int, seed: int, epoch: int) -> list[int]:
    """The order, a permutation of 0..n-1, in which an epoch visits n examples.

    Raises ValueError if a number does not fit into 64 unsigned bits.
    """
    words = philox_words(n, seed, SHUFFLING, epoch)
    return sorted(range(n), key=words.__getitem__)


def held_out(
    n: int, fraction: float, seed: int, classes: Sequence[int] | None = None
) -> list[int]:
    """Which of n examples are held out for validation, in the order they have.

    k = ceil(fraction * n) of them, yet one is left to train on: those that come first
    when the examples are sorted by their words. Where they have classes (n,), these
    are sorted one after the other, each by its words, and of that row every n/k-th is
    held out, so that each class gives its share, rounded up or down. Raises ValueError
    if a number does not fit into 64 unsigned bits.
    """
    k, order = min(n - 1, math.ceil(fraction * n)), _split_order(n, seed, classes)
    if classes is None:
        return sorted(order[:k])
    return sorted(i for p, i in enumerate(order) if (p + 1) * k // n > p * k // n)


def fold(
    n: int, number: int, of: int, seed: int, classes: Sequence[int] | None = None
) -> list[int]:
    """Which of n examples are in a fold, its number from 1, in the order they have.

    Sorted as `held_out` sorts them, by words or first by classes (n,), the examples are
    dealt to the folds in turn: a class gives each its share, rounded up or down. Raises
    ValueError where there are fewer examples than folds, and as `held_out` does.
    """
    if n < of:
        raise ValueError(f"expected at least {of} examples, one for each fold, got {n}")
    return sorted(_split_order(n, seed, classes)[number - 1 :: of])


def _split_order(n: int, seed: int, classes: Sequence[int] | None) -> list[int]:
    """n examples by their words, of one class (n,) after the other where they have one."""
    words = philox_words(n, seed, SPLITS)
    of_class = [0] * n if classes is None else classes
    return sorted(range(n), key=lambda i: (of_class[i], words[i]))


def dropped(
    p: float, m: int, width: int, seed: int, epoch: int, step: int, layer: int
) -> list[list[bool]]:
    """Which neurons of a layer are dropped: m rows, one per example, of `width`.

    p is the probability, layer the book's number, from 1; epoch and step are counted
    from 0, step within its epoch. Half word i * width + j decides on neuron j of
    example i. Raises ValueError if a number does not fit into 64 unsigned bits.
    """
    count = m * width
    halves: list[int] = []
    for word in philox_words(-(-count // 2), seed, DROPOUT, epoch, step, layer):
        halves += [word & (2**32 - 1), word >> 32]
    drop = [half < p * 2**32 for half in halves[:count]]
    return [drop[i : i + width] for i in range(0, count, width)]
