"""Steps on one, two and four ranks beside PyTorch's, and what a model says of more.

    python bench/scale_out.py --write

The generated trainers for MPI take turns with PyTorch's DistributedDataParallel on gloo,
each rank a process with one thread of its BLAS, all on the first two cores: one rank has
one of them to itself, two have one each, four share two. Before a contender is timed,
one step of it is compared with that of the generated NumPy module in float64. Beside
the times stands what the model of `bpcompile bench --mpi` says, which is measured in the
same run, and then what it says of the gallery's networks on up to 1,024 ranks. With
--write, tables and plot go to docs/scale-out.md and docs/scale-out.svg; with --results
figures are kept after each network, and a second run measures what is missing among them.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import pathlib
import socket
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

from growth import OWN, PEER, Found, Run, merged, page, plot
from importing import ROOT
from races import RACES, vectors
from rounds import (
    Contender,
    Limits,
    add_limits,
    checked,
    epochs_of_turn,
    limits_of,
    running,
    spread,
    without_slowing,
    write_job,
)
from workloads import Workload, spec_of

from bpcompile import load_spec
from bpcompile.benching.growth import Growth, Network, measure_growth
from bpcompile.benching.launch import mpirun
from bpcompile.spec import NetworkSpec

HERE = pathlib.Path(__file__).resolve().parent
PAGE, PLOT = ROOT / "docs" / "scale-out.md", ROOT / "docs" / "scale-out.svg"
WORKS = tuple(race.work for race in RACES if race.cores == 2)
CORES, COUNTS = 2, (1, 2, 4)
#: What `python bench/ranks.py NAME` answers to, and what tables call it.
TITLES = {"numpy": OWN, "torch": PEER}


def contenders(work: Workload, folder: pathlib.Path) -> Iterator[Contender]:
    """Of each kind one for every number of ranks; `name` ends with that number."""
    folder = write_job(work, folder)
    for name, title in TITLES.items():
        for count in COUNTS:
            port = str(_free_port())
            where = ("MASTER_ADDR", "127.0.0.1", "-genv", "MASTER_PORT", port)
            started = (mpirun(), "-n", str(count), "-genv", *where, sys.executable)
            command = (*started, str(HERE / "ranks.py"), name, str(folder))
            yield Contender(f"{title} {count}", command, folder, work)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def timed(work: Workload, limits: Limits) -> list[Run]:
    """All contenders in turn, as `rounds.rounds`, but with what ranks say besides."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        found = contenders(work, pathlib.Path(folder) / "job")
        started = [stack.enter_context(running(c, CORES, threads=1)) for c in found]
        runners = [runner for runner in started if checked(runner, {})]
        turns = {runner: epochs_of_turn(runner) for runner in runners}
        answers: dict[str, list[tuple[float, float]]] = {}
        for _ in range(limits.fewest):
            for runner, epochs in turns.items():
                took = [runner.ask("epoch") for _ in range(epochs)]
                seconds, exchanged = map(sum, zip(*took, strict=True))
                about = answers.setdefault(runner.contender.name, [])
                about.append((seconds / epochs / work.steps, exchanged / seconds))
    return [_run(work, name, about) for name, about in answers.items()]


def _run(work: Workload, name: str, about: list[tuple[float, float]]) -> Run:
    title, _, ranks = name.rpartition(" ")
    steps, shares = zip(*about, strict=True)
    return Run(
        work=work.title,
        title=title,
        ranks=int(ranks),
        step=statistics.median(steps),
        spread=spread(steps),
        exchange=statistics.median(shares),
    )


def grown(spec: NetworkSpec) -> Growth:
    ranks = tuple(1 << power for power in range(11))
    return measure_growth(spec, None, ranks, Network())


def machine() -> Iterator[str]:
    """Cores, vector extensions and versions: never a host or a path."""
    yield f"{os.cpu_count()} cores, {vectors()}"
    names = ("numpy", "torch", "mpi4py", "mpich")
    found = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
    yield ", ".join(f"{name} {found[name]}" for name in names if name in found)


def measured(found: Found, limits: Limits) -> Iterator[Found]:
    """What there is, and more with every network that was not among it."""
    for work in WORKS:
        if work.title not in found.growths:
            fields = {**spec_of(work), "name": "wide"}
            spec = NetworkSpec.model_validate_json(json.dumps(fields))
            growths = {**found.growths, work.title: grown(spec)}
            runs = (*found.runs, *timed(work, limits))
            found = replace(found, growths=growths, runs=runs)
            yield found
    for path in sorted(ROOT.glob("specs/*.json")):
        if path.stem not in found.growths:
            growths = {**found.growths, path.stem: grown(load_spec(path))}
            found = replace(found, growths=growths)
            yield found


def main() -> None:
    without_slowing()
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_limits(arguments)
    add = arguments.add_argument
    add("--results", type=pathlib.Path, help="a file of figures, to go on with")
    add("--write", action="store_true", help="docs/scale-out.md and its plot")
    options = arguments.parse_args()
    kept: pathlib.Path | None = options.results
    found = Found((), {}, tuple(machine()))
    if kept and kept.exists():
        found = Found.read(kept.read_text("utf-8"))
    for more in measured(found, limits_of(options)):
        found = more
        print(*found.growths, sep=", ", file=sys.stderr)
        if kept:  # after each, for it takes minutes and may be ended
            kept.write_text(found.text(), "utf-8")
    text = page(found, "python bench/scale_out.py --write")
    print(text)
    if options.write:
        PAGE.write_text(merged(PAGE.read_text("utf-8"), text), "utf-8")
        PLOT.write_text(plot(found), "utf-8")


if __name__ == "__main__":
    main()
