"""Two passages of generated code side by side: what is equal, and what is not, by word.

Lines are aligned with layers counted from the passage's own, so that a line that is
only renumbered is no change; where it stands among changes its numbers are marked
fainter than these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby

from bpcompile.compare.relative import relative_code

SAME, RENUMBERED, CHANGED = "same", "renumbered", "changed"
#: Lines of which less than this is common are not the same line in other words.
ALIKE = 0.5
#: Passages of more pairs of lines than this are not searched for lines that are alike.
MOST_PAIRS = 2_500
#: Equal lines that are shown on each side of a change.
CONTEXT = 3

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True)
class Source:
    """A line of a module, without its end, and its number from 1."""

    number: int
    text: str


@dataclass(frozen=True)
class Piece:
    """A part of a line; mark is SAME, RENUMBERED or CHANGED."""

    text: str
    mark: str = SAME


@dataclass(frozen=True)
class Line:
    """A line in pieces, and whether it is a comment."""

    number: int
    pieces: tuple[Piece, ...]
    comments: bool


@dataclass(frozen=True)
class Chunk:
    """Lines that go together: those of A and what they are in B.

    kind    SAME, RENUMBERED (equal but for the numbers of layers) or CHANGED, where one
            side may have no lines
    hidden  more of what is SAME than anyone needs around a change
    """

    kind: str
    left: tuple[Line, ...]
    right: tuple[Line, ...]
    hidden: bool = False


@dataclass(frozen=True)
class Passage:
    """Lines of both sides that belong together.

    layers     the numbers of the layer on the two sides; 0: of none
    comments   how comments begin on the two sides
    """

    left: tuple[Source, ...]
    right: tuple[Source, ...]
    layers: tuple[int, int] = (0, 0)
    comments: tuple[str, str] = ("", "")

    @property
    def is_equal(self) -> bool:
        """Whether both sides are the same text; their line numbers may differ."""
        return [line.text for line in self.left] == [line.text for line in self.right]

    @property
    def is_renumbered(self) -> bool:
        """Whether they are the same with layers counted from their own."""
        return _relative(self.left, self.layers[0]) == _relative(
            self.right, self.layers[1]
        )


def chunks(passage: Passage) -> tuple[Chunk, ...]:
    """The passage in parts that are equal on both sides, or not, in order."""
    left, right = passage.left, passage.right
    before = _relative(left, passage.layers[0])
    after = _relative(right, passage.layers[1])
    found: list[Chunk] = []
    for kind, i, i_end, j, j_end in SequenceMatcher(None, before, after).get_opcodes():
        some = Passage(left[i:i_end], right[j:j_end], passage.layers, passage.comments)
        found += _equal(some) if kind == "equal" else [_changed(some)]
    return tuple(found)


def with_context(found: Sequence[Chunk]) -> Iterator[Chunk]:
    """The same, long equal parts cut where they are far from any change."""
    for i, chunk in enumerate(found):
        is_first, is_last = i == 0, i == len(found) - 1
        count = len(chunk.left)
        head = 0 if is_first else CONTEXT
        tail = 0 if is_last else CONTEXT
        if chunk.kind == CHANGED or count <= head + tail + 1:
            yield chunk
            continue
        for start, end in ((0, head), (head, count - tail), (count - tail, count)):
            if start < end:
                some = chunk.left[start:end], chunk.right[start:end]
                yield Chunk(chunk.kind, *some, hidden=start == head)


def _relative(lines: Iterable[Source], layer: int) -> list[str]:
    return [relative_code(x.text, layer) if layer else x.text for x in lines]


def _equal(passage: Passage) -> Iterator[Chunk]:
    """Lines that are pairwise equal, those together that are so letter by letter."""
    pairs = zip(passage.left, passage.right, strict=True)
    for is_same, group in groupby(pairs, key=lambda pair: pair[0].text == pair[1].text):
        marked = [_pair(a, b, passage) for a, b in group]
        left, right = zip(*marked, strict=True)
        yield Chunk(SAME if is_same else RENUMBERED, left, right)


def _changed(passage: Passage) -> Chunk:
    """Lines that differ: those that are alike have their words compared."""
    left = [_whole(line, passage.comments[0]) for line in passage.left]
    right = [_whole(line, passage.comments[1]) for line in passage.right]
    for i, j in _alike(passage):
        left[i], right[j] = _pair(passage.left[i], passage.right[j], passage)
    return Chunk(CHANGED, tuple(left), tuple(right))


def _whole(line: Source, comment: str) -> Line:
    return Line(line.number, (Piece(line.text),), _comments(line, comment))


def _comments(line: Source, comment: str) -> bool:
    return bool(comment) and line.text.lstrip().startswith(comment)


def _alike(passage: Passage) -> Iterator[tuple[int, int]]:
    """Which lines of both sides are the same one in other words, crossing no other.

    The pairs that have most in common altogether: a table over all pairs of lines.
    """
    one = [_words(x, passage.layers[0]) for x in passage.left]
    other = [_words(x, passage.layers[1]) for x in passage.right]
    if len(one) * len(other) > MOST_PAIRS:
        return
    common = [[_common(a, b) for b in other] for a in one]
    best = [[0.0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i in reversed(range(len(one))):
        for j in reversed(range(len(other))):
            paired = common[i][j] + best[i + 1][j + 1]
            best[i][j] = max(best[i + 1][j], best[i][j + 1], paired)
    i = j = 0
    while i < len(one) and j < len(other):
        if best[i][j] == best[i + 1][j]:
            i += 1
        elif best[i][j] == best[i][j + 1]:
            j += 1
        else:
            yield i, j
            i, j = i + 1, j + 1


def _words(line: Source, layer: int) -> list[tuple[str, str]]:
    """Each word with layers counted from the line's own, and as it stands."""
    words = _WORDS.findall(line.text)
    return [(relative_code(w, layer) if layer else w, w) for w in words]


def _common(one: list[tuple[str, str]], other: list[tuple[str, str]]) -> float:
    """How much of two lines is common, 0 where it is too little."""
    a, b = ([w for w, _ in words if not w.isspace()] for words in (one, other))
    ratio = SequenceMatcher(None, a, b, autojunk=False).ratio()
    return ratio if ratio >= ALIKE else 0.0


def _pair(a: Source, b: Source, passage: Passage) -> tuple[Line, Line]:
    """The same line on both sides, each with its differing words marked."""
    one, other = _words(a, passage.layers[0]), _words(b, passage.layers[1])
    matcher = SequenceMatcher(
        None, [w for w, _ in one], [w for w, _ in other], autojunk=False
    )
    left: list[Piece] = []
    right: list[Piece] = []
    for kind, i, i_end, j, j_end in matcher.get_opcodes():
        if kind == "equal":
            for (_, was), (_, now) in zip(one[i:i_end], other[j:j_end], strict=True):
                mark = SAME if was == now else RENUMBERED
                left.append(Piece(was, mark))
                right.append(Piece(now, mark))
        else:
            left += [Piece(w, CHANGED) for _, w in one[i:i_end]]
            right += [Piece(w, CHANGED) for _, w in other[j:j_end]]
    comments = passage.comments
    return (
        Line(a.number, _joined(left), _comments(a, comments[0])),
        Line(b.number, _joined(right), _comments(b, comments[1])),
    )


def _joined(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Neighbours with the same mark as one piece."""
    return tuple(
        Piece("".join(piece.text for piece in group), mark)
        for mark, group in groupby(pieces, key=lambda piece: piece.mark)
    )
