"""A space file: what may stand in it, and that every mistake is told with its place."""

from __future__ import annotations

import json
import pathlib
import tomllib
from typing import Any

import pytest
from support import SPECS

from bpcompile.api import load_document, load_spec
from bpcompile.errors import SpecErrors
from bpcompile.source import Document
from bpcompile.source.override import overridden
from bpcompile.source.scanner import read_json
from bpcompile.tuning.best import spec_text
from bpcompile.tuning.checking import check_space
from bpcompile.tuning.reading import SpaceFile, read_space
from bpcompile.tuning.space import Space
from bpcompile.tuning.variants import assignments, chosen
from bpcompile.validate import validate

DIGITS = SPECS / "digits.json"
SIZES = {"count": {"int": [1, 2]}, "size": {"int": [20, 40]}}
RATE = "hyperparameters.learning_rate"


def space_of(tmp_path: pathlib.Path, text: str) -> SpaceFile:
    (tmp_path / "space.json").write_text(text, encoding="utf-8")
    return read_space(str(tmp_path / "space.json"))


def told(tmp_path: pathlib.Path, text: str, spec: Any = DIGITS) -> list[str]:
    """`line:column code message` of each mistake in a space for a spec."""
    with pytest.raises(SpecErrors) as found:
        check_space(load_document(spec), space_of(tmp_path, text))
    errors = found.value.errors
    return [
        f"{e.place.line}:{e.place.column} {e.code} {e.message}"
        + (f"; {e.hint}" if e.hint else "")
        for e in errors
    ]


def variants(space: Space, pick: int) -> dict[str, Any]:
    """The values of a variant: of each parameter the first end, or the last (-1)."""
    return chosen(space, lambda _, values: [*values.ends.values()][pick])


#: A space on one line and what is said of it.
MISTAKES: list[tuple[str, str]] = [
    ("[]", "1:1 wrong-type the space is an array, expected an object"),
    ("{}", "1:1 conflict the space has nothing to search; such as "),
    ('{"set": {"a": 5}}', "1:15 wrong-type /set/a is 5, expected an object"),
    (
        '{"sets": {}, "set": {"name": {"choices": ["a"]}}}',
        '1:2 unknown-key /sets is not a key of a space; did you mean "set"? (one of: '
        "version, set, hidden_layers)",
    ),
    (
        '{"version": 2, "set": {"name": {"choices": ["a"]}}}',
        "1:13 unknown-value /version is 2, expected 1",
    ),
    (
        '{"set": {"name": {"float": [1, 2], "choices": ["a"]}}}',
        "1:47 conflict /set/name/choices has float and choices, expected one of: int, "
        "float, choices",
    ),
    (
        '{"set": {"name": {"log": true}}}',
        "1:18 conflict /set/name has no values, expected one of: int, float, choices",
    ),
    (
        f'{{"set": {{"{RATE}": {{"float": [2, 0.1]}}}}}}',
        f"1:53 conflict /set/{RATE}/float goes from 2 to 0.1; write the lower number "
        "first",
    ),
    (
        f'{{"set": {{"{RATE}": {{"float": [0, 1], "log": true}}}}}}',
        f"1:53 conflict /set/{RATE}/float begins at 0, which has no logarithm",
    ),
    (
        f'{{"set": {{"{RATE}": {{"float": [0.1, 1], "step": 0.2}}}}}}',
        f"1:71 conflict /set/{RATE}/step is 0.2; 0.1 to 1 is no whole number of them",
    ),
    (
        '{"set": {"layers[1].size": {"int": [1, 2.5]}}}',
        "1:40 wrong-type /set/layers[1].size/int/1 is 2.5, expected a whole number",
    ),
    (
        '{"set": {"layers[1].size": {"choices": [5, 5]}}}',
        "1:40 conflict /set/layers[1].size/choices names a value twice",
    ),
    (
        '{"set": {"layers[1].size": {"int": [1, 9], "step": 2.5}}}',
        "1:52 conflict /set/layers[1].size/step is 2.5, expected a whole number of an "
        "int",
    ),
    (
        '{"hidden_layers": {"size": {"int": [1, 9]}}}',
        '1:19 missing-key /hidden_layers/count is missing; add "count"',
    ),
    (
        '{"hidden_layers": {"count": {"float": [1, 2]}}}',
        "1:29 conflict /hidden_layers/count takes int or choices, from 0 to 100 layers",
    ),
    # What the spec's own schema says, at the place in the space.
    (
        '{"set": {"hyperparameters.learning_rat": {"float": [0.1, 1]}}}',
        "1:10 unknown-key /hyperparameters/learning_rat is not a key of the spec; did "
        'you mean "learning_rate"?',
    ),
    (
        f'{{"set": {{"{RATE}": {{"float": [0, 1]}}}}}}',
        "1:54 out-of-range /hyperparameters/learning_rate is 0.0, expected more than 0",
    ),
    (
        '{"set": {"layers[1].activation": {"choices": ["relu", "gelou"]}}}',
        '1:55 unknown-value /layers/1/activation is "gelou"; did you mean "gelu"?',
    ),
    (
        '{"set": {"layers[1].dropout": {"float": [0, 1]}}}',
        "1:45 out-of-range /layers/1/dropout is 1.0, expected less than 1",
    ),
    (
        '{"set": {"layers[7].size": {"int": [1, 2]}}}',
        "1:10 out-of-range /layers has no element 7; it has 3, counted from 0",
    ),
    (
        '{"set": {"layers.1.size": {"int": [1, 2]}}}',
        "1:10 syntax /set/layers.1.size: malformed assignment: expected PATH=VALUE, got "
        '"1"; an index goes in brackets: layers[1].size',
    ),
    (
        '{"set": {"name=x": {"choices": ["a"]}}}',
        '1:10 syntax /set/name=x: malformed assignment: expected PATH=VALUE, got "="',
    ),
    (
        '{"set": {"cost": {"choices": ["quadratic", "cross_entropy"]}}}',
        "1:44 conflict ",
    ),
    (
        '{"hidden_layers": {"count": {"int": [1, 2]}, "sizee": {"int": [1, 2]}}}',
        '1:46 unknown-key /layers/1/sizee is not a key of the spec; did you mean "size"?',
    ),
    (
        '{"hidden_layers": {"count": {"int": [1, 2]}, "size": {"int": [0, 2]}}}',
        "1:63 out-of-range /layers/1/size is 0, expected at least 1",
    ),
]


