"""`bpcompile tune`: trials are trainings, the best is a spec, the page holds all of it."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys
from typing import Any

import numpy as np
import optuna
import pytest
from html_pages import Page, assert_self_contained
from optuna.trial import TrialState
from support import SPECS, bpcompile, renderer, run
from tuned import DATA, RATE, SIZE, best_of, ended, study, tune, write_search

from bpcompile import load_spec
from bpcompile.cli import main
from bpcompile.errors import UserError
from bpcompile.tuning import table
from bpcompile.tuning.objective import objective

OUTPUTS = "layers[2].size"


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without pictures: drawing them takes longer than a short search. And the
    templates are compiled once for all tests."""
    monkeypatch.setattr("bpcompile.tuning.page.plots", lambda *_: ())
    monkeypatch.setattr(
        "bpcompile.tuning.searching.Renderer", lambda target: renderer(target.name)
    )


def new_study() -> Any:
    """One whose trials somebody queues before a search, which Optuna allows."""
    pathlib.Path("digits.tune").mkdir()
    return optuna.create_study(
        storage="sqlite:///digits.tune/study.db",
        study_name="digits",
        direction="maximize",
    )


def result_of(number: int) -> dict[str, Any]:
    path = pathlib.Path("digits.tune", "trials", f"{number:04d}", "result.json")
    found = json.loads(path.read_text())
    assert isinstance(found, dict)
    return found


def test_search_leaves_the_best_spec_a_table_and_a_page(capsys: Any) -> None:
    write_search()
    assert tune("--trials", 4, "-o", "best.json") == 0
    out, err = capsys.readouterr()
    best = best_of(study())
    values = [trial.value for trial in ended(study())]
    assert len(values) == 4
    # The table has the best first, and all that was tried.
    head, blank, names, first, *_ = out.splitlines()
    assert (head, blank) == ("digits: 4 trials, 4 complete", "")
    assert names.split() == [
        "trial",
        "validation_accuracy",
        "validation_cost",
        "state",
        "epochs",
        "values",
    ]
    assert first.split()[:2] == [str(best.number), f"{best.value:.4f}"]
    assert f"learning_rate {best.params[RATE]:.4g}" in first
    assert len(re.findall(r"^bpcompile: trial \d: validation_acc", err, re.M)) == 4
    # The best spec is what the compiler makes with what the trial has set.
    given = best.user_attrs["set"]
    spec = load_spec("best.json")
    assert spec == load_spec("digits.json", given)
    assert spec.hyperparameters.learning_rate == best.params[RATE]
    assert spec.layers[1].size == best.params[SIZE]
    own = pathlib.Path("digits.tune/best.json").read_text()
    assert own == pathlib.Path("best.json").read_text()
    assert list(json.loads(own)) == list(
        json.loads(pathlib.Path("digits.json").read_text())
    )
    # The page holds the plots, and nothing that comes from elsewhere.
    text = pathlib.Path("digits.tune/trials.html").read_text(encoding="utf-8")
    assert_self_contained(text)
    page = Page(text)
    shown = [
        str(e.attributes["alt"]).partition(":")[0]
        for e in page.elements
        if e.tag == "img"
    ]
    assert shown == [
        "History",
        "Importances",
        "Parallel coordinates",
        "Slices",
        "Curves",
    ]
    assert f"Trial {best.number} is the best" in text
    # A second call has nothing left to do and changes nothing.
    assert tune("--trials", 4, "-o", "best.json") == 0
    assert capsys.readouterr().out == out
    assert pathlib.Path("digits.tune/trials.html").read_text(encoding="utf-8") == text


def test_trial_is_the_training_that_anybody_may_repeat(plain: None) -> None:
    """The contract of a trial is public: `--set`, `--data`, `--result`."""
    write_search()
    assert tune("--trials", 1, "--validation-fraction", 0.3) == 0
    (trial,) = ended(study())
    given = [w for one in trial.user_attrs["set"] for w in ("--set", one)]
    fraction = ("--set", "hyperparameters.validation_fraction=0.3")
    assert bpcompile("digits.json", *given, *fraction, "-o", "again.py").returncode == 0
    data = np.load(DATA)
    np.savez("train.npz", x=data["x_train"], y=data["y_train"])
    words = ("train", "--data", "train.npz", "--result", "again.json")
    assert run(sys.executable, "again.py", *words).returncode == 0
    again = json.loads(pathlib.Path("again.json").read_text())
    assert again["saved"]["validation_accuracy"] == trial.value
    assert again["spec_sha256"] == result_of(0)["spec_sha256"]
    # After every epoch the pruner was told; nothing has seen the test part.
    assert list(trial.intermediate_values) == [1, 2]
    assert not [name for name in result_of(0)["best"] if name.startswith("test_")]
    log = pathlib.Path("digits.tune/trials/0000/log.jsonl").read_text()
    start = json.loads(log.splitlines()[0])
    assert start["examples"] == {"train": 1050, "validation": 450, "test": None}
    assert start["environment"]["OMP_NUM_THREADS"] == "1"


