"""Plan, generated text and choice -> what an explanation says, in its order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest

from bpcompile.blocks import (
    EQUATIONS,
    FEEDFORWARD,
    INITIAL,
    SCALING,
    UPDATE,
    CodeBlock,
    by_place,
)
from bpcompile.explaining.definitions import definitions
from bpcompile.explaining.derivation import derive
from bpcompile.explaining.document import (
    Beside,
    Code,
    Formula,
    Item,
    Paragraph,
    Section,
)
from bpcompile.explaining.example import example
from bpcompile.explaining.limits import after_update, before_update, of_all_layers
from bpcompile.explaining.model import Node, Prose, Sentence, Symbol, mapped
from bpcompile.explaining.notation import formula
from bpcompile.explaining.numbers import WorkedExample
from bpcompile.explaining.overview import drawn, overview
from bpcompile.explaining.sentences import sentence
from bpcompile.explaining.shapes import shapes_of, sized
from bpcompile.lower_forward import superscript
from bpcompile.lower_steps import LayerSteps
from bpcompile.plan import Block, Plan
from bpcompile.spec import NetworkSpec
from bpcompile.step import Step
from bpcompile.steps import Drop

#: What `--equation` may choose.
CHOICES = (*EQUATIONS, FEEDFORWARD, UPDATE)
#: What the lines of feedforward serve where there are some for each.
OUTSIDE, TRAINING = "outside of training", "in training"


@dataclass(frozen=True)
class Choice:
    """Which equations to show; None is all of them."""

    layer: int | None = None
    equation: str | None = None

    @property
    def is_all(self) -> bool:
        return self.layer is None and self.equation is None

    def takes(self, layer: int, equation: str) -> bool:
        """Layer 0 stands for all of them."""
        has_layer = layer == 0 or self.layer in (None, layer)
        return has_layer and self.equation in (None, equation)


def equations(plan: Plan, layer: int) -> tuple[str, ...]:
    """Which of CHOICES a layer has, in that order."""
    if layer == 1:
        return (FEEDFORWARD,)
    steps = [s for block in plan.backward if block.layer == layer for s in block.steps]
    found = {FEEDFORWARD, UPDATE, *(step.equation for step in steps)}
    return tuple(choice for choice in CHOICES if choice in found)


class Explained:
    """One spec on its way into sections; methods of a layer take its number.

    `blocks` are those of the generated text, `numbers` is the worked example, None if
    it is not wanted.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        plan: Plan,
        blocks: tuple[CodeBlock, ...],
        choice: Choice,
        numbers: WorkedExample | None = None,
    ) -> None:
        self.spec, self.plan, self.choice, self.numbers = spec, plan, choice, numbers
        self._depth = plan.depth
        self._shapes = shapes_of(plan.sizes)
        self._forward_steps = _by_layer(plan.forward)
        self._backward_steps = _by_layer(plan.backward)
        self._update_steps = _by_layer(plan.update)
        self._places = by_place(blocks, plan)
        self._fused: dict[tuple[int, str], list[CodeBlock]] = {}
        for block in blocks:
            self._fused.setdefault((block.layer, block.equation), []).append(block)

    def sections(self) -> tuple[Section, ...]:
        """All that is chosen, in the order of the layers."""
        made: list[Section] = []
        if self.choice.is_all:
            made += overview(self.plan)
            items = tuple(definitions(self.spec, self.plan))
            made.append(Section("Operators", "operators", items))
        made += self._clipping()
        layers = map(self._layer, range(1, self._depth + 1))
        made += (section for section in layers if section.items)
        made += self._derivation()
        if self.numbers:
            made.append(example(self.numbers, self.choice.takes))
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
        formulas: list[Sentence] = []
        if layer == 1:
            scaling = self.plan.scaling
            text = f"a¹ = {scaling.formula if scaling else 'x'}"
            formulas.append((*self._sized(text), Prose(", one example in each column")))
        for step in self._forward_steps.get(layer, ()):
            if isinstance(step, Drop):
                formulas.append(drawn(layer))
            formulas.append(self._sized(step.formula))
        code = (*self._code(layer, SCALING), *self._code(layer, FEEDFORWARD))
        return Beside(FEEDFORWARD, _labelled(FEEDFORWARD, formulas), code)

    def _update(self, layer: int) -> Beside:
        up = superscript(layer)
        of_layer = {"w": formula(f"w{up}"), "b": formula(f"b{up}")}
        said = _of_layer(sentence(self.plan.update_formula), of_layer)
        first, *rest = said
        whole = first if isinstance(first, Prose) else sized(first, self._shapes)
        formulas = (
            *before_update(self.plan, layer),
            (whole, *rest),
            *after_update(self.plan, layer),
        )
        code = self._code(layer, UPDATE)
        return Beside(UPDATE, _labelled(UPDATE, formulas), code)

    def _clipping(self) -> Iterator[Section]:
        """What is done to the gradients of all layers before any update."""
        formulas = of_all_layers(self.plan)
        if formulas and self.choice.layer is None and self.choice.takes(0, UPDATE):
            code = self._code(0, UPDATE)
            items = (Beside(UPDATE, _labelled(UPDATE, formulas), code),)
            yield Section("All layers together", "all-layers", items)

    def _sized(self, text: str) -> Sentence:
        """A formula with the sizes of its matrices; what follows it as it is."""
        first, *rest = sentence(text)
        if isinstance(first, Prose):
            return (first, *rest)
        return (sized(first, self._shapes), *rest)

    # ---- The lines of the module -------------------------------------------------------

    def _code(self, layer: int, part: str) -> tuple[Code, ...]:
        """The lines of a layer's equation, comments included, as they stand."""
        found = self._places.get((layer, part), [])
        if part == FEEDFORWARD and len(found) > 1:
            *others, trained = found
            told = ((OUTSIDE, list(chain(*others))), (TRAINING, list(trained)))
            return tuple(code for said, some in told for code in _joined(some, said))
        # Where the update is one with it, there may be no other lines.
        blocks = list(chain(*found)) or self._fused.get((layer, part), [])
        return tuple(_joined(blocks))

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


def _labelled(label: str, sentences: Iterable[Sentence]) -> tuple[Formula, ...]:
    """Formulas below each other, the label before the first."""
    first, *others = sentences
    return (Formula(label, first), *(Formula("", one) for one in others))


def _joined(blocks: list[CodeBlock], said: str = "") -> Iterator[Code]:
    """Their lines, of neighbours as one."""
    whole = ""
    for block, following in zip_longest(blocks, blocks[1:]):
        whole += block.text
        if following is None or following.line != block.line + block.text.count("\n"):
            lines = tuple(whole.removesuffix("\n").split("\n"))
            yield Code(block.line + block.text.count("\n") - len(lines), lines, said)
            whole = ""


def _of_layer(said: Sentence, names: dict[str, Node]) -> Sentence:
    """The update of "w" and "b" as that of one layer's."""

    def put(node: Node) -> Node:
        if isinstance(node, Symbol) and node.text in names:
            return names[node.text]
        return mapped(node, put)

    return tuple(run if isinstance(run, Prose) else put(run) for run in said)
