"""The same spec gives the same bytes: by whom, where and how it is compiled is no part
of them."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pythons
from support import EVERY_TARGET, LONG, ROOT, SPECS, renderer, run

from bpcompile.api import compile_spec
from bpcompile.cli import main

XOR = SPECS / "xor.json"
DIGITS = SPECS / "digits.json"


@functools.cache
def expected(spec: Path, target: str | None = None) -> str:
    return compile_spec(spec, target)


def compiled(text: str, folder: Path, suffix: str = ".json") -> str:
    path = folder / f"spec{suffix}"
    path.write_bytes(text.encode())
    return compile_spec(path)


# ---- The process -------------------------------------------------------------------

ENVIRONMENTS: dict[str, dict[str, str]] = {
    "hash seed 0": {"PYTHONHASHSEED": "0"},
    "hash seed 1": {"PYTHONHASHSEED": "1", "TZ": "Asia/Kathmandu"},
    "hash seed 31": {"PYTHONHASHSEED": "31", "HOME": "/nonexistent"},
    "C locale": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"},
    "C locale, not coerced": {
        "LC_ALL": "POSIX",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
    },
    "UTF-8 mode": {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-16"},
    "optimised": {"PYTHONOPTIMIZE": "2", "PYTHONDEVMODE": "1"},
    "narrow terminal": {"COLUMNS": "20", "NO_COLOR": "1", "USER": "nobody"},
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_environment_changes_no_byte(name: str, tmp_path: Path) -> None:
    target = EVERY_TARGET[list(ENVIRONMENTS).index(name) % len(EVERY_TARGET)]
    # The work folder differs too: each test has its own.
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-m", "bpcompile", "build", str(XOR), str(DIGITS)]
    environment = {**os.environ, **ENVIRONMENTS[name]}
    done = subprocess.run(
        [*command, "-t", target, "-o", "out/"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    suffix = renderer(target).target.suffix
    for spec in (XOR, DIGITS):
        written = (tmp_path / "out" / f"{spec.stem}{suffix}").read_bytes()
        assert written == expected(spec, target).encode()


@pytest.mark.fault("OUT-19")
def test_ascii_stdout_gets_the_same_bytes() -> None:
    for encoding in ({"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}):
        done = subprocess.run(
            [sys.executable, "-m", "bpcompile", str(XOR)],
            env={**os.environ, **encoding},
            capture_output=True,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == expected(XOR).encode()


# Prints one digest for each spec, of the modules for all targets given.
DIGESTS = """
import hashlib, pathlib, sys
from bpcompile.api import compile_spec
targets, *specs = sys.argv[1:]
for spec in specs:
    texts = [compile_spec(spec, target) for target in targets.split(",")]
    print(hashlib.sha256("".join(texts).encode()).hexdigest(), pathlib.Path(spec).stem)
