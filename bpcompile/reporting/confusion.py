"""A confusion matrix: as a table where it can be taken in, else by what is worst."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bpcompile.reporting.run import Evaluation, Run
from bpcompile.reporting.view import classes, percent

#: Classes of a whole matrix, and confusions that are listed of a larger one.
MOST_CLASSES = 20
MOST_LISTED = 30
#: Shades of a cell by its share of its row; from a share on, 0 for none at all.
_SHADES = (0.0, 0.01, 0.03, 0.1, 0.3, 0.6)


@dataclass(frozen=True)
class Cell:
    """How many, and how dark; `right` where the class was recognised."""

    count: int
    shade: int
    right: bool


@dataclass(frozen=True)
class Class:
    """A class: the share of its examples that were found (recall), and of those taken
    for it that are (precision); "" where there are none."""

    name: str
    examples: int
    cells: tuple[Cell, ...]
    recall: str
    precision: str


@dataclass(frozen=True)
class Confusion:
    """All classes in order; `listed`: the most frequent mistakes, where the whole would
    be too large."""

    data: str
    classes: tuple[Class, ...]
    listed: tuple[tuple[str, str, int], ...]

    @property
    def is_whole(self) -> bool:
        return len(self.classes) <= MOST_CLASSES


def confusions(run: Run) -> Iterator[Confusion]:
    """Of every evaluation that has one."""
    for found in run.evaluations:
        if found.confusion:
            yield _confusion(run, found)


def _confusion(run: Run, found: Evaluation) -> Confusion:
    matrix = found.confusion
    names = classes(run, len(matrix))
    columns = [sum(column) for column in zip(*matrix, strict=True)]
    rows = []
    for i, row in enumerate(matrix):
        total, right = sum(row), row[i]
        cells = tuple(Cell(n, _shade(n, total), i == j) for j, n in enumerate(row))
        recall, precision = (_share(right, n) for n in (total, columns[i]))
        rows.append(Class(names[i], total, cells, recall, precision))
    wrong = [
        (names[i], names[j], n)
        for i, row in enumerate(matrix)
        for j, n in enumerate(row)
        if n and i != j
    ]
    wrong.sort(key=lambda one: -one[2])
    return Confusion(found.data, tuple(rows), tuple(wrong[:MOST_LISTED]))


def _shade(count: int, total: int) -> int:
    return sum(count > share * total for share in _SHADES)


def _share(part: int, whole: int) -> str:
    return percent(part / whole) if whole else ""
