"""One trial at work: its trainer started, followed, pruned, told of.

A trial is one training, pruned on its curve, or one for each fold, one after the other:
then the pruner sees the mean so far, and compares what was measured on the same rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from optuna.trial import Trial, TrialState

from bpcompile.errors import SpecErrors, UserError
from bpcompile.lower import lower
from bpcompile.output import write_bytes
from bpcompile.render import Renderer
from bpcompile.source import Document
from bpcompile.source.override import overridden
from bpcompile.target import Target
from bpcompile.tuning import folds
from bpcompile.tuning import study as studies
from bpcompile.tuning.folds import SUMMARY, Split
from bpcompile.tuning.objective import Objective
from bpcompile.tuning.space import Space
from bpcompile.tuning.study import Storage
from bpcompile.tuning.trainer import Trainer, build, options_of
from bpcompile.validate import validate


@dataclass(frozen=True)
class Search:
    """All that the trials of a study have in common.

    document   the spec, with what the command line sets
    split      how validation data are held out
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
    split: Split
    trials: int
    jobs: int
    seed: int
    say: Callable[[str], None]


class Attempt:
    """The trainings of a trial; `step` may be called again and again, nothing waits.

    folder   of the trial
    given    the assignments that make its spec
    """

    def __init__(
        self,
        search: Search,
        storage: Storage,
        trial: Trial,
        folder: Path,
        given: tuple[str, ...],
    ) -> None:
        self.trial = trial
        self._search, self._storage = search, storage
        self._folder, self._given = folder, given
        self._folds = search.split.folds
        # Those that somebody else has come to the end of, before this worker.
        self._done = folds.from_attribute(trial.user_attrs.get(studies.FOLDS, ()))
        self._trainer: Trainer | None = None
        self._started = self._pruned = False
        self._beat = 0.0
        self._told: set[int] = set()

    def step(self) -> bool:
        """Look after it; whether it is done and told of."""
        if time.monotonic() >= self._beat:
            self._storage.beat(self.trial)
            self._beat = time.monotonic() + studies.HEARTBEAT
        if self._trainer is None:
            return self._next()
        if not self._started:
            self._started = self._trainer.start()
            return False
        code, objective = self._trainer.poll(), self._search.objective
        if not self._folds:
            self._report(self._trainer.curve(objective.logged(objective.series)))
        return code is not None and self._ended(self._trainer, code)

    def stop(self) -> None:
        """Ask the trainer to end, with its checkpoint written."""
        if self._trainer is not None:
            self._trainer.stop()

    def end(self, seconds: float) -> None:
        """The same; what does not end in time is killed."""
        if self._trainer is not None:
            self._trainer.end(seconds)

    def _next(self) -> bool:
        """Build the next trainer; whether there is none."""
        if self._folds:
            counts = range(1, len(self._done) + 1)
            self._report((k, folds.mean(self._done[:k]).value) for k in counts)
        if len(self._done) == max(1, self._folds):
            self._tell_complete()
            return True
        if self._pruned:
            self._tell_pruned(folds.mean(self._done).epochs)
            return True
        try:
            self._trainer, self._started = self._built(), False
        except (SpecErrors, UserError) as failure:
            first = failure.errors[0] if isinstance(failure, SpecErrors) else failure
            reason = getattr(first, "message", str(first))
            self._tell_failed(reason, by_values=isinstance(failure, SpecErrors))
        return self._trainer is None

    def _built(self) -> Trainer:
        search, number = self._search, len(self._done) + 1
        folder = search.split.folder(self._folder, number)
        held_out = search.split.assignments(number)
        document = overridden(search.document, (*self._given, *held_out))
        module, *_ = search.renderer.render(lower(validate(document)), False)
        command = build(module.text, search.target, folder)
        return Trainer(folder, (*command, *options_of(folder, search.data)))

    def _report(self, curve: Iterable[tuple[int, float]]) -> None:
        """Tell the pruner what is new, and end the trainer where it says so."""
        for step, value in curve:
            if step in self._told:
                continue  # it was trained before, too, and the log has been cut
            self._told.add(step)
            self.trial.report(value, step)
            if not self._pruned and self.trial.should_prune():
                self._pruned = True
                self.stop()

    def _ended(self, trainer: Trainer, code: int) -> bool:
        """Go on after a training; whether that was the last."""
        result = trainer.result()
        found = None if code else folds.training(result, self._search.objective)
        epochs = (result.get("last") or {}).get("epoch", 0)
        if found is not None:
            self._done.append(found)
            if self._folds:
                kept = folds.as_attribute(self._done)
                self.trial.set_user_attr(studies.FOLDS, kept)
            self._trainer = None
            is_last = self._next()
            trainer.tidy()
            return is_last
        if self._pruned and code != 1:
            self._tell_pruned(epochs)
            trainer.tidy()
            return True
        reason = result.get("message") if code == 1 else trainer.said()
        reason = reason or f"the trainer ended with exit code {code}"
        diverged = code == 1 and result.get("reason") == "diverged"
        self._tell_failed(reason, epochs, by_values=diverged)
        return True

    # ---- Its end -------------------------------------------------------------------

    def _tell_complete(self) -> None:
        found, objective = folds.mean(self._done), self._search.objective
        if found.ties is not None:
            self.trial.set_user_attr(studies.TIES, found.ties)
        what = f"{objective.series} {found.value:.4f} after {found.epochs} epochs"
        if self._folds:
            told = folds.summary(self._done, objective)
            # All folds may have been trained on another machine.
            self._folder.mkdir(parents=True, exist_ok=True)
            write_bytes(self._folder / SUMMARY, told, True, lambda _: "")
            apart = folds.deviation([training.value for training in self._done])
            what += f" in {self._folds} folds, deviation {apart:.4f}"
        self.trial.set_user_attr(studies.EPOCHS, found.epochs)
        self._storage.study.tell(self.trial, found.value)
        self._say(what)

    def _tell_pruned(self, epochs: int) -> None:
        self.trial.set_user_attr(studies.EPOCHS, epochs)
        self._storage.study.tell(self.trial, state=TrialState.PRUNED)
        more = f", {len(self._done)} of {self._folds} folds" if self._folds else ""
        self._say(f"pruned after {epochs} epochs{more}")

    def _tell_failed(
        self, reason: str, epochs: int = 0, *, by_values: bool = False
    ) -> None:
        if self._folds:
            reason = f"fold {len(self._done) + 1}: {reason}"
        epochs += sum(training.epochs for training in self._done)
        self.trial.set_user_attr(studies.EPOCHS, epochs)
        studies.fail(self._storage.study, self.trial, reason, by_values)
        self._say(f"failed: {reason}")

    def _say(self, what: str) -> None:
        trials = studies.current(self._storage.study)
        count = sum(trial.state in studies.FINISHED for trial in trials)
        self._search.say(
            f"trial {self.trial.number}: {what} ({count} of {self._search.trials})"
        )
