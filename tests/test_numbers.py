"""A worked example: its numbers, redone from the printed ones and from the module."""

from __future__ import annotations

import decimal
import math
import os
import re
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from support import SPECS, module_of, run, spec_of

from bpcompile import load_spec, operators
from bpcompile.errors import UserError
from bpcompile.explaining.arithmetic import DIGITS, rounded
from bpcompile.explaining.computed import TRAINING_SET
from bpcompile.explaining.numbers import WorkedExample, worked_example
from bpcompile.spec import NetworkSpec

# ---- Exclusive or, with fractions --------------------------------------------------


def printed(value: Fraction) -> str:
    """A fraction to so many significant digits, spelled as Python spells a float."""
    with decimal.localcontext(prec=DIGITS):
        short = Decimal(value.numerator) / Decimal(value.denominator)
    return f"{float(short):.{DIGITS}g}"


def lines_of(text: str) -> dict[str, list[str]]:
    """The printed numbers of every name, in order: a parameter has two."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        parts = line.strip().rstrip(",").split(", ")
        given = [re.fullmatch(r"(\S+) = (-?\d\S*)", part) for part in parts]
        whole = re.fullmatch(r" +(.+?) (?:=|→) .+ = (-?\d\S*)", line)
        for match in given if all(given) else [whole]:
            if match:
                found.setdefault(match[1], []).append(match[2])
    return found


def sigma(z: Fraction) -> Fraction:
    """σ to 60 digits, as a fraction."""
    with mpmath.workdps(60):
        value = 1 / (1 + mpmath.exp(-mpmath.mpf(z.numerator) / z.denominator))
        return Fraction(int(mpmath.floor(value * 10**55)), 10**55)


def test_exclusive_or_by_fractions_from_its_printed_inputs() -> None:
    """Every number of every step, to its last digit.

    Sums and products are exact and only exp is rounded, at the 55th digit; so a printed
    digit can differ only where float64 rounds across a boundary of the sixth, which
    none here is near.
    """
    text = str(worked_example(load_spec(SPECS / "xor.json")))
    held = lines_of(text)
    first = {name: Fraction(values[0]) for name, values in held.items()}
    x = [first["x₁"], first["x₂"]]
    y, eta = first["y₁"], first["η"]
    subs = "₁₂₃₄"
    w2 = [[first[f"w²{j}{k}"] for k in subs[:2]] for j in subs]
    b2 = [first[f"b²{j}"] for j in subs]
    w3 = [first[f"w³₁{k}"] for k in subs]
    b3 = first["b³₁"]
    checked: list[str] = []

    def same(name: str, value: Fraction, place: int = 0) -> None:
        assert held[name][place] == printed(value), name
        checked.append(f"{name} {place}")

    z2 = [sum(w * a for w, a in zip(w2[j], x, strict=True)) + b2[j] for j in range(4)]
    a2 = [sigma(z) for z in z2]
    z3 = sum(w * a for w, a in zip(w3, a2, strict=True)) + b3
    a3 = sigma(z3)
    delta3 = a3 - y
    g = [w * delta3 for w in w3]
    delta2 = [g[j] * a2[j] * (1 - a2[j]) for j in range(4)]
    for k in range(2):
        same(f"a¹{subs[k]}", x[k])
    for j, sub in enumerate(subs):
        same(f"z²{sub}", z2[j])
        same(f"a²{sub}", a2[j])
        same(f"((w³)ᵀ δ³){sub}", g[j])
        same(f"δ²{sub}", delta2[j])
        same(f"∂C/∂b²{sub}", delta2[j])
        same(f"∂C/∂w³₁{sub}", delta3 * a2[j])
        same(f"w³₁{sub}", w3[j] - eta * delta3 * a2[j], 1)
        same(f"b²{sub}", b2[j] - eta * delta2[j], 1)
        for k in range(2):
            same(f"∂C/∂w²{sub}{subs[k]}", delta2[j] * x[k])
            same(f"w²{sub}{subs[k]}", w2[j][k] - eta * delta2[j] * x[k], 1)
    same("z³₁", z3)
    same("a³₁", a3)
    with mpmath.workdps(60):
        cost = -mpmath.log(1 - mpmath.mpf(a3.numerator) / a3.denominator)
        same("cost", Fraction(int(cost * 10**50), 10**50))
    same("δ³₁", delta3)
    same("∂C/∂b³₁", delta3)
    same("b³₁", b3 - eta * delta3, 1)
    same("rate", eta)
    assert y == 0
    # What is given is not computed; of all the rest nothing was left out.
    given = {"x₁", "x₂", "y₁", "η", "m"}
    all_printed = {
        f"{name} {i}" for name, found in held.items() for i in range(len(found))
    }
    parameters = {f"{name} 0" for name in held if name[0] in "wb"}
    assert all_printed - {f"{name} 0" for name in given} - parameters == set(checked)


# ---- Every operator, from its own line ---------------------------------------------

NAMES: Mapping[str, Any] = {
    **{name: getattr(math, name) for name in ("exp", "tanh", "sin", "cos", "erf")},
    **{"ln": math.log, "sqrt": math.sqrt, "floor": math.floor, "max": max, "min": min},
    "abs": abs,
    "sign": lambda v: (v > 0) - (v < 0),
}


def redone(arithmetic: str) -> float:
    """The value of a line as a reader works it out, from the digits that stand there."""
    text = re.sub(r"\|([^|]*)\|", r"abs(\1)", arithmetic)
    for sign, meant in {
        "·": "*",
        "^": "**",
        "√(": "sqrt(",
        "≥": ">=",
        "≤": "<=",
    }.items():
        text = text.replace(sign, meant)
    text = text.replace("[", "int(").replace("]", ")")
    return float(eval(text, {"__builtins__": {}, "int": int}, dict(NAMES)))


def check_lines(example: WorkedExample) -> int:
    """Every line that is all there gives its number; how many these were.

    The digits left out of what a line reads are at most 5e-6 of it each, so its value
    may be off by some of them times the largest of its numbers and of its value, for
    steps that divide by a small one.
    """
    checked = 0
    for value in (v for stage in example.stages for v in stage.values):
        numbers = re.findall(r"\d[\d.]*(?:e-?\d+)?", value.arithmetic)
        if (
            not numbers
            or "…" in value.arithmetic
            or not is_all_numbers(value.arithmetic)
        ):
            continue
        largest = max(1.0, *map(float, numbers))
        off = abs(redone(value.arithmetic) - value.number)
        assert off < 5e-5 * largest * max(1.0, abs(value.number)), value.line
        checked += 1
    return checked


def is_all_numbers(arithmetic: str) -> bool:
    return not re.search(r"[δzaw][⁰¹²³⁴⁵⁶⁷⁸⁹]", arithmetic)


def output_for(cost: str) -> str:
    """An activation that a cost takes."""
    entry = operators.COSTS[cost]
    for kind, activation in operators.ACTIVATIONS.items():
        fits = activation.interval in entry.outputs and kind not in entry.refuses
        if kind in entry.needs or (fits and not entry.needs):
            return kind
    raise LookupError(cost)


def specs() -> Iterator[tuple[str, NetworkSpec]]:
    for kind, entry in operators.ACTIVATIONS.items():
        if not entry.output_only:
            layers = [
                3,
                {"size": 3, "activation": kind},
                {"size": 2, "activation": "identity"},
            ]
            yield kind, spec_of(layers=layers, cost="quadratic")
        layers = [3, {"size": max(2, entry.least_size), "activation": kind}]
        yield f"{kind} output", spec_of(layers=layers, cost="quadratic")
    for kind in operators.COSTS:
        layers = [3, 3, {"size": 2, "activation": output_for(kind)}]
        yield kind, spec_of(layers=layers, cost=kind)
    for kind in operators.OPTIMIZERS:
        hyper = {
            "optimizer": kind,
            "regularization": {"l1": 2.0, "l2": 5.0, "max_norm": 0.7},
            "clipping": {"norm": 0.2},
        }
        yield kind, spec_of(layers=[3, 3, 2], cost="quadratic", hyperparameters=hyper)
    for kind in operators.SCALINGS:
        scaling = {"kind": kind, "by": 255} if kind == "divide" else kind
        layers = [
            {"size": 3, "scaling": scaling, "dropout": 0.3},
            {"size": 4, "dropout": 0.5},
            2,
        ]
        hyper = {"clipping": {"value": 0.05}, "class_weights": [0.5, 2]}
        yield kind, spec_of(layers=layers, cost="cross_entropy", hyperparameters=hyper)
    smoothed = {"kind": "log_likelihood", "label_smoothing": 0.1}
    layers = [3, {"size": 3, "activation": "softmax"}]
    yield "smoothed", spec_of(layers=layers, cost=smoothed)
    yield "own", load_spec(SPECS / "own.json")


ALL = dict(specs())


@pytest.mark.parametrize("name", ALL)
def test_every_line_gives_its_number(name: str) -> None:
    assert check_lines(worked_example(ALL[name])) > 10


# ---- Against the module ------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_numbers_are_those_of_the_generated_module(name: str) -> None:
    """The update that the example prints is the one that the module makes."""
    spec = ALL[name].model_copy(update={"dtype": "float64"})
    example = worked_example(spec)
    network = module_of(spec).Network(dtype="float64")
    x, y = (np.array([given(example, name)], float) for name in ("x₁", "y₁"))
    for array in network.parameters.values():
        array[...] = np.round(array, 2)
    network.update_mini_batch(x, y, n=TRAINING_SET)
    new = {
        value.name: value.number
        for stage in example.stages
        if stage.part == "update"
        for value in stage.values
    }
    checked = 0
    for parameter, array in network.parameters.items():
        for place, number in np.ndenumerate(array):
            index = place if parameter[0] == "w" else place[:1]
            up = "⁰¹²³⁴⁵⁶⁷⁸⁹"[int(parameter[1:])]
            label = (
                parameter[0]
                + up
                + "".join("₁₂₃₄₅₆₇₈₉"[i] if i < 9 else "?" for i in index)
            )
            if label in new:
                assert new[label] == pytest.approx(number, rel=1e-12, abs=1e-12), label
                checked += 1
    assert checked >= 4


def given(example: WorkedExample, name: str) -> list[float]:
    """The numbers of x or y as they were before anything is made of them."""
    stage = next(s for s in example.stages if s.values[0].name == name)
    assert (stage.part, stage.more) == ("given", 0)
    return [value.number for value in stage.values]


# ---- Large and small ---------------------------------------------------------------


def test_large_layers_are_shown_in_part_and_say_so() -> None:
    example = worked_example(spec_of(layers=[784, 30, 10], cost="cross_entropy"))
    text = str(example)
    assert "… 780 more" in text
    assert "… 23,504 more" in text  # of 30 times 784 weights
    assert "(780 more) + " in text
    # All were computed: their sum is not that of the four that are shown.
    (stage,) = (s for s in example.stages if s.formula.startswith("z² ="))
    terms = stage.values[0].arithmetic.replace("… (780 more) + ", "")
    assert abs(redone(terms) - stage.values[0].number) > 1e-3


@pytest.mark.parametrize("sizes", [(1, 1), (10_000, 1), (1, 1_000), tuple([2] * 1000)])
def test_network_of_any_shape(sizes: tuple[int, ...]) -> None:
    example = worked_example(spec_of(layers=list(sizes), cost="quadratic"))
    layers = {stage.layer for stage in example.stages}
    assert layers == set(range(len(sizes) + 1))
    for equation in ("BP1", "BP3", "BP4"):
        assert any(stage.equation == equation for stage in example.stages)
    assert max(len(stage.values) for stage in example.stages) <= 3 * 4 * 4


def test_too_large_network_is_refused_in_one_line() -> None:
    spec = spec_of(layers=[2000, 2000, 1], cost="quadratic")
    with pytest.raises(UserError, match=r"^a worked example of 4,004,001 parameters"):
        worked_example(spec)


PROCESS = """
import sys
from bpcompile import load_spec
from bpcompile.explaining.numbers import worked_example
print(worked_example(load_spec(sys.argv[1])))
"""


def test_same_text_in_every_process() -> None:
    text = str(worked_example(load_spec(SPECS / "xor.json")))
    for seed in ("1", "2"):
        env = {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        env |= {"PYTHONIOENCODING": "utf-8"}
        done = run(sys.executable, "-c", PROCESS, SPECS / "xor.json", env=env)
        assert done.stdout == text + "\n"


def test_lines_are_short_where_they_hold_no_arithmetic() -> None:
    for line in str(worked_example(load_spec(SPECS / "digits.json"))).splitlines():
        assert len(line) <= 80 or "·" in line
        assert line == line.rstrip()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1 + 0.2, "0.3"), (-0.0, "0"), (1e-9, "1e-09"), (123456.7, "123457")],
)
def test_numbers_are_rounded_to_six_digits(value: float, text: str) -> None:
    assert rounded(value) == text
