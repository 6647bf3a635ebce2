"""The option `--update-goldens` with its fixture; the programs of generated modules; the
mark `fault`, by whose ids tests are found."""

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
