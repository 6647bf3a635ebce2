"""What a change of the spec changes in the code: little, and where one looks for it."""

from __future__ import annotations

import difflib
import re

import pytest
from oracle import library_text
from random_specs import TRIPLES, spec_of_triple
from support import SPECS, TARGETS, text_of

from bpcompile import load_spec


def changed(target: str, *overrides: str, spec: str = "book_ch3") -> list[str]:
    """The lines that go (-) and come (+) in a spec's module, but for blank ones."""
    path = SPECS / f"{spec}.json"
    before = text_of(load_spec(path), target).splitlines()
    after = text_of(load_spec(path, overrides), target).splitlines()
    lines = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
    return [line for line in lines if line not in ("-", "+") and line[:2] != "@@"]


def without_digests(lines: list[str]) -> list[str]:
    """The two digests stand on one line, which every change touches."""
    header = [line for line in lines if re.match(r"[-+]# spec: ", line)]
    assert len(header) == 2
    return [line for line in lines if line not in header]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("override", "before", "after"),
    [
        ("hyperparameters.learning_rate=0.25", "ETA = 0.5", "ETA = 0.25"),
        ("hyperparameters.epochs=60", "EPOCHS = 30", "EPOCHS = 60"),
        ("hyperparameters.seed=7", "SEED = 0", "SEED = 7"),
        ("hyperparameters.mini_batch_size=20", "SIZE = 10", "SIZE = 20"),
        ("hyperparameters.regularization.l2=0.8", "LMBDA = 5.0", "LMBDA = 0.8"),
        ("dtype=float64", 'DTYPE = "float32"', 'DTYPE = "float64"'),
        ("name=other", 'NAME = "book_ch3"', 'NAME = "other"'),
    ],
)
def test_one_number_is_one_line(target, override, before, after):
    lines = without_digests(changed(target, override))
    assert len(lines) == 2
    assert lines[0].startswith("-") and lines[0].endswith(before)
    assert lines[1].startswith("+") and lines[1].endswith(after)


@pytest.mark.parametrize("target", TARGETS)
def test_a_hidden_width_is_its_line_and_the_summary(target):
    lines = without_digests(changed(target, "layers[1].size=40"))
    assert lines == [
        '-"""A 784-100-10 network: cross-entropy cost, trained by SGD.',
        '+"""A 784-40-10 network: cross-entropy cost, trained by SGD.',
        "-N2 = 100",
        "+N2 = 40",
    ]


@pytest.mark.parametrize("target", TARGETS)
def test_a_description_is_its_literal(target):
    path = SPECS / "book_ch3.json"
    described = text_of(load_spec(path, ['description="quokka"']), target)
    assert described.count("quokka") == 1


def test_an_activation_is_its_layer_its_bp2_and_the_operator():
    lines = without_digests(changed("numpy", "layers[1].activation=tanh"))
    assert [line for line in lines if line.startswith("-")] == [
        # layer 2 in feedforward and in backprop: the comment and the call
        "-        # layer 2: z² = w² a¹ + b², a² = σ(z²)",
        "-        sigmoid(a2)",
        "-        # layer 2: z² = w² a¹ + b², a² = σ(z²)",
        "-        sigmoid(a2)",
        # BP2: the comment and the derivative
        "-        # BP2  δ² = (w³)ᵀ δ³ ⊙ σ'(z²), where σ'(z²) = a² ⊙ (1 - a²)",
        "-        delta2 *= a2",
        "-        np.subtract(1, a2, out=a2)  # a2 is no longer needed",
        # what the diagnosis measures
        "-        sigmoid(a2)",
        # the layer's line of the spec
        '-                "activation": "sigmoid",',
        # how flat it may be, for warnings
        "-def sigmoid_slope(a: Array) -> Array:",
        '-    """σ\'(z) = a ⊙ (1 - a)."""',
        "-    prime: Array = a * (1 - a)",
        '-    slope = sigmoid_slope(values["a2"])',
        '-    shares["saturated"][0] = flat_share(slope, 0.0025)',
    ]
    assert [line for line in lines if line.startswith("+")] == [
        # the operator; sigmoid stays for the output layer
        "+def tanh(z: Array) -> None:",
        '+    """tanh(z) = (eᶻ - e⁻ᶻ) / (eᶻ + e⁻ᶻ), in place."""',
        "+    np.tanh(z, out=z)",
        "+        # layer 2: z² = w² a¹ + b², a² = tanh(z²)",
        "+        tanh(a2)",
        "+        # layer 2: z² = w² a¹ + b², a² = tanh(z²)",
        "+        tanh(a2)",
        "+        # BP2  δ² = (w³)ᵀ δ³ ⊙ tanh'(z²), where tanh'(z²) = 1 - a² ⊙ a²",
        "+        a2 *= a2  # a2 is no longer needed",
        "+        np.subtract(1, a2, out=a2)",
        "+        tanh(a2)",
        '+                "activation": "tanh",',
        "+def tanh_slope(a: Array) -> Array:",
        '+    """tanh\'(z) = 1 - a ⊙ a."""',
        "+    prime: Array = 1 - a * a",
        '+    slope = tanh_slope(values["a2"])',
        '+    shares["saturated"][0] = flat_share(slope, 0.01)',
    ]


