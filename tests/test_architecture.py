"""What holds the design together: who may know what, and how large things may grow."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from jinja2 import nodes
from support import EVERY_TARGET, ROOT, SPECS, TARGETS, bpcompile, run, text_of

from bpcompile import operators, sections, steps
from bpcompile.api import load_spec
from bpcompile.errors import UserError
from bpcompile.expr import PRIMITIVES
from bpcompile.fields import Operator
from bpcompile.gate import SIGNS
from bpcompile.lower import lower
from bpcompile.operators.entry import REDUCTIONS
from bpcompile.operators.training import STATISTICS
from bpcompile.render import Renderer, environment
from bpcompile.step import Step
from bpcompile.steps import STEPS
from bpcompile.target import load_target

PACKAGE = ROOT / "bpcompile"
MODULES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted(path.parent for path in ROOT.glob("templates/*/target.toml"))
TEMPLATES = sorted(ROOT.glob("templates/*/*.jinja"))
GALLERY = sorted(SPECS.glob("*.json"))


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


# ---- No code knows a target or a language ------------------------------------------


def words_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every identifier and every whole string constant, with its line; an import of
    somebody else's package names that package, not a target."""
    imports = {id(part) for node in ast.walk(tree) for part in foreign_import(node)}
    for node in ast.walk(tree):
        if id(node) in imports:
            continue
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield line, node.value
        elif isinstance(node, ast.alias):
            yield line, node.name
            yield line, node.asname or ""
        else:
            for field in ("id", "attr", "arg", "name", "module"):
                word = getattr(node, field, None)
                if isinstance(word, str):
                    yield line, word


def foreign_import(node: ast.AST) -> list[ast.AST]:
    """The parts of an import of a package that is not this one."""
    if isinstance(node, ast.Import):
        return [a for a in node.names if a.name.split(".")[0] != "bpcompile"]
    if isinstance(node, ast.ImportFrom):
        ours = node.level or (node.module or "").split(".")[0] == "bpcompile"
        return [] if ours else [node]
    return []


