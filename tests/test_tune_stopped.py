"""Searches that are stopped, killed or shared: nothing is lost, nothing done twice."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from optuna.trial import TrialState
from support import LONG
from tuned import (
    RATE,
    ended,
    epochs_of,
    kill,
    started,
    study,
    tune,
    wait_for,
    write_search,
)

TRIALS = pathlib.Path("digits.tune", "trials")
#: Long enough to be stopped in the middle, and of small steps.
EPOCHS = 60
SLOW = {"set": {RATE: {"float": [0.1, 0.5]}}}


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder."""
    monkeypatch.chdir(tmp_path)


def in_the_middle(number: int) -> bool:
    """Whether a trial has trained some epochs, and has a checkpoint of them."""
    held = TRIALS / f"{number:04d}"
    return len(epochs_of(held)) > 3 and (held / "checkpoint.safetensors").exists()


def resumed_after(number: int) -> int:
    """The epochs that a trial's last trainer found done."""
    log = (TRIALS / f"{number:04d}" / "log.jsonl").read_text(encoding="utf-8")
    assert log.count('{"event": "start"') == 2
    about = log.rpartition('{"event": "start"')[2]
    return int(about.partition('"epoch": ')[2].partition(",")[0])


@pytest.mark.parametrize("how", ["Ctrl-C", "kill -9"])
def test_stopped_search_goes_on_where_it_was(how: str) -> None:
    """To the same trials, with the same results, as one that was never stopped."""
    write_search(EPOCHS, space=SLOW)
    words = ("--trials", 2, "--no-pruning", "--set", "layers[1].size=10")
    first = started(*words)
    wait_for(lambda: in_the_middle(1))
    if how == "Ctrl-C":
        first.send_signal(signal.SIGINT)
        _, said = first.communicate(timeout=60)
        assert first.returncode == 130
        assert said.endswith("bpcompile: interrupted\n")
        assert "Traceback" not in said
        # What was at work waits for the next worker.
        states = [trial.state for trial in study().get_trials()]
        assert states == [TrialState.COMPLETE, TrialState.FAIL, TrialState.WAITING]
    else:
        kill(first)
    second = started(*words)
    out, said = second.communicate(timeout=120)
    assert second.returncode == 0, said
    assert "digits: 2 trials, 2 complete" in out
    trials = ended(study())
    assert [trial.user_attrs.get("instead_of") for trial in trials] == [None, 1]
    # It went on from its checkpoint, in its folder, and told its whole curve.
    assert resumed_after(1) > 3
    assert epochs_of(TRIALS / "0001") == [*range(1, EPOCHS + 1)]
    assert not (TRIALS / "0002").exists()
    assert len(trials[1].intermediate_values) == EPOCHS
    if how == "kill -9" or LONG:
        whole = started(*words, "--study", "whole")
        whole.communicate(timeout=120)
        expected = [(trial.params, trial.value) for trial in ended(study("whole"))]
        assert [(trial.params, trial.value) for trial in trials] == expected


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT][: 1 + LONG])
def test_search_that_is_stopped_in_a_fold_goes_on_in_it(how: signal.Signals) -> None:
    """What was measured before is not trained again, and the mean is the same."""
    write_search(EPOCHS, space=SLOW)
    words = ("--trials", 1, "--folds", 3, "--set", "layers[1].size=10")
    first = started(*words)
    second = TRIALS / "0000" / "fold-2"
    wait_for(lambda: len(epochs_of(second)) > 3)
    wait_for((second / "checkpoint.safetensors").exists)
    first.send_signal(how)
    first.communicate(timeout=60)
    logs = [(TRIALS / "0000" / f"fold-{k}" / "log.jsonl") for k in (1, 2, 3)]
    before = logs[0].read_bytes()
    again = started(*words)
    out, said = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert "digits: 1 trial, 1 complete" in out
    assert logs[0].read_bytes() == before
    starts = [log.read_text().count('{"event": "start"') for log in logs]
    assert starts == [1, 2, 1]
    (trial,) = ended(study())
    assert [*trial.intermediate_values] == [1, 2, 3]
    started(*words, "--study", "whole").communicate(timeout=120)
    (whole,) = ended(study("whole"))
    for name in ("params", "value", "intermediate_values"):
        assert getattr(trial, name) == getattr(whole, name)
    assert trial.user_attrs["folds"] == whole.user_attrs["folds"]


