"""`--watch` builds again after every change, and goes on after every mistake."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from in_step import SPEC
from support import ROOT

from bpcompile.api import compile_spec
from bpcompile.cli import main

#: Seconds; on a busy machine a round may take several.
PATIENCE = 60


@dataclass
class Watching:
    """A process that watches, and what it has said so far."""

    process: subprocess.Popen[bytes]
    log: Path
    read: int = 0

    def says(self, pattern: str) -> str:
        """Wait for a line; what stands before it has been heard too."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            text = self.log.read_text()
            if found := re.compile(pattern, re.MULTILINE).search(text, self.read):
                self.read = found.end()
                return found[0]
            assert self.process.poll() is None, text
            time.sleep(0.05)
        raise AssertionError(f"{pattern!r} was not said:\n{self.log.read_text()}")


@pytest.fixture
def watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Watching]]:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("net.json").write_text(SPEC)
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> Watching:
        log = tmp_path / "log"
        command = [sys.executable, "-m", "bpcompile", "build", *arguments, "--watch"]
        with open(log, "wb") as stderr:
            started.append(subprocess.Popen(command, stderr=stderr))
        watching = Watching(started[-1], log)
        watching.says("^bpcompile: watching, Ctrl-C ends it$")
        return watching

    yield start
    for process in started:
        process.kill()
        process.wait()


def put(path: str, text: str) -> None:
    """Replace a file as editors do: a new one under its name."""
    Path(f"{path}~").write_text(text)
    os.replace(f"{path}~", path)


def test_watching_a_spec(watch: Callable[..., Watching]) -> None:
    process = watch("net.json", "-o", "net.py")
    process.says("^bpcompile: wrote net.py$")
    assert Path("net.py").read_text() == compile_spec("net.json")
    # A mistake is shown with its place; the file stays.
    put("net.json", SPEC.replace("quadratic", "quadratc"))
    process.says(r'^net\.json:1:31: error\[unknown-value\]: /cost is "quadratc"; ')
    before = Path("net.py").read_text()
    Path("net.json").write_text(SPEC.replace("4", "5"))
    process.says("^bpcompile: net.json changed: wrote net.py$")
    assert Path("net.py").read_text() == compile_spec("net.json") != before
    # Removed and there again, as some editors do it.
    os.unlink("net.json")
    process.says("^bpcompile: cannot read net.json: no such file$")
    Path("net.json").write_text(SPEC.replace("4", " 5"))
    process.says("^bpcompile: net.json changed: nothing to write$")
    # An output comes back; one that is edited is left alone.
    os.unlink("net.py")
    process.says("^bpcompile: net.py changed: wrote net.py$")
    with open("net.py", "a") as file:
        file.write("# mine\n")
    process.says("^bpcompile: net.py: was edited by hand since it was generated; ")
    assert Path("net.py").read_text().endswith("# mine\n")
    process.process.send_signal(signal.SIGINT)
    assert process.process.wait(PATIENCE) == 130
    process_log = process.log.read_text()
    assert process_log.endswith("\nbpcompile: interrupted\n")
    assert "Traceback" not in process_log


def test_watching_a_configuration_and_a_target(watch: Callable[..., Watching]) -> None:
    templates = Path("mine")
    templates.mkdir()
    for path in (ROOT / "templates" / "numpy").glob("*.*"):
        (templates / path.name).write_text(path.read_text("utf-8"), "utf-8")
    outputs = '[tool.bpcompile]\noutputs = [{spec = "net.json", output = "net.py"%s}]\n'
    Path("pyproject.toml").write_text(outputs % "")
    process = watch()
    process.says("^bpcompile: wrote net.py$")
    put("pyproject.toml", outputs % ', target = "mine/"')
    process.says("^bpcompile: pyproject.toml changed: wrote net.py$")
    module = templates / "module.jinja"
    text = module.read_text("utf-8")
    module.write_text(text.replace("Layers are numbered", "Layers count"), "utf-8")
    process.says("^bpcompile: mine/module.jinja changed: wrote net.py$")
    assert "\nLayers count as in the book" in Path("net.py").read_text()
    module.write_text(text + "{% if %}\n", "utf-8")
    process.says(r"^pyproject\.toml:2:12: error\[.*\]: .*: mine/module\.jinja:\d+: ")
    settings = (templates / "target.toml").read_text("utf-8")
    put("mine/target.toml", settings + "a b\n")
    process.says(r"mine/target\.toml: Expected")
    put("pyproject.toml", "[tool.bpcompile\n")
    process.says(r"^pyproject\.toml:1:16: error\[syntax\]: ")
    # Mended while another file is still wrong.
    put("mine/target.toml", settings)
    process.says(r"^pyproject\.toml:1:16: error\[syntax\]: ")
    module.write_text(text, "utf-8")
    put("pyproject.toml", outputs % ', target = "mine/"')
    process.says("^bpcompile: .*pyproject.toml changed: wrote net.py$")
    assert "\nLayers are numbered as in" in Path("net.py").read_text()
    # A nearer configuration counts as soon as it is there.
    put("bpcompile.toml", 'outputs = [{spec = "net.json", output = "other.py"}]')
    process.says("^bpcompile: bpcompile.toml changed: wrote other.py$")


def test_a_new_date_alone_is_no_change(watch: Callable[..., Watching]) -> None:
    process = watch("net.json", "-o", "net.py")
    process.says("^bpcompile: wrote net.py$")
    os.utime("net.json", (1, 1))
    time.sleep(1)
    # Of the same length as before.
    put("net.json", SPEC.replace("4", "5"))
    os.utime("net.json", (1, 1))
    said = process.says("(?s)^bpcompile: net.json changed: .*$")
    assert said == "bpcompile: net.json changed: wrote net.py\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["net.json"], "--watch needs files: a SPEC and -o FILE"),
        (["-", "-o", "net.py"], "--watch needs files: a SPEC and -o FILE"),
        (["net.json", "-o", "net.py", "--check"], "not allowed with argument"),
    ],
)
def test_what_cannot_be_watched(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--watch"]) == 2
    assert said in capsys.readouterr().err
