"""Words, orders, masks and first values in C: those of the generated NumPy module."""

from __future__ import annotations

import ctypes
import functools
import itertools
import json
from typing import Any

import numpy as np
import pytest
from compiled import compilers, shared_library
from oracle import library, library_text
from random_specs import minimal
from support import shared, spec_of

from bpcompile.operators import INITIALIZERS
from bpcompile.spec import NetworkSpec

LARGEST = 2**53 - 1
SEEDS = (0, 1, 12345, LARGEST)
#: Of gcc, the second multiplies and adds in one where it may.
FLAGS = [("-O0", "-std=c11", "-DBPC_PORTABLE"), ("-O3", "-march=native")]

#: What a test asks of the static functions, with plain arguments.
ASKED = """
void ask_words(size_t n, uint64_t seed, uint64_t stream, uint64_t epoch, uint64_t step,
        uint64_t layer, uint64_t *word) {
    const struct place place = {seed, stream, epoch, step, layer};
    for (size_t i = 0; i < n; i++)
        word[i] = word_at(place, i);
}
void ask_dropout(size_t m, size_t neurons, double p, uint64_t seed, uint64_t epoch,
        uint64_t step, uint64_t layer, real *r) {
    dropout(m, neurons, p, seed, epoch, step, layer, r);
}
void ask_split(size_t n, size_t held_out, uint64_t seed, uint32_t *rows, uint64_t *s) {
    split(n, held_out, seed, rows, s);
}
size_t ask_padded(size_t n) { return PAD(n); }
"""


@functools.cache
def drawing() -> NetworkSpec:
    """A network with every stream."""
    return spec_of(
        layers=[3, {"size": 4, "dropout": 0.3}, 2],
        cost="quadratic",
        dtype="float64",
        hyperparameters={
            "validation_fraction": 0.25,
            "early_stopping": {"patience": 3},
        },
    )


@pytest.fixture(params=itertools.product(("gcc", "clang"), FLAGS), ids=str)
def build(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """A compiler and its flags."""
    compiler, flags = request.param
    if compiler not in compilers():
        pytest.skip(f"there is no {compiler} on PATH")
    return (compiler, *flags)


def drawn(build: tuple[str, ...], real: str = "double") -> ctypes.CDLL:
    text = library_text(drawing(), "c") + ASKED
    return shared_library(text, *build, f"-DBPC_REAL={real}")


def pointer(array: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def whole(*numbers: int) -> list[ctypes.c_uint64]:
    return [ctypes.c_uint64(number) for number in numbers]


# ---- Words, orders, masks: bit for bit -------------------------------------------------


def words(build: tuple[str, ...], n: int, *place: int) -> list[int]:
    found = np.zeros(n, np.uint64)
    drawn(build).ask_words(*whole(n, *place), pointer(found))
    return [int(word) for word in found]


def known(what: str) -> list[Any]:
    return list(json.loads(shared("cases/randomness.json").read_text())[what])


def test_words_are_the_known_ones(build: tuple[str, ...]) -> None:
    for case in known("words"):
        place = [int(case[key]) for key in ("seed", "stream", "epoch", "step", "layer")]
        expected = [int(word) for word in case["words"]]
        assert words(build, len(expected), *place) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_words_are_those_of_numpy(build: tuple[str, ...], seed: int) -> None:
    numpy = library(drawing(), "numpy")
    for place in ((0, 0, 0, 2), (3, 7, 11, 4), (2, 2**40, 0, 0), (4, 0, 2**64 - 1, 1)):
        expected = numpy.words(1001, seed, *place).tolist()
        assert words(build, 1001, seed, *place) == expected


def order(build: tuple[str, ...], n: int, seed: int, epoch: int) -> Any:
    found, scratch = np.zeros(n, np.uint32), np.zeros(n, np.uint64)
    arguments = whole(n, seed, epoch)
    drawn(build).order_of_epoch(*arguments, pointer(found), pointer(scratch))
    return found


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 9, 100, 1001, 50_000])
def test_orders_are_those_of_numpy(build: tuple[str, ...], n: int) -> None:
    numpy = library(drawing(), "numpy")
    for seed, epoch in ((0, 0), (LARGEST, 3), (7, 2**40)):
        expected = np.argsort(numpy.words(n, seed, 2, epoch), kind="stable")
        assert np.array_equal(order(build, n, seed, epoch), expected)


