"""Two passages of generated code side by side: what is equal, and what is not, by word.

Lines are aligned with layers counted from the passage's own, so that a line that is
only renumbered is no change; where it stands among changes its numbers are marked
fainter than these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cached_property
from itertools import groupby
from typing import TypeAlias, TypeVar

from bpcompile.compare.relative import relative_code

SAME, RENUMBERED, CHANGED = "same", "renumbered", "changed"
#: Lines of which less than this is common are not the same line in other words.
ALIKE = 0.5
#: Passages of more pairs of lines than this are not searched for lines that are alike.
MOST_PAIRS = 2_500
#: Equal lines that are shown on each side of a change.
CONTEXT = 3

_WORD = r"\s+|\w+|[^\w\s]"
#: Where a layer's number stands by itself: "layer 3", or an argument that says whose
#: draws these are.
_ALONE = re.compile(r"(?<=\blayer )\d+\b|(?<=, )\d+(?=[,)])")
_ITSELF, _COMMENT = "[l]", "[comment]"

#: A line in words, each with what it says whatever the number of its layer, and as it
#: stands.
Words: TypeAlias = list[tuple[str, str]]
_Made = TypeVar("_Made")
_Numbered = TypeVar("_Numbered", "Source", "Line")


@dataclass(frozen=True)
class Source:
    """A line of a module, without its end, and its number from 1.

    indent   what all lines of its passage begin with; `text` is without it
    """

    number: int
    text: str
    indent: str = ""


@dataclass(frozen=True)
class Piece:
    """A part of a line; mark is SAME, RENUMBERED or CHANGED."""

    text: str
    mark: str = SAME


@dataclass(frozen=True)
class Line:
    """A line in pieces, after its indentation, and whether it is a comment."""

    number: int
    indent: str
    pieces: tuple[Piece, ...]
    comments: bool

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


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

    @property
    def runs(self) -> Iterator[tuple[tuple[Line, ...], tuple[Line, ...]]]:
        """Of equal sides, the lines that follow each other in both modules."""
        return _runs(self.left, self.right)


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
        if len(self.left) != len(self.right):
            return False
        return self.keys[0] == self.keys[1]

    @property
    def runs(self) -> Iterator[tuple[tuple[Source, ...], tuple[Source, ...]]]:
        """Of equal sides, the lines that follow each other in both modules."""
        return _runs(self.left, self.right)

    @property
    def left_runs(self) -> list[tuple[Source, ...]]:
        """The lines that follow each other in A's module, and in B's below."""
        return [run for run, _ in _runs(self.left, self.left)]

    @property
    def right_runs(self) -> list[tuple[Source, ...]]:
        return [run for run, _ in _runs(self.right, self.right)]

    @cached_property
    def keys(self) -> tuple[list[str], list[str]]:
        """What the lines say, whatever the number of the layer and the language."""
        return self._each(_key)

    @cached_property
    def words(self) -> tuple[list[Words], list[Words]]:
        """Each line of both sides in words."""
        return self._each(_words)

    def _each(
        self, made: Callable[[Source, int, str], _Made]
    ) -> tuple[list[_Made], list[_Made]]:
        left, right = (
            [made(line, layer, comment) for line in lines]
            for lines, layer, comment in zip(
                (self.left, self.right), self.layers, self.comments, strict=True
            )
        )
        return left, right


def _runs(
    left: Sequence[_Numbered], right: Sequence[_Numbered]
) -> Iterator[tuple[tuple[_Numbered, ...], tuple[_Numbered, ...]]]:
    """Pairs of lines, cut where a side's numbers do not go on."""
    pairs = enumerate(zip(left, right, strict=True))
    for _, run in groupby(
        pairs, lambda item: [line.number - item[0] for line in item[1]]
    ):
        one, other = zip(*(pair for _, pair in run), strict=True)
        yield one, other


def chunks(passage: Passage) -> tuple[Chunk, ...]:
    """The passage in parts that are equal on both sides, or not, in order."""
    left, right = passage.left, passage.right
    found: list[Chunk] = []
    for kind, i, i_end, j, j_end in SequenceMatcher(None, *passage.keys).get_opcodes():
        some = replace(passage, left=left[i:i_end], right=right[j:j_end])
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


