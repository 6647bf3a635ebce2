"""The documentation site builds, is whole and true, and stands alone."""

from __future__ import annotations

import doctest
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from support import ROOT, SPECS, run, text_of

from bpcompile import load_spec

DOCS = ROOT / "docs"
OUTLINE = DOCS / "examples" / "outline"
EVERY_SPEC = sorted([*SPECS.glob("*.json"), *SPECS.glob("book/*.json")])
#: What the site shows of the rest of a checkout.
PAGES, FOLDERS = ("README.md", "CONTRIBUTING.md"), ("specs", "bpcompile", "templates")
HTML = "build/site/html"


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text("utf-8")


def shown(name: str, mark: str) -> str:
    """The block of a page after a marker."""
    found = re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```", page(name), re.DOTALL)
    assert found, mark
    return found[1]


# ---- The built site ----------------------------------------------------------------


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the site built in it, once for all processes of a test run."""
    for module in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(module, reason="the extra docs is not installed")
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder = root / "checkout"
    with (root / "checkout.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "built").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _build(folder)
            (folder / "built").touch()
    return folder


def _build(folder: Path) -> None:
    shutil.copytree(DOCS, folder / "docs", ignore=shutil.ignore_patterns("gallery"))
    for name in (*PAGES, "Makefile"):
        shutil.copy(ROOT / name, folder)  # links in them are found from where they are
    for name in FOLDERS:
        (folder / name).symlink_to(ROOT / name)
    # What was trained before, by another run or by `make site`, need not be again.
    curves = ROOT / "build" / "site" / "curves"
    curves.mkdir(parents=True, exist_ok=True)
    (folder / "build" / "site").mkdir(parents=True)
    (folder / "build" / "site" / "curves").symlink_to(curves)
    # `make site` itself, but for the setting up; so CI need not build the site twice.
    command = ["make", "site", f"BIN={Path(sys.executable).parent}", "-o", ".venv/docs"]
    # Longer than other commands: where nothing is kept, all of the gallery is trained.
    done = subprocess.run(
        command,
        cwd=folder,
        # What a make that runs the tests asks of those it starts is not asked of this.
        env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS")},
        capture_output=True,
        encoding="utf-8",
        timeout=1800,
    )
    assert (done.stderr, done.returncode) == ("", 0)


def read(checkout: Path, name: str) -> str:
    return (checkout / HTML / name).read_text("utf-8")


class Links(HTMLParser):
    """What a page links to and takes from elsewhere, and the places in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.taken: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = {key: value or "" for key, value in attrs}
        self.ids |= {held["id"]} if "id" in held else set()
        if tag == "a" and "href" in held:
            self.targets.append(held["href"])
        elif "src" in held or (tag == "link" and "href" in held):
            self.taken.append(held.get("src") or held["href"])


@pytest.fixture(scope="module")
def pages(checkout: Path) -> dict[Path, Links]:
    """Every page of the site but the search, which is empty without a script."""
    found = sorted((checkout / HTML).rglob("*.html"))
    return {path: Links(path.read_text("utf-8")) for path in found}


def test_every_page_is_built(checkout: Path) -> None:
    """A page that no list names is a warning, and so is a page that is not there."""
    for path in DOCS.glob("*.md"):
        assert (checkout / HTML / f"{path.stem}.html").exists()


@pytest.mark.parametrize("path", EVERY_SPEC, ids=lambda path: path.stem)
def test_gallery_page_has_all_its_parts(checkout: Path, path: Path) -> None:
    name = path.stem
    source = (checkout / "docs" / "gallery" / f"{name}.md").read_text("utf-8")
    assert path.read_text("utf-8") in source
    words = re.sub(r"<[^>]+>", "", read(checkout, f"gallery/{name}.html"))
    assert "BP1" in words and "BP4" in words
    assert re.search(r"bpcompile diff specs/\S+ specs/\S+", words)
    images = Links(read(checkout, f"gallery/{name}.html")).taken
    assert any(image.endswith(f"/{name}.svg") for image in images)
    assert any(image.endswith(f"/{name}_cost.svg") for image in images)
    module = text_of(load_spec(path))
    held = [
        f.read_text("utf-8") for f in checkout.glob(f"{HTML}/_downloads/*/{name}.*")
    ]
    assert module in held and len(held) == 3


def test_gallery_lists_every_spec(checkout: Path) -> None:
    links = Links(read(checkout, "gallery/index.html")).targets
    links += Links(read(checkout, "gallery/book.html")).targets
    assert {f"{path.stem}.html" for path in EVERY_SPEC} <= set(links)


def test_gallery_is_the_same_bytes_whenever_it_is_made(checkout: Path) -> None:
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, 'docs')\n"
        "from gallery_pages import outputs\n"
        "made = outputs(Path(), Path('build/site/curves'))\n"
        "for name, text in made.items():\n"
        "    there = Path('docs', 'gallery', name).read_bytes()\n"
        "    assert there == text.encode(), name\n"
    )
    seeded = os.environ | {"PYTHONHASHSEED": "7"}
    # 16 s of a processor, of which a busy machine may give a tenth.
    done = run(sys.executable, "-c", code, cwd=checkout, env=seeded, timeout=1800)
    assert (done.returncode, done.stderr) == (0, "")


def test_links_within_the_site_lead_somewhere(pages: dict[Path, Links]) -> None:
    for path, links in pages.items():
        for target in [*links.targets, *links.taken]:
            parts = urlsplit(target)
            if parts.scheme or not (parts.path or parts.fragment):
                continue
            there = path
            if parts.path:
                there = (path.parent / unquote(parts.path)).resolve()
            assert there.exists(), f"{path.name}: {target}"
            if parts.fragment and there in pages:
                assert unquote(parts.fragment) in pages[there].ids, (path.name, target)


def test_site_takes_nothing_from_elsewhere(
    checkout: Path, pages: dict[Path, Links]
) -> None:
    for path, links in pages.items():
        assert not [t for t in links.taken if urlsplit(t).netloc], path.name
    for path in (checkout / HTML).rglob("*.css"):
        text = path.read_text("utf-8")
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", text), path.name


def test_site_names_no_place_on_this_machine(checkout: Path) -> None:
    for path in (checkout / HTML).rglob("*.html"):
        text = path.read_text("utf-8")
        assert str(checkout) not in text and str(ROOT) not in text, path.name


def test_reference_has_every_public_name(checkout: Path) -> None:
    import bpcompile

    ids = Links(read(checkout, "api.html")).ids | Links(read(checkout, "plan.html")).ids
    names = {f"bpcompile.{n}" for n in bpcompile.__all__ if n != "__version__"}
    assert names <= ids


# ---- What pages say is so -----------------------------------------------------------


@pytest.fixture
def beside_the_specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to work in, from which modules that are written there are imported."""
    (tmp_path / "specs").symlink_to(SPECS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if not name.startswith("bpcompile"):
            sys.modules.pop(name)


WITH_EXAMPLES = [
    path.stem for path in sorted(DOCS.glob("*.md")) if ">>> " in page(path.stem)
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_give_what_they_show(name: str, beside_the_specs: Path) -> None:
    """All of a page as one session."""
    blocks = re.findall(r"```python\n(>>> .*?)```", page(name), re.DOTALL)
    assert blocks
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, name, None, 0)
    assert doctest.DocTestRunner().run(test).failed == 0


def test_there_are_examples() -> None:
    assert {"api", "from-the-book"} <= set(WITH_EXAMPLES)


def test_names_of_the_tutorial_are_those_of_the_module() -> None:
    module = text_of(load_spec(SPECS / "book_ch1.json"), "numpy-textbook")
    rows = re.findall(r"^\| `.*?\| (.*?) \|", page("from-the-book"), re.MULTILINE)
    assert len(rows) > 10
    for row in rows:
        for name in re.findall(r"`([\w.]+)", row):
            assert re.search(rf"\b{re.escape(name)}\b", module), name