def test_an_order_is_by_whole_words(build: tuple[str, ...]) -> None:
    """Half of a word is what is sorted first: among so many, some halves are equal."""
    n = 400_000
    drawn = library(drawing(), "numpy").words(n, 0, 2, 0)
    expected = np.argsort(drawn, kind="stable")
    by_halves = np.argsort(drawn >> np.uint64(32), kind="stable")
    assert not np.array_equal(by_halves, expected)
    assert np.array_equal(order(build, n, 0, 0), expected)


def test_orders_are_the_known_ones(build: tuple[str, ...]) -> None:
    for case in known("orders"):
        place = int(case["seed"]), int(case["epoch"])
        assert order(build, int(case["n"]), *place).tolist() == case["order"]


@pytest.mark.parametrize("n", [2, 3, 10, 333])
def test_the_rows_held_out_are_those_of_numpy(build: tuple[str, ...], n: int) -> None:
    numpy = library(drawing(), "numpy")
    for seed in SEEDS:
        train, held_out = numpy.Network(seed=seed)._split(n)
        found, scratch = np.zeros(n, np.uint32), np.zeros(n, np.uint64)
        asked = whole(n, len(held_out), seed)
        drawn(build).ask_split(*asked, pointer(found), pointer(scratch))
        assert found.tolist() == [*train, *held_out]


@pytest.mark.parametrize("real", ["float", "double"])
@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 1e-12, 1 - 2**-53])
def test_masks_are_those_of_numpy(build: tuple[str, ...], p: float, real: str) -> None:
    numpy = library(drawing(), "numpy")
    dtype = np.float32 if real == "float" else np.float64
    compiled = drawn(build, real)
    for m, n in ((1, 1), (1, 7), (3, 5), (10, 30), (7, 33), (2, 784)):
        place = LARGEST, 4, 2**33, 2
        expected = np.empty((n, m), dtype)
        numpy.dropout(expected, p, *place)
        r = np.full((m, compiled.ask_padded(ctypes.c_size_t(n))), np.nan, dtype)
        asked = [*whole(m, n), ctypes.c_double(p), *whole(*place)]
        compiled.ask_dropout(*asked, pointer(r))
        assert np.array_equal(r[:, :n], expected.T)


# ---- First values ------------------------------------------------------------------------

SIZES = (5, 3, 7, 1, 4, 1, 1, 30, 9, 9, 64, 2)

#: Copies a parameter in the book's shape, and says whether all its padding is 0.
TAKEN = """
static struct network net;
void ask_init(uint64_t seed) {
    memset(&net, 255, sizeof net);
    network_init(&net, seed);
}
static bool taken(size_t rows, size_t columns, const real *w, size_t all, real *out) {
    size_t zeros = 0;
    for (size_t e = 0; e < all; e++) {
        const size_t k = e / LDW(columns, rows), j = e % LDW(columns, rows);
        if (k < columns && j < rows)
            out[j * columns + k] = w[e];
        else
            zeros += w[e] == 0;
    }
    return zeros == all - rows * columns;
}
"""


def network(
    kind: str, sizes: tuple[int, ...] = SIZES, **parameters: Any
) -> NetworkSpec:
    chosen = {**minimal(INITIALIZERS[kind]), **parameters}
    layers = [
        {"size": n, "initializer": chosen, "bias_initializer": chosen}
        for n in sizes[1:]
    ]
    layers = [sizes[0], *layers]
    return spec_of(layers=layers, cost="quadratic", dtype="float64")


