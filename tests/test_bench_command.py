"""`bpcompile bench`: what it measures is told alike in every form; what is wrong, once."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import SPECS, TARGETS, bpcompile, run, spec_of

from bpcompile.benching import launch, telling
from bpcompile.benching.fit import fitted
from bpcompile.benching.growth import Growth, Machine, Network
from bpcompile.benching.model import Work
from bpcompile.benching.tables import seconds_text
from bpcompile.benching.workload import data_of, trained_by_the_step
from bpcompile.cli import main
from bpcompile.errors import UserError

XOR = str(SPECS / "xor.json")


def said(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command line that is wrong hears, and nothing else."""
    assert main(["bench", *arguments]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return err


# ---- A step of every target --------------------------------------------------------


@pytest.fixture(scope="module")
def timed() -> dict[str, Any]:
    done = bpcompile("bench", XOR, "-f", "json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_every_target_that_can_be_imported_has_its_time(timed: dict[str, Any]) -> None:
    assert (timed["network"], timed["shape"], timed["examples"]) == ("xor", "2-4-1", 4)
    # Of 4 examples 3 (2·4 + 4·1) - 2·4: no error is needed of the inputs.
    assert timed["multiply_adds"] == 4 * (3 * 12 - 8)
    assert [found["target"] for found in timed["timed"]] == list(TARGETS)
    for found in timed["timed"]:
        assert 1e-6 < found["step"] < 0.1


def test_tables_hold_one_row_for_each_target(tmp_path: Path) -> None:
    output = tmp_path / "steps.md"
    done = bpcompile("bench", XOR, "-t", TARGETS[1], "-o", output)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    text = output.read_text("utf-8")
    assert text.startswith("xor: 2-4-1, 4 examples a step, float32;")
    assert re.search(rf"^\| {TARGETS[1]} \| [\d.,]+ µs \| \d+% \|", text, re.MULTILINE)
    assert TARGETS[0] + " |" not in text
    output.write_text("mine")
    refused = bpcompile("bench", XOR, "-t", TARGETS[1], "-o", output)
    assert (refused.returncode, output.read_text()) == (2, "mine")


def test_what_only_whole_runs_need_is_left_out_of_steps() -> None:
    hyper = {
        "mini_batch_size": 8,
        "optimizer": "adam",
        "early_stopping": {"patience": 2},
        "validation_fraction": 0.25,
        "schedule": "halve_on_plateau",
    }
    layers = [3, {"size": 4, "dropout": 0.5}, 2]
    spec = spec_of(layers=layers, cost="cross_entropy", hyperparameters=hyper)
    found = trained_by_the_step(spec).hyperparameters
    assert (found.early_stopping, found.validation_fraction) == (None, None)
    assert (found.mini_batch_size, found.optimizer.kind) == (8, "adam")
    assert trained_by_the_step(spec).layers == spec.layers


def test_rows_fill_whole_steps_and_no_more_memory_than_there_is() -> None:
    data = data_of(spec_of(layers=[784, 10], cost="quadratic"))
    assert len(data["x"]) == len(data["y"]) == 64
    assert data["examples"] == 10 * data["steps"] == 160
    wide = spec_of(
        layers=[1_000_000, 2],
        cost="quadratic",
        hyperparameters={"mini_batch_size": 1000},
    )
    with pytest.raises(UserError, match=r"steps of 1,000 examples of 1,000,000 inputs"):
        data_of(wide)


# ---- What two ranks come to --------------------------------------------------------


@pytest.fixture
def growth() -> Growth:
    """Of a machine whose figures are round: 1 ms + 10 µs an example, 1 ns a byte."""
    compute = {64: 1.64e-3, 32: 1.32e-3, 1: 1.01e-3}
    allreduce = {8: 8e-9 + 5e-6, 40_000: 4e-5 + 5e-6}
    return Growth(
        network="round",
        shape="10-10",
        dtype="float32",
        mini_batch_size=64,
        work=Work(64, 40_000),
        multiply_adds=20_000,
        machine=Machine(
            compute=compute,
            compute_line=fitted(compute),
            allreduce=allreduce,
            allreduce_line=fitted(allreduce),
            added=1e-10,
            steps={1: 1.64e-3, 2: 2e-3},
        ),
        given=Network(),
        ranks=(1, 2, 64),
    )


def test_table_says_what_is_measured_and_what_is_predicted(growth: Growth) -> None:
    text = telling.text(growth)
    measured, predicted = text.split("\npredicted, ")
    assert "compute: 1.00 ms + 10.0 µs for each example (4 GFLOP/s)" in measured
    assert "Allreduce: 5.00 µs + 1 ns a byte, off by 0% at most" in measured
    # 1.32 ms and, of one message and 40,000 bytes at β + γ, 47 µs.
    assert "a step on 2 ranks: 2.00 ms, by the model 1.37 ms (-32%)" in measured
    assert predicted.startswith("as if all ranks exchanged as these do")
    two = next(line for line in predicted.splitlines() if line.startswith("2 "))
    assert two.split()[1:8] == ["32", "1.32", "ms", "5.00", "µs", "42.0", "µs"]
    assert "It pays on 2 ranks and fewer." in predicted
    assert "what every rank repeats" in predicted


def test_network_of_ones_own_takes_the_place_of_what_was_measured(
    growth: Growth,
) -> None:
    given = Network(latency=100.0, bandwidth=8.0)
    found = json.loads(telling.json_text(replace(growth, given=given)))
    assert found["interconnect"]["latency"] == pytest.approx(1e-4)
    assert found["interconnect"]["per_byte"] == pytest.approx(1e-9)
    # What was measured here is not compared with another network.
    assert found["here"][1]["step"] == pytest.approx(1.367e-3)
    # 1.32 ms and 100 µs and, at 1 ns and 0.1 ns a byte, 44 µs.
    assert found["predicted"][1]["step"] == pytest.approx(1.464e-3)


def test_forms_hold_the_same_numbers(growth: Growth) -> None:
    found = json.loads(telling.json_text(growth))
    assert [p["ranks"] for p in found["predicted"]] == [1, 2, 64]
    assert (found["pays_up_to"], found["does_not_pay_from"]) == (2, 64)
    cells = {
        line.split(" | ")[0] for line in telling.markdown_text(growth).splitlines()
    }
    assert {"| ranks", "| 1", "| 2", "| 64"} <= cells


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0"),
        (4.8512e-3, "4.85 ms"),
        (2e-6, "2.00 µs"),
        (9.999e-4, "1.00 ms"),
        (131e-6, "131 µs"),
        (12.34, "12.3 s"),
        (4321.0, "4,320 s"),
        (1.6e-10, "0.160 ns"),
    ],
)
def test_times_have_three_digits(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


# ---- What is wrong -----------------------------------------------------------------

WRONG = {
    "ranks 0": (["--mpi", "--ranks", "0"], "--ranks takes numbers from 1 to 1,000,000"),
    "ranks": (["--mpi", "--ranks", "2,x"], 'with commas between them, got "x"'),
    "too many": (["--mpi", "--ranks", "2000000"], 'got "2000000"'),
    "latency": (["--mpi", "--latency", "-1"], "--latency takes microseconds above 0"),
    "bandwidth": (["--mpi", "--bandwidth", "nan"], "--bandwidth takes Gbit/s above 0"),
    "without": (["--ranks", "2"], "--ranks goes with --mpi"),
    "format": (["-f", "html"], 'no format "html" (one of: text, json, md)'),
    "target": (["-t", "nunpy"], 'no target "nunpy"; did you mean'),
    "option": (["--mip"], 'unknown option "--mip"; did you mean "--mpi"?'),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_command_lines_are_said(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments, expected = WRONG[name]
    assert expected in said(capfd, XOR, *arguments)


@pytest.mark.parametrize("mpi", [[], ["--mpi"]])
def test_target_that_cannot_be_imported_is_not_timed(
    mpi: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert 'target "c" cannot be timed by bench' in said(capfd, XOR, "-t", "c", *mpi)


def test_spec_that_is_wrong_is_told_with_its_place(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"cost": "quadratic"}')
    assert "error[missing" in said(capfd, str(bad), "--mpi")


def test_missing_mpi_is_one_message(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "find_spec", lambda name: None)
    wanted = "bench --mpi needs the package mpi4py: pip install 'bpcompile[mpi]'"
    assert wanted in said(capfd, XOR, "--mpi")
    monkeypatch.setattr(launch, "find_spec", lambda name: name)
    monkeypatch.setattr(launch.shutil, "which", lambda name, path: None)
    assert "needs mpirun, which is not found" in said(capfd, XOR, "--mpi")


def test_probe_that_fails_is_one_message(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "PROBE", "bpcompile.benching.absent")
    assert "nothing could be measured: " in said(capfd, XOR)


def test_compiling_loads_nothing_of_it() -> None:
    code = f"""
import sys
from bpcompile.cli import main
assert main([{XOR!r}, "-o", "-"]) == 0
assert not [name for name in sys.modules if name.startswith("bpcompile.benching")]
"""
    done = run(sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr
