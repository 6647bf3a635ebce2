"""The JSON Schema says of a spec's structure what the compiler says of it."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from pydantic import Field
from random_specs import repeatable, specs
from support import ROOT, SPECS, bpcompile

from bpcompile import operators
from bpcompile.errors import SpecErrors
from bpcompile.fields import OneOf, Operator, Section
from bpcompile.meant import keys_of
from bpcompile.operators import COSTS
from bpcompile.operators.entry import Entry, Parameter
from bpcompile.schema import json_schema, schema_text
from bpcompile.sections import Hyperparameters, InputLayer, Layer
from bpcompile.source.scanner import read_json
from bpcompile.spec import NetworkSpec, digest
from bpcompile.validate import validate

SCHEMA = json_schema()
VALIDATOR = Draft7Validator(SCHEMA)

MESSAGES = sorted(ROOT.glob("tests/messages/*.json"))
GALLERY = sorted([*SPECS.glob("*.json"), *ROOT.glob("bpcompile/starts/*.json")])

#: What the compiler alone can say: the rules over more than one field.
BEYOND = {"conflict", "formula"}
BEYOND_FILES = {
    "name_with_line_end",  # `$` of ECMA 262 is the end, that of Python's re is not
    "number_inexact_divisor",  # a schema's numbers have all their digits
    "version_float",  # 1.0 is a whole number there
}


def codes_of(spec: Any) -> set[str]:
    """The compiler's codes for a JSON value, without those beyond a schema's reach."""
    try:
        validate(read_json(json.dumps(spec).encode(), "spec.json"))
    except SpecErrors as refused:
        codes = {error.code for error in refused.errors} - BEYOND
        # Where a spec has operators of its own, a schema does not know which.
        own = isinstance(spec, dict) and "operators" in spec
        return codes - {"unknown-value"} if own else codes
    return set()


def agreed(spec: Any) -> bool:
    """Whether the spec's structure is valid, by both."""
    codes = codes_of(spec)
    assert VALIDATOR.is_valid(spec) == (not codes), (spec, codes)
    return not codes


# ---- Specs as a user may write them, right and wrong -------------------------------


def _numbers(parameter: Parameter) -> st.SearchStrategy[Any]:
    low = parameter.above if parameter.above is not None else parameter.at_least
    high = parameter.below if parameter.below is not None else parameter.at_most
    low, high = low or 0.0, 1e6 if high is None else high
    if parameter.words:
        return st.sampled_from(parameter.words)
    if parameter.whole:
        return st.integers(int(low) + 1, max(int(low) + 1, min(int(high) - 1, 1000)))
    return st.floats(low, high, exclude_min=True, exclude_max=True)


@st.composite
def _operator(draw: st.DrawFn, registry: Mapping[str, Entry]) -> Any:
    entry = draw(st.sampled_from(tuple(registry.values())))
    chosen: dict[str, Any] = {"kind": entry.kind}
    for parameter in entry.parameters:
        if parameter.default is None or draw(st.booleans()):
            chosen[parameter.name] = draw(_numbers(parameter))
    return entry.kind if len(chosen) == 1 and draw(st.booleans()) else chosen


def _fields(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=values)


SIZES = st.integers(1, 5)
SHARES = st.floats(0.01, 0.99)
POSITIVE = st.floats(1e-3, 1e3)

