"""The faults JSN, SPC and SIZ of the list of faults, each through the command line.

Where the contract says otherwise it holds: quadratic takes every output (SPC-06), version
is 1 where it is left out (SPC-10), and a formula has at most 1,000 characters (SIZ-02).
"""

from __future__ import annotations

import ast
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from source_helpers import SPEC, SUITE
from support import LONG, ROOT, bpcompile, text_of

from bpcompile.api import load_spec
from bpcompile.cli import main
from bpcompile.spec import digest

Check: TypeAlias = Callable[[str | bytes], str]
BASE = {"layers": [3, 4, 2], "cost": "quadratic"}

fault = pytest.mark.fault


@pytest.fixture
def refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Check:
    """What is said of a spec that must be refused, with exit code 2 and no result."""
    monkeypatch.chdir(tmp_path)

    def check(spec: str | bytes) -> str:
        Path("s.json").write_bytes(spec.encode() if isinstance(spec, str) else spec)
        assert main(["s.json"]) == 2, spec
        out, err = capsys.readouterr()
        assert out == ""
        assert re.match(r"s\.json:\d+:\d+: error\[[a-z-]+\]: ", err), err
        return str(err)

    return check


def accepted(spec: str, folder: Path) -> Path:
    path = folder / "s.json"
    path.write_text(spec)
    assert main(["check", str(path)]) == 0
    return path


def hyper(**fields: Any) -> str:
    return json.dumps({**BASE, "hyperparameters": fields})


def with_number(literal: str) -> str:
    """A spec with a number as it is written, where a float is wanted."""
    return hyper(learning_rate="@").replace('"@"', literal)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    start = time.process_time()
    yield
    assert time.process_time() - start < seconds


# ---- JSON --------------------------------------------------------------------------


@fault("JSN-01")
def test_duplicate_key(refused: Check) -> None:
    text = refused(
        '{\n"layers": [3, 2],\n"cost": "quadratic",\n\n\n  "lr": 1,\n  "lr": 2}'
    )
    assert text.startswith(
        's.json:7:3: error[duplicate-key]: duplicate key "lr", first'
    )
    assert 'duplicate key "lr", first at 6:3\n' in text


@fault("JSN-02")
def test_duplicate_key_through_an_escape(refused: Check) -> None:
    assert 'duplicate key "a", first at 1:2' in refused(r'{"a": 1, "\u0061": 2}')


@fault("JSN-03")
@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_none(token: str, refused: Check) -> None:
    text = refused(with_number(token))
    assert f": error[syntax]: {token} is not JSON; numbers must be finite" in text


@fault("JSN-05")
def test_underflow(refused: Check) -> None:
    assert "1e-400 underflows to 0" in refused(with_number("1e-400"))


@fault("JSN-06")
def test_negative_zero_is_zero(tmp_path: Path) -> None:
    found = set()
    for literal in ("0", "-0", "0.0", "-0.0", "-0e5"):
        layer = {"size": 2, "initializer": {"kind": "uniform", "low": "@", "high": 1}}
        fields = {
            "layers": [3, layer],
            "hyperparameters": {"regularization": {"l2": "@"}},
        }
        text = json.dumps({**BASE, **fields}).replace('"@"', literal)
        spec = load_spec(accepted(text, tmp_path))
        found.add((digest(spec), text_of(spec)))
    assert len(found) == 1


@fault("JSN-07")
@pytest.mark.parametrize(
    ("spec", "path", "limit"),
    [
        ('{"layers": [3, @], "cost": "quadratic"}', "/layers/1/size", "1000000"),
        (
            hyper(epochs="@").replace('"@"', "@"),
            "/hyperparameters/epochs",
            "1000000000",
        ),
    ],
)
def test_integers_of_30_digits(
    spec: str, path: str, limit: str, refused: Check
) -> None:
    number = "123456789012345678901234567890"
    expected = f"{path} is {number}, expected at most {limit}"
    assert expected in refused(spec.replace("@", number))


@fault("JSN-09")
def test_integer_that_no_float_holds(refused: Check) -> None:
    text = refused(with_number("9007199254740993"))
    assert (
        "which no float64 holds exactly; the nearest one is 9007199254740992.0" in text
    )


