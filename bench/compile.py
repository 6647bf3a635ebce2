"""What compiling a spec costs: whole processes, from their start to their end.

    .venv/bin/python bench/compile.py

The commands run in turn, several times over, in an environment in which Python keeps
bytecode, as it does by default. The table has the shortest time from start to end, the
median of the processors' times and of their ratios within each round, which other
programs on the machine change least, and the largest peak of memory. The floor is a
process that defines and uses one Pydantic model of one field and imports Jinja2: no
compiler that is built on the two can do without.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent

PASS, FLOOR, NUMPY = "python -c pass", "the floor", "import numpy"
MODEL = """
import jinja2
from pydantic import BaseModel
class Layer(BaseModel):
    size: int
Layer(size=30)
"""
# Two epochs of three examples: that it trains, not how well.
TRAIN = """
import numpy, deep
network = deep.Network()
network.train(numpy.eye(3, 8, dtype="f4"), numpy.arange(3), epochs=2)
assert all(numpy.isfinite(array).all() for array in network.parameters.values())
"""
MANY = 200


@dataclass(frozen=True)
class Row:
    """A command, what it is compared with, and which of what is kept goes before."""

    title: str
    command: tuple[str, ...]
    floor: str = FLOOR
    without: str = ""


@dataclass(frozen=True)
class Cost:
    """Of one process: seconds from start to end and of the processors, bytes."""

    wall: float
    cpu: float
    peak: int


def rows(folder: pathlib.Path) -> Iterator[Row]:
    """Every command; specs and outputs stand in the folder."""
    python = (sys.executable,)
    bpcompile = (*python, "-m", "bpcompile")
    book = (*bpcompile, str(ROOT / "specs" / "book_ch3.json"), "-o")
    yield Row(PASS, (*python, "-c", "pass"), PASS)
    yield Row("--version", (*bpcompile, "--version"), PASS)
    yield Row(FLOOR, (*python, "-c", MODEL))
    for target, file in (("numpy", "b.py"), ("numpy-textbook", "t.py"), ("c", "b.c")):
        command = (*book, str(folder / file), "-t", target)
        yield Row(f"book_ch3, {target}", command)
    again = (*book, str(folder / "b.py"))
    yield Row("book_ch3, no templates kept", again, without="numpy/*.jinjac")
    for count in (100, 1_000):
        spec = written(folder, f"deep{count}", [8, *[30] * (count - 2), 10])
        for target, file in (("numpy", "deep.py"), ("c", "deep.c")):
            command = (*bpcompile, spec, "-o", str(folder / file), "-t", target)
            yield Row(f"{count:,} layers, {target}", (*command, "--force"))
    wide = written(folder, "wide", [10_000, 10_000, 10_000, 10])
    yield Row("10,000 wide", (*bpcompile, wide, "-o", str(folder / "wide.py")))
    many = [written(folder, f"many{i}", [784, 30 + i, 10]) for i in range(MANY)]
    outputs = f"{folder / 'many'}/"
    yield Row(f"{MANY} specs", (*bpcompile, "build", *many, "-o", outputs))
    yield Row(NUMPY, (*python, "-c", "import numpy"), NUMPY)
    imported = (*python, "-c", "import numpy, deep")
    yield Row("import 1,000 layers first", imported, NUMPY, "deep.*.pyc")
    yield Row("import 1,000 layers again", imported, NUMPY)
    yield Row("train 1,000 layers", (*python, "-c", TRAIN), NUMPY)


def written(folder: pathlib.Path, name: str, layers: list[int]) -> str:
    path = folder / f"{name}.json"
    spec = {"version": 1, "name": name, "layers": layers, "cost": "quadratic"}
    path.write_text(json.dumps(spec), "utf-8")
    return str(path)


def run(command: tuple[str, ...], environment: Mapping[str, str]) -> Cost:
    """Run it to its end; raises CalledProcessError where it fails."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    # macOS counts in bytes, Linux in kilobytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * unit)


def measured(rounds: int) -> tuple[list[Row], dict[str, list[Cost]]]:
    """The rows, and of each the costs of its runs after one warm-up."""
    with tempfile.TemporaryDirectory() as name:
        folder, cache = pathlib.Path(name, "work"), pathlib.Path(name, "cache")
        (folder / "many").mkdir(parents=True)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        environment = {
            **inherited,
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(folder))),
            "PYTHONPYCACHEPREFIX": str(cache),
        }
        commands = list(rows(folder))
        costs: dict[str, list[Cost]] = {row.title: [] for row in commands}
        for turn in range(rounds + 1):
            for row in commands:
                for kept in cache.rglob(row.without) if row.without else ():
                    kept.unlink()
                cost = run(row.command, environment)
                if turn:
                    costs[row.title].append(cost)
        return commands, costs


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--rounds", type=int, default=11)
    commands, costs = measured(arguments.parse_args().rounds)
    print("| process | ms at best | processor's ms | peak MB | multiple of |  |")
    print("|---|---:|---:|---:|---|---:|")
    for row in commands:
        found = costs[row.title]
        best = 1e3 * min(cost.wall for cost in found)
        cpu = 1e3 * statistics.median(cost.cpu for cost in found)
        peak = max(cost.peak for cost in found) / 1e6
        pairs = zip(found, costs[row.floor], strict=True)
        ratio = statistics.median(cost.cpu / floor.cpu for cost, floor in pairs)
        print(
            f"| {row.title} | {best:.0f} | {cpu:.0f} | {peak:.0f} "
            f"| {row.floor} | {ratio:.2f} |"
        )


if __name__ == "__main__":
    main()
