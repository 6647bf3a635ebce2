"""Messages for machines and for terminals: --format, colour."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import ROOT, bpcompile

from bpcompile.cli import main

FOLDER = Path(__file__).parent / "messages"
KEYS = [
    "severity",
    "code",
    "message",
    "hint",
    "path",
    "file",
    "line",
    "column",
    "end_column",
]
WARNED = {
    "layers": [2, {"size": 2, "activation": "steep"}, 2],
    "cost": "quadratic",
    "operators": {"activations": {"steep": {"formula": "exp(z)**3"}}},
}


def stderr_of(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    main(list(arguments))
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    return tmp_path


def parsed(text: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines()]
    assert all(list(message) == KEYS for message in found)
    assert text.isascii()
    return found


@pytest.mark.parametrize("spec", ["several_sorted.json", "more_than_twenty.json"])
def test_json_says_what_the_text_says(
    spec: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(FOLDER)
    found = parsed(stderr_of(spec, "--format", "json", capsys=capsys))
    expected = (FOLDER / spec).with_suffix(".stderr").read_text().splitlines()
    heads = [line for line in expected if not line.startswith("    ")]
    carets = [line.count("^") for line in expected if re.fullmatch(r" +\^+", line)]
    more = [message["message"] for message in found if message["file"] is None]
    lines = [
        f"{m['file']}:{m['line']}:{m['column']}: {m['severity']}[{m['code']}]: "
        + "; ".join(filter(None, [m["message"], m["hint"]]))
        for m in found[: len(found) - len(more)]
    ]
    assert [*lines, *more] == heads
    widths = [m["end_column"] - m["column"] for m in found[: len(lines)]]
    assert widths == carets


def test_json_of_what_stands_nowhere(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, words in (
        (["no\nne.json", "--format", "json"], "no such file"),
        (["--format=json", "new", "x", "--frce"], "usage: bpcompile"),
        (["build", "--format", "json"], "no SPEC is given"),
        (["--format", "json", "schema", "x"], "usage: bpcompile"),
    ):
        (message,) = parsed(stderr_of(*arguments, capsys=capsys))
        assert message["severity"] == "error" and words in message["message"]
        assert message["line"] is message["path"] is message["file"] is None


def test_warnings_and_findings_have_their_format_too(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("s.json").write_text(json.dumps(WARNED))
    build = ["s.json", "-o", "s.py"]
    (warning,) = parsed(stderr_of(*build, "--format", "json", capsys=capsys))
    assert (warning["severity"], warning["code"]) == ("warning", "formula")
    text = stderr_of(*build, "--format", "github", capsys=capsys)
    assert text.startswith("::warning title=formula,file=s.json,line=1,endLine=1,col=")
    Path("s.json").write_text(json.dumps({"layers": [2, 2], "cost": "quadratic"}))
    check = [*build, "--check", "--format"]
    (finding,) = parsed(stderr_of(*check, "json", capsys=capsys))
    assert (finding["file"], finding["message"]) == ("s.py", "is stale")
    text = stderr_of(*check, "github", capsys=capsys)
    assert text == "::error file=s.py::s.py: is stale\n"


def test_nothing_is_said_where_nothing_is_wrong(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("s.json").write_text('{"layers": [2, 2], "cost": "quadratic"}')
    for name in ("text", "json", "github"):
        arguments = ("check", "s.json", "--format", name)
        assert stderr_of(*arguments, capsys=capsys) == ""


def annotations(text: str) -> list[tuple[str, dict[str, str], str]]:
    """As GitHub's runner reads them: command, properties, message."""

    def plain(escaped: str, signs: str) -> str:
        for sign in signs:
            escaped = escaped.replace(f"%{ord(sign):02X}", sign)
        return escaped.replace("%25", "%")

    found = []
    for line in text.splitlines():
        match = re.fullmatch(r"::(\w+)(?: (.*?))?::(.*)", line)
        assert match, line
        pairs = [pair.split("=", 1) for pair in (match[2] or "").split(",") if pair]
        properties = {key: plain(value, "\r\n:,") for key, value in pairs}
        found.append((match[1], properties, plain(match[3], "\r\n")))
    return found


NAMES = [
    "s.json",
    "a,b:100%.json",
    "%0A.json",
    "a\nb.json",
    "a\rb.json",
    "::error::.json",
]


