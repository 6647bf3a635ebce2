"""The option `--update-goldens` with its fixture; the programs of generated modules; the
mark `fault`, by whose ids tests are found; the figures at the end of a run; draws that
depend on the test alone."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from modules import LAYERS
from programs import Program


def pytest_configure() -> None:
    hold_draws()
    restore_signals()


def hold_draws() -> None:
    """Hypothesis draws numbers and words out of the modules that a process has loaded, so
    that what a test draws would differ with the tests that the worker ran before it, and
    a failure come and go. No setting turns that off, hence the private names."""
    try:
        from hypothesis.internal.conjecture import providers

        none = providers._local_constants  # nothing was collected yet
    except (ImportError, AttributeError):
        return  # tests/test_draws.py says whether that matters, and what to do
    providers._get_local_constants = lambda: none


def restore_signals() -> None:
    """Signals as a terminal has them: a job in the background begins with some ignored,
    and hands that on to the processes that tests start."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_itemcollected(item: pytest.Item) -> None:
    """`-k CKP-05` finds the tests marked `pytest.mark.fault("CKP-05")`: the words of -k
    are names of marks, never their arguments."""
    for mark in item.iter_markers("fault"):
        for fault in mark.args:
            if not re.fullmatch("[A-Z]{3}-[0-9]{2}", fault):
                raise pytest.UsageError(f"{item.nodeid}: {fault!r} is no fault's id")
            item.extra_keyword_matches.add(fault)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens",
        action="store_true",
        help="rewrite expected texts that differ, to be read in `git diff`",
    )


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """`figures("random specs", runs=250, worst=1e-15)`: printed when all is done.

    Whole numbers of several tests add up, of others the largest is kept.
    """

    def record(what: str, **counts: float) -> None:
        record_property("figures", (what, counts))

    return record


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What was counted, in the order of the names: tests end in any."""
    found: dict[str, dict[str, float]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") != "call":
                continue
            for name, value in report.user_properties:
                if name == "figures":
                    add_figures(found.setdefault(value[0], {}), value[1])
    if found:
        terminalreporter.section("figures")
    for what in sorted(found):
        counts = (f"{_figure(value)} {name}" for name, value in found[what].items())
        terminalreporter.write_line(f"{what}: {', '.join(counts)}")


def add_figures(totals: dict[str, float], counts: dict[str, float]) -> None:
    for name, value in counts.items():
        # The types of JSON come back from the processes of pytest-xdist.
        if isinstance(value, int):
            totals[name] = totals.get(name, 0) + value
        else:
            totals[name] = max(totals.get(name, 0.0), value)


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """`golden(path, text)`: the text must be the file's, byte for byte."""
    update = request.config.getoption("--update-goldens")

    def compare(path: Path, text: str) -> None:
        # Bytes: reading as text would take CR LF for LF.
        expected = path.read_bytes() if path.exists() else None
        if update and expected != text.encode():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        elif not update:
            assert expected is not None, f"{path} is missing: --update-goldens"
            assert text == expected.decode()

    return compare


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Program:
    """The program of a classification, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return Program("classes", capsys)


@pytest.fixture(params=LAYERS)
def each(
    request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> Program:
    """The same for every kind of network."""
    monkeypatch.chdir(tmp_path)
    return Program(request.param, capsys)
