"""The trials of one worker: started, followed, pruned, told; several at once.

A worker that is killed loses nothing: its trials are found by the lock that died with
it, or on other machines by its silence, and go on from their checkpoints.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from bpcompile.errors import SpecErrors, UserError
from bpcompile.lower import lower
from bpcompile.render import Renderer
from bpcompile.source import Document
from bpcompile.source.override import overridden
from bpcompile.target import Target
from bpcompile.tuning import study as studies
from bpcompile.tuning.locks import is_free, lock
from bpcompile.tuning.objective import Objective
from bpcompile.tuning.space import Space
from bpcompile.tuning.study import Storage
from bpcompile.tuning.trainer import Trainer, build, options_of
from bpcompile.tuning.variants import assignments, chosen
from bpcompile.validate import validate

#: Seconds between two looks at the trainers, and until one that was told to end is killed.
INTERVAL, PATIENCE = 0.05, 20.0
#: Seconds between two looks at trials that others work on.
IDLE = 0.5
#: Seconds between two looks for trials that nobody works on.
SEARCH = 2.0


@dataclass(frozen=True)
class Search:
    """All that the trials of a study have in common.

    document   the spec, with what the command line sets
    held_out   the assignment that splits validation data off, where the spec has none
    data       what the trainers are told of it
    trials     how many there are to be in all
    """

    document: Document
    space: Space
    objective: Objective
    target: Target
    renderer: Renderer
    folder: Path
    data: tuple[str, ...]
    held_out: tuple[str, ...]
    trials: int
    jobs: int
    seed: int
    say: Callable[[str], None]


@dataclass
class _Running:
    """A trial and its trainer; `beat` is when its next sign of life is due."""

    trial: Trial
    trainer: Trainer
    started: bool = False
    pruned: bool = False
    beat: float = 0.0
    told: set[int] = field(default_factory=set)


class Worker:
    """Works on a study until all its trials are done, by whomever."""

    def __init__(self, search: Search, storage: Storage) -> None:
        self.search, self.storage = search, storage
        self._running: list[_Running] = []
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
        try:
            command = self._built(given, folder)
        except (SpecErrors, UserError) as failure:
            first = failure.errors[0] if isinstance(failure, SpecErrors) else failure
            self._failed(trial, getattr(first, "message", str(first)))
            return
        command = (*command, *options_of(folder, search.data))
        self._running.append(_Running(trial, Trainer(folder, command)))

    def _folder(self, trial: Trial) -> Path:
        """That of the trial in whose place it stands, if that was here."""
        attributes = trial.user_attrs
        if attributes.get(studies.PLACE) != self._place:
            trial.set_user_attr(studies.PLACE, self._place)
            trial.set_user_attr(studies.FOLDER, f"{trial.number:04d}")
        trial.set_user_attr(studies.WORKER, self._name)
        return self.search.folder / "trials" / str(trial.user_attrs[studies.FOLDER])

    def _built(self, given: tuple[str, ...], folder: Path) -> tuple[str, ...]:
        document = overridden(self.search.document, (*given, *self.search.held_out))
        module, *_ = self.search.renderer.render(lower(validate(document)), False)
        return build(module.text, self.search.target, folder)

    def _step(self, one: _Running) -> bool:
        """Look after a trial; whether it is done."""
        try:
            return self._looked_after(one)
        except (optuna.exceptions.UpdateFinishedTrialError, ValueError) as failure:
            if not _is_taken(self.storage, one.trial):
                raise
            # While this worker was silent, another has taken it over.
            self.search.say(f"trial {one.trial.number} was taken over: {failure}")
            one.trainer.end(PATIENCE)
            return True

    def _looked_after(self, one: _Running) -> bool:
        if time.monotonic() >= one.beat:
            self.storage.beat(one.trial)
            one.beat = time.monotonic() + studies.HEARTBEAT
        if not one.started:
            one.started = one.trainer.start()
            return False
        code = one.trainer.poll()
        self._report(one)
        if code is None:
            return False
        self._tell(one, code)
        return True

    def _report(self, one: _Running) -> None:
        """Tell the pruner of new epochs, and end the trainer where it says so."""
        for epoch, value in one.trainer.curve(self.search.objective.series):
            if epoch in one.told:
                continue  # it was trained before, too, and the log has been cut
            one.told.add(epoch)
            one.trial.report(value, epoch)
            if not one.pruned and one.trial.should_prune():
                one.pruned = True
                one.trainer.stop()

    def _tell(self, one: _Running, code: int) -> None:
        """Record how a trial has ended."""
        trial, study, result = one.trial, self.storage.study, one.trainer.result()
        saved, last = result.get("saved") or {}, result.get("last") or {}
        trial.set_user_attr(studies.EPOCHS, last.get("epoch", 0))
        value = saved.get(self.search.objective.series)
        if code == 0 and value is not None:
            ties = saved.get(self.search.objective.ties)
            if ties is not None:
                trial.set_user_attr(studies.TIES, ties)
            study.tell(trial, value)
        elif one.pruned and code != 1:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            reason = result.get("message") if code == 1 else one.trainer.said()
            self._failed(trial, reason or f"the trainer ended with exit code {code}")
            return
        one.trainer.tidy()
        state = "pruned" if code else f"{self.search.objective.series} {value:.4f}"
        self._say(trial, f"{state} after {last.get('epoch', 0)} epochs")

    def _failed(self, trial: Trial, reason: str) -> None:
        trial.set_user_attr(studies.FAILURE, reason)
        self.storage.study.tell(trial, state=TrialState.FAIL)
        self._say(trial, f"failed: {reason}")

    def _say(self, trial: Trial, what: str) -> None:
        count = sum(
            one.state in studies.FINISHED for one in studies.current(self.storage.study)
        )
        self.search.say(
            f"trial {trial.number}: {what} ({count} of {self.search.trials})"
        )

    def _give_up(self) -> None:
        """End what still runs; a second interrupt leaves it to be found later."""
        for one in self._running:
            one.trainer.stop()
        for one in self._running:
            one.trainer.end(PATIENCE)
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
