"""The trials of one worker, several at once, until there is nothing left to do.

A worker that is killed loses nothing: its trials are found by the lock that died with
it, or on other machines by its silence, and go on from their checkpoints.
"""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from bpcompile.tuning import study as studies
from bpcompile.tuning.attempt import Attempt, Search
from bpcompile.tuning.locks import is_free, lock
from bpcompile.tuning.study import Storage
from bpcompile.tuning.variants import assignments, chosen

#: Seconds between two looks at the trainers, and until one that was told to end is killed.
INTERVAL, PATIENCE = 0.05, 20.0
#: Seconds between two looks at trials that others work on.
IDLE = 0.5
#: Seconds between two looks for trials that nobody works on.
SEARCH = 2.0


class Worker:
    """Works on a study until all its trials are done, by whomever."""

    def __init__(self, search: Search, storage: Storage) -> None:
        self.search, self.storage = search, storage
        self._running: list[Attempt] = []
        self._next_search = 0.0
        self._nameless: dict[int, float] = {}
        self._place = _place(search.folder)
        self._name = f"worker-{uuid.uuid4().hex[:12]}"
        self._lock = lock(self._workers / self._name)

    @property
    def _workers(self) -> Path:
        return self.search.folder / "workers"

    def run(self) -> None:
        """Work until there is nothing left to do.

        Trials of other workers are waited for: one of them may be killed yet. Ended by an exception, also of a signal, it stops its trainers, which write
        their checkpoints, and gives their trials back.
        """
        try:
            while True:
                self._recover()
                while len(self._running) < self.search.jobs and self._wanted():
                    self._begin()
                if not self._running and not self._others():
                    return
                self._running = [one for one in self._running if not self._step(one)]
                time.sleep(INTERVAL if self._running else IDLE)
        finally:
            self._give_up()

    def _wanted(self) -> bool:
        """Whether there is to be another trial, or one waits to be taken up."""
        trials = studies.current(self.storage.study)
        waiting = any(trial.state == TrialState.WAITING for trial in trials)
        return waiting or len(trials) < self.search.trials

    def _others(self) -> bool:
        """Whether somebody is at work on a trial."""
        trials = studies.current(self.storage.study)
        return any(trial.state == TrialState.RUNNING for trial in trials)

    def _recover(self) -> None:
        """Queue trials again whose worker is gone."""
        if time.monotonic() < self._next_search:
            return
        self._next_search = time.monotonic() + SEARCH
        self.storage.take_over()
        for trial in studies.current(self.storage.study):
            if trial.state == TrialState.RUNNING and self._is_lost(trial):
                studies.give_back(self.storage, trial)

    def _is_lost(self, trial: FrozenTrial) -> bool:
        if studies.WORKER not in trial.user_attrs:
            # Its worker was killed at once, or is about to write its name.
            seen = self._nameless.setdefault(trial.number, time.monotonic())
            return time.monotonic() - seen > studies.GRACE
        if trial.user_attrs.get(studies.PLACE) != self._place:
            return False
        return is_free(self._workers / trial.user_attrs[studies.WORKER])

    # ---- One trial -----------------------------------------------------------------

    def _begin(self) -> None:
        search = self.search
        trial = studies.next_trial(self.storage, search.seed)
        self.storage.beat(trial)
        folder = self._folder(trial)
        values = chosen(
            search.space, lambda name, held: studies.suggest(trial, name, held)
        )
        given = assignments(search.document, search.space, values)
        trial.set_user_attr(studies.SET, list(given))
        attempt = Attempt(search, self.storage, trial, folder, given)
        self._running.append(attempt)

    def _folder(self, trial: Trial) -> Path:
        """That of the trial in whose place it stands, if that was here."""
        attributes = trial.user_attrs
        if attributes.get(studies.PLACE) != self._place:
            trial.set_user_attr(studies.PLACE, self._place)
            trial.set_user_attr(studies.FOLDER, f"{trial.number:04d}")
        trial.set_user_attr(studies.WORKER, self._name)
        return self.search.folder / "trials" / str(trial.user_attrs[studies.FOLDER])

    def _step(self, one: Attempt) -> bool:
        """Look after a trial; whether it is done."""
        try:
            return one.step()
        except (optuna.exceptions.UpdateFinishedTrialError, ValueError) as failure:
            if not _is_taken(self.storage, one.trial):
                raise
            # While this worker was silent, another has taken it over.
            self.search.say(f"trial {one.trial.number} was taken over: {failure}")
            one.end(PATIENCE)
            return True

    def _give_up(self) -> None:
        """End what still runs; a second interrupt leaves it to be found later."""
        for one in self._running:
            one.stop()
        for one in self._running:
            one.end(PATIENCE)
            studies.give_back(self.storage, one.trial)
        self._running = []
        if self._lock is not None:
            os.close(self._lock)
            (self._workers / self._name).unlink(missing_ok=True)


def _is_taken(storage: Storage, trial: Trial) -> bool:
    held: Any = storage.storage.get_trial(trial._trial_id)
    return held.state in studies.FINISHED


def _place(folder: Path) -> str:
    """What this folder is called among workers on several machines."""
    path = folder / "place"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(uuid.uuid4().hex)
    except FileExistsError:
        pass
    return path.read_text(encoding="utf-8")
