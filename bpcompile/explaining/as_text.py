"""An explanation as plain text of 80 columns; lines of code are as long as they are."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from bpcompile.explaining.document import (
    Beside,
    Code,
    Document,
    Formula,
    Item,
    Paragraph,
    Table,
    Term,
    Values,
)
from bpcompile.explaining.plain import sentence_text

WIDTH = 80
_LABEL, _HANG = 13, 4
#: Where a line may end: after a clause, else before a sign.
_CLAUSE = re.compile(r"(?<=[,;]) ")
_SIGN = re.compile(r" (?=(?:[=⊙+→~/-]|with) )")


def as_text(document: Document) -> str:
    """The whole document, ending in a line feed."""
    lines = [document.title, "=" * len(document.title)]
    for section in document.sections:
        lines += ["", section.title, "-" * len(section.title)]
        for item in section.items:
            lines += _spaced(item, list(_lines(item)))
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _spaced(item: Item, lines: list[str]) -> list[str]:
    """With an empty line before, unless they go on with a formula."""
    goes_on = isinstance(item, Values) or (isinstance(item, Formula) and not item.label)
    return lines if goes_on else ["", *lines]


def _lines(item: Item) -> Iterator[str]:
    match item:
        case Paragraph(said):
            yield from textwrap.wrap(sentence_text(said), WIDTH, break_on_hyphens=False)
        case Term(name, said):
            text = f"{name}: {said}" if said else name
            yield from textwrap.wrap(text, WIDTH, break_on_hyphens=False)
        case Formula():
            yield from _formula(item)
        case Beside(_, formulas, code):
            for formula in formulas:
                yield from _formula(formula, _LABEL)
            for part in code:
                yield from _code(part)
        case Table():
            yield from table_lines(item)
        case Values(lines):
            for line in lines:
                first, *rest = _filled(sentence_text(line), WIDTH - 4)
                yield from ("    " + first, *(" " * (4 + _HANG) + r for r in rest))


def _formula(formula: Formula, indent: int = 4) -> Iterator[str]:
    indent = _LABEL if formula.label else indent
    first, *rest = _filled(sentence_text(formula.sentence), WIDTH - indent)
    yield f"{formula.label:{indent}}{first}"
    for line in rest:
        yield " " * (indent + _HANG) + line


def _filled(text: str, room: int) -> list[str]:
    """The text in lines, broken after a clause or else before a sign."""
    lines = [""]
    for clause in _pieces(text, _CLAUSE):
        rest = room - (_HANG if len(lines) > 1 else 0) - len(lines[-1])
        whole = len(clause.rstrip()) <= rest
        if lines[-1] and not whole and len(clause.rstrip()) <= room - _HANG:
            lines.append("")
            whole = True
        for piece in [clause] if whole else _pieces(clause, _SIGN):
            hang = _HANG if len(lines) > 1 else 0
            if lines[-1] and len(lines[-1] + piece.rstrip()) > room - hang:
                lines.append("")
            lines[-1] += piece
    return [line.strip() for line in lines]


def _pieces(text: str, ends: re.Pattern[str]) -> Iterator[str]:
    """The text cut where no bracket is open."""
    start = 0
    for found in ends.finditer(text):
        before = text[: found.start()]
        if before.count("(") == before.count(")"):
            yield text[start : found.end()]
            start = found.end()
    yield text[start:]


def _code(code: Code) -> Iterator[str]:
    yield ""
    yield f"    {said_lines(code)}:"
    for line in dedented(code):
        yield f"      {line}"


def said_lines(code: Code) -> str:
    """Where it stands in the module, and what for."""
    many = code.last > code.line
    place = f"lines {code.line} to {code.last}" if many else f"line {code.line}"
    return f"{place}, {code.said}" if code.said else place


def dedented(code: Code) -> list[str]:
    """The lines without the indentation that all of them have."""
    return textwrap.dedent("\n".join(code.lines)).split("\n")


def table_lines(table: Table) -> Iterator[str]:
    """Columns as wide as their cells, numbers to the right."""
    rows = (table.head, *table.rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            f"{cell:{'<' if place < table.words else '>'}{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
