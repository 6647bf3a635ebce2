"""What two ranks of this machine do, and what any number of ranks would after that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bpcompile.benching.fit import Line, fitted
from bpcompile.benching.launch import measured, mpirun
from bpcompile.benching.model import (
    Compute,
    Interconnect,
    Prediction,
    Verdict,
    Work,
    calibrated,
    predict,
    verdict,
)
from bpcompile.benching.workload import data_of, trained_by_the_step
from bpcompile.errors import UserError
from bpcompile.lower import lower
from bpcompile.render import render
from bpcompile.spec import NetworkSpec
from bpcompile.summary import summarize
from bpcompile.target import default_target_name, load_target

ROUNDS = 9
#: Ranks that measure, all at once: fewer have nobody to talk to.
RANKS = 2
MICROSECOND, GIGABIT = 1e-6, 1e9 / 8
#: Bytes of one number, whose Allreduce is latency alone, and parts of the gradients: an
#: eighth, a quarter, a half, all.
SMALLEST, PARTS = 8, (8, 4, 2, 1)


@dataclass(frozen=True)
class Network:
    """What is given of the network between ranks: microseconds and Gbit/s."""

    latency: float | None = None
    bandwidth: float | None = None

    def over(self, here: Interconnect) -> Interconnect:
        """What was measured here, with what is given in its place."""
        found = here
        if self.latency is not None:
            found = replace(found, latency=self.latency * MICROSECOND)
        if self.bandwidth is not None:
            found = replace(found, per_byte=1 / (self.bandwidth * GIGABIT))
        return found


@dataclass(frozen=True)
class Machine:
    """What the ranks of this machine took, in seconds.

    compute    by the examples of a rank's share, and the line through these
    allreduce  by bytes, and the line through these
    added      for each byte of a sum of two arrays
    steps      of the trainer itself, by the number of ranks
    """

    compute: Mapping[int, float]
    compute_line: Line
    allreduce: Mapping[int, float]
    allreduce_line: Line
    added: float
    steps: Mapping[int, float]

    @property
    def step(self) -> Compute:
        return Compute(self.compute_line.start, self.compute_line.slope)

    @property
    def interconnect(self) -> Interconnect:
        line = self.allreduce_line
        return calibrated(line.start, line.slope, self.added)


@dataclass(frozen=True)
class Growth:
    """A network's steps on any number of ranks: what is measured, what is predicted.

    network        the spec's name, with its sizes as shape
    multiply_adds  of one example's products
    given          of the network between ranks, where it was not measured
    """

    network: str
    shape: str
    dtype: str
    mini_batch_size: int
    work: Work
    multiply_adds: int
    machine: Machine
    given: Network
    ranks: tuple[int, ...]

    @property
    def here(self) -> tuple[Prediction, ...]:
        """What the model says of the ranks that were measured."""
        machine = self.machine
        counts = sorted(machine.steps)
        return self._predicted(counts, machine.interconnect)

    @property
    def predictions(self) -> tuple[Prediction, ...]:
        """For the ranks that were asked for, over the network that is given."""
        interconnect = self.given.over(self.machine.interconnect)
        return self._predicted(self.ranks, interconnect)

    @property
    def verdict(self) -> Verdict:
        return verdict(self.predictions, self.work, self.machine.step)

    def _predicted(
        self, ranks: Sequence[int], interconnect: Interconnect
    ) -> tuple[Prediction, ...]:
        step = self.machine.step
        return tuple(predict(self.work, step, interconnect, p) for p in ranks)


def measure_growth(
    spec: NetworkSpec, name: str | None, ranks: tuple[int, ...], given: Network
) -> Growth:
    """Measure here, for the target of that name or the default one.

    Raises UserError where MPI is missing, or that target has no trainers for it.
    """
    target = load_target(name or default_target_name())
    if target.runs != "import":
        raise UserError(f'target "{target.name}" cannot be timed by bench')
    # Looked for first: who has none is told at once.
    mpirun()
    plan = lower(trained_by_the_step(spec, parallel=True))
    summary = summarize(plan)
    examples = spec.hyperparameters.examples_per_update
    job = {
        **data_of(spec),
        "rounds": ROUNDS,
        "ranks": RANKS,
        "dtype": plan.dtype,
        "bytes": _sizes(summary.gradient_bytes),
        "pretended": _pretended(examples),
    }
    found = measured({"trainer": render(plan, target)[0].text}, job, RANKS)
    return Growth(
        network=spec.name,
        shape="-".join(map(str, plan.sizes)),
        dtype=plan.dtype,
        work=Work(examples, summary.gradient_bytes),
        mini_batch_size=summary.mini_batch_size,
        multiply_adds=summary.forward + summary.backward,
        machine=_machine(found, examples),
        given=given,
        ranks=ranks,
    )


def _sizes(gradient: int) -> list[int]:
    """Bytes of the messages that are timed, rising; whole numbers of the dtype."""
    parts = (gradient // part // SMALLEST * SMALLEST for part in PARTS)
    return sorted({max(SMALLEST, size) for size in (0, *parts)})


def _pretended(examples: int) -> list[int]:
    """Numbers of ranks whose largest shares differ: 1, 2, 4, ... and one each."""
    powers = [1 << power for power in range(examples.bit_length())]
    shares = {-(-examples // ranks): ranks for ranks in (examples, *powers)}
    return sorted(shares.values())


def _machine(found: Mapping[str, Mapping[str, float]], examples: int) -> Machine:
    """What the probe has measured, by its names: a kind and a number."""
    medians: dict[str, dict[int, float]] = {}
    for name, about in found.items():
        kind, _, number = name.partition(" ")
        medians.setdefault(kind, {})[int(number or 0)] = about["median"]
    compute = {
        -(-examples // ranks): took for ranks, took in medians["compute"].items()
    }
    allreduce = medians["allreduce"]
    return Machine(
        compute=compute,
        compute_line=fitted(compute),
        allreduce=allreduce,
        allreduce_line=fitted(allreduce),
        added=medians["added"][0] / max(allreduce),
        steps=medians["step"],
    )
