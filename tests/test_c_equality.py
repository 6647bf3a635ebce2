"""Generated C against generated NumPy, over random specs of the whole catalogue.

Both compute in float64 unless a test says otherwise. Part by part the same C is built
in another way: with vectors of the least size, of the machine's own, with none. As in test_training_equality, the
learning rate is redrawn where the reference's cost rises, and where a run is no further
off than rounding alone moves it: a step that divides a gradient by its own size is as
large for a gradient of rounding errors as for any other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import c_modules
import hypothesis
import numpy as np
import pytest
from c_modules import DOUBLE, QUICK
from comparison import EXACT, gradient_apart
from hypothesis import Phase, given, reject, settings
from hypothesis import strategies as st
from oracle import (
    BeyondComparison,
    Data,
    Settled,
    apart,
    as_lists,
    at_rate,
    epochs_for,
    library,
    moved_by_rounding,
    scaling_of,
    settled,
)
from random_specs import (
    EXAMPLES,
    TRIPLES,
    data_for,
    repeatable,
    spec_of_triple,
    specs,
    validation_for,
    without_validation,
)
from support import difference, spec_of

from bpcompile import reference
from bpcompile.check import MARGIN
from bpcompile.spec import NetworkSpec

#: The contract's, of parameters in another language.
ONE_STEP = 1e-13
FIFTY_STEPS = 1e-10
SINGLE = 2e-6
FEW = 10
#: A part of the specs for each way to build them, so that processes share the work.
#: Not optimised: compiling takes longer than all that these small networks do.
BUILDS = {
    "plain": QUICK,
    "native": (*QUICK, "-march=native"),
    "portable": (*QUICK, "-DBPC_PORTABLE"),
    "clang": QUICK,
}
DRAWN = EXAMPLES // 5
NUDGES = 10
#: Of each part, at least so many must have been compared to the end.
LEAST = 26
#: Runs of the reference are in plain Python.
STEPS = 50


def drawn(part: int, check: Callable[..., bool], **of: Any) -> int:
    """check(spec, n, seed) of a part of all random specs: for how many it is true."""
    compared: set[str] = set()

    def each(spec: NetworkSpec, n: int, seed: int) -> None:
        try:
            if check(spec, n, seed):
                compared.add(str(spec.normalised()))
        except BeyondComparison:
            reject()  # does not count as one of the examples

    numbers = st.integers(2, 9), st.integers(0, 2**20)
    run = given(specs(**of), *numbers)(each)
    # A failure is not made smaller: every try takes a compiler a second.
    few = settings(repeatable, max_examples=DRAWN, phases=[Phase.generate])
    hypothesis.seed(part)(few(run))()
    return len(compared)


def test_the_parts_are_a_hundred_specs() -> None:
    assert LEAST * len(BUILDS) >= 100


def pair(spec: NetworkSpec, build: str) -> tuple[Any, Any]:
    """A network in C and one in NumPy, in float64, from the same first values."""
    compiler = c_modules.tool("clang") if build == "clang" else ""
    found = c_modules.library(spec, DOUBLE, *BUILDS[build], compiler=compiler)
    one, other = found.Network(), library(spec, "numpy").Network()
    assert apart(one.parameters, other.parameters) <= EXACT
    one.set(other.parameters)
    return one, other


# ---- Values and single steps -------------------------------------------------------


def values_apart(one: Any, other: Any, x: Any, y: Any, scaling: Any) -> float:
    """The largest difference of outputs, costs and gradient of two networks."""
    point = (
        one.library.spec,
        as_lists(other.parameters),
        x.tolist(),
        y.tolist(),
        scaling,
    )
    outputs = other.feedforward(x)
    finite = np.isfinite(outputs)
    assert (np.isfinite(one.feedforward(x)) == finite).all()
    if not finite.all():
        raise BeyondComparison  # exp of exp of inputs that nothing scales down yet
    found = [
        difference(one.feedforward(x), outputs),
        difference(one.cost(x, y), other.cost(x, y)),
        difference(one.total_cost(x, y), other.total_cost(x, y)),
        gradient_apart(one.backprop(x, y), other.backprop(x, y), *point),
    ]
    predicted = one.predict(x), other.predict(x)
    if one.library.classifies:
        # Where two outputs are alike but for their last bits, either may be the larger.
        sure = np.abs(outputs[:, 0] - 0.5) > EXACT
        if outputs.shape[1] > 1:
            first, second = np.sort(outputs, axis=1)[:, :-3:-1].T
            sure = first - second > EXACT
        if sure.all():
            assert predicted[0].tolist() == predicted[1].ravel().tolist()
            assert one.accuracy(x, y) == other.accuracy(x, y)
    else:
        found.append(difference(*predicted))
    return float(np.max(found))  # NaN counts


def nudged(net: Any, number: int) -> Any:
    """A new one with every parameter moved by a last bit or two, up or down."""
    near = type(net)()
    rng = np.random.default_rng(number)
    for array in near.parameters.values():
        array *= 1 + rng.choice([-2, -1, 1, 2], array.shape) * np.finfo(float).eps
    return near


def check_values(run: Settled, build: str, data: Data) -> None:
    """BeyondComparison as `gradient_apart` raises it."""
    spec = run.spec
    one, other = pair(spec, build)
    x, y = data.x, data.y
    unfitted = scaling_of(spec, x, fitted=False)
    assert values_apart(one, other, x, y, unfitted) <= EXACT
    # No epoch trains nothing, but fits the scaling.
    for net in (one, other):
        assert net.train(**data.for_module(), epochs=0) == []
    assert values_apart(one, other, x, y, run.training.scaling) <= EXACT
    size = spec.hyperparameters.mini_batch_size
    for net in (one, other):
        net.update_mini_batch(x[:size], y[:size], 100)
    off, moved = apart(one.parameters, other.parameters), 0.0
    # The sign of a sum that is 0 but for rounding does not turn at every nudge.
    for number in range(NUDGES if off > ONE_STEP else 0):
        near = nudged(other, number)
        near.train(**data.for_module(), epochs=0)
        near.update_mini_batch(x[:size], y[:size], 100)
        moved = max(moved, apart(near.parameters, other.parameters))
    if off > max(ONE_STEP, MARGIN * moved):
        moved = step_moved(spec, x[:size], y[:size], run.training.scaling)
    assert off <= max(ONE_STEP, MARGIN * moved), (off, moved)


def step_moved(spec: NetworkSpec, x: Any, y: Any, scaling: Any) -> float:
    """How far the reference's step goes where weights of examples, too, are nudged."""
    spec, rows = without_validation(spec), (x.tolist(), y.tolist())
    step = reference.train(spec, *rows, epochs=1, scaling=scaling)
    return max(reference.sensitivity(spec, step, *rows, epochs=1).values())


