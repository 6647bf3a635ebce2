"""Run a probe on modules and data, by itself or on several ranks; what it measured."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.machinery import SOURCE_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bpcompile.errors import UserError, printable
from bpcompile.threads import THREADS

SUFFIX = SOURCE_SUFFIXES[0]
JOB, RESULT = "job.json", "result.json"
PROBE, RANKS_PROBE = "bpcompile.benching.probe", "bpcompile.benching.ranks_probe"
#: Seconds that a process has to end by itself when it is told to.
PATIENCE = 5
#: How the last line of a traceback begins.
_ERROR = re.compile(r"[\w.]*(Error|Exception): ")
NEEDS = "needs {}: pip install 'bpcompile[mpi]'"


def measured(
    texts: Mapping[str, str], job: Mapping[str, Any], ranks: int | None = None
) -> dict[str, Any]:
    """What the probe says of modules, by the name of each and its text.

    ranks  None: in one process, without MPI

    Raises UserError where MPI is asked for and missing, or where the probe fails.
    """
    command = [sys.executable, "-m", PROBE]
    if ranks is not None:
        launcher = [mpirun(), "-n", str(ranks)]
        # Its runner ends all ranks where one has failed.
        command = [*launcher, sys.executable, "-m", "mpi4py", "-m", RANKS_PROBE]
    with tempfile.TemporaryDirectory(prefix="bpcompile-bench-") as name:
        folder = Path(name)
        modules = {name: f"module_{i}{SUFFIX}" for i, name in enumerate(texts)}
        for name, text in texts.items():
            (folder / modules[name]).write_text(text, "utf-8")
        (folder / JOB).write_text(json.dumps({**job, "modules": modules}), "utf-8")
        _run([*command, str(folder)], one_thread=ranks is not None)
        result: dict[str, Any] = json.loads((folder / RESULT).read_text("utf-8"))
    return result


def mpirun() -> str:
    """Where it is: beside this interpreter, as the wheel of an MPI installs it, else on
    the path.

    Raises UserError where it is not, or where mpi4py is missing.
    """
    if find_spec("mpi4py") is None:
        raise UserError(f"bench --mpi {NEEDS.format('the package mpi4py')}")
    folders = os.pathsep.join((str(Path(sys.executable).parent), os.defpath))
    path = os.pathsep.join((folders, os.environ.get("PATH", "")))
    found = shutil.which("mpirun", path=path)
    if found is None:
        raise UserError(f"bench --mpi {NEEDS.format('mpirun, which is not found')}")
    return found


def _run(command: Sequence[str], one_thread: bool) -> None:
    """Run to the end; raises UserError with its last words where that is no good one."""
    environment = os.environ.copy()
    package = str(Path(__file__).resolve().parents[2])
    inherited = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (package, inherited)))
    if one_thread:
        # As many ranks as cores is what MPI is for: threads would only wait for them.
        for name in THREADS:
            environment.setdefault(name, "1")
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        encoding="utf-8",
        errors="replace",
    )
    try:
        _, said = process.communicate()
    finally:
        _end(process)
    if process.returncode != 0:
        lines = said.strip().splitlines() or [f"exit code {process.returncode}"]
        # After a traceback, an MPI has words of its own for how the job ended.
        last = next(filter(_ERROR.match, reversed(lines)), lines[-1])
        raise UserError(f"nothing could be measured: {printable(last)}")


def _end(process: subprocess.Popen[str]) -> None:
    """Told first and killed only then: a launcher that is killed leaves its ranks."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
