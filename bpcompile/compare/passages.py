"""The lines of two generated modules, by the part of the layer that they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import TypeAlias

from bpcompile.blocks import FEEDFORWARD, INITIAL, CodeBlock, by_place, split_blocks
from bpcompile.compare.difference import PARTS, Passage
from bpcompile.compare.relative import relative_code
from bpcompile.compare.sides import Network

#: The lines of a part of a layer, by (layer, part).
Passages: TypeAlias = Mapping[tuple[int, str], tuple[str, ...]]


def passages(network: Network) -> Passages:
    """The lines of each part, its comments among them, as far in as they begin.

    Of feedforward, which may stand in a module without dropout and for training, those
    of training.
    """
    blocks = split_blocks(network.mathematics, network.plan, network.target)
    return {
        key: tuple(_lines(chain(*(found[-1:] if key[1] == FEEDFORWARD else found))))
        for key, found in by_place(blocks, network.plan).items()
    }


def _lines(blocks: Iterable[CodeBlock]) -> Iterator[str]:
    for block in blocks:
        lines = block.text.removesuffix("\n").split("\n")
        indent = len(lines[0]) - len(lines[0].lstrip(" "))
        yield from (line[indent:] for line in lines)


def paired(
    before: Passages, after: Passages, left: int | None, right: int | None
) -> tuple[Passage, ...]:
    """The passages of a layer on both sides, in the order of a step of training."""
    found = []
    for part in (INITIAL, *PARTS):
        one = before.get((left or 0, part), ())
        other = after.get((right or 0, part), ())
        if one or other:
            found.append(Passage(part, one, other))
    return tuple(found)


def says_the_same(
    passage: Passage, left: int, right: int, signs: tuple[str, str]
) -> bool:
    """Whether the statements are equal but for the numbers of layers.

    signs   with which comments begin on the two sides
    """
    before = _statements(passage.before, left, signs[0])
    return before == _statements(passage.after, right, signs[1])


def _statements(lines: tuple[str, ...], layer: int, sign: str) -> list[str]:
    statements = (line for line in lines if not line.lstrip().startswith(sign))
    return [relative_code(line, layer) for line in statements]