def first(
    spec: NetworkSpec, build: tuple[str, ...], seed: int, real: str = "double"
) -> dict[str, Any]:
    """The parameters of a new network, in the book's shapes."""
    sizes = [layer.size for layer in spec.layers]
    text = library_text(spec, "c") + TAKEN
    for i in range(2, len(sizes) + 1):
        for name, columns in (("w", f"N{i - 1}"), ("b", "1")):
            p = f"net.{name}{i}"
            text += f"bool ask_{name}{i}(real *out) {{ return taken(N{i}, {columns}, "
            text += f"{p}, sizeof {p} / sizeof *{p}, out); }}\n"
    compiled = shared_library(text, *build, f"-DBPC_REAL={real}")
    compiled.ask_init(ctypes.c_uint64(seed))
    found = {}
    for i in range(2, len(sizes) + 1):
        for name, columns in ((f"w{i}", sizes[i - 2]), (f"b{i}", 1)):
            found[name] = np.zeros(
                (sizes[i - 1], columns), np.float32 if real == "float" else np.float64
            )
            ask = getattr(compiled, f"ask_{name}")
            ask.restype = ctypes.c_bool
            assert ask(pointer(found[name])), f"the padding of {name} is not 0"
    return found


ELEMENTWISE = [kind for kind, entry in INITIALIZERS.items() if not entry.orthogonal]
ORTHOGONAL = [kind for kind, entry in INITIALIZERS.items() if entry.orthogonal]


@pytest.mark.parametrize("kind", ELEMENTWISE)
def test_first_values_are_those_of_numpy(kind: str, build: tuple[str, ...]) -> None:
    """4 ULP, as the contract has it: the libraries' logarithm, sine and cosine differ."""
    spec = network(kind)
    module = library(spec, "numpy")
    for seed in SEEDS:
        expected = module.Network(seed=seed).parameters
        found = first(spec, build, seed)
        single = first(spec, build, seed, "float")
        assert list(found) == list(expected)
        for name, array in expected.items():
            off = np.abs(found[name] - array)
            assert np.all(off <= 4 * np.spacing(np.abs(array))), name
            rounded = array.astype(np.float32)
            off = np.abs(single[name] - rounded)
            assert np.all(off <= np.spacing(np.abs(rounded))), name


def test_uniform_draws_are_those_of_numpy_bit_for_bit(build: tuple[str, ...]) -> None:
    spec = network("uniform", low=0, high=1)
    module = library(spec, "numpy")
    for seed in SEEDS:
        found = first(spec, build, seed)
        for name, array in module.Network(seed=seed).parameters.items():
            assert np.array_equal(found[name], array)
    spec = network("uniform", low=-0.3, high=0.3)
    found = first(spec, build, 3)
    for name, array in library(spec, "numpy").Network(seed=3).parameters.items():
        assert np.array_equal(found[name], array)


@pytest.mark.parametrize("sizes", [SIZES, (60, 60, 80, 9, 80), (784, 30, 100)])
@pytest.mark.parametrize("kind", ORTHOGONAL)
def test_orthogonal_ones_are_those_of_numpy(
    kind: str, sizes: tuple[int, ...], build: tuple[str, ...]
) -> None:
    """Two factorisations differ by rounding times the condition of the draws."""
    spec = network(kind, sizes, gain=1.5)
    module, normal = library(spec, "numpy"), network("standard_normal", sizes)
    for seed in SEEDS:
        draws = library(normal, "numpy").Network(seed=seed).parameters
        expected = module.Network(seed=seed).parameters
        for real, rounding in (("double", 2**-52), ("float", 2**-23)):
            found = first(spec, build, seed, real)
            for name, array in expected.items():
                off = np.abs(found[name] - array).max()
                assert off <= 4 * rounding * np.linalg.cond(draws[name]), name


@pytest.mark.parametrize("kind", ORTHOGONAL)
def test_orthogonal_ones_are_orthogonal(kind: str, build: tuple[str, ...]) -> None:
    """However large: rounding of one entry is what remains, not a sum of them."""
    spec = network(kind, (200, 300, 300, 150), gain=1.5)
    for real, rounding in (("double", 2**-52), ("float", 2**-23)):
        for name, array in first(spec, build, 0, real).items():
            w = array.astype(float) / 1.5
            short = w if w.shape[0] <= w.shape[1] else w.T
            off = np.abs(short @ short.T - np.eye(len(short))).max()
            assert off <= 16 * rounding, name
