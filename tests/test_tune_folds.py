"""`bpcompile tune --folds K`: every trial is K trainings, their mean is what counts."""

from __future__ import annotations

import json
import pathlib
import statistics
import sys
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from support import SPECS, bpcompile, renderer, run
from tuned import DATA, RATE, ended, study, tune, write_search

from bpcompile.cli import main
from bpcompile.tuning import attempt
from bpcompile.tuning.objective import Objective
from bpcompile.tuning.study import open_study
from bpcompile.tuning.trainer import build

TRIALS = pathlib.Path("digits.tune", "trials")
RATES = {"set": {RATE: {"float": [0.1, 1]}}}
SHARE, FOLD = "hyperparameters.validation_fraction", "hyperparameters.validation_fold"
LOGGED = ("validation_accuracy", "validation_cost")


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder; pages without pictures, templates compiled once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bpcompile.tuning.page.plots", lambda *_: ())
    monkeypatch.setattr(
        "bpcompile.tuning.searching.Renderer", lambda target: renderer(target.name)
    )


def results(trial: int, count: int) -> list[dict[str, Any]]:
    """What the trainers of a trial's folds say of themselves."""
    folders = (TRIALS / f"{trial:04d}" / f"fold-{k}" for k in range(1, count + 1))
    return [json.loads((held / "result.json").read_text()) for held in folders]


def saved(trial: int, count: int, series: str) -> list[float]:
    return [result["saved"][series] for result in results(trial, count)]


def test_mean_over_all_folds_is_what_counts(capsys: Any) -> None:
    write_search(space=RATES)
    assert tune("--trials", 2, "--folds", 3) == 0
    out, err = capsys.readouterr()
    trials = ended(study())
    for trial in trials:
        for name, mean in zip(
            LOGGED, (trial.value, trial.user_attrs["ties"]), strict=True
        ):
            values = saved(trial.number, 3, name)
            assert len(set(values)) == 3  # each was measured on other rows
            assert mean == statistics.fmean(values)
            kept = json.loads((TRIALS / f"{trial.number:04d}/result.json").read_text())
            assert kept["folds"] == 3
            assert kept["values"][name] == values
            assert kept["mean"][name] == mean
            assert kept["deviation"][name] == statistics.stdev(values)
        values = saved(trial.number, 3, LOGGED[0])
        means = [statistics.fmean(values[:k]) for k in (1, 2, 3)]
        assert trial.intermediate_values == dict(enumerate(means, start=1))
        said = f"{trial.value:.4f} after 6 epochs in 3 folds, "
        assert f"{said}deviation {statistics.stdev(values):.4f}" in err
    # Best first, with how far its folds are apart.
    best = max(trials, key=lambda trial: trial.value or 0)
    apart = statistics.stdev(saved(best.number, 3, LOGGED[0]))
    head, row = out.splitlines()[2:4]
    assert head.split()[:4] == ["trial", LOGGED[0], "deviation", LOGGED[1]]
    measured = best.value, apart, best.user_attrs["ties"]
    assert row.split()[:4] == [
        str(best.number),
        *(f"{value:.4f}" for value in measured),
    ]
    text = pathlib.Path("digits.tune/trials.html").read_text(encoding="utf-8")
    assert f"accuracy {best.value:.4f} ± {apart:.4f} over 3 folds." in text
    assert "each of 3 folds in its turn" in text
    # The best spec trains on all data, as its author said.
    written = json.loads(pathlib.Path("digits.tune/best.json").read_text())
    given = json.loads(pathlib.Path("digits.json").read_text())
    assert written["hyperparameters"].pop("learning_rate") == best.params[RATE]
    del given["hyperparameters"]["learning_rate"]
    assert written == given


