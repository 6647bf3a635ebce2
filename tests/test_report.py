"""The page of a run: whole, safe, small, and true to the log."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from html_pages import (
    HOSTILE,
    Page,
    assert_links_lead_somewhere,
    assert_self_contained,
)
from run_logs import (
    VALUES,
    end,
    epoch,
    evaluation,
    start,
    warning,
    whole,
    written,
)
from support import SPECS, bpcompile, run, spec_of

from bpcompile import load_spec
from bpcompile.cli import main
from bpcompile.reporting.log import read_log
from bpcompile.reporting.page import page
from bpcompile.reporting.view import MOST_WARNINGS

#: What a page may have, whatever is in the log.
MOST_BYTES = 200_000
EIGHT = [8, *[8] * 6, 4]
DEEP = spec_of(layers=[3] * 1000, cost="quadratic", name="deep", description="x" * 1000)


def hostile() -> list[dict[str, Any]]:
    spec = spec_of(layers=[4, 5, 2], cost="cross_entropy", description=HOSTILE)
    text = f"{HOSTILE}\n\x1b[2J"
    told = {
        "target": text,
        "compiler": text,
        "spec_sha256": text,
        "classes": [text, "b"],
    }
    names = {"environment": {text: text, "list": [text, {text: 1}]}}
    one = {"row": 1, "true": text, "predicted": [text], "cost": 2.0}
    return [
        start(spec, **told, **names, examples={text: 3}),
        epoch(1, **{text: 1.0, "dead": [0.5]}),
        warning(1, text, kind=text),
        evaluation([[3, 1], [2, 4]], data=text, worst=[one], **{text: 2.0}),
        end(1, reason=text, message=text),
    ]


def many_epochs() -> list[dict[str, Any]]:
    """A noisy run of eight layers: no curve is smooth."""
    noise = [(7919 * i % 1000) / 1000 for i in range(1, 2001)]
    spec = spec_of(layers=EIGHT, cost="cross_entropy", name="many")
    rows = (
        epoch(
            i,
            8,
            cost=noise[i],
            test_cost=noise[-i],
            learning_rate=noise[i] + 0.1,
            gradient_norms=[n + 1e-9 for n in noise[i : i + 7]],
            saturated=noise[2 * i - 1 :][:6],
            dead=noise[i : i + 6],
            update_ratios=noise[i : i + 7],
        )
        for i in range(1, 1001)
    )
    return [start(spec), *rows, end(1000)]


def crowded() -> list[dict[str, Any]]:
    """As many warnings, classes, facts and mistakes as somebody may log."""
    spec = spec_of(layers=[4, 5, 200], cost="cross_entropy", name="crowded")
    names = [f"class number {i} with quite a long name" for i in range(200)]
    about = {f"key {i}": "value " * 100 for i in range(500)}
    warnings = (warning(1, "much to say " * 100) for _ in range(500))
    one = {"row": 1, "true": 2, "predicted": 3, "cost": 2.0}
    extra = {f"series {i}": float(i) for i in range(300)}
    return [
        start(spec, classes=names, environment=about),
        *(epoch(i, **extra) for i in range(1, 100)),
        *warnings,
        evaluation(
            [[i + j for i in range(200)] for j in range(200)], worst=[one] * 500
        ),
    ]


def deep() -> list[dict[str, Any]]:
    ends = (epoch(1, 1000), epoch(2, 1000))
    return [start(DEEP), *ends, end(2)]


def diverged() -> list[dict[str, Any]]:
    bad = epoch(2, cost=None, test_cost=None, gradient_norms=[None, None])
    said = "diverged in epoch 3, step 5: try a smaller learning rate"
    return [start(), epoch(1), bad, end(2, "diverged", said)]


def regression() -> list[dict[str, Any]]:
    only = {"cost": 0.5, "test_cost": 0.6, "seconds": 0.1, "update_ratios": None}
    fit = {"event": "evaluation", "data": "test", "cost": 0.6, "r2": [0.875]}
    one = {"row": 3, "true": [1.5], "predicted": [0.25]}
    rows = ({"event": "epoch", "epoch": i, **only} for i in (1, 2))
    return [start(VALUES), *rows, fit | {"worst": [one]}, end(2)]


def stopped() -> list[dict[str, Any]]:
    return [start(), epoch(1), end(1, "stopped", "no better test_cost in 1 epochs")]


def no_test_set() -> list[dict[str, Any]]:
    only = {"cost": 0.5, "accuracy": 0.75, "seconds": 0.1, "sampled": 100}
    return [start(), *({"event": "epoch", "epoch": i, **only} for i in (1, 2)), end(2)]


def resumed() -> list[dict[str, Any]]:
    before = [start(), *map(epoch, (1, 2, 3)), end(3, "interrupted")]
    return [*before, start(epoch=2), epoch(3), epoch(4), end(4)]


LOGS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "whole": whole,
    "hostile": hostile,
    "many epochs": many_epochs,
    "crowded": crowded,
    "deep": deep,
    "diverged": diverged,
    "regression": regression,
    "no test set": no_test_set,
    "resumed": resumed,
    "only begun": lambda: [start()],
    "only evaluated": lambda: [start(epoch=9), evaluation([[1, 2, 0]] * 3)],
    "not evaluated": lambda: [start(), {"event": "epoch", "epoch": 1}, end(1)],
}


def made(path: Path, events: list[dict[str, Any]], rest: str = "") -> str:
    return page(read_log(str(written(path / "run.jsonl", events, rest))))


@pytest.fixture(scope="module", params=LOGS)
def text(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> str:
    return made(tmp_path_factory.mktemp("run"), LOGS[request.param]())


def test_page_is_well_formed_small_and_loads_nothing(text: str) -> None:
    found = Page(text)
    assert found.values("href")
    assert_links_lead_somewhere(found)
    assert_self_contained(text)
    assert len(text.encode()) < MOST_BYTES


def test_text_of_the_log_is_escaped_and_moves_nothing(text: str) -> None:
    assert text.count("<script") == 1
    assert "<img" not in text
    assert not re.search("[\u202e\u2028\x00-\x09\x0b-\x1f\x7f]", text)


def test_numbers_of_a_path_are_numbers(text: str) -> None:
    for path in Page(text).values("d"):
        assert re.fullmatch(r"[MHVLCZ\d. ,-]+", path), path


def test_same_bytes_twice(tmp_path: Path) -> None:
    assert made(tmp_path, whole()) == made(tmp_path, whole())


# ---- What it says ------------------------------------------------------------------


def cells(text: str) -> set[str]:
    found = Page(text)
    return {cell.strip() for tag in ("td", "th") for cell in found.all(tag)}


def test_head_says_how_it_ended_and_the_best(tmp_path: Path) -> None:
    found = Page(made(tmp_path, whole()))
    tiles = dict(zip(found.all("dt"), found.all("dd"), strict=True))
    assert tiles["test accuracy at the end"] == "75.00 %"
    assert tiles["best test accuracy, epoch 3"] == "75.00 %"
    assert tiles["test cost at the end"] == "0.5"
    assert tiles["parameters"] == "43"
    assert "Finished after epoch 3." in set(found.all("p"))


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (diverged, "Diverged in epoch 3, step 5: try a smaller learning rate."),
        (stopped, "Stopped early, after epoch 1: no better test_cost in 1 epochs."),
        (resumed, "Resumed after epoch 2."),
        (LOGS["only evaluated"], "Evaluated after 9 epochs of training."),
        (LOGS["only begun"], "The log has no epoch, so there are no curves."),
        (LOGS["not evaluated"], "The log has epochs, but no costs: the run was not"),
        (no_test_set, "Training: measured on 100 of the examples."),
        (regression, "On test data: cost 0.6, R2 0.875."),
        (crowded, "And 460 more."),
    ],
)
def test_what_is_unusual_is_said(
    events: Callable[[], Any], said: str, tmp_path: Path
) -> None:
    texts = Page(made(tmp_path, events())).all("p")
    assert [text for text in texts if said in text]


def test_log_cut_off_is_used_and_said(tmp_path: Path) -> None:
    text = made(tmp_path, [start(), epoch(1)], '{"event": "epo')
    texts = set(Page(text).all("p"))
    assert "The last line of the log is cut off; it is left out." in texts
    said = "The log ends with epoch 1 and does not say why: still running, or it was "
    assert said + "killed." in texts


def test_curves_are_those_of_the_log(tmp_path: Path) -> None:
    text = made(tmp_path, whole())
    said = set(Page(text).all("desc"))
    training = "training: 1 at epoch 1, 0.3333 at 3, between 0.3333 and 1."
    test = "test: 1.5 at epoch 1, 0.5 at 3, between 0.5 and 1.5."
    assert f"{training} {test}" in said
    # A rate that never changes is no curve, nor is a share that is always zero.
    assert "Learning rate" not in text
    assert "Dead units: none, in no layer and no epoch." in text


def test_best_epoch_is_listed_among_a_thousand(tmp_path: Path) -> None:
    events = many_epochs()
    events[444]["test_accuracy"] = 1.0
    text = made(tmp_path, events)
    assert "444" in cells(text)
    assert "best test accuracy, epoch 444" in text


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a thousand layers."""
    return made(tmp_path_factory.mktemp("deep"), deep())


