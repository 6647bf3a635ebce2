"""Plan, generated text and choice -> what an explanation says, in its order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest

from bpcompile.blocks import EQUATIONS, FEEDFORWARD, INITIAL, UPDATE, CodeBlock
from bpcompile.explaining.definitions import definitions
from bpcompile.explaining.derivation import derive
from bpcompile.explaining.document import (
    Beside,
    Code,
    Formula,
    Item,
    Output,
    Paragraph,
    Section,
)
from bpcompile.explaining.model import Node, Prose, Sentence, Symbol, mapped
from bpcompile.explaining.notation import formula
from bpcompile.explaining.overview import overview
from bpcompile.explaining.sentences import sentence
from bpcompile.explaining.shapes import shapes_of, sized
from bpcompile.lower_forward import superscript
from bpcompile.lower_steps import LayerSteps
from bpcompile.plan import Block, Plan
from bpcompile.spec import NetworkSpec
from bpcompile.step import Step
from bpcompile.steps import ClipValue

#: What `--equation` may choose.
CHOICES = (*EQUATIONS, FEEDFORWARD, UPDATE)


@dataclass(frozen=True)
class Choice:
    """Which equations to show; None is all of them."""

    layer: int | None = None
    equation: str | None = None

    @property
    def is_all(self) -> bool:
        return self.layer is None and self.equation is None

    def takes(self, layer: int, equation: str) -> bool:
        return self.layer in (None, layer) and self.equation in (None, equation)


def equations(plan: Plan, layer: int) -> tuple[str, ...]:
    """Which of CHOICES a layer has, in that order."""
    if layer == 1:
        return (FEEDFORWARD,)
    steps = [s for block in plan.backward if block.layer == layer for s in block.steps]
    found = {FEEDFORWARD, UPDATE, *(step.equation for step in steps)}
    return tuple(choice for choice in CHOICES if choice in found)


class Explained:
    """One spec on its way into sections; methods of a layer take its number.

    `blocks` are those of the generated text, `numbers` is the worked example, "" if it
    is not wanted.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        plan: Plan,
        blocks: tuple[CodeBlock, ...],
        choice: Choice,
        numbers: str = "",
    ) -> None:
        self.spec, self.plan, self.choice, self.numbers = spec, plan, choice, numbers
        self._depth = plan.depth
        self._shapes = shapes_of(plan.sizes)
        self._forward_steps = _by_layer(plan.forward)
        self._backward_steps = _by_layer(plan.backward)
        self._update_steps = _by_layer(plan.update)
        self._blocks: dict[tuple[int, str], list[CodeBlock]] = {}
        self._fused: dict[tuple[int, str], list[CodeBlock]] = {}
        for block in blocks:
            self._blocks.setdefault((block.layer, block.part), []).append(block)
            self._fused.setdefault((block.layer, block.equation), []).append(block)

    def sections(self) -> tuple[Section, ...]:
        """All that is chosen, in the order of the layers."""
        made: list[Section] = []
        if self.choice.is_all:
            made += overview(self.plan)
            items = tuple(definitions(self.spec, self.plan))
            made.append(Section("Operators", "operators", items))
        layers = map(self._layer, range(1, self._depth + 1))
        made += (section for section in layers if section.items)
        made += self._derivation()
        if self.numbers:
            made.append(Section("Worked example", "numbers", (Output(self.numbers),)))
        return tuple(made)

    # ---- Layer by layer --------------------------------------------------------------

    def _layer(self, layer: int) -> Section:
        ends = {1: ", the input", self._depth: ", the output"}
        title = f"Layer {layer}{ends.get(layer, '')}"
        items = tuple(self._equations(layer))
        return Section(title, f"layer-{layer}", items, layer)

    def _equations(self, layer: int) -> Iterator[Item]:
        if layer > 1 and self.choice.equation is None and self.choice.takes(layer, ""):
            yield self._initial(layer)
        if self.choice.takes(layer, FEEDFORWARD):
            yield self._forward(layer)
        for step in self._backward_steps.get(layer, ()):
            equation = step.equation
            if equation and self.choice.takes(layer, equation):
                first = Formula(equation, self._sized(step.formula))
                yield Beside(equation, (first,), self._code(layer, equation))
        if layer > 1 and self.choice.takes(layer, UPDATE):
            yield self._update(layer)

    def _initial(self, layer: int) -> Beside:
        """The first values of a layer's parameters."""
        comment = self.plan.layers[layer - 2].comment
        said = sentence(comment.removeprefix(f"layer {layer}: "))
        first = Formula(INITIAL, self._with_sizes_first(said))
        return Beside(INITIAL, (first,), self._code(layer, INITIAL))

    def _with_sizes_first(self, said: Sentence) -> Sentence:
        """Sizes at the parameters, which are the left sides."""
        return tuple(
            run if isinstance(run, Prose) else sized(run, self._shapes) for run in said
        )

    def _forward(self, layer: int) -> Beside:
        steps = self._forward_steps.get(layer, ())
        formulas = [Formula("", self._sized(step.formula)) for step in steps]
        if layer == 1:
            scaling = self.plan.scaling
            text = f"a¹ = {scaling.formula if scaling else 'x'}"
            said = (*self._sized(text), Prose(", one example in each column"))
            formulas.insert(0, Formula("", said))
        first, *rest = formulas
        labelled = Formula(FEEDFORWARD, first.sentence)
        code = self._code(layer, FEEDFORWARD)
        return Beside(FEEDFORWARD, (labelled, *rest), code)

    def _update(self, layer: int) -> Beside:
        up = superscript(layer)
        of_layer = {"w": formula(f"w{up}"), "b": formula(f"b{up}")}
        said = _of_layer(sentence(self.plan.update_formula), of_layer)
        first, *rest = said
        whole = first if isinstance(first, Prose) else sized(first, self._shapes)
        formulas = [Formula(UPDATE, (whole, *rest))]
        steps = [*self.plan.clipping, *self._update_steps[layer]]
        if any(isinstance(step, ClipValue) for step in steps):
            text = f"before that, every entry of ∂C/∂w{up}, ∂C/∂b{up} is clipped"
            formulas.append(Formula("", sentence(text)))
        formulas += [Formula("", sentence(s.formula)) for s in steps if s.formula]
        return Beside(UPDATE, tuple(formulas), self._code(layer, UPDATE))

    def _sized(self, text: str) -> Sentence:
        """A formula with the sizes of its matrices; what follows it as it is."""
        first, *rest = sentence(text)
        if isinstance(first, Prose):
            return (first, *rest)
        return (sized(first, self._shapes), *rest)

    # ---- The lines of the module -------------------------------------------------------

    def _code(self, layer: int, part: str) -> tuple[Code, ...]:
        """The lines of a layer's equation, comments included, as they stand."""
        found = (layer, part)
        # Where the update is one with it, there may be no other lines.
        blocks = self._blocks.get(found) or self._fused.get(found, [])
        return tuple(dict.fromkeys(_joined(blocks)))

    # ---- The fused form ----------------------------------------------------------------

    def _derivation(self) -> Iterator[Section]:
        """How BP1 of this cost and output activation becomes what is computed."""
        steps, (bp1, *_) = LayerSteps(self.spec), EQUATIONS
        if steps.fused is None or not self.choice.takes(self._depth, bp1):
            return
        output = steps.activations[self._depth]
        derived = derive(steps.cost, output, steps.fused, self._depth)
        intro = f"Why {bp1} of layer {self._depth} is so simple, step by step."
        items = (Paragraph((Prose(intro),)), *derived.items)
        yield Section(f"{bp1} derived", "derivation", items, self._depth)


def _by_layer(blocks: Iterable[Block]) -> dict[int, tuple[Step, ...]]:
    return {block.layer: block.steps for block in blocks}


def _joined(blocks: list[CodeBlock]) -> Iterator[Code]:
    """Their lines, of neighbours as one."""
    whole = ""
    for block, following in zip_longest(blocks, blocks[1:]):
        whole += block.text
        if following is None or following.line != block.line + block.text.count("\n"):
            lines = tuple(whole.removesuffix("\n").split("\n"))
            yield Code(block.line + block.text.count("\n") - len(lines), lines)
            whole = ""


def _of_layer(said: Sentence, names: dict[str, Node]) -> Sentence:
    """The update of "w" and "b" as that of one layer's."""

    def put(node: Node) -> Node:
        if isinstance(node, Symbol) and node.text in names:
            return names[node.text]
        return mapped(node, put)

    return tuple(run if isinstance(run, Prose) else put(run) for run in said)
