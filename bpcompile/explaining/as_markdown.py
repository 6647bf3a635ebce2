"""An explanation as Markdown, formulas between dollars.

GitHub takes the backslash before punctuation away before it reads a formula, and knows
no \\operatorname: `latex` has neither, but for an underscore.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bpcompile.explaining.as_text import dedented, said_lines
from bpcompile.explaining.document import (
    Beside,
    Document,
    Formula,
    Item,
    Paragraph,
    Table,
    Term,
    Values,
)
from bpcompile.explaining.latex import latex, shown
from bpcompile.explaining.model import Prose, Sentence, displayed, remark

_UPRIGHT = re.compile(r"\\mathrm(\{[^{}]*\\_[^{}]*\})")
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>$|#~]")


def as_markdown(document: Document) -> str:
    """The whole document, ending in a line feed."""
    lines = [f"# {_escaped(document.title)}"]
    for section in document.sections:
        lines += ["", f"## {_escaped(section.title)}"]
        for item in section.items:
            lines += ["", *_lines(item, document.language)]
    return "\n".join(lines) + "\n"


def _lines(item: Item, language: str) -> Iterator[str]:
    match item:
        case Paragraph(said):
            yield _words(said)
        case Term(name, said):
            yield f"**{_escaped(name)}**" + (f": {_escaped(said)}" if said else "")
        case Formula():
            yield from _formula(item)
        case Beside(_, formulas, code):
            for place, formula in enumerate(formulas):
                yield from ([""] if place else [])
                yield from _formula(formula)
            for part in code:
                yield from ("", f"{said_lines(part)[0].upper()}{said_lines(part)[1:]}:")
                yield from ("", f"```{language}", *dedented(part), "```")
        case Table(head, rows, words):
            yield _cells(head)
            yield _cells(["---" if i < words else "--:" for i in range(len(head))])
            yield from map(_cells, rows)
        case Values(lines):
            yield from (f"- {_words(line)}" for line in lines)


def _formula(formula: Formula) -> Iterator[str]:
    """The first formula displayed, what follows it as a paragraph."""
    nodes, rest = displayed(formula.sentence)
    beside = remark(rest) if nodes else ""
    if formula.label and not nodes:
        yield from (f"**{formula.label}**", "")
    for place, node in enumerate(nodes):
        label = formula.label if place == 0 else ""
        last = place == len(nodes) - 1
        yield from ([""] if place else [])
        yield from ("$$", _math(shown(node, label, beside if last else "")), "$$")
    if rest and not beside:
        yield from ([""] if nodes else [])
        yield _words(rest)


def _words(sentence: Sentence) -> str:
    return "".join(
        _escaped(run.text) if isinstance(run, Prose) else f"${_math(latex(run))}$"
        for run in sentence
    )


def _math(formula: str) -> str:
    """With underscores as they are, which text takes and upright letters do not."""
    return _UPRIGHT.sub(r"\\text\1", formula).replace(r"\_", "_")


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", text)


def _cells(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