def test_a_step_on_like_examples() -> None:
    """Two pull up and two down: what is left of a sum that fuses products is not 0, and
    adam divides by no more than that."""
    alike = {"initializer": "zeros", "bias_initializer": "zeros"}
    spec = spec_of(
        layers=[5, {"size": 3, "activation": "mish", **alike}],
        cost="absolute",
        dtype="float64",
        hyperparameters={"mini_batch_size": 4, "optimizer": "adam"},
    )
    x, up = np.full((4, 5), 0.5111360464892889), np.array([[1.0, 2.0, 3.0]])
    data = Data(x, np.concatenate([up, -up, up, -up]))
    check_values(settled(spec, data, 1, np.random.default_rng(0)), "plain", data)


# ---- Whole runs --------------------------------------------------------------------


def off_by(one: Any, other: Any, histories: Any) -> float:
    """How far two trained networks are apart, with what they recorded."""
    mine, theirs = histories
    if len(mine) != len(theirs) or one.epoch != other.epoch:
        return float("inf")
    found = [apart(one.parameters, other.parameters)]
    for record, expected in zip(mine, theirs, strict=True):
        assert record.get("stopped") == expected.get("stopped")
        for name, value in expected.items():
            if name not in ("seconds", "stopped"):
                found.append(difference(record[name], value))
    return float(np.max(found))


