"""Generated C is clean under two compilers and a formatter, and reads like NumPy's."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from c_modules import DOUBLE, NO_MAIN, STRICT, TARGET, compiled, tool
from random_specs import minimal
from support import ROOT, SPECS, spec_of, text_of
from test_architecture import CONTROL, SIGNS
from test_style import VARIANTS

from bpcompile import load_spec, operators
from bpcompile.operators import INITIALIZERS, OPTIMIZERS, REGULARIZERS
from bpcompile.spec import NetworkSpec

FORMAT = ROOT / "templates" / TARGET / ".clang-format"


def layer_of(initializer: Any) -> dict[str, Any]:
    """A layer whose weights and biases begin in that way."""
    chosen = minimal(initializer)
    return {"size": 3, "initializer": chosen, "bias_initializer": chosen}


#: What the variants of the NumPy style lack of the catalogue.
MORE = {
    **{
        f"by_{kind}": {
            "layers": [3, {"size": 4, "dropout": 0.5}, 2],
            "cost": "cross_entropy",
            "hyperparameters": {"optimizer": minimal(entry), "schedule": "cosine"},
        }
        for kind, entry in OPTIMIZERS.items()
    },
    "every_start": {
        "layers": [3, *map(layer_of, INITIALIZERS.values())],
        "cost": "quadratic",
    },
    "wide": {
        "layers": [
            {"size": 784, "scaling": "standardize", "dropout": 0.2},
            {"size": 301, "activation": "relu", "initializer": "he", "dropout": 0.5},
            {"size": 10, "activation": "softmax"},
        ],
        "cost": "log_likelihood",
        "hyperparameters": {
            "mini_batch_size": 1,
            "regularization": {"max_norm": 3},
            "clipping": {"norm": 2},
        },
    },
    "narrow": {"layers": [1, 1], "cost": "quadratic"},
    # Words of C, of its library and of the generated text.
    "own_names": {
        "layers": [
            3,
            {"size": 2, "activation": "double"},
            {"size": 2, "activation": "int"},
            {"size": 2, "activation": "main"},
            {"size": 2, "activation": "network"},
            {"size": 2, "activation": "real"},
            {"size": 2, "activation": "malloc"},
        ],
        "cost": "update",
        "operators": {
            "activations": {
                "double": {"formula": "tanh(z) / 3"},
                "int": {"formula": "where(z > 0, z, 0.125 * z)"},
                "main": {"formula": "2 * sigmoid(z) - 1"},
                "network": {"formula": "z / (1 + abs(z))"},
                "real": {"formula": "(sqrt(z * z + 1) - 1) / 2 + z"},
                "malloc": {"formula": "log1p(exp(-abs(z))) + max(z, 0)"},
            },
            "costs": {"update": {"formula": "(a - y)**4 / 4"}},
        },
    },
}
FIELDS: dict[str, dict[str, Any]] = {**VARIANTS, **MORE}
#: Those whose program is looked at too: it depends on little but task and scaling.
WHOLE = (
    *("classes", "one_output", "one_tanh", "one_value", "values_in_unit", "deep"),
    *("wide", "narrow", "own_names", "dropout", "momentum", "by_adam", "class_weights"),
    *("stopping_one", "stopping_value", "halving_value", "gallery_xor", "gallery_deep"),
)
#: Those that are optimised too, which takes seconds for each: one of every kind of loop.
OPTIMISED = ("wide", "own_names", "by_adam", "stopping_one", "momentum", "all_hidden")


def specs() -> Iterator[tuple[str, NetworkSpec]]:
    for name, fields in FIELDS.items():
        yield name, spec_of(**fields)
    for path in SPECS.glob("*.json"):
        yield f"gallery_{path.stem}", load_spec(path)


def kinds_in(value: Any) -> set[str]:
    """Every text in a normalised spec, the kinds that it names among them."""
    if isinstance(value, str):
        return {value}
    if not isinstance(value, dict | list | tuple):
        return set()
    inner = value.values() if isinstance(value, dict) else value
    return set().union(*map(kinds_in, inner))


def test_the_specs_use_the_whole_catalogue() -> None:
    found = [spec.normalised() for _, spec in specs()]
    registries = {name: getattr(operators, name) for name in operators.__all__}
    rest = {k for n, r in registries.items() if n != "REGULARIZERS" for k in r}
    # Of scaling nothing is written where there is none.
    assert rest - set().union(*map(kinds_in, found)) == {"none"}
    hyper = [fields["hyperparameters"] for fields in found]
    added = [section.get("regularization", {}) for section in hyper]
    assert all(any(section.get(k) for section in added) for k in REGULARIZERS)
    held_out = ("validation_fraction", "validation_fold")
    for key in ("early_stopping", *held_out, "class_weights"):
        assert any(section.get(key) for section in hyper)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Every spec as a library, some whole, beside the formatter's settings."""
    made = tmp_path_factory.mktemp("generated")
    for form in ("whole", "library"):
        (made / form).mkdir()
    for name, spec in specs():
        library = text_of(spec, TARGET, library=True)
        (made / "library" / f"{name}.c").write_text(library, "utf-8")
        if name in WHOLE:
            (made / "whole" / f"{name}.c").write_text(text_of(spec, TARGET), "utf-8")
    (made / ".clang-format").write_bytes(FORMAT.read_bytes())
    assert len(list(made.glob("whole/*.c"))) == len(WHOLE)
    return made


