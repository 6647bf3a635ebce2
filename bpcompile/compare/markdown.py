"""A comparison as Markdown that GitHub renders: a table, then lists."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bpcompile.compare import said
from bpcompile.compare.difference import (
    LEVELS,
    RENUMBERED,
    Difference,
    LayerPair,
    PartChange,
)
from bpcompile.compare.hunks import unified
from bpcompile.errors import printable

ARROW = "→"


def markdown(found: Difference) -> str:
    """All of it, also where nothing differs: then it says so."""
    lines = [f"## {_title(found)}", ""]
    if not found.differs:
        return "\n".join([*lines, "No difference.", ""])
    if found.hunks:
        diff = list(unified(found.hunks, found.a.file, found.b.file))
        return "\n".join([*lines, *_fenced("diff", diff), ""])
    if found.level != LEVELS[0]:
        lines += [*_facts(found), ""]
    if found.settings:
        lines += [*_settings(found), ""]
    for run in said.runs(found):
        lines += _layers(run, found)
    if found.parts:
        lines += ["- **every layer**", *map(_part, found.parts)]
    return "\n".join(lines).rstrip("\n") + "\n"


def _title(found: Difference) -> str:
    sides = (said.title(found.a, found.b), said.title(found.b, found.a))
    return f" {ARROW} ".join(map(_code, sides))


def _facts(found: Difference) -> Iterator[str]:
    """The shape and all numbers, also those that are equal: a table has a whole."""
    yield "| | before | after | |"
    yield "|---|---:|---:|---:|"
    yield f"| layers | {said.shape(found.a)} | {said.shape(found.b)} | |"
    for fact in found.facts:
        before, after = (said.number(n, fact.unit) for n in (fact.before, fact.after))
        yield f"| {fact.name} | {before} | {after} | {said.added(fact)} |"


def _settings(found: Difference) -> Iterator[str]:
    for setting in found.settings:
        before, after = said.values(setting.before, setting.after)
        change = f"{_code(before)} {ARROW} {_code(after)}"
        yield f"- {_code(said.place(setting))}: {change}"


def _layers(run: said.Run, found: Difference) -> Iterator[str]:
    pair = run.first
    if pair.kind == RENUMBERED:
        yield f"- {said.name(run)} only renumbered"
    elif pair.differs:
        head = " ".join(filter(None, (said.name(run), said.happened(run))))
        details = [d.replace(said.ARROW, ARROW) for d in said.details(run)]
        # What a value says is somebody's text, so all of it is set as code.
        after = f": {', '.join(map(_code, details))}" if details else ""
        yield f"- **{head}**{after}"
        if pair.left and pair.right:
            for change in pair.parts:
                yield _part(change)
                if change.part in said.reworded(pair):
                    yield from _words(pair, change.part, found)


def _part(change: PartChange) -> str:
    formulas = dict.fromkeys(f for f in (change.before, change.after) if f)
    shown = f" {ARROW} ".join(map(_code, formulas))
    # A reason has symbols such as w_2 and names of one's own operators.
    return f"  - {change.part}: {shown}  \n    {_plain(change.why)}".rstrip()


def _words(pair: LayerPair, part: str, found: Difference) -> Iterator[str]:
    """The code of a part, indented into its item."""
    for passage in pair.code:
        if passage.part == part:
            lines = [sign + line for sign, line in said.statements(passage, found)]
            yield from (f"    {line}" for line in ("", *_fenced("diff", lines), ""))


def _code(text: str) -> str:
    """A code span of any text: no run of backticks in it is as long as its fence."""
    text = printable(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    room = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{room}{text}{room}{fence}"


def _plain(text: str) -> str:
    """Text in which nothing is taken for Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", text)


def _fenced(language: str, lines: list[str]) -> Iterator[str]:
    longest = max(
        (len(run) for line in lines for run in re.findall("`+", line)), default=0
    )
    fence = "`" * max(3, longest + 1)
    yield f"{fence}{language}"
    yield from lines
    yield fence