def check_run(
    spec: NetworkSpec, build: str, data: Data, seed: int, counts: Counter[str]
) -> bool:
    """Whether there is a rate at which two runs may be compared; they are equal then."""
    rng, epochs = np.random.default_rng(seed), epochs_for(spec, len(data.x), STEPS)
    for attempt in range(4):
        run = settled(spec, data, epochs, rng)
        if attempt == 0:
            check_values(run, build, data)
        nets = pair(run.spec, build)
        given = {**data.for_module(), "epochs": epochs}
        given["monitor"] = ("cost", "total_cost")
        off = off_by(*nets, [net.train(**given) for net in nets])
        if off <= FIFTY_STEPS:
            counts["redrawn"] += attempt + run.drawn > 0
            counts["only finite"] += not run.falls
            return True
        worst = moved_by_rounding(run, data, epochs)
        assert off <= MARGIN * worst, (off, worst, run.spec.normalised())
        counts["unsteady"] += 1
        spec = at_rate(spec, run.spec.hyperparameters.learning_rate * 0.1)
    counts["left out"] += 1
    return False


@pytest.mark.fault("GRD-08")
@pytest.mark.parametrize("build", BUILDS)
def test_random_specs(build: str) -> None:
    counts: Counter[str] = Counter()

    def check(spec: NetworkSpec, n: int, seed: int) -> bool:
        weight = np.random.default_rng(seed).random(n) if seed % 3 == 0 else None
        data = Data(*data_for(spec, n, seed), validation_for(spec, seed), weight)
        return check_run(spec, build, data, seed, counts)

    compared = drawn(list(BUILDS).index(build), check)
    print(
        f"{compared} specs; {counts['redrawn']} learning rates redrawn, "
        f"{counts['unsteady']} of them for unsteady runs, {counts['left out']} left "
        f"out; {counts['only finite']} runs whose cost is finite but rises"
    )
    assert compared >= LEAST
    # Where the reference's cost rises is for the draw to say; where the two programs were
    # too far apart to compare, C could hide.
    assert counts["unsteady"] + counts["left out"] <= 0.2 * compared


# ---- Single precision --------------------------------------------------------------


def single_apart(spec: NetworkSpec, x: Any, y: Any) -> tuple[float, float]:
    """How far C's gradient in float32 is from NumPy's in float64, at the same numbers.

    And how far that moves where every parameter does by float32's rounding: what comes
    after rounds too, so that a program in float32 may be a few times as far away.
    """
    single = c_modules.library(spec, *QUICK).Network()
    double = library(spec, "numpy").Network(dtype="float64")
    # C is handed inputs in its own type, and what it fits the scaling on must be those.
    x = x.astype(np.float32)
    for net in (single, double):
        net.train(x, y, epochs=0)
    rng = np.random.default_rng(0)
    for name, array in single.parameters.items():
        double.parameters[name][...] = array
    gradient, exact = single.backprop(x, y), double.backprop(x, y)
    assert {g.dtype for g in gradient.values()} == {np.dtype(np.float32)}
    for array in double.parameters.values():
        array *= 1 + 2.0**-24 * rng.choice([-1, 1], array.shape)
    return apart(gradient, exact), apart(double.backprop(x, y), exact)


@pytest.mark.parametrize("triple", TRIPLES, ids="-".join)
def test_float32_gradients(triple: tuple[str, str, str]) -> None:
    spec = spec_of_triple(*triple, dtype="float32")
    off, moved = single_apart(spec, *data_for(spec, 8, seed=2))
    assert off <= max(SINGLE, FEW * moved)


def test_float32_gradients_of_random_specs() -> None:
    counts: Counter[str] = Counter()

    def check(spec: NetworkSpec, n: int, seed: int) -> bool:
        spec = without_validation(spec)
        off, moved = single_apart(spec, *data_for(spec, n, seed))
        counts["sensitive"] += off > SINGLE
        assert off <= max(SINGLE, FEW * moved), (off, moved)
        return True

    compared = drawn(0, check, dtype="float32")
    print(f"{counts['sensitive']} of {compared} gradients too sensitive")
    assert compared >= LEAST
    assert counts["sensitive"] <= 0.2 * compared
