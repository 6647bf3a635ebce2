"""The generated C program under sanitizers, without allocations, and as a library for
C, C++ and systems that have nothing."""

from __future__ import annotations

import functools
import pathlib
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from c_modules import NO_MAIN, STRICT, TARGET, c_compiler, compiled, folder, tool
from c_programs import (
    PROGRAM,
    SANITIZED,
    TESTED,
    XY,
    header_of,
    run_binary,
    write_data,
)
from modules import spec_for
from support import module_of, text_of

CLASSES = "classes"


@pytest.fixture
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    write_data(CLASSES)
    return tmp_path


def binary(*flags: str, **spec: Any) -> pathlib.Path:
    return compiled(text_of(spec_for(CLASSES, **spec), TARGET), (*PROGRAM, *flags))


def ran(path: pathlib.Path, *words: str, code: int = 0, **options: Any) -> str:
    done = run_binary(path, *words, **options)
    assert done.returncode == code, done.stderr
    return done.stdout


# ---- Memory ------------------------------------------------------------------------

#: All that the program does, and some of what it refuses.
EVERYTHING: list[tuple[tuple[str, ...], int]] = [
    (("train", *TESTED), 0),
    (("train", *XY, "--weights-in", f"{CLASSES}.safetensors"), 0),
    (("evaluate", *XY), 0),
    (("predict", "--x", "x9.npy", "-o", "p.npy"), 0),
    (("gradcheck",), 0),
    (("gradcheck", *XY), 0),
    (("info",), 0),
    (("train", "--help"), 0),
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


# ---- Headers -----------------------------------------------------------------------


@functools.cache
def headed(kind: str, name: str = "") -> pathlib.Path:
    """A folder with the header of a kind under its name."""
    spec = spec_for(kind, name=name or kind)
    (folder() / f"{name or kind}.h").write_text(header_of(spec), "utf-8")
    return folder()


def linked(source: str, *parts: pathlib.Path, compiler: str = "") -> pathlib.Path:
    """A program that includes headers, with what it calls."""
    language = ("-x", "c++") if "++" in compiler else ("-std=c11", "-Wconversion")
    flags = ("-Wall", "-Wextra", "-Werror", "-pedantic", f"-I{folder()}")
    used = compiled(source, (*language, *flags, "-c"), compiler)
    result = used.with_suffix(".exe")
    command = [compiler or c_compiler(), str(used), *map(str, parts)]
    subprocess.run([*command, "-o", str(result), "-lm"], check=True)
    return result


def example(header: str) -> str:
    """The program that a header's comment shows."""
    lines = header.partition('//     #include "')[2].partition("\n//     }\n")[0]
    text = f'#include "{lines}\n}}\n'
    return re.sub(r"^// {0,5}", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("kind", [CLASSES, "one", "values"])
def test_the_example_in_a_header_runs(
    kind: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = spec_for(kind)
    source = example(header_of(spec))
    assert headed(kind)
    object_ = compiled(text_of(spec, TARGET), (*STRICT, "-O1", NO_MAIN, "-c"))
    program = linked(source, object_)
    done = run_binary(program)
    assert done.returncode == 2
    assert "no such file" in done.stderr.lower()
    net = module_of(spec).Network(seed=3)
    net.save(f"{kind}.safetensors")
    expected = net.predict(np.zeros((1, 3))).ravel()[0]
    found = ran(program).split()[-1]
    assert float(found) == pytest.approx(float(expected), abs=1e-5)  # %g


TRAINS = r"""
#include "mnist.h"
#include <cstdio>
#include <cstdlib>

static bool report(void *context, const struct network *net, const struct record *record) {
    std::printf("%d %d %.12g\n", (int)record->epoch, (int)network_epoch(net),
                record->measured[TRAINING_DATA].cost);
    *(int *)context += 1;
    return record->epoch < 3;
}

int main() {
    auto *net = (struct network *)std::aligned_alloc(64, network_size());
    real x[6 * network_inputs], y[6 * network_outputs];
    int64_t labels[6];
    int reports = 0;
    for (int i = 0; i < 6; i++)
        labels[i] = i % network_outputs;
    for (int i = 0; i < 6 * network_inputs; i++)
        x[i] = real(i % 5) / 4;
    network_one_hot(6, labels, y);
    network_init(net, 0);
    struct training training = {};
    training.x = {x, FLOAT64, 6, network_inputs, 2};
    training.y = {labels, INT64, 6, 1, 1};
    training.epochs = 9;
    training.monitor[TRAINING_DATA] = COST;
    training.report = report;
    training.context = &reports;
    training.memory = std::malloc(network_train_memory(6));
    const bool trained = network_train(net, &training);
    std::printf("%d %d %.12g\n", (int)trained, reports, network_cost(net, 6, x, y));
    std::free(training.memory);
    std::free(net);
}
"""


def test_a_header_from_cplusplus() -> None:
    spec = spec_for(CLASSES, name="mnist")
    headed(CLASSES, "mnist")
    object_ = compiled(text_of(spec, TARGET), (*STRICT, "-O1", NO_MAIN, "-c"))
    program = linked(TRAINS, object_, compiler=tool("c++"))
    *epochs, last = (line.split() for line in ran(program).splitlines())
    net = module_of(spec).Network()
    x = (np.arange(18).reshape(6, 3) % 5) / 4
    records = net.train(x, np.arange(6) % 4, epochs=3, monitor="cost")
    assert [line[:2] for line in epochs] == [["1", "1"], ["2", "2"], ["3", "3"]]
    costs = [float(line[2]) for line in epochs]
    assert costs == pytest.approx([record["cost"] for record in records], rel=1e-10)
    assert last[:2] == ["1", "3"]
    assert float(last[2]) == costs[-1]


TWO = """
#define BPC_PREFIX first_
#include "first.h"
#undef BPC_PREFIX
#define BPC_PREFIX second_
#include "second.h"
#include <stdio.h>

int main(void) {
    printf("%d %d\\n", first_network_outputs, second_network_outputs);
    printf("%d\\n", first_network_size() == second_network_size());
    return 0;
}
"""


def test_two_networks_in_one_program() -> None:
    parts = []
    for kind, name in ((CLASSES, "first"), ("one", "second")):
        headed(kind, name)
        prefix = f"-DBPC_PREFIX={name}_"
        text = text_of(spec_for(kind, name=name), TARGET)
        parts.append(compiled(text, (*STRICT, "-O1", NO_MAIN, prefix, "-c")))
    assert ran(linked(TWO, *parts)).split() == ["4", "1", "0"]
