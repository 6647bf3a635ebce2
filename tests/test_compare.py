"""What `bpcompile diff` finds: over random pairs, and field by field."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_specs import EXAMPLES, repeatable, specs
from support import EVERY_TARGET, SPECS, renderer, spec_of

from bpcompile import diff, load_spec
from bpcompile.blocks import FEEDFORWARD, UPDATE
from bpcompile.compare.align import LEFT_OVER, PRICE, PRICES, align
from bpcompile.compare.align import MOVED as MOVED_PRICE
from bpcompile.compare.comparison import of_plans, of_specs
from bpcompile.compare.difference import KINDS, LEVELS, Difference, LayerPair
from bpcompile.compare.hunks import NO_END, hunks
from bpcompile.compare.relative import relative
from bpcompile.compare.sides import Network
from bpcompile.operators import (
    ACTIVATIONS,
    COSTS,
    INITIALIZERS,
    OPTIMIZERS,
    SCALINGS,
    SCHEDULES,
)
from bpcompile.spec import NetworkSpec, digest

GALLERY = sorted(SPECS.glob("*.json"))
SAME, RENUMBERED, CHANGED, INSERTED, REMOVED, MOVED = KINDS
#: So many pairs, or as many times as more as there are more examples asked for.
PAIRS = settings(repeatable, max_examples=EXAMPLES * 5 // 2)


def side(spec: NetworkSpec, target: str = "numpy") -> Network:
    return Network(spec.name, spec.name, spec, renderer(target))


def plans(a: NetworkSpec, b: NetworkSpec) -> Difference:
    return of_plans(side(a), side(b))


def of_layers(found: Difference) -> list[tuple[Any, ...]]:
    return [(pair.left, pair.right, pair.kind) for pair in found.layers]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[NetworkSpec, NetworkSpec]:
    """Two random specs; half of the time the second is the first but for its layers:
    some are doubled, left out or in another order."""
    first, second = draw(specs()), draw(specs())
    if draw(st.booleans()):
        return first, second
    inputs, *hidden, outputs = first.layers
    chosen = st.lists(st.sampled_from(hidden), max_size=6) if hidden else st.just([])
    layers = (inputs, *draw(chosen), outputs)
    fields = {**first.normalised(), "layers": _fields(layers)}
    return first, spec_of(**fields)


def _fields(layers: Any) -> list[Any]:
    from bpcompile.fields import normalised

    return [normalised(layer) for layer in layers]


# ---- Random pairs ------------------------------------------------------------------


@repeatable
@given(specs())
def test_equal_specs_differ_in_nothing(spec: NetworkSpec) -> None:
    other = NetworkSpec.model_validate_json(json.dumps(spec.resolved()))
    found = plans(spec, other)
    assert not found.differs and not of_specs(side(spec), side(other)).differs
    assert {pair.kind for pair in found.layers} == {SAME}
    assert found.text() == ""
    assert not list(hunks(side(spec).text, side(other).text))


MIRRORED = {INSERTED: REMOVED, REMOVED: INSERTED}


def mirrored(pair: LayerPair) -> tuple[Any, ...]:
    parts = [(part.part, part.after, part.before) for part in pair.parts]
    values = [(s.was, s.path, s.after, s.before) for s in pair.settings]
    facts = [(fact.name, fact.after, fact.before) for fact in pair.facts]
    kind = MIRRORED.get(pair.kind, pair.kind)
    return pair.right, pair.left, kind, sorted(pair.what), parts, sorted_(values), facts


def as_it_is(pair: LayerPair) -> tuple[Any, ...]:
    parts = [(part.part, part.before, part.after) for part in pair.parts]
    values = [(s.path, s.was, s.before, s.after) for s in pair.settings]
    facts = [(fact.name, fact.before, fact.after) for fact in pair.facts]
    kind, what = pair.kind, sorted(pair.what)
    return pair.left, pair.right, kind, what, parts, sorted_(values), facts


def sorted_(values: list[Any]) -> list[Any]:
    return sorted(values, key=str)


@PAIRS
@given(pairs())
def test_swapping_the_sides_swaps_what_is_found(
    both: tuple[NetworkSpec, NetworkSpec],
) -> None:
    a, b = both
    one, other = map(side, both)  # each rendered once for both ways
    there, back = of_plans(one, other), of_plans(other, one)
    assert sorted_(list(map(mirrored, there.layers))) == sorted_(
        list(map(as_it_is, back.layers))
    )
    assert [(p.before, p.after) for p in there.parts] == [
        (p.after, p.before) for p in back.parts
    ]
    assert sorted_([(s.was, s.path, s.after, s.before) for s in there.settings]) == (
        sorted_([(s.path, s.was, s.before, s.after) for s in back.settings])
    )
    assert there.differs == back.differs == (digest(a) != digest(b))
    every_layer_stands_once(there, a, b)
    every_change_has_a_reason(there)


def every_layer_stands_once(found: Difference, a: NetworkSpec, b: NetworkSpec) -> None:
    lefts = sorted(pair.left for pair in found.layers if pair.left)
    rights = [pair.right for pair in found.layers if pair.right]
    assert lefts == list(range(1, len(a.layers) + 1))
    assert rights == list(range(1, len(b.layers) + 1))
    assert (found.layers[0].left, found.layers[-1].left) == (1, len(a.layers))


def every_change_has_a_reason(found: Difference) -> None:
    for pair in found.layers:
        assert pair.kind not in (SAME, RENUMBERED) or not (pair.what or pair.parts)
        for part in pair.parts:
            alone = pair.left is None or pair.right is None
            assert bool(part.why) != alone, part
    assert all(part.why for part in found.parts)


@PAIRS
@given(pairs())
def test_unified_diff_of_a_gives_b(both: tuple[NetworkSpec, NetworkSpec]) -> None:
    a, b = (side(spec).text for spec in both)
    assert applied(a, hunks(a, b)) == b


def applied(text: str, found: Any) -> str:
    """The text with the hunks applied, each of which must fit exactly."""
    lines = text.split("\n")
    made, at = [], 0
    for hunk in found:
        start = hunk.start_a - 1
        made += lines[at:start]
        old = [line[1:] for line in hunk.lines if line[0] in " -"]
        new = [line[1:] for line in hunk.lines if line[0] in " +"]
        assert (len(old), len(new)) == (hunk.count_a, hunk.count_b)
        assert len(made) == hunk.start_b - 1
        assert lines[start : start + len(old)] == old
        made, at = made + new, start + len(old)
    return "\n".join(made + lines[at:])


# ---- Field by field ----------------------------------------------------------------

WORDS = sorted(
    {"float32", "float64", "classification", "regression", "cost", "accuracy", "step"}
    | {"epoch", "other"}
    | {
        kind
        for registry in (ACTIVATIONS, COSTS, INITIALIZERS, OPTIMIZERS, SCALINGS)
        for kind in registry
    }
    | set(SCHEDULES)
)
EVERYTHING: dict[str, Any] = {
    "name": "everything",
    "description": "All keys that a spec has.",
    "layers": [
        {"size": 5, "dropout": 0.1, "scaling": {"kind": "divide", "by": 2}},
        {"size": 4, "activation": {"kind": "elu", "alpha": 0.5}, "dropout": 0.5},
        {
            "size": 3,
            "activation": "own",
            "initializer": {"kind": "constant", "value": 1},
        },
        {"size": 2, "activation": "softmax", "bias_initializer": "zeros"},
    ],
    "cost": {"kind": "log_likelihood", "label_smoothing": 0.1},
    "operators": {"activations": {"own": {"formula": "z / (2 + abs(z))"}}},
    "hyperparameters": {
        "optimizer": {"kind": "adam", "beta1": 0.8},
        "schedule": {"kind": "cosine", "unit": "step", "warmup": 2},
        "clipping": {"norm": 1.0},
        "regularization": {"l1": 0.1, "l2": 0.1, "max_norm": 2.0},
        "early_stopping": {"patience": 3},
        "validation_fraction": 0.2,
        "class_weights": [1.0, 2.0],
    },
}


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, held in items:
            yield from leaves(held, (*path, key))
    else:
        yield path


def variants(value: Any) -> Iterator[Any]:
    """Other values in the place of one."""
    if isinstance(value, str):
        yield from (f"{value} + 0", f"{value}1")
        yield from (word for word in WORDS if word != value)
    else:
        yield from (value + 1, value / 2)


def changed(fields: Any, path: tuple[Any, ...], value: Any) -> NetworkSpec | None:
    copy = held = json.loads(json.dumps(fields))
    # Another kind has other parameters, and begins with their defaults.
    path = path[:-1] if path[-1] == "kind" else path
    for key in path[:-1]:
        held = held[key]
    held[path[-1]] = value
    try:
        return NetworkSpec.model_validate_json(json.dumps(copy))
    except ValueError:
        return None


#: What cannot change alone: cost, output activation and task go together, and outputs
#: with class weights; another version needs another compiler.
BOUND = {
    ("version",),
    ("task",),
    ("cost", "kind"),
    ("layers", 3, "activation"),
    ("layers", 3, "size"),
}
FIELDS = [spec_of(**EVERYTHING).normalised(), load_spec(GALLERY[0]).normalised()]


@pytest.mark.parametrize("fields", FIELDS, ids=lambda fields: fields["name"])
def test_every_change_of_one_field_shows(fields: dict[str, Any]) -> None:
    spec = spec_of(**fields)
    for path in leaves(fields):
        held: Any = fields
        for key in path:
            held = held[key]
        others = [changed(fields, path, value) for value in variants(held)]
        valid = [other for other in others if other and digest(other) != digest(spec)]
        assert valid or path in BOUND, path
        for other in valid[:3]:
            pointer = "/" + "/".join(map(str, path)).removesuffix("/kind")
            found = of_specs(side(spec), side(other)).settings
            assert [s.place for s in found if pointer.startswith(s.place)], path
            found_in_plan = plans(spec, other)
            assert found_in_plan.differs and found_in_plan.text(), path


# ---- Layers ------------------------------------------------------------------------


def stack(*hidden: Any, **rest: Any) -> NetworkSpec:
    layers = [8, *hidden, 2]
    return spec_of(layers=layers, cost="cross_entropy", **rest)


RELU = {"size": 30, "activation": "relu"}
TANH = {"size": 30, "activation": "tanh"}


#: Hidden layers of A and of B, and what becomes of them.
STACKS: dict[str, tuple[list[Any], list[Any], list[tuple[Any, ...]]]] = {
    "inserted at the front": (
        [30],
        [100, 30],
        [(None, 2, INSERTED), (2, 3, CHANGED)],
    ),
    "inserted where there was none": ([], [30], [(None, 2, INSERTED)]),
    "inserted among equals": (
        [30] * 4,
        [30, 30, 7, 30, 30],
        [
            (2, 2, SAME),
            (3, 3, SAME),
            (None, 4, INSERTED),
            (4, 5, CHANGED),
            (5, 6, RENUMBERED),
        ],
    ),
    "removed": (
        [9, TANH, 11],
        [9, 11],
        [(2, 2, SAME), (3, None, REMOVED), (4, 3, CHANGED)],
    ),
    "resized": (
        [20, 30, 40],
        [20, 35, 40],
        [(2, 2, SAME), (3, 3, CHANGED), (4, 4, CHANGED)],
    ),
    "another activation": ([RELU], [TANH], [(2, 2, CHANGED)]),
    "resized or new, by what they are like": (
        [{**RELU, "dropout": 0.5}],
        [TANH, {**RELU, "size": 31, "dropout": 0.5}],
        [(None, 2, INSERTED), (2, 3, CHANGED)],
    ),
    "moved to the end": (
        [30, 40, 50],
        [40, 50, 30],
        [(3, 2, CHANGED), (4, 3, RENUMBERED), (2, 4, MOVED)],
    ),
    "nothing alike": (
        [20, 30],
        [50, 60, 70],
        [(2, 2, CHANGED), (3, 3, CHANGED), (None, 4, INSERTED)],
    ),
}


@pytest.mark.parametrize("name", STACKS)
def test_layers_are_aligned(name: str) -> None:
    before, after, expected = STACKS[name]
    assert of_layers(plans(stack(*before), stack(*after)))[1:-1] == expected


def price(a: list[Any], b: list[Any], at: Any) -> float:
    """What an alignment costs by the rules of `align`, of what is between the ends."""
    total = 0
    for left, right in at:
        if left is not None and right is not None:
            one, other = a[left], b[right]
            keys = {k for k in one | other if one.get(k) != other.get(k)}
            total += sum(PRICES.get(key, PRICE) for key in keys)
        else:
            layer, others = (a[left], b) if right is None else (b[right], a)
            total += MOVED_PRICE if layer in others[1:-1] else LEFT_OVER
    return total


def ways(n: int, m: int) -> Iterator[list[tuple[int | None, int | None]]]:
    """All alignments of n layers with m that keep their order, counted from 1."""
    for size in range(min(n, m) + 1):
        for lefts in itertools.combinations(range(1, n + 1), size):
            for rights in itertools.combinations(range(1, m + 1), size):
                alone = [(i, None) for i in range(1, n + 1) if i not in lefts]
                new = [(None, j) for j in range(1, m + 1) if j not in rights]
                yield [*zip(lefts, rights, strict=True), *alone, *new]


def test_no_way_is_cheaper_where_the_ends_differ() -> None:
    """The table against every alignment there is; equal ends are pairs beforehand."""
    rng = random.Random(5)
    kinds = [{"size": s, "activation": f} for s in (1, 2) for f in ("tanh", "relu")]
    ends = [[{"size": 7}], [{"size": 8}]]
    compared = 0
    while compared < 150:
        inner = [[rng.choice(kinds) for _ in range(rng.randint(1, 4))] for _ in "ab"]
        if inner[0][0] == inner[1][0] or inner[0][-1] == inner[1][-1]:
            continue
        compared += 1
        a, b = ([*ends[0], *layers, *ends[1]] for layers in inner)
        found: list[tuple[int | None, int | None]] = []
        for match in align(a, b)[1:-1]:
            left, right = match.left and match.left - 1, match.right and match.right - 1
            found += [(left, None), (None, right)] if match.moved else [(left, right)]
        best = min(price(a, b, way) for way in ways(*map(len, inner)))
        assert price(a, b, found) == best, (a, b)


def test_thousand_layers_are_compared_in_seconds() -> None:
    """Of random widths, so that no end is equal: a million cells of the table."""
    rng = random.Random(6)
    a, b = ([{"size": rng.randint(1, 9)} for _ in range(1000)] for _ in "ab")
    start = time.process_time()
    matches = align(a, b)
    # Measured: 1.1 s.
    assert time.process_time() - start < 10
    assert [match.right for match in matches if match.right] == list(range(1, 1001))


def test_beyond_the_limit_layers_are_paired_in_order() -> None:
    a = [{"size": i} for i in range(3000)]
    b = [{"size": -i} for i in range(2900)]
    found = [(match.left, match.right) for match in align(a, b)]
    assert found[:2] == [(1, 1), (2, 2)] and found[-1] == (3000, 2900)
    assert found[-2] == (2999, None)


# ---- Why ---------------------------------------------------------------------------

#: What B has besides, with the part that differs for it and words of its reason.
REASONS: dict[str, tuple[dict[str, Any], str, str]] = {
    "z is read": (
        {"layers": [4, {"size": 3, "activation": "gelu"}, 2]},
        FEEDFORWARD,
        "z is kept beside a, because gelu' reads it",
    ),
    "another prime": (
        {"layers": [4, {"size": 3, "activation": "tanh"}, 2]},
        "BP2",
        "tanh' takes the place of σ'",
    ),
    "what cancels": (
        {
            "layers": [4, 3, {"size": 2, "activation": "softmax"}],
            "cost": "log_likelihood",
        },
        "BP1",
        "log-likelihood cancels the Jacobian; before, cross-entropy cancelled σ'",
    ),
    "what does not": (
        {"cost": "quadratic"},
        "BP1",
        "nothing cancels between quadratic cost and σ; before, cross-entropy cancelled σ'",
    ),
    "dropout": (
        {"layers": [4, {"size": 3, "dropout": 0.5}, 2]},
        "BP4",
        "it reads what dropout keeps of the layer below",
    ),
    "an optimizer": (
        {"hyperparameters": {"optimizer": "momentum"}},
        UPDATE,
        "SGD with momentum takes the place of SGD; it keeps v of every parameter",
    ),
    "a penalty": (
        {"hyperparameters": {"regularization": {"l2": 0.1}}},
        UPDATE,
        "the penalty λ/2n Σ w² multiplies the weights by 1 - η λ/n",
    ),
    "a limit": (
        {"hyperparameters": {"clipping": {"value": 0.1}}},
        UPDATE,
        "every entry of the gradient is limited",
    ),
}


@pytest.mark.parametrize("name", REASONS)
def test_reason(name: str) -> None:
    fields, part, words = REASONS[name]
    plain = {"layers": [4, 3, 2], "cost": "cross_entropy"}
    found = plans(spec_of(**plain), spec_of(**{**plain, **fields}))
    changes = [*found.parts, *(part for pair in found.layers for part in pair.parts)]
    reasons = [change.why for change in changes if change.part == part]
    assert len(reasons) == 1 and reasons[0].endswith(words), reasons


def test_parameter_of_an_activation_that_its_formula_does_not_show() -> None:
    a, b = (
        stack({"size": 3, "activation": {"kind": "elu", "alpha": x}}) for x in (1, 2)
    )
    found = plans(a, b)
    assert [part.part for part in found.layers[1].parts] == [FEEDFORWARD, "BP2"]


# ---- Targets -----------------------------------------------------------------------


@pytest.mark.parametrize("other", [t for t in EVERY_TARGET if t != "numpy"])
@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_two_targets_of_one_spec_differ_in_words_alone(path: Any, other: str) -> None:
    spec = load_spec(path)
    found = of_plans(side(spec), side(spec, other))
    assert not (found.settings or found.parts)
    assert not [fact for fact in found.facts if fact.changed]
    for pair in found.layers[1:]:
        assert (pair.kind, pair.what) == (CHANGED, ("words",))
        assert {FEEDFORWARD, UPDATE} <= {part.part for part in pair.parts}
        for part in pair.parts:
            assert part.before == part.after
            (passage,) = (p for p in pair.code if p.part == part.part)
            assert passage.before != passage.after


# ---- Numbers of layers -------------------------------------------------------------


def test_neighbours_alone_are_relative() -> None:
    assert relative("δ² = (w³)ᵀ δ³ ⊙ σ'(z²)", 2) == relative(
        "δ⁹ = (w¹⁰)ᵀ δ¹⁰ ⊙ σ'(z⁹)", 9
    )
    assert relative("w² a¹", 2) != relative("w³ a¹", 3)


def test_only_renumbered_layers_are_folded_to_one_line() -> None:
    a = stack(*[30] * 6)
    b = stack(30, 30, 7, *[30] * 4)
    lines = plans(a, b).text().splitlines()
    at = lines.index("")
    assert lines[at + 1 :] == [
        "layer 4 inserted: 7 neurons, sigmoid, 217 parameters",
        "layer 5 (was 4): inputs 30 -> 7",
        "layers 6 to 9 (were 5 to 8) only renumbered",
    ]


def test_public_function_takes_specs_and_files() -> None:
    path = SPECS / "xor.json"
    spec = load_spec(path)
    assert not diff(path, path) and not diff(spec, str(path), "code")
    for level in LEVELS:
        found = diff(path, spec.model_copy(update={"name": "other"}), level)
        assert found.differs and found.level == level


def test_files_without_a_last_line_end() -> None:
    (hunk,) = hunks("a\nb", "a\nc\n")
    assert hunk.lines == (" a", "-b", NO_END, "+c")
