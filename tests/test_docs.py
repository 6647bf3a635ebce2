"""The generated pages of docs/ are up to date, whole and readable."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
from made_up import MADE_UP, register
from support import ROOT

from bpcompile.operators import ACTIVATIONS, COSTS, SCHEDULES
from bpcompile.schema import schema_text

DOCS = ROOT / "docs"
PLOTS = DOCS / "plots"


@pytest.fixture(scope="module")
def make() -> Iterator[ModuleType]:
    about = importlib.util.spec_from_file_location("docs_make", DOCS / "make.py")
    assert about and about.loader
    module = importlib.util.module_from_spec(about)
    about.loader.exec_module(module)
    yield module
    for name in ("plot", "plots", "tables", "words"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def texts(make: ModuleType) -> dict[Path, str]:
    found: dict[Path, str] = make.outputs()
    return found


def test_what_stands_there_is_what_would_be_written(texts: dict[Path, str]) -> None:
    for path, text in texts.items():
        assert path.exists(), f"{path.name} is missing: make docs"
        assert path.read_bytes() == text.encode("utf-8"), f"{path.name}: make docs"
    assert set(PLOTS.iterdir()) == {path for path in texts if path.suffix == ".svg"}


def test_formulas_are_spelled(texts: dict[Path, str]) -> None:
    """A tree that nothing has spelled stands there as Python's repr of it."""
    page = texts[DOCS / "spec.md"]
    assert "primitive=" not in page
    assert "with softmax, δ = a Σy - y" in page


def test_every_operator_that_has_a_curve_has_its_plot(texts: dict[Path, str]) -> None:
    wanted = {f"activation_{k}" for k, e in ACTIVATIONS.items() if e.elementwise}
    wanted |= {f"cost_{kind}" for kind in COSTS}
    wanted |= {f"schedule_{k}" for k, e in SCHEDULES.items() if e.define}
    assert wanted == {path.stem for path in texts if path.suffix == ".svg"}
    page = texts[DOCS / "spec.md"]
    for name in wanted:
        assert f"](plots/{name}.svg)" in page


def test_new_operator_is_in_page_plots_and_schema_by_its_entry_alone(
    make: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch)
    texts = make.outputs()
    for kind, entry in MADE_UP.items():
        assert f"### `{kind}`" in texts[DOCS / "spec.md"]
        assert entry.formula in texts[DOCS / "spec.md"]
        assert PLOTS / f"activation_{kind}.svg" in texts
        assert f'"const": "{kind}"' in schema_text()


SVG = "{http://www.w3.org/2000/svg}"


def numbers(path: ElementTree.Element) -> list[tuple[float, float]]:
    pairs = re.findall(r"(-?[\d.]+) (-?[\d.]+)", path.get("d", ""))
    return [(float(x), float(y)) for x, y in pairs]


def test_plots_are_pictures_of_finite_numbers(texts: dict[Path, str]) -> None:
    for path, text in texts.items():
        if path.suffix != ".svg":
            continue
        root = ElementTree.fromstring(text)
        assert root.get("aria-label")
        assert not re.search(r"nan|inf\b", text), path.name
        # Curves stand in the one group, and each is seen within its frame.
        lines = root.findall(f"{SVG}g/{SVG}path")
        assert lines, path.name
        for line in lines:
            seen = [y for _, y in numbers(line) if 30 <= y <= 214]
            assert seen, path.name
        words = [text.text or "" for text in root.iter(f"{SVG}text")]
        figures = [word for word in words if re.fullmatch(r"-?[\d.]+", word)]
        assert len(figures) >= 6, path.name


def test_curve_goes_where_the_numbers_of_the_axes_say(texts: dict[Path, str]) -> None:
    """σ(0) = 1/2: where the curve of the logistic function meets x = 0."""
    root = ElementTree.fromstring(texts[PLOTS / "activation_sigmoid.svg"])
    words = root.iter(f"{SVG}text")
    labels = {text.text: text for text in words if text.get("text-anchor") == "end"}
    # Labels of y stand 4 below their line.
    half = float(labels["0.5"].get("y", "")) - 4
    zero = next(
        float(line.get("x1", ""))
        for line in root.findall(f"{SVG}line")
        if line.get("class") == "axis" and line.get("x1") == line.get("x2")
    )
    value, slope = root.findall(f"{SVG}g/{SVG}path")
    assert min(abs(x - zero) + abs(y - half) for x, y in numbers(value)) <= 0.2
    # σ'(0) = 1/4, half as high.
    bottom = float(labels["0"].get("y", "")) - 4
    quarter = (half + bottom) / 2
    assert min(abs(x - zero) + abs(y - quarter) for x, y in numbers(slope)) <= 0.2
