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
import importlib.metadata
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from c_programs import FLAGS, fann_trainer, generated_trainer, nearest_of_fann
from peers import PEERS
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
from workloads import Workload

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = "matrix-product"


@dataclass(frozen=True)
class Race:
    """How many times slower than C the others must be, and C at most to the limit."""

    work: Workload
    cores: int
    slower: Mapping[str, float]
    to_limit: float | None = None


RACES = (
    Race(
        Workload((784, 30, 10), "sigmoid", "sigmoid", "quadratic", 10, 5_000),
        1,
        {"jax": 4, "torch": 25},
        2.0,
    ),
    Race(
        Workload((784, 100, 10), "sigmoid", "sigmoid", "cross_entropy", 10, 5_000),
        1,
        {"jax": 2, "torch": 8},
        1.6,
    ),
    Race(
        Workload((64, 32, 10), "relu", "softmax", "log_likelihood", 32, 16_000),
        1,
        {"jax": 4, "torch": 30},
        2.5,
    ),
    Race(
        Workload((784, 512, 512, 10), "relu", "softmax", "log_likelihood", 128, 6_400),
        2,
        {"jax": 1},
    ),
    Race(
        Workload(
            (1024, 1024, 1024, 1024, 10),
            "relu",
            "softmax",
            "log_likelihood",
            256,
            5_120,
        ),
        2,
        {"jax": 1},
    ),
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
            default=float("nan"),
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


def contenders(race: Race, folder: pathlib.Path, clang: bool) -> Iterator[Contender]:
    """Those that can take part; the others are named on standard error."""
    own, near = write_job(race.work, folder / "own"), nearest_of_fann(race.work)
    builders: dict[str, Callable[[], Contender]] = {}
    for name, compiler, flags in ways_to_compile(race, clang):
        builders[name] = partial(
            generated_trainer, name, race.work, own, compiler, flags
        )
    for name in PEERS:
        builders[name] = partial(peer, name, race.work, own)
    builders["FANN"] = partial(
        fann_trainer, near, write_job(near, folder / "fann"), NOTES["FANN"]
    )
    for name, build in builders.items():
        try:
            yield build()
        except Absent as reason:
            print(f"{name}: left out: {reason}", file=sys.stderr)


def peer(name: str, work: Workload, folder: pathlib.Path) -> Contender:
    _, module = PEERS[name]
    if importlib.util.find_spec(module) is None:
        raise Absent(f"there is no {module}: pip install 'bpcompile[bench]'")
    note = ""
    if name == "scikit-learn" and work.cost == "quadratic":
        work, note = replace(work, cost="cross_entropy"), NOTES[name]
        folder = write_job(work, folder.with_name("scikit_learn"))
    command = (sys.executable, str(HERE / "peers.py"), name, str(folder))
    return Contender(name, command, folder, work, note, trains=name != LIMIT)


def table(results: Sequence[Result]) -> Iterator[str]:
    yield "| network, mini-batch | cores | implementation | µs per step | spread | to C | to the limit |"
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
                f"{result.race.work.sizes} at {result.race.work.mini_batch_size}",
                result.race.cores,
                found.contender.name + mark,
                f"{found.median:.1f}",
                f"{found.spread:.0%}",
                f"{found.median / result.fastest:.2f}",
                f"{found.median / limit:.2f}" if limit else "-",
            )
            yield f"| {' | '.join(map(str, cells))} |"
    for number, note in enumerate(notes, start=1):
        yield f"\n({number}) {note}."


def targets(results: Sequence[Result]) -> Iterator[str]:
    """What issue 4 asks for, beside what this run gave."""
    yield "| network, mini-batch | wanted of C | measured | met |"
    yield "|---|---|---:|---|"
    for result in results:
        work = result.race.work
        title = f"{work.sizes} at {work.mini_batch_size}"
        wanted = [(name, factor, True) for name, factor in result.race.slower.items()]
        if result.race.to_limit is not None:
            wanted.append((LIMIT, result.race.to_limit, False))
        for name, factor, faster in wanted:
            other = result.median(name)
            if faster:
                text = f"at least {factor:g} x faster than {name}"
                ratio = other / result.fastest if other else None
                met = ratio is not None and ratio >= factor
            else:
                text = f"within {factor:g} x of the limit"
                ratio = result.fastest / other if other else None
                met = ratio is not None and ratio <= factor
            shown = f"{ratio:.2f}" if ratio is not None else "not measured"
            yield f"| {title} | {text} | {shown} | {'yes' if met else 'no'} |"


def machine() -> Iterator[str]:
    """Cores, vector extensions, compilers and versions: never a host or a path."""
    yield f"{os.cpu_count()} cores; {' '.join(FLAGS)} means {vectors()}"
    for compiler in ("gcc", "clang"):
        said = output(compiler, "--version").partition("\n")[0]
        yield said or f"no {compiler}"
    names = ("numpy", "torch", "jax", "scikit-learn")
    found = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
    yield ", ".join(f"{name} {found[name]}" for name in names if name in found)


def vectors() -> str:
    macros = output("gcc", *FLAGS, "-dM", "-E", "-x", "c", os.devnull)
    known = {"__AVX512F__": "AVX-512", "__AVX2__": "AVX2", "__ARM_NEON": "NEON"}
    return next(
        (text for macro, text in known.items() if macro in macros), "no vectors"
    )


def output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout
    except OSError:
        return ""


def main() -> None:
    without_slowing()
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_limits(arguments)
    arguments.add_argument("--only", default="", help="networks that begin so: 784-30")
    arguments.add_argument(
        "--clang", action="store_true", help="generated C by clang too"
    )
    options = arguments.parse_args()
    results = []
    for race in RACES:
        if not race.work.sizes.startswith(options.only):
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = list(contenders(race, pathlib.Path(folder), options.clang))
            measured = rounds(found, race.cores, limits_of(options))
        results.append(Result(race, tuple(measured)))
    print(f"python bench/languages.py {' '.join(sys.argv[1:])}".rstrip(), end="\n\n")
    print(*machine(), "", *table(results), "", *targets(results), sep="\n")


if __name__ == "__main__":
    main()
