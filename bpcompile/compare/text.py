"""A comparison as text for a terminal of 80 columns, in colour where that is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import NamedTuple

from bpcompile.compare import said
from bpcompile.compare.difference import (
    LEVELS,
    RENUMBERED,
    Difference,
    LayerPair,
    PartChange,
)
from bpcompile.compare.hunks import unified

WIDTH = 80
INDENT = "  "
#: Where the formulas begin.
MARGIN = 16
#: Sequences of a terminal (ECMA-48), by the sign at which a line begins, or its role.
COLOURS = {"-": "31", "+": "32", "@": "36", "heading": "1"}


class Line(NamedTuple):
    text: str
    role: str = ""


def text(found: Difference, colour: bool = False) -> str:
    """All lines, each with its end; nothing where nothing differs."""
    if not found.differs:
        return ""
    lines = _of_code(found) if found.hunks else _of_networks(found)
    return "".join(f"{_painted(line) if colour else line.text}\n" for line in lines)


def _painted(line: Line) -> str:
    code = COLOURS.get(line.role)
    return f"\x1b[{code}m{line.text}\x1b[0m" if code and line.text else line.text


def _of_code(found: Difference) -> Iterator[Line]:
    for line in unified(found.hunks, found.a.file, found.b.file):
        heading = line.startswith(("--- ", "+++ "))
        yield Line(line, "heading" if heading else line[:1])


def _of_networks(found: Difference) -> Iterator[Line]:
    yield Line(f"--- {said.title(found.a, found.b)}", "heading")
    yield Line(f"+++ {said.title(found.b, found.a)}", "heading")
    if found.level == LEVELS[0]:
        yield from _settings(found)
        return
    a, b = said.shape(found.a), said.shape(found.b)
    yield Line(a if a == b else f"{a} {said.ARROW} {b}", "heading")
    yield from _facts(found)
    yield from _settings(found)
    told = list(_told(found))
    yield from (Line(""), *told) if told else ()


def _told(found: Difference) -> Iterator[Line]:
    """The layers that have changed, then what has for all of them."""
    for run in said.runs(found):
        yield from _layers(run, found)
    for change in found.parts:
        yield Line("every layer", "heading")
        yield from _part(change)


def _facts(found: Difference) -> Iterator[Line]:
    """The numbers that differ, below each other."""
    rows = [(f.name, *said.fact(f)) for f in found.facts if f.changed]
    first, second = (max((len(row[i]) for row in rows), default=0) for i in (0, 1))
    for name, values, added in rows:
        yield Line(f"{INDENT}{name:{first}}  {values:{second}}  ({added})")


def _settings(found: Difference) -> Iterator[Line]:
    for setting in found.settings:
        line = f"{INDENT}{said.place(setting)}  {said.change(setting)}"
        yield from _wrapped(line, 2 * INDENT)


def _wrapped(line: str, indent: str, role: str = "") -> Iterator[Line]:
    """Broken between words, where there are any."""
    for part in wrap(
        line,
        WIDTH,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
        drop_whitespace=True,
    ):
        yield Line(part, role)


# ---- Layers ------------------------------------------------------------------------


def _layers(run: said.Run, found: Difference) -> Iterator[Line]:
    pair = run.first
    if pair.kind == RENUMBERED:
        yield Line(f"{said.name(run)} only renumbered")
    elif pair.differs:
        head = " ".join(filter(None, (said.name(run), said.happened(run))))
        details = ", ".join(said.details(run))
        line = f"{head}: {details}" if details else head
        yield from _wrapped(line, 2 * INDENT, "heading")
        if pair.left and pair.right:
            for change in pair.parts:
                if change.part in said.reworded(pair):
                    yield from _labelled(change.part, "", change.after or "")
                    yield from _code(pair, change.part, found)
                else:
                    yield from _part(change)


def _part(change: PartChange) -> Iterator[Line]:
    """The formula on both sides, once where it is the same, and the reason."""
    before, after = change.before or "nothing", change.after or "nothing"
    if before == after:
        yield from _labelled(change.part, "", before)
    else:
        yield from _labelled(change.part, "-", before)
        yield from _labelled("", "+", after)
    yield from _labelled("", "", change.why)


def _labelled(label: str, sign: str, formula: str) -> Iterator[Line]:
    """A text behind a label, its further lines below it."""
    head = f"{INDENT}{label:{MARGIN - 4}}{sign:2}"
    rows = wrap(
        formula,
        WIDTH - MARGIN,
        break_on_hyphens=False,
        break_long_words=False,
    )
    for number, row in enumerate(rows):
        yield Line(f"{head if number == 0 else ' ' * MARGIN}{row}", sign)


def _code(pair: LayerPair, part: str, found: Difference) -> Iterator[Line]:
    for passage in pair.code:
        if passage.part == part:
            for sign, line in said.statements(passage, found):
                yield Line(f"{2 * INDENT}{sign} {line}", sign)
