"""The matrix products and functions of generated C, apart from any network."""

from __future__ import annotations

import functools
import os
import pathlib
from typing import Any

import pytest
from c_modules import DOUBLE, NO_MAIN, TARGET, compiled, tool
from support import run, spec_of, text_of

CHECK = pathlib.Path(__file__).with_suffix("").parent / "c_products.c"
#: As a user compiles who trains on the same machine.
FAST = ("-O3", "-march=native")
SGD, ADAM = "sgd", "adam"
#: What each of them shall not do: read or write beside an array, or overflow.
SANITIZED = (
    *("-O1", "-g", "-DUNROLL=", "-fsanitize=address,undefined"),
    "-fno-sanitize-recover=all",
)
#: So few multiplications make a product large that most of those checked are.
PACKED = "-DLARGE=1000"


@functools.cache
def generated(mini_batch_size: int, optimizer: str, depth: int = 3) -> str:
    """The library of a network, as text."""
    spec = spec_of(
        layers=[4] * depth,
        cost="quadratic",
        hyperparameters={
            "mini_batch_size": mini_batch_size,
            "optimizer": optimizer,
        },
    )
    return text_of(spec, TARGET, library=True)


def differences(
    mini_batch_size: int = 10,
    optimizer: str = SGD,
    depth: int = 3,
    flags: tuple[str, ...] = FAST,
    **options: Any,
) -> str:
    """What the check prints: which array is the worst, and by how much."""
    text = generated(mini_batch_size, optimizer, depth) + CHECK.read_text("utf-8")
    way = ("-DSGD",) if optimizer == SGD else ()
    program = compiled(text, (*flags, NO_MAIN, *way))
    done = run(program, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ---- Products ----------------------------------------------------------------------


@pytest.mark.parametrize("mini_batch_size", [1, 7, 10, 32])
def test_products_are_those_of_naive_loops(mini_batch_size: int) -> None:
    differences(mini_batch_size)


@pytest.mark.parametrize(
    "flags",
    [
        ("-O1",),
        ("-O2", "-DBPC_PORTABLE"),
        ("-O1", "-DBPC_PORTABLE", DOUBLE),
        ("-O2", "-march=x86-64-v3"),
        (*FAST, DOUBLE),
        (*FAST, PACKED),
        (*SANITIZED, PACKED),
        (*SANITIZED, DOUBLE),
    ],
    ids=" ".join,
)
def test_products_hold_for_every_width_of_vectors(flags: tuple[str, ...]) -> None:
    differences(flags=flags)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_products_hold_with_any_optimizer_and_compiler(
    compiler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", tool(compiler))
    differences(optimizer=ADAM)
    differences(13, optimizer=ADAM, flags=("-O1", PACKED))


@pytest.mark.parametrize("optimizer", [SGD, ADAM])
def test_products_of_deep_networks_are_called_with_any_size(optimizer: str) -> None:
    differences(optimizer=optimizer, depth=12)


def test_the_number_of_threads_changes_no_bit() -> None:
    flags = (*FAST, PACKED, "-fopenmp")
    try:
        compiled("int main(void) { return 0; }", ("-fopenmp",))
    except AssertionError:
        pytest.skip("the compiler has no OpenMP")
    one, three = (
        differences(32, flags=flags, env={**os.environ, "OMP_NUM_THREADS": threads})
        for threads in ("1", "3")
    )
    assert one == three


def test_large_products_can_be_those_of_blas() -> None:
    blas = ("-DBPC_CBLAS", "-Wl,--no-as-needed", "-lopenblas")
    try:
        compiled("#include <cblas.h>\nint main(void) { return 0; }", blas)
    except AssertionError:
        pytest.skip("OpenBLAS is not installed")
    differences(flags=(*FAST, PACKED, *blas))


# ---- Functions ---------------------------------------------------------------------

FUNCTIONS = """
#include <stdio.h>

// The largest error in units of the last place of the value, over many floats.
static double worst(float (*f)(float), double (*exact)(double)) {
    double most = 0;
    for (uint64_t k = 0; k < UINT64_C(1) << 32; k += 1009) {
        const uint32_t bits = (uint32_t)k;
        float x;
        memcpy(&x, &bits, sizeof x);
        const double value = exact((double)x), got = (double)f(x);
        if (x != x || value != value)
            most = got != got ? most : INFINITY;
        else if (value > FLT_MAX) // rounded to a float that is infinite, but for the last
            most = got > FLT_MAX || value < 3.402823669e38 ? most : INFINITY;
        else {
            const double size = fmax(fabs(value), FLT_MIN);
            const double unit = ldexp(1, ilogb(size) - 23);
            most = fmax(most, fabs(got - value) / unit);
        }
    }
    return most;
}

static float float_of_exp(float x) { return exp_float(x); }
static float float_of_tanh(float x) { return tanh_float(x); }
static double double_exp(double x) { return exp(x); }
static double double_tanh(double x) { return tanh(x); }

int main(void) {
    printf("%.17g %.17g\\n", worst(float_of_exp, double_exp),
           worst(float_of_tanh, double_tanh));
    for (int k = -1; k <= 1; k += 2) {
        const float large = (float)k * INFINITY, zero = copysignf(0, (float)k);
        printf("%g %g %g %g\\n", (double)exp_float(large), (double)exp_float(zero),
               (double)tanh_float(large), (double)tanh_float(zero));
    }
    return 0;
}
"""


@pytest.mark.parametrize("flags", [FAST, ("-O2",)], ids=" ".join)
def test_exp_and_tanh_are_as_exact_as_floats_allow(flags: tuple[str, ...]) -> None:
    spec = spec_of(
        layers=[
            2,
            {"size": 2, "activation": "tanh"},
            {"size": 2, "activation": "sigmoid"},
        ],
        cost="quadratic",
    )
    text = text_of(spec, TARGET, library=True) + FUNCTIONS
    program = compiled(text, (*flags, NO_MAIN))
    lines = run(program).stdout.splitlines()
    exp_error, tanh_error = map(float, lines[0].split())
    # 0.5 is the rounding of the result; tanh ends with a quotient and a difference.
    assert 0.5 < exp_error < 0.8
    assert 0.5 < tanh_error < 1.5
    assert lines[1:] == ["0 1 -1 -0", "inf 1 1 0"]
