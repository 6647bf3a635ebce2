"""What starting costs: which modules are loaded, what is compiled, and how often."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import EVERY_TARGET, ROOT, SPECS, bpcompile, run, spec_of

from bpcompile import bytecode
from bpcompile import render as _render
from bpcompile.building import jobs
from bpcompile.building.jobs import Job
from bpcompile.building.watching import _inside
from bpcompile.lower import lower
from bpcompile.messages import Messages
from bpcompile.target import Target, load_target

rendering: Any = sys.modules["bpcompile.render"]  # whose name is a function's

PACKAGE = ROOT / "bpcompile"

LOADED = """
import sys
from bpcompile.cli import main
assert main({arguments!r}) == 0
print(*sorted(sys.modules), file=sys.stderr)
"""


def loaded_by(*arguments: str) -> set[str]:
    """The modules of a fresh process after a command, `site` and the like apart."""
    bare = run(sys.executable, "-c", "import sys; print(*sys.modules)")
    done = run(sys.executable, "-c", LOADED.format(arguments=list(arguments)))
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split()) - set(bare.stdout.split())


# ---- Modules -----------------------------------------------------------------------


def test_version_loads_next_to_nothing() -> None:
    ours = {"bpcompile", "bpcompile.cli", "bpcompile.streams"}
    assert loaded_by("--version") - {"__future__", "types"} == ours


@pytest.mark.parametrize("target", EVERY_TARGET)
def test_compiling_loads_nothing_of_the_other_commands(
    target: str, tmp_path: Path
) -> None:
    spec, output = str(SPECS / "book_ch3.json"), str(tmp_path / "net")
    found = loaded_by(spec, "-o", output, "-t", target)
    needed = {"building", "operators", "source"}
    packages = {p.parent.name for p in PACKAGE.glob("*/__init__.py")} - needed
    assert {"compare", "formula", "reference"} <= packages
    others = {f"bpcompile.{name}" for name in packages}
    others |= {f"bpcompile.{name}" for name in ("check", "schema", "new", "trained")}
    others |= {f"bpcompile.building.{name}" for name in ("project", "watching")}
    others |= {"bpcompile.source.toml", "bpcompile.source.override", "numpy", "difflib"}
    assert found & others == set()


def test_compiling_looks_for_no_plugins(tmp_path: Path) -> None:
    """One that Pydantic would find by its entry point, and that ends the process."""
    about = tmp_path / "noisy-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: noisy\nVersion: 1.0\n"
    )
    (about / "entry_points.txt").write_text("[pydantic]\nnoisy = noisy:plugin\n")
    (tmp_path / "noisy.py").write_text("import os; os._exit(77)\n")
    output = tmp_path / "net.py"
    paths = os.pathsep.join((str(tmp_path), str(ROOT)))
    environment = {**os.environ, "PYTHONPATH": paths}
    environment.pop("PYDANTIC_DISABLE_PLUGINS", None)
    bare = "import pydantic; type('Bare', (pydantic.BaseModel,), {})"
    assert run(sys.executable, "-c", bare, env=environment).returncode == 77
    done = bpcompile(SPECS / "xor.json", "-o", output, env=environment)
    assert done.returncode == 0 and output.exists()


# ---- Templates ---------------------------------------------------------------------

PLAN = lower(spec_of(layers=[3, 2], cost="quadratic"))


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of all targets, taken for ours; bytecode is kept in a folder beside."""
    folder = tmp_path / "templates"
    for path in (ROOT / "templates").glob("*/*.*"):
        copy = folder / path.relative_to(ROOT / "templates")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    monkeypatch.setattr(rendering, "templates_root", lambda: folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "kept"))
    return folder


def rendered(folder: Path, target: str = "numpy") -> str:
    found: Target = load_target(target, folder)
    module, *_ = _render(PLAN, found)
    return module.text


