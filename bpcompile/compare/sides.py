"""The two sides of a comparison: specs on their way to code, or generated files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from bpcompile.api import spec_given
from bpcompile.compare.difference import Side
from bpcompile.errors import UserError, printable
from bpcompile.functions import Function
from bpcompile.lower import lower
from bpcompile.operators.entry import Activation
from bpcompile.output import begins_as_ours, examine
from bpcompile.plan import Block, Plan
from bpcompile.render import Renderer
from bpcompile.spec import NetworkSpec
from bpcompile.summary import Summary, summarize
from bpcompile.target import Target

Given: TypeAlias = str | Path | NetworkSpec


@dataclass(frozen=True)
class Network:
    """A spec and what becomes of it, each computed when it is asked for.

    path        as it was given, or the spec's own name
    renderer    of the target; the two sides share it where they share the target
    """

    label: str
    path: str
    spec: NetworkSpec
    renderer: Renderer

    @property
    def target(self) -> Target:
        return self.renderer.target

    @property
    def side(self) -> Side:
        layers = self.spec.layers
        return Side(
            label=self.label,
            name=self.spec.name,
            target=self.target.name,
            file=os.path.splitext(self.path)[0] + self.target.suffix,
            comment=str(self.target.settings["comment"]),
            sizes=tuple(layer.size for layer in layers),
            activations=tuple(layer.activation.kind for layer in layers[1:]),
        )

    @cached_property
    def normalised(self) -> dict[str, Any]:
        return self.spec.normalised()

    @cached_property
    def plan(self) -> Plan:
        return lower(self.spec)

    @cached_property
    def summary(self) -> Summary:
        return summarize(self.plan)

    @cached_property
    def text(self) -> str:
        """The module."""
        file, *_ = self.renderer.render(self.plan)
        return file.text

    @cached_property
    def mathematics(self) -> str:
        """The module without its program, which belongs to no layer."""
        file, *_ = self.renderer.render(self.plan, library=True)
        return file.text

    @cached_property
    def forward(self) -> Mapping[int, Block]:
        """The blocks of training by layer."""
        return {block.layer: block for block in self.plan.forward}

    @cached_property
    def backward(self) -> Mapping[int, Block]:
        return {block.layer: block for block in self.plan.backward}

    @cached_property
    def functions(self) -> Mapping[str, Function]:
        return {function.name: function for function in self.plan.functions}

    def activation(self, layer: int) -> Activation:
        """The entry of a layer's activation; layer 2 or later."""
        kind = self.spec.layers[1:][layer - 2].activation.kind
        return self.spec.activations[kind]


@dataclass(frozen=True)
class Generated:
    """A file that bpcompile has written, as it is now."""

    label: str
    text: str
    made_for: str

    @property
    def side(self) -> Side:
        sign = self.text.split(" ")[0]
        return Side(self.label, "", self.made_for, self.label, sign)


def generated(given: Given) -> Generated | None:
    """The file, if it is one of ours by its header."""
    if not isinstance(given, str | Path) or not os.path.isfile(given):
        return None
    # A spec is not read here: it may be of any size.
    if not begins_as_ours(Path(given)):
        return None
    found = examine(Path(given))
    if found.text is None or found.foreign:
        return None
    return Generated(printable(str(given)), found.text, found.target)


def network(given: Given, renderer: Renderer, overrides: Sequence[str] = ()) -> Network:
    """A spec for a target. Raises what `load_spec` raises."""
    if isinstance(given, NetworkSpec):
        return Network(given.name, given.name, given, renderer)
    spec = spec_given(given, overrides)
    path = spec.name if str(given) == "-" else printable(str(given))
    # What is set need not be said twice: it is what differs.
    return Network(path + " with --set" * bool(overrides), path, spec, renderer)


def refuse_generated(found: Iterable[Generated | None], level: str) -> None:
    """Raises UserError where there is a generated file: it has neither spec nor plan."""
    for file in found:
        if file:
            raise UserError(
                f"{file.label}: is a generated file, which has no {level} to compare; "
                "give its spec, or compare by --level code"
            )