def test_what_is_tried_follows_from_the_seed(plain: None) -> None:
    write_search(1)
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        assert tune("--trials", 2, "--study", name, "--seed", seed) == 0
    one, same, other = (
        [(t.params, t.value) for t in ended(study(name))]
        for name in ("one", "same", "other")
    )
    assert one == same
    assert one != other


def test_failed_trials_are_recorded_and_no_end_of_the_search(
    plain: None, capsys: Any
) -> None:
    """One diverges; labels up to 9 are no classes of another."""
    space = {"set": {RATE: {"float": [0.1, 1e6]}, OUTPUTS: {"choices": [10, 5]}}}
    write_search(space=space)
    begun = new_study()
    for rate, outputs in ((0.5, "10"), (1e6, "10"), (0.5, "5")):
        begun.enqueue_trial({RATE: rate, OUTPUTS: outputs})
    assert tune("--trials", 3) == 0
    out, err = capsys.readouterr()
    good, diverged, wrong = ended(study())
    assert good.state == TrialState.COMPLETE
    # The sampler is to learn from values that diverge, not from an accident.
    assert diverged.state == TrialState.PRUNED
    assert wrong.state == TrialState.FAIL
    assert diverged.user_attrs["failure"].startswith("diverged in epoch 1")
    assert wrong.user_attrs["failure"].endswith(
        "y is 7 at row 2, expected a whole number from 0 to 4"
    )
    for trial in (diverged, wrong):
        said = trial.user_attrs["failure"]
        assert f"trial {trial.number}: failed: {said}" in err
        assert said in out
    assert "digits: 3 trials, 1 complete, 2 failed" in out


def test_sampler_keeps_away_from_values_that_diverge(plain: None, capsys: Any) -> None:
    """Optuna's leave out what has failed, and would draw there again and again."""
    write_search(1, space={"set": {RATE: {"float": [0.1, 1e6], "log": True}}})
    values = optuna.distributions.FloatDistribution(0.1, 1e6, log=True)
    begun = new_study()
    for k in range(8):
        rate = 0.2 * (k + 1)
        learnt = optuna.create_trial(
            value=0.9,
            params={RATE: rate},
            distributions={RATE: values},
            user_attrs={"set": [f"{RATE}={rate}"]},
        )
        begun.add_trial(learnt)
    for rate in (7e5, 8e5, 9e5, 1e6):
        begun.enqueue_trial({RATE: rate})
    assert tune("--trials", 15) == 0
    assert "11 complete, 4 failed" in capsys.readouterr().out
    drawn = [trial.params[RATE] for trial in ended(study())[12:]]
    assert max(drawn) < 1e3, drawn


def test_no_trial_that_ends_is_a_finding(plain: None, capsys: Any) -> None:
    write_search(space={"set": {RATE: {"float": [9e5, 1e6]}}})
    assert tune("--trials", 2) == 1
    out = capsys.readouterr().out
    assert "digits: 2 trials, 2 failed" in out
    assert not pathlib.Path("digits.tune/best.json").exists()
    text = pathlib.Path("digits.tune/trials.html").read_text(encoding="utf-8")
    assert "No trial has come to its end." in text


def test_hopeless_trial_is_pruned_and_leaves_no_checkpoint(
    plain: None, capsys: Any
) -> None:
    """Five that learn, then one that does not, which would take minutes."""
    epochs = "hyperparameters.epochs"
    space = {"set": {RATE: {"float": [1e-9, 1]}, epochs: {"int": [5, 10**6]}}}
    write_search(space=space)
    begun = new_study()
    for _ in range(5):
        begun.enqueue_trial({RATE: 0.6, epochs: 5})
    begun.enqueue_trial({RATE: 1e-9, epochs: 10**6})
    assert tune("--trials", 6, "--jobs", 1) == 0
    *learnt, hopeless = ended(study())
    assert {trial.state for trial in learnt} == {TrialState.COMPLETE}
    assert hopeless.state == TrialState.PRUNED
    assert hopeless.user_attrs["epochs"] >= 4
    assert not [*pathlib.Path("digits.tune").glob("trials/*/checkpoint*")]
    assert "5 complete, 1 pruned" in capsys.readouterr().out


