"""The README and docs say what is so: excerpts are real, commands run, all is named."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
from support import ROOT, SPECS, bpcompile, text_of

from bpcompile import load_spec, operators
from bpcompile.meant import keys_of
from bpcompile.sections import (
    Clipping,
    EarlyStopping,
    Hyperparameters,
    InputLayer,
    Layer,
    Regularization,
    ValidationFold,
)
from bpcompile.spec import NetworkSpec

README = (ROOT / "README.md").read_text("utf-8")


def excerpt(name: str) -> str:
    """The code block that follows a marker."""
    found = re.search(rf"<!-- excerpt: {name} -->\n```\w*\n(.*?)```", README, re.DOTALL)
    assert found, name
    return found[1]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_spec_is_the_gallerys():
    assert excerpt("specs/book_ch3.json") == (SPECS / "book_ch3.json").read_text()


def test_the_code_is_what_the_spec_gives():
    spec = load_spec(SPECS / "book_ch3.json")
    assert excerpt("generated") in text_of(spec)
    assert excerpt("c") in text_of(spec, "c")


def test_the_formula_is_compiled_as_it_is_shown():
    spec = SPECS / "own.json"
    shown = re.search(r'^"operators": .*?^}$', README, re.MULTILINE | re.DOTALL)
    assert shown
    given = json.loads("{" + shown[0] + "}")["operators"]
    assert given == json.loads(spec.read_text("utf-8"))["operators"]
    assert excerpt("own") in text_of(load_spec(spec), "numpy-textbook")


def test_the_numbers_of_kinds_are_right():
    counts = {
        "activations": operators.ACTIVATIONS,
        "costs": operators.COSTS,
        "optimizers": operators.OPTIMIZERS,
        "schedules": operators.SCHEDULES,
        "initializers": operators.INITIALIZERS,
    }
    for word, registry in counts.items():
        assert f"{len(registry)} {word}" in README.replace("\n", " ")


def test_the_picture_shows_the_code_of_xor():
    picture = (ROOT / "docs" / "picture.svg").read_text("utf-8")
    shown = re.findall(r'class="[mc]"[^>]*>([^<]*)</text>', picture)
    code = text_of(load_spec(SPECS / "xor.json"), "numpy-textbook")
    lines = [line for line in shown if "BP" in line or " = " in line]
    assert len(lines) == 8
    for line in lines:
        assert f"        {line}\n" in code


def test_the_message_is_real(tmp_path):
    message = excerpt("message")
    # Its second line with the four spaces that the message takes off and puts back.
    second = message.splitlines()[1]
    bad = f'{{\n{second}\n    "cost": "quadratic"\n}}\n'
    (tmp_path / "bad.json").write_text(bad)
    answer = bpcompile("bad.json", cwd=tmp_path)
    assert (answer.returncode, answer.stderr) == (2, message)


@pytest.fixture
def folder(tmp_path):
    """A folder with the gallery beside it and the commands on the path."""
    os.symlink(SPECS, tmp_path / "specs")
    return tmp_path


def environment() -> dict[str, str]:
    scripts = str(pathlib.Path(sys.executable).parent)
    return os.environ | {"PATH": scripts + os.pathsep + os.environ["PATH"]}


def test_the_commands_run(folder):
    by_hand = next(block for block in blocks("sh") if "predict" in block)
    for line in by_hand.splitlines():
        result = subprocess.run(
            ["bash", "-c", line], cwd=folder, env=environment(), capture_output=True
        )
        wanted = 1 if re.search(r"(--|bpcompile )diff ?", line) else 0
        assert result.returncode == wanted, (line, result.stderr.decode())


def test_the_library_example_runs(folder):
    subprocess.run(
        ["bpcompile", "specs/digits.json", "-o", "digits.py"],
        cwd=folder,
        env=environment(),
        check=True,
    )
    (folder / "example.py").write_text(blocks("python")[1])
    result = subprocess.run(
        [sys.executable, "example.py"], cwd=folder, capture_output=True, text=True
    )
    assert float(result.stdout) > 0.9, result.stderr


def test_the_spec_page_names_every_word_of_the_language():
    page = (ROOT / "docs" / "spec.md").read_text("utf-8")
    registries = (
        operators.ACTIVATIONS,
        operators.COSTS,
        operators.INITIALIZERS,
        operators.OPTIMIZERS,
        operators.SCALINGS,
        operators.SCHEDULES,
    )
    kinds = [kind for registry in registries for kind in registry]
    sections = (NetworkSpec, Hyperparameters, InputLayer, Layer, Regularization)
    sections += (Clipping, EarlyStopping, ValidationFold)
    keys = [key for section in sections for key in keys_of(section)]
    for word in [*kinds, *keys]:
        assert re.search(rf'[`"]{re.escape(word)}[`"]', page), word


def test_the_spec_page_has_a_valid_example(tmp_path):
    page = (ROOT / "docs" / "spec.md").read_text("utf-8")
    example = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert example and json.loads(example[1])
    (tmp_path / "example.json").write_text(example[1])
    assert load_spec(tmp_path / "example.json").name == "mnist_30"


def test_no_place_is_left_open():
    for page in (ROOT / "README.md", *ROOT.glob("docs/*.md")):
        found = re.search(r"\b(FIGURES|TODO|TBD|FIXME|XXX)\b", page.read_text("utf-8"))
        assert not found, f"{page.name}: {found}"


def test_links_lead_somewhere():
    for page in (ROOT / "README.md", *ROOT.glob("docs/*.md")):
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