@pytest.mark.parametrize("text, message", MISTAKES)
def test_mistake_is_told_with_its_place(
    tmp_path: pathlib.Path, text: str, message: str
) -> None:
    found = told(tmp_path, text)
    assert any(line.startswith(message) for line in found), found


def test_every_mistake_is_told_once(tmp_path: pathlib.Path) -> None:
    text = (
        f'{{"set": {{"{RATE}": {{"float": [0, 1]}},\n'
        '"hyperparameters.epochss": {"int": [1, 2]}},\n'
        '"hidden_layers": {"count": {"int": [1, 3]}, "sizee": {"int": [1, 2]}}}'
    )
    places = [line.split()[0] for line in told(tmp_path, text)]
    assert places == ["1:54", "2:1", "3:45"]


@pytest.mark.parametrize("other", ["layers", "layers[2].size", "layers[1].activation"])
def test_hidden_layers_and_paths_into_them_exclude_each_other(
    tmp_path: pathlib.Path, other: str
) -> None:
    space = {"set": {other: {"choices": [1]}}, "hidden_layers": SIZES}
    (found,) = told(tmp_path, json.dumps(space))
    assert "conflict" in found
    assert "hidden_layers writes all layers but the first" in found


def test_paths_of_which_one_stands_in_the_other_are_refused(
    tmp_path: pathlib.Path,
) -> None:
    adam = {"choices": ["adam", "sgd"]}
    space = {
        "set": {
            "hyperparameters.optimizer": adam,
            "hyperparameters.optimizer.beta1": {"float": [0.5, 0.9]},
        }
    }
    (found,) = told(tmp_path, json.dumps(space))
    assert "it is hyperparameters.optimizer, or one of the two stands in" in found


def test_values_that_only_go_together_are_not_refused(tmp_path: pathlib.Path) -> None:
    """A cost that this output cannot have, until the output is another one too."""
    cost = {"choices": ["log_likelihood", "cross_entropy"]}
    both = {"cost": cost, "layers[2].activation": {"choices": ["softmax", "sigmoid"]}}
    check_space(load_document(DIGITS), space_of(tmp_path, json.dumps({"set": both})))
    (found,) = told(tmp_path, json.dumps({"set": {"cost": cost}}))
    assert 'where cost is "cross_entropy"' in found


