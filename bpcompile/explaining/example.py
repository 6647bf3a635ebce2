"""The worked example as a section: each formula with its numbers below it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bpcompile.explaining.arithmetic import Value
from bpcompile.explaining.document import Formula, Item, Paragraph, Section, Values
from bpcompile.explaining.model import Infix, Prose, Sentence
from bpcompile.explaining.notation import NotationError, formula
from bpcompile.explaining.numbers import WorkedExample
from bpcompile.explaining.sentences import sentence


def example(worked: WorkedExample, takes: Callable[[int, str], bool]) -> Section:
    """The stages whose layer and equation are taken; what is given always is."""
    items: list[Item] = [Paragraph((Prose(" ".join(worked.notes)),))]
    for stage in worked.stages:
        equation = stage.equation or stage.part
        is_chosen = stage.part == "given" or takes(stage.layer, equation)
        if is_chosen:
            items.append(_heading(equation, sentence(stage.formula)))
            items.append(Values(tuple(_lines(stage.values, stage.more))))
    return Section("Worked example", "numbers", tuple(items))


def _heading(equation: str, said: Sentence) -> Item:
    """A formula, or words such as "the new w²"."""
    if isinstance(said[0], Infix):
        return Formula(equation, said)
    return Paragraph((Prose(f"{equation}: "), *said))


def _lines(values: tuple[Value, ...], more: int) -> Iterator[Sentence]:
    for value in values:
        by = f" = {value.way}" if value.way else ""
        yield _line(f"{value.name}{by} = {value.text}")
    if more:
        yield (Prose(f"and {more} more"),)


def _line(text: str) -> Sentence:
    try:
        return (formula(text),)
    except NotationError:
        return (Prose(text),)