def test_an_activation_in_the_textbook_target():
    lines = without_digests(changed("numpy-textbook", "layers[1].activation=tanh"))
    mathematics = [line for line in lines if "delta2" in line or "BP" in line]
    assert mathematics == [
        "-        # BP2  δ² = (w³)ᵀ δ³ ⊙ σ'(z²), where σ'(z²) = a² ⊙ (1 - a²)",
        "-        delta2 = (self.w3.T @ delta3) * a2 * (1 - a2)",
        "+        # BP2  δ² = (w³)ᵀ δ³ ⊙ tanh'(z²), where tanh'(z²) = 1 - a² ⊙ a²",
        "+        delta2 = (self.w3.T @ delta3) * (1 - a2 * a2)",
    ]
    assert len(lines) == 13 + 17


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("layer", ["", "layers[1].activation=relu", "layers[1].size=5"])
def test_no_other_layer_moves(target, layer):
    """In an 8-layer network, a change of layer 2 stays with layers 2 and 3."""
    overrides = [layer] if layer else ["hyperparameters.learning_rate=1"]
    for line in without_digests(changed(target, *overrides, spec="deep")):
        assert not re.search(r"\b(w|b|a|delta|nabla_w|nabla_b|N)[4-8]\b", line), line


def mathematics(text: str) -> int:
    """The lines up to and including the update."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if "def _update" in line)
    return next(i for i in range(start + 1, len(lines)) if lines[i][4:8] == "def ")


def is_short(text: str, layers: int) -> bool:
    """The rule; functions of operators count for themselves, mish' is the longest."""
    functions = text.split("# ---- Operators")[1].split("# ----")[0].split("\n\n\n")
    longest = max(function.count("\n") for function in functions)
    taken = sum(function.count("\n") + 3 for function in functions)
    return longest <= 36 and mathematics(text) - taken <= 120 + 35 * layers


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("path", sorted(SPECS.glob("*.json")), ids=lambda p: p.stem)
def test_the_mathematics_stays_short(target, path):
    spec = load_spec(path)
    assert is_short(text_of(spec, target), len(spec.layers))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("triple", TRIPLES, ids="-".join)
def test_the_mathematics_of_every_operator_stays_short(target, triple):
    spec = spec_of_triple(*triple)
    assert is_short(library_text(spec, target), len(spec.layers))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("path", sorted(SPECS.glob("*.json")), ids=lambda p: p.stem)
def test_every_equation_can_be_searched_for(target, path):
    spec = load_spec(path)
    text = text_of(spec, target)
    count = {name: text.count(f"# {name}  ") for name in ("BP1", "BP2", "BP3", "BP4")}
    later = len(spec.layers) - 1
    assert count == {"BP1": 1, "BP2": later - 1, "BP3": later, "BP4": later}


def test_the_comments_are_the_same_in_every_target():
    spec = load_spec(SPECS / "deep.json")
    comments = [
        re.findall(r"# (?:BP\d|layer \d+: ).*", text_of(spec, target))
        for target in TARGETS
    ]
    assert comments[0] == comments[1]
