"""`bpcompile explain`: what it says of a network, in every format."""

from __future__ import annotations

import functools
import re
import shutil
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, settings
from random_specs import minimal, outputs_for, repeatable, specs
from support import (
    EVERY_TARGET,
    ROOT,
    SPECS,
    bpcompile,
    renderer,
    run,
    spec_of,
    text_of,
)

from bpcompile import UserError, explain, load_spec, lower
from bpcompile.explaining import explanation
from bpcompile.explaining.content import CHOICES, equations
from bpcompile.explaining.document import Beside, Code, Formula
from bpcompile.explaining.plain import sentence_text
from bpcompile.operators import (
    ACTIVATIONS,
    COSTS,
    INITIALIZERS,
    OPTIMIZERS,
    REGULARIZERS,
    SCALINGS,
    SCHEDULES,
)

GALLERY = [*sorted(SPECS.glob("*.json")), *sorted(SPECS.glob("book/*.json"))]
GOLDENS = ROOT / "tests" / "goldens" / "explain"
MATHML = "{http://www.w3.org/1998/Math/MathML}"


@pytest.fixture(autouse=True)
def compiled_once(monkeypatch):
    """Templates, by far the most of the time, are compiled once for all tests."""
    monkeypatch.setattr(explanation, "Renderer", lambda target: renderer(target.name))


@functools.cache
def explained(path, target=None, **chosen):
    """Made once: every test reads another format or part of it."""
    return explain(path, target, **chosen)


def shown(found):
    """Every (layer, equation) that has formulas, with its item."""
    return [
        (section.layer, item.equation, item)
        for section in found.document.sections
        for item in section.items
        if isinstance(item, Beside)
    ]


# ---- The whole of it -----------------------------------------------------------------


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_every_spec_is_explained_in_every_format(path):
    plan, found = lower(load_spec(path)), explained(path)
    text, html = found.text(), found.html()
    for layer in range(1, plan.depth + 1):
        assert f"\nLayer {layer}" in text
        assert f'id="layer-{layer}"' in html
        have = [equation for at, equation, _ in shown(found) if at == layer]
        assert [e for e in have if e in CHOICES] == [
            e
            for e in (CHOICES[4], *CHOICES[:4], CHOICES[5])
            if e in equations(plan, layer)
        ]
    for section in found.document.sections:
        assert f"\n## {section.title}\n" in found.markdown()
        assert rf"\section*{{{section.title}}}" in found.tex()
    assert found.html() == html and explain(path).html() == html


@pytest.mark.parametrize("target", EVERY_TARGET)
@pytest.mark.parametrize("name", ["xor", "deep", "own", "book/ch3_dropout"])
def test_every_equation_stands_beside_its_own_lines_of_the_module(name, target):
    path = SPECS / f"{name}.json"
    lines = text_of(load_spec(path), target).split("\n")
    for layer, equation, item in shown(explained(path, target)):
        assert item.code or layer == 1, (layer, equation)
        for code in item.code:
            assert isinstance(code, Code)
            assert tuple(lines[code.line - 1 : code.last]) == code.lines
            named = {
                int(number)
                for line in code.lines
                for number in re.findall(
                    r"\b(?:delta|w|b|nabla_w|nabla_b)(\d+)\b", line
                )
            }
            assert named <= {layer, layer + 1}


@pytest.mark.parametrize("name", ["xor", "digits"])
def test_text_is_what_it_was(name, golden):
    found = explained(SPECS / f"{name}.json", numbers=True)
    golden(GOLDENS / f"{name}.txt", found.text())


def test_the_equation_of_the_docs_is_the_one_of_the_gallery():
    page = (ROOT / "docs" / "explain.md").read_text("utf-8")
    excerpt = re.search(
        r"^    BP2  .*?(?=^          \.\.\.$)", page, re.MULTILINE | re.DOTALL
    )
    assert excerpt
    lines = [line.removeprefix("    ") for line in excerpt[0].split("\n")]
    assert "\n".join(lines) in explained(SPECS / "xor.json").text()


def test_text_is_80_columns_wide_but_for_lines_of_code():
    for path in GALLERY:
        found = explained(path)
        code = {
            line.strip()
            for _, _, item in shown(found)
            for part in item.code
            for line in part.lines
        }
        wide = [line for line in found.text().split("\n") if len(line) > 80]
        assert {line.strip() for line in wide} <= code


