"""Values, layers and numbers of a comparison in words, for text and for Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from bpcompile.compare.difference import (
    INSERTED,
    MOVED,
    REMOVED,
    WORDS,
    Difference,
    Fact,
    LayerPair,
    Passage,
    Setting,
    Side,
)
from bpcompile.compare.relative import relative, relative_code
from bpcompile.errors import printable
from bpcompile.fields import normalised
from bpcompile.sections import Layer
from bpcompile.summary import size_text

ARROW = "->"
#: Of a longer value only what is about the first difference.
LONGEST = 200
BEFORE = 20
#: More sizes than this and a network is told by its depth.
MOST_SIZES = 12


# ---- Numbers and values ------------------------------------------------------------


def title(side: Side, other: Side) -> str:
    """What a side is called; with its target where the other has another one."""
    made_for = f" for {side.target}" if side.target != other.target else ""
    return side.label + made_for


def shape(side: Side) -> str:
    """784-30-10, or how many layers where they are many."""
    if len(side.sizes) <= MOST_SIZES:
        return "-".join(map(str, side.sizes))
    first, last = side.sizes[0], side.sizes[-1]
    return f"{len(side.sizes)} layers, {first} to {last}"


def number(value: int, unit: str = "") -> str:
    """With commas between thousands, bytes as all of bpcompile tells them."""
    return size_text(value) if unit else f"{value:,}"


def added(found: Fact) -> str:
    """With its sign; "" where nothing was."""
    sign = "+" if found.added > 0 else ""
    return sign + number(found.added, found.unit) if found.changed else ""


def fact(found: Fact) -> tuple[str, str]:
    """Before and after, and what was added: 23,860 -> 79,510 and +55,650."""
    before, after = (number(n, found.unit) for n in (found.before, found.after))
    return f"{before} {ARROW} {after}", added(found)


def value(found: Any) -> str:
    """A word by itself, an operator with its parameters, else JSON in ASCII."""
    if found is None:
        return "none"
    if isinstance(found, str) and re.fullmatch(r"[A-Za-z]\w*", found, re.ASCII):
        return found
    if isinstance(found, dict) and "kind" in found:
        rest = [f"{key} {value(v)}" for key, v in found.items() if key != "kind"]
        return f"{found['kind']} ({', '.join(rest)})"
    return json.dumps(found)


def values(before: Any, after: Any) -> tuple[str, str]:
    """Both in words; of long ones what is about the place where they begin to differ."""
    one, other = value(before), value(after)
    if max(len(one), len(other)) <= LONGEST:
        return one, other
    shared = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    start = max(0, shared - BEFORE)
    return _window(one, start), _window(other, start)


def _window(text: str, start: int) -> str:
    left = "..." if start else ""
    right = "..." if len(text) > start + LONGEST else ""
    return left + text[start : start + LONGEST] + right


def change(setting: Setting) -> str:
    before, after = values(setting.before, setting.after)
    return f"{before} {ARROW} {after}"


def place(setting: Setting) -> str:
    """The JSON pointer; where the layer has another number in A, that one too."""
    moved = setting.path and setting.was and setting.path != setting.was
    return printable(setting.place + (f" (was {setting.was})" if moved else ""))


# ---- Layers ------------------------------------------------------------------------


class Run(NamedTuple):
    """Layers that follow each other and have changed alike; `first` stands for all."""

    first: LayerPair
    last: LayerPair


def runs(found: Difference) -> Iterator[Run]:
    """All layers, those together that are told in the same words."""
    start = previous = None
    told: object = None
    for pair in found.layers:
        key = _told(pair)
        if start and previous and key == told and _follows(previous, pair):
            previous = pair
            continue
        if start and previous:
            yield Run(start, previous)
        start, previous, told = pair, pair, key
    if start and previous:
        yield Run(start, previous)


def _told(pair: LayerPair) -> object:
    """All that is said of a layer, with layers counted from itself."""
    left, right = pair.left or 0, pair.right or 0
    parts = [
        (p.part, relative(p.before or "", left), relative(p.after or "", right), p.why)
        for p in pair.parts
    ]
    code = [
        (
            [relative_code(line, left) for line in passage.before],
            [relative_code(line, right) for line in passage.after],
        )
        for passage in pair.code
        if passage.part in reworded(pair)
    ]
    if not pair.differs:
        return pair.kind, code
    alone = not pair.left or not pair.right
    settings = [
        (not alone and s.name, values(s.before, s.after)) for s in pair.settings
    ]
    return pair.kind, pair.what, settings, pair.facts, parts, code


def _follows(one: LayerPair, other: LayerPair) -> bool:
    """Whether a layer is the next one on both sides."""
    return all(
        before + 1 == after if before and after else before is after
        for before, after in ((one.left, other.left), (one.right, other.right))
    )


def reworded(pair: LayerPair) -> set[str]:
    """The parts whose formula is the same and whose code is not."""
    if pair.left is None or pair.right is None:
        return set()
    return {
        p.part
        for p in pair.parts
        if p.before is not None
        and p.after is not None
        and relative(p.before, pair.left) == relative(p.after, pair.right)
    }


def name(run: Run) -> str:
    """layer 3, layers 4 to 7 (were 3 to 6), former layer 5 where B has it no more."""
    first, last = run
    if first.right is None:
        return f"former {_range(first.left, last.left)}"
    now = _range(first.right, last.right)
    if first.left and first.left != first.right:
        was = _range(first.left, last.left, "")
        verb = "was" if first is last else "were"
        return f"{now} ({verb} {was})"
    return now


def _range(first: int | None, last: int | None, noun: str = "layer") -> str:
    if first == last:
        return f"{noun} {first}".strip()
    plural = noun and f"{noun}s "
    return f"{plural}{first} to {last}"


def happened(run: Run) -> str:
    """inserted, removed, moved; "" for one that stays where it is."""
    kind = run.first.kind
    return kind if kind in (INSERTED, REMOVED, MOVED) else ""


def details(run: Run) -> list[str]:
    """What a layer is, if it came or went, else what changed of it."""
    pair = run.first
    if pair.left is None or pair.right is None:
        return list(_described(pair, len(range(_number(pair), _number(run.last))) + 1))
    found = [
        f"{setting.name} {change(setting)}" if setting.name != "size" else ""
        for setting in pair.settings
        if pair.kind != MOVED
    ]
    words = ["in other words"] if WORDS in pair.what else []
    return [*_sizes(pair.facts), *filter(None, found), *words]


def _number(pair: LayerPair) -> int:
    return pair.right or pair.left or 0


def _described(pair: LayerPair, count: int) -> Iterator[str]:
    """A layer of one side alone: its size, σ, parameters and what is not a default."""
    (setting,) = pair.settings
    layer = setting.after or setting.before
    size = layer["size"]
    yield f"{number(size)} neuron{'s' if size > 1 else ''}"
    yield value(layer["activation"])
    for key, held in layer.items():
        if key not in ("size", "activation") and held != _default(key):
            yield f"{key} {value(held)}"
    for found in pair.facts:
        if found.name == "parameters":
            each = " each" if count > 1 else ""
            yield f"{number(max(found.before, found.after))} parameters{each}"


def _default(key: str) -> Any:
    return normalised(Layer.model_fields[key].default)


def _sizes(facts: Sequence[Fact]) -> Iterable[str]:
    for found in facts:
        if found.changed and found.name == "neurons":
            yield f"{fact(found)[0]} neurons"
        if found.changed and found.name == "inputs":
            yield f"inputs {fact(found)[0]}"


def statements(passage: Passage, found: Difference) -> Iterator[tuple[str, str]]:
    """The lines of both sides with their signs, "-" first, without the comments, which
    say the same."""
    sides = (
        ("-", passage.before, found.a.comment),
        ("+", passage.after, found.b.comment),
    )
    for sign, lines, comment in sides:
        for line in lines:
            if not line.lstrip().startswith(comment):
                yield sign, line
