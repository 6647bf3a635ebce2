"""What the page of a comparison shows, in order, ready for its template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TypeAlias

from bpcompile.blocks import (
    FEEDFORWARD,
    INITIAL,
    PARAMETERS,
    PARTS,
    CodeBlock,
    by_place,
    split_blocks,
)
from bpcompile.compare import said
from bpcompile.compare.difference import (
    KINDS,
    Difference,
    LayerPair,
    PartChange,
)
from bpcompile.compare.page_code import (
    CHANGED,
    RENUMBERED,
    SAME,
    Chunk,
    Passage,
    Source,
    chunks,
    with_context,
)
from bpcompile.compare.sides import Network

#: What stands before a layer in the list of all; never the colour alone.
SIGNS = dict(zip(KINDS, "==~+-→", strict=True))
#: How a part of a layer is called, where its own name says too little.
TITLES = {PARAMETERS: "memory of the parameters", INITIAL: "first values"}
#: Before a kind in a sentence.
_BESIDE = {SAME: "the ", RENUMBERED: "only "}

_Lines: TypeAlias = tuple[Source, ...]
#: The lines of each part of each layer, one sequence for each place of the module.
Places: TypeAlias = Mapping[tuple[int, str], Sequence[_Lines]]


@dataclass(frozen=True)
class FactView:
    """A number before and after, what was added, and that in percent, in words."""

    name: str
    before: str
    after: str
    added: str
    percent: str


@dataclass(frozen=True)
class PartView:
    """A part of a layer: its formula on both sides and its code.

    kind       SAME, RENUMBERED or CHANGED
    change     what differs in the formula, if that does
    passages   the code, once for each place where the module has this part
    """

    title: str
    kind: str
    change: PartChange | None
    passages: tuple[Passage, ...]

    @property
    def chunks(self) -> Iterator[tuple[Chunk, ...]]:
        """The code aligned, place by place."""
        return (chunks(passage) for passage in self.passages)


@dataclass(frozen=True)
class LayerView:
    """A layer: `changed` parts are shown, the `others` folded away."""

    pair: LayerPair
    parts: tuple[PartView, ...]

    @property
    def anchor(self) -> str:
        """By the number in B; one that only A has is called after its own."""
        if self.pair.right is None:
            return f"layer-a-{self.pair.left}"
        return f"layer-{self.pair.right}"

    @property
    def title(self) -> str:
        return said.name(said.Run(self.pair, self.pair))

    @property
    def changed(self) -> tuple[PartView, ...]:
        return tuple(part for part in self.parts if part.kind == CHANGED)

    @property
    def others(self) -> tuple[PartView, ...]:
        return tuple(part for part in self.parts if part.kind != CHANGED)


@dataclass(frozen=True)
class Section:
    """Layers that follow each other and have changed alike, or not at all.

    title     of all of them
    details   what changed, or what they are, in words
    """

    title: str
    details: str
    layers: tuple[LayerView, ...]

    @property
    def first(self) -> LayerView:
        return self.layers[0]

    @property
    def example(self) -> LayerView | None:
        """Of layers that have not changed, the first whose code has: by what changed
        for every layer."""
        return next((layer for layer in self.layers if layer.changed), None)

    @property
    def kind(self) -> str:
        return self.first.pair.kind

    @property
    def sign(self) -> str:
        return SIGNS[self.kind]


def facts(found: Difference) -> Iterator[FactView]:
    """The sizes of the networks, also those that are equal."""
    for fact in found.facts:
        percent = f"{fact.added / fact.before:+.1%}" if fact.before else ""
        yield FactView(
            fact.name,
            said.number(fact.before, fact.unit),
            said.number(fact.after, fact.unit),
            said.added(fact),
            percent if fact.changed else "",
        )


def verdict(found: Difference) -> str:
    """What differs, counted."""
    if not found.differs:
        return "No difference."
    counts = Counter(pair.kind for pair in found.layers)
    layers = [
        f"{said.number(counts[kind])} layer{'s' if counts[kind] > 1 else ''} "
        f"{_BESIDE.get(kind, '')}{kind}"
        for kind in reversed(KINDS)
        if counts[kind]
    ]
    settings = len(found.settings)
    if settings:
        layers.append(f"{settings} setting{'s' if settings > 1 else ''} changed")
    if found.hunks:
        signs = Counter(line[0] for hunk in found.hunks for line in hunk.lines)
        layers.append(f"{signs['-']:,} lines removed, {signs['+']:,} lines added")
    return f"{', '.join(layers)}."


# ---- Layers ------------------------------------------------------------------------


def modules(found: Difference) -> tuple[Places, Places]:
    """The code of both sides, where there are layers to show it under."""
    if not found.networks or not found.layers:
        return {}, {}
    a, b = found.networks
    return _places(a), _places(b)


def sections(found: Difference, places: tuple[Places, Places]) -> Iterator[Section]:
    """All layers, those together that are told in the same words."""
    pairs = iter(found.layers)
    for run in said.runs(found):
        members = []
        for pair in pairs:
            members.append(_layer(found, pair, places))
            if pair is run.last:
                break
        details = ", ".join(said.details(run)) if run.first.differs else ""
        yield Section(said.name(run), details, tuple(members))


def _layer(
    found: Difference, pair: LayerPair, places: tuple[Places, Places]
) -> LayerView:
    changes = {change.part: change for change in pair.parts}
    layers = pair.left or 0, pair.right or 0
    parts = []
    for part in PARTS:
        before, after = (
            side.get((layer, part), ())
            for side, layer in zip(places, layers, strict=True)
        )
        comments = found.a.comment, found.b.comment
        passages = tuple(
            Passage(one, other, layers, comments)
            for one, other in _beside(before, after, part)
        )
        change = changes.get(part)
        if passages or change:
            title = TITLES.get(part, part)
            parts.append(PartView(title, _kind(passages, change), change, passages))
    return LayerView(pair, tuple(parts))


def _kind(passages: Iterable[Passage], change: PartChange | None) -> str:
    if change or not all(passage.is_renumbered for passage in passages):
        return CHANGED
    return SAME if all(passage.is_equal for passage in passages) else RENUMBERED


def _beside(
    before: Sequence[_Lines], after: Sequence[_Lines], part: str
) -> Iterator[tuple[_Lines, _Lines]]:
    """The places of a part on both sides, those of feedforward from the last: where
    one side has one place alone it serves training, too."""
    if part != FEEDFORWARD:
        return zip_longest(before, after, fillvalue=())
    pairs = zip_longest(reversed(before), reversed(after), fillvalue=())
    return reversed(tuple(pairs))


def _places(network: Network) -> Places:
    """Lines by layer and part, as far in as they begin; those of no layer by 0, ""."""
    split = split_blocks(network.text, network.plan, network.target)
    blocks = (
        block if block.part in PARTS else replace(block, layer=0, part="")
        for block in split
    )
    return {
        key: [tuple(_sources(place, bool(key[0]))) for place in found]
        for key, found in by_place(blocks, network.plan).items()
    }


def _sources(blocks: Sequence[CodeBlock], dedents: bool) -> Iterator[Source]:
    text = blocks[0].text
    indent = text[: len(text) - len(text.lstrip(" "))] if dedents else ""
    for block in blocks:
        lines = block.text.split("\n")[:-1]
        for number, line in enumerate(lines, start=block.line):
            yield Source(number, line.removeprefix(indent), indent)


def rest(found: Difference, places: tuple[Places, Places]) -> tuple[Chunk, ...]:
    """What belongs to no layer, aligned, long equal parts to be folded."""
    left, right = (
        tuple(
            line
            for (layer, _), lines in side.items()
            if layer == 0
            for some in lines
            for line in some
        )
        for side in places
    )
    comments = found.a.comment, found.b.comment
    return tuple(with_context(chunks(Passage(left, right, (0, 0), comments))))


def hunks(found: Difference) -> Iterator[tuple[Chunk, ...]]:
    """The hunks of a unified diff, each aligned."""
    comments = found.a.comment, found.b.comment
    for hunk in found.hunks:
        texts = (
            [line[1:] for line in hunk.lines if line[0] in signs]
            for signs in (" -", " +")
        )
        left, right = (
            tuple(Source(start + i, text) for i, text in enumerate(some))
            for start, some in zip((hunk.start_a, hunk.start_b), texts, strict=True)
        )
        yield chunks(Passage(left, right, (0, 0), comments))
