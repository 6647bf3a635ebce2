"""bench/languages.py: contenders compute the same step, and who does not is left out."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from support import LONG

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The modules of bench/, which is no package."""
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    names = ("workloads", "peers", "rounds", "c_programs", "languages", "races")
    names += ("bars", "bouts", "performance")
    found: dict[str, ModuleType] = {
        name: importlib.import_module(name) for name in names
    }
    return SimpleNamespace(**found)


def small(
    bench: SimpleNamespace, cost: str = "log_likelihood", **changes: object
) -> Any:
    hidden, output = {
        "quadratic": ("sigmoid", "sigmoid"),
        "cross_entropy": ("sigmoid", "sigmoid"),
        "log_likelihood": ("relu", "softmax"),
    }[cost]
    made = bench.workloads.Workload((7, 9, 5, 3), hidden, output, cost, 4, 26)
    return replace(made, **changes)


def takes_part(bench: SimpleNamespace, contender: object) -> bool:
    with bench.rounds.running(contender, 1) as runner:
        return bool(bench.rounds.checked(runner, {}))


@pytest.mark.parametrize("name", ["numpy", "torch", "jax", "scikit-learn"])
def test_peers_take_the_step_of_the_generated_module(
    bench: SimpleNamespace, name: str, tmp_path: Path
) -> None:
    if importlib.util.find_spec(bench.peers.PEERS[name].module) is None:
        pytest.skip("the peers come with the extra: pip install 'bpcompile[bench]'")
    work = small(bench, "cross_entropy", l2=2.0)
    folder = bench.rounds.write_job(work, tmp_path / "own")
    assert takes_part(bench, bench.languages.peer(name, work, folder))


@pytest.mark.parametrize("layers", [(7, 9, 5, 3), (7, 9, 1)])
@pytest.mark.parametrize("name", ["torch", "jax", "scikit-learn"])
def test_peers_take_that_step_of_adam_and_of_one_output(
    bench: SimpleNamespace, name: str, layers: tuple[int, ...], tmp_path: Path
) -> None:
    if not LONG:
        pytest.skip("starts every peer anew; BPCOMPILE_LONG=1 runs it")
    if importlib.util.find_spec(bench.peers.PEERS[name].module) is None:
        pytest.skip("the peers come with the extra: pip install 'bpcompile[bench]'")
    work = small(bench, "cross_entropy", optimizer="adam", layers=layers)
    folder = bench.rounds.write_job(work, tmp_path / "own")
    assert takes_part(bench, bench.languages.peer(name, work, folder))


@pytest.mark.parametrize("cost", ["quadratic", "cross_entropy", "log_likelihood"])
def test_generated_c_takes_that_step(
    bench: SimpleNamespace, cost: str, tmp_path: Path
) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("there is no gcc")
    work = small(bench, cost)
    folder = bench.rounds.write_job(work, tmp_path)
    contender = bench.c_programs.generated_trainer("C", work, folder)
    assert takes_part(bench, contender)


def test_fann_takes_that_step(bench: SimpleNamespace, tmp_path: Path) -> None:
    work = bench.c_programs.nearest_of_fann(small(bench))
    folder = bench.rounds.write_job(work, tmp_path)
    try:
        contender = bench.c_programs.fann_trainer(work, folder, "")
    except bench.rounds.Absent as reason:
        pytest.skip(str(reason))
    assert takes_part(bench, contender)


