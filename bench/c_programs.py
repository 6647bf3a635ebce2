"""Compile the C contenders: generated trainers, and FANN's."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace

from rounds import Absent, Contender
from workloads import Workload, spec_file

from bpcompile import compile_spec

HERE = pathlib.Path(__file__).resolve().parent
#: As docs/c.md tells users to compile; without the last a square root is a call.
FLAGS = ("-O3", "-march=native", "-fno-math-errno")
#: Where a library that is not found comes from.
PACKAGES = {
    "-lfann": "FANN is not installed: apt-get install libfann-dev",
    "-lopenblas": "OpenBLAS is not installed: apt-get install libopenblas-dev",
    "-fopenmp": "OpenMP is not installed: apt-get install libomp-dev (clang)",
}


def compiled(
    compiler: str, source: pathlib.Path, program: pathlib.Path, flags: Sequence[str]
) -> str:
    """The path of the program. Raises Absent, with what to install if that is known."""
    if shutil.which(compiler) is None:
        raise Absent(f"there is no {compiler}")
    command = [compiler, str(source), "-o", str(program), *flags, "-lm"]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        known = [text for flag, text in PACKAGES.items() if flag in flags]
        said = run.stderr.strip().splitlines()
        # The headers and the library are what is not there; all else is a fault.
        missing = "cannot find" in run.stderr or "No such file" in run.stderr
        raise Absent(known[-1] if known and missing else "; ".join(said[:3]))
    return str(program)


def generated_trainer(
    name: str,
    work: Workload,
    folder: pathlib.Path,
    compiler: str = "gcc",
    flags: Sequence[str] = FLAGS,
) -> Contender:
    """The generated C program, trained over data in memory (bench/trainer.c)."""
    model = folder / "model.c"
    with spec_file(work) as path:
        model.write_text(compile_spec(path, "c", library=True), "utf-8")
    program = folder / name.replace(" ", "_").replace("/", "_")
    inclusion: tuple[str, ...] = ("-I", str(folder), "-DBPC_NO_MAIN")
    if work.layers[-1] == 1:
        inclusion += ("-DBENCH_ONE_OUTPUT",)
    command = compiled(compiler, HERE / "trainer.c", program, (*inclusion, *flags))
    return Contender(name, (command, str(folder), str(work.examples)), folder, work)


def nearest_of_fann(work: Workload) -> Workload:
    """FANN has sigmoids and the quadratic cost; it is slow, so few examples do."""
    few = min(work.examples, max(work.mini_batch_size * 4, 1_000))
    return replace(
        work,
        hidden="sigmoid",
        output="sigmoid",
        cost="quadratic",
        examples=few,
        l2=0.0,
        optimizer="sgd",
    )


def fann_trainer(work: Workload, folder: pathlib.Path, note: str) -> Contender:
    """FANN with the rate of `spec_of`, on the folder of `nearest_of_fann(work)`."""
    path = compiled("gcc", HERE / "fann.c", folder / "fann", (*FLAGS, "-lfann"))
    numbers = (work.examples, work.mini_batch_size, work.rate, *work.layers)
    command = (path, str(folder), *map(str, numbers))
    return Contender("FANN", command, folder, work, note)