def _equal(passage: Passage) -> Iterator[Chunk]:
    """Lines that are pairwise equal, those together that are so letter by letter."""
    lines = list(zip(*_marked(passage, _in_order(passage)), strict=True))
    for is_same, group in groupby(lines, key=lambda pair: pair[0].text == pair[1].text):
        left, right = zip(*group, strict=True)
        yield Chunk(SAME if is_same else RENUMBERED, left, right)


def _in_order(passage: Passage) -> Iterator[tuple[int, int]]:
    return ((i, i) for i in range(len(passage.left)))


def _changed(passage: Passage) -> Chunk:
    """Lines that differ: those that are alike have their words compared."""
    left, right = _marked(passage, _alike(passage))
    return Chunk(CHANGED, tuple(left), tuple(right))


def _marked(
    passage: Passage, pairs: Iterable[tuple[int, int]]
) -> tuple[list[Line], list[Line]]:
    """All lines of both sides, the differing words marked of those in pairs."""
    left, right = (
        [
            Line(x.number, x.indent, (Piece(x.text),), _comments(x, comment))
            for x in lines
        ]
        for lines, comment in zip(
            (passage.left, passage.right), passage.comments, strict=True
        )
    )
    one, other = passage.words
    for i, j in pairs:
        before, after = _pieces(one[i], other[j])
        left[i] = replace(left[i], pieces=before)
        right[j] = replace(right[j], pieces=after)
    return left, right


def _comments(line: Source, comment: str) -> bool:
    return bool(comment) and line.text.lstrip().startswith(comment)


def _alike(passage: Passage) -> Iterator[tuple[int, int]]:
    """Which lines of both sides are the same one in other words, crossing no other.

    The pairs that have most in common altogether: a table over all pairs of lines.
    """
    if len(passage.left) * len(passage.right) > MOST_PAIRS:
        return
    one, other = passage.words
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


def _key(line: Source, layer: int, comment: str) -> str:
    """A line as it reads whatever the number of its layer and the sign of comments."""
    if not layer:
        return line.text

    def itself(number: re.Match[str]) -> str:
        return _ITSELF if int(number[0]) == layer else number[0]

    text = relative_code(_ALONE.sub(itself, line.text), layer)
    return _COMMENT + text.removeprefix(comment) if _comments(line, comment) else text


def _words(line: Source, layer: int, comment: str) -> Words:
    words = re.findall(f"{re.escape(comment)}|{_WORD}" if comment else _WORD, line.text)
    alone = {m.start() for m in _ALONE.finditer(line.text) if int(m[0]) == layer}
    found: Words = []
    at = 0
    for word in words:
        key = _ITSELF if at in alone else relative_code(word, layer) if layer else word
        # Every target has the same comments, each behind a sign of its own.
        is_sign = word == comment and not line.text[:at].strip()
        found.append((_COMMENT if is_sign else key, word))
        at += len(word)
    return found


def _common(one: Words, other: Words) -> float:
    """How much of two lines is common, 0 where it is too little."""
    a, b = ([w for w, _ in words if not w.isspace()] for words in (one, other))
    ratio = SequenceMatcher(None, a, b, autojunk=False).ratio()
    return ratio if ratio >= ALIKE else 0.0


def _pieces(one: Words, other: Words) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """The same line on both sides, its differing words marked."""
    before, after = ([key for key, _ in words] for words in (one, other))
    left: list[Piece] = []
    right: list[Piece] = []
    for kind, i, i_end, j, j_end in SequenceMatcher(
        None, before, after, autojunk=False
    ).get_opcodes():
        if kind == "equal":
            for (key, was), (_, now) in zip(one[i:i_end], other[j:j_end], strict=True):
                mark = SAME if was == now or key == _COMMENT else RENUMBERED
                left.append(Piece(was, mark))
                right.append(Piece(now, mark))
        else:
            left += [Piece(word, CHANGED) for _, word in one[i:i_end]]
            right += [Piece(word, CHANGED) for _, word in other[j:j_end]]
    return _joined(left), _joined(right)


def _joined(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Neighbours with the same mark as one piece."""
    return tuple(
        Piece("".join(piece.text for piece in group), mark)
        for mark, group in groupby(pieces, key=lambda piece: piece.mark)
    )
