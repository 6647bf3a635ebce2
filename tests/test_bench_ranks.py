"""`bpcompile bench --mpi` and bench/scale_out.py, on ranks that really talk."""

from __future__ import annotations

import importlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from support import LONG, ROOT, bpcompile

from bpcompile.benching import launch
from bpcompile.benching.fit import fitted
from bpcompile.benching.growth import Growth, Machine, Network
from bpcompile.benching.launch import mpirun
from bpcompile.benching.model import Work
from bpcompile.errors import UserError


@pytest.fixture(scope="module", autouse=True)
def has_mpi() -> None:
    try:
        mpirun()
    except UserError as missing:
        pytest.skip(str(missing))


# ---- The command -------------------------------------------------------------------

SPEC = {
    "name": "shared",
    "layers": [6, {"size": 8, "activation": "tanh", "dropout": 0.5}, 3],
    "cost": "cross_entropy",
    "hyperparameters": {
        "mini_batch_size": 12,
        "accumulate": 2,
        "optimizer": "adam",
        "clipping": {"norm": 1.0},
        "early_stopping": {"patience": 2},
        "validation_fraction": 0.25,
    },
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of a spec with what steps of ranks may have, adam's among it."""
    spec = tmp_path_factory.mktemp("bench") / "shared.json"
    spec.write_text(json.dumps(SPEC), "utf-8")
    done = bpcompile("bench", spec, "--mpi", "--ranks", "6,1,48", "-f", "json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_shares_and_messages_are_measured(found: dict[str, Any]) -> None:
    assert (found["examples"], found["mini_batch_size"]) == (24, 12)
    assert found["gradient_bytes"] == 4 * (6 * 8 + 8 + 8 * 3 + 3)
    measured = found["measured"]
    # Of 24 examples on 1, 2, 4, 8, 16 and 24 ranks.
    assert sorted(map(int, measured["compute"])) == [1, 2, 3, 6, 12, 24]
    assert sorted(map(int, measured["allreduce"])) == [8, 40, 80, 160, 328]
    assert sorted(measured["steps"]) == ["1", "2"]
    times = [*measured["compute"].values(), *measured["allreduce"].values()]
    assert all(0 < time < 1 for time in times)


def test_what_is_predicted_is_what_was_asked_for(found: dict[str, Any]) -> None:
    predicted = found["predicted"]
    assert [p["ranks"] for p in predicted] == [1, 6, 48]
    assert [p["share"] for p in predicted] == [24, 4, 1]
    assert [p["ranks"] for p in found["here"]] == [1, 2]
    line = found["measured"]["compute_line"]
    assert predicted[0]["step"] == pytest.approx(line["start"] + 24 * line["slope"])
    assert predicted[0]["efficiency"] == 1


def test_mpirun_of_another_mpi_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each of its processes is the only rank of a job of its own."""
    other = tmp_path / "mpirun"
    other.write_text('#!/bin/sh\nshift 2\nexec "$@"\n', "utf-8")
    other.chmod(0o755)
    monkeypatch.setattr(launch, "mpirun", lambda: str(other))
    with pytest.raises(UserError, match=r"starts the ranks of another MPI than mpi4py"):
        launch.measured({}, {"ranks": 2, "rounds": 1}, 2)


# ---- bench/scale_out.py ------------------------------------------------------------


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The modules of bench/, which is no package."""
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    names = ("workloads", "rounds", "scale_out", "growth", "growth_plot")
    found: dict[str, ModuleType] = {
        name: importlib.import_module(name) for name in names
    }
    return SimpleNamespace(**found)


@pytest.mark.parametrize("title", ["generated NumPy", "PyTorch DDP, gloo"])
def test_ranks_together_take_the_step_of_one(
    bench: SimpleNamespace, title: str, tmp_path: Path
) -> None:
    if "PyTorch" in title and importlib.util.find_spec("torch") is None:
        pytest.skip("the peers come with the extra: pip install 'bpcompile[bench]'")
    layers = (7, 9, 5, 3)
    work = bench.workloads.Workload(layers, "relu", "softmax", "log_likelihood", 4, 26)
    all_ranks = bench.scale_out.contenders(work, tmp_path / "job")
    counts = (1, 2, 4) if LONG else (2,)
    for contender in all_ranks:
        name, _, ranks = contender.name.rpartition(" ")
        if name == title and int(ranks) in counts:
            with bench.rounds.running(contender, 2, threads=1) as runner:
                assert bench.rounds.checked(runner, {})
                seconds, exchanged = runner.ask("epoch")
                assert 0 <= exchanged < seconds


def growth_of(name: str, ranks: tuple[int, ...]) -> Growth:
    compute, allreduce = {20: 3e-4, 10: 2e-4, 1: 1.1e-4}, {8: 2e-6, 800: 3e-6}
    lines = fitted(compute), fitted(allreduce)
    machine = Machine(
        compute, lines[0], allreduce, lines[1], 1e-10, {1: 3e-4, 2: 2.5e-4}
    )
    work, given = Work(20, 800), Network()
    return Growth(name, "4-2", "float32", 20, work, 10, machine, given, ranks)


def test_page_and_plot_are_made_of_the_figures_that_are_kept(
    bench: SimpleNamespace,
) -> None:
    ranks = tuple(1 << power for power in range(11))
    growths = {name: growth_of(name, ranks) for name in ("4-2 at 20", "other")}
    runs = [
        bench.growth.Run("4-2 at 20", title, count, 3e-4 / count, 0.1, 0.25)
        for title in (bench.growth.OWN, bench.growth.PEER)
        for count in (1, 2, 4)
    ]
    made = bench.growth.Found(tuple(runs), growths, ("2 cores",))
    kept = bench.growth.Found.read(made.text())
    text = bench.growth.page(kept, "the command")
    assert text == bench.growth.page(made, "the command")
    # 3e-4 by the line, 1.5e-4 measured; four ranks have no cores of their own.
    assert "| 4-2 at 20 | generated NumPy | 2 | 150 µs | 10% | 2.00 | 25% |" in text
    assert (
        "| 4-2 at 20 | generated NumPy | 4 | 75.0 µs | 10% | 4.00 | 25% |  |  |" in text
    )
    page = f"before\n{bench.growth.BEGIN}\nold\n{bench.growth.END}\nafter\n"
    merged = bench.growth.merged(page, text)
    assert merged == f"before\n{text}\nafter\n"
    root = ElementTree.fromstring(bench.growth.plot(kept))
    words = [word.text for word in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"4-2 at 20", "other at 20", "1,024", "ranks"} <= set(words)
    curves = [
        path.get("d", "")
        for path in root.iter("{http://www.w3.org/2000/svg}path")
        if path.get("d", "").count("L") == len(ranks) - 1
    ]
    assert len(curves) == 4
    assert not any("nan" in curve or "inf" in curve for curve in curves)
