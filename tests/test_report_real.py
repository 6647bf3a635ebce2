"""Reports of what generated trainers really log, both from one plan."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from html_pages import Page, assert_links_lead_somewhere, assert_self_contained
from support import TARGETS, module_of, spec_of

from bpcompile.cli import main

LAYERS = [
    {"size": 25, "scaling": "standardize"},
    {"size": 6, "activation": "relu", "dropout": 0.25},
    {"size": 3, "activation": "softmax"},
]
CLASSES = spec_of(
    name="classes",
    layers=LAYERS,
    cost="log_likelihood",
    hyperparameters={"optimizer": "adam", "schedule": "cosine", "epochs": 4},
)
VALUES = spec_of(
    name="values",
    layers=[25, 4, {"size": 2, "activation": "identity"}],
    cost="quadratic",
    hyperparameters={"epochs": 3},
)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(5)
    x = random.standard_normal((90, 25))
    labels = x[:, :3].argmax(axis=1)
    test = {"x_test": x[60:], "y_test": labels[60:]}
    np.savez("classes.npz", x_train=x[:60], y_train=labels[:60], **test)
    test["y_test"] = x[60:, :2] ** 2
    np.savez("values.npz", x_train=x[:60], y_train=x[:60, :2] ** 2, **test)


def trained(module: ModuleType, name: str, *more: str) -> None:
    command = ["train", "--data", f"{name}.npz", "--log", "run.jsonl", *more]
    assert module.main(command) == 0


def reported(*more: str) -> str:
    assert main(["report", "run.jsonl", "-o", "report.html", *more]) == 0
    text = Path("report.html").read_text("utf-8")
    assert_links_lead_somewhere(Page(text))
    assert_self_contained(text)
    assert len(text.encode()) < 200_000
    return text


@pytest.mark.parametrize("target", TARGETS)
def test_classification(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    trained(module_of(CLASSES, target), "classes")
    printed = capsys.readouterr().out
    right = re.findall(r"Epoch 4: (\d+) / 30", printed)
    text = reported("--weights", "classes.safetensors", "--data", "classes.npz")
    found = Page(text)
    tiles = dict(zip(found.all("dt"), found.all("dd"), strict=True))
    share = int(right[0]) / 30
    assert tiles["test accuracy at the end"] == f"{100 * share:.2f} %"
    assert f"<td>{target}</td>" in text
    heads = {head for tag in ("h2", "h3") for head in found.all(tag)}
    assert {
        "Curves",
        "Layer by layer",
        "What is taken for what",
        "First layer",
    } <= heads
    titles = set(found.all("title"))
    assert {"Cost", "Accuracy", "Learning rate"} <= titles
    assert any(title.startswith("Norm of the gradient") for title in titles)
    wrong = 30 - int(right[0])
    assert f"{wrong} of 30 examples were taken for another class." in text
    assert len(found.values("src")) == 6 + min(24, wrong)


@pytest.mark.parametrize("target", TARGETS)
def test_regression(target: str) -> None:
    trained(module_of(VALUES, target), "values")
    text = reported()
    assert re.search(r"On test data: cost [^,]+, mean absolute error [^,]+, ", text)
    assert "The worst on test data" in text
    assert "Finished after epoch 3." in text


def test_resumed_run_is_one_run() -> None:
    module = module_of(CLASSES)
    trained(module, "classes", "--epochs", "2", "--checkpoint", "c.ck")
    trained(module, "classes", "--resume", "c.ck", "--epochs", "5")
    text = reported()
    assert "Resumed after epoch 2." in text
    rows = re.findall(r"<tr><td>(\d+)</td>", text)
    assert rows[:5] == ["1", "2", "3", "4", "5"]
    assert "Upright lines: resumed after epoch 2" in text


def test_run_that_diverged() -> None:
    fields = {"epochs": 40, "learning_rate": 1e6}
    spec = spec_of(**{**VALUES.normalised(), "hyperparameters": fields})
    command = ["train", "--data", "values.npz", "--log", "run.jsonl"]
    assert module_of(spec).main(command) == 1
    text = reported()
    assert re.search(r'class="verdict bad">Diverged in epoch \d+, step \d+', text)


def test_quiet_run_has_a_page() -> None:
    trained(module_of(CLASSES), "classes", "--quiet")
    assert "The log has epochs, but no costs: the run was not evaluated." in reported()


def test_evaluation_alone_has_a_page() -> None:
    module = module_of(CLASSES)
    assert module.main(["train", "--data", "classes.npz", "--quiet"]) == 0
    command = ["evaluate", "--data", "classes.npz", "--log", "run.jsonl"]
    assert module.main(command) == 0
    text = reported()
    assert "Evaluated after 4 epochs of training." in text
    assert "On the data given to evaluate: cost " in text


def test_log_as_a_table_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "--data", "classes.npz", "--log", "run.csv"]
    assert module_of(CLASSES).main(command) == 0
    assert main(["report", "run.csv"]) == 2
    assert "run.csv: a .csv log has the numbers" in capsys.readouterr().err