def test_entry_of_the_tutorial_becomes_an_activation(tmp_path: Path) -> None:
    """Done as the page says, to a copy of the compiler."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "bpcompile", tmp_path / "bpcompile", ignore=ignored)
    shutil.copytree(ROOT / "templates", tmp_path / "templates")
    file = tmp_path / "bpcompile" / "operators" / "activations.py"
    text = file.read_text("utf-8")
    entry, registry = shown("add-operator", "entry"), shown("add-operator", "registry")
    text = text.replace("_ENTRIES = (", f"{entry}\n_ENTRIES = (", 1)
    text, replaced = re.subn(r"^_MORE = \(.*\n", registry, text, flags=re.MULTILINE)
    assert replaced == 1
    file.write_text(text, "utf-8")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}

    def bpcompile(*arguments: str) -> str:
        command = [sys.executable, "-m", "bpcompile", *arguments]
        done = run(*command, cwd=tmp_path, env=environment)
        assert (done.returncode, done.stderr) == (0, ""), arguments
        return done.stdout

    spec = re.search(r"echo '(.*)' > try.json", page("add-operator"))
    assert spec
    (tmp_path / "try.json").write_text(spec[1], "utf-8")
    module = bpcompile("try.json", "-t", "numpy-textbook", "--library")
    lines = shown("add-operator", "generated").splitlines()
    assert all(line in module for line in lines)
    assert "w2" in bpcompile("check", "try.json", "--run")
    assert '"gaussian"' in bpcompile("schema")


def test_target_of_the_tutorial_compiles_every_spec(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bpcompile", "build", *EVERY_SPEC]
    done = run(*command, "-t", OUTLINE, "-o", f"{tmp_path}/")
    assert (done.returncode, done.stderr) == (0, "")
    texts = {path.stem: path.read_text("utf-8") for path in tmp_path.glob("*.txt")}
    assert set(texts) == {path.stem for path in EVERY_SPEC}
    assert shown("add-target", "outline") in texts["xor"]


def test_target_of_the_tutorial_is_found_wanting_as_it_says(tmp_path: Path) -> None:
    folder = tmp_path / "outline"
    shutil.copytree(OUTLINE, folder)
    message = shown("add-target", "lacks")
    steps = folder / "outline_steps.jinja"
    lines = steps.read_text("utf-8").splitlines(keepends=True)
    lost = re.findall(r"macro (\w+)", message)
    kept = [line for line in lines if not any(f"macro {m}(" in line for m in lost)]
    assert len(lines) - len(kept) == len(lost) == 2
    steps.write_text("".join(kept), "utf-8")
    done = run(sys.executable, "-m", "bpcompile", SPECS / "xor.json", "-t", folder)
    assert (done.returncode, done.stderr) == (2, message)


def test_every_setting_of_a_target_is_explained() -> None:
    text = page("add-target")
    for path in ROOT.glob("templates/*/target.toml"):
        settings = tomllib.loads(path.read_text("utf-8"))
        for key, value in settings.items():
            word = f"[{key}]" if isinstance(value, dict) and key != "header" else key
            assert f"`{word}`" in text, key
        for key in settings.get("literal", {}):
            assert f"`{key}`" in text, key
