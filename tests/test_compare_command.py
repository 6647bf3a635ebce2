"""`bpcompile diff` as it is run: formats, exit codes, messages, patches that apply.

`compare/NAME.txt` and so on are expected outputs; `--update-goldens` writes them anew.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import EVERY_TARGET, ROOT, SPECS, bpcompile, run, text_of

from bpcompile import diff, load_spec
from bpcompile.cli import main

FOLDER = Path(__file__).parent / "compare"

CASES: dict[str, list[str]] = {
    "chapters": ["specs/book_ch1.json", "specs/book_ch3.json"],
    "softmax": ["specs/xor.json", "specs/deep.json"],
    "deeper": [
        "tests/compare/deep_8.json",
        "tests/compare/deep_9.json",
    ],
    "moved": [
        "specs/deep.json",
        "--set",
        'layers[1]={"size": 16, "dropout": 0.25}',
        "--set",
        "layers[6].size=8",
        "--set",
        "hyperparameters.optimizer=adamw",
        "--set",
        "hyperparameters.regularization.l2=0.1",
    ],
    "textbook": ["specs/xor.json", "-t", "numpy", "-t", "numpy-textbook"],
}


@pytest.fixture(autouse=True)
def in_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def said(
    capfdbinary: pytest.CaptureFixture[bytes], *arguments: str
) -> tuple[int, str, str]:
    code = main(["diff", *arguments])
    out, err = capfdbinary.readouterr()
    return code, out.decode(), err.decode()


@pytest.mark.parametrize("form", ["text", "json", "md"])
@pytest.mark.parametrize("name", CASES)
def test_expected_output(
    name: str,
    form: str,
    golden: Callable[[Path, str], None],
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    code, out, err = said(capfdbinary, *CASES[name], "-f", form)
    assert (code, err) == (1, "")
    suffix = {"text": "txt"}.get(form, form)
    golden(FOLDER / f"{name}.{suffix}", out)


def test_docs_show_what_is_said_and_count_the_lines() -> None:
    docs = (ROOT / "docs" / "diff.md").read_text("utf-8")
    shown = re.search(r"<!-- excerpt: deeper -->\n```\n(.*?)```", docs, re.DOTALL)
    assert shown and shown[1] == (FOLDER / "deeper.txt").read_text("utf-8")
    found = diff(*CASES["deeper"], "code")
    lines = [line for hunk in found.hunks for line in hunk.lines if line[0] in "+-"]
    counts = f"changes {len(lines)} lines in {len(found.hunks)} places"
    assert counts in " ".join(docs.split())


def keys(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(keys, value))
    if not isinstance(value, dict):
        return set()
    return set(value).union(*map(keys, value.values()))


def test_docs_name_every_key_and_their_python_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    docs = (ROOT / "docs" / "diff.md").read_text("utf-8")
    found = json.loads((FOLDER / "chapters.json").read_text("utf-8"))
    for layer in found["layers"]:
        # Values, whose keys are those of the spec.
        layer["settings"] = [dict.fromkeys(s) for s in layer["settings"]]
    found["settings"] = [dict.fromkeys(setting) for setting in found["settings"]]
    assert {key for key in keys(found) if f"`{key}`" not in docs} == set()
    (code,) = re.findall(r"```python\n(.*?)```", docs, re.DOTALL)
    exec(code, {})
    assert (FOLDER / "chapters.txt").read_text("utf-8") in capsys.readouterr().out


@pytest.mark.parametrize("name", ["chapters", "deeper"])
def test_expected_values(
    name: str,
    golden: Callable[[Path, str], None],
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    code, out, _ = said(capfdbinary, *CASES[name], "--level", "spec")
    assert code == 1
    golden(FOLDER / f"{name}_spec.txt", out)


@pytest.mark.parametrize("name", CASES)
def test_text_fits_into_80_columns(
    name: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    _, out, _ = said(capfdbinary, *CASES[name])
    # Lines of code stand as they are.
    lines = [line for line in out.splitlines() if not re.match(r"    [-+] ", line)]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("level", ["spec", "plan", "code"])
def test_equal_specs_print_nothing_and_exit_with_0(
    level: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    spec = json.loads((SPECS / "xor.json").read_text())
    other = tmp_path / "other.json"
    # Defaults in words, keys in another order.
    fields = {**dict(reversed(spec.items())), "dtype": "float32"}
    other.write_text(json.dumps(fields))
    found = said(capfdbinary, "specs/xor.json", str(other), "--level", level)
    assert found == (0, "", "")


FOLDER_SAID = "specs: is a directory; -o takes a file"
MESSAGES: dict[str, tuple[list[str], str]] = {
    "one spec": (
        ["specs/xor.json"],
        'compare "specs/xor.json" with what? give another spec, a second -t TARGET, or '
        "--set PATH=VALUE",
    ),
    "three specs": (["a", "b", "x.json"], 'diff takes A and B, got "x.json" too'),
    "no format": (
        ["specs/xor.json", "specs/deep.json", "-f", "jsn"],
        'no format "jsn"; did you mean "json"? (one of: text, json, md, html)',
    ),
    "no level": (
        ["specs/xor.json", "specs/deep.json", "--level", "steps"],
        'no level "steps" (one of: spec, plan, code)',
    ),
    "set of two": (
        ["specs/xor.json", "specs/deep.json", "--set", "name=x"],
        "--set goes with one spec: it makes B of it",
    ),
    "stdin twice": (["-", "-"], "only one of A and B can be standard input"),
    "three targets": (
        ["specs/xor.json", *("-t numpy " * 3).split()],
        'diff takes two targets, got -t "numpy" too',
    ),
    "over an input": (
        ["specs/xor.json", "specs/deep.json", "-o", "specs/xor.json"],
        "specs/xor.json: input and output are the same file",
    ),
    "over something else": (
        ["specs/xor.json", "specs/deep.json", "-o", "README.md"],
        "README.md: is not generated by bpcompile; --force replaces it and keeps a copy "
        "at README.md.bak",
    ),
    "a generated file": (
        ["specs/xor.json", "tests/goldens/numpy/xor.py"],
        "tests/goldens/numpy/xor.py: is a generated file, which has no plan to compare; "
        "give its spec, or compare by --level code",
    ),
    "target of a file": (
        ["tests/goldens/numpy/xor.py"] * 2 + ["--level", "code", "-t", "numpy"],
        "generated files are compared as they are: no -t, no --set",
    ),
    "set of a file": (
        ["tests/goldens/numpy/xor.py", "--level", "code", "--set", "name=x"],
        "generated files are compared as they are: no -t, no --set",
    ),
    "into a folder": (
        ["specs/xor.json", "specs/deep.json", "-o", "specs"],
        FOLDER_SAID,
    ),
    "no such file": (
        ["specs/xor.json", "specs/none.json"],
        "cannot read specs/none.json: no such file",
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_mistake_is_told_in_one_message(
    name: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    arguments, message = MESSAGES[name]
    assert said(capfdbinary, *arguments) == (2, "", f"bpcompile: {message}\n")


def test_report_is_written_and_replaced_and_nothing_else_is(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    pair = ["specs/book_ch1.json", "specs/book_ch3.json"]
    for form in ("text", "json", "md", "html"):
        path = tmp_path / f"report.{form}"
        for specs in (pair, pair[::-1], [pair[0], pair[0]], pair):
            # Without -f the suffix of the file says the format.
            given = ["-f", form] if specs[0] == specs[1] else []
            code, out, err = said(capfdbinary, *specs, *given, "-o", str(path))
            assert (code, out, err) == (int(specs[0] != specs[1]), "", "")
            assert path.read_text() == said(capfdbinary, *specs, "-f", form)[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "report.html",
        "report.json",
        "report.md",
        "report.text",
    ]
    mine = tmp_path / "mine.txt"
    mine.write_text("my own words\n")
    code, _, err = said(capfdbinary, *pair, "-o", str(mine))
    assert code == 2 and "--force" in err and mine.read_text() == "my own words\n"
    assert said(capfdbinary, *pair, "-o", str(mine), "--force")[0] == 1
    assert (tmp_path / "mine.txt.bak").read_text() == "my own words\n"


def test_one_side_may_be_standard_input() -> None:
    text = (SPECS / "deep.json").read_text()
    done = bpcompile("diff", SPECS / "xor.json", "-", input=text)
    assert done.returncode == 1 and "\n+++ deep\n" in done.stdout


# ---- Colour ------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colour_on_a_terminal_alone(variables: dict[str, str], coloured: bool) -> None:
    import pty

    environment = {**os.environ, "TERM": "xterm", **variables}
    if "NO_COLOR" not in variables:
        environment.pop("NO_COLOR", None)
    main_end, terminal = pty.openpty()
    command = [sys.executable, "-m", "bpcompile", "diff", *CASES["chapters"]]
    done = subprocess.run(command, stdout=terminal, env=environment, timeout=60)
    os.close(terminal)
    shown = os.read(main_end, 1 << 16).decode()
    os.close(main_end)
    assert done.returncode == 1
    assert ("\x1b[" in shown) == coloured
    plain = re.sub(r"\x1b\[\d*m", "", shown).replace("\r\n", "\n")
    assert plain == (FOLDER / "chapters.txt").read_text("utf-8")


# ---- Code --------------------------------------------------------------------------

PATCHED = [
    ("book_ch1", "book_ch3", "numpy"),
    ("xor", "deep", "numpy-textbook"),
    ("deep", "xor", "c"),
]


@pytest.mark.parametrize("tool", ["patch", "git"])
@pytest.mark.parametrize(("a", "b", "target"), PATCHED)
def test_unified_diff_applies(
    tool: str,
    a: str,
    b: str,
    target: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    monkeypatch.chdir(tmp_path)
    for name in (a, b):
        shutil.copy(SPECS / f"{name}.json", tmp_path)
    files = [f"{a}.json", f"{b}.json", "--level", "code", "-t", target]
    code, out, _ = said(capfdbinary, *files, "-o", "change.diff")
    assert (code, out) == (1, "")
    first, second = (text_of(load_spec(SPECS / f"{n}.json"), target) for n in (a, b))
    lines = (tmp_path / "change.diff").read_text("utf-8").split("\n")
    module = Path(lines[0].removeprefix("--- "))
    assert module.stem == a and lines[1] == f"+++ {b}{module.suffix}"
    module.write_text(first, "utf-8")
    commands = {
        "patch": ["patch", "--fuzz=0", str(module), "change.diff"],
        # git takes both names for the file's own, so that they must be the same.
        "git": ["git", "apply", "-p0", "--unsafe-paths", "same.diff"],
    }
    same = "\n".join([lines[0], f"+++ {module}", *lines[2:]])
    (tmp_path / "same.diff").write_text(same, "utf-8")
    done = run(*commands[tool])
    assert done.returncode == 0, done.stderr + done.stdout
    assert module.read_text("utf-8") == second


@pytest.mark.parametrize("target", EVERY_TARGET)
def test_generated_files_are_compared_as_they_are(
    target: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    module = tmp_path / "module"
    text = text_of(load_spec(SPECS / "xor.json"), target)
    module.write_text(text, "utf-8")
    # A spec beside a file is compiled for the target of the file.
    for files in ([str(module), "specs/xor.json"], ["specs/xor.json", str(module)]):
        assert said(capfdbinary, *files, "--level", "code") == (0, "", "")
    edited = tmp_path / "edited by hand"
    edited.write_text(text.rstrip("\n"), "utf-8")
    code, out, _ = said(capfdbinary, str(module), str(edited), "--level", "code")
    assert code == 1
    assert out.split("\n")[:2] == [f"--- {module}", f"+++ {edited}\t"]
    assert out.endswith("\n\\ No newline at end of file\n")


# ---- Untrusted text ----------------------------------------------------------------

HOSTILE = "```\n# x | <b>&amp;</b> \u202e `` [a](b)"


@pytest.mark.parametrize("form", ["text", "json", "md"])
@pytest.mark.parametrize("level", ["spec", "plan"])
def test_description_is_shown_and_does_nothing(
    form: str,
    level: str,
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    fields: dict[str, Any] = json.loads((SPECS / "xor.json").read_text())
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**fields, "description": HOSTILE}))
    arguments = ["specs/xor.json", str(path), "-f", form, "--level", level]
    code, out, _ = said(capfdbinary, *arguments)
    assert code == 1
    assert "\u202e" not in out
    if form == "json":
        (setting,) = json.loads(out)["settings"]
        assert setting["after"] == HOSTILE
    if form == "md":
        # One span of code that the longest run of backticks in the text does not end.
        (line,) = (line for line in out.splitlines() if "/description" in line)
        (span,) = re.findall(r"````(.*?)````", line)
        assert json.loads(span) == HOSTILE


def test_settings_alone_end_without_an_empty_line(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    change = "hyperparameters.learning_rate=0.1"
    code, out, _ = said(capfdbinary, "specs/xor.json", "--set", change)
    assert code == 1 and out.endswith("-> 0.1\n") and "\n\n" not in out


def test_one_optimizer_for_another_that_keeps_the_same_is_told_without_it(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    change = "hyperparameters.optimizer=nadam"
    adam = load_spec("specs/xor.json", ["hyperparameters.optimizer=adam"])
    found = diff(adam, load_spec("specs/xor.json", [change]))
    (update,) = found.parts
    assert update.why == "NAdam takes the place of Adam"