def test_fold_is_the_training_that_anybody_may_repeat() -> None:
    """And together they hold every example out, once."""
    write_search(space=RATES)
    assert tune("--trials", 1, "--folds", 2) == 0
    (trial,) = ended(study())
    data = np.load(DATA)
    np.savez("train.npz", x=data["x_train"], y=data["y_train"])
    for number, expected in enumerate(results(0, 2), start=1):
        fold = f'{FOLD}={{"number": {number}, "of": 2}}'
        given = [w for one in (*trial.user_attrs["set"], fold) for w in ("--set", one)]
        done = bpcompile("digits.json", *given, "-o", "again.py", "--force")
        assert done.returncode == 0
        words = ("train", "--data", "train.npz", "--result", "again.json")
        assert run(sys.executable, "again.py", *words).returncode == 0
        again = json.loads(pathlib.Path("again.json").read_text())
        assert again["spec_sha256"] == expected["spec_sha256"]
        assert {k: v for k, v in again["saved"].items() if k in LOGGED} == {
            k: v for k, v in expected["saved"].items() if k in LOGGED
        }
        log = (TRIALS / f"0000/fold-{number}/log.jsonl").read_text().splitlines()
        examples = json.loads(log[0])["examples"]
        assert examples == {"train": 750, "validation": 750, "test": None}


def test_hopeless_trial_is_pruned_after_two_folds(capsys: Any) -> None:
    """Of five that have learnt it is known already."""
    values = optuna.distributions.FloatDistribution(1e-9, 1)
    write_search(epochs=1, space={"set": {RATE: {"float": [values.low, values.high]}}})
    pathlib.Path("digits.tune").mkdir()
    begun = optuna.create_study(
        storage="sqlite:///digits.tune/study.db",
        study_name="digits",
        direction="maximize",
    )
    learnt = optuna.create_trial(
        value=0.9,
        intermediate_values=dict.fromkeys((1, 2, 3), 0.9),
        params={RATE: 0.6},
        distributions={RATE: values},
        user_attrs={"set": [f"{RATE}=0.6"]},
    )
    begun.add_trials([learnt] * 5)
    begun.enqueue_trial({RATE: 1e-9})
    assert tune("--trials", 6, "--folds", 3) == 0
    out, err = capsys.readouterr()
    *_, hopeless = ended(study())
    assert hopeless.state == TrialState.PRUNED
    assert [*hopeless.intermediate_values] == [1, 2]
    assert "trial 5: pruned after 2 epochs, 2 of 3 folds (6 of 6)" in err
    assert hopeless.user_attrs["epochs"] == 2
    assert not (TRIALS / "0005/fold-3").exists()
    assert not [*TRIALS.glob("*/*/checkpoint*")]
    # What it came to stands in the table, of its two folds.
    row = out.splitlines()[8].split()
    assert row[:2] == ["5", f"{statistics.fmean(saved(5, 2, LOGGED[0])):.4f}"]


@pytest.mark.parametrize(("folds", "let_be"), [(False, 3), (True, 1)])
def test_pruner_lets_the_first_steps_be(folds: bool, let_be: int) -> None:
    """Three epochs, or a fold: of what one fold says, its rows are a part."""
    objective = Objective(LOGGED[0], folds=folds)
    pruner = open_study("sqlite:///p.db", "p", objective, True).study.pruner
    held = optuna.create_study(pruner=pruner, direction="maximize")
    good = {step: 0.9 for step in range(1, 6)}
    for _ in range(5):
        held.add_trial(optuna.create_trial(value=0.9, intermediate_values=good))
    trial = held.ask()
    found = []
    for step in good:
        trial.report(0.1, step)
        found.append(trial.should_prune())
    assert found == [step > let_be for step in good]


def test_trial_that_fails_in_one_fold_is_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    fails = (sys.executable, "-c", "import sys; sys.exit('error: no more')")

    def built(text: str, target: Any, folder: pathlib.Path) -> tuple[str, ...]:
        command = build(text, target, folder)
        return fails if folder == TRIALS / "0000" / "fold-2" else command

    monkeypatch.setattr(attempt, "build", built)
    write_search(space=RATES)
    assert tune("--trials", 2, "--folds", 3) == 0
    out, err = capsys.readouterr()
    failed, good = ended(study())
    assert failed.state == TrialState.FAIL
    assert failed.user_attrs["failure"].startswith("fold 2: ")
    assert failed.user_attrs["epochs"] == 2
    assert not (TRIALS / "0000/fold-3").exists()
    assert good.state == TrialState.COMPLETE
    assert "digits: 2 trials, 1 complete, 1 failed" in out
    assert "trial 0: failed: fold 2: " in err


