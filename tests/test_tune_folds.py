"""What trials of `bpcompile tune` are compared by: folds, whose mean counts, data given."""

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


def new_study() -> optuna.Study:
    """One that has trials before the search."""
    pathlib.Path("digits.tune").mkdir()
    return optuna.create_study(
        storage="sqlite:///digits.tune/study.db",
        study_name="digits",
        direction="maximize",
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
    begun = new_study()
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


@pytest.mark.parametrize("done", [1, 3])
def test_folds_that_another_machine_has_trained_are_not_trained_again(
    done: int,
) -> None:
    """It was killed in its second fold, or after its last but before it said so."""
    before = {"value": 0.5, "ties": 1.0, "epochs": 2}
    gone = {"place": "elsewhere", "folder": "0007", "folds": [before] * done}
    write_search(space=RATES)
    values = optuna.distributions.FloatDistribution(0.1, 1)
    waiting = optuna.create_trial(
        state=TrialState.WAITING,
        params={RATE: 0.5},
        distributions={RATE: values},
        user_attrs=gone,
    )
    new_study().add_trial(waiting)
    assert tune("--trials", 1, "--folds", 3) == 0
    (trial,) = ended(study())
    here = [path.name for path in sorted(TRIALS.glob("*/fold-*"))]
    assert here == [f"fold-{k}" for k in range(done + 1, 4)]
    found = [
        json.loads((TRIALS / "0000" / name / "result.json").read_text())["saved"]
        for name in here
    ]
    expected = [0.5] * done + [saved["validation_accuracy"] for saved in found]
    assert trial.value == statistics.fmean(expected)
    kept = json.loads((TRIALS / "0000/result.json").read_text())
    assert kept["values"]["validation_accuracy"] == expected


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
    program = "import sys; print('error: no more', file=sys.stderr); sys.exit(3)"
    fails = (sys.executable, "-c", program)

    def built(text: str, target: Any, folder: pathlib.Path) -> tuple[str, ...]:
        command = build(text, target, folder)
        return fails if folder == TRIALS / "0000" / "fold-2" else command

    monkeypatch.setattr(attempt, "build", built)
    write_search(space=RATES)
    assert tune("--trials", 2, "--folds", 3) == 0
    out, err = capsys.readouterr()
    failed, good = ended(study())
    assert failed.state == TrialState.FAIL
    assert failed.user_attrs["failure"] == "fold 2: no more"
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


# ---- Data of one's own -----------------------------------------------------------------


def write_given(count: int = 60) -> None:
    """given.npz: training images, of which there are more than these."""
    data = np.load(DATA)
    np.savez("given.npz", x=data["x_train"][:count], y=data["y_train"][:count])


def test_given_data_are_what_counts_and_what_early_stopping_follows(
    capsys: Any,
) -> None:
    write_search(8, space=RATES, early_stopping={"patience": 2, "monitor": "cost"})
    write_given()
    assert tune("--trials", 1, "--validation", "given.npz") == 0
    (trial,) = ended(study())
    data = np.load(DATA)
    np.savez("train.npz", x=data["x_train"], y=data["y_train"])
    given = [w for one in trial.user_attrs["set"] for w in ("--set", one)]
    assert bpcompile("digits.json", *given, "-o", "again.py").returncode == 0
    words = ("train", "--data", "train.npz", "--test", "given.npz")
    done = run(sys.executable, "again.py", *words, "--result", "again.json")
    assert done.returncode == 0
    again = json.loads(pathlib.Path("again.json").read_text())
    assert trial.value == again["saved"]["test_cost"]
    assert [*trial.intermediate_values] == [*range(1, again["last"]["epoch"] + 1)]
    log = (TRIALS / "0000/log.jsonl").read_text().splitlines()
    examples = json.loads(log[0])["examples"]
    assert {key: examples.get(key) for key in ("train", "test", "validation")} == {
        "train": 1500,
        "test": 60,
        "validation": None,
    }
    head = capsys.readouterr().out.splitlines()[2]
    assert head.split()[:3] == ["trial", "validation_cost", "state"]
    text = pathlib.Path("digits.tune/trials.html").read_text(encoding="utf-8")
    assert "data of its own" in text
    assert "held out" not in text
    # Other data of one's own are other data.
    write_given(61)
    assert tune("--trials", 1, "--validation", "given.npz") == 2
    assert "was begun with another data" in capsys.readouterr().err


def test_given_data_decide_between_equals_too(capsys: Any) -> None:
    """And take the place of what the spec holds out; a CSV's classes have names."""
    rows = [f"{x},{x * 2},{'cat' if x < 0 else 'dog'}" for x in range(-20, 20)]
    pathlib.Path("two.csv").write_text("\n".join(["a,b,pet", *rows]))
    pathlib.Path("some.csv").write_text("\n".join(["a,b,pet", *rows[::5]]))
    outputs = {"size": 2, "activation": "softmax"}
    fields: dict[str, Any] = {"layers": [2, outputs], "cost": "log_likelihood"}
    fields["hyperparameters"] = {"epochs": 3, "validation_fraction": 0.2}
    pathlib.Path("pets.json").write_text(json.dumps(fields))
    pathlib.Path("space.json").write_text(json.dumps(RATES))
    words = ("--data", "two.csv", "--target", "pet", "--validation", "some.csv")
    search = ("tune", "pets.json", "--space", "space.json", "--study", "pets")
    assert main([*search, *words, "--trials", "2"]) == 0
    trials = ended(study("pets"))
    results = [
        json.loads(path.read_text())["saved"]
        for path in sorted(pathlib.Path().glob("pets.tune/trials/*/result.json"))
    ]
    for trial, saved in zip(trials, results, strict=True):
        assert trial.value == saved["test_accuracy"]
        assert trial.user_attrs["ties"] == saved["test_cost"]
        assert "validation_cost" not in saved


# ---- What is refused -------------------------------------------------------------------

#: Arguments beside those of every search, and what is said of them.
REFUSED: list[tuple[str, str]] = [
    ("--folds 1", "argument --folds: must be a whole number from 2, not '1'"),
    ("--folds two", "argument --folds: must be a whole number from 2, not 'two'"),
    (
        "--folds 5 --validation-fraction 0.2",
        "give --validation-fraction or --folds, not both",
    ),
    ("--folds 5 --validation given.npz", "give --folds or --validation, not both"),
    (
        "--validation given.npz --validation-fraction 0.2",
        "give --validation-fraction or --validation, not both",
    ),
    (
        "--validation given.npz --space share.json",
        f"--validation does not go with {SHARE} in the space",
    ),
    ("--validation none.npz", "cannot read none.npz: No such file or directory"),
    (f"--validation {DATA}", f"{DATA}: has no x, y"),
    ("--validation other.npz", "the trainer: "),
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
    write_given()
    np.savez("other.npz", x=np.zeros((3, 5)), y=np.zeros(3, int))
    assert tune("--trials", 1, *given.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err.splitlines()[0]
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
