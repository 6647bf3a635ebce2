"""Two texts as a unified diff: applied to the one it gives the other, exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from bpcompile.compare.difference import Hunk
from bpcompile.output import lines_of

CONTEXT = 3
NO_END = "\\ No newline at end of file"


def hunks(a: str, b: str) -> Iterator[Hunk]:
    """The runs of lines in which the texts differ, with three lines around each."""
    before, after = lines_of(a), lines_of(b)
    matcher = SequenceMatcher(None, before, after)
    for group in matcher.get_grouped_opcodes(CONTEXT):
        lines: list[str] = []
        for kind, i, i_end, j, j_end in group:
            if kind == "equal":
                lines += _signed(" ", before[i:i_end])
                continue
            lines += _signed("-", before[i:i_end])
            lines += _signed("+", after[j:j_end])
        (_, i, *_), (_, _, i_end, _, j_end) = group[0], group[-1]
        yield Hunk(i + 1, i_end - i, group[0][3] + 1, j_end - group[0][3], tuple(lines))


def _signed(sign: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        yield sign + line.removesuffix("\n")
        if not line.endswith("\n"):
            yield NO_END


def unified(found: Sequence[Hunk], a: str, b: str) -> Iterator[str]:
    """The lines of the diff, without their ends, under the names of the two files."""
    if found:
        yield f"--- {_named(a)}"
        yield f"+++ {_named(b)}"
    for hunk in found:
        left = _range(hunk.start_a, hunk.count_a)
        right = _range(hunk.start_b, hunk.count_b)
        yield f"@@ -{left} +{right} @@"
        yield from hunk.lines


def _named(name: str) -> str:
    # A tab ends a name that has spaces in it, for GNU patch and for git.
    return f"{name}\t" if " " in name else name


def _range(start: int, count: int) -> str:
    """Of no lines the number is that of the line before."""
    if count == 1:
        return str(start)
    return f"{start if count else start - 1},{count}"