# ---- Choosing ------------------------------------------------------------------------


@pytest.mark.parametrize("layer", [None, 1, 2, 3])
@pytest.mark.parametrize("equation", [None, *CHOICES])
def test_layer_and_equation_choose_exactly(layer, equation):
    path = SPECS / "digits.json"
    plan = lower(load_spec(path))
    wanted = {
        (at, name)
        for at in range(1, plan.depth + 1)
        for name in equations(plan, at)
        if layer in (None, at) and equation in (None, name)
    }
    if not wanted:
        with pytest.raises(UserError, match=f"layer {layer} has no {equation}"):
            explain(path, layer=layer, equation=equation)
        return
    found = explain(path, layer=layer, equation=equation)
    assert {(at, name) for at, name, _ in shown(found) if name in CHOICES} == wanted
    # The fused form is explained where its equation is.
    titles = [section.title for section in found.document.sections]
    assert ("BP1 derived" in titles) == ((plan.depth, "BP1") in wanted)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-f", "htm"], 'no format "htm"; did you mean "html"? (one of: text, md, '),
        (["--equation", "BP5"], 'no equation "BP5"; did you mean "BP'),
        (["--equation", "bp2"], 'no equation "bp2"; did you mean "BP2"?'),
        (["--layer", "4"], "no layer 4: xor has layers 1 to 3"),
        (["--layer", "0"], "no layer 0: xor has layers 1 to 3"),
        (["--layer", "two"], '--layer takes a number from 1, got "two"'),
        (
            ["--layer", "2", "--equation", "BP1"],
            "layer 2 has no BP1 (it has: BP2, BP3, BP4, feedforward, update)",
        ),
        (["-f", "svg", "--numbers"], "--numbers goes with text, not with -f svg"),
        (["-t", "nunpy"], "nunpy"),
        (["-o", ""], "the name is empty"),
        (["-o", "no/"], "no/: is a directory; -o takes a file"),
        (["-o", "a.pdf"], "a.pdf: no format has the suffix .pdf (one of: .txt or none"),
        (["--layer", "2", "--layer", "3"], '--layer goes once, got "2" and "3"'),
        (
            ["--equation", "BP2", "--equation", "BP3"],
            '--equation goes once, got "BP2" and "BP3"',
        ),
        ([str(SPECS / "sine.json")], "explain takes one SPEC, got "),
    ],
)
def test_wrong_values_are_answered_with_the_choices(arguments, message):
    done = bpcompile("explain", SPECS / "xor.json", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("bpcompile: ") and message in done.stderr
    assert "Traceback" not in done.stderr and not done.stdout


def test_a_network_without_hidden_layers_has_no_bp2():
    spec = spec_of(layers=[3, 2], cost="quadratic")
    with pytest.raises(UserError, match="no layer has BP2"):
        explain(spec, equation="BP2")


# ---- Every operator ------------------------------------------------------------------


def with_activation(kind):
    entry = ACTIVATIONS[kind]
    if not entry.output_only:
        hidden = {"size": 2, "activation": minimal(entry)}
        return spec_of(layers=[2, hidden, 1], cost="quadratic")
    cost = next(cost for cost in COSTS if kind in outputs_for(cost))
    layers = [2, {"size": 3, "activation": minimal(entry)}]
    return spec_of(layers=layers, cost=minimal(COSTS[cost]))


def with_cost(kind, output):
    size = ACTIVATIONS[output].least_size
    layers = [2, {"size": size, "activation": minimal(ACTIVATIONS[output])}]
    return spec_of(layers=layers, cost=minimal(COSTS[kind]))


def with_setting(section, value, **layer):
    settings = {section: value} if section else {}
    layers = [2, {"size": 2, **layer}]
    return spec_of(layers=layers, cost="quadratic", hyperparameters=settings)


def first_formula(text):
    """As far as nothing is filled in."""
    return re.split(r"[{;,]", text)[0].strip()


def assert_says(spec, *words):
    found = explain(spec)
    text = re.sub(r"\s+", " ", found.text())
    for word in words:
        assert word in text
    found.tex(), found.markdown()
    assert_mathml(found.html())


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activation_with_its_definition_and_derivative(kind):
    entry = ACTIVATIONS[kind]
    definition = f"{entry.symbol}(z) = {first_formula(entry.formula)}"
    slope = f"{entry.symbol}'(z) = " if entry.elementwise else f"= {entry.vjp_formula}"
    assert_says(with_activation(kind), entry.description, definition, slope)


@pytest.mark.parametrize(
    ("kind", "output"), [(kind, out) for kind in COSTS for out in outputs_for(kind)]
)
def test_cost_with_its_definition_and_gradient(kind, output):
    entry = COSTS[kind]
    fused = entry.fused.get(output)
    derived = [f"In short: {fused.reason}."] if fused else []
    definition = f"C = {first_formula(entry.formula)}"
    assert_says(with_cost(kind, output), entry.description, definition, *derived)


def test_derivative_of_a_formula_of_ones_own_is_written_out():
    own = {"activations": {"bent": {"formula": "sqrt(z * z + 1) + z"}}}
    layers = [2, {"size": 1, "activation": "bent"}]
    spec = spec_of(layers=layers, cost="quadratic", operators=own)
    text = explain(spec).text()
    assert "bent(z) = sqrt(z * z + 1) + z\n" in text
    slope = re.search(r"bent'\(z\) = (.*)", text)
    assert slope and slope[1] == "z / √(z ⊙ z + 1) + 1"


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_optimizer_with_its_definition_and_source(kind):
    entry = OPTIMIZERS[kind]
    spec = with_setting("optimizer", minimal(entry))
    formulas = [re.split("[;,]", text)[0] for text in entry.formulas("w")]
    assert_says(spec, entry.description, f"Source: {entry.source}.", *formulas)


@pytest.mark.parametrize("kind", REGULARIZERS)
def test_regularizer_with_its_definition(kind):
    entry = REGULARIZERS[kind]
    spec = with_setting("regularization", {kind: 0.5})
    assert_says(spec, entry.description, f"C + {entry.penalty_formula}")


@pytest.mark.parametrize("kind", SCHEDULES)
def test_schedule_with_its_definition(kind):
    entry = SCHEDULES[kind]
    given = (
        {**minimal(entry), "warmup": 2}
        if isinstance(minimal(entry), dict)
        else {"kind": kind, "warmup": 2}
    )
    settings = {"schedule": given, "validation_fraction": 0.5}
    layers = [2, {"size": 2}]
    spec = spec_of(layers=layers, cost="quadratic", hyperparameters=settings)
    assert_says(spec, entry.description, f"η → {first_formula(entry.formula)}")


@pytest.mark.parametrize("kind", INITIALIZERS)
def test_initializer_with_its_formula(kind):
    entry = INITIALIZERS[kind]
    spec = with_setting("", None, initializer=minimal(entry))
    sign = "~" if entry.draws else "="
    assert_says(spec, f"initial w² (2×2) {sign} {entry.formula.split('{')[0]}")


@pytest.mark.parametrize("kind", [k for k in SCALINGS if not SCALINGS[k].is_identity])
def test_scaling_with_its_definition(kind):
    entry = SCALINGS[kind]
    layers = [{"size": 2, "scaling": minimal(entry)}, 2]
    spec = spec_of(layers=layers, cost="quadratic")
    assert_says(spec, entry.description, f"a¹ = {entry.formula.split('{')[0]}")


@settings(repeatable, max_examples=25)
@given(specs())
def test_any_spec_is_explained_and_its_mathml_is_well_formed(spec):
    found = explain(spec)
    assert len(found.text()) > 1000 and found.markdown() and found.tex()
    assert_mathml(found.html())


# ---- Formats -------------------------------------------------------------------------


def assert_mathml(page):
    """Every formula is XML, of elements that take as many parts as they have."""
    formulas = re.findall(r"<math.*?</math>", page, re.DOTALL)
    assert formulas
    parts = {"msup": 2, "msub": 2, "mfrac": 2, "munder": 2}
    for formula in formulas:
        tree = ElementTree.fromstring(formula)
        for element in tree.iter():
            tag = element.tag.removeprefix(MATHML)
            assert element.tag.startswith(MATHML)
            assert len(element) == parts.get(tag, len(element)), formula
            is_word = tag in ("mi", "mn", "mo", "mtext")
            assert bool(element.text) == is_word, formula


def test_page_is_self_contained_and_escapes_all_text():
    page = explained(SPECS / "own.json").html()
    assert not re.search(r"(?:src|href)=\"(?!#)", page)
    assert "<script" not in page and "@import" not in page and "url(" not in page
    anchors = re.findall(r'href="#([^"]+)"', page)
    assert len(set(anchors)) == len(anchors) and anchors
    assert all(page.count(f'id="{anchor}"') == 1 for anchor in anchors)


def test_free_text_of_a_spec_is_nowhere_but_escaped_in_the_picture():
    evil = "</script><b>$x$ \\input{/etc/passwd} `|"
    own = {"activations": {"bent": {"formula": "z * z", "description": evil}}}
    layers = [2, {"size": 1, "activation": "bent"}]
    spec = spec_of(layers=layers, cost="quadratic", description=evil, operators=own)
    found = explain(spec)
    for made in (found.text(), found.markdown(), found.tex()):
        assert "passwd" not in made
    page = found.html()
    assert "<b>$x$" not in page
    assert "passwd" not in re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)


