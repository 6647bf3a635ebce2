"""Formulas as `explain` reads, sizes and derives them."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from random_specs import minimal, outputs_for
from support import SPECS, module_of, spec_of

from bpcompile import load_spec, lower, operators
from bpcompile.explaining.derivation import derive
from bpcompile.explaining.expressions import expression
from bpcompile.explaining.latex import latex
from bpcompile.explaining.mathml import mathml
from bpcompile.explaining.model import Infix, Prose, Sized, mapped
from bpcompile.explaining.notation import NotationError, formula
from bpcompile.explaining.plain import sentence_text, text
from bpcompile.explaining.sentences import sentence
from bpcompile.explaining.shapes import ShapeError, shape_of, shapes_of, sized
from bpcompile.expr import BOOK, Expr, evaluate, spell
from bpcompile.operators import ACTIVATIONS, COSTS

GALLERY = [*sorted(SPECS.glob("*.json")), *sorted(SPECS.glob("book/*.json"))]
ENTRIES = [
    entry for name in operators.__all__ for entry in getattr(operators, name).values()
]


def notations(entry):
    """The formulas of an entry as comments print them."""
    filled = {p.name: p.default or 0.5 for p in entry.parameters}
    filled |= {"p": "w", "n_in": "N1", "n_out": "N2"}
    for name, value in vars(entry).items():
        if name.endswith("formula") and value:
            yield value.format(**filled)
        elif name in ("derivative", "gradient", "coded") and isinstance(value, Expr):
            yield spell(value, BOOK, {"a": "a²"})


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.kind)
def test_formulas_of_entries_are_read_and_printed_as_they_are(entry):
    for written in notations(entry):
        found = sentence(written)
        assert sentence_text(found) == written
        # No clause was given up: what is left is words.
        signs = set("=+-*/⊙→^√Σ()|") - set("-")
        words = "".join(run.text for run in found if isinstance(run, Prose))
        assert not signs & set(words), found


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_comments_are_read_and_printed_as_they_are(path):
    plan = lower(load_spec(path))
    steps = [
        step
        for block in (*plan.forward, *plan.backward, *plan.update)
        for step in block.steps
    ]
    for written in (plan.update_formula, *(s.formula for s in steps if s.formula)):
        assert sentence_text(sentence(written)) == written


@pytest.mark.parametrize(
    ("written", "as_latex"),
    [
        (
            "(w³)ᵀ δ³ ⊙ σ'(z²)",
            r"\left(w^{3}\right)^{\mathsf{T}}\thinspace \delta^{3} \odot",
        ),
        ("λ/2n Σ w²", r"\frac{\lambda}{2 n}\thinspace \sum w^{2}"),
        ("1 / (1 + e⁻ᶻ)", r"\frac{1}{1 + e^{-z}}"),
        ("√(square / 2)", r"\sqrt{\frac{\text{square}}{2}}"),
        ("1 - β₂ᵗ", r"1 - \beta_{2}^{t}"),
        ("-(y / a)", r"-\frac{y}{a}"),
        ("a - b - c", "a - b - c"),
        ("(1 if [a > 0] else s)", r"\begin{cases} 1 & \text{if } a > 0 \cr s"),
    ],
)
def test_binding_is_that_of_the_book(written, as_latex):
    assert latex(formula(written)).startswith(as_latex)


@pytest.mark.parametrize(
    "wrong", ["", "a +", "(a", "a)", "|a", "max(a,", "a ? b", "[a"]
)
def test_what_is_no_formula_is_refused_and_stays_words(wrong):
    with pytest.raises(NotationError):
        formula(wrong)
    assert sentence_text(sentence(wrong)) == wrong


def test_signs_of_markup_are_escaped():
    odd = formula("a < b")
    assert "&lt;" in mathml(odd) and "<b" not in mathml(odd)
    assert latex(formula("low_end + y")) == r"\text{low\_end} + y"


# ---- Sizes ---------------------------------------------------------------------------


def leaves(node):
    """All matrices with sizes of a formula."""
    if isinstance(node, Sized):
        return [node]
    found = []
    mapped(node, lambda part: found.extend(leaves(part)) or part)
    return found


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_both_sides_of_every_equation_have_one_shape(path):
    plan = lower(load_spec(path))
    known = shapes_of(plan.sizes)
    for block in (*plan.forward, *plan.backward):
        for step in (s for s in block.steps if s.formula and s.writes):
            first = sentence(step.formula)[0]
            if not isinstance(first, Infix):
                continue
            while isinstance(first.left, Infix) and first.left.sign == "=":
                first = first.left
            left, right = (shape_of(side, known) for side in (first.left, first.right))
            assert left and right, step.formula
            # BP3 and its like are summed over the columns.
            summed = "summed" in step.formula
            assert left == right or (summed and left[0] == right[0]), step.formula


def test_sizes_are_those_of_the_arrays_of_the_module():
    sizes, m = (4, 3, 2), 5
    spec = spec_of(layers=list(sizes), cost="quadratic")
    module = module_of(spec)
    arrays = vars(module.Network()) | vars(module.MiniBatch(m, np.float32))
    known = shapes_of(sizes)
    names = {"w2": "w²", "b2": "b²", "w3": "w³", "b3": "b³", "a2": "a²", "a3": "a³"}
    names |= {"delta2": "δ²", "delta3": "δ³", "nabla_w2": "∂C/∂w²"}
    names |= {"nabla_b3": "∂C/∂b³"}
    for name, in_book in names.items():
        rows, columns = known[in_book]
        shape = (int(rows), m if columns == "m" else int(columns))
        assert arrays[name].shape == shape, name


def test_matrices_that_do_not_go_together_are_found():
    known = shapes_of((4, 3, 2))
    for wrong in ("w³ δ³", "w² δ²", "(w²)ᵀ δ³", "z² + z³", "δ² ⊙ a³"):
        with pytest.raises(ShapeError):
            shape_of(formula(wrong), known)


def test_sizes_stand_at_every_matrix_and_at_nothing_else():
    known = shapes_of((784, 30, 10))
    written = text(sized(formula("δ² = (w³)ᵀ δ³ ⊙ σ'(z²)"), known))
    assert written == "δ² (30×m) = (w³)ᵀ (30×10) δ³ (10×m) ⊙ σ'(z²) (30×m)"
    assert not leaves(sized(formula("η/m Σ g + λ/2n"), known))


# ---- The derivation of fused errors ----------------------------------------------------

FUSED = [(cost, output) for cost in COSTS for output in COSTS[cost].fused]


def probabilities(kind, rng):
    """Outputs of a layer of three, and what else an expression of them reads."""
    z = [rng.uniform(-2, 2) for _ in range(3)]
    return [a.real for a in ACTIVATIONS[kind].define(z)]


@pytest.mark.parametrize(("cost", "output"), FUSED)
def test_derivation_comes_to_the_error_that_is_emitted(cost, output):
    entry, activation = COSTS[cost], ACTIVATIONS[output]
    fused = entry.fused[output]
    derived = derive(entry, activation, fused, 3)
    rng = random.Random(0)
    for _ in range(20):
        a = probabilities(output, rng)
        y = [rng.random() for _ in a]
        if entry.targets.sums_to_one:
            y = [share / sum(y) for share in y]
        for a_j, y_j in zip(a, y, strict=True):
            values = {"a": a_j, "y": y_j, "Σy": math.fsum(y), "Σa": math.fsum(a)}
            wanted = evaluate(fused.left or fused.error, values)
            assert evaluate(derived.result, values) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(("cost", "output"), FUSED)
def test_derivation_ends_in_what_the_comment_says_is_left(cost, output):
    entry, activation = COSTS[cost], ACTIVATIONS[output]
    derived = derive(entry, activation, entry.fused[output], 3)
    size = max(2, activation.least_size)
    layers = [2, 2, {"size": size, "activation": minimal(activation)}]
    plan = lower(spec_of(layers=layers, cost=minimal(entry)))
    comment = plan.backward[0].steps[0].formula
    *_, last, _ = (sentence_text(getattr(i, "sentence", ())) for i in derived.items)
    left = comment.rpartition("leaving ")[2]
    assert last.split(",")[0].endswith(f"= {left}")
    assert output in outputs_for(cost)


def test_expressions_are_formulas_without_loss():
    for entry in (*ACTIVATIONS.values(), *COSTS.values()):
        for statement in entry.body:
            written = spell(statement.value, BOOK, {})
            assert text(expression(statement.value, {})) == written
