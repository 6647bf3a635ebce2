"""The networks on which generated C is measured, what is wanted of it, and where."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from c_programs import FLAGS
from workloads import Workload


@dataclass(frozen=True)
class Race:
    """How much faster than others C is to be, and within what of the limit."""

    work: Workload
    cores: int
    faster: Mapping[str, float]
    to_limit: float | None = None

    @property
    def title(self) -> str:
        return self.work.title


RACES = (
    Race(
        Workload((784, 30, 10), "sigmoid", "sigmoid", "quadratic", 10, 5_000),
        1,
        {"JAX scan": 4, "PyTorch eager": 25},
        2.0,
    ),
    Race(
        Workload((784, 100, 10), "sigmoid", "sigmoid", "cross_entropy", 10, 5_000),
        1,
        {"JAX scan": 2, "PyTorch eager": 8},
        1.6,
    ),
    Race(
        Workload((64, 32, 10), "relu", "softmax", "log_likelihood", 32, 16_000),
        1,
        {"JAX scan": 4, "PyTorch eager": 30},
        2.5,
    ),
    Race(
        Workload((784, 512, 512, 10), "relu", "softmax", "log_likelihood", 128, 6_400),
        2,
        {"JAX scan": 1},
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
        {"JAX scan": 1},
    ),
)


def chosen(options: argparse.Namespace) -> list[Race]:
    cores = options.cores
    return [
        replace(race, cores=cores or race.cores)
        for race in RACES
        if race.work.sizes.startswith(options.only)
    ]


def add_choice(arguments: argparse.ArgumentParser) -> None:
    add = arguments.add_argument
    add("--only", default="", help="networks that begin so: 784-30")
    add("--cores", type=int, help="so many for all networks")


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