def kept(folder: Path) -> list[Path]:
    return [p for p in (folder.parent / "kept").rglob("*") if p.is_file()]


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of templates, one for each time that Jinja2 compiles one."""
    names: list[str] = []
    compile_ = rendering.Environment.compile

    def noted(self: Any, source: Any, name: Any, *more: Any, **given: Any) -> Any:
        names.append(name)
        return compile_(self, source, name, *more, **given)

    monkeypatch.setattr(rendering.Environment, "compile", noted)
    return names


@pytest.mark.parametrize("target", EVERY_TARGET)
def test_templates_are_compiled_once(
    target: str, templates: Path, compiled: list[str]
) -> None:
    first = rendered(templates, target)
    assert len(compiled) == len(set(compiled)) > 10
    assert len(kept(templates)) == 1
    compiled.clear()
    assert rendered(templates, target) == first
    assert compiled == []


def test_templates_of_another_spec_are_added(
    templates: Path, compiled: list[str]
) -> None:
    rendered(templates)
    scheduled = lower(
        spec_of(layers=[3, 2], cost="quadratic", hyperparameters={"schedule": "cosine"})
    )
    compiled.clear()
    for _ in range(2):
        _render(scheduled, load_target("numpy", templates))
        rendered(templates)
    assert sorted(compiled) == ["rate.jinja", "schedule.jinja"]


def test_edited_template_is_compiled_again(
    templates: Path, compiled: list[str]
) -> None:
    rendered(templates)
    module = templates / "numpy" / "module.jinja"
    text = module.read_text("utf-8")
    module.write_text(text.replace("Layers are numbered", "Layers count"), "utf-8")
    compiled.clear()
    assert "\nLayers count as in the book" in rendered(templates)
    assert compiled == ["module.jinja"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:31],
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:],
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: b"\xff" * len(data),
    ],
)
def test_damaged_file_is_as_none_and_mended(
    damage: Callable[[bytes], bytes], templates: Path, compiled: list[str]
) -> None:
    first = rendered(templates)
    (file,) = kept(templates)
    good = file.read_bytes()
    file.write_bytes(damage(good))
    count = len(compiled)
    assert rendered(templates) == first
    assert len(compiled) == 2 * count
    assert file.read_bytes() == good
    assert kept(templates) == [file]


@pytest.mark.parametrize("changed", ["__version__", "jinja2", "MAGIC_NUMBER"])
def test_code_of_another_making_is_not_taken(
    changed: str,
    templates: Path,
    compiled: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = rendered(templates)
    count = len(compiled)
    if changed == "__version__":
        monkeypatch.setattr(bytecode, changed, "0.0.1")
    elif changed == "jinja2":
        monkeypatch.setattr(bytecode.jinja2, "__version__", "0.0.1")
    else:
        monkeypatch.setattr(bytecode.importlib.util, changed, b"0.0.")
    assert rendered(templates) == first
    assert len(compiled) == 2 * count


def test_file_that_was_moved_with_its_folder_is_not_taken(
    templates: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the places in a traceback would be those of another folder."""
    monkeypatch.setattr(sys, "pycache_prefix", None)
    first = rendered(templates)
    count = len(compiled)
    moved = templates.rename(templates.with_name("moved"))
    monkeypatch.setattr(rendering, "templates_root", lambda: moved)
    assert rendered(moved) == first
    assert len(compiled) == 2 * count


def test_nothing_is_kept_where_python_keeps_nothing(
    templates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)
        first = rendered(templates)
    with monkeypatch.context() as patch:
        patch.setattr(sys.implementation, "cache_tag", None)
        assert rendered(templates) == first
    assert kept(templates) == []


def test_folder_that_cannot_be_written_is_no_mistake(
    templates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = rendered(templates)
    file = templates.parent / "file"
    file.write_text("")
    monkeypatch.setattr(sys, "pycache_prefix", str(file))
    assert rendered(templates) == first
    assert file.read_text() == ""


def test_nothing_is_written_into_templates_of_ones_own(
    templates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    files = sorted(templates.rglob("*"))
    rendered(templates)
    assert sorted(templates.rglob("*")) == files


def test_watching_does_not_see_what_is_kept(
    templates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", None)
    before = _inside([templates / "numpy"])
    rendered(templates)
    assert list(templates.rglob("*.jinjac"))
    assert _inside([templates / "numpy"]) == before


# ---- Many specs, deep networks -----------------------------------------------------


def test_many_outputs_have_one_target(monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    monkeypatch.setattr(
        jobs, "load_target", lambda n: names.append(n) or load_target(n)
    )
    specs = [str(path) for path in sorted(SPECS.glob("*.json"))]
    texts = jobs.compiled([Job(spec, "out/") for spec in specs], Messages())
    assert len(texts) == len(specs) > 3
    assert len(names) == 1


CALLS = """
import sys
from bpcompile.building.jobs import Job, compiled
from bpcompile.messages import Messages

def calls(layers):
    job = Job(sys.argv[2], "-", sys.argv[1], (f"layers={[2] * layers}",))
    count = 0
    def note(frame, event, value):
        nonlocal count
        count += event == "call"
    sys.setprofile(note)
    compiled([job], Messages())
    sys.setprofile(None)
    return count

compiled([Job(sys.argv[2], "-", sys.argv[1])], Messages())  # what is imported late
print(*map(calls, (25, 50, 100)))
"""


@pytest.mark.parametrize("target", EVERY_TARGET)
def test_work_grows_with_the_layers_and_not_faster(target: str) -> None:
    done = run(sys.executable, "-c", CALLS, target, SPECS / "book_ch3.json")
    assert done.returncode == 0, done.stderr
    some, more, most = map(int, done.stdout.split())
    # Calls of functions, of which a layer needs as many wherever it stands; lines
    # that are broken at another number of digits make up to 5 % of a difference.
    assert (most - more) / (more - some) < 2.1
