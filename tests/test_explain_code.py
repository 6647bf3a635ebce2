"""What `bpcompile explain` says of dropout, limits and scaling, and of their lines."""

from __future__ import annotations

import re

import pytest
from support import EVERY_TARGET, SPECS, renderer, spec_of

from bpcompile import diff, explain, load_spec
from bpcompile.compare import page_view
from bpcompile.explaining import explanation

LIMITED = {
    "layers": [
        {"size": 4, "scaling": {"kind": "divide", "by": 4}, "dropout": 0.1},
        {"size": 3, "activation": "relu", "dropout": 0.5},
        {"size": 2, "activation": "softmax"},
    ],
    "cost": "log_likelihood",
    "hyperparameters": {
        "regularization": {"l2": 5.0, "max_norm": 3.0},
        "clipping": {"value": 1.0},
    },
}


@pytest.fixture(autouse=True)
def compiled_once(monkeypatch):
    """Templates, by far the most of the time, are compiled once for all tests."""
    monkeypatch.setattr(explanation, "Renderer", lambda target: renderer(target.name))


def limited(**hyperparameters):
    changed = {**LIMITED["hyperparameters"], **hyperparameters}
    return spec_of(**{**LIMITED, "hyperparameters": changed})


def flat(text):
    """With single spaces, in one line."""
    return re.sub(r"\s+", " ", text)


# ---- Feedforward ---------------------------------------------------------------------


@pytest.mark.parametrize("dropout", [0, 0.5])
@pytest.mark.parametrize("target", EVERY_TARGET)
def test_the_outputs_activation_has_its_lines(target, dropout):
    layers = [2, {"size": 3, "dropout": dropout}, 1]
    found = explain(spec_of(layers=layers, cost="quadratic"), target, layer=3)
    *_, code = re.split(r"\nfeedforward ", found.text().split("\nBP1 ")[0])
    assert re.search(r"^      .*\bsigmoid_?\(", code, re.MULTILINE)


@pytest.mark.parametrize("target", EVERY_TARGET)
def test_lines_of_feedforward_say_whether_they_train(target):
    text = explain(limited(), target, layer=2, equation="feedforward").text()
    places = re.findall(r"^    lines.*?(?=^    lines|\Z)", text, re.DOTALL | re.M)
    outside = [place for place in places if "outside of training:" in place]
    trained = [place for place in places if "in training:" in place]
    assert len(outside) == len(trained) == 1 and len(places) == 2
    assert "kept2" in trained[0] and "kept2" not in outside[0]


@pytest.mark.parametrize(("a", "b"), [("numpy", "c"), ("c", "numpy-textbook")])
def test_a_diffs_page_pairs_the_way_forward_that_trains(a, b):
    path = SPECS / "xor.json"
    found = diff(path, path, target=a, target_of_b=b)
    sections = page_view.sections(found, page_view.modules(found))
    views = [view for section in sections for view in section.layers]
    for view in views[1:]:
        (part,) = [part for part in view.parts if part.title == "feedforward"]
        told = next(p for p in view.pair.code if p.part == "feedforward")
        last = part.passages[-1]
        assert tuple(line.text for line in last.left) == told.before
        assert tuple(line.text for line in last.right) == told.after
        assert told.before and told.after


# ---- Dropout -------------------------------------------------------------------------


def test_factors_of_dropout_are_defined_and_their_numbers_come_from_somewhere():
    text = flat(explain(limited(), numbers=True).text())
    for said in (
        "r is 0 for a neuron that is dropped, with probability p, and 1/(1 - p) for",
        "n is the number of examples in the training set.",
        "p¹ DROPOUT1 0.1 p² DROPOUT2 0.5",
        "r² = (0 if dropped else 1 / (1 - p²)), dropped with probability p²",
        "r²₁ = 0 r²₂ = 0 r²₃ = 1 / (1 - 0.5) = 2",
        "a neuron whose number of the seed's stream for it is below p has r = 0",
    ):
        assert said in text
    plain = explain(spec_of(layers=[2, 1], cost="quadratic")).text()
    assert "dropped" not in plain and "training set" not in plain