def says(folder: pathlib.Path, *command: Any) -> str:
    """What a tool has to say, the beginning of it; nothing where it is content."""
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, capture_output=True, text=True
    )
    said = (done.stdout + done.stderr)[:3000]
    return said or (f"exit {done.returncode}" if done.returncode else "")


# ---- Compilers ---------------------------------------------------------------------

#: Which files, and the flags they are compiled with.
BUILDS = {
    "program": ("whole",),
    "double": ("whole", DOUBLE),
    "no main": ("whole", NO_MAIN, "-DBPC_PREFIX=mine_"),
    "no system": ("whole", "-DBPC_FREESTANDING"),
    "static": ("whole", "-DBPC_STATIC"),
    "no vectors": ("whole", "-DBPC_PORTABLE"),
    "library": ("library",),
    "double library": ("library", DOUBLE, "-march=native"),
}


#: Where the extra `mpi` puts mpi.h.
HEADERS = pathlib.Path(sys.prefix, "include")


def compiles(name: str) -> bool:
    """Whether what a spec's source includes is there."""
    return "parallel" not in FIELDS.get(name, {}) or (HEADERS / "mpi.h").exists()


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("build", BUILDS)
def test_compilers_have_nothing_to_say(
    build: str, compiler: str, folder: pathlib.Path
) -> None:
    form, *flags = BUILDS[build]
    command = (tool(compiler), *STRICT, "-fsyntax-only", *flags, "-I", HEADERS)
    files = [path for path in sorted(folder.glob(f"{form}/*.c")) if compiles(path.stem)]
    assert says(folder, *command, *files) == ""


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("name", OPTIMISED)
def test_optimisers_have_nothing_to_say(
    name: str, compiler: str, folder: pathlib.Path
) -> None:
    command = (tool(compiler), *STRICT, "-c", f"library/{name}.c", "-o", os.devnull)
    assert says(folder, *command, "-O3", "-march=native") == ""
    assert says(folder, *command, "-O2", DOUBLE) == ""


def test_optimisers_have_nothing_to_say_of_programs(folder: pathlib.Path) -> None:
    for compiler in ("gcc", "clang"):
        command = (tool(compiler), *STRICT, "-c", "whole/stopping_one.c")
        assert says(folder, *command, "-o", os.devnull, "-O3") == ""


def test_the_formatter_changes_nothing(folder: pathlib.Path) -> None:
    files = sorted(folder.glob("*/*.c"))
    assert says(folder, tool("clang-format"), "-n", "-Werror", *files) == ""


# ---- Text --------------------------------------------------------------------------


def test_lines_fit_and_hold_the_books_signs_alone(folder: pathlib.Path) -> None:
    """Only the header may be longer: a name may have 64 characters."""
    for path in folder.glob("*/*.c"):
        text = path.read_text("utf-8")
        assert {c for c in text if not c.isascii()} <= SIGNS, path.name
        assert not CONTROL.search(text), path.name
        for line in text.splitlines()[2:]:
            assert len(line) <= 88, f"{path.name}: {line}"
            assert line == line.rstrip(), f"{path.name}: {line!r}"