def test_second_interrupt_loses_nothing_either() -> None:
    write_search(10**6, space=SLOW)
    first = started("--trials", 1)
    wait_for(lambda: in_the_middle(0))
    first.send_signal(signal.SIGINT)
    with contextlib.suppress(ProcessLookupError):
        first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)
    assert first.returncode == 130
    checkpoint = TRIALS / "0000" / "checkpoint.safetensors"
    assert checkpoint.exists()


# ---- Several workers ---------------------------------------------------------------


@pytest.mark.parametrize("more", [("--folds", 2, "--jobs", 2), ()][: 1 + LONG])
def test_two_workers_share_one_folder(more: tuple[Any, ...]) -> None:
    write_search(10, space=SLOW)
    workers = [started("--trials", 4, *more) for _ in range(2)]
    tables = []
    for worker in workers:
        out, said = worker.communicate(timeout=120)
        assert worker.returncode == 0, said
        assert "4 trials" in out or "5 trials" in out
        tables.append(out)
    # Both name the same best, and all others in the same order.
    assert tables[0] == tables[1]
    trials = ended(study())
    # Both may have begun the last one at the same time.
    assert len(trials) in (4, 5)
    values = [trial.params[RATE] for trial in trials]
    assert len(set(values)) == len(values)
    assert {trial.state for trial in trials} <= {
        TrialState.COMPLETE,
        TrialState.PRUNED,
    }


POSTGRES = shutil.which("postgres"), shutil.which("initdb")


@pytest.fixture
def database(tmp_path: pathlib.Path) -> Iterator[str]:
    """The address of a PostgreSQL server of the test's own, on a Unix socket."""
    if not all(POSTGRES):
        pytest.skip("no PostgreSQL server is installed here (initdb, postgres)")
    pytest.importorskip("psycopg", reason="the extra tune-postgres is not installed")
    data = tmp_path / "postgres"
    data.mkdir(mode=0o700)
    # The server refuses to be root's; a socket's path must be short.
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        reachable(tmp_path)
        shutil.chown(data, "nobody")
    quiet: dict[str, Any] = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        "cwd": "/",
        **user,
    }
    made = ["initdb", "-D", data, "-A", "trust", "-U", "worker", "--no-sync"]
    subprocess.run([*made, "--no-locale", "-E", "UTF8"], check=True, **quiet)
    options = ["-h", "", "-k", data, "-F"]
    server = subprocess.Popen(["postgres", "-D", data, *options], **quiet)
    try:
        wait_for(lambda: (data / ".s.PGSQL.5432").exists())
        yield f"postgresql+psycopg://worker@/postgres?host={data}"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


def reachable(folder: pathlib.Path) -> None:
    """pytest's folders are their owner's alone; the server runs as somebody else."""
    for path in (folder, *folder.parents):
        if path.stat().st_uid == os.geteuid() and path != path.parent:
            mode = path.stat().st_mode
            with contextlib.suppress(PermissionError):
                path.chmod(mode | 0o011)


def test_two_workers_share_a_postgresql_storage(
    database: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in a folder of its own, as on two machines."""
    workers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        write_search(10, space=SLOW)
        workers.append(started("--trials", 6, "--storage", database))
    for worker in workers:
        out, said = worker.communicate(timeout=120)
        assert worker.returncode == 0, said
        assert "6 trials" in out or "7 trials" in out
    trials = ended(study(url=database))
    values = [trial.params[RATE] for trial in trials]
    assert len(set(values)) == len(values) >= 6
    places = {trial.user_attrs["place"] for trial in trials}
    assert len(places) == 2
    # Both have written the same best spec, of all trials.
    one, two = ((tmp_path / n / "digits.tune/best.json") for n in ("one", "two"))
    assert one.read_text() == two.read_text()


@pytest.mark.skipif(not LONG, reason="waits for heartbeats; BPCOMPILE_LONG=1 runs it")
def test_other_machines_take_over_from_a_worker_that_is_gone(
    database: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gone", "here"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        write_search(EPOCHS, space=SLOW)
        if name == "gone":
            first = started("--trials", 2, "--storage", database)
            wait_for(lambda: in_the_middle(0))
            kill(first)
    assert tune("--trials", 2, "--storage", database, "--no-pruning") == 0
    trials = ended(study(url=database))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert [trial.user_attrs.get("instead_of") for trial in trials].count(0) == 1