def test_regression_is_compared_by_its_cost(plain: None) -> None:
    x = np.linspace(-3, 3, 60)[:, None]
    np.savez("sine.npz", x=x, y=np.sin(x))
    pathlib.Path("space.json").write_text(
        json.dumps({"set": {"hyperparameters.epochs": {"int": [1, 40]}}})
    )
    words = ("--space", "space.json", "--data", "sine.npz", "--trials", "3")
    assert main(["tune", str(SPECS / "sine.json"), *words]) == 0
    found = study("sine")
    assert found.direction.name == "MINIMIZE"
    assert found.best_value == min(trial.value for trial in ended(found) if trial.value)


#: What equals are told apart by, over two clouds that every rate parts without a fault.
TWO: dict[str, Any] = {
    "name": "digits",
    "layers": [2, {"size": 2, "activation": "softmax"}],
    "cost": "log_likelihood",
    "hyperparameters": {"epochs": 20, "validation_fraction": 0.2},
}
EQUALS = (0.1, 0.05, 1.0, 0.5)


def write_equals(space: Any) -> None:
    """two.npz, digits.json and space.json; the trials of EQUALS wait in their order."""
    y = np.arange(100) % 2
    noise = np.random.default_rng(0).uniform(-0.2, 0.2, (100, 2))
    np.savez("two.npz", x=np.eye(2)[y] * 2 - 1 + noise, y=y)
    pathlib.Path("digits.json").write_text(json.dumps(TWO))
    pathlib.Path("space.json").write_text(json.dumps(space))


def test_of_equals_the_one_with_the_lower_cost_is_the_best(
    plain: None, capsys: Any
) -> None:
    write_equals({"set": {RATE: {"float": [0.01, 1]}}})
    begun = new_study()
    for rate in EQUALS:
        begun.enqueue_trial({RATE: rate})
    assert tune("--data", "two.npz", "--trials", 4) == 0
    trials = ended(study())
    assert [trial.value for trial in trials] == [1.0] * 4
    costs = [trial.user_attrs["ties"] for trial in trials]
    assert costs == [
        result_of(trial.number)["saved"]["validation_cost"] for trial in trials
    ]
    order = sorted(range(4), key=costs.__getitem__)
    assert order == [2, 3, 0, 1]  # the faster, the surer
    lines = capsys.readouterr().out.splitlines()[3:7]
    assert [line.split()[0] for line in lines] == [*map(str, order)]
    assert [line.split()[2] for line in lines] == [f"{costs[i]:.4f}" for i in order]
    text = pathlib.Path("digits.tune/trials.html").read_text(encoding="utf-8")
    assert "Trial 2 is the best" in text
    assert re.findall(r"<tr><td>(\d)</td>", text) == [*map(str, order)]
    rate = load_spec("digits.tune/best.json").hyperparameters.learning_rate
    assert rate == EQUALS[2]


def test_of_equals_whose_costs_are_of_different_kinds_the_first_is(
    plain: None, capsys: Any
) -> None:
    costs = ("log_likelihood", "quadratic")
    write_equals({"set": {RATE: {"float": [0.01, 1]}, "cost": {"choices": costs}}})
    begun = new_study()
    for rate, cost in zip(EQUALS, sorted(costs * 2), strict=True):
        begun.enqueue_trial({RATE: rate, "cost": cost})
    assert tune("--data", "two.npz", "--trials", 4) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[2].split()[:3] == ["trial", "validation_accuracy", "state"]
    assert [line[0] for line in out.splitlines()[3:7]] == ["0", "1", "2", "3"]
    assert all(trial.value == 1 for trial in ended(study()))


#: Arguments beside those of every search, and what is said of them.
REFUSED: list[tuple[str, str]] = [
    ("--trials 0", "argument --trials: must be a whole number from 1, not '0'"),
    ("--jobs 1000", "--jobs takes at most 256, got 1000"),
    ("--validation-fraction 1", "must be a number above 0 and below 1, not '1'"),
    ("--metric accuracy", 'no metric "accuracy"'),
    ("--x a.npy", "give --data F, or --x F and --y F"),
    ("--study a/b", '--study "a/b": letters, digits, _ - and . alone'),
    ("--storage nonsense", "--storage takes an address, such as sqlite:///study.db"),
    ("--storage sqlite:////none/there.db", "the storage: unable to open database file"),
    ("-o none/best.json", "none/best.json: its directory does not exist"),
    ("-o mine.json", "mine.json: was not written by this study; --force replaces it"),
    ("-o digits.json", "digits.json: was not written by this study"),
    ("--target label", "the trainer: "),
    ("--set layers[0].size=65", "the trainer: "),
    ("--set layers[0].sizes=65", "error[unknown-key]: /layers/0/sizes"),
    ("--dat a.npz", 'unknown option "--dat"; did you mean "--data"?'),
]


