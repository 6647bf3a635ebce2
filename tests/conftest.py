"""The option `--update-goldens`, and the fixture that compares or updates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


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
