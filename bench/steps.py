"""Microseconds per mini-batch step: generated NumPy trainers beside their peers.

    make bench

As bench/languages.py: every contender is a process of its own, its first step is
compared with that of the generated module in float64, then they take turns; medians
and ratios are of one run. "products alone" is the floor, the matrix products of a step
by the same BLAS and nothing else; "set-up of train()" what a call costs beside its
epochs. With --write, tables and plot go to docs/performance.md and docs/performance.svg;
what else the page says below them stays.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace

from bars import svg
from bouts import BOUTS
from importing import ROOT
from languages import Result, contenders
from performance import merged, overview, page, shares, verdicts
from races import Race, machine
from rounds import Limits, add_limits, limits_of, rounds, without_slowing

#: Of `peers.PEERS`.
NAMES = (
    "numpy",
    "numpy-textbook",
    "torch",
    "jax",
    "scikit-learn",
    "products",
    "set-up",
)
PAGE, PLOT = ROOT / "docs" / "performance.md", ROOT / "docs" / "performance.svg"


def measured(race: Race, limits: Limits) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        found = contenders(race, pathlib.Path(folder), clang=False, names=NAMES)
        return Result(race, tuple(rounds(list(found), race.cores, limits)))


def chosen(only: str, cores: int | None) -> Iterator[Race]:
    for race in BOUTS:
        if race.work.title.startswith(only):
            yield replace(race, cores=cores or race.cores)


def main() -> None:
    without_slowing()
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_limits(arguments)
    arguments.set_defaults(rounds=9, most=21)
    add = arguments.add_argument
    add("--only", default="", help="networks whose titles begin so: 784-30")
    add("--cores", type=int, help="so many for all networks")
    add("--write", action="store_true", help="docs/performance.md and its plot")
    options = arguments.parse_args()
    made = [word for word in sys.argv[1:] if word != "--write"]
    results: list[Result] = []
    for race in chosen(options.only, options.cores):
        results.append(measured(race, limits_of(options)))
        print(*overview(results[-1:], head=not results[1:]), sep="\n", flush=True)
        if options.write:  # after each, for it takes minutes and may be ended
            write(results, " ".join(["python bench/steps.py", *made]))
    print("", *verdicts(results), sep="\n")


def write(results: Sequence[Result], command: str) -> None:
    kept = PAGE.read_text("utf-8") if PAGE.exists() else ""
    text = page(results, command, list(machine()))
    PAGE.write_text(merged(text, kept), "utf-8")
    PLOT.write_text(svg(list(shares(results))), "utf-8")


if __name__ == "__main__":
    main()
