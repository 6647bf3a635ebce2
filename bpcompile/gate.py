"""Free text on its way into generated files: templates never hold it.

A template is given a `FreeText` where the plan has a free text: its name, and nothing
that anything could be made of. The one use it has for it is the mark of a declaration.
What is rendered is so the twin of every spec that differs in its free texts alone, one
text for all of them; the gate puts the literals at the marks when no template runs any
more. Outside of them no byte can depend on free text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NoReturn

from bpcompile.plan import Plan

#: All that is not ASCII in generated files: the book's own signs. Who needs another one
#: adds it here, knowing that every editor must show it.
SIGNS = frozenset("⁰¹²³⁴⁵⁶⁷⁸⁹⁻ⁿᵀʳᵗˣʸᶻₐⱼₖ₁₂½√ΣΠΦ∂∇βδεηλμπρσψω±≤≥⊙→")
_ASCII = bytes([10, *range(32, 127)])
#: What a spec's words and formulas are made of, which stand in files as they are.
_WORDS = re.compile(r"[A-Za-z0-9_ .,()+*/<>=!-]*")
_FREE = "description"
# No text that a template has can hold it, for no file may.
_MARK = "\0"


class UnsafeTemplate(Exception):
    """A template that does with free text what none may, or prints what no file may
    hold: our bug, or that of whoever wrote the target."""


class FreeText:
    """What stands for a free text while templates run: the text is not in it.

    Whoever prints it, compares it, branches on it or asks it for anything raises
    UnsafeTemplate.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def _refused(self, *_: object) -> NoReturn:
        reason = "is free text: declared() alone may put it into a file"
        raise UnsafeTemplate(f"{object.__getattribute__(self, 'name')} {reason}")

    __str__ = __repr__ = __bool__ = __len__ = __iter__ = _refused
    __eq__ = __hash__ = __add__ = __radd__ = __getitem__ = __getattr__ = _refused

    @property
    def mark(self) -> str:
        """What a template prints for the declaration."""
        return f"{_MARK}{self.name}{_MARK}"


def sealed(plan: Plan) -> tuple[Plan, dict[str, str]]:
    """The plan as templates may see it, and its free texts by name.

    Raises UnsafeTemplate where another text of the spec is no word and no formula.
    """
    stands: Any = FreeText(_FREE)
    normalised = dict(plan.normalised)
    if _FREE in normalised:
        normalised[_FREE] = stands
    for text in (plan.name, plan.dtype, plan.task, *_texts(normalised)):
        if not _WORDS.fullmatch(text):
            raise UnsafeTemplate(f"no word and no formula of a spec: {text!a}")
    return replace(plan, description=stands, normalised=normalised), {
        _FREE: plan.description
    }


def opened(
    drawn: str, statements: Mapping[str, str], around: Iterable[tuple[str, str]]
) -> str:
    """What the templates have drawn, with the statements in place of their marks.

    `around` are the signs between which several lines are no code. Raises
    UnsafeTemplate where a mark is not a line of code of its own, or is not what
    `declared` gave, or is there twice; and where the text holds a sign that no file may.
    """
    for name, statement in statements.items():
        before, mark, after = drawn.partition(FreeText(name).mark)
        if not mark:
            continue
        if before[-1:] not in ("", "\n") or after[:1] != "\n":
            raise UnsafeTemplate(f"declared({name}) is not a line of its own")
        if before.endswith("\\\n"):
            raise UnsafeTemplate(f"declared({name}) goes on with the line before it")
        for begin, end in around:
            if _is_open(before, begin, end):
                raise UnsafeTemplate(f"declared({name}) stands after an open {begin}")
        drawn = before + statement + after
    _check_signs(drawn)
    return drawn


def _check_signs(text: str) -> None:
    rest = text.encode("utf-8", "surrogatepass").translate(None, _ASCII)
    foreign = set(rest.decode("utf-8", "surrogatepass")) - SIGNS
    if _MARK in foreign:
        raise UnsafeTemplate("a declaration is repeated, or is no longer what it was")
    if foreign:
        signs = ", ".join(f"U+{ord(sign):04X}" for sign in sorted(foreign))
        raise UnsafeTemplate(f"a template prints {signs}, which no file may hold")


def _texts(value: Any) -> Iterable[str]:
    """Every text in a value of JSON, keys among them."""
    # Not recursive: an iterator for each of 1000 layers would be slow.
    found, rest = [], [value]
    while rest:
        value = rest.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            found += value
            rest += value.values()
        elif isinstance(value, list | tuple):
            rest += value
    return found


def _is_open(before: str, begin: str, end: str) -> bool:
    if begin == end:
        return before.count(begin) % 2 == 1
    return before.rfind(begin) > before.rfind(end)
