"""Microseconds per mini-batch step: generated C beside whatever else could be picked.

    make bench-languages

Every contender trains the same network from the same weights on the same rows, float32,
in a process of its own that is pinned to one core (small networks) or two (large ones);
each epoch shuffles and gathers its mini-batches anew. Before a contender is timed, one
step of it is compared with the same step of the generated NumPy module in float64. They
then take turns of at least 40 ms; the table has medians, the spread (the middle half
of the turns, of the median), and ratios within this run, for absolute times depend on
the machine and on what else it does. The limit is what the multiply-adds of a step take
at the rate of a large float32 matrix product of NumPy's OpenBLAS, measured in turn with
the others. FANN and OpenBLAS come from the distribution (libfann-dev, libopenblas-dev),
the other peers with the extra `bench`; who is missing is named and left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import pathlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from c_programs import FLAGS, fann_trainer, generated_trainer, nearest_of_fann
from peers import PEERS
from races import Race, add_choice, chosen, machine
from rounds import (
    Absent,
    Contender,
    Measured,
    add_limits,
    limits_of,
    rounds,
    without_slowing,
    write_job,
)
from workloads import SPELLED, Workload

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = PEERS["product"].title
#: FANN takes minutes for networks of more operations a step.
FANN_AT_MOST = 1e9
#: Of `PEERS`, those that this table has.
NAMES = (
    "numpy",
    "numpy-textbook",
    "torch",
    "torch-compile",
    "jax",
    "scikit-learn",
    "product",
)

NOTES = {
    "FANN": "FANN has sigmoids and the quadratic cost alone and trains with those; its "
    "mini-batches are pointers to the rows, nothing is gathered",
    "scikit-learn": "with the cross-entropy: it has no quadratic cost over sigmoids",
}


@dataclass(frozen=True)
class Result:
    """Who took part in a race, the generated C programs first."""

    race: Race
    measured: tuple[Measured, ...]

    def median(self, name: str) -> float | None:
        found = [m.median for m in self.measured if m.contender.name == name]
        return found[0] if found else None

    @property
    def fastest(self) -> float:
        """The generated C program to compare with: the fastest of those that ran."""
        return min(
            (m.median for m in self.measured if m.contender.name.startswith("C")),
            default=math.nan,
        )


def ways_to_compile(race: Race, clang: bool) -> Iterator[tuple[str, str, list[str]]]:
    """Name, compiler and flags of each generated C program."""
    compilers = {"": "gcc"} | ({", clang": "clang"} if clang else {})
    for suffix, compiler in compilers.items():
        yield f"C{suffix}", compiler, [*FLAGS]
        if race.cores > 1:
            yield f"C, OpenMP{suffix}", compiler, [*FLAGS, "-fopenmp"]
            blas = [*FLAGS, "-DBPC_CBLAS", "-lopenblas"]
            yield f"C, CBLAS{suffix}", compiler, blas


def contenders(
    race: Race, folder: pathlib.Path, clang: bool, names: Sequence[str] = NAMES
) -> Iterator[Contender]:
    """Those that can take part; the others are named on standard error."""
    own, near = write_job(race.work, folder / "own"), nearest_of_fann(race.work)
    builders: dict[str, Callable[[], Contender]] = {}
    for name, compiler, flags in ways_to_compile(race, clang):
        builders[name] = partial(
            generated_trainer, name, race.work, own, compiler, flags
        )
    for name in names:
        builders[PEERS[name].title] = partial(peer, name, race.work, own)
    if takes_fann(race.work):
        builders["FANN"] = partial(
            fann_trainer, near, write_job(near, folder / "fann"), NOTES["FANN"]
        )
    for name, build in builders.items():
        try:
            yield build()
        except Absent as reason:
            print(f"{name}: left out: {reason}", file=sys.stderr)


def takes_fann(work: Workload) -> bool:
    """It has no Adam, fann.c gives it one-hot targets, and the error of float32 does
    not come through many layers of sigmoids."""
    small = work.operations < FANN_AT_MOST and len(work.layers) <= SPELLED
    return small and work.optimizer == "sgd" and work.layers[-1] > 1


def peer(name: str, work: Workload, folder: pathlib.Path) -> Contender:
    found = PEERS[name]
    if importlib.util.find_spec(found.module) is None:
        raise Absent("not installed: pip install 'bpcompile[bench]'")
    note = ""
    if name == "scikit-learn" and work.cost == "quadratic":
        work, note = replace(work, cost="cross_entropy"), NOTES[name]
        folder = write_job(work, folder.with_name("scikit_learn"))
    command = (sys.executable, str(HERE / "peers.py"), name, str(folder))
    return Contender(found.title, command, folder, work, note, found.trains)


def table(results: Sequence[Result]) -> Iterator[str]:
    """Every contender of every race."""
    yield (
        "| network, mini-batch | cores | implementation | µs per step | spread "
        "| to C | to the limit |"
    )
    yield "|---|---:|---|---:|---:|---:|---:|"
    notes: list[str] = []
    for result in results:
        limit = result.median(LIMIT)
        for found in result.measured:
            note = found.contender.note
            if note and note not in notes:
                notes.append(note)
            mark = f" ({notes.index(note) + 1})" if note else ""
            cells = (
                result.race.title,
                str(result.race.cores),
                found.contender.name + mark,
                f"{found.median:.1f}",
                f"{found.spread:.0%}",
                f"{found.median / result.fastest:.2f}",
                f"{found.median / limit:.2f}" if limit else "-",
            )
            yield f"| {' | '.join(cells)} |"
    for number, note in enumerate(notes, start=1):
        yield f"\n({number}) {note}."


def overview(results: Sequence[Result]) -> Iterator[str]:
    """A row for each network: the fastest C program, the others as multiples of it."""
    titles = [PEERS[name].title for name in NAMES] + ["FANN"]
    yield f"| network, mini-batch | cores | generated C | {' | '.join(titles)} |"
    yield "|---|---:|---:|" + "---:|" * len(titles)
    for result in (r for r in results if not math.isnan(r.fastest)):
        medians = (result.median(title) for title in titles)
        cells = [f"{m / result.fastest:.2f} x" if m else "-" for m in medians]
        start = f"| {result.race.title} | {result.race.cores} | {result.fastest:.1f} µs"
        yield f"{start} | {' | '.join(cells)} |"


def targets(results: Sequence[Result]) -> Iterator[str]:
    """What is wanted of C beside what this run gave."""
    yield "| network, mini-batch | wanted of C | measured | met |"
    yield "|---|---|---:|---|"
    for result in results:
        for name, factor in result.race.faster.items():
            ratio = (result.median(name) or math.nan) / result.fastest
            text = f"at least {factor:g} x faster than {name}"
            yield verdict(result, text, ratio, ratio >= factor)
        if result.race.to_limit is not None:
            ratio = result.fastest / (result.median(LIMIT) or math.nan)
            text = f"within {result.race.to_limit:g} x of the limit"
            yield verdict(result, text, ratio, ratio <= result.race.to_limit)


def verdict(result: Result, text: str, ratio: float, met: bool) -> str:
    shown = "not measured" if math.isnan(ratio) else f"{ratio:.2f}"
    return f"| {result.race.title} | {text} | {shown} | {'yes' if met else 'no'} |"


def main() -> None:
    without_slowing()
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_limits(arguments)
    add_choice(arguments)
    arguments.add_argument(
        "--clang", action="store_true", help="generated C by clang too"
    )
    options = arguments.parse_args()
    results = []
    for race in chosen(options):
        with tempfile.TemporaryDirectory() as folder:
            found = list(contenders(race, pathlib.Path(folder), options.clang))
            measured = rounds(found, race.cores, limits_of(options))
        results.append(Result(race, tuple(measured)))
    print(f"python bench/languages.py {' '.join(sys.argv[1:])}".rstrip(), end="\n\n")
    print(
        *machine(),
        "",
        *table(results),
        "",
        *targets(results),
        "",
        *overview(results),
        sep="\n",
    )


if __name__ == "__main__":
    main()
