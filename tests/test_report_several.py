"""The page of several runs: curves over each other, and what differs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from html_pages import HOSTILE, Page, assert_links_lead_somewhere, assert_self_contained
from run_logs import CLASSES, VALUES, end, epoch, start, whole, written
from support import bpcompile, spec_of

from bpcompile.reporting.log import read_log
from bpcompile.reporting.several import page_of_several

FIELDS = CLASSES.normalised()
HYPER = FIELDS["hyperparameters"]


def runs(path: Path, *logs: list[dict[str, Any]]) -> list[Any]:
    files = (written(path / f"run_{i}.jsonl", log) for i, log in enumerate(logs))
    return [read_log(str(file)) for file in files]


def rows(text: str) -> dict[str, list[str]]:
    """The cells of each row by its head."""
    found = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', text)
    return {head: re.findall(r"<td>(.*?)</td>", rest) for head, rest in found}


def other(**hyperparameters: Any) -> list[dict[str, Any]]:
    spec = spec_of(**{**FIELDS, "hyperparameters": {**HYPER, **hyperparameters}})
    return [start(spec), *map(epoch, range(1, 6)), end(5)]


def test_what_differs_is_listed_with_what_it_is_in_each(tmp_path: Path) -> None:
    deeper = spec_of(layers=[4, 5, 6, 3], cost="cross_entropy", name="classes")
    logs = (
        whole(),
        other(learning_rate=0.125, optimizer="adam"),
        [start(deeper, seed=9), epoch(1, 4)],
    )
    text = page_of_several(runs(tmp_path, *logs))
    found = rows(text)
    assert found["/hyperparameters/learning_rate"] == ["0.5", "0.125", "="]
    assert found["/hyperparameters/optimizer"][::2] == ["sgd", "="]
    assert found["/hyperparameters/optimizer"][1].startswith("adam (beta1 0.9")
    assert found["seed"] == ["7", "7", "9"]
    (inserted,) = (cells for head, cells in found.items() if head == "/layers/2")
    assert inserted[0] == "none" and "6" in inserted[2]
    assert found["epochs"] == ["3", "5", "1"]
    assert found["best test accuracy"][1] == "85.00 %, epoch 5"
    assert not {"machine", "threads", "target"} & found.keys()


def test_curves_of_all_are_in_one_chart(tmp_path: Path) -> None:
    text = page_of_several(runs(tmp_path, whole(), other(learning_rate=0.1)))
    described = [d for d in Page(text).all("desc") if "run_0: 1.5 at epoch 1" in d]
    assert len(described) == 1
    assert "run_1: 1.5 at epoch 1, 0.3 at 5" in described[0]


def test_same_run_twice_has_two_names_and_no_difference(tmp_path: Path) -> None:
    path = written(tmp_path / "run.jsonl", whole())
    run = read_log(str(path))
    text = page_of_several([run, run])
    assert "Nothing: the same spec, seed, data sizes and environment." in text
    assert "run (1)" in text and "run (2)" in text


def test_runs_without_a_series_in_common(tmp_path: Path) -> None:
    only = {"event": "epoch", "epoch": 1, "cost": 0.5}
    text = page_of_several(runs(tmp_path, whole(), [start(VALUES), only]))
    assert rows(text)["test accuracy at the end"] == ["75.00 %", ""]
    assert rows(text)["training cost at the end"][1] == "0.5"


def test_page_is_well_formed_escaped_small_and_the_same_twice(tmp_path: Path) -> None:
    hostile = spec_of(**{**FIELDS, "description": HOSTILE})
    environment = {HOSTILE: HOSTILE}
    logs = [whole(), *([start(hostile, environment=environment), epoch(1)],) * 7]
    found = runs(tmp_path, *logs)
    text = page_of_several(found)
    assert_links_lead_somewhere(Page(text))
    assert_self_contained(text)
    assert text.count("<script") == 1
    assert not re.search("[\u202e\u2028\x00-\x09\x0b-\x1f\x7f]", text)
    assert len(text.encode()) < 200_000
    assert page_of_several(found) == text


def test_command_takes_several_logs(tmp_path: Path) -> None:
    a, b = (written(tmp_path / f"{name}.jsonl", whole()) for name in "ab")
    done = bpcompile("report", a, b)
    assert (done.returncode, done.stderr) == (0, "")
    assert "<title>a, b: runs</title>" in done.stdout
