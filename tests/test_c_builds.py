"""The generated C program under sanitizers, without allocations, and as a library for
C, C++ and systems that have nothing."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from c_modules import NO_MAIN, STRICT, TARGET, compiled, tool
from c_program_runs import (
    PROGRAM,
    SANITIZED,
    TESTED,
    XY,
    ran,
    run_binary,
    write_data,
)
from modules import inputs, spec_for
from support import text_of

CLASSES = "classes"


@pytest.fixture
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    write_data(CLASSES)
    x, names = inputs(12), ["ash", "birch", "cedar", "elm"] * 3
    rows = [
        ",".join([*map(str, row), name]) for row, name in zip(x, names, strict=True)
    ]
    pathlib.Path("d.csv").write_text("\n".join(["a,b,c,tree", *rows]))
    np.savez("d.npz", x=x, y=np.arange(12) % 4)
    return tmp_path


def binary(*flags: str, **spec: Any) -> pathlib.Path:
    return compiled(text_of(spec_for(CLASSES, **spec), TARGET), (*PROGRAM, *flags))


# ---- Memory ------------------------------------------------------------------------

TABLE = ("--data", "d.csv", "--target", "tree")
#: All that the program does, and some of what it refuses.
EVERYTHING: list[tuple[tuple[str, ...], int]] = [
    (("train", *TESTED), 0),
    (("train", *TESTED, "--log", "run.jsonl", "--checkpoint", "c"), 0),
    (("train", *TESTED, "--log", "run.jsonl", "--resume", "c"), 0),
    (("train", *XY, "--log", "run.csv"), 0),
    (("evaluate", *XY, "--log", "run.jsonl"), 0),
    (("evaluate", *XY, "--log", "run.csv"), 2),
    (("train", *XY, "--log", "x.npy"), 2),
    (("train", *XY, "--weights-in", f"{CLASSES}.safetensors"), 0),
    (("evaluate", *XY), 0),
    (("predict", "--x", "x9.npy", "-o", "p.npy"), 0),
    (("gradcheck",), 0),
    (("gradcheck", *XY), 0),
    (("train", "--data", "d.npz", "--test-fraction", "0.3"), 0),
    (("train", *TABLE, "--test", "d.csv", "--checkpoint", "ck"), 0),
    (("train", *TABLE, "--test", "d.csv", "--resume", "ck", "--epochs", "9"), 0),
    (("evaluate", "--data", "d.csv"), 0),
    (("predict", "--data", "d.csv", "-o", "p.csv", "--probabilities"), 0),
    (("info",), 0),
    (("train", "--help"), 0),
    (("train", "--data", "d.csv"), 2),
    (("train", "--data", "d.csv", "--target", "three"), 2),
    (("train", "--data", "d.csv", "--target", "a"), 2),
    ((), 2),
    (("train", "--x", "x.npy", "--y", "y9.npy"), 2),
    (("train", *XY, "--test-x", "x.npy", "--test-y", "none"), 2),
    (("evaluate", "--x", "y.npy", "--y", "y.npy"), 2),
    (("predict", "--x", "x.npy", "-o", "no/p.npy"), 2),
]
FEATURES: dict[str, dict[str, Any]] = {
    "plain": {},
    "scaled": {
        "layers": [
            {"size": 3, "scaling": "min_max", "dropout": 0.2},
            {"size": 7, "activation": "gelu", "dropout": 0.5},
            {"size": 4, "activation": "softmax"},
        ],
        "hyperparameters": {
            "optimizer": "adam",
            "mini_batch_size": 4,
            "schedule": "cosine",
            "clipping": {"norm": 1.0},
            "validation_fraction": 0.3,
            "early_stopping": {"patience": 2},
        },
    },
}


@pytest.mark.parametrize("name", FEATURES)
def test_nothing_leaks_or_reads_what_is_not_there(
    name: str, here: pathlib.Path
) -> None:
    program = compiled(text_of(spec_for(CLASSES, **FEATURES[name]), TARGET), SANITIZED)
    for words, code in EVERYTHING:
        done = run_binary(program, *words)
        assert done.returncode == code, (words, done.stderr)
        assert "Sanitizer" not in done.stderr


def test_valgrind_finds_nothing(here: pathlib.Path) -> None:
    options = ("--error-exitcode=99", "--leak-check=full", "-q")
    command = [tool("valgrind"), *options, "--", str(binary())]
    for words, code in EVERYTHING:
        done = subprocess.run(
            [*command, *words], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == code, (words, done.stderr)


COUNTER = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
static unsigned long calls;
#define COUNTED(name, types, ...)                         \\
    static void *(*real_##name) types;                    \\
    void *name types {                                    \\
        if (!real_##name)                                 \\
            *(void **)&real_##name = dlsym(RTLD_NEXT, #name); \\
        calls++;                                          \\
        return real_##name(__VA_ARGS__);                  \\
    }
COUNTED(malloc, (size_t a), a)
COUNTED(calloc, (size_t a, size_t b), a, b)
COUNTED(realloc, (void *a, size_t b), a, b)
COUNTED(aligned_alloc, (size_t a, size_t b), a, b)
__attribute__((destructor)) static void say(void) {
    unsigned long counted = calls;
    FILE *file = fopen("calls", "w");
    fprintf(file, "%lu", counted);
    fclose(file);
}
"""