FIRST = st.one_of(
    SIZES,
    st.fixed_dictionaries(
        {"size": SIZES},
        optional={"scaling": _operator(operators.SCALINGS), "dropout": SHARES},
    ),
)
LATER = st.one_of(
    SIZES,
    st.fixed_dictionaries(
        {"size": SIZES},
        optional={
            "activation": _operator(operators.ACTIVATIONS),
            "initializer": _operator(operators.INITIALIZERS),
            "bias_initializer": _operator(operators.INITIALIZERS),
            "dropout": SHARES,
        },
    ),
)
STOPPING = _fields(
    patience=SIZES, monitor=st.sampled_from(["auto", "accuracy", "cost"])
)
FOLDS = st.integers(2, 9)
HYPERPARAMETERS = _fields(
    learning_rate=POSITIVE,
    mini_batch_size=SIZES,
    epochs=SIZES,
    seed=st.integers(0, 2**53 - 1),
    optimizer=_operator(operators.OPTIMIZERS),
    regularization=_fields(
        **{kind: POSITIVE for kind in operators.REGULARIZERS}, max_norm=POSITIVE
    ),
    clipping=_fields(value=POSITIVE, norm=POSITIVE),
    schedule=_operator(operators.SCHEDULES),
    early_stopping=st.none() | STOPPING,
    validation_fraction=st.none() | SHARES,
    validation_fold=st.none() | st.fixed_dictionaries({"number": FOLDS, "of": FOLDS}),
    class_weights=st.none() | st.lists(POSITIVE, max_size=3),
)
# Control characters are refused by the reader, wherever they stand.
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=9)
WRITTEN = st.fixed_dictionaries(
    {
        "layers": st.tuples(FIRST, LATER, st.lists(LATER, max_size=2)).map(
            lambda parts: [parts[0], parts[1], *parts[2]]
        ),
        "cost": _operator(operators.COSTS),
    },
    optional={
        "$schema": st.text("./abc", max_size=5),
        "version": st.just(1),
        "name": st.from_regex("[A-Za-z][A-Za-z0-9_]{0,5}", fullmatch=True),
        "description": st.none() | TEXTS,
        "dtype": st.sampled_from(["float32", "float64"]),
        "task": st.sampled_from([None, "classification", "regression"]),
        "hyperparameters": HYPERPARAMETERS,
    },
)

SECTIONS = (NetworkSpec, Hyperparameters, InputLayer, Layer)
KEYS = [*(key for model in SECTIONS for key in keys_of(model)), "kind", "Size", "l3"]

#: No whole number written as 1.0 and none that rounds: neither can be said in a schema.
JUNK: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 7, -0.5, 0.5, 1e300, 2**60, 10**10),
    *("", "nothing", "float64", "a b", "x" * 65, "x" * 2001),
    *([], [1], [None], {}, {"size": 3}, {"kind": "nothing"}, {"kind": 1}),
    {"kind": "sigmoid", "more": 1},
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, held in items:
            yield from places(held, (*path, key))


