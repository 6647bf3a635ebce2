"""The faults INJ and IDN of the shared list: texts that try to become code, names that
try to be more than names. Where the contract differs from the list, it holds: see
docs/security.md."""

from __future__ import annotations

import builtins
import io
import json
import keyword
import math
import os
import re
import shutil
import sys
import tokenize
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support import EVERY_TARGET, TARGETS, renderer, run, spec_of, text_of
from test_fuzz_canaries import STACK, escaped, module, twin_of, without_digest

from bpcompile import cli
from bpcompile.api import load_spec
from bpcompile.errors import SpecErrors
from bpcompile.lower import lower
from bpcompile.output import examine

fault = pytest.mark.fault


def written(folder: Path, **fields: Any) -> Path:
    """A spec's file, all but ASCII as escapes, which may stand for anything."""
    path = folder / "spec.json"
    path.write_text(json.dumps({**STACK, **fields}), "ascii")
    return path


def said_of(folder: Path, **fields: Any) -> str:
    """The message that a spec with these fields is refused with."""
    with pytest.raises(SpecErrors) as refused:
        load_spec(written(folder, **fields))
    said = str(refused.value)
    assert all(map(str.isprintable, said.split("\n")))
    assert re.match(r".*spec\.json:1:\d+: error\[", said)
    return said


# ---- Free text ---------------------------------------------------------------------

TEXTS = {
    "INJ-01": ["a\nraise SystemExit('PWNED')"],
    "INJ-05": ['x"""\nPWNED=1\n"""'],
    "INJ-06": ["x'''\nPWNED=1\n'''"],
    "INJ-07": ["a\\", "a\\\\\\"],
    "INJ-09": ["\\N{DIGIT ONE}", "\\x", "\\u12", "\\777"],
    "INJ-10": ["'; import os; os.system('touch CANARY'); x='"],
    "INJ-11": ['\\"; PWNED=1; _="'],
    "INJ-13": ["{x}", "{0.__class__}", "{{", "%s", "%(a)n", "$x", "${x}", "`x`"],
    "INJ-14": ["coding: utf-7 +AAo-PWNED=1"],
    "INJ-15": ["-*- coding: raw_unicode_escape -*-", "\\u000aPWNED=1"],
    "INJ-17": ['*/ system("x"); /*', "**//", "*\u00e9/", "*\\\n/", "*\\u00e9/"],
    "INJ-18": ["</script><script>alert(1)</script>", "<!--", "-->", "]]>"],
    "INJ-19": ["a\u2028x+=1"],
    "INJ-21": ["ends in ??/"],
    "INJ-22": ["%n%s%s"],
    "INJ-23": ['"#include </etc/passwd>', "a\n#define N1 0", "a\n%:define N1 0"],
    "INJ-25": ["a\u200bb\u200dc\ufeffd\u00ade\U000e0001\U000e0041"],
    "INJ-38": ["bpcompile:sha256=0", "DO NOT EDIT", "# ---- Sizes ----\nN1 = 9"],
}


@pytest.mark.parametrize("target", EVERY_TARGET)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, marks=fault(name), id=f"{name}-{k}")
        for name, texts in TEXTS.items()
        for k, text in enumerate(texts)
    ],
)
def test_a_text_is_its_literal_and_nothing_else(
    text: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load_spec(written(tmp_path, description=text))
    file = module(lower(spec), target)
    made, twin = without_digest(lower(spec), file), twin_of(module, target)
    assert escaped(made, twin, renderer(target).target.language, text) == ""
    (tmp_path / "made").write_text(file.text, "utf-8")
    assert not examine(tmp_path / "made").work
    encoding, _ = tokenize.detect_encoding(io.BytesIO(file.text.encode()).readline)
    assert encoding == "utf-8"
    if target == TARGETS[-1]:
        monkeypatch.chdir(tmp_path)
        found = ModuleType("attacked")
        exec(compile(file.text, "attacked", "exec"), found.__dict__)
        assert found.spec()["description"] == found.DESCRIPTION == text
        assert not hasattr(builtins, "PWNED") and not hasattr(found, "PWNED")
        assert sorted(os.listdir()) == ["made", "spec.json"]


@pytest.mark.parametrize("text", ["a\rPWNED=1", "a\r\nPWNED=1"])
@fault("INJ-02", "INJ-03")
def test_a_carriage_return_is_refused_like_any_control_character(
    text: str, tmp_path: Path
) -> None:
    said = said_of(tmp_path, description=text)
    assert "control character U+000D in /description" in said


@fault("INJ-26")
def test_a_null_is_refused_with_its_place(tmp_path: Path) -> None:
    said = said_of(tmp_path, description="a\0")
    assert "control character U+0000 in /description" in said
    column = written(tmp_path, description="a\0").read_text().index("\\u0000") + 1
    assert f"spec.json:1:{column}: error" in said


@pytest.mark.parametrize("text", ["\x1b[2J", "\x1b]0;x\x07", "\x9b2J"])
@fault("INJ-27")
def test_what_moves_a_terminal_is_refused_and_shown_escaped(
    text: str, tmp_path: Path
) -> None:
    said = said_of(tmp_path, description=text)
    assert f"control character U+{ord(text[0]):04X} in /description" in said
    assert f"\\u{ord(text[0]):04x}" in said


@fault("INJ-29")
def test_half_a_pair_of_surrogates_is_refused(tmp_path: Path) -> None:
    said = said_of(tmp_path, description="a\ud800")
    assert "invalid Unicode: lone surrogate \\ud800" in said


@fault("INJ-37")
def test_a_text_of_a_megabyte_is_refused_in_a_short_message(tmp_path: Path) -> None:
    said = said_of(tmp_path, description="a" * (1 << 20))
    assert "/description has 1048576 characters, at most 2000 are allowed" in said
    assert len(said) < 500
    longest = load_spec(written(tmp_path, description="\u00e9\n" * 1000))
    for target in EVERY_TARGET:
        lines = module(lower(longest), target).text.split("\n")
        assert max(map(len, lines)) <= 88


# ---- Names of files ----------------------------------------------------------------

FILES = ["a\nimport os\n#.json", 'it\'s "quoted".json', "# -*- coding: utf-7 -*-.json"]


@pytest.mark.parametrize("name", FILES)
@fault("INJ-30")
def test_the_name_of_a_specs_file_is_no_part_of_what_is_made(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(written(tmp_path), tmp_path / name)
    assert cli.main([str(tmp_path / name), "-o", str(tmp_path / "out.py")]) == 0
    assert (tmp_path / "out.py").read_text("utf-8") == text_of(spec_of(**STACK))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["a; touch CANARY", "a b", "a\nb", "-x", "$(id)"])
@fault("INJ-31")
def test_the_path_of_an_output_is_a_path_and_nothing_else(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spec, path = written(tmp_path), tmp_path / f"{name}.py"
    assert cli.main([str(spec), "-o", str(path)]) == 0
    assert path.read_text("utf-8") == text_of(spec_of(**STACK))
    assert capfd.readouterr() == ("", "")
    assert sorted(tmp_path.iterdir()) == sorted([spec, path])


@fault("INJ-31")
def test_a_path_is_shown_without_what_moves_a_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a\n\x1b[2J.py"
    path.write_text("my own")
    assert cli.main([str(written(tmp_path)), "-o", str(path)]) == 2
    (said,) = capfd.readouterr().err.splitlines()
    assert said.isprintable() and "a\\x0a\\x1b[2J.py" in said
    assert path.read_text() == "my own"


# ---- Words -------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["numpy.load", "os.system", "../x", "builtins"])
@fault("INJ-33")
def test_an_activation_is_no_import(word: str, tmp_path: Path) -> None:
    layers = [2, {"size": 2, "activation": word}]
    said = said_of(tmp_path, layers=layers)
    assert f'/layers/1/activation is "{word}"; one of: ' in said


AUDITED = """
import sys
from bpcompile.cli import main
seen = []
sys.addaudithook(lambda event, args: seen.append((event, str(args))))
code = main(sys.argv[1:])
told = [e for e in seen if e[0].split(".")[0] in ("socket", "urllib", "subprocess")]
read = [e for e in seen if e[0] == "open" and "passwd" in e[1]]
print(code, told, read)
"""


@fault("INJ-34")
def test_no_key_reads_a_file_or_opens_a_socket(tmp_path: Path) -> None:
    keys = {
        "$ref": "file:///etc/passwd",
        "include": "/etc/passwd",
        "extends": "http://169.254.169.254/",
    }
    path = written(tmp_path, **keys, layers=[2, {"size": 2, **keys}])
    done = run(sys.executable, "-c", AUDITED, path)
    assert done.stdout == "2 [] []\n"
    told = written(tmp_path, description=" ".join(keys.values()))
    output = tmp_path / "output"
    assert run(sys.executable, "-c", AUDITED, told, "-o", output).stdout == "0 [] []\n"
    for key in keys:
        assert f" /{key} is not a key of the spec" in done.stderr
        assert f" /layers/1/{key} is not a key of " in done.stderr


@pytest.mark.parametrize(
    "key", ["__proto__", "constructor", "__class__", "__init__", "model_config"]
)
@fault("INJ-35")
def test_no_key_reaches_an_object(key: str, tmp_path: Path) -> None:
    assert f"/{key} is not a key of the spec" in said_of(tmp_path, **{key: {"a": 1}})
    layers = [2, {"size": 2, key: {"a": 1}}]
    assert f"/layers/1/{key} is not a key of" in said_of(tmp_path, layers=layers)


# ---- Names -------------------------------------------------------------------------

C_WORDS = re.findall(
    r"\w+",
    "auto break case char const continue default do double else enum extern float for "
    "goto if inline int long register restrict return short signed sizeof static struct "
    "switch typedef union unsigned void volatile while main errno stdin printf malloc "
    "real network size_t bool true false exp log",
)
OTHERS = ["await", "yield", "arguments", "eval", "let", "function", "new", "this"]
TAKEN = ["np", "numpy", "os", "sys", "train", "main", "network", "math", "w2", "self"]
PYTHON = [*keyword.kwlist, *keyword.softkwlist, "type", "print", "__name__"]


def forward(source: str) -> Any:
    made = ModuleType("named")
    exec(compile(source, "named", "exec"), made.__dict__)
    return made, made.Network(seed=1).feedforward([[0.5, -1.0]]).tolist()


@fault("IDN-01")
@fault("IDN-03")
@fault("IDN-04")
def test_a_name_is_printed_and_never_an_identifier() -> None:
    """Any word will do, for the contract lets a name be any: nothing is called by it."""
    made, _ = forward(text_of(spec_of(**STACK, name="lambda"), TARGETS[-1]))
    assert made.NAME == "lambda"
    names = [n for n in {*PYTHON, *C_WORDS, *OTHERS, *TAKEN} if n[0] != "_"]
    for target in EVERY_TARGET:
        twin = text_of(spec_of(**STACK, name="twin"), target, library=True)
        for name in names:
            text = text_of(spec_of(**STACK, name=name), target, library=True)
            # Below the header, a name is in texts alone.
            made, same = (t.split("\n", 2)[2] for t in (text, twin))
            assert made == same.replace('"twin"', f'"{name}"')


def with_operators(names: list[str], **fields: Any) -> dict[str, Any]:
    """A network with a layer for each of the operators."""
    layers = [2, *({"size": 2, "activation": name} for name in names)]
    own = {name: {"formula": f"z / ({k + 1} + abs(z))"} for k, name in enumerate(names)}
    return {**STACK, "layers": layers, "operators": {"activations": own}, **fields}


def free(words: list[str], word: str = "[a-z][a-z0-9_]{0,23}") -> list[str]:
    """Those that can be the name of an operator and are not one already."""
    taken = {"exp", "log", "true", "false"}
    return sorted(w for w in {*words} - taken if re.fullmatch(word, w))


@fault("IDN-01")
@fault("IDN-03")
def test_an_operator_may_be_called_like_anything_python_has() -> None:
    names = free([*PYTHON, *TAKEN, *OTHERS])
    spec = spec_of(**with_operators(names))
    made, (outputs,) = forward(text_of(spec, TARGETS[-1], library=True))
    for k, name in enumerate(names):
        assert getattr(made, f"own_{name}")(1.0) == 1 / (k + 2)
    assert all(map(math.isfinite, outputs)) and len(names) > 35


@fault("IDN-04")
def test_an_operator_may_be_called_like_anything_c_has(tmp_path: Path) -> None:
    if not shutil.which("gcc"):
        pytest.skip("no gcc here")
    (target,) = (t for t in EVERY_TARGET if renderer(t).target.language == "c")
    names = free([*C_WORDS, *OTHERS, *TAKEN])
    path = tmp_path / "named.c"
    spec = spec_of(**with_operators(names, name="int"))
    path.write_text(text_of(spec, target, library=True), "utf-8")
    strict = ("-std=c11", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-pedantic")
    done = run("gcc", *strict, "-O0", "-fsyntax-only", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(names) > 40


@fault("IDN-05")
def test_names_that_only_look_different_are_refused(tmp_path: Path) -> None:
    said = said_of(tmp_path, **with_operators(["fi", "\ufb01"]))
    assert (
        "/operators/activations/\ufb01 is no name for an operator: it holds U+FB01"
        in said
    )
    path = tmp_path / "twice.json"
    path.write_text(
        '{"layers": [2, 2], "cost": "quadratic", "operators": {"activations": '
        '{"fi": {"formula": "z"}, "f\\u0069": {"formula": "z"}}}}'
    )
    with pytest.raises(SpecErrors, match='"fi"'):
        load_spec(path)


@fault("IDN-07")
def test_a_letter_of_another_alphabet_is_refused_and_named(tmp_path: Path) -> None:
    said = said_of(tmp_path, name="l\u0430yer")
    assert '/name is "l\u0430yer", which holds U+0430; it must match [A-Za-z]' in said
    said = said_of(tmp_path, **with_operators(["l\u0430yer"]))
    assert "is no name for an operator: it holds U+0430; it must match [a-z]" in said


@pytest.mark.parametrize(
    "name", ["", " ", "1a", "a-b", "a.b", "a b", "a" * 65, "_", "__x__"]
)
@fault("IDN-08")
def test_a_name_that_is_no_word_is_refused(name: str, tmp_path: Path) -> None:
    said = said_of(tmp_path, name=name)
    assert "it must match [A-Za-z][A-Za-z0-9_]{0,63}" in said.split("\n")[0]


@pytest.mark.parametrize(
    "name",
    ["../../etc/cron.d/x", "/abs", "C:\\x", "a/b", ".", "..", "a\0b", "a\nb"],
)
@fault("IDN-09")
@fault("INJ-14", "INJ-15")
def test_a_name_that_is_a_path_is_refused(name: str, tmp_path: Path) -> None:
    said = said_of(tmp_path, name=name)
    assert "/name" in said
    if name[0] in "./C":
        assert ": a name is not a path; " in said
    for cookie in ("coding: utf-7", "-*- coding: raw_unicode_escape -*-"):
        assert "it must match" in said_of(tmp_path, name=cookie)


@pytest.mark.parametrize("name", ["CON", "NUL", "aux"])
@fault("IDN-09")
def test_whatever_its_name_a_file_is_made_in_the_folder_asked_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of devices elsewhere are words like any other, as the contract has it."""
    (tmp_path / "out").mkdir()
    text = json.dumps({**STACK, "name": name})
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert cli.main(["-", "-o", f"{tmp_path}/out/"]) == 0
    assert os.listdir(tmp_path) == ["out"]
    assert os.listdir(tmp_path / "out") == [f"{name}.py"]


# ---- All of them -------------------------------------------------------------------


def test_every_fault_of_these_kinds_has_a_test() -> None:
    path = Path(__file__).parents[2] / "shared" / "cases" / "faults.json"
    if not path.exists():
        pytest.skip("the folder shared/ does not stand beside the project")
    listed = {entry["id"] for entry in json.loads(path.read_text("utf-8"))}
    wanted = {name for name in listed if name.startswith(("INJ-", "IDN-"))}
    tests: list[Callable[..., Any]] = [
        held for name, held in globals().items() if name.startswith("test_")
    ]
    marked = {
        name
        for test in tests
        for mark in getattr(test, "pytestmark", [])
        if mark.name == "fault"
        for name in mark.args
    }
    assert wanted <= marked | TEXTS.keys()
