"""A small search for the tests of `bpcompile tune`: digits, two epochs a trial."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from support import SPECS

from bpcompile.cli import main

DATA = SPECS / "data" / "digits.npz"
RATE, SIZE = "hyperparameters.learning_rate", "layers[1].size"
PLAIN = """
import sys, types
sys.modules["bpcompile.tuning.plots"] = types.SimpleNamespace(plots=lambda *_: ())
from bpcompile.cli import main
sys.exit(main())
"""
SPACE = {
    "set": {RATE: {"float": [0.1, 1], "log": True}},
    "hidden_layers": {"count": {"int": [1, 2]}, "size": {"int": [10, 30]}},
}


def write_search(epochs: int = 2, space: Any = None, **hyper: Any) -> None:
    """digits.json and space.json, in the current folder."""
    spec = json.loads((SPECS / "digits.json").read_text(encoding="utf-8"))
    spec["hyperparameters"] |= {"epochs": epochs, **hyper}
    pathlib.Path("digits.json").write_text(json.dumps(spec, indent=2))
    pathlib.Path("space.json").write_text(json.dumps(space or SPACE))


def words(*more: Any) -> list[str]:
    """The arguments of a search, with the ones given."""
    given = ["tune", "digits.json", "--space", "space.json", "--data", DATA, *more]
    return [str(word) for word in given]


def tune(*more: Any) -> int:
    """The exit code of a search in this process."""
    return main(words(*more))


def started(*more: Any, **options: Any) -> subprocess.Popen[str]:
    """A search in a process of its own group, as from a terminal of its own, whose
    page has no pictures: they take longer than the trials."""
    return subprocess.Popen(
        [sys.executable, "-c", PLAIN, *words(*more)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
        **options,
    )


def study(name: str = "digits", url: str | None = None) -> optuna.Study:
    """The study as Optuna's own users read it."""
    held = url or f"sqlite:///{name}.tune/study.db"
    return optuna.load_study(study_name=name, storage=held)


def ended(found: optuna.Study) -> list[FrozenTrial]:
    """The trials in whose place no other stands."""
    trials = found.get_trials()
    replaced = {trial.user_attrs.get("instead_of") for trial in trials}
    return [trial for trial in trials if trial.number not in replaced]


def best_of(found: optuna.Study) -> FrozenTrial:
    """The complete trial with the best accuracy, of equals that with the lowest cost."""
    complete = [t for t in ended(found) if t.state == TrialState.COMPLETE]
    return max(complete, key=lambda t: (t.value, -t.user_attrs["ties"], -t.number))


def wait_for(what: Any, seconds: float = 60.0) -> Any:
    """What a function answers once it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def epochs_of(folder: pathlib.Path) -> list[int]:
    """The epochs in the log of a trial's folder."""
    try:
        lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
        events = [json.loads(line) for line in lines]
    except (OSError, ValueError):
        return []
    return [event["epoch"] for event in events if event["event"] == "epoch"]


def kill(process: subprocess.Popen[str]) -> None:
    """As no program can take notice of."""
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
