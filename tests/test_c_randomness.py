"""Words, orders, masks and first values in C: those of the generated NumPy module."""

from __future__ import annotations

import ctypes
import functools
import itertools
import json
from typing import Any

import numpy as np
import pytest
from c_modules import TARGET, compiled, pointer, tool
from oracle import library, library_text
from random_specs import minimal
from support import shared, spec_of

from bpcompile.operators import INITIALIZERS
from bpcompile.operators.training import NORMAL_DRAWS
from bpcompile.spec import NetworkSpec

LARGEST = 2**53 - 1
SEEDS = (0, 1, 12345, LARGEST)
#: The last two multiply and add in one where they may, and the machine can.
BUILDS = [
    ("gcc", "-std=c11", "-O0", "-DBPC_PORTABLE"),
    ("gcc", "-O2", "-march=native"),
    ("clang", "-O1", "-march=native"),
]

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
    const struct place place = {seed, MASK_STREAM, epoch, step, layer};
    dropout(r, m, neurons, p, place);
}
void ask_split(size_t n, size_t held_out, uint64_t seed, const uint32_t *classes,
        uint32_t *rows, uint64_t *s) {
    split(n, held_out, seed, 0, classes, rows, s);
}
void ask_order(size_t n, uint64_t seed, uint64_t epoch, uint32_t *order, uint64_t *s) {
    order_of_epoch(n, seed, epoch, order, s);
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


@pytest.fixture(params=BUILDS, ids=" ".join)
def build(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """A compiler and its flags."""
    compiler, *flags = request.param
    return (tool(compiler), *flags)


def shared_library(text: str, build: tuple[str, ...], real: str) -> ctypes.CDLL:
    compiler, *flags = build
    wanted = ("-shared", "-fPIC", "-DBPC_NO_MAIN", f"-DBPC_REAL={real}", *flags)
    return ctypes.CDLL(str(compiled(text, wanted, compiler)))


def drawn(build: tuple[str, ...], real: str = "double") -> ctypes.CDLL:
    text = library_text(drawing(), TARGET) + ASKED
    return shared_library(text, build, real)


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
    drawn(build).ask_order(*arguments, pointer(found), pointer(scratch))
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
        classes = np.random.default_rng(seed).integers(0, 2, n).astype(np.uint32)
        train, held_out = numpy.Network(seed=seed)._split(np.eye(2)[classes])
        found, scratch = np.zeros(n, np.uint32), np.zeros(n, np.uint64)
        asked = *whole(n, len(held_out), seed), pointer(classes)
        drawn(build).ask_split(*asked, pointer(found), pointer(scratch))
        assert found.tolist() == [*train, *held_out]


@pytest.mark.parametrize("real", ["float", "double"])
@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 1e-12, 1 - 2**-53])
def test_masks_are_those_of_numpy(build: tuple[str, ...], p: float, real: str) -> None:
    numpy = library(drawing(), "numpy")
    dtype = np.float32 if real == "float" else np.float64
    functions = drawn(build, real)
    for m, n in ((1, 1), (1, 7), (3, 5), (10, 30), (7, 33), (2, 784)):
        place = LARGEST, 4, 2**33, 2
        expected = np.empty((n, m), dtype)
        numpy.dropout(expected, p, *place)
        r = np.full((m, functions.ask_padded(ctypes.c_size_t(n))), np.nan, dtype)
        asked = [*whole(m, n), ctypes.c_double(p), *whole(*place)]
        functions.ask_dropout(*asked, pointer(r))
        assert np.array_equal(r[:, :n], expected.T)


# ---- First values ------------------------------------------------------------------

SIZES = (3, 7, 1, 1, 30)
LARGER = (784, 30, 100, 60, 60, 80, 9, 200, 200, 1, 1, 5)

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


