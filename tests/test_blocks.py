"""Which lines of a generated text belong to which layer and equation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import EVERY_TARGET, SPECS, renderer, spec_of

from bpcompile import load_spec, lower
from bpcompile.blocks import (
    FEEDFORWARD,
    INITIAL,
    PARTS,
    UPDATE,
    CodeBlock,
    by_place,
    split_blocks,
)
from bpcompile.plan import Plan
from bpcompile.steps import WeightedInput

GALLERY = [*sorted(SPECS.glob("*.json")), *sorted(SPECS.glob("book/*.json"))]
#: Every step and comment that there is beside those of plain SGD.
EVERYTHING = {
    "layers": [
        {"size": 5, "dropout": 0.1},
        {"size": 4, "activation": "tanh", "dropout": 0.5},
        {"size": 3, "activation": "gelu"},
        {"size": 2},
    ],
    "cost": "cross_entropy",
    "hyperparameters": {
        "optimizer": "adam",
        "schedule": {"kind": "cosine", "unit": "step"},
        "clipping": {"norm": 1.0},
        "regularization": {"l1": 0.1, "l2": 0.1, "max_norm": 2.0},
    },
}


def blocks_of(plan: Plan, target: str, library: bool = True) -> tuple[CodeBlock, ...]:
    made = renderer(target)
    module, *_ = made.render(plan, library)
    blocks = split_blocks(module.text, plan, made.target)
    assert "".join(block.text for block in blocks) == module.text
    return blocks


def sign_of(target: str) -> str:
    return str(renderer(target).target.settings["comment"])


@pytest.mark.parametrize("target", EVERY_TARGET)
@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_every_layer_of_the_gallery_has_each_of_its_parts(
    path: Path, target: str
) -> None:
    plan = lower(load_spec(path))
    parts = {(block.layer, block.part) for block in blocks_of(plan, target)}
    for layer in range(2, plan.depth + 1):
        error = "BP1" if layer == plan.depth else "BP2"
        own = {part for index, part in parts if index == layer}
        expected = {INITIAL, FEEDFORWARD, error, "BP3", "BP4", UPDATE}
        assert own & set(PARTS) - {"parameters"} == expected


@pytest.mark.parametrize("target", EVERY_TARGET)
def test_every_line_with_an_equation_is_found(target: str) -> None:
    """Counted by the comments themselves, wrapped ones too, in a network that has
    everything."""
    plan = lower(spec_of(**EVERYTHING))
    blocks = blocks_of(plan, target, library=False)
    begun = f"{re.escape(sign_of(target))} (BP[1-4]) .*[⁰¹²³⁴⁵⁶⁷⁸⁹]"
    for block in blocks:
        named = re.findall(begun, block.text)
        assert named == ([block.equation] if block.equation else [])
        if block.equation:
            assert block.part in (block.equation, UPDATE)


@pytest.mark.parametrize("target", EVERY_TARGET)
def test_a_block_holds_its_layer_and_nothing_that_follows(target: str) -> None:
    plan = lower(spec_of(**EVERYTHING))
    later = (r"return\b", r"self\.step", "net->step", "#", "}", "def ", "static")
    for block in blocks_of(plan, target, library=False):
        if block.layer:
            first = block.text.splitlines()[0]
            indent = len(first) - len(first.lstrip())
            said = sign_of(target)
            own = [line[indent:] for line in block.text.splitlines()]
            own = [line for line in own if not line.startswith(said)]
            assert not [x for x in own if re.match("|".join(later), x)], block.text
            numbers = {int(n) for n in re.findall(r"\bN(\d+)\b", block.text)}
            assert numbers <= {block.layer - 1, block.layer, block.layer + 1}


@pytest.mark.parametrize("target", EVERY_TARGET)
def test_first_lines_of_a_block_are_where_it_says(target: str) -> None:
    made, plan = renderer(target), lower(load_spec(SPECS / "xor.json"))
    text = made.render(plan)[0].text
    for block in split_blocks(text, plan, made.target):
        lines = text.splitlines(keepends=True)[block.line - 1 :]
        assert "".join(lines).startswith(block.text)


@pytest.mark.parametrize("target", EVERY_TARGET)
def test_three_hundred_layers_are_found_in_order(target: str) -> None:
    plan = lower(spec_of(layers=[2] * 300, cost="quadratic"))
    blocks = blocks_of(plan, target)
    errors = [b.layer for b in blocks if b.equation in ("BP1", "BP2")]
    assert errors == list(range(300, 1, -1))


def test_of_another_text_there_is_one_block_of_no_layer() -> None:
    plan, target = (
        lower(load_spec(SPECS / "xor.json")),
        renderer(EVERY_TARGET[0]).target,
    )
    found = split_blocks("one\u2028line\r\nand one\n", plan, target)
    assert found == (CodeBlock(0, "", "", "", 1, "one\u2028line\r\nand one\n"),)
    assert split_blocks("", plan, target) == ()


@pytest.mark.parametrize("target", EVERY_TARGET)
def test_the_way_forward_names_what_its_step_reads(target: str) -> None:
    """The names of the plan's own tensors stand in the lines that are said to compute
    with them."""
    plan = lower(load_spec(SPECS / "deep.json"))
    places = by_place(blocks_of(plan, target), plan)
    for step in (s for block in plan.forward for s in block.steps):
        if isinstance(step, WeightedInput):
            for place in places[step.layer, FEEDFORWARD]:
                text = "".join(block.text for block in place)
                names = set(re.findall(r"\w+", text))
                assert {step.weight.name, step.bias.name, step.below.name} <= names
