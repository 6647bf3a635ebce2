"""The ranks of an MPI job train the network that one process trains."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from ranks import (
    DIGITS,
    DRIVER,
    NETWORK,
    curves,
    environment,
    needs_mpi,
    network,
    on_ranks,
    write_module,
)
from support import LONG, TARGETS, difference

pytestmark = needs_mpi

#: Order of summation alone: 235 steps of Adam on float64, at costs that fall.
TOLERANCE = 1e-12

MORE = network(
    accumulate=3,
    mini_batch_size=11,
    optimizer="momentum",
    learning_rate=0.05,
    clipping={"value": 0.1},
    validation_fraction=0.2,
    early_stopping={"patience": 2},
    class_weights=[1, 2, 1, 1, 1, 1, 1, 0.5, 1, 1],
    schedule={"kind": "cosine", "unit": "step"},
)
MORE["layers"] = [
    {**NETWORK["layers"][0], "scaling": "standardize"},
    *NETWORK["layers"][1:],
]
#: Mini-batches of fewer examples than there are ranks.
SMALL = network(
    optimizer=None,
    clipping=None,
    learning_rate=0.02,
    mini_batch_size=3,
    validation_fraction=0.1,
    schedule={"kind": "halve_on_plateau", "patience": 1},
)
SMALL["layers"] = [64, {"size": 12, "dropout": 0.2}, {"size": 10}]
SMALL["cost"] = "cross_entropy"

#: Spec, epochs of it, and whether each rank has its own rows.
CASES: dict[str, tuple[dict[str, Any], int, bool]] = {
    "digits": (network(), 5, False),
    "digits_shards": (network(), 2, True),
    "more": (MORE, 2, False),
    "more_shards": (MORE, 2, True),
    "small": (SMALL, 1, False),
}


def plain(spec: dict[str, Any]) -> dict[str, Any]:
    return {**spec, "parallel": "none"}


def write_cases(folder: pathlib.Path, target: str) -> None:
    for name, (spec, _, _) in CASES.items():
        write_module(folder / f"{name}.py", spec, target)
        write_module(folder / f"plain_{name}.py", plain(spec), target)
    data = dict(np.load(DIGITS))
    np.savez(folder / "data.npz", **data)
    (folder / "driver.py").write_text(DRIVER)


def list_cases(folder: pathlib.Path, prefix: str) -> None:
    cases = [
        {"module": prefix + name, "epochs": epochs, "shards": shards and not prefix}
        for name, (_, epochs, shards) in CASES.items()
    ]
    (folder / "cases.json").write_text(json.dumps(cases))


@pytest.mark.parametrize("target", TARGETS)
def test_any_number_of_ranks_trains_the_network_of_the_plain_module(
    target: str, tmp_path: pathlib.Path, figures: Any
) -> None:
    write_cases(tmp_path, target)
    list_cases(tmp_path, "plain_")
    alone = [sys.executable, "driver.py", "plain"]
    subprocess.run(alone, cwd=tmp_path, check=True, env=environment())
    list_cases(tmp_path, "")
    worst = 0.0
    # The textbook target has the same templates around its steps.
    for ranks in (1, 2, 3, 4) if LONG or target == "numpy" else (3,):
        on_ranks(ranks, "-m", "mpi4py", "driver.py", ranks, folder=tmp_path)
        for i, (name, (_, _, shards)) in enumerate(CASES.items()):
            wanted = np.load(tmp_path / f"plain_{i}.npz")
            found = np.load(tmp_path / f"{ranks}_{i}.npz")
            same = difference(curves(found["history"]), curves(wanted["history"]))
            assert same < TOLERANCE, (name, ranks)
            if shards:  # whose driver takes one step less
                continue
            for array in (a for a in wanted.files if a != "history"):
                worst = max(worst, difference(found[array], wanted[array]))
                assert difference(found[array], wanted[array]) < TOLERANCE, (
                    name,
                    array,
                )
    figures("ranks against one process", worst=worst)


def test_ranks_of_a_library_agree_on_what_is_wrong_with_the_data_of_one(
    tmp_path: pathlib.Path,
) -> None:
    write_module(tmp_path / "net.py", network())
    script = """
import numpy as np, net
x, y = np.zeros((20, 64)), np.zeros(20, int)
if net.RANK == 1:
    x[3, 5] = np.nan
try:
    net.Network().train(net.Shard(x), y, epochs=1)
except ValueError as error:
    assert str(error) == "rank 1: x is nan at row 3, column 5, not finite", error
    # in one write, as ranks share the stream, which PYTHONUNBUFFERED does not gather
    print("refused\\n", end="")
"""
    (tmp_path / "wrong.py").write_text(script)
    done = on_ranks(2, "wrong.py", folder=tmp_path)
    assert done.stdout.split() == ["refused", "refused"]