@fault("JSN-10")
@pytest.mark.parametrize(
    ("literal", "hint"),
    [("1.0", "; write 1\n"), ("1e3", "; write 1000\n"), ("1.5", "\n")],
)
def test_floats_where_an_integer_is_wanted(
    literal: str, hint: str, refused: Check
) -> None:
    text = refused(hyper(epochs="@").replace('"@"', literal))
    assert f"/epochs is {literal}, expected a whole number{hint}" in text


@fault("JSN-11")
@pytest.mark.parametrize("key", ["epochs", "learning_rate"])
@pytest.mark.parametrize("value", [True, False])
def test_booleans_are_no_numbers(key: str, value: bool, refused: Check) -> None:
    text = refused(hyper(**{key: value}))
    number = "a whole number" if key == "epochs" else "a number"
    assert f"/{key} is {str(value).lower()}, expected {number}" in text


@fault("JSN-13")
@pytest.mark.parametrize("document", ["null", "[1, 2]", '"a"', "7", "true"])
def test_documents_that_are_no_object(document: str, refused: Check) -> None:
    shown = "an array" if document[0] == "[" else document
    assert f"the spec is {shown}, expected an object" in refused(document)
    text = refused('{"layers": null, "cost": null}')
    assert "/layers is null, expected an array" in text
    assert "/cost is null, expected a string or an object" in text


@fault("JSN-14")
def test_byte_order_mark(refused: Check) -> None:
    assert "file starts with a UTF-8 BOM; save it without" in refused("\ufeff" + SPEC)


@fault("JSN-15")
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize(
    "encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
)
def test_other_encodings(encoding: str, bom: str, refused: Check) -> None:
    text = refused((bom + SPEC).encode(encoding))
    assert f"file is {encoding[:6].upper()}; save it as UTF-8" in text


@fault("JSN-17")
@pytest.mark.parametrize(
    ("spec", "place"),
    [('{"layers": [3, 2],\n}', "1:18"), ('{"layers": [3,\n2 ,]}', "2:3")],
)
def test_trailing_commas(spec: str, place: str, refused: Check) -> None:
    expected = f"s.json:{place}: error[syntax]: trailing comma; remove it"
    assert refused(spec).startswith(expected)


@fault("JSN-18")
@pytest.mark.parametrize("comment", ["// a", "/* a */", "# a"])
@pytest.mark.parametrize("at", [1, 20, 30, len(SPEC)])
def test_comments(comment: str, at: int, refused: Check) -> None:
    at = SPEC.index("\n", at - 1)
    text = refused(f"{SPEC[:at]} {comment}{SPEC[at:]}")
    assert "comments are not JSON; remove the comment" in text


@fault("JSN-19")
@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("'quadratic'", 'single quotes are not JSON; use double quotes (")'),
        ("quadratic", 'got quadratic; write "quadratic" in double quotes'),
        (".5", "number .5 has no digit before its point; write 0.5"),
        ("5.", "number 5. has no digit after its point; write 5.0"),
        ("+1", 'number +1 starts with "+"; write 1'),
        ("01", "number 01 starts with 0; write 1"),
        ("0x10", "hexadecimal number 0x10 is not JSON; write 16"),
    ],
)
def test_what_other_languages_allow(written: str, said: str, refused: Check) -> None:
    text = refused(f'{{"layers": [3, 2],\n"cost": {written}}}')
    assert text.startswith("s.json:2:9: error[syntax]: ") and f"{said}\n" in text
    assert 'bare key cost; write "cost"' in refused('{"layers": [3, 2],\ncost: 1}')


@fault("JSN-21")
def test_truncated_at_every_byte(refused: Check) -> None:
    data = SPEC.replace('"name"', '"description": "é😀\\u00e9", "name"').encode()
    for cut in range(len(data) - 2):
        text = refused(data[:cut])
        expected = r"unexpected end of file: unclosed \w+, opened at \d+:\d+\n"
        if not data[:cut].strip():
            expected = "the file is empty"
        elif data[:cut] != data[:cut].decode(errors="ignore").encode():
            expected = "unexpected end of file in a UTF-8 character"
        assert re.search(expected, text), (cut, text)


