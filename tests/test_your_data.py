"""The page for newcomers is so: its commands run in their order and print its lines."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from support import ROOT

PAGE = (ROOT / "docs" / "your-data.md").read_text("utf-8")
#: A block of commands, then perhaps the code they end with and what they print.
STEP = re.compile(
    r"^```sh\n(?P<commands>.*?)^```\n"
    r"(?:\n(?:<!-- exits with (?P<code>\d) -->\n)?```text\n(?P<printed>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Step:
    commands: str
    code: int
    printed: str


def steps() -> Iterator[Step]:
    for found in STEP.finditer(PAGE):
        yield Step(found["commands"], int(found["code"] or 0), found["printed"] or "")


def worded(text: str) -> list[str]:
    """Lines without their numbers: the last digits are the processor's."""
    return [re.sub(r"-?\d[\d.,]*(e[-+]?\d+)?", "#", line) for line in text.splitlines()]


def told(printed: str, page: str) -> bool:
    """Whether the lines are those of the page, where ... stands for any."""
    lines, wanted = worded(printed), worded(page)
    if "..." not in wanted:
        return lines == wanted
    at = wanted.index("...")
    first, last = wanted[:at], wanted[at + 1 :]
    return lines[:at] == first and lines[len(lines) - len(last) :] == last


def test_the_page_is_so(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("sklearn", reason="the page's data are scikit-learn's wines")
    for name, text in re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", PAGE, re.S):
        (tmp_path / name).write_text(text, "utf-8")
    scripts = str(pathlib.Path(sys.executable).parent)
    environment = os.environ | {"PATH": scripts + os.pathsep + os.environ["PATH"]}
    found = list(steps())
    assert len(found) == 10
    for step in found:
        result = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", step.commands],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        said = result.stdout + result.stderr
        assert result.returncode == step.code, (step.commands, said)
        assert told(said, step.printed), (step.commands, said)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "barbera" in page
