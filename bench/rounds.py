"""Contenders as processes: started, checked against each other, timed in turn."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import IO, Any

import numpy as np
from jobs import read_job, split
from peers_numpy import generated
from workloads import Workload, data_for

#: How far one step may be from that of the generated NumPy module in float64: of the
#: mean change of the array, as far as float32 can tell. Its rounding is some 1e-5 of
#: that; a wrong rate, a missing 1/m or a stale weight are at least tenths of it.
TOLERANCE = 1e-3
#: A turn lasts at least so many seconds, that a clock and a scheduler count little.
TURN = 0.04
#: What slows a current OpenBLAS down where it is set for an older one.
SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
#: Who asks for how many threads: pinning alone does not reach all of them.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Absent(Exception):
    """A contender that cannot take part, with the reason."""


@dataclass(frozen=True)
class Contender:
    """`work` is its own where it cannot compute the table's; `note` then says why.

    The one that does not train gives the limit.
    """

    name: str
    command: tuple[str, ...]
    folder: pathlib.Path
    work: Workload
    note: str = ""
    trains: bool = True


@dataclass(frozen=True)
class Measured:
    """Microseconds per step: the median of the turns, and their spread."""

    contender: Contender
    median: float
    spread: float


def without_slowing() -> None:
    """Begin again without what would slow NumPy down, if it is set."""
    if any(name in os.environ for name in SLOWING):
        kept = {name: v for name, v in os.environ.items() if name not in SLOWING}
        os.execve(sys.executable, [sys.executable, *sys.argv], kept)


def write_job(work: Workload, folder: pathlib.Path) -> pathlib.Path:
    """The data, the labels and the parameters to start from, as raw numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "work.json").write_text(json.dumps(asdict(work)), "utf-8")
    x, labels = data_for(work)
    x.tofile(folder / "x.f32")
    labels.astype(np.uint8).tofile(folder / "labels.u8")
    random = np.random.default_rng(1)
    # Smaller ones would vanish in twenty layers of relu.
    gain = np.sqrt(2) if work.hidden == "relu" else 0.5
    start = [gain * random.standard_normal(s) / np.sqrt(s[1]) for _, s in work.shapes]
    values = np.concatenate([p.ravel() for p in start])
    values.astype(np.float32).tofile(folder / "start.f32")
    return folder


