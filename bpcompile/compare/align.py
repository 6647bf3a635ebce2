"""Which layer of one network is which layer of another.

An edit distance over the layers' resolved settings: a layer is paired with another at
the price of what differs between them, or is left over. The input layers are a pair,
and so are the output layers.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import count
from typing import Any, NamedTuple, TypeAlias

from bpcompile.spec import canonical_json

#: A layer as the normalised spec has it.
Layer: TypeAlias = Mapping[str, Any]
#: The number of a layer on each side, from 1; None where there is none.
Pair: TypeAlias = tuple[int | None, int | None]


class Match(NamedTuple):
    """A layer's number on each side; `moved` if others that are pairs passed it."""

    left: int | None
    right: int | None
    moved: bool = False


#: What differs costs so much: a changed activation more than another width.
PRICES = {"size": 4, "activation": 6}
PRICE = 2
#: A layer left over, and one of which the other side has the very same: it has moved.
LEFT_OVER, MOVED = 6, 3
#: Beyond so many cells what is left between equal ends is paired in order: a table of
#: 2,000 by 2,000 layers takes a few seconds.
MOST_CELLS = 4_000_000


def align(a: Sequence[Layer], b: Sequence[Layer]) -> list[Match]:
    """The pairs of all layers, those of b in order and what was only in a between.

    Both have two layers or more. The same for the two sides swapped, but for the
    sides; of layers that are equal and were left over on both sides, pairs are made
    too: they have moved, and stand where they are in b.
    """
    keys = (
        [canonical_json(layer) for layer in a],
        [canonical_json(layer) for layer in b],
    )
    # Of several cheapest ways one is taken; it must not depend on who is called a.
    swapped = keys[0] > keys[1]
    first, second = (b, a) if swapped else (a, b)
    pairs = _aligned(first, second, *(keys[::-1] if swapped else keys))
    if swapped:
        pairs = [(left, right) for right, left in pairs]
    return _with_moves(pairs, *keys)


def _aligned(
    a: Sequence[Layer], b: Sequence[Layer], keys_a: list[str], keys_b: list[str]
) -> list[Pair]:
    """Equal layers at both ends are pairs; a table decides between them."""
    most = min(len(a), len(b)) - 1
    start = next((i for i in range(1, most) if keys_a[i] != keys_b[i]), most)
    rest = most - start
    ends = range(1, rest + 1)
    end = next((i - 1 for i in ends if keys_a[-i - 1] != keys_b[-i - 1]), rest)
    middle_a = range(start, len(a) - 1 - end)
    middle_b = range(start, len(b) - 1 - end)
    if len(middle_a) * len(middle_b) > MOST_CELLS:
        middle = _in_order(list(middle_a), list(middle_b))
    else:
        middle = _cheapest(middle_a, middle_b, _prices(a, b, keys_a, keys_b))
    before: list[Pair] = [(i, i) for i in range(start)]
    after = zip(range(middle_a.stop, len(a)), range(middle_b.stop, len(b)), strict=True)
    return [
        (None if i is None else i + 1, None if j is None else j + 1)
        for i, j in (*before, *middle, *after)
    ]


def _in_order(a: list[int], b: list[int]) -> list[Pair]:
    shared = min(len(a), len(b))
    alone: list[Pair] = [(i, None) for i in a[shared:]]
    alone += [(None, j) for j in b[shared:]]
    return [*zip(a, b, strict=False), *alone]


class _Prices(NamedTuple):
    """What it costs to pair two layers or to leave one over; layers by position."""

    pair: Callable[[int, int], int]
    left_over_a: list[int]
    left_over_b: list[int]


def _prices(
    a: Sequence[Layer], b: Sequence[Layer], keys_a: list[str], keys_b: list[str]
) -> _Prices:
    # Of many layers few are different, so each two are compared once.
    numbers: defaultdict[str, int] = defaultdict(count().__next__)
    ids_a, ids_b = ([numbers[key] for key in keys] for keys in (keys_a, keys_b))
    known = dict(zip(ids_a + ids_b, (*a, *b), strict=True))

    @cache
    def between(left: int, right: int) -> int:
        one, other = known[left], known[right]
        names = one.keys() | other.keys()
        different = (name for name in names if one.get(name) != other.get(name))
        return sum(PRICES.get(name, PRICE) for name in different)

    shared = set(ids_a) & set(ids_b)
    alone = [
        [MOVED if number in shared else LEFT_OVER for number in ids]
        for ids in (ids_a, ids_b)
    ]
    return _Prices(lambda i, j: between(ids_a[i], ids_b[j]), *alone)


def _cheapest(a: range, b: range, prices: _Prices) -> list[Pair]:
    """The pairs on one of the cheapest ways through the table of all prefixes."""
    alone_a = [prices.left_over_a[i] for i in a]
    alone_b = [prices.left_over_b[j] for j in b]
    # table[x][y]: the least that the last layers from x and from y on can cost.
    row = [0] * (len(b) + 1)
    for y in range(len(b) - 1, -1, -1):
        row[y] = row[y + 1] + alone_b[y]
    table = [row]
    for x in range(len(a) - 1, -1, -1):
        below, row = row, [0] * (len(b) + 1)
        row[-1] = right = below[-1] + alone_a[x]
        for y in range(len(b) - 1, -1, -1):
            paired = below[y + 1] + prices.pair(a[x], b[y])
            right = min(paired, below[y] + alone_a[x], right + alone_b[y])
            row[y] = right
        table.append(row)
    table.reverse()
    return _way(table, a, b, prices)


def _way(table: list[list[int]], a: range, b: range, prices: _Prices) -> list[Pair]:
    """Pairs first where they are as cheap, so that what is new comes late."""
    pairs: list[Pair] = []
    x = y = 0
    while x < len(a) and y < len(b):
        cost = table[x][y]
        if cost == table[x + 1][y + 1] + prices.pair(a[x], b[y]):
            pairs.append((a[x], b[y]))
            x, y = x + 1, y + 1
        elif cost == table[x + 1][y] + prices.left_over_a[a[x]]:
            pairs.append((a[x], None))
            x += 1
        else:
            pairs.append((None, b[y]))
            y += 1
    return [*pairs, *((i, None) for i in a[x:]), *((None, j) for j in b[y:])]


def _with_moves(pairs: list[Pair], keys_a: list[str], keys_b: list[str]) -> list[Match]:
    """Layers left over on both sides that are equal become pairs, in their order."""
    gone: defaultdict[str, deque[int]] = defaultdict(deque)
    for left, right in pairs:
        if left is not None and right is None:
            gone[keys_a[left - 1]].append(left)
    made: list[Match] = []
    for left, right in pairs:
        moved = False
        if left is None and right is not None and (found := gone[keys_b[right - 1]]):
            left, moved = found.popleft(), True
        made.append(Match(left, right, moved))
    gone_on = {match.left for match in made if match.moved}
    return [m for m in made if m.moved or m.left not in gone_on]