@fault("JSN-22")
@pytest.mark.parametrize("after", ["{}", "x", "\0", "}", "[]", ", {}"])
def test_text_after_the_document(after: str, refused: Check) -> None:
    text = refused(SPEC + after)
    line = SPEC.count("\n") + 1
    assert text.startswith(
        f"s.json:{line}:1: error[syntax]: extra text after the object"
    )


@fault("JSN-23")
@pytest.mark.parametrize("control", ["\t", "\n", "\x00", "\x1f"])
def test_control_characters_in_strings(control: str, refused: Check) -> None:
    text = refused(f'{{\n"name": "a{control}"}}')
    expected = f"control character U+{ord(control):04X} in a string"
    assert text.startswith(f"s.json:2:11: error[syntax]: {expected}")


@fault("JSN-25")
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_columns_are_characters_for_all_line_ends(end: str, refused: Check) -> None:
    spec = f'{{{end}\t"layers": [3, 2],{end}\t"description": "😀\u2028", "cost": "quadratc"}}'
    text = refused(spec)
    assert text.startswith("s.json:3:31: error[unknown-value]: /cost is ")
    assert refused(spec.replace('"quadratc"', "@")).startswith("s.json:3:31: ")


@fault("JSN-26")
@pytest.mark.parametrize("depth", [65, 201, 995, 100_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_depth(depth: int, opening: str, refused: Check) -> None:
    with within(0.1):
        text = refused(opening * depth)
    column = 64 * len(opening) + 1
    expected = f"s.json:1:{column}: error[too-large]: nested too deeply (at most 64)"
    assert text.startswith(expected)


@fault("JSN-27")
def test_what_is_no_file_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with open("large.json", "wb") as file:
        file.truncate(2**30)
    os.mkfifo("fifo.json")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.json")
        for name, reason in {
            "large.json": "larger than 8 MiB",
            "fifo.json": "not a regular file",
            "socket.json": "not a regular file",
            "/dev/zero": "not a regular file",
            ".": "it is a directory",
        }.items():
            for command in ([name], ["check", name], ["diff", name, name]):
                with within(1):
                    assert main(command) == 2
                out, err = capsys.readouterr()
                assert (out, err) == ("", f"bpcompile: cannot read {name}: {reason}\n")


@fault("JSN-27")
def test_endless_standard_input_ends() -> None:
    with open("/dev/zero", "rb") as zero:
        done = bpcompile("-", stdin=zero)
    expected = "<stdin>:1:1: error[too-large]: larger than 8 MiB\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", expected)


def suite(pattern: str) -> list[Path]:
    if not SUITE.is_dir():
        pytest.skip("JSONTestSuite is not in ../shared")
    return sorted(SUITE.glob(pattern))


@fault("JSN-29")
def test_suite_files_that_are_no_json(refused: Check) -> None:
    files = suite("n_*.json")
    assert len(files) == 188
    for path in files:
        refused(path.read_bytes())


@fault("JSN-30")
def test_suite_files_that_are_json(refused: Check) -> None:
    """No file is a spec. That control characters are refused and keys are unique are
    rules of the spec language, not of JSON."""
    files = suite("y_*.json")
    assert len(files) == 95
    for path in files:
        assert "error[syntax]" not in refused(path.read_bytes()), path.name


# ---- The spec ----------------------------------------------------------------------


@fault("SPC-01")
def test_unknown_key(refused: Check) -> None:
    text = refused(
        '{"layers": [3, 2], "cost": "quadratic",\n"hyperparameters": {\n'
        '  "learning_rte": 1}}'
    )
    expected = "/hyperparameters/learning_rte is not a key of the spec"
    assert text.startswith(f"s.json:3:3: error[unknown-key]: {expected}; ")
    assert 'did you mean "learning_rate"?' in text


@fault("SPC-02")
def test_unknown_word(refused: Check) -> None:
    def activation(word: str) -> str:
        layer = {"size": 2, "activation": word}
        return refused(json.dumps({"layers": [3, layer], "cost": "quadratic"}))

    text = activation("sigmod")
    assert 'did you mean "sigmoid"? (one of: identity, sigmoid, tanh, relu, ' in text
    for nonsense in ("banana", "convolution", "xx", "q"):
        text = activation(nonsense)
        assert "did you mean" not in text and "one of: identity, sigmoid, " in text


@fault("SPC-03")
def test_kind_misspelt_or_missing(refused: Check) -> None:
    text = refused(hyper(optimizer={"kind": "adm", "epsilon": 1e-8}))
    assert "/hyperparameters/optimizer/kind is " in text and "one of: sgd, " in text
    assert text.count("error[") == 1
    text = refused(hyper(optimizer={"epsilon": 1e-8}))
    assert (
        '/hyperparameters/optimizer has no "kind"' in text and "one of: sgd, " in text
    )
    assert text.count("error[") == 1


@fault("SPC-05")
@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ("[]", "/layers has fewer than two layers"),
        ("[3]", "/layers has fewer than two layers"),
        ("[3, 0]", "/layers/1/size is 0, expected at least 1"),
        ("[3, -1]", "/layers/1/size is -1, expected at least 1"),
        ("[3, 1.5]", "/layers/1 is 1.5, expected a whole number"),
        ("[3, 1000000000]", "/layers/1/size is 1000000000, expected at most 1000000"),
        ("[1000000, 1000000]", "weights and biases, at most 1000000000 are allowed"),
    ],
)
def test_layers_out_of_range(layers: str, said: str, refused: Check) -> None:
    assert said in refused(f'{{"layers": {layers}, "cost": "quadratic"}}')