#: What may end in a number: the book's names, which count layers and moments, widths of
#: types, functions of the library.
COUNTED = re.compile(
    r"(N|w|b|a|z|y|delta|kept|r|nabla_w|nabla_b|DROPOUT|[a-z_]+_[wb])\d+"
    r"|(BETA|LMBDA|EPSILON)\d|u?int\d+_t|expm1|log1p"
)


def test_nothing_in_the_mathematics_is_named_by_a_counter(folder: pathlib.Path) -> None:
    for path in folder.glob("library/*.c"):
        text = parts_of(path.read_text("utf-8"))["The network"]
        code = re.sub(r"//.*", "", text)
        names = set(re.findall(r"\b[A-Za-z_]+\d+(?:_t)?\b", code))
        own = {n for n in names if n.startswith("own_") or re.search(r"_\d+$", n)}
        assert {n for n in names - own if not COUNTED.fullmatch(n)} == set(), path.name


# ---- The same as NumPy's -----------------------------------------------------------


def parts_of(text: str) -> dict[str, str]:
    """The sections of a generated module by the first words of their titles."""
    rule = re.compile(r"^(?://|#) ---- ([^:\n]*?)(?::.*?)? -*$", re.MULTILINE)
    _, *parts = rule.split(text)
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.json")), ids=lambda p: p.stem)
def test_sections_stand_in_the_order_of_numpys(path: pathlib.Path) -> None:
    spec = load_spec(path)
    for library in (True, False):
        expected = parts_of(text_of(spec, library=library))
        found = parts_of(text_of(spec, TARGET, library=library))
        assert [title for title in found if title in expected] == [*expected]


def comments_of(text: str) -> list[str]:
    """Comments whole, however they are broken into lines."""
    lines = [
        match[1] for match in re.finditer(r"^ *(?://|#) (.*)$", text, re.MULTILINE)
    ]
    made: list[str] = []
    for line in lines:
        if line.startswith("     ") and made:
            made[-1] += " " + line.strip()
        else:
            made.append(line)
    return made


def formulas_of(text: str) -> list[str]:
    """The book's formulas, each once, in their order."""
    found = [c for c in comments_of(text) if re.match(r"BP\d  |layer \d+: ", c)]
    return list(dict.fromkeys(c.removesuffix(", and the update") for c in found))


@pytest.mark.parametrize("name", [*FIELDS, *(p.stem for p in SPECS.glob("*.json"))])
def test_equations_are_numpys(name: str) -> None:
    in_gallery = name not in FIELDS
    spec = load_spec(SPECS / f"{name}.json") if in_gallery else spec_of(**FIELDS[name])
    expected = formulas_of(text_of(spec, library=True))
    found = formulas_of(text_of(spec, TARGET, library=True))
    # Without dropout the last activation has a function of its own.
    last = [
        c
        for c in set(expected) - set(found)
        if any(c.startswith(f"{short}, a") for short in found)
    ]
    assert len(last) <= 1
    apart = set(found) - set(expected)
    assert len(apart) <= 1
    for its in apart:
        layer, formula = its.split(": ", 1)
        assert any(c.startswith(layer) and c.endswith(formula) for c in expected), its
        found.remove(its)
    assert sorted(found) == sorted(c for c in expected if c not in last)
    equations = [c for c in found if c.startswith(("BP1", "BP2"))]
    assert equations == [c for c in expected if c.startswith(("BP1", "BP2"))]
    later = len(spec.layers) - 1
    counts = [sum(c.startswith(f"BP{i}") for c in found) for i in (1, 2, 3, 4)]
    assert counts == [1, later - 1, later, later]


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.json")), ids=lambda p: p.stem)
def test_the_network_stays_short(path: pathlib.Path) -> None:
    """The contract's rule, of what grows with the network; products, random words and
    operators are the same functions for all."""
    spec = load_spec(path)
    network = parts_of(text_of(spec, TARGET, library=True))["The network"]
    assert network.count("\n") <= 120 + 35 * len(spec.layers)


# ---- Names of one's own ------------------------------------------------------------


def test_operators_may_have_the_names_of_c(tmp_path: pathlib.Path) -> None:
    text = text_of(spec_of(**MORE["own_names"]), TARGET)
    program = compiled(text, (*STRICT, DOUBLE, "-O1"))
    done = subprocess.run(
        [program, "gradcheck"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 12
