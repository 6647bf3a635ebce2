"""The spec in TOML: the same values, places and refusals as in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_helpers import DEEP, TOML, covered, lines

from bpcompile.errors import SpecErrors
from bpcompile.source.document import Path
from bpcompile.source.toml import read_toml


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_toml_is_read_with_places(end: bytes) -> None:
    document = read_toml(TOML.replace(b"\n", end), "s.toml")
    assert document.value["layers"][1] == {"size": 10, "dropout": 0.5}
    assert document.value["operators"]["costs"] == {"a": {"b": (1, 2)}}

    def at(*path: str | int, key: bool = False) -> tuple[int, int, str]:
        place = document.place(path, key)
        return place.line, place.column, covered(place)

    assert at("cost") == (2, 8, "'quadratic'")
    assert at("cost", key=True) == (2, 1, "cost")
    assert at("hyperparameters", "learning_rate") == (3, 33, "3.0")
    assert at("hyperparameters", "learning_rate", key=True)[:2] == (3, 17)
    assert at("layers", 0, "size") == (6, 8, "784")
    assert at("layers", 0, "scaling") == (7, 1, "[")
    assert at("layers", 0, "scaling", "by") == (9, 8, "255")
    assert at("layers", 1, "dropout") == (13, 11, "0.5")
    assert at("layers", 1, "size", key=True) == (12, 1, "size")
    assert at("layers", 1) == (11, 1, "[")
    assert at("operators", "costs", "a", "b") == (16, 19, "[")
    assert at("operators", "a.b", "c # d") == (21, 19, '"e = # f"')
    assert at("operators", "a.b", "c # d", key=True) == (21, 9, "'c # d'")
    assert at("nothing") == (1, 1, "v")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a = 1\nb = .5\n",
         "2:5: error[syntax]: number .5 has no digit before its point; write 0.5"),
        (b"a = 1\r\nb = .5\r\n",
         "2:5: error[syntax]: number .5 has no digit before its point; write 0.5"),
        (b"a = 1\rb = 5\r",
         "1:6: error[syntax]: a lone CR is no line end in TOML; save it with LF"),
        (b"a = 010", "1:5: error[syntax]: number 010 starts with 0; write 10"),
        (b"a = [4, 5.]",
         "1:9: error[syntax]: number 5. has no digit after its point; write 5.0"),
        (b"a = 0x", "1:5: error[syntax]: malformed number 0x"),
        (b"a = -", "1:5: error[syntax]: expected a value, got -"),
        (b"b = [\n[4] 3]", '2:5: error[syntax]: expected "," or "]", got "3"; opened at 1:5'),
        (b"a = [4; 3]", '1:7: error[syntax]: expected "," or "]", got ";"; write ","'),
        (b"a = [1\nb = 2", '2:1: error[syntax]: expected "," or "]", got "b"; opened at 1:5'),
        (b"a = {b = 1,}", "1:11: error[syntax]: trailing comma; remove it"),
        (b"a = {b = 1,\nc = 2}", "1:12: error[syntax]: an inline table ends on its line; "
         "write it on one line, or as a [table]"),
        (b"a = {b = 1\n}", "1:11: error[syntax]: an inline table ends on its line; "
         "write it on one line, or as a [table]"),
        (b"a = {",
         "1:6: error[syntax]: unexpected end of file: unclosed inline table, opened at 1:5"),
        (b"a = 'x", "1:7: error[syntax]: unexpected end of file: unclosed string"),
        (b'a = """x\n', "1:9: error[syntax]: unexpected end of file: unclosed string"),
        (b"a =\n", "1:4: error[syntax]: the value is missing; write key = value"),
        (b"a = ", "1:4: error[syntax]: the value is missing; write key = value"),
        (b"a: 1",
         '1:2: error[syntax]: missing "=" after the key; write "=" instead of ":"'),
        (b"a", '1:2: error[syntax]: missing "=" after the key; write key = value'),
        (b"[a\n", '1:3: error[syntax]: missing "]" after the name of a table'),
        (b"[a]]", '1:4: error[syntax]: expected the end of the line, got "]"'),
        (b"= 1", "1:1: error[syntax]: expected a key or a [table]"),
        (b"// a", "1:1: error[syntax]: expected a key or a [table]; a comment begins with #"),
        ("a = “x”".encode(),
         '1:5: error[syntax]: expected a value, got "“"; use straight double quotes (")'),
        (b"a = (1)", '1:5: error[syntax]: expected a value, got "("; an array is written [...]'),
        (b'a = "x" b', '1:9: error[syntax]: expected the end of the line, got "b"'),
        (b'a = "b\\qc"',
         '1:7: error[syntax]: invalid escape \\q; a backslash itself is written "\\\\"'),
        (b'a = "\\u12"', "1:6: error[syntax]: \\u needs four hexadecimal digits; "
         'a backslash itself is written "\\\\"'),
        (b'a = "\\ud800"', "1:6: error[syntax]: invalid Unicode: lone surrogate"),
        (b'a = "\x01"', "1:6: error[syntax]: control character U+0001; remove it"),
        (b"a = 1\na = 2\n", '2:1: error[duplicate-key]: duplicate key "a", first at 1:1'),
        (b"a.b = 1\n[c]\nb = 1\n[a]\nb = 2\n",
         '4:2: error[duplicate-key]: duplicate key "a"'),
        (b"[[a]]\nb = 1\n[[a]]\nb = 2\n 'b' = 3\n",
         '5:2: error[duplicate-key]: duplicate key "b", first at 4:1'),
        (b"a = {b = 1}\n[a]\nc = 1\n",
         '2:2: error[duplicate-key]: duplicate key "a", first at 1:1'),
        (b'[t]\na = 1\n"a" = """\nb = 1"""\n',
         '3:1: error[duplicate-key]: duplicate key "a", first at 2:1'),
        (b"[t]\na = 1\n[t]\n", '3:2: error[duplicate-key]: duplicate key "t", first at 1:2'),
        (b"a = {b = 1, 'c' = {b = 2, b = 'b'}}",
         '1:27: error[duplicate-key]: duplicate key "b"'),
        (b"a = foo",
         '1:5: error[syntax]: expected a value, got foo; write "foo" in double quotes'),
        (b"a = [1,\n foo-bar]", "2:2: error[syntax]: expected a value, got foo-bar; "
         'write "foo-bar" in double quotes'),
        (b"a = True", "1:5: error[syntax]: True is not TOML; write true"),
        (b"a = null", "1:5: error[syntax]: null is not TOML; leave it out"),
        (b"a = NaN",
         "1:5: error[syntax]: NaN is not allowed; numbers must be finite"),
        (b'\n {"a": 1}',
         "2:2: error[syntax]: this is JSON, not TOML; rename it to end in .json"),
        (b"\n", "1:1: error[syntax]: the file is empty"),
        (b'a = "x\n',
         "1:7: error[syntax]: the string is not closed on its line; close it"),
        (b"a = [1,",
         "1:8: error[syntax]: unexpected end of file: unclosed array, opened at 1:5"),
        (b"[t]\nd = 2026-01-31\n",
         "2:5: error[syntax]: 2026-01-31 is a date or time, where none is expected"),
        (b"d = 07:32:00",
         "1:5: error[syntax]: 07:32:00 is a date or time, where none is expected"),
        (b"d = nan", "1:5: error[syntax]: nan is not allowed: numbers must be finite"),
        (b"d = -inf", "1:5: error[syntax]: -inf is not allowed: numbers must be finite"),
        (b"d = 1e400",
         "1:5: error[too-large]: 1e400 is too large (at most 1.7976931348623157e+308)"),
        (b"d = 1e-400", "1:5: error[syntax]: 1e-400 underflows to 0"),
        (b"d = " + b"1" * 301,
         "1:5: error[too-large]: integer of more than 300 digits"),
        (b"d = " + b"1" * 5000,
         "1:5: error[too-large]: integer of more than 300 digits"),
        (b'd = "\\u001b"', "1:5: error[encoding]: control character U+001B in /d"),
        (b"a = " + b"[" * 65 + b"]" * 65, f"1:69: error[too-large]: {DEEP}"),
        (b"a = " + b"[" * 10**5, f"1:1: error[too-large]: {DEEP}"),
        (b"x = 1\n" + b"a." * 10**6 + b"a = 1", f"2:1: error[too-large]: {DEEP}"),
        (b"\xef\xbb\xbfa = 1",
         "1:1: error[encoding]: file starts with a UTF-8 BOM; save it without"),
        (b"a = '\xff'",
         "1:6: error[encoding]: invalid UTF-8: byte 0xFF; save the file as UTF-8"),
    ],
    ids=range(61),
)  # fmt: skip
def test_toml_refused_with_place_and_words(data: bytes, expected: str) -> None:
    assert lines(data, read_toml) == [expected]