@fault("SPC-06")
@pytest.mark.parametrize(
    ("activation", "cost", "way_out"),
    [
        ("sigmoid", "log_likelihood", 'give the last layer "activation": "softmax"'),
        ("softmax", "cross_entropy", 'use "log_likelihood"'),
        ("tanh", "cross_entropy", 'give the last layer "activation": "sigmoid"'),
        ("sigmoid", "hinge", 'give the last layer "activation": "identity" or "tanh"'),
        ("relu", "poisson", 'give the last layer "activation": "exp" or'),
    ],
)
def test_pairs_that_do_not_go_together(
    activation: str, cost: str, way_out: str, refused: Check, tmp_path: Path
) -> None:
    layer = {"size": 2, "activation": activation}
    text = refused(json.dumps({"layers": [3, layer], "cost": cost}))
    assert f"which does not go with {activation} outputs" in text and way_out in text
    layer["activation"] = "softmax"
    accepted(json.dumps({"layers": [3, layer], "cost": "quadratic"}), tmp_path)


@fault("SPC-07")
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"learning_rate": 0}, "learning_rate is 0, expected more than 0"),
        ({"learning_rate": -1}, "learning_rate is -1, expected more than 0"),
        ({"learning_rate": 1e308}, "learning_rate is 1e+308, expected at most 1000000"),
        (
            {"optimizer": {"kind": "momentum", "mu": 1}},
            "optimizer/mu is 1, expected less than 1",
        ),
        ({"mini_batch_size": 0}, "mini_batch_size is 0, expected at least 1"),
        ({"epochs": 0}, "epochs is 0, expected at least 1"),
        ({"seed": -1}, "seed is -1, expected at least 0"),
        ({"seed": 2**64}, f"seed is {2**64}, expected at most {2**53 - 1}"),
    ],
)
def test_hyperparameters_out_of_range(
    fields: dict[str, Any], said: str, refused: Check
) -> None:
    assert f"/hyperparameters/{said}\n" in refused(hyper(**fields))
    layers = [3, {"size": 4, "dropout": 1.0}, 2]
    text = refused(json.dumps({**BASE, "layers": layers}))
    assert "/layers/1/dropout is 1.0, expected less than 1\n" in text


