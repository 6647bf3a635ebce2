"""The specs of specs/book: each compiles and trains, and says what the book quotes."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest
from support import ROOT, SPECS, TARGETS, difference, module_of

from bpcompile import load_spec

BOOK = SPECS / "book"
RUNS = tomllib.loads((BOOK / "runs.toml").read_text("utf-8"))["run"]
NAMES = [run["spec"] for run in RUNS]


def test_every_spec_has_its_run_and_every_run_its_spec():
    assert len(NAMES) == len(set(NAMES))
    assert sorted(NAMES) == sorted(path.stem for path in BOOK.glob("*.json"))


def test_chapters_follow_each_other():
    chapters = [run["chapter"] for run in RUNS]
    assert chapters == sorted(chapters)
    assert all(run["spec"].startswith(f"ch{run['chapter']}_") for run in RUNS)


@pytest.mark.parametrize("run", RUNS, ids=NAMES)
def test_description_has_the_figures(run):
    spec = load_spec(BOOK / f"{run['spec']}.json")
    assert spec.name == run["spec"]
    assert spec.description
    assert spec.description.startswith(f"Chapter {run['chapter']}, ")
    assert ("No figure is quoted." in spec.description) == ("quoted" not in run)
    for quote in run.get("quoted", ()):
        percent = quote["percent"]
        spelled = {f"{percent:.2f}", f"{percent:g}"}
        # The runs evaluated on 100 images are quoted as so many of 100.
        assert spelled & set(spec.description.split()), percent


def test_page_has_a_row_for_every_run_and_figure():
    page = (ROOT / "docs" / "book.md").read_text("utf-8")
    for run in RUNS:
        start = f"| {run['spec']} | {run['chapter']} | "
        for quote in run.get("quoted", ()):
            assert f"{start}{quote['percent']:.2f} ({quote['of']}" in page, run["spec"]
        assert start in page


@pytest.mark.parametrize("run", RUNS, ids=NAMES)
def test_words_of_a_run_are_known(run):
    epochs = load_spec(BOOK / f"{run['spec']}.json").hyperparameters.epochs
    assert run["evaluated"] in {"test", "validation"}
    for quote in run.get("quoted", ()):
        assert quote["of"] in {run["evaluated"], "training"}
        at = quote["at"]
        assert at in {"final", "best", "unsaid"} or 1 <= at <= epochs


@pytest.mark.parametrize("name", NAMES)
def test_trains_alike_in_every_target(name):
    spec = load_spec(BOOK / f"{name}.json")
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (20, 784), np.uint8), np.arange(20) % 10
    trained = []
    for target in TARGETS:
        network = module_of(spec, target).Network(dtype="float64")
        before = {name: p.copy() for name, p in network.parameters.items()}
        records = network.train(x, y, x, y, epochs=2, monitor=["test_accuracy"])
        assert [record["epoch"] for record in records] == [1, 2]
        assert all(0 <= record["test_accuracy"] <= 1 for record in records)
        trained.append(network.parameters)
        assert all((p != before[name]).any() for name, p in trained[-1].items())
    for name, p in trained[0].items():
        # float64, and four steps or fewer: rounding alone is between them.
        assert difference(p, trained[1][name]) < 1e-10
