"""Three-address statements: the same bits as the nested expression, nothing lost."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import MADE_UP, register, with_hidden
from oracle import apart, as_lists, library, library_text
from random_specs import PRODUCT, spec_of_triple
from support import TARGETS, difference, spec_of

from bpcompile import reference
from bpcompile.expr import Apply, Const, Expr, Var, operations
from bpcompile.inplace import Assign, assignments
from bpcompile.lower import lower
from bpcompile.operators.entry import Body, Map, Reduce
from bpcompile.render import environment
from bpcompile.target import load_target

Words = dict[str, Callable[..., Any]]

FLOAT32 = np.dtype(np.float32)
INPUTS = ("g", "a", "z")
TREES = 200
INFIX = ("add", "sub", "mul", "div")
CALLS = ("neg", "exp", "log", "log1p", "expm1", "tanh", "sin", "cos", "sqrt", "abs")

repeatable = settings(
    max_examples=TREES, derandomize=True, database=None, deadline=None
)


@functools.cache
def words() -> Words:
    """How the in-place target prints statements and expressions."""
    printed = environment(load_target("numpy")).globals
    return {name: printed[name] for name in ("assign", "spell")}  # type: ignore[misc]


# ---- Random bodies -----------------------------------------------------------------


@functools.cache
def _trees(names: tuple[str, ...]) -> st.SearchStrategy[Expr]:
    """Trees over some variables; the root's first leaf is a variable."""
    variables: st.SearchStrategy[Expr] = st.sampled_from([Var(n) for n in names])
    numbers = st.sampled_from([Const(2), Const(0.5), Const(-1.5)])

    def grown(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
        infix = st.tuples(st.sampled_from(INFIX), inner, inner | numbers)
        call = st.tuples(st.sampled_from(CALLS), inner)
        least = st.tuples(st.sampled_from(("max", "min")), inner, inner | numbers)
        chosen = st.tuples(inner, numbers, inner, inner | numbers)
        return st.one_of(
            infix.map(lambda t: Apply(t[0], t[1:])),
            infix.map(lambda t: Apply(t[0], (t[2], t[1]))),
            call.map(lambda t: Apply(t[0], t[1:])),
            least.map(lambda t: Apply(t[0], t[1:])),
            chosen.map(lambda t: Apply("where", (t[0] > t[1], t[2], t[3]))),
        )

    return st.recursive(variables, grown, max_leaves=8)


@st.composite
def bodies(draw: st.DrawFn) -> Body:
    """Up to four statements over the inputs and over what came before them."""
    names, body = INPUTS, []
    for index in range(draw(st.integers(0, 3))):
        target = f"t{index}"
        value = draw(_trees(names))
        if draw(st.booleans()):
            body.append(Reduce(target, draw(st.sampled_from(("sum", "max"))), value))
            # A row alone has no neurons to go over, so it comes with an array.
            value = draw(_trees(names)) - Var(target)
            target = f"u{index}"
        body.append(Map(target, value))
        names = (*names, target)
    return (*body, Map("result", draw(_trees(names))))


def storages() -> st.SearchStrategy[dict[str, str]]:
    """The result beside the inputs, in the place of one, or two inputs in one array."""
    return st.sampled_from(
        [
            {"g": "g", "a": "a", "z": "z"},
            {"g": "delta", "a": "a", "z": "z"},
            {"g": "g", "a": "delta", "z": "z"},
            {"g": "delta", "a": "a", "z": "a"},
        ]
    )


def start(storage: dict[str, str], kind: Any) -> dict[str, Any]:
    """Arrays of (3 neurons, 4 examples); what two variables share is one array."""
    rng = np.random.default_rng(5)
    names = [*storage.values(), "delta"]
    return {name: rng.normal(size=(3, 4)).astype(kind) for name in dict.fromkeys(names)}


def nested(body: Body, values: dict[str, Any]) -> Any:
    """The body's result by one expression for each statement."""
    values, reductions = dict(values), {"sum": np.sum, "max": np.max}
    for statement in body:
        text = words()["spell"](statement.value)
        value = eval(text, {"np": np}, values)
        if isinstance(statement, Reduce):
            value = reductions[statement.how](value, axis=0)
        values[statement.target] = value
    return values[body[-1].target]


def bits(array: Any) -> bytes:
    """Every bit but those of a NaN, of which one is as good as another."""
    return np.where(np.isnan(array), np.float32(np.nan), array).tobytes()


@repeatable
@given(
    bodies(),
    storages(),
    st.sets(st.sampled_from(INPUTS)),
    st.sampled_from([np.float32, np.float64]),
)
def test_statements_give_the_bits_of_the_expression(
    body: Body, storage: dict[str, str], consumable: set[str], kind: Any
) -> None:
    code = assignments(body, storage, "delta", consumable)
    arrays = start(storage, kind)
    before = {name: array.copy() for name, array in arrays.items()}
    with np.errstate(all="ignore"):
        expected = nested(body, {v: before[s] for v, s in storage.items()})
        for name in code.scratch:
            arrays[name] = np.full((3, 4), np.nan, kind)
        for name in code.masks:
            arrays[name] = np.zeros((3, 4), bool)
        for line in code.lines:
            exec(words()["assign"](line), {"np": np}, arrays)
    found = arrays["delta"]
    assert found.dtype == kind
    assert bits(found) == bits(np.broadcast_to(expected, found.shape).astype(kind))
    for name, place in storage.items():
        if name not in consumable and place != "delta":
            assert np.array_equal(arrays[place], before[place]), name


def test_statements_of_a_bare_variable_and_of_nothing_to_do() -> None:
    body = (Map("result", Var("a")),)
    assert assignments(body, {"a": "a"}, "a", ()).lines == ()
    copied = assignments(body, {"a": "a"}, "delta", ()).lines
    assert copied == (Assign("delta", "copy", ("a",)),)


def test_scratch_is_named_once_and_used_again() -> None:
    a, z = Var("a"), Var("z")
    body = (Map("result", (a + z) * (a - z) + (a / z) * (z - a)),)
    kept = assignments(body, {"a": "a", "z": "z"}, "delta", ())
    assert kept.scratch == ("scratch1", "scratch2")
    consumed = assignments(body, {"a": "a", "z": "z"}, "delta", ("a", "z"))
    assert consumed.scratch == ("scratch1",)


# ---- The operators that there are, and others --------------------------------------


#: The operators of the book, whose steps must stay as fast as they are.
BOOK = {"identity", "sigmoid", "tanh", "relu", "softmax"}
BOOK |= {"quadratic", "cross_entropy", "log_likelihood"}
BOOK_TRIPLES = [triple for triple in PRODUCT if BOOK.issuperset(triple)]


@pytest.mark.parametrize("triple", BOOK_TRIPLES, ids="-".join)
def test_no_network_of_the_book_needs_scratch(triple: tuple[str, str, str]) -> None:
    spec = spec_of_triple(*triple, hyperparameters={"regularization": {"l2": 1.0}})
    text = library_text(spec, "numpy")
    assert "scratch" not in text
    # An output that no later line reads is overwritten, not copied.
    assert "np.copyto" not in text
    assert "[...] = np" not in text


def network(kind: str, output: bool, dtype: str = "float64") -> Any:
    cost = "quadratic"
    spec = spec_of(layers=[3, 5, 4, 2], cost=cost, dtype=dtype, task="regression")
    return with_hidden(spec, kind, output)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("output", [False, True], ids=["hidden", "everywhere"])
@pytest.mark.parametrize("kind", MADE_UP)
def test_other_activations_match_the_reference(
    kind: str, output: bool, target: str
) -> None:
    spec = network(kind, output)
    rng = np.random.default_rng(6)
    x, y = 3 * rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    net = library(spec, target).Network()
    rows, targets = x.tolist(), y.tolist()
    parameters = as_lists(net.parameters)
    cost = reference.cost(spec, parameters, rows, targets)
    assert difference(net.cost(x, y), cost) <= 1e-12
    exact = reference.backprop(spec, parameters, rows, targets)
    assert apart(net.backprop(x, y), exact) <= 1e-12
    net.train(x, y, epochs=3)
    trained = reference.train(spec, rows, targets, 3).parameters
    assert apart(net.parameters, trained) <= 1e-12


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", MADE_UP)
def test_other_activations_stay_in_float32(kind: str, target: str) -> None:
    net = library(network(kind, True, "float32"), target).Network()
    x, y = np.ones((4, 3)), np.zeros((4, 2))
    assert net.feedforward(x).dtype == FLOAT32
    assert {g.dtype for g in net.backprop(x, y).values()} == {FLOAT32}


def test_made_up_activations_ask_for_all_there_is() -> None:
    """Else the tests above would say less than they seem to."""
    text = {kind: library_text(network(kind, True), "numpy") for kind in MADE_UP}
    assert "def made_up_softplus(z: Array, " in text["made_up_softplus"]
    for kind in ("made_up_softplus_of_z", "made_up_silu", "made_up_gelu"):
        assert f"def {kind}(z: Array, a: Array" in text[kind]
    derivative = MADE_UP["made_up_gelu"].derivative
    assert derivative is not None
    assert operations(derivative) > 20
    _, second, *_ = lower(network("made_up_silu", True)).arrays
    assert [tensor.role for tensor in second] == [
        "weighted_input",
        "activation",
        "error",
    ]
    assert inspect.isfunction(
        library(network("made_up_silu", True), "numpy").made_up_silu
    )