@fault("SPC-09")
def test_a_hundred_mistakes(refused: Check) -> None:
    layers = [3, *[{"size": 0}] * 100]
    text = refused(json.dumps({**BASE, "layers": layers}, indent=1))
    lines = [int(n) for n in re.findall(r"^s\.json:(\d+):", text, re.MULTILINE)]
    assert len(lines) == 20 and lines == sorted(lines)
    assert text.endswith("\n... and 80 more errors\n")


@fault("SPC-10")
def test_versions(refused: Check, tmp_path: Path) -> None:
    for version in (9, 2, 0, -1):
        text = refused(json.dumps({"version": version, **BASE}))
        said = f"/version is {version}, which bpcompile 0.1.0 cannot read; write 1\n"
        assert said in text
    accepted(json.dumps(BASE), tmp_path)


@fault("SPC-11")
def test_every_example_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    specs = [*ROOT.glob("specs/**/*.json"), *ROOT.glob("tests/goldens/**/*.json")]
    assert len(specs) > 10
    for spec in specs:
        if '"layers"' in spec.read_text("utf-8"):
            assert main(["check", str(spec)]) == 0, capsys.readouterr().err


@fault("SPC-11")
def test_every_spec_in_the_pages_is_valid(tmp_path: Path) -> None:
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    found = [
        block
        for page in pages
        for block in re.findall(
            r"```json\n(.*?)```", page.read_text("utf-8"), re.DOTALL
        )
        if re.search(r'^\{[^{]*"layers"', block)
    ]
    assert found
    for block in found:
        accepted(block, tmp_path)


# ---- Sizes -------------------------------------------------------------------------


@fault("SIZ-02")
def test_depth_of_the_network_is_no_depth_of_the_code(refused: Check) -> None:
    count = 3_000 if LONG else 300
    spec = load_spec(accepted(json.dumps({**BASE, "layers": [2] * count}), Path.cwd()))
    tree = ast.parse(text_of(spec, library=True))
    depth, level = 0, [tree]
    while level:
        depth += 1
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    assert depth < 25
    # A formula is what nests by itself, so that it has limits.
    for formula, said in (
        ("+".join(["z"] * 3_000), "has 5999 characters, at most 1000 are allowed"),
        ("(" * 201 + "z" + ")" * 201, "is nested more than 50 deep"),
    ):
        own = {"activations": {"mine": {"formula": formula}}}
        assert said in refused(json.dumps({**BASE, "operators": own}))


@fault("SIZ-03")
@pytest.mark.parametrize("target", ["numpy", "c"])
def test_a_wide_layer_is_no_longer_text(target: str, tmp_path: Path) -> None:
    wide = accepted(json.dumps({**BASE, "layers": [100_000, 10]}), tmp_path)
    length = len(text_of(load_spec(wide), target))
    narrow = accepted(json.dumps({**BASE, "layers": [100, 10]}), tmp_path)
    assert abs(length - len(text_of(load_spec(narrow), target))) < 100


@fault("SIZ-04")
def test_long_words_are_cut_and_cost_no_time(refused: Check) -> None:
    long = "learning_rate" * 800
    with within(0.1):
        text = refused(hyper(**{long: 1}))
    assert len(text) < 1_000 and "/learning_ratelearning_rate" in text and "..." in text
    with within(0.1):
        text = refused(json.dumps({**BASE, "cost": long}))
    assert len(text) < 1_000 and '"learning_rate' in text and "..." in text


@fault("SIZ-04")
@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({f"epoc{i}": 1 for i in range(8_000)}, 8_000),
        ({"layers": [2, *({"siz": 3} for _ in range(3_000))]}, 3_000),
        (
            {
                "layers": [
                    2,
                    *({"size": 3, "activation": f"mis{i}"} for i in range(3_000)),
                ]
            },
            3_000,
        ),
    ],
    ids=["keys", "keys of layers", "kinds"],
)
def test_many_mistakes_cost_little_time(
    fields: dict[str, Any], wrong: int, refused: Check
) -> None:
    # A third of it on this machine; guessing what each key was meant for took 4 seconds.
    with within(2):
        text = refused(json.dumps({**BASE, **fields}))
    count = 20 + int(re.findall(r"\.\.\. and (\d+) more errors\n", text)[0])
    assert count == wrong
    assert "did you mean" in text