def test_toml_reports_all_bad_values_at_once() -> None:
    found = lines(b"a = nan\n[t]\nb = 07:32:00\n", read_toml)
    assert [line.split(" ")[0] for line in found] == ["1:5:", "3:5:"]


INLINE = b"""\
[tool.a]
outputs = [
  # [b]
  {spec = "a,]", 'set' = ["x=[1]", 2]},
  {deep.er = [[1, 2], [3, {k = 4}]], last = true},  # }
  1979-05-27,
]
[tool.b]
c = [ [ ] , {} ]
"""


def test_parts_of_inline_arrays_and_tables_have_places_of_their_own() -> None:
    with pytest.raises(SpecErrors) as refused:
        read_toml(INLINE, "s.toml")
    assert [(e.place.line, e.path) for e in refused.value.errors] == [
        (6, "/tool/a/outputs/2")
    ]
    document = read_toml(INLINE.replace(b"1979-05-27", b"0"), "s.toml")

    def at(*path: str | int, key: bool = False) -> tuple[int, int, str]:
        place = document.place(("tool", *path), key)
        return place.line, place.column, covered(place)

    assert at("a", "outputs") == (2, 11, "[")
    assert at("a", "outputs", 0) == (4, 3, "{")
    assert at("a", "outputs", 0, "spec") == (4, 11, '"a,]"')
    assert at("a", "outputs", 0, "set", key=True) == (4, 18, "'set'")
    assert at("a", "outputs", 0, "set", 0) == (4, 27, '"x=[1]"')
    assert at("a", "outputs", 0, "set", 1) == (4, 36, "2")
    assert at("a", "outputs", 1, "deep", "er", 1) == (5, 23, "[")
    assert at("a", "outputs", 1, "deep", "er", 1, 1, "k") == (5, 32, "4")
    assert at("a", "outputs", 1, "last") == (5, 45, "true")
    assert at("a", "outputs", 2) == (6, 3, "0")
    assert at("b", "c", 0) == (9, 7, "[")
    assert at("b", "c", 1) == (9, 13, "{")


