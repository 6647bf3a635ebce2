"""A generated text, split into the lines of each layer and each equation.

Every target prints the plan's own comments: "layer 2: z² = ..." over the way forward,
a bare "layer 2" over a layer's errors and over its update, "BP2  δ² = ..." over each
equation. So nothing but the comment sign (in target.toml) must be known to find them:

- A comment alone on its line, its continuation lines joined, is looked up among the
  plan's comments, and that says its layer and its part. A bare "layer 2" is of the part
  of the equation that follows it; else of the parameters before the first BP1, and of
  the update after it. "BP4 ..., and the update" is of the update.
- A block ends at the next such comment, at another comment that is indented like it, a
  blank line, a line less indented, and where a function hands its result on (`returns`
  in target.toml, if the language has it inside the block). An update ends with the last
  statement that names anything with a number: what follows is of all layers.

Everything else is in blocks of layer 0 and no part, so that the blocks, joined, are the
text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby

from bpcompile.plan import Plan
from bpcompile.target import Target

EQUATIONS = ("BP1", "BP2", "BP3", "BP4")
PARAMETERS, INITIAL, FEEDFORWARD = "parameters", "initial", "feedforward"
UPDATE = "update"
#: Of layer 1 alone, and of no step: data are scaled before they come to the first.
SCALING = "scaling"
#: In the order in which a module comes to them; not every target has the first.
PARTS = (PARAMETERS, INITIAL, FEEDFORWARD, *EQUATIONS, UPDATE)

_AND_THE_UPDATE = ", and the update"
_NUMBERED = re.compile(r"[A-Za-z_]\d+\b")
#: The part of a bare "layer 2" until it is known what follows.
_HEADING = "heading"

_Known = dict[str, tuple[int, str, str]]


@dataclass(frozen=True)
class CodeBlock:
    """Consecutive lines of a generated text.

    layer     counted from 1 as in the book; 0: of all layers or of none
    part      one of PARTS, or SCALING; "" for what belongs to no layer
    equation  which of BP1 to BP4 the comment names, in the update too; else ""
    comment   the comment that it begins with, in one line without its sign; else ""
    line      the number of its first line, counted from 1
    text      the lines as they stand, each with its end
    """

    layer: int
    part: str
    equation: str
    comment: str
    line: int
    text: str


def split_blocks(text: str, plan: Plan, target: Target) -> tuple[CodeBlock, ...]:
    """The blocks of the text that a target made of this plan, in their order.

    Their texts, joined, are the text. Nothing is raised: in a text from another plan
    the blocks are those whose comments this plan has too.
    """
    # Not by str.splitlines, which breaks at U+2028 and others too.
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    sign, known = str(target.settings["comment"]), _known(plan)
    returns = str(target.settings.get("returns", sign))
    found = _with_headings(list(_found(lines, known, sign)))
    blocks: list[CodeBlock] = []
    at = 0
    for i, block in enumerate(found):
        start = block.line - 1
        following = found[i + 1].line - 1 if i + 1 < len(found) else len(lines)
        updates = block.part == UPDATE and block.layer > 0
        own = _own(lines[start:following], sign, returns, updates)
        blocks += _rest(lines, at, start)
        at = start + own
        blocks.append(replace(block, text="".join(lines[start:at])))
    return (*blocks, *_rest(lines, at, len(lines)))


def by_place(
    blocks: Iterable[CodeBlock], plan: Plan
) -> Mapping[tuple[int, str], list[tuple[CodeBlock, ...]]]:
    """The blocks of each (layer, part), once for each place where the text has it.

    Of feedforward the last place is that of training. An output's activation in a
    function of its own goes on with the place of its z.
    """
    found: defaultdict[tuple[int, str], list[tuple[CodeBlock, ...]]] = defaultdict(list)
    for key, run in groupby(blocks, lambda block: (block.layer, block.part)):
        of_run, of_key = tuple(run), found[key]
        if of_run[0].comment == plan.output_comment and of_key:
            of_run = (*of_key.pop(), *of_run)
        of_key.append(of_run)
    return found


def _known(plan: Plan) -> _Known:
    """Layer, part and equation by each comment that the plan has."""
    known: _Known = {f"layer {e.index}": (e.index, _HEADING, "") for e in plan.layers}
    known |= {e.comment: (e.index, INITIAL, "") for e in plan.layers}
    forward = (*plan.feedforward, *plan.forward, *plan.inference.blocks)
    known |= {block.comment: (block.layer, FEEDFORWARD, "") for block in forward}
    known[plan.output_comment] = plan.depth, FEEDFORWARD, ""
    if plan.scaling:
        known[plan.scaling.comment] = 1, SCALING, ""
    for step in (s for block in plan.backward for s in block.steps if s.equation):
        known[step.comment] = step.layer, step.equation, step.equation
        known[step.comment + _AND_THE_UPDATE] = step.layer, UPDATE, step.equation
    together = (*plan.reduction, *plan.clipping)
    later = (*together, *(s for block in plan.update for s in block.steps))
    return known | {s.comment: (s.layer, UPDATE, "") for s in later if s.comment}


def _found(lines: list[str], known: _Known, sign: str) -> Iterator[CodeBlock]:
    """The blocks' beginnings: every comment that is known."""
    for i, line in enumerate(lines):
        if line.lstrip().startswith(f"{sign} "):
            comment = " ".join(_comment(lines, i, sign))
            if comment in known:
                yield CodeBlock(*known[comment], comment, i + 1, "")


def _comment(lines: list[str], start: int, sign: str) -> Iterator[str]:
    """The lines of the comment that begins there, without sign and indentation.

    Those that continue it stand further in, behind the sign: see `Words.comment`.
    """
    yield lines[start].strip().removeprefix(f"{sign} ")
    for i in range(start + 1, len(lines)):
        line = lines[i]
        if not line.lstrip().startswith(f"{sign}      "):
            return
        yield line.strip().removeprefix(sign).strip()


def _with_headings(found: list[CodeBlock]) -> list[CodeBlock]:
    """The same, each bare "layer 2" with the part of what follows it."""
    named: list[CodeBlock] = []
    has_errors = False
    for i, block in enumerate(found):
        if block.part == _HEADING:
            part = UPDATE if has_errors else PARAMETERS
            for following in found[i + 1 : i + 2]:
                if following.equation and following.layer == block.layer:
                    part = following.part
            block = replace(block, part=part)
        has_errors = has_errors or block.part in EQUATIONS
        named.append(block)
    return named


def _own(lines: list[str], sign: str, returns: str, updates: bool) -> int:
    """How many lines belong to the block that they begin with."""
    indent = _indent(lines[0])
    said = end = len(list(_comment(lines, 0, sign)))
    for line in lines[said:]:
        inner, code = _indent(line) - indent, line.strip()
        # What a comment stands over may be all in the result that is handed on.
        ends = (sign, returns) if end > said else sign
        if not code or inner < 0 or (inner == 0 and code.startswith(ends)):
            break
        end += 1
    named = [i for i in range(said, end) if _NUMBERED.search(lines[i])]
    if not updates or not named:
        return end
    # What is indented or closes a bracket goes on with the statement before.
    after = range(named[-1] + 1, end)
    return next((i for i in after if re.match(r"\w", lines[i][indent:])), end)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _rest(lines: list[str], start: int, end: int) -> Iterator[CodeBlock]:
    """What lies between two blocks, if anything does."""
    if start < end:
        yield CodeBlock(0, "", "", "", start + 1, "".join(lines[start:end]))