def test_deep_network_has_its_layers_along_the_axis(thousand: str) -> None:
    """Where gradients vanish is seen along the layers; all curves would be a tangle."""
    text = thousand
    assert "Norm of the gradient, ∂C/∂b: layer by layer" in text
    assert "8 of 999 layers." in text
    described = "epoch 1: 2 at layer 2, 1,000 at 1,000, between 2 and 1,000."
    assert described in " ".join(Page(text).all("desc"))


def test_warnings_stand_before_the_curves_and_are_marked_there(tmp_path: Path) -> None:
    events = [
        start(),
        epoch(1),
        epoch(2),
        warning(2, "half of them are dead"),
        epoch(3),
    ]
    text = made(tmp_path, events)
    assert text.index("half of them are dead") < text.index('id="curves"')
    assert "epoch 2, layer 2" in set(Page(text).all("b"))
    assert "Upright lines: warning: dead units." in " ".join(Page(text).all("p"))


def test_confusion_matrix_with_recall_and_precision(tmp_path: Path) -> None:
    events = [start(classes=["ant", "bee", "cat"]), *whole()[1:]]
    found = cells(made(tmp_path, events))
    assert {"ant", "bee", "cat"} <= found
    assert {"90.00 %", "80.00 %", "100.00 %"} <= found  # recall
    assert {"88.89 %", "83.33 %"} <= found  # precision of bee and cat