def test_notebooks_show_the_page_without_its_frame():
    found = explained(SPECS / "xor.json")
    fragment = found._repr_html_()
    assert "<html" not in fragment and fragment.startswith('<div class="bp-explain">')
    assert fragment in found.html()


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no LaTeX (pdflatex) here")
@pytest.mark.parametrize(
    ("name", "target"),
    [("xor", "numpy"), ("own", "numpy"), ("deep", "c"), ("book/ch3_l1", "numpy")],
)
def test_latex_compiles(name, target, tmp_path):
    path = SPECS / f"{name}.json"
    made = explained(path, target, numbers=True).tex()
    (tmp_path / "made.tex").write_text(made, "utf-8")
    done = run(
        *("pdflatex", "-interaction=nonstopmode", "-halt-on-error", "made.tex"),
        cwd=tmp_path,
        errors="replace",
    )
    assert done.returncode == 0, done.stdout[-2000:]
    # What a font lacks is left out of the page without an error.
    assert "Missing character" not in (tmp_path / "made.log").read_text("latin-1")


# ---- The command line ----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text", "md", "tex", "html", "svg", "mermaid", "dot"])
def test_a_file_is_written_and_written_again_but_not_over_another(kind, tmp_path):
    path = tmp_path / "made"
    arguments = ("explain", SPECS / "xor.json", "-f", kind, "-o", path)
    printed = bpcompile(*arguments[:-2])
    assert bpcompile(*arguments).stdout == printed.stderr == ""
    assert path.read_text("utf-8") == printed.stdout
    # Another spec's may take its place, somebody's own file may not.
    other = ("explain", SPECS / "sine.json", *arguments[2:])
    assert bpcompile(*other).returncode == 0
    assert path.read_text("utf-8") != printed.stdout
    path.write_text("my own\n", "utf-8")
    refused = bpcompile(*arguments)
    assert refused.returncode == 2 and "--force" in refused.stderr
    assert path.read_text("utf-8") == "my own\n"
    assert bpcompile(*arguments, "--force").returncode == 0
    assert path.read_text("utf-8") == printed.stdout


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        *(("html", "html"), ("tex", "tex"), ("MD", "md"), ("mmd", "mermaid")),
        *(("gv", "dot"), ("svg", "svg"), ("txt", "text"), ("", "text")),
    ],
)
def test_without_f_the_suffix_of_the_file_says_the_format(suffix, kind, tmp_path):
    path = tmp_path / f"made.{suffix}".rstrip(".")
    assert bpcompile("explain", SPECS / "xor.json", "-o", path).returncode == 0
    printed = bpcompile("explain", SPECS / "xor.json", "-f", kind).stdout
    assert path.read_text("utf-8") == printed


def test_the_spec_itself_is_not_written_over(tmp_path):
    path = tmp_path / "spec.json"
    path.write_bytes((SPECS / "xor.json").read_bytes())
    done = bpcompile("explain", path, "-f", "text", "-o", path, "--force")
    assert done.returncode == 2
    assert done.stderr.endswith("input and output are the same file\n")


def test_numbers_follow_the_choice():
    found = explain(SPECS / "xor.json", equation="BP3", numbers=True)
    *_, worked = found.document.sections
    labels = {item.label for item in worked.items if isinstance(item, Formula)}
    assert labels == {"BP3"}
    text = " ".join(
        sentence_text(line)
        for item in worked.items
        for line in getattr(item, "lines", ())
    )
    assert "∂C/∂b³₁ = δ³₁ =" in text
