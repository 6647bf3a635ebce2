"""Which lines of a generated module belong to which part of which layer.

Found by the comments that every target prints, for any language: a comment is a line
that begins with the target's sign, and what it says is in the plan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from bpcompile.compare.difference import PARTS, Passage
from bpcompile.compare.relative import relative_code
from bpcompile.compare.sides import Network
from bpcompile.plan import Plan

#: A part of a layer, as (layer, part).
Key: TypeAlias = tuple[int, str]
Passages: TypeAlias = Mapping[Key, tuple[str, ...]]

#: The first values of a layer's parameters, which no step of training computes.
PARAMETERS = "parameters"
_BACKWARD = PARTS[1:5]
_UPDATE = PARTS[-1]
#: What leaves a function belongs to no layer; the word is the same in many languages.
_LEAVES = "return"
#: How a comment goes on where a target makes a product one with the update.
_FUSED = ", and the update"


def passages(network: Network) -> Passages:
    """The lines of each part, its comments among them, indented as they belong.

    Of feedforward, which stands in a module for training and without dropout, those of
    training, which come last.
    """
    sign = str(network.target.settings["comment"]) + " "
    reader = _Reader(_comments(network.plan), _inside(network.plan), sign)
    for line, following in pairwise([*network.text.split("\n"), ""]):
        reader.read(line, following)
    return {key: tuple(lines) for key, lines in reader.found.items()}


def _comments(plan: Plan) -> dict[str, Key]:
    """What each comment on a layer is about; "layer 2" alone may be of the update."""
    known: dict[str, Key] = {}
    for layer in plan.layers:
        known[f"layer {layer.index}"] = layer.index, _UPDATE
        known[layer.comment] = layer.index, PARAMETERS
    for block in (*plan.forward, *plan.feedforward, *plan.inference.blocks):
        known[block.comment] = block.layer, PARTS[0]
    for block in plan.backward:
        for step in block.steps:
            if step.equation:
                known[step.comment] = step.layer, step.equation
                known[step.comment + _FUSED] = step.layer, _UPDATE
    return known


def _inside(plan: Plan) -> frozenset[str]:
    """The comments within the update of a layer."""
    steps = (step for block in plan.update for step in block.steps)
    return frozenset(step.comment for step in steps if step.comment)


@dataclass
class _Reader:
    """Line by line through a module; `key` is the part that is being read.

    known     what the comments are about, and `inside` those that begin no part
    said      the lines of a comment so far, which a target breaks after clauses
    pending   lines after "layer 3" alone: of the equation that follows, else of the
              update, if the equations have been seen
    """

    known: Mapping[str, Key]
    inside: frozenset[str]
    sign: str
    key: Key | None = None
    indent: int = 0
    said: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    backward: bool = False
    found: defaultdict[Key, list[str]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def read(self, line: str, following: str) -> None:
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if text.startswith(self.sign):
            self.said.append(text.removeprefix(self.sign).strip())
            if following.strip().startswith(self.sign + "  "):
                self._keep(line)
                return
            said, self.said = " ".join(self.said), []
            key = self.known.get(said)
            if key:
                self._enter(key, indent, line)
                return
            if said not in self.inside and indent == self.indent:
                self._leave()
        elif not text or indent < self.indent or self._ends(text, indent):
            self._leave()
        self._keep(line)

    def _ends(self, text: str, indent: int) -> bool:
        return indent == self.indent and text.split(" ")[0] == _LEAVES

    def _enter(self, key: Key, indent: int, line: str) -> None:
        first = [line]
        if self.key and self.key[1] == _UPDATE and key[0] == self.key[0]:
            # "layer 3" was the heading of what begins now.
            first = [*self.pending, line]
            self.pending = []
        self._leave()
        self.backward |= key[1] in _BACKWARD
        if key[1] == PARTS[0]:
            self.found[key] = []
        self.key, self.indent = key, indent
        if key[1] == _UPDATE:
            self.pending = first
        else:
            self.found[key] += [text[indent:] for text in first]

    def _keep(self, line: str) -> None:
        if self.key and self.key[1] == _UPDATE:
            self.pending.append(line)
        elif self.key:
            self.found[self.key].append(line[self.indent :])

    def _leave(self) -> None:
        if self.key and len(self.pending) > 1 and self.backward:
            self.found[self.key] += [line[self.indent :] for line in self.pending]
        self.pending, self.key = [], None


def paired(
    before: Passages, after: Passages, left: int | None, right: int | None
) -> tuple[Passage, ...]:
    """The passages of a layer on both sides, in the order of a step of training."""
    found = []
    for part in (PARAMETERS, *PARTS):
        sides = [
            () if layer is None else passages.get((layer, part), ())
            for passages, layer in ((before, left), (after, right))
        ]
        if any(sides):
            found.append(Passage(part, *sides))
    return tuple(found)


def says_the_same(
    passage: Passage, left: int, right: int, signs: Sequence[str]
) -> bool:
    """Whether the statements are equal but for the numbers of layers.

    signs   with which comments begin on the two sides
    """
    sides = zip((passage.before, passage.after), (left, right), signs, strict=True)
    before, after = (
        [
            relative_code(line, layer)
            for line in lines
            if not line.strip().startswith(sign)
        ]
        for lines, layer, sign in sides
    )
    return before == after
