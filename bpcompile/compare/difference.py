"""What a comparison has found: the one thing that every format of it is made from.

Frozen dataclasses; `bpcompile.compare.comparison` fills them, the formats read them.
A is the left or earlier side, B the right or later one. Layers are counted from 1, as
in the book; where a value is None, that side has nothing there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bpcompile.compare.sides import Network

from bpcompile.blocks import EQUATIONS, FEEDFORWARD, UPDATE

LEVELS = ("spec", "plan", "code")

#: Of a layer, in the order of one step of training.
PARTS = (FEEDFORWARD, *EQUATIONS, UPDATE)

#: What may have become of a layer.
SAME, RENUMBERED, CHANGED = "same", "renumbered", "changed"
INSERTED, REMOVED, MOVED = "inserted", "removed", "moved"
KINDS = (SAME, RENUMBERED, CHANGED, INSERTED, REMOVED, MOVED)
#: What may have changed of one, beside the keys of the spec.
RESIZED, INPUTS, WORDS = "resized", "inputs", "words"


@dataclass(frozen=True)
class Side:
    """One of the two that are compared.

    label         what it is called in headings: the file's name as it was given, or
                  the spec's own name
    name          of the spec
    target        which its code is for
    file          what its module is called in the headings of a unified diff
    comment       with which sign comments of its module begin
    sizes         of layers 1 to L
    activations   of layers 2 to L: the operators' kinds
    """

    label: str
    name: str
    target: str
    file: str
    comment: str
    sizes: tuple[int, ...] = ()
    activations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fact:
    """A number of the whole network or of a layer, on both sides.

    unit    "" or "bytes"
    """

    name: str
    before: int
    after: int
    unit: str = ""

    @property
    def changed(self) -> bool:
        return self.before != self.after

    @property
    def added(self) -> int:
        return self.after - self.before


@dataclass(frozen=True)
class Setting:
    """A value of the normalised spec that differs, as JSON has it.

    path, was    where B and where A has it, as JSON pointers: "" where it has not
    """

    path: str
    was: str
    before: Any
    after: Any

    @property
    def place(self) -> str:
        """Where it stands, in B if it does."""
        return self.path or self.was

    @property
    def name(self) -> str:
        return self.place.rpartition("/")[2]


@dataclass(frozen=True)
class Passage:
    """Lines of the generated modules that belong to one part of a layer.

    part    one of `PARTS`, or "initial" for the first values
    """

    part: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class PartChange:
    """A formula that differs by more than the numbers of layers.

    before, after    as the comments of generated code have them
    why              one sentence, or "" where the layer itself came or went
    """

    part: str
    before: str | None
    after: str | None
    why: str


@dataclass(frozen=True)
class LayerPair:
    """A layer of A and what it is in B.

    kind      one of `KINDS`; one that moved may have changed as well
    what      what changed: "resized", "inputs" (the layer below has another size),
              "words" (the target writes it in other ones), and keys of the layer in
              the spec, such as "activation"
    settings  the values behind these words
    parts     what differs in the formulas of its steps
    facts     its parameters and multiply-adds
    code      its lines in both modules, also those that are only renumbered
    """

    left: int | None
    right: int | None
    kind: str
    what: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()
    parts: tuple[PartChange, ...] = ()
    facts: tuple[Fact, ...] = ()
    code: tuple[Passage, ...] = ()

    @property
    def differs(self) -> bool:
        return self.kind not in (SAME, RENUMBERED)


@dataclass(frozen=True)
class Hunk:
    """A run of lines of a unified diff, each with its sign: " ", "-" or "+".

    A line without an end at the end of a file is followed by the line that says so.

    start_a, start_b    the number of its first line in each file, from 1
    """

    start_a: int
    count_a: int
    start_b: int
    count_b: int
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """What differs between A and B.

    level      one of `LEVELS`
    layers     all of them in the order of B, those of A alone where they stood
    settings   what differs in the spec outside of the layers; at level "spec" inside
               of them as well
    parts      what differs for every layer alike, said once: the update
    facts      the sizes of the two networks, also those that are equal
    hunks      at level "code": the whole unified diff
    networks   what A and B are made of, for who needs their modules as a whole; None
               where a side is a generated file
    """

    a: Side
    b: Side
    level: str
    layers: tuple[LayerPair, ...] = ()
    settings: tuple[Setting, ...] = ()
    parts: tuple[PartChange, ...] = ()
    facts: tuple[Fact, ...] = ()
    hunks: tuple[Hunk, ...] = ()
    networks: tuple[Network, Network] | None = field(
        default=None, repr=False, compare=False
    )

    @cached_property
    def differs(self) -> bool:
        """Whether there is anything to report: exit code 1."""
        found = (self.settings, self.parts, self.hunks)
        return any(found) or any(pair.differs for pair in self.layers)

    def __bool__(self) -> bool:
        return self.differs

    def _repr_html_(self) -> str:
        from bpcompile.compare.page import frame

        return frame(self)

    def text(self, colour: bool = False) -> str:
        """For a terminal of 80 columns; at level "code" a unified diff."""
        from bpcompile.compare.text import text

        return text(self, colour)

    def markdown(self) -> str:
        """A table and lists, as GitHub renders them."""
        from bpcompile.compare.markdown import markdown

        return markdown(self)

    def to_json(self) -> str:
        """The keys that docs/diff.md describes, sorted by place."""
        from bpcompile.compare.as_json import as_json

        return as_json(self)

    def html(self) -> str:
        """One page that needs nothing beside it."""
        from bpcompile.compare.page import page

        return page(self)