def test_two_classes_of_one_output_are_called_by_their_labels(tmp_path: Path) -> None:
    layers = [2, {"size": 1, "activation": "tanh"}]
    spec = spec_of(layers=layers, cost="quadratic", name="sides")
    text = made(tmp_path, [start(spec), evaluation([[3, 1], [2, 4]])])
    assert {"-1", "1", "75.00 %", "66.67 %"} <= cells(text)


def test_many_classes_are_told_by_their_most_frequent_mistakes(tmp_path: Path) -> None:
    spec = spec_of(layers=[4, 30], cost="cross_entropy")
    confusion = [[5 * (i == j) for j in range(30)] for i in range(30)]
    confusion[12][17], confusion[3][4] = 4, 1
    text = made(tmp_path, [start(spec), evaluation(confusion)])
    rows = re.findall(r"<tr><td>(\d+)</td><td>(\d+)</td><td>(\d+)</td></tr>", text)
    assert rows == [("12", "17", "4"), ("3", "4", "1")]


def test_mistakes_have_the_names_of_their_classes(tmp_path: Path) -> None:
    worst = [{"row": 1500, "true": 2, "predicted": 0, "cost": 3.5}]
    about = start(classes=["ant", "bee", "cat"])
    text = made(tmp_path, [about, evaluation([[1, 0, 0]] * 3, worst=worst)])
    assert "<td>1,500</td><td>cat</td><td>ant</td><td>3.5</td>" in text


def test_labels_that_no_float_can_hold_are_shown_as_they_are(tmp_path: Path) -> None:
    worst = [{"row": 1, "true": 10**400, "predicted": [None, 1], "cost": None}]
    text = made(tmp_path, [start(), evaluation(worst=worst)])
    assert "<td>1000000" in text
    assert "<td>[null,1]</td>" in text


def test_environment_sizes_and_spec_are_there(tmp_path: Path) -> None:
    found = made(tmp_path, whole())
    assert {"made_up_64", "machine", "train examples", "120", "seed", "7"} <= cells(
        found
    )
    (code,) = Page(found).all("code")
    assert '"cost": "cross_entropy"' in code