def test_of_a_shared_file_only_ones_own_table_is_looked_at() -> None:
    data = b"[tool.other]\nd = 2026-01-31\ne = nan\n[tool.own]\nf = 1\n"
    document = read_toml(data, "s.toml", within=("tool", "own"))
    assert document.value == {"tool": {"own": {"f": 1}}}
    assert document.place(("tool", "own", "f")).line == 5
    assert read_toml(data, "s.toml", within=("tool", "none")).value == {"tool": {}}
    with pytest.raises(SpecErrors, match="nan is not allowed"):
        read_toml(data + b"g = nan", "s.toml", within=("tool", "own"))


KEYS = st.text(st.sampled_from('ab.#]"= -'), min_size=1, max_size=3)
SCALARS = (
    st.integers() | st.booleans() | st.text(st.characters(codec="ascii"), max_size=6)
)
VALUES = st.recursive(
    SCALARS.filter(lambda text: str(text).isprintable()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
    ),
)


def inline(value: Any, gap: str) -> str:
    """A value as TOML, with white space and a comment where they may stand."""
    if isinstance(value, dict):
        pairs = (f"{json.dumps(k)} = {inline(value[k], ' ')}" for k in value)
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + "".join(f"{gap}{inline(part, gap)}," for part in value) + gap + "]"
    return json.dumps(value)


def scalars(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for step, part in items:
            yield from scalars(part, (*path, step))
    else:
        yield path, value


@given(VALUES, st.sampled_from(["", " ", "\n", "\n  # ], [x] = {\n"]))
def test_every_scalar_is_found_where_it_stands(value: Any, gap: str) -> None:
    data = f"a = {inline(value, gap)}\nb = 1\n".encode()
    document = read_toml(data, "s.toml")
    for path, scalar in scalars(value, ("a",)):
        assert covered(document.place(path)) == json.dumps(scalar)
    assert covered(document.place(("b",))) == "1"
