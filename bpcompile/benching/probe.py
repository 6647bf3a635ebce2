"""What `bpcompile bench` runs in a process of its own: `-m bpcompile.benching.probe`.

FOLDER/job.json says what to time, FOLDER/result.json then holds what it took. All
trainers take their turns one after the other, round after round, so that whatever else
the machine does slows all of them alike.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bpcompile.benching.launch import JOB, RESULT
from bpcompile.benching.timing import Trained, imported, medians, repeated


def main(folder: Path) -> None:
    """Time the modules that the job lists, by their names."""
    job: dict[str, Any] = json.loads((folder / JOB).read_text("utf-8"))
    x, y = repeated(job)
    networks = {
        name: Trained(imported(folder / file, f"module_{place}"), x, y, job["steps"])
        for place, (name, file) in enumerate(job["modules"].items())
    }
    found = medians(_turns(networks, job["rounds"]))
    (folder / RESULT).write_text(json.dumps(found), "utf-8")


def _turns(
    networks: Mapping[str, Trained], rounds: int
) -> Iterator[Mapping[str, float]]:
    for _ in range(rounds):
        yield {name: network.turn() for name, network in networks.items()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
