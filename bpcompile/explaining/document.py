"""What an explanation consists of, before any format prints it."""

from __future__ import annotations

from dataclasses import dataclass

from bpcompile.explaining.model import Sentence


@dataclass(frozen=True)
class Paragraph:
    """Words, with formulas among them."""

    sentence: Sentence


@dataclass(frozen=True)
class Term:
    """What is defined next, with a few words about it, perhaps none."""

    name: str
    said: str


@dataclass(frozen=True)
class Formula:
    """A formula on a line of its own; `label` is "BP2", or "" behind another one."""

    label: str
    sentence: Sentence


@dataclass(frozen=True)
class Code:
    """Consecutive lines of the generated module; `line` is the number of the first.

    said   what they serve, where others serve something else; else ""
    """

    line: int
    lines: tuple[str, ...]
    said: str = ""

    @property
    def last(self) -> int:
        return self.line + len(self.lines) - 1


@dataclass(frozen=True)
class Beside:
    """Formulas, and the lines of the module that implement them."""

    equation: str
    formulas: tuple[Formula, ...]
    code: tuple[Code, ...]


@dataclass(frozen=True)
class Table:
    """Cells of plain text; all columns but the `words` first ones are numbers."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


@dataclass(frozen=True)
class Values:
    """A line for each number of an example, and how it comes about."""

    lines: tuple[Sentence, ...]


Item = Paragraph | Term | Formula | Beside | Table | Values


@dataclass(frozen=True)
class Section:
    """Part of an explanation: `anchor` is unique, `layer` 0 where it is of none."""

    title: str
    anchor: str
    items: tuple[Item, ...]
    layer: int = 0


@dataclass(frozen=True)
class Document:
    """A whole explanation; `picture` is the network as SVG, perhaps nothing."""

    title: str
    language: str
    sections: tuple[Section, ...]
    picture: str = ""