# ---- Limits --------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["numpy", "numpy-textbook"])
def test_update_says_its_limits_in_the_order_of_its_lines(target):
    text = explain(limited(), target, layer=2, equation="update").text()
    clipped = "Σ ∂C/∂w² → max(-κ m, min(κ m, Σ ∂C/∂w²)), entry by entry, and"
    moved = "w² (3×4) → (1 - η λ/n) w² (3×4)"
    limit = "w²ⱼ → (M / max(|w²ⱼ|, M)) w²ⱼ, for every row j of w²"
    order = [clipped, moved, limit, "np.clip(", "decay", "MAX_NORM"]
    places = [flat(text).index(said) for said in order]
    assert places == sorted(places)
    assert "κ CLIP_VALUE 1" in flat(explain(limited(), target).text())


@pytest.mark.parametrize("target", EVERY_TARGET)
def test_a_norm_of_all_layers_is_said_once_with_all_of_its_lines(target):
    spec = limited(clipping={"norm": 1.0})
    text = explain(spec, target, equation="update").text()
    assert text.count("norm = √(Σ g²) / m") == 1
    assert text.count("Σ ∂C/∂w² → min(1, κ / (norm + 1e-06)) Σ ∂C/∂w²") == 1
    together = text.split("\nLayer 2\n")[0]
    assert "CLIP_NORM" in together and "factor" in together


# ---- Scaling -------------------------------------------------------------------------


@pytest.mark.parametrize("target", EVERY_TARGET)
@pytest.mark.parametrize("scaling", [{"kind": "divide", "by": 4}, "standardize"])
def test_scaling_of_the_inputs_has_its_lines(target, scaling):
    layers = [{"size": 2, "scaling": scaling}, 1]
    spec = spec_of(layers=layers, cost="quadratic")
    text = explain(spec, target, layer=1).text()
    assert "layer 1: a¹ = " in text.split("line")[1]
    assert re.search(r"4\.0|shift", text.split(":\n")[-1])
    described = flat(explain(spec, target).text())
    fitted = "standard deviation = √(Σ (x - mean)² / n)" in described
    assert fitted == (scaling == "standardize")
    assert fitted == ("Fitted on the n examples of the training data" in described)


# ---- Numbers -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sine", "own", "digits"])
def test_no_number_is_said_twice_and_no_brackets_are_double(name):
    text = flat(explain(load_spec(SPECS / f"{name}.json"), numbers=True).text())
    worked = text.split("Worked example")[1]
    assert not re.search(r"= (\S+) = \1(?!\S)", worked)
    assert not re.search(r"[(,] ?\(-[\d.e+-]+\)[,)]", worked)


# ---- Markdown ------------------------------------------------------------------------


def test_markdown_has_no_formula_that_github_spoils():
    own = {"activations": {"my_bent": {"formula": "z * z"}}}
    layers = [2, {"size": 2, "activation": "leaky_relu"}, {"size": 1}]
    layers[2]["activation"] = "my_bent"
    specs = [
        limited(),
        limited(optimizer="nadam"),
        spec_of(layers=layers, cost="huber", operators=own),
    ]
    for spec in specs:
        made = explain(spec, numbers=True).markdown()
        without_code = re.sub(r"^```.*?^```", "", made, flags=re.DOTALL | re.M)
        formulas = re.findall(r"^\$\$\n(.*?)\n\$\$", without_code, re.DOTALL | re.M)
        formulas += re.findall(r"(?<!\$)\$([^$\n]+)\$(?!\$)", without_code)
        assert len(formulas) > 50
        for formula in formulas:
            assert not re.search(r"\\[^A-Za-z ]|operatorname", formula), formula