def test_warnings_beyond_what_a_page_holds_are_counted(tmp_path: Path) -> None:
    text = made(tmp_path, crowded())
    assert (
        len([li for li in Page(text).all("li") if "much to say" in li]) == MOST_WARNINGS
    )


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.json")), ids=lambda p: p.stem)
def test_every_layers_equations_are_there(path: Path, tmp_path: Path) -> None:
    """Of every spec of the gallery, those with formulas of their own among them."""
    spec = load_spec(path)
    text = made(tmp_path, [start(spec), end(0)])
    heads = [h for h in Page(text).all("h3") if h.startswith("Layer ")]
    likewise = re.findall(r"Layers? (\d+)(?: to (\d+))? likewise", text)
    told = sum(int(b or a) - int(a) + 1 for a, b in likewise)
    assert len(heads) + told == len(spec.layers)
    labels = re.findall(r'<span class="label">(\w+)</span>', text)
    assert labels.count("BP1") == 1
    assert labels.count("BP4") == labels.count("BP3") == len(heads) - 1
    assert text.count("<math") > len(spec.layers)


def test_layers_that_are_alike_are_told_once(thousand: str) -> None:
    text = thousand
    assert "Layers 3 to 999 likewise, with their own numbers." in text
    heads = [h for h in Page(text).all("h3") if h.startswith("Layer ")]
    assert len(heads) == 3


def test_layers_that_all_differ_are_left_out_in_the_middle(tmp_path: Path) -> None:
    spec = spec_of(layers=[*range(40, 10, -1)], cost="quadratic")
    text = made(tmp_path, [start(spec), end(0)])
    assert "Layers 6 to 28 are left out here; bpcompile explain has them all." in text


# ---- The command -------------------------------------------------------------------


def test_command_writes_the_page_and_writes_it_again(tmp_path: Path) -> None:
    log, output = written(tmp_path / "run.jsonl", whole()), tmp_path / "report.html"
    for _ in range(2):
        done = bpcompile("report", log, "-o", output)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert output.read_text("utf-8") == made(tmp_path, whole())
    written(log, [*whole()[:-1], end(3, "stopped")])
    assert bpcompile("report", log, "-o", output).returncode == 0
    assert "Stopped early, after epoch 3." in output.read_text("utf-8")


def test_log_from_standard_input(tmp_path: Path) -> None:
    log = written(tmp_path / "run.jsonl", whole())
    done = bpcompile("report", "-", input=log.read_text("utf-8"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "report of stdin" in done.stdout


def test_page_needs_no_numpy(tmp_path: Path) -> None:
    """NumPy takes longer to load than the page to be made."""
    log = written(tmp_path / "run.jsonl", whole())
    code = f"""
import sys
from bpcompile.cli import main
assert main(["report", {str(log)!r}, "-o", {str(tmp_path / "r.html")!r}]) == 0
assert "numpy" not in sys.modules
"""
    done = run(sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr


WRONG = {
    "no log": ([], "the following arguments are required: LOG"),
    "data alone": (
        ["run.jsonl", "--data", "d.npz"],
        "--data FILE needs --weights FILE",
    ),
    "image alone": (["run.jsonl", "--image", "2x2"], "--image HxW goes with --weights"),
    "image": (
        ["run.jsonl", "--weights", "w", "--image", "28"],
        '--image takes rows x columns, as in 28x28, not "28"',
    ),
    "weights of two": (
        ["run.jsonl", "run.jsonl", "--weights", "w"],
        "--weights goes with one log",
    ),
    "nine": (["run.jsonl"] * 9, "report takes at most 8 logs, got 9"),
    "stdin twice": (["-", "-"], "only one of the logs can be standard input"),
    "itself": (["run.jsonl", "-o", "run.jsonl"], "input and output are the same file"),
    "folder": (["run.jsonl", "-o", "."], "is a directory; -o takes a file"),
    "foreign": (
        ["run.jsonl", "-o", "mine.txt"],
        "mine.txt: is not generated by bpcompile; --force replaces it",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_command_lines_are_said(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    written(Path("run.jsonl"), whole())
    Path("mine.txt").write_text("mine")
    arguments, said = WRONG[name]
    assert main(["report", *arguments]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert said in err
    assert "Traceback" not in err
    assert Path("mine.txt").read_text() == "mine"
    assert {p.name for p in Path().iterdir()} == {"run.jsonl", "mine.txt"}