@pytest.mark.parametrize("pick", [0, -1])
def test_variant_has_its_values_and_what_the_spec_says_elsewhere(
    tmp_path: pathlib.Path, pick: int
) -> None:
    space = space_of(
        tmp_path,
        json.dumps(
            {
                "set": {
                    RATE: {"float": [0.1, 2.5]},
                    "layers[0].dropout": {"choices": [0, 0.1]},
                },
                "hidden_layers": {
                    "count": {"int": [0, 3]},
                    "size": {"int": [20, 40]},
                    "activation": {"choices": ["tanh", "elu"], "shared": True},
                },
            }
        ),
    )
    document = load_document(DIGITS)
    check_space(document, space)
    values = variants(space.space, pick)
    given = assignments(document, space.space, values)
    spec = validate(overridden(document, given))
    assert spec.hyperparameters.learning_rate == [0.1, 2.5][pick]
    assert spec.layers[0].dropout == [0, 0.1][pick]
    first, *hidden, last = spec.layers
    assert [layer.size for layer in hidden] == [[], [40, 40, 40]][pick]
    assert {layer.activation.kind for layer in hidden} == [set(), {"elu"}][pick]
    assert (first.size, first.scaling.kind, last.size) == (64, "divide", 10)
    # The compiler takes them as they are: the contract of a trial is public.
    assert load_spec(DIGITS, given) == spec


def test_hidden_layers_of_a_spec_without_any(tmp_path: pathlib.Path) -> None:
    spec = tmp_path / "flat.json"
    spec.write_text('{"layers": [4, 2], "cost": "cross_entropy"}')
    space = space_of(tmp_path, json.dumps({"hidden_layers": SIZES}))
    document = load_document(spec)
    check_space(document, space)
    values = variants(space.space, -1)
    made = overridden(document, assignments(document, space.space, values))
    assert [layer.size for layer in validate(made).layers] == [4, 40, 40, 2]
    lone = json.dumps({"hidden_layers": {"count": {"int": [0, 2]}}})
    assert "missing" in told(tmp_path, lone, spec)[0]


def test_space_may_be_toml(tmp_path: pathlib.Path) -> None:
    text = f'[set."{RATE}"]\nfloat = [0.1, 1.0]\nlog = true\n[hidden_layers]\ncount = {{int = [1, 2]}}\n'
    path = tmp_path / "space.toml"
    path.write_text(text)
    assert tomllib.loads(text)["set"][RATE]["log"]
    space = read_space(str(path)).space
    assert space.set[RATE].bounds == (0.1, 1.0)
    path.write_text(text.replace("0.1", "0"))
    with pytest.raises(SpecErrors, match=r"2:9: error.conflict.: .* no logarithm"):
        read_space(str(path))


# ---- The best spec, written out ----------------------------------------------------


def document_of(text: str) -> Document:
    return read_json(text, "spec.json")


def test_text_of_a_spec_that_has_not_changed_is_its_text() -> None:
    """Of the whole gallery: order, lines, indents and literals are the author's."""
    for path in sorted(SPECS.glob("**/*.json")):
        text = path.read_text(encoding="utf-8")
        document = read_json(text, path.name)
        assert spec_text(document, document) == text, path


def test_text_of_a_changed_spec_differs_where_it_changed() -> None:
    text = DIGITS.read_text(encoding="utf-8")
    document = document_of(text)
    given = (f"{RATE}=0.25", "hyperparameters.clipping.norm=1", "layers[1].size=90")
    changed = spec_text(overridden(document, given), document)
    expected = (
        text.replace('"learning_rate": 0.6', '"learning_rate": 0.25')
        .replace('"size": 200', '"size": 90')
        .replace('{"l2": 0.1}', '{"l2": 0.1},\n    "clipping": {"norm": 1}')
    )
    assert changed == expected


def test_literals_indents_and_long_lines_are_kept() -> None:
    text = (
        '{\n\t"layers": [2, 1],\n\t"cost": "quadratic",\n'
        '\t"description": "ü \\" \\u2028",\n\t"hyperparameters": {"learning_rate": 1E-2}\n}\n'
    )
    document = document_of(text)
    changed = spec_text(overridden(document, ["hyperparameters.epochs=7"]), document)
    assert '{"learning_rate": 1E-2, "epochs": 7}' in changed
    assert json.loads(changed)["description"] == 'ü " \u2028'
    assert changed.startswith('{\n\t"layers": [2, 1],\n\t"cost"')