def holder_of(spec: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        spec = spec[key]
    return spec


def changed(spec: Any, path: tuple[Any, ...], key: str) -> Iterator[Any]:
    """The spec with one place replaced by each kind of junk, taken out or added to."""
    for junk in JUNK:
        other = copy.deepcopy(spec)
        holder_of(other, path)[path[-1]] = copy.deepcopy(junk)
        yield other
    without, more = copy.deepcopy(spec), copy.deepcopy(spec)
    del holder_of(without, path)[path[-1]]
    yield without
    holder = holder_of(more, path)
    if isinstance(holder, dict):
        holder[key] = 1
    else:
        holder.append(1)
    yield more


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A valid spec with one change anywhere."""
    spec = draw(WRITTEN)
    path = draw(st.sampled_from([path for path in places(spec) if path]))
    key = draw(st.sampled_from(KEYS))
    return draw(st.sampled_from(list(changed(spec, path, key))))


#: A spec in which every key stands; the kinds follow one by one.
WHOLE: dict[str, Any] = {
    "$schema": "./here.json",
    "version": 1,
    "name": "whole",
    "description": "all keys",
    "dtype": "float32",
    "task": "classification",
    "layers": [
        {"size": 3, "scaling": "none", "dropout": 0.1},
        {
            "size": 4,
            "activation": "sigmoid",
            "initializer": "scaled_normal",
            "bias_initializer": "standard_normal",
            "dropout": 0.1,
        },
        2,
    ],
    "cost": "cross_entropy",
    "hyperparameters": {
        "learning_rate": 0.5,
        "mini_batch_size": 10,
        "accumulate": 2,
        "epochs": 30,
        "seed": 0,
        "optimizer": "sgd",
        "regularization": {**dict.fromkeys(operators.REGULARIZERS, 0.1), "max_norm": 3},
        "clipping": {"value": 1, "norm": 1},
        "schedule": "constant",
        "early_stopping": {"patience": 3, "monitor": "auto"},
        "validation_fraction": 0.2,
        "validation_fold": {"number": 2, "of": 5},
        "class_weights": [1, 0.5],
    },
    "parallel": "none",
}

#: Where each registry's choices stand in it.
CHOICES: tuple[tuple[Mapping[str, Entry], tuple[Any, ...]], ...] = (
    (operators.SCALINGS, ("layers", 0, "scaling")),
    (operators.ACTIVATIONS, ("layers", 1, "activation")),
    (operators.INITIALIZERS, ("layers", 1, "initializer")),
    (operators.INITIALIZERS, ("layers", 1, "bias_initializer")),
    (operators.COSTS, ("cost",)),
    (operators.OPTIMIZERS, ("hyperparameters", "optimizer")),
    (operators.SCHEDULES, ("hyperparameters", "schedule")),
    (operators.PARALLELS, ("parallel",)),
)


# ---- Schema and compiler agree -----------------------------------------------------


def test_schema_is_a_schema_of_draft_7() -> None:
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    Draft7Validator.check_schema(SCHEMA)


#: All that a reader of draft-07 must know to read ours.
VOCABULARY = {
    *("$schema", "$ref", "title", "description", "default", "examples", "definitions"),
    *("type", "const", "enum", "anyOf", "allOf", "not", "if", "then"),
    *("pattern", "maxLength"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("items", "additionalItems", "minItems", "maxItems"),
    *("properties", "required", "additionalProperties"),
}


def parts(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every schema within a schema: what stands under the names of keys is one too."""
    yield node
    for word, held in node.items():
        inner: Any = ()
        if word in ("properties", "definitions"):
            inner = held.values()
        elif word in ("items", "anyOf", "allOf"):
            inner = held if isinstance(held, list) else [held]
        elif word in ("additionalItems", "additionalProperties"):
            inner = [held] if isinstance(held, dict) else []
        for part in inner:
            yield from parts(part)


def test_no_word_is_unknown_to_draft_7() -> None:
    # A reader skips what it does not know, and with it a limit.
    assert {word for part in parts(SCHEMA) for word in part} <= VOCABULARY


@repeatable
@given(WRITTEN)
def test_whatever_may_be_written_is_valid_for_both(spec: Any) -> None:
    assert agreed(spec)


@repeatable
@given(mutated())
def test_one_change_and_both_say_the_same(spec: Any) -> None:
    agreed(spec)


def test_whole_spec_with_each_place_changed_is_the_same_for_both() -> None:
    assert agreed(WHOLE)
    for keys, section in (
        (WHOLE, NetworkSpec),
        (WHOLE["hyperparameters"], Hyperparameters),
    ):
        assert {*keys, "operators"} == {*keys_of(section), "operators"}
    refused = 0
    for path in places(WHOLE):
        for spec in changed(WHOLE, path, "nothing") if path else JUNK:
            refused += not agreed(spec)
    assert refused > 500


def test_own_operators_with_each_place_changed_are_the_same_for_both() -> None:
    formula = {"formula": "z", "derivative": "1", "description": "", "range": [-1, 1]}
    own = {"activations": {"mine": formula}, "costs": {"ours": {"formula": "a"}}}
    spec = {"layers": [1, 1], "cost": "quadratic", "operators": own}
    assert agreed(spec)
    refused = 0
    for path in places(spec):
        if path[:1] == ("operators",):
            for other in changed(spec, path, "nothing"):
                refused += not agreed(other)
    assert refused > 30


def test_each_kind_with_each_parameter_changed_is_the_same_for_both() -> None:
    for registry, path in CHOICES:
        for kind, entry in registry.items():
            spec = copy.deepcopy(WHOLE)
            numbers = {
                p.name: (p.above or p.at_least or 0) + 1
                if p.default is None
                else p.default
                for p in entry.parameters
            }
            holder_of(spec, path)[path[-1]] = {"kind": kind, **numbers}
            assert agreed(spec)
            for name in ("kind", *numbers):
                for other in changed(spec, (*path, name), "nothing"):
                    agreed(other)


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_gallery_and_starts_are_valid_for_both(path: Any) -> None:
    assert agreed(json.loads(path.read_text("utf-8")))


def test_bad_specs_of_the_messages_are_refused_by_both() -> None:
    refused = 0
    for path in MESSAGES:
        said = path.with_suffix(".stderr").read_text("utf-8")
        # What is no JSON, or none that our reader takes, is nobody's value.
        if "error[syntax]" in said or "error[encoding]" in said:
            continue
        try:
            spec = json.loads(path.read_bytes())
        except ValueError:
            continue
        if path.stem not in BEYOND_FILES:
            refused += not agreed(spec)
    assert refused > 30


# ---- What a reader finds in it -----------------------------------------------------


def test_every_default_and_example_is_valid_where_it_stands() -> None:
    checked = 0
    for node in parts(SCHEMA):
        here = {**node, "definitions": SCHEMA["definitions"]}
        values = list(node.get("examples", []))
        values += [node["default"]] if "default" in node else []
        for value in values:
            assert Draft7Validator(here).is_valid(value), (node, value)
            checked += 1
    assert checked > 20


def test_every_kind_and_every_key_has_its_description() -> None:
    for node in parts(SCHEMA):
        if node.get("type") == "object" and "properties" in node:
            for key, part in node["properties"].items():
                assert part.get("description") or key == "kind", (node, key)
        assert "const" not in node or node.get("description") or node["const"] in KINDS


KINDS = {kind for name in operators.__all__ for kind in getattr(operators, name)}


def test_every_kind_can_be_chosen() -> None:
    chosen = {str(node["const"]) for node in parts(SCHEMA) if "const" in node}
    # A regularizer is a key of its section.
    assert chosen - {"1"} == KINDS - set(operators.REGULARIZERS)


def test_missing_parameter_is_named() -> None:
    divide = {"kind": "divide"}
    layers = [{"size": 2, "scaling": divide}, 1]
    (error,) = VALIDATOR.iter_errors({"layers": layers, "cost": "quadratic"})
    assert "'by' is a required property" in str([e.message for e in every(error)])


def every(error: Any) -> Iterator[Any]:
    yield error
    for inner in error.context or ():
        yield from every(inner)


def test_command_prints_the_same_bytes_whatever_the_hash_seed() -> None:
    for seed in "0", "1":
        done = bpcompile("schema", env={**os.environ, "PYTHONHASHSEED": seed})
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == schema_text()


class WithOwn(Section):
    """A spec as it is once it may bring its own costs."""

    cost: Annotated[Operator, OneOf(COSTS, "costs")]
    operators: dict[str, dict[str, str]] = Field(default={}, description="its own")


@pytest.mark.parametrize(
    ("cost", "with_operators", "without"),
    [
        ("quadratic", True, True),
        ({"kind": "quadratic"}, True, True),
        ("bent", True, False),
        ({"kind": "bent"}, True, False),
        ({"kind": "bent", "slope": 1}, False, False),
        ({"kind": "quadratic", "slope": 1}, False, False),
        (1, False, False),
    ],
)
def test_kind_of_the_specs_own_is_a_mistake_without_operators(
    cost: Any, with_operators: bool, without: bool
) -> None:
    schema = json_schema(WithOwn)
    Draft7Validator.check_schema(schema)
    validator = Draft7Validator(schema)
    own = {"costs": {"bent": "a - y"}}
    assert validator.is_valid({"cost": cost, "operators": own}) == with_operators
    assert validator.is_valid({"cost": cost}) == without


# ---- The resolved spec -------------------------------------------------------------


@repeatable
@given(specs())
def test_resolved_spec_is_the_same_spec_with_every_key(spec: NetworkSpec) -> None:
    resolved = spec.resolved()
    assert VALIDATOR.is_valid(resolved)
    again = validate(read_json(json.dumps(resolved).encode(), "spec.json"))
    assert digest(again) == digest(spec)
    assert again.resolved() == resolved
    hyper = resolved["hyperparameters"]
    assert set(hyper) == set(keys_of(Hyperparameters))
    assert set(resolved) == set(keys_of(NetworkSpec)) - {"$schema"}
    first, *later = resolved["layers"]
    assert set(first) == set(keys_of(InputLayer))
    assert all(set(layer) == set(keys_of(Layer)) for layer in later)
