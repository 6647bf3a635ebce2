"""What each compiler flag buys a generated C trainer.

    python bench/c_flags.py

As bench/languages.py times it: in turn, medians of one run, each program checked by one
step first. Small networks run on one core, large ones on two.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile
from collections.abc import Iterator

from c_programs import generated_trainer
from races import Race, add_choice, chosen, machine
from rounds import (
    Absent,
    Limits,
    Measured,
    add_limits,
    limits_of,
    rounds,
    without_slowing,
    write_job,
)

#: The first is what the others are compared with.
WAYS = (
    "gcc -O3 -march=native",
    "gcc -O2 -march=native",
    "gcc -Os -march=native",
    "gcc -O3 -march=x86-64-v3",
    "gcc -O3",
    "gcc -O3 -march=native -std=c11",
    "gcc -O3 -march=native -fno-math-errno",
    "gcc -O3 -march=native -ffast-math",
    "gcc -O3 -march=native -DBPC_PORTABLE",
    "gcc -O3 -march=native -fopenmp",
    "gcc -O3 -march=native -DBPC_CBLAS -lopenblas",
    "clang -O3 -march=native",
    "clang -O3 -march=x86-64-v3",
    "clang -O3",
    "clang -O3 -march=native -fopenmp",
)


def measured(race: Race, limits: Limits) -> dict[str, Measured]:
    """By way to compile; those that fail are named on standard error."""
    contenders = []
    with tempfile.TemporaryDirectory() as folder:
        own = write_job(race.work, pathlib.Path(folder) / "own")
        for way in WAYS:
            compiler, *flags = way.split()
            try:
                contenders.append(
                    generated_trainer(way, race.work, own, compiler, flags)
                )
            except Absent as reason:
                print(f"{way}: left out: {reason}", file=sys.stderr)
        found = rounds(contenders, race.cores, limits)
    return {m.contender.name: m for m in found}


def table(results: dict[str, dict[str, Measured]]) -> Iterator[str]:
    yield f"| compiler and flags | {' | '.join(results)} |"
    yield "|---|" + "---:|" * len(results)
    for way in WAYS:
        cells = [cell(found, way) for found in results.values()]
        yield f"| `{way}` | {' | '.join(cells)} |"


def cell(found: dict[str, Measured], way: str) -> str:
    """Microseconds per step for the first way, multiples of them for the others."""
    if way not in found or WAYS[0] not in found:
        return "-"
    first = found[WAYS[0]].median
    return f"{first:.1f} µs" if way == WAYS[0] else f"{found[way].median / first:.2f} x"


def main() -> None:
    without_slowing()
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_limits(arguments)
    add_choice(arguments)
    options = arguments.parse_args()
    limits = limits_of(options)
    results = {race.title: measured(race, limits) for race in chosen(options)}
    print(f"python bench/c_flags.py {' '.join(sys.argv[1:])}".rstrip(), end="\n\n")
    print(*machine(), "", *table(results), sep="\n")


if __name__ == "__main__":
    main()