@pytest.mark.parametrize("name", NAMES)
def test_github_reads_back_what_was_meant(
    name: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(name).write_text('{"layers": [2, 2],\n "cost": "a%0A::b,\\nc"}')
    ((command, properties, message),) = annotations(
        stderr_of("./" + name, "--format", "github", capsys=capsys)
    )
    assert command == "error"
    assert properties == {
        "title": "unknown-value",
        "file": "./" + name,
        "line": "2",
        "endLine": "2",
        "col": "10",
        "endColumn": "23",
    }
    shown = ("./" + name).replace("\n", r"\x0a").replace("\r", r"\x0d")
    said = r'/cost is "a%0A::b,\x0ac"; one of: quadratic, huber'
    assert message.startswith(f"{shown}:2:10: {said}")


def test_github_is_told_names_from_the_root_of_the_repository(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = here / "deep" / "inner"
    inner.mkdir(parents=True)
    (inner / "s.json").write_text("{}")
    monkeypatch.chdir(inner)
    for root, file in ((here, "deep/inner/s.json"), (Path("/nowhere"), "s.json")):
        monkeypatch.setenv("GITHUB_WORKSPACE", str(root))
        text = stderr_of("s.json", "--format", "github", capsys=capsys)
        assert {found["file"] for _, found, _ in annotations(text)} == {file}


def test_github_has_no_file_for_what_is_none() -> None:
    done = bpcompile("-", "--format", "github", input='{"layers": [2, 2]}')
    (((_, properties, message)),) = annotations(done.stderr)
    assert properties == {"title": "missing-key"}
    assert message == '<stdin>:1:1: /cost is missing; add "cost"'


def test_unknown_formats_are_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = stderr_of("explain", "s.json", "--format", "md", capsys=capsys)
    assert text.startswith(
        'bpcompile: argument --format: no format of messages "md" '
        "(one of: text, json, github); -f is the format of the result\n"
    )


# ---- Colour ------------------------------------------------------------------------


def on_terminal(variables: dict[str, str], terminal: bool) -> str:
    """What a run says, to a terminal or to a pipe."""
    plain = {"NO_COLOR", "FORCE_COLOR", "TERM"}
    inherited = {key: text for key, text in os.environ.items() if key not in plain}
    command = [sys.executable, "-m", "bpcompile", "kind_of_cost_typo.json"]
    options: dict[str, Any] = {
        "cwd": FOLDER,
        "env": {**inherited, "TERM": "xterm", **variables},
        "timeout": 60,
    }
    if not terminal:
        return subprocess.run(
            command, stderr=subprocess.PIPE, **options
        ).stderr.decode()
    import pty

    ours, theirs = pty.openpty()
    subprocess.run(command, stderr=theirs, **options)
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    return shown.replace("\r\n", "\n")


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(
    ("variables", "terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": ""}, False, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
    ],
)
def test_colour_is_for_terminals(
    variables: dict[str, str], terminal: bool, coloured: bool
) -> None:
    shown = on_terminal(variables, terminal)
    assert ("\x1b[" in shown) == coloured
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert plain == (FOLDER / "kind_of_cost_typo.stderr").read_text("utf-8")
    # Each line ends as it began.
    assert all(
        line.count("\x1b[0m") * 2 == line.count("\x1b[") for line in shown.split("\n")
    )


# ---- The page ----------------------------------------------------------------------


@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_the_page_shows_what_is_said(
    form: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.json").write_text(
        '{\n  "layers": [3, 2],\n  "cost": "quadratc",\n  "lr": 0.5\n}\n'
    )
    page = (ROOT / "docs" / "messages.md").read_text("utf-8")
    mark = rf"<!-- excerpt: messages {form} -->\n```(?:json)?\n(.*?)```"
    block = re.search(mark, page, re.DOTALL)
    assert block
    assert stderr_of("bad.json", "--format", form, capsys=capsys) == block[1]


def test_the_page_has_every_code() -> None:
    page = (ROOT / "docs" / "messages.md").read_text("utf-8")
    codes = {
        code
        for path in FOLDER.glob("*.stderr")
        for code in re.findall(r"error\[(.+?)\]", path.read_text("utf-8"))
    }
    assert all(f"`{code}`" in page for code in codes)
