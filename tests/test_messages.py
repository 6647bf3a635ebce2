"""Wrong specs and exactly what a user reads of each.

`messages/NAME.json` (or .toml) is a wrong spec, `messages/NAME.stderr` what the command
prints. A spec is one mistake or a few of a kind, as its name says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from source_helpers import displayed

from bpcompile import meant
from bpcompile.cli import main
from bpcompile.errors import printable
from bpcompile.operators import (
    ACTIVATIONS,
    COSTS,
    INITIALIZERS,
    OPTIMIZERS,
    SCALINGS,
    SCHEDULES,
)

FOLDER = Path(__file__).parent / "messages"
SPECS = sorted(p.name for p in FOLDER.iterdir() if p.suffix in (".json", ".toml"))
BLANK = {"json_binary.json", "json_empty.json", "toml_empty.toml"}
ENCODINGS = {
    "json_utf16.json": "utf-16",
    "json_utf16_big_without_bom.json": "utf-16-be",
    "json_utf32.json": "utf-32",
}
HEAD = re.compile(
    r"(?P<file>\S+):(?P<line>\d+):(?P<column>\d+): error\[(?P<code>.+?)\]"
)


def text_of(spec: str) -> str:
    """The text of a wrong spec as messages show it."""
    data = (FOLDER / spec).read_bytes()
    encoding = ENCODINGS.get(spec, "utf-8-sig")
    return data.decode(encoding, "backslashreplace")


def said(
    spec: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """What the command prints of a wrong spec in FOLDER, to stderr and nothing else."""
    monkeypatch.chdir(FOLDER)
    assert main([spec]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


@pytest.mark.parametrize("spec", SPECS)
def test_message(
    spec: str,
    golden: Callable[[Path, str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = said(spec, monkeypatch, capsys)
    golden(FOLDER / f"{Path(spec).stem}.stderr", text)


@pytest.mark.parametrize("spec", SPECS)
def test_message_has_the_contracts_form(
    spec: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = said(spec, monkeypatch, capsys).removesuffix("\n").split("\n")
    more = re.fullmatch(r"\.\.\. and \d+ more errors?", lines[-1])
    heads = [i for i, line in enumerate(lines) if HEAD.match(line)]
    ends = [*heads[1:], len(lines) - bool(more)]
    errors = [lines[i:end] for i, end in zip(heads, ends, strict=True)]
    assert len(errors) == 20 if more else 1 <= len(errors) <= 20
    places = []
    for head, *excerpt in errors:
        match = HEAD.match(head)
        assert match and match["file"] == spec, head
        places.append((int(match["line"]), int(match["column"])))
        # Of an empty line there is nothing to show.
        if spec in BLANK:
            assert excerpt == []
            continue
        source, carets = excerpt
        assert re.fullmatch(r" {4} *\^+", carets), carets
        # The carets stand under the place, unless the line had to be cut.
        line = re.split(r"\r\n?|\n", text_of(spec))[places[-1][0] - 1]
        if not re.search(r"^ {4}\.\.\.|\.\.\.$", source):
            columns = displayed(source)
            under = "".join(columns[carets.index("^") : carets.rindex("^") + 1])
            meant = printable(line[places[-1][1] - 1 :].replace("\t", " "))
            assert "".join(displayed(meant)).startswith(under)
        assert all(part.isprintable() for part in (head, source, carets))
    assert places == sorted(places)


def test_too_many_layers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "deep.json"
    spec.write_text(f'{{"layers": [{"1, " * 10_000}1], "cost": "quadratic"}}')
    assert main([str(spec)]) == 2
    head = capsys.readouterr().err.split("\n")[0]
    message = "/layers has 10001 layers, at most 10000 are allowed"
    assert head == f"{spec}:1:12: error[conflict]: {message}"


def test_names_in_other_tools_are_no_kinds_and_of_one_kind_alone() -> None:
    registries = (ACTIVATIONS, COSTS, INITIALIZERS, OPTIMIZERS, SCALINGS, SCHEDULES)
    for registry in registries:
        names = [name for entry in registry.values() for name in entry.aliases]
        assert names
        assert len(set(names)) == len(names)
        assert not set(names) & set(registry)
    assert meant.meant_kind("MSE", COSTS) == "quadratic"
    assert meant.meant_kind("MSE", ACTIVATIONS) is None


def test_every_code_of_the_checks_has_an_example() -> None:
    found = {
        match["code"]
        for path in FOLDER.glob("*.stderr")
        for match in HEAD.finditer(path.read_text("utf-8"))
    }
    assert found >= {
        "conflict",
        "duplicate-key",
        "encoding",
        "formula",
        "syntax",
        "too-large",
        "missing-key",
        "out-of-range",
        "unknown-key",
        "unknown-value",
        "wrong-type",
        "wrong-value",
    }


def test_no_expected_text_is_left_over() -> None:
    stems = {Path(spec).stem for spec in SPECS}
    assert len(stems) == len(SPECS) >= 120
    assert {path.stem for path in FOLDER.glob("*.stderr")} == stems
