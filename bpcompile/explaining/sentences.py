"""Words with formulas among them, as comments and entries have them."""

from __future__ import annotations

import re

from bpcompile.explaining.model import Node, Prose, Sentence
from bpcompile.explaining.notation import NotationError, formula


def sentence(text: str) -> Sentence:
    """Formulas with the words before and between them; never raises.

    A clause that is no formula is words.
    """
    runs: list[Prose | Node] = []
    for clause, after in _clauses(text):
        words, rest = _leading_words(clause)
        if words:
            runs.append(Prose(words + (" " if rest else "")))
        if rest:
            try:
                runs.append(formula(rest))
            except NotationError:
                runs.append(Prose(rest))
        if after:
            runs.append(Prose(after))
    return _joined(runs)


def _clauses(text: str) -> list[tuple[str, str]]:
    """Clauses with the sign and space that end each; not those inside brackets."""
    found, start, depth = [], 0, 0
    for place, character in enumerate(text):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
        ends = character in ",;:" and text[place + 1 : place + 2] == " "
        if depth == 0 and ends:
            found.append((text[start:place], text[place : place + 2]))
            start = place + 2
    return [*found, (text[start:], "")]


_LEADING = re.compile(
    r"(?:(?!(?:ln|sin|cos)\b)[A-Za-z][a-z-]+(?=$| (?![-+/=→~⊙)]))(?: |$))+"
)


def _leading_words(clause: str) -> tuple[str, str]:
    """The words at the beginning and the rest."""
    found = _LEADING.match(clause)
    if not found:
        return "", clause
    return found.group().rstrip(), clause[found.end() :]


def _joined(runs: list[Prose | Node]) -> Sentence:
    """The same with neighbouring words as one."""
    joined: list[Prose | Node] = []
    for run in runs:
        last = joined[-1] if joined else None
        if isinstance(run, Prose) and isinstance(last, Prose):
            joined[-1] = Prose(last.text + run.text)
        else:
            joined.append(run)
    return tuple(joined)
