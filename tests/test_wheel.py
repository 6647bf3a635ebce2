"""The wheel works where there is no checkout: it carries its templates."""

from __future__ import annotations

import os
import re
import shutil
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from c_modules import c_compiler
from support import EVERY_TARGET, ROOT, SPECS, renderer, run

from bpcompile import __version__
from bpcompile.api import compile_spec

#: What of the checkout the build reads; the rest is not there when it runs.
SOURCES = ("bpcompile", "templates", "pyproject.toml", "README.md", "LICENSE")

#: How pip says that it cannot reach a registry, and of nothing else.
UNREACHABLE = re.compile("connection broken|NewConnectionError|ProxyError|ReadTimeout")


def built(folder: Path) -> Path:
    """A wheel, built from a copy of the checkout."""
    copy = folder / "copy"
    copy.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, copy / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, copy)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    done = run(*build, "-d", folder, cwd=copy, env=environment())
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def environment() -> Mapping[str, str]:
    """The environment without what would find the checkout, or another venv."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTEST_ADDOPTS")
    return {key: value for key, value in os.environ.items() if key not in hidden}


def installed(wheel: Path, folder: Path) -> Path:
    """The scripts of an empty venv with the wheel in it; skips without a network."""
    venv = folder / "venv"
    done = run(sys.executable, "-m", "venv", "--without-pip", venv)
    assert done.returncode == 0, done.stderr
    scripts = venv / "bin"
    done = run(
        *(sys.executable, "-m", "pip", "--python", scripts / "python"),
        *("--disable-pip-version-check", "--retries", "1", "--timeout", "20"),
        *("install", "--quiet", "--no-compile", wheel),
        env=environment(),
        cwd=folder,
    )
    if done.returncode and UNREACHABLE.search(done.stderr):
        pytest.skip("pip cannot reach a registry for numpy, pydantic and jinja2")
    assert done.returncode == 0, done.stderr
    return scripts


def test_wheel_holds_the_package_and_the_templates(tmp_path: Path) -> None:
    wheel = built(tmp_path)
    assert wheel.name == f"bpcompile-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = {str(p.relative_to(ROOT)) for p in ROOT.glob("bpcompile/**/*.py")}
    templates = {
        f"bpcompile/{path.relative_to(ROOT)}"
        for path in (ROOT / "templates").rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    starts = {str(p.relative_to(ROOT)) for p in ROOT.glob("bpcompile/starts/*.json")}
    pages = {
        str(p.relative_to(ROOT))
        for p in ROOT.glob("bpcompile/pages/*")
        if p.suffix in (".css", ".js", ".jinja")
    }
    assert starts and pages
    assert held == package | templates | starts | pages | {"bpcompile/py.typed"}


def test_installed_wheel_compiles_and_what_it_compiles_trains(tmp_path: Path) -> None:
    scripts = installed(built(tmp_path), tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    shutil.copy(SPECS / "xor.json", work)
    shutil.copy(SPECS / "data" / "xor.npz", work)
    with np.load(work / "xor.npz") as arrays:
        for name in arrays:
            np.save(work / f"{name}.npy", arrays[name])

    def output_of(*command: str) -> str:
        done = run(scripts / command[0], *command[1:], cwd=work, env=environment())
        assert (done.returncode, done.stderr) == (0, ""), command
        return done.stdout

    lines = output_of("bpcompile", "targets").splitlines()
    assert [line.split()[0] for line in lines] == sorted(EVERY_TARGET)
    for target in EVERY_TARGET:
        module = f"xor{renderer(target).target.suffix}"
        output_of("bpcompile", "xor.json", "-o", module, "-t", target, "--force")
        text = (work / module).read_text("utf-8")
        assert text == compile_spec(SPECS / "xor.json", target)
        if renderer(target).target.runs == "import":
            program, data = ("python", module), ("--data", "xor.npz")
        else:
            done = run(c_compiler(), module, "-o", "xor", "-lm", cwd=work)
            assert (done.returncode, done.stderr) == (0, "")
            program, data = (str(work / "xor"),), ("--x", "x.npy", "--y", "y.npy")
        output_of(*program, "train", *data, "--quiet")
        said = output_of(*program, "evaluate", *data)
        assert said.startswith("accuracy 1.0000 (4 / 4)")
    output_of("bpcompile", "check", "xor.json", "--run")