"""
LOCALES = ("C", "POSIX", "C.UTF-8", "tr_TR.UTF-8", "de_DE.ISO-8859-1")
ZONES = ("UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia")
UMASKS = (0o022, 0o077, 0o000, 0o027)


@functools.cache
def digests(targets: tuple[str, ...], specs: tuple[Path, ...]) -> str:
    """What the script of DIGESTS prints, from this process."""
    lines = []
    for spec in specs:
        text = "".join(expected(spec, target) for target in targets)
        lines.append(f"{hashlib.sha256(text.encode()).hexdigest()} {spec.stem}\n")
    return "".join(lines)


def same_bytes(python: str, number: int, folder: Path) -> None:
    """Compile in another process, every part of which is another for each number."""
    specs = tuple(sorted(SPECS.glob("*.json")))
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": str(number),
        "PYTHONUTF8": str(number % 2),
        "LC_ALL": LOCALES[number % len(LOCALES)],
        "TZ": ZONES[number % len(ZONES)],
    }
    where = folder / f"folder {number}"
    where.mkdir()
    given = [os.path.relpath(spec, where) if number % 3 else spec for spec in specs]
    done = run(
        *(python, "-c", DIGESTS, ",".join(EVERY_TARGET), *given),
        cwd=where,
        env=environment,
        umask=UMASKS[number % len(UMASKS)],
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == digests(EVERY_TARGET, specs)


@pytest.mark.fault("DET-01")
@pytest.mark.parametrize("number", range(32 if LONG else 2))
def test_hash_seed_locale_zone_folder_and_umask_change_no_byte(
    number: int, tmp_path: Path, figures: Callable[..., None]
) -> None:
    same_bytes(sys.executable, number, tmp_path)
    figures("processes with other seeds, locales, zones, folders", same_bytes=1)


@pytest.mark.fault("DET-04")
def test_other_pythons_give_the_same_bytes(
    tmp_path: Path, figures: Callable[..., None]
) -> None:
    found = pythons.with_packages(ROOT / ".venv/pythons")
    if not found:
        pytest.skip("no other Python >= 3.11 has pydantic and jinja2: make pythons")
    for number, python in enumerate(found.values()):
        same_bytes(python, number, tmp_path)
        figures("other Pythons", same_bytes=1)


# ---- How the spec is named and written ---------------------------------------------


@pytest.mark.fault("DET-05")
def test_path_of_the_spec_is_no_part_of_the_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = XOR.read_bytes()
    monkeypatch.chdir(tmp_path)
    Path("another name.json").write_bytes(text)
    for spec in (str(XOR), os.path.relpath(XOR), "another name.json", "-"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
        assert main([spec]) == 0
        assert capsys.readouterr().out == expected(XOR)
    assert str(tmp_path) not in expected(XOR)
    assert str(ROOT) not in expected(XOR)


def shuffled(value: Any, chance: random.Random) -> Any:
    """The same value with the keys of every object in another order."""
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: shuffled(value[key], chance) for key in keys}
    return [shuffled(v, chance) for v in value] if isinstance(value, list) else value


@pytest.mark.fault("DET-03")
@pytest.mark.parametrize("seed", range(5))
def test_order_of_keys_and_white_space_change_no_byte(
    seed: int, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    value = shuffled(json.loads(DIGITS.read_text("utf-8")), chance)
    indent = chance.choice([None, 0, 7, "\t"])
    text = json.dumps(value, indent=indent, ensure_ascii=chance.random() < 0.5)
    if seed % 2:
        text = "\r\n \t" + text.replace("\n", "\r\n") + "\r\n\r\n"
    assert compiled(text, tmp_path) == expected(DIGITS)


SHORT = """{"layers": [3, 4, 2], "cost": "quadratic"}"""
WHOLE = """{
    "version": 1, "name": "network", "dtype": "float32",
    "layers": [
        {"size": 3, "scaling": {"kind": "none"}},
        {"size": 4, "activation": {"kind": "sigmoid"}, "initializer": "scaled_normal"},
        {"size": 2, "activation": "sigmoid", "initializer": {"kind": "scaled_normal"}}
    ],
    "cost": {"kind": "quadratic"},
    "hyperparameters": {
        "learning_rate": 5e-1, "mini_batch_size": 10, "epochs": 30, "seed": 0,
        "optimizer": {"kind": "sgd"}, "regularization": {"l2": 0}
    }
}"""
TOML = """
cost = 'quadratic'
layers = [3, {size = 4}, 2]
[hyperparameters]
learning_rate = 0.5
[hyperparameters.regularization]
l2 = -0.0
"""


def test_short_and_long_forms_and_toml_are_one_spec(tmp_path: Path) -> None:
    text = compiled(SHORT, tmp_path)
    assert compiled(WHOLE, tmp_path) == text
    assert compiled(TOML, tmp_path, ".toml") == text


def test_spelling_of_a_number_changes_no_byte(tmp_path: Path) -> None:
    def with_rate(rate: str) -> str:
        return SHORT[:-1] + f', "hyperparameters": {{"learning_rate": {rate}}}}}'

    texts = {compiled(with_rate(r), tmp_path) for r in ("3", "3.0", "3e0", "0.3E+1")}
    assert len(texts) == 1
    assert compiled(with_rate("3.0000000000000004"), tmp_path) not in texts


def test_another_spec_is_another_digest(tmp_path: Path) -> None:
    """The digest of the header is of the spec alone, not of the body."""
    headers = {
        text.split("\n")[1].split("sha256: ")[1].split("  ")[0]
        for text in (
            compiled(SHORT, tmp_path),
            compiled(SHORT.replace("4", "5"), tmp_path),
            compiled(SHORT[:-1] + ', "description": "other"}', tmp_path),
        )
    }
    assert len(headers) == 3
    digests = {
        expected(XOR, target).split("sha256: ")[1].split("  ")[0]
        for target in EVERY_TARGET
    }
    assert len(digests) == 1


# ---- A module is a whole program ---------------------------------------------------


def test_module_runs_from_a_pipe() -> None:
    script = f"{sys.executable} -m bpcompile {XOR} | {sys.executable} - info"
    done = run("bash", "-o", "pipefail", "-c", script)
    assert (done.returncode, done.stderr) == (0, "")
    assert "xor" in done.stdout