def test_regression_has_folds_too(capsys: Any) -> None:
    """What decides is the cost itself; here rows are dealt without classes."""
    x = np.linspace(-3, 3, 61)[:, None]
    np.savez("sine.npz", x=x, y=np.sin(x))
    epochs = {"set": {"hyperparameters.epochs": {"int": [1, 40]}}}
    pathlib.Path("space.json").write_text(json.dumps(epochs))
    words = ("--space", "space.json", "--data", "sine.npz", "--trials", "2")
    assert main(["tune", str(SPECS / "sine.json"), *words, "--folds", "4"]) == 0
    values = [trial.value for trial in ended(study("sine"))]
    head, row = capsys.readouterr().out.splitlines()[2:4]
    assert head.split()[:4] == ["trial", "validation_cost", "deviation", "state"]
    assert row.split()[1] == f"{min(v for v in values if v is not None):.4f}"


@pytest.mark.parametrize(
    ("own", "words", "held_out"),
    [
        ({"validation_fraction": 0.3}, ("--folds", 2), [750, 750]),
        ({"validation_fold": {"number": 1, "of": 4}}, (), [375]),
        (
            {"validation_fold": {"number": 1, "of": 4}},
            ("--validation-fraction", 0.5),
            [750],
        ),
    ],
    ids=["folds", "spec's own fold", "share"],
)
def test_what_is_asked_for_takes_the_place_of_what_the_spec_holds_out(
    own: dict[str, Any], words: tuple[Any, ...], held_out: list[int]
) -> None:
    write_search(space=RATES, **own)
    assert tune("--trials", 1, *words) == 0
    logs = TRIALS.glob("0000/**/log.jsonl")
    starts = (json.loads(log.read_text().splitlines()[0]) for log in logs)
    assert [start["examples"]["validation"] for start in starts] == held_out
    # The best spec has it again.
    best = json.loads(pathlib.Path("digits.tune/best.json").read_text())
    assert own.items() <= best["hyperparameters"].items()


#: Arguments beside those of every search, and what is said of them.
REFUSED: list[tuple[str, str]] = [
    ("--folds 1", "argument --folds: must be a whole number from 2, not '1'"),
    ("--folds two", "argument --folds: must be a whole number from 2, not 'two'"),
    (
        "--folds 5 --validation-fraction 0.2",
        "give --validation-fraction or --folds, not both",
    ),
    ("--folds 1501", "the trainer: 1501 folds need as many rows, x has 1500"),
    ("--folds 5 --space share.json", f"--folds does not go with {SHARE} in the space"),
    (
        "--folds 5 --space fold.json",
        f"--folds does not go with {FOLD}.number in the space",
    ),
]


@pytest.mark.parametrize("given, message", REFUSED, ids=[g for g, _ in REFUSED])
def test_what_cannot_be_is_said_before_the_first_trial(
    given: str, message: str, capsys: Any
) -> None:
    write_search(space=RATES)
    for name, path, values in (
        ("share.json", SHARE, {"float": [0.1, 0.5]}),
        ("fold.json", f"{FOLD}.number", {"int": [1, 5]}),
    ):
        pathlib.Path(name).write_text(json.dumps({"set": {path: values}}))
    assert tune("--trials", 1, *given.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0].endswith(message)
    assert not [*pathlib.Path().glob("*.tune/trials/*")]


def test_study_of_other_folds_is_not_gone_on_with(capsys: Any) -> None:
    write_search(space=RATES)
    for name, first, others in (
        ("folds", ("--folds", 2), ((), ("--folds", 3))),
        ("share", (), (("--folds", 2),)),
    ):
        assert tune("--trials", 1, "--study", name, *first) == 0
        for words in others:
            capsys.readouterr()
            assert tune("--trials", 1, "--study", name, *words) == 2
            said = f"the study {name} was begun with another number of folds; --study"
            assert said in capsys.readouterr().err
        assert len(study(name).get_trials()) == 1
