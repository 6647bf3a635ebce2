"""The study of a space: Optuna's, in a storage that several workers may share.

Source of the methods: Optuna, github.com/optuna/optuna (Akiba et al., KDD 2019); its
sampler TPE (Bergstra et al., NIPS 2011) and the median pruner of Vizier (KDD 2017).
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import optuna
from optuna.storages import RDBStorage, fail_stale_trials
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from bpcompile.errors import UserError, printable
from bpcompile.tuning.objective import Objective
from bpcompile.tuning.space import Values

#: Seconds between two signs of life of a worker, and after how many without one its
#: trials are taken over by others.
HEARTBEAT, GRACE = 20, 90
#: How often a storage is tried that refuses, and the seconds between.
TRIES, PAUSE = 4, 0.5
#: Trials before the pruner compares with their median, and epochs that each may have, or
#: folds: the first alone tells too little.
STARTUP, WARMUP, FIRST_FOLDS = 5, 3, 1
#: Attributes of a study and of its trials.
SETTINGS, WRITTEN = "settings", "written"
INSTEAD, PLACE, FOLDER, WORKER = "instead_of", "place", "folder", "worker"
SET, FAILURE, EPOCHS, TIES = "set", "failure", "epochs", "ties"
FOLDS = "folds"

_NO_ADDRESS = (
    "--storage takes an address, such as sqlite:///study.db or "
    "postgresql+psycopg://user@host/name"
)
_DRIVER = (
    "pip install 'bpcompile[tune-postgres]' has that of postgresql+psycopg://..., "
    "for other storages see SQLAlchemy's documentation"
)

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
#: The best first.
STATES = (*FINISHED, TrialState.RUNNING, TrialState.WAITING)


@dataclass(frozen=True)
class Storage:
    """Optuna's storage with the study in it, `begun` by an earlier call or not."""

    storage: RDBStorage
    study: optuna.Study
    begun: bool

    def beat(self, trial: Trial) -> None:
        """Tell others that somebody is at work on a trial."""
        self.storage.record_heartbeat(trial._trial_id)

    def take_over(self) -> None:
        """Put the trials of workers that have fallen silent into the queue again."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            fail_stale_trials(self.study)


@contextlib.contextmanager
def reached() -> Iterator[None]:
    """What a storage answers in vain, as one message without its address, which may
    hold a password."""
    try:
        yield
    except ArgumentError:
        raise UserError(_NO_ADDRESS) from None
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as failure:
        cause = getattr(failure, "orig", None) or failure.__cause__ or failure
        cause = getattr(cause, "orig", None) or cause
        first = next(iter(str(cause).strip().splitlines()), "")
        raise UserError(
            f"the storage: {printable(first) or 'cannot be used'}"
        ) from None


def open_study(url: str, name: str, objective: Objective, pruning: bool) -> Storage:
    """The study of that name, new where there is none.

    Raises UserError where the storage cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Alembic, which keeps the tables up to date, would say so.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # Two workers that write at once wait for each other.
    wait = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {}
    try:
        with reached(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            storage = _opened(url, {**wait, "pool_pre_ping": True})
            names = optuna.get_all_study_names(storage)
            first = FIRST_FOLDS if objective.folds else WARMUP
            median = optuna.pruners.MedianPruner(STARTUP, first + 1)
            study = optuna.create_study(
                storage=storage,
                study_name=name,
                pruner=median if pruning else optuna.pruners.NopPruner(),
                direction=objective.direction,
                load_if_exists=True,
            )
    except ImportError as failure:
        driver = getattr(failure.__cause__ or failure, "name", None) or "its driver"
        raise UserError(f"the storage needs {driver}; {_DRIVER}") from None
    return Storage(storage, study, name in names)


def _opened(url: str, options: dict[str, Any]) -> RDBStorage:
    """The storage, in which Optuna makes its tables where there are none."""
    for tries_left in reversed(range(TRIES)):
        try:
            return RDBStorage(
                url,
                engine_kwargs=options,
                heartbeat_interval=HEARTBEAT,
                grace_period=GRACE,
                heartbeat_stale_trial_callback=queue_again,
            )
        except ArgumentError:
            raise
        except SQLAlchemyError:
            # Another worker makes its tables at this very moment.
            if not tries_left:
                raise
            time.sleep(PAUSE)
    raise AssertionError("unreachable")


def check_settings(storage: Storage, settings: Mapping[str, Any]) -> None:
    """Keep what the study is about, or compare it with what is kept.

    Raises UserError with what differs: its trials could not be compared.
    """
    study = storage.study
    kept = study.user_attrs.get(SETTINGS)
    if kept is None:
        study.set_user_attr(SETTINGS, dict(settings))
        return
    # What a study of an earlier version does not know of was not there.
    changed = [name for name in settings if kept.get(name, "") != settings[name]]
    if changed:
        raise UserError(
            f"the study {study.study_name} was begun with another {changed[0]}; "
            "--study NAME begins another study"
        )


def queue_again(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue a trial with the same values, in the place of one that nobody works on."""
    study.add_trial(
        optuna.create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={**trial.user_attrs, INSTEAD: trial.number},
        )
    )


def give_back(storage: Storage, trial: Trial | FrozenTrial) -> None:
    """The same of a trial that runs, which is recorded as failed; by one worker alone,
    where several find it at once."""
    number = trial._trial_id
    try:
        done = storage.storage.set_trial_state_values(number, TrialState.FAIL)
    except optuna.exceptions.UpdateFinishedTrialError:
        return
    if done:
        queue_again(storage.study, storage.storage.get_trial(number))


def next_trial(storage: Storage, seed: int) -> Trial:
    """One that waits, or else a new one.

    What is drawn for it follows from the seed, how many there are before it and what
    became of them, so that no two workers draw the same, and a study of one worker that
    is interrupted goes on as it would have.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of heartbeats, which the worker sends itself
        trial = storage.study.ask()
        trials = storage.study.get_trials(deepcopy=False)
        place = trial.number - sum(INSTEAD in one.user_attrs for one in trials)
        # Each parameter by itself: only then is all drawn after the number is known.
        storage.study.sampler = optuna.samplers.TPESampler(
            seed=(seed * 1_000_003 + place) % 2**32, multivariate=False
        )
    return trial


def suggest(trial: Trial, name: str, values: Values) -> Any:
    """The value of a parameter: drawn, or known already."""
    if values.choices is not None:
        labels = values.labels
        return labels[trial.suggest_categorical(name, list(labels))]
    low, high = values.bounds
    if values.ints is not None:
        step = int(values.step or 1)
        return trial.suggest_int(name, int(low), int(high), step=step, log=values.log)
    drawn = trial.suggest_float(name, low, high, step=values.step, log=values.log)
    if values.step is None:
        return drawn
    # Three times 0.1 is 0.30000000000000004: as decimals, it is what was meant.
    steps = round((drawn - low) / values.step)
    return float(Decimal(repr(low)) + steps * Decimal(repr(values.step)))


def current(study: optuna.Study) -> list[FrozenTrial]:
    """All trials in whose place no other stands."""
    trials = study.get_trials(deepcopy=False)
    replaced = {trial.user_attrs.get(INSTEAD) for trial in trials}
    return [trial for trial in trials if trial.number not in replaced]


def state_of(trial: FrozenTrial) -> TrialState:
    """What has become of a trial, whatever Optuna was told of it; see `fail`."""
    return TrialState.FAIL if FAILURE in trial.user_attrs else trial.state


def fail(study: optuna.Study, trial: Trial, reason: str, by_values: bool) -> None:
    """Record that a trial has failed: by its values, or by accident.

    Optuna's samplers leave out what has failed, and would draw the same again and again
    where values diverge. As pruned they are the worst of all to them.
    """
    trial.set_user_attr(FAILURE, reason)
    study.tell(trial, state=TrialState.PRUNED if by_values else TrialState.FAIL)


def ranked(study: optuna.Study) -> list[FrozenTrial]:
    """The same, the best first: of those that are complete the one with the best value,
    of equals the one with the lower cost, or else the first."""
    falls = study.direction == optuna.study.StudyDirection.MINIMIZE

    def rank(trial: FrozenTrial) -> tuple[int, float, float, int]:
        value = math.inf if trial.value is None else trial.value * (1 if falls else -1)
        ties = trial.user_attrs.get(TIES, math.inf)
        return STATES.index(state_of(trial)), value, ties, trial.number

    return sorted(current(study), key=rank)


def best(study: optuna.Study) -> FrozenTrial | None:
    """The best trial that is complete."""
    first = next(iter(ranked(study)), None)
    return first if first and first.state == TrialState.COMPLETE else None