def test_another_step_is_left_out(
    bench: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = small(bench)
    folder = bench.rounds.write_job(work, tmp_path / "own")
    other = bench.rounds.write_job(small(bench, "quadratic"), tmp_path / "other")
    contender = bench.languages.peer("numpy", work, other)
    with bench.rounds.running(replace(contender, folder=folder), 1) as runner:
        assert not bench.rounds.checked(runner, {})
    assert (
        "generated NumPy: left out: its step is another one" in capsys.readouterr().err
    )


def test_who_cannot_run_is_left_out_by_its_last_words(
    bench: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = small(bench)
    folder = bench.rounds.write_job(work, tmp_path)
    contender = bench.languages.peer("numpy", work, folder)
    (folder / "start.f32").write_bytes(b"")
    with bench.rounds.running(contender, 1) as runner:
        assert not bench.rounds.checked(runner, {folder: {}})
    assert "left out: ValueError: cannot reshape" in capsys.readouterr().err


def test_rounds_are_medians_of_those_that_took_part(
    bench: SimpleNamespace, tmp_path: Path
) -> None:
    work = small(bench)
    folder = bench.rounds.write_job(work, tmp_path)
    names = ("numpy", "product")
    found = [bench.languages.peer(name, work, folder) for name in names]
    limits = bench.rounds.Limits(fewest=2, most=3, steady=0.0, busy=True)
    measured = bench.rounds.rounds(found, 1, limits)
    assert [m.contender for m in measured] == found
    assert all(m.median > 0 for m in measured)


def test_the_limit_counts_multiply_adds_as_the_design_does(
    bench: SimpleNamespace,
) -> None:
    first, second = (race.work for race in bench.races.RACES[:2])
    # Forward and BP4 take each weight once per example, BP2 those of the last layer.
    assert first.operations == 2 * 10 * (2 * (784 * 30 + 30 * 10) + 30 * 10)
    assert second.operations == 2 * 10 * (2 * (784 * 100 + 100 * 10) + 100 * 10)


def test_a_target_is_judged_by_the_fastest_c_program(bench: SimpleNamespace) -> None:
    race = bench.races.RACES[-1]

    def measured(name: str, median: float) -> object:
        contender = bench.rounds.Contender(name, (), ROOT, race.work)
        return bench.rounds.Measured(contender, median, 0.0)

    times = {"C": 30.0, "C, OpenMP": 20.0, "C, CBLAS": 25.0, "JAX scan": 22.0}
    result = bench.languages.Result(race, tuple(measured(*m) for m in times.items()))
    title = "1024-1024-1024-1024-10 at 256"
    last = list(bench.languages.targets([result]))[-1]
    assert last == f"| {title} | at least 1 x faster than JAX scan | 1.10 | yes |"
    slower = bench.languages.Result(race, result.measured[:1] + result.measured[3:])
    assert list(bench.languages.targets([slower]))[-1].endswith("| 0.73 | no |")


def result(bench: SimpleNamespace, **times: float) -> Any:
    """Of a race of the first network, by the peers' names."""
    race = bench.bouts.BOUTS[0]
    found = []
    for name, median in times.items():
        title = bench.peers.PEERS[name.replace("_", "-")].title
        contender = bench.rounds.Contender(title, (), ROOT, race.work)
        found.append(bench.rounds.Measured(contender, median, 0.0))
    return bench.languages.Result(race, tuple(found))


def test_numpy_is_judged_by_its_peers_and_its_textbook(bench: SimpleNamespace) -> None:
    found = result(bench, numpy=30.0, numpy_textbook=45.0, torch=150.0, jax=24.0)
    lines = list(bench.performance.verdicts([found]))
    title = "784-30-10 at 10"
    assert f"| {title} | at least 4 x faster than PyTorch eager | 5.00 | yes |" in lines
    assert f"| {title} | no slower than JAX scan | 0.80 | no |" in lines
    assert f"| {title} | textbook within 1.45 x of it | 1.50 | no |" in lines
    missing = "at least 4 x faster than scikit-learn | not measured | no |"
    assert f"| {title} | {missing}" in lines


def test_the_page_keeps_what_others_wrote_below(bench: SimpleNamespace) -> None:
    found = result(bench, numpy=30.0, products=15.0, set_up=2.0)
    page = bench.performance.page([found], "python bench/steps.py", ["2 cores"])
    # 500 steps of 2 µs are one millisecond, or 33 steps of 30 µs.
    assert "| 784-30-10 at 10 | 5000 | 1.00 | 33 |" in page
    assert "| generated NumPy | 30.0 | 0% | 1.00 | 2.00 |" in page
    old = "# old\n\n## Compile time\n\nkept\n"
    assert bench.performance.merged(page, old) == f"{page}\n## Compile time\n\nkept\n"
    assert bench.performance.merged(page, "# old\n") == page


def test_bars_of_the_plot_go_to_both_sides_of_the_module(
    bench: SimpleNamespace,
) -> None:
    found = result(bench, numpy=30.0, torch=150.0, products=15.0)
    (group,) = bench.performance.shares([found])
    assert dict(group.bars) == {"PyTorch eager": 5.0, "products alone": 0.5}
    drawn = ElementTree.fromstring(bench.bars.svg([group]))
    kinds = [e.get("class") for e in drawn.iter("{http://www.w3.org/2000/svg}rect")]
    assert kinds == ["page", "slower", "faster"]