def texts_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every whole string constant but what names a variable of an operator's body."""
    named = {
        id(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("Map", "Reduce", "Var")
        and node.args
    }
    for node in ast.walk(tree):
        constant = isinstance(node, ast.Constant) and id(node) not in named
        if constant and isinstance(node.value, str):
            yield node.lineno, node.value


def test_no_code_names_a_target_or_its_language() -> None:
    tables = [tomllib.loads((f / "target.toml").read_text("utf-8")) for f in FOLDERS]
    known = {folder.name for folder in FOLDERS}
    known |= {table["language"] for table in tables if "language" in table}
    assert known >= set(TARGETS) | {"python"}
    # A single letter names many a variable; as a text it would name the language.
    letters = {word for word in known if len(word) == 1}
    trees = {path: ast.parse(path.read_text("utf-8")) for path in MODULES}
    words = {(p, word) for p, tree in trees.items() for _, word in words_of(tree)}
    texts = {(p, word) for p, tree in trees.items() for _, word in texts_of(tree)}
    found = {(p, w) for p, w in words if w.casefold() in known - letters}
    found |= {(p, w) for p, w in texts if w.casefold() in letters}
    assert {(short(path), word) for path, word in found} == set()


@pytest.mark.parametrize("name", EVERY_TARGET)
def test_target_under_another_name_compiles_to_the_same_text(
    name: str, tmp_path: Path
) -> None:
    """Whatever the code could know of a target by its name or language is lost here."""
    target = load_target(name)
    settings = {**target.settings, "language": "none"}
    other = replace(target, name="other", settings=settings)
    renderers = Renderer(target), Renderer(other)
    for path in GALLERY:
        plan = lower(load_spec(path))
        for library in (False, True):
            (text, *_), (same, *_) = (made.render(plan, library) for made in renderers)
            other_text = text.text.replace(f" for {name}.", " for other.", 1)
            other_text = other_text.replace(f'"{name}"', '"other"', 1)
            differ = zip(same.text.splitlines(), other_text.splitlines(), strict=True)
            # the header's second line holds a digest of what is below it
            assert all(a == b for i, (a, b) in enumerate(differ) if i != 1)


def test_no_code_names_a_suffix_of_a_target() -> None:
    suffixes = {load_target(folder.name).suffix for folder in FOLDERS}
    found = [
        f"{short(path)}:{line}"
        for path in MODULES
        for line, word in words_of(ast.parse(path.read_text("utf-8")))
        if word in suffixes
    ]
    assert found == []


#: Kinds whose words stand for something else too: a primitive, a unit, nothing at all,
#: what other tools call mu.
COMMON = {"none", "constant", "step", "momentum", *PRIMITIVES}


def test_nothing_names_an_operator_but_its_entry_and_the_defaults() -> None:
    registries = [getattr(operators, name) for name in operators.__all__]
    kinds = {kind for registry in registries for kind in registry} - COMMON
    fields = {
        field.default
        for section in (sections.InputLayer, sections.Layer, sections.Hyperparameters)
        for field in section.model_fields.values()
    }
    defaults = {chosen.kind for chosen in fields if isinstance(chosen, Operator)}
    found = {
        (short(path), node.value)
        for path in MODULES
        if path.parent.name != "operators"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and node.value in kinds
    }
    allowed = {(short(PACKAGE / "sections.py"), kind) for kind in defaults - COMMON}
    assert found == allowed


# ---- A target is found wanting when it is loaded -----------------------------------


def made_up(folder: Path, settings: str, macros: str = "") -> Path:
    """A root of templates with the one target "made_up"."""
    target = folder / "made_up"
    target.mkdir()
    (target / "target.toml").write_text(settings, "utf-8")
    (target / "steps.jinja").write_text(macros, "utf-8")
    return folder


def lacking(root: Path) -> list[str]:
    with pytest.raises(UserError) as refused:
        load_target("made_up", root)
    start = 'target "made_up" lacks '
    assert str(refused.value).startswith(start)
    return str(refused.value).removeprefix(start).split(", ")


def test_empty_target_lacks_everything_and_hears_it_at_once(tmp_path: Path) -> None:
    missing = lacking(made_up(tmp_path, ""))
    assert {f"primitives.{name}" for name in PRIMITIVES} <= set(missing)
    assert "scalars.pi" in missing
    assert {f"reductions.{name}" for name in REDUCTIONS} <= set(missing)
    assert {f"statistics.{name}" for name in STATISTICS} <= set(missing)
    assert {"setting suffix", "setting language", "literal.quote"} <= set(missing)
    assert len(missing) == len(set(missing))


def test_missing_macros_and_primitives_are_named_together(tmp_path: Path) -> None:
    target = load_target(TARGETS[0])
    text = (target.folders[-1] / "target.toml").read_text("utf-8")
    text = re.sub(r"^(tanh|erf|sum) = .*\n", "", text, flags=re.MULTILINE)
    macros = [step.__name__ for step in STEPS if step is not steps.HiddenError]
    macro_text = "".join(f"{{% macro {m}(step) %}}{{% endmacro %}}\n" for m in macros)
    missing = lacking(made_up(tmp_path, text, macro_text))
    dropped = {"tanh", "erf"} & set(PRIMITIVES)
    assert set(missing) == {
        *(f"primitives.{name}" for name in dropped),
        *(f"in_place.{name}" for name in dropped),
        "reductions.sum",
        "macro HiddenError",
    }


def test_command_line_says_what_a_target_of_ones_own_lacks(tmp_path: Path) -> None:
    root = made_up(tmp_path, 'base = "numpy"\nsteps = "mine.jinja"\n')
    done = bpcompile(SPECS / "xor.json", "-t", f"{root}/made_up")
    assert done.returncode == 2
    # Its base can do what some of them are for.
    macros = ", ".join(f"macro {step.__name__}" for step in STEPS)
    assert done.stderr == f'bpcompile: target "made_up" lacks {macros}\n'


@pytest.mark.parametrize("name", EVERY_TARGET)
def test_every_step_has_a_macro_and_every_macro_a_step(name: str) -> None:
    target = load_target(name)
    file = target.settings["steps"]
    folder = next(folder for folder in target.folders if (folder / file).is_file())
    tree = environment(target).parse((folder / file).read_text("utf-8"))
    macros = [macro.name for macro in tree.find_all(nodes.Macro)]
    asked = [s for s in STEPS if not s.needs or target.settings.get(s.needs)]
    assert [m for m in macros if m[0].isupper()] == [s.__name__ for s in asked]


def test_every_kind_of_step_is_registered() -> None:
    kinds = {
        kind
        for kind in vars(steps).values()
        if isinstance(kind, type) and issubclass(kind, Step)
    }
    bases = {base for kind in kinds for base in kind.__mro__[1:]}
    assert kinds - bases == set(STEPS)


# ---- Who imports what --------------------------------------------------------------

IMPORTED = """
import sys
{run}
print(*sorted({{name.split(".")[0] for name in sys.modules}}))
"""


def imported_by(code: str) -> set[str]:
    """The top-level modules that a fresh process has imported after running it."""
    done = run(sys.executable, "-c", IMPORTED.format(run=code))
    assert done.returncode == 0, done.stderr
    # sysconfig, which the standard library's zoneinfo asks, has a part per platform.
    names = {n for n in done.stdout.split() if not n.startswith("_sysconfigdata")}
    return names - set(sys.stdlib_module_names)


BARE = """
import jinja2, pydantic
type("Bare", (pydantic.BaseModel,), {"__annotations__": {"size": int}})
"""


@pytest.mark.parametrize("target", EVERY_TARGET)
def test_compiling_imports_pydantic_and_jinja2_and_nothing_else(
    target: str, tmp_path: Path
) -> None:
    spec, output = SPECS / "xor.json", tmp_path / "xor.py"
    arguments = [str(spec), "-o", str(output), "-t", target]
    found = imported_by(
        f"from bpcompile.cli import main\nassert main({arguments!r}) == 0"
    )
    assert output.exists()
    assert "numpy" not in found
    assert found - imported_by(BARE) == {"bpcompile"}


def test_reference_shares_nothing_with_the_compiler() -> None:
    files = sorted(PACKAGE.glob("reference/*.py"))
    assert files
    for path in files:
        imported = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{short(path)}: a relative import"
                imported |= {f"{node.module}.{alias.name}" for alias in node.names}
        for name in imported:
            if name.split(".")[0] not in sys.stdlib_module_names:
                allowed = (
                    "bpcompile.spec.",
                    "bpcompile.sections.",
                    "bpcompile.fields.",
                    "bpcompile.operators.",
                    "bpcompile.reference.",
                )
                assert name.startswith(allowed), f"{short(path)}: {name}"


# ---- Depth -------------------------------------------------------------------------

# The recursion limit is the smallest at which the small network compiles, found by
# trying; the deep one must do with the same.
DEPTH = """
import sys
from bpcompile.lower import lower
from bpcompile.render import render
from bpcompile.spec import NetworkSpec
from bpcompile.target import load_target

target = load_target(sys.argv[1])

def compiled(layers):
    fields = {"layers": tuple([2] * layers), "cost": "quadratic"}
    return render(lower(NetworkSpec.model_validate(fields)), target)[0].text

compiled(4)
limit = 40
while True:
    sys.setrecursionlimit(limit)
    try:
        compiled(4)
        break
    except RecursionError:
        limit += 5
text = compiled(1000)
sys.setrecursionlimit(1000)
if target.runs == "import":
    compile(text, "deep", "exec")
print(limit, text.count("w1000"))
"""


@pytest.mark.parametrize("target", EVERY_TARGET)
def test_thousand_layers_need_no_deeper_stack_than_four(target: str) -> None:
    done = run(sys.executable, "-c", DEPTH, target)
    assert done.returncode == 0, done.stderr[-2000:]
    limit, uses = map(int, done.stdout.split())
    assert limit < 500
    assert uses > 3


# ---- Text --------------------------------------------------------------------------


CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def foreign_signs(text: str) -> set[str]:
    return {c for c in text if not (c.isascii() or c in SIGNS)}


@pytest.mark.parametrize("path", TEMPLATES, ids=short)
def test_template_is_safe_on_text(path: Path) -> None:
    text = path.read_text("utf-8")
    assert foreign_signs(text) == set()
    assert not CONTROL.search(text)
    tree = environment(load_target(path.parent.name)).parse(text)
    filters = {used.name for used in tree.find_all(nodes.Filter)}
    # They break lines where `str.splitlines` does, or turn escaping off.
    assert not filters & {"indent", "wordwrap", "tojson", "safe"}
    assert not list(tree.find_all(nodes.FilterBlock))


@pytest.mark.parametrize("target", EVERY_TARGET)
def test_generated_text_has_only_ascii_and_the_books_signs(target: str) -> None:
    assert GALLERY
    for spec in GALLERY:
        text = text_of(load_spec(spec), target)
        assert foreign_signs(text) == set(), spec.name
        assert not CONTROL.search(text), spec.name


@pytest.mark.parametrize("name", EVERY_TARGET)
def test_no_template_is_left_over(name: str) -> None:
    target = load_target(name)
    made = environment(target)
    used = {target.settings["module"], target.settings["steps"]}
    used.add(target.inference)
    if header := target.settings.get("header"):
        used.add(header["template"])
    seen: set[str] = set()
    while used - seen:
        template = (used - seen).pop()
        seen.add(template)
        assert made.loader
        tree = made.parse(made.loader.get_source(made, template)[0])
        kinds = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
        for node in tree.find_all(kinds):
            assert isinstance(node.template, nodes.Const), f"{template}: not constant"
            used.add(node.template.value)
    held = {path.name for path in target.folders[0].glob("*.jinja")}
    assert held <= seen


# ---- Sizes -------------------------------------------------------------------------

#: A file is read in one sitting.
LINES = {".py": 340, ".jinja": 150}


@pytest.mark.parametrize("path", [*MODULES, *TEMPLATES], ids=short)
def test_file_is_short_enough_to_read(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LINES[path.suffix]


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_functions_are_short_enough_to_read(path: Path) -> None:
    long = [
        f"{short(path)}:{node.lineno}: {node.name} has {lines} lines"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > 50
    ]
    assert long == []