@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD is Linux's")
def test_training_allocates_nothing_once_it_has_begun(here: pathlib.Path) -> None:
    """However long it lasts, memory was asked for as often."""
    counter = compiled(COUNTER, ("-shared", "-fPIC"))
    program = binary(**FEATURES["scaled"])
    counts = []
    for epochs in ("1", "2", "60"):
        # A file that is there already would be kept, which asks for some more.
        words = ("--epochs", epochs, "--weights-out", f"after_{epochs}")
        words += ("--log", f"log_of_{epochs}.jsonl", "--no-warnings")
        ran(program, "train", *TESTED, *words, env={"LD_PRELOAD": str(counter)})
        counts.append(int(pathlib.Path("calls").read_text()))
    assert counts[0] > 0
    assert len(set(counts)) == 1


# ---- Builds ------------------------------------------------------------------------


def test_static_memory_changes_nothing_else(here: pathlib.Path) -> None:
    held = {}
    for flags in ((), ("-DBPC_STATIC",)):
        program = binary(*flags)
        ran(program, "train", *TESTED)
        held[flags] = pathlib.Path(f"{CLASSES}.safetensors").read_bytes()
        (memory,) = re.findall(r"^memory: (.*)$", ran(program, "info"), re.MULTILINE)
        assert re.fullmatch(r"\d+ bytes" + (", static" if flags else ""), memory)
    assert len(set(held.values())) == 1


def test_a_float_program_says_what_gradcheck_needs(here: pathlib.Path) -> None:
    program = binary(dtype="float32")
    done = run_binary(program, "gradcheck")
    assert done.returncode == 2
    assert done.stderr == (
        "error: gradcheck needs double precision: build with -DBPC_REAL=double\n"
    )
    assert "build: float" in ran(program, "info")
    double = binary("-DBPC_REAL=double", dtype="float32")
    lines = ran(double, "gradcheck").splitlines()
    assert len(lines) == 4
    assert all(line.endswith("  ok") for line in lines)
    ran(program, "train", *XY)
    ran(double, "gradcheck", "--weights-in", f"{CLASSES}.safetensors")


FAULTS = {
    "BP1": ("net->a3[i] - net->y[i];", "net->y[i] - net->a3[i];"),
    "cost": ("? found.cost / n", "? NAN"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_gradcheck_finds_planted_faults(name: str, here: pathlib.Path) -> None:
    text, (right, wrong) = text_of(spec_for(CLASSES), TARGET), FAULTS[name]
    assert text.count(right) == 1
    program = compiled(text.replace(right, wrong), ("-std=c11", "-O1"))
    assert "FAIL" in ran(program, "gradcheck", code=1)


BARE = ("-std=c11", "-Os", "-ffreestanding", "-DBPC_FREESTANDING", NO_MAIN, "-DROWS=1")
#: What a small device's C library has: memory, strings and the mathematics.
ALLOWED = {
    *("memcpy", "memset", "memmove", "strcmp"),
    *("exp", "log", "log1p", "expm1", "tanh", "sqrt", "pow", "sin", "cos", "fabs"),
    *("erf", "fmin", "fmax", "floor", "ceil", "ldexp", "copysign"),
}


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_mathematics_needs_no_system(name: str, dtype: str) -> None:
    text = text_of(spec_for(CLASSES, **FEATURES[name], dtype=dtype), TARGET)
    path = compiled(text, (*STRICT, *BARE, "-c"))
    listing = subprocess.run(
        [tool("nm"), "-u", str(path)], capture_output=True, text=True, check=True
    ).stdout
    needed = {line.split()[-1] for line in listing.splitlines()}
    assert {re.sub(r"(?<=[a-z0-9])f$", "", symbol) for symbol in needed} <= ALLOWED
