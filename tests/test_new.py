"""`bpcompile new`: a start that compiles, trains and is never written over work."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft7Validator
from random_specs import data_for
from support import module_of

from bpcompile import load_spec
from bpcompile.cli import main
from bpcompile.new import SCHEMA_FILE, STARTS, templates
from bpcompile.schema import schema_text

Captured = pytest.CaptureFixture[str]

TEMPLATES = tuple(templates())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal_of(*arguments: str, capsys: Captured) -> str:
    """What a refused `new` says, when it has written nothing."""
    before = {name: Path(name).read_bytes() for name in os.listdir() if "." in name}
    assert main(["new", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    after = {name: Path(name).read_bytes() for name in os.listdir() if "." in name}
    assert before == after
    return captured.err


def test_name_alone_writes_a_silent_classifier(capsys: Captured) -> None:
    assert main(["new", "my_net"]) == 0
    assert capsys.readouterr() == ("", "")
    assert sorted(os.listdir()) == [SCHEMA_FILE, "my_net.json"]
    spec = load_spec("my_net.json")
    assert spec.name == "my_net"
    assert spec.resolved_task == "classification"
    assert main(["my_net.json", "-o", "my_net.py"]) == 0


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_start_compiles_and_learns(template: str) -> None:
    assert main(["new", "net", "--template", template]) == 0
    spec = load_spec("net.json")
    assert spec.name == "net"
    assert spec.description
    x, y = data_for(spec, 40, seed=7)
    if spec.layers[0].size == spec.layers[-1].size:
        x = y = np.abs(np.sin(np.arange(x.size))).reshape(x.shape)
    network = module_of(spec).Network()
    before = network.cost(x, y)
    network.train(x, y, epochs=20)
    assert network.cost(x, y) < before


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_start_is_named_like_its_file_and_valid_for_editors(
    template: str,
) -> None:
    text = (STARTS / f"{template}.json").read_text("utf-8")
    spec = json.loads(text)
    assert spec["name"] == template
    assert Draft7Validator(json.loads(schema_text())).is_valid(spec)
    # The editor looks for the schema beside the spec.
    assert spec["$schema"] == f"./{SCHEMA_FILE}"


def test_schema_beside_is_the_schema_and_left_alone_if_there() -> None:
    main(["new", "a"])
    assert Path(SCHEMA_FILE).read_text("utf-8") == schema_text()
    Path(SCHEMA_FILE).write_text("mine")
    assert main(["new", "b", "--force"]) == 0
    assert Path(SCHEMA_FILE).read_text() == "mine"


def test_path_or_output_says_where(capsys: Captured) -> None:
    os.mkdir("sub")
    main(["new", "sub/one.json"])
    main(["new", "sub/two"])
    main(["new", "three", "-o", "sub/"])
    main(["new", "four", "-o", "sub/4.json"])
    written = set(os.listdir("sub")) - {SCHEMA_FILE}
    found = {name: load_spec(f"sub/{name}").name for name in written}
    assert found == {
        "one.json": "one",
        "two.json": "two",
        "three.json": "three",
        "4.json": "four",
    }
    assert capsys.readouterr() == ("", "")


def test_minus_is_stdout(capsys: Captured) -> None:
    for arguments, name in ((["-"], "network"), (["net", "-o", "-"], "net")):
        assert main(["new", *arguments]) == 0
        captured = capsys.readouterr()
        assert json.loads(captured.out)["name"] == name
        assert captured.err == ""
    assert os.listdir() == []


def test_work_is_not_written_over_without_force(capsys: Captured) -> None:
    Path("net.json").write_text("my work\n")
    assert refusal_of("net", capsys=capsys) == (
        "bpcompile: net.json: exists; --force replaces it and keeps a copy\n"
    )
    assert main(["new", "net", "--force"]) == 0
    assert load_spec("net.json").name == "net"
    assert Path("net.json.bak").read_text() == "my work\n"


def test_same_start_again_touches_nothing() -> None:
    main(["new", "net"])
    before = os.stat("net.json")
    assert main(["new", "net"]) == 0
    assert os.stat("net.json").st_mtime_ns == before.st_mtime_ns
    assert os.stat("net.json").st_ino == before.st_ino


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["net", "--template", "clasifier"], 'did you mean "classifier"? (one of: '),
        (["net", "--template", "zzz"], 'no template "zzz" (one of: '),
        (["net", "--template", "../starts/book"], 'no template "../starts/book"'),
        (["a b"], '"a b" is no name for a network: it must match '),
        (["9lives"], '"9lives" is no name'),
        (["x" * 65], "is no name"),
        (["sub/"], '"" is no name'),
        (["net", "-o", "net.toml"], "net.toml: would be read as TOML, a start is JSON"),
        (["nowhere/net"], "nowhere/net.json: directory does not exist, make it first"),
        (["net", "-o", "."], "is a directory"),
    ],
)
def test_what_is_wrong_is_said(
    arguments: list[str], said: str, capsys: Captured
) -> None:
    text = refusal_of(*arguments, capsys=capsys)
    assert text.startswith("bpcompile: ")
    assert said in text
    assert "Traceback" not in text


def test_help_lists_the_templates(capsys: Captured) -> None:
    assert main(["new", "--help"]) == 0
    text = capsys.readouterr().out
    for template, about in templates().items():
        assert f"  {template} " in text
        assert about in text