@dataclass(frozen=True, eq=False)
class Running:
    contender: Contender
    process: subprocess.Popen[str]
    said: IO[str]

    def ask(self, line: str) -> tuple[float, float]:
        """The seconds that a command took, and for which its threads had a core.

        Raises Absent where there is no answer.
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        with suppress(BrokenPipeError):  # it has ended: there is no answer either
            print(line, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            self.process.wait()
            self.said.seek(0)
            raise Absent((self.said.read().strip() or "no answer").splitlines()[-1])
        seconds, on_core = map(float, answer.split())
        return seconds, on_core

    def parameters(self) -> Any:
        path = self.contender.folder / f"{self.contender.name}.f32"
        self.ask(f"save {path}")
        values = np.fromfile(path, np.float32)
        path.unlink()
        if not np.isfinite(values).all():
            raise Absent("its weights are not finite")
        return values

    def turn(self, epochs: int, busy: bool = False) -> float:
        """Microseconds per step, over so many epochs; as Limits says of `busy`."""
        answers = [self.ask("epoch") for _ in range(epochs)]
        seconds = sum(answer[busy] for answer in answers)
        return 1e6 * seconds / epochs / self.contender.work.steps


@contextmanager
def running(
    contender: Contender, cores: int, threads: int | None = None
) -> Iterator[Running]:
    """The process of a contender, on the first `cores` cores that there are, of as many
    threads unless it is told otherwise."""
    taskset = shutil.which("taskset")
    pinned = [taskset, "-c", ",".join(map(str, range(cores)))] if taskset else []
    environment = os.environ | dict.fromkeys(THREADS, str(threads or cores))
    # Threads that spin while another contender has its turn would slow it down.
    environment |= {"OMP_WAIT_POLICY": "passive"}
    # Warnings go to a file: nobody reads a pipe while the others have their turns.
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        process = subprocess.Popen(
            [*pinned, *contender.command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            env=environment,
        )
        try:
            yield Running(contender, process, said)
        finally:
            process.kill()
            process.communicate()


def expected(folder: pathlib.Path) -> dict[str, tuple[Any, Any]]:
    """Each parameter before and after one step, by the NumPy module in float64."""
    job = read_job(folder)
    trainer = generated(job, "numpy", "float64")
    trainer.update()
    after = zip(job.start, trainer.parameters(), strict=True)
    return {name: (job.start[name], values) for name, values in after}


def difference(runner: Running, wanted: Mapping[str, tuple[Any, Any]]) -> float:
    """How far one step is from the one wanted, of the mean change of an array.

    Not of the largest change: Adam's are all alike in size, and where a gradient is 0
    but for rounding, so is their sign.
    """
    runner.ask("update")
    found = split(runner.contender.work, runner.parameters())
    return max(
        float(np.mean(np.abs(found[name] - after)) / np.mean(np.abs(after - before)))
        for name, (before, after) in wanted.items()
    )


def checked(runner: Running, steps: dict[pathlib.Path, Any]) -> bool:
    """Whether a contender takes part; says so on standard error where it does not."""
    contender = runner.contender
    try:
        if contender.trains:
            if contender.folder not in steps:
                steps[contender.folder] = expected(contender.folder)
            far = difference(runner, steps[contender.folder])
            if not far <= TOLERANCE:  # nor where it is NaN
                raise Absent(f"its step is another one, by {far:.1e} of the change")
        runner.turn(1)
    except Absent as reason:
        print(f"{contender.name}: left out: {reason}", file=sys.stderr)
        return False
    return True


@dataclass(frozen=True)
class Limits:
    """`fewest` rounds, and up to `most` while the spread of one is not below `steady`.

    busy   the machine has other work to do: of the time of a contender on one core,
           count what it had the core; on two, that would say nothing
    """

    fewest: int
    most: int
    steady: float
    busy: bool


def add_limits(arguments: argparse.ArgumentParser) -> None:
    add = arguments.add_argument
    add("--rounds", type=int, default=11, help="at least so many")
    add("--most", type=int, default=33, help="rounds at most")
    add("--steady", type=float, default=0.1, help="spread to reach")
    add("--busy", action="store_true", help="on one core, count only its own time")


def limits_of(options: argparse.Namespace) -> Limits:
    return Limits(options.rounds, options.most, options.steady, options.busy)


def rounds(
    contenders: Sequence[Contender], cores: int, limits: Limits
) -> list[Measured]:
    """Time all in turn.

    Raises Absent where weights are not finite in the end: such steps may be slow ones.
    """
    steps: dict[pathlib.Path, Any] = {}
    with ExitStack() as stack:
        started = [stack.enter_context(running(c, cores)) for c in contenders]
        runners = [runner for runner in started if checked(runner, steps)]
        epochs = [epochs_of_turn(runner) for runner in runners]
        times: list[list[float]] = [[] for _ in runners]
        busy = limits.busy and cores == 1
        for done in range(limits.most):
            steady = all(spread(t) < limits.steady for t in times if done > 1)
            if done >= limits.fewest and steady:
                break
            for runner, count, found in zip(runners, epochs, times, strict=True):
                found.append(runner.turn(count, busy))
        for runner in runners:
            runner.parameters()
    pairs = zip(runners, times, strict=True)
    return [Measured(r.contender, statistics.median(t), spread(t)) for r, t in pairs]


def epochs_of_turn(runner: Running) -> int:
    """By the clock here, for what a contender counts may be much less: the limit's."""
    start = time.perf_counter()
    runner.turn(1)
    return max(1, round(TURN / (time.perf_counter() - start)))


def spread(times: Sequence[float]) -> float:
    """The middle half of the times lies within this share of their median."""
    low, _, high = statistics.quantiles(times, n=4)
    return (high - low) / statistics.median(times)