def network(sizes: tuple[int, ...], *initializers: Any) -> NetworkSpec:
    """A network in which every one of the initializers has layers of all the sizes."""
    layers = [
        {"size": n, "initializer": chosen, "bias_initializer": chosen}
        for chosen in initializers
        for n in sizes
    ]
    return spec_of(layers=[5, *layers], cost="quadratic", dtype="float64")


def first(
    spec: NetworkSpec, build: tuple[str, ...], seed: int, dtype: str
) -> dict[str, Any]:
    """The parameters of a new network, in the book's shapes."""
    sizes = [layer.size for layer in spec.layers]
    text = library_text(spec, TARGET) + TAKEN
    shapes = {}
    for i, (inputs, neurons) in enumerate(itertools.pairwise(sizes), start=2):
        shapes |= {f"w{i}": (neurons, inputs), f"b{i}": (neurons, 1)}
    for name, (rows, columns) in shapes.items():
        whole_array = f"net.{name}, sizeof net.{name} / sizeof(real)"
        text += f"bool ask_{name}(real *out) {{\n"
        text += f"    return taken({rows}, {columns}, {whole_array}, out);\n}}\n"
    real = {"float32": "float", "float64": "double"}[dtype]
    functions = shared_library(text, build, real)
    functions.ask_init(ctypes.c_uint64(seed))
    found = {name: np.zeros(shape, dtype) for name, shape in shapes.items()}
    for name, array in found.items():
        ask = getattr(functions, f"ask_{name}")
        ask.restype = ctypes.c_bool
        assert ask(pointer(array)), f"the padding of {name} is not 0"
    return found


ELEMENTWISE = [
    *(minimal(entry) for entry in INITIALIZERS.values() if not entry.orthogonal),
    {"kind": "uniform", "low": 0, "high": 1},
]
ORTHOGONAL = [
    {**minimal(entry), "gain": 1.5}
    for entry in INITIALIZERS.values()
    if entry.orthogonal
]


def test_first_values_are_those_of_numpy(build: tuple[str, ...]) -> None:
    """4 ULP, as the contract has it: the libraries' logarithm, sine and cosine differ.

    Those of uniform draws are the same bit for bit.
    """
    spec = network(SIZES, *ELEMENTWISE)
    module = library(spec, "numpy")
    for seed in SEEDS:
        expected = module.Network(seed=seed).parameters
        double = first(spec, build, seed, "float64")
        single = first(spec, build, seed, "float32")
        assert list(double) == list(expected)
        for name, array in expected.items():
            chosen = spec.layers[int(name[1:]) - 1].initializer
            is_uniform = INITIALIZERS[chosen.kind].draws != NORMAL_DRAWS
            ulp = 0 if is_uniform else 4 * np.spacing(np.abs(array))
            assert np.all(np.abs(double[name] - array) <= ulp), (name, chosen)
            rounded = array.astype(np.float32)
            ulp = 0 if is_uniform else np.spacing(np.abs(rounded))
            assert np.all(np.abs(single[name] - rounded) <= ulp), (name, chosen)


@pytest.mark.parametrize(
    ("dtype", "rounding"), [("float64", 2**-52), ("float32", 2**-23)]
)
def test_orthogonal_ones_are_those_of_numpy(
    dtype: str, rounding: float, build: tuple[str, ...]
) -> None:
    """Two factorisations differ by rounding times the condition of the draws.

    That they are orthogonal does not depend on it.
    """
    spec, normal = network(LARGER, *ORTHOGONAL), network(LARGER, "standard_normal")
    module, plain = library(spec, "numpy"), library(normal, "numpy")
    for seed in SEEDS:
        draws = plain.Network(seed=seed).parameters
        expected = module.Network(seed=seed).parameters
        for name, found in first(spec, build, seed, dtype).items():
            off = np.abs(found - expected[name]).max()
            assert off <= 4 * rounding * np.linalg.cond(draws[name]), name
            w = found.astype(float) / 1.5
            short = w if w.shape[0] <= w.shape[1] else w.T
            off = np.abs(short @ short.T - np.eye(len(short))).max()
            assert off <= 16 * rounding, name