@pytest.mark.parametrize("given, message", REFUSED, ids=[g for g, _ in REFUSED])
def test_what_cannot_be_is_said_before_the_first_trial(
    given: str, message: str, plain: None, capsys: Any
) -> None:
    write_search()
    pathlib.Path("mine.json").write_text("mine")
    assert tune("--trials", 2, *given.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "Traceback" not in err
    assert pathlib.Path("mine.json").read_text() == "mine"
    assert not [*pathlib.Path().glob("*.tune/trials/*")]


def test_study_of_something_else_is_not_gone_on_with(plain: None, capsys: Any) -> None:
    write_search()
    assert tune("--trials", 1) == 0
    for words, what in (
        (("--validation-fraction", 0.5), "validation fraction"),
        (("--set", "layers[1].size=7"), "spec"),
        (("--metric", "validation_cost"), "metric"),
    ):
        assert tune("--trials", 1, *words) == 2
        said = f"the study digits was begun with another {what}; --study NAME begins"
        assert said in capsys.readouterr().err
    assert len(study().get_trials()) == 1


def test_costs_of_different_kinds_are_not_compared(plain: None, capsys: Any) -> None:
    space = {
        "set": {
            "cost": {"choices": ["log_likelihood", "quadratic"]},
            RATE: {"float": [0.1, 1]},
        }
    }
    write_search(space=space)
    assert tune("--metric", "validation_cost") == 2
    assert "the space changes the cost, which" in capsys.readouterr().err
    assert tune("--trials", 1) == 0


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("cost", True),
        ("cost.delta", True),
        ("operators", True),
        ("operators.costs.own.formula", True),
        ("operators.activations.own.formula", False),
        ("hyperparameters.class_weights", False),
    ],
)
def test_which_values_change_the_cost(path: str, changes: bool) -> None:
    """Its formula too, of a spec that has a cost of its own."""
    spec = load_spec(SPECS / "digits.json")
    assert objective(spec, None, [path]).ties == ("" if changes else "validation_cost")
    if changes:
        with pytest.raises(UserError, match="the space changes the cost"):
            objective(spec, "validation_cost", [path])


def test_spec_that_was_edited_by_hand_is_kept(plain: None, capsys: Any) -> None:
    write_search()
    assert tune("--trials", 1, "-o", "best.json") == 0
    assert tune("--trials", 2, "-o", "best.json") == 0
    pathlib.Path("best.json").write_text("edited")
    capsys.readouterr()
    assert tune("--trials", 2, "-o", "best.json") == 2
    assert "--force replaces it and keeps a copy" in capsys.readouterr().err
    assert tune("--trials", 2, "-o", "best.json", "--force") == 0
    assert pathlib.Path("best.json.bak").read_text() == "edited"
    load_spec("best.json")


def test_compiling_imports_nothing_of_it() -> None:
    code = (
        "import sys; from bpcompile.cli import main; "
        "main(['digits.json', '-o', 'digits.py', '--set', 'name=other']); "
        "print(sorted({'optuna', 'matplotlib', 'sqlalchemy', 'numpy', "
        "'bpcompile.tuning'} & sys.modules.keys()))"
    )
    write_search()
    assert run(sys.executable, "-c", code).stdout == "[]\n"


def test_without_optuna_it_says_what_to_install() -> None:
    write_search()
    code = (
        "import sys; sys.modules['optuna'] = None; "
        "import importlib.util as u; find = u.find_spec; "
        "u.find_spec = lambda n, *a: None if n == 'optuna' else find(n, *a); "
        "from bpcompile.cli import main; "
        f"sys.exit(main(['tune', 'digits.json', '--space', 'space.json', "
        f"'--data', {str(DATA)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "bpcompile: tune needs Optuna; pip install 'bpcompile[tune]' has it\n"
    )


def test_choices_are_said_as_people_say_them() -> None:
    assert table.in_words('{"kind": "momentum", "mu": 0.9}') == "momentum (mu 0.9)"
    assert table.in_words('{"kind": "adam"}') == "adam"
    assert table.in_words("[1, 2]") == "[1, 2]"
    names = ["a.size", "layers[1].size", "layers[2].size", "hyperparameters.epochs"]
    assert table.short_names(names) == dict(
        zip(
            names, ["a.size", "layers[1].size", "layers[2].size", "epochs"], strict=True
        )
    )
