"""Strict JSON: what is read, what is refused, and where and in what words."""

from __future__ import annotations

import json
import math
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from source_helpers import DEEP, SPEC, covered, faults, lines, plain

from bpcompile.errors import SpecErrors
from bpcompile.source import Document
from bpcompile.source.scanner import read_json

TOML = "this is TOML, not JSON; TOML is read from files that end in .toml"

REFUSED: list[tuple[bytes, str]] = [
    (b'{\n "a": 1,\n "a": 2}', '3:2: error[duplicate-key]: duplicate key "a", first at 2:2'),
    (b'{"a":1,"\\u0061":2}', '1:8: error[duplicate-key]: duplicate key "a", first at 1:2'),
    (b"[NaN]", "1:2: error[syntax]: NaN is not JSON; numbers must be finite"),
    (b"[Infinity]", "1:2: error[syntax]: Infinity is not JSON; numbers must be finite"),
    (b"[1,-Infinity]", "1:4: error[syntax]: -Infinity is not JSON; numbers must be finite"),
    (b"[1e400]", "1:2: error[too-large]: 1e400 is too large (at most 1.7976931348623157e+308)"),
    (b"[-1e400]", "1:2: error[too-large]: -1e400 is too large (at most 1.7976931348623157e+308)"),
    (b"[1e-400]", "1:2: error[syntax]: 1e-400 underflows to 0"),
    (b"[ " + b"1" * 301 + b"]", "1:3: error[too-large]: integer of 301 digits (at most 300)"),
    (b'"a\tb"', '1:3: error[syntax]: control character U+0009 in a string; write it as "\\t"'),
    (
        b'[\n"ab\n"]',
        "2:4: error[syntax]: control character U+000A in a string; "
        'close the string opened at 2:1, or write "\\n"',
    ),
    (b'"a\x1bb"', "1:3: error[syntax]: control character U+001B in a string; remove it"),
    (b'{"d": "ab\\u0000"}', "1:10: error[encoding]: control character U+0000 in /d; remove it"),
    (b'{"d": "\\b"}', "1:8: error[encoding]: control character U+0008 in /d; remove it"),
    (b'{"d": "\\u009f"}', "1:8: error[encoding]: control character U+009F in /d; remove it"),
    (b'{"d": "\x7f"}', "1:8: error[encoding]: control character U+007F in /d; remove it"),
    (b'{"a/b": {"x\\u001b": 1}}',
     "1:12: error[encoding]: control character U+001B in a key of /a~1b; remove it"),
    (b'"x\\ud800"', "1:3: error[encoding]: invalid Unicode: lone surrogate \\ud800"),
    (b'"x\\udc00\\ud800"', "1:3: error[encoding]: invalid Unicode: lone surrogate \\udc00"),
    (b'"x\\ud800\\ud800"', "1:3: error[encoding]: invalid Unicode: lone surrogate \\ud800"),
    (b'"ab\\x41"',
     '1:4: error[syntax]: invalid escape \\x; a backslash itself is written "\\\\"'),
    (b'"ab\\u12"',
     '1:4: error[syntax]: \\u needs four hexadecimal digits; a backslash itself is written "\\\\"'),
    (b"\xef\xbb\xbf{}", "1:1: error[encoding]: file starts with a UTF-8 BOM; save it without"),
    (b'{"a":\n "\xc3\xa9\xff"}',
     "2:4: error[encoding]: invalid UTF-8: byte 0xFF; save the file as UTF-8"),
    (b"[1,]", "1:3: error[syntax]: trailing comma; remove it"),
    (b'{"a": 1\n,\n}', "2:1: error[syntax]: trailing comma; remove it"),
    (b"[1, // one\n2]", "1:5: error[syntax]: comments are not JSON; remove the comment"),
    (b"[1 /* one */]", "1:4: error[syntax]: comments are not JSON; remove the comment"),
    (b"# a spec\n{}", "1:1: error[syntax]: comments are not JSON; remove the comment"),
    (b"{} // end", "1:4: error[syntax]: comments are not JSON; remove the comment"),
    (b"{'a': 1}", '1:2: error[syntax]: single quotes are not JSON; use double quotes (")'),
    (b"['a']", '1:2: error[syntax]: single quotes are not JSON; use double quotes (")'),
    (b"{cost: 1}", '1:2: error[syntax]: bare key cost; write "cost"'),
    (b"{1: 1}", '1:2: error[syntax]: expected a key in double quotes, got "1"'),
    (b"[relu]",
     '1:2: error[syntax]: expected a value, got relu; write "relu" in double quotes'),
    (b"[none]",
     '1:2: error[syntax]: expected a value, got none; write "none" in double quotes'),
    (b"[.5]", "1:2: error[syntax]: number .5 has no digit before its point; write 0.5"),
    (b"[-.5]", "1:2: error[syntax]: number -.5 has no digit before its point; write -0.5"),
    (b"[5.]", "1:2: error[syntax]: number 5. has no digit after its point; write 5.0"),
    (b"[2.e3]", "1:2: error[syntax]: number 2.e3 has no digit after its point; write 2.0e3"),
    (b"[+1]", '1:2: error[syntax]: number +1 starts with "+"; write 1'),
    (b"[-01]", "1:2: error[syntax]: number -01 starts with 0; write -1"),
    (b"[0x10]", "1:2: error[syntax]: hexadecimal number 0x10 is not JSON; write 16"),
    (b"[1e+]", "1:2: error[syntax]: number 1e+ has no digit in its exponent"),
    (b"[1_000]", "1:2: error[syntax]: malformed number 1_000; write 1000"),
    (b"[True]", "1:2: error[syntax]: True is not JSON; write true"),
    (b"[False]", "1:2: error[syntax]: False is not JSON; write false"),
    (b"[None]", "1:2: error[syntax]: None is not JSON; write null"),
    (b'{"a" 1}', '1:6: error[syntax]: missing ":" after the key "a"'),
    (b'{"a": 1 "b": 2}', '1:9: error[syntax]: missing "," before this'),
    (b"[1 2]", '1:4: error[syntax]: missing "," before this'),
    (b"[1,,2]", '1:4: error[syntax]: expected a value, got ","; remove it'),
    (b"\n [1}", '2:4: error[syntax]: expected "," or "]", got "}"; opened at 2:2'),
    (b'["a', "1:4: error[syntax]: unexpected end of file: unclosed string, opened at 1:2"),
    (b" [1,\n2\n", "2:2: error[syntax]: unexpected end of file: unclosed array, opened at 1:2"),
    (b'[{"a":',
     "1:7: error[syntax]: unexpected end of file: unclosed object, opened at 1:2"),
    (b"", "1:1: error[syntax]: the file is empty"),
    (b" \n\n", "1:1: error[syntax]: the file is empty"),
    (b'cost = "x"', f"1:1: error[syntax]: {TOML}"),
    (b"# c = 1\n\n[a.b] # d\n[[c]]\n e-f=1", f"5:2: error[syntax]: {TOML}"),
    (b"PK\x03\x04\x00\xf9",
     "1:1: error[encoding]: not a text file; a spec is JSON or TOML"),
    (b"# Code generated by bpcompile 0.1.0 for x. DO NOT EDIT.\nimport a",
     "1:1: error[syntax]: this is a generated file; give the spec that it was made from"),
    (b"// Code generated by bpcompile 0.1.0 for x. DO NOT EDIT.\n",
     "1:1: error[syntax]: this is a generated file; give the spec that it was made from"),
    (b"# net\nlayers: [4, 2]\n",
     "2:1: error[syntax]: this is YAML, not JSON; a spec is JSON or TOML"),
    (b"---\ncost:\n", "2:1: error[syntax]: this is YAML, not JSON; a spec is JSON or TOML"),
    (b"\n<!DOCTYPE html>",
     "2:1: error[syntax]: this is HTML or XML, not JSON; a spec is JSON or TOML"),
    ("[“a”]".encode(),
     '1:2: error[syntax]: expected a value, got "“"; use straight double quotes (")'),
    (b"{`a`: 1}",
     '1:2: error[syntax]: expected a key in double quotes, got "`"; use straight double quotes (")'),
    ('{"a":\xa01}'.encode(),
     "1:6: error[syntax]: expected a value, got U+00A0; write a plain space"),
    (b"(1, 2)", '1:1: error[syntax]: expected a value, got "("; an array is written [...]'),
    (b"{,}",
     '1:2: error[syntax]: expected a key in double quotes, got ","; remove it'),
    (b'{"a" = 1}',
     '1:6: error[syntax]: missing ":" after the key "a"; write ":" instead of "="'),
    (b'{"a": 1; "b": 2}', '1:8: error[syntax]: expected "," or "}", got ";"; write ","'),
    (b"[undefined]", "1:2: error[syntax]: undefined is not JSON; leave the key out"),
    (b'{"a": 0,5}',
     '1:9: error[syntax]: expected a key in double quotes, got "5"; write 0.5, with a point'),
    (b"0,25", "1:2: error[syntax]: extra text after the value; write 0.25, with a point"),
    (b"[1, ...]", "1:5: error[syntax]: expected a value, got ..."),
    (b"[1,000]", "1:4: error[syntax]: number 000 starts with 0; write 1000, not 1,000"),
    (b"[1, 000]", "1:5: error[syntax]: number 000 starts with 0; write 0"),
    (b"{}\n{}", "2:1: error[syntax]: extra text after the object"),
    (b"[]]", "1:3: error[syntax]: extra text after the array"),
    (b"1 x", "1:3: error[syntax]: extra text after the value"),
    (b"{}\0\0", "1:3: error[syntax]: extra text after the object"),
    (b"\n" + b"[" * 65 + b"]" * 65, f"2:65: error[too-large]: {DEEP}"),
    (b'{"a":' * 100_000, f"1:321: error[too-large]: {DEEP}"),
    (b" " * (8 * 2**20 + 1), "1:1: error[too-large]: larger than 8 MiB"),
    (b"[" + b"0," * 200_000 + b"0]",
     "1:400000: error[too-large]: more than 200000 values"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), REFUSED, ids=range(len(REFUSED)))
def test_refused_with_place_and_words(data: bytes, expected: str) -> None:
    assert lines(data) == [expected]


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_utf16_and_utf32_are_named(encoding: str, bom: str) -> None:
    name = encoding[:6].upper()
    assert lines((bom + SPEC).encode(encoding)) == [
        f"1:1: error[encoding]: file is {name}; save it as UTF-8"
    ]


def test_str_input_is_checked_like_bytes() -> None:
    assert lines('["a\udc80"]') == [
        "1:4: error[encoding]: invalid Unicode: lone surrogate U+DC80"
    ]
    assert "UTF-8 BOM" in lines("\ufeff{}")[0]
    assert read_json("[1]", "s").value == (1,)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_columns_count_characters_after_every_line_end(end: str) -> None:
    # U+2028, U+0085 and a form feed are no line ends; an astral character is one.
    text = f'{{{end}\t"\u2028\U0001f600": 1,{end}{end}  "b": @}}'
    assert lines(text) == ['4:8: error[syntax]: expected a value, got "@"']
    assert lines(text.encode()) == ['4:8: error[syntax]: expected a value, got "@"']
    assert read_json(text.replace("@", "[7]"), "s").place(("b", 0)).column == 9


def test_all_duplicates_come_with_the_first_syntax_error() -> None:
    text = '{"a": 1, "a": 2, "b": {"c": 1, "c": 2, "c": 3}, "d": x, "e": y}'
    found = [(e.code, e.path, e.place.column) for e in faults(text)]
    assert found == [
        ("duplicate-key", "/a", 10),
        ("duplicate-key", "/b/c", 32),
        ("duplicate-key", "/b/c", 40),
        ("syntax", "/d", 54),
    ]


def test_a_raw_fault_in_a_string_is_shown_at_its_character() -> None:
    (error,) = faults(b'{"description": "one \\q two"}')
    assert covered(error.place) == "\\q"
    assert error.path == "/description"


CUT = SPEC.replace('"name"', r'"description": "\ud83d\ude00 \n \"é€😀\"", "name"')


def test_a_spec_truncated_anywhere_is_refused() -> None:
    for cut in range(len(CUT.encode()) - 1):
        (error,) = faults(CUT.encode()[:cut].rstrip(b"\n"))
        start = "the file is empty" if cut == 0 else "unexpected end of file"
        assert error.message.startswith(start), cut


def test_numbers_keep_their_kind_and_sign() -> None:
    value = read_json("[1, -0, -0.0, 1.0, 1E2, 0e1, 1e-300]", "s").value
    assert [type(v) for v in value] == [int, int, float, float, float, float, float]
    assert math.copysign(1, value[2]) == -1
    assert value == (1, 0, 0.0, 1.0, 100.0, 0.0, 1e-300)
    assert read_json("1" * 300, "s").value == int("1" * 300)


def test_strings_keep_their_escapes() -> None:
    text = r'"\"\\\/\n\t\u00e9\ud83d\ude00"'
    assert read_json(text, "s").value == '"\\/\n\té\U0001f600'


def test_depth_64_is_read() -> None:
    assert read_json("[" * 64 + "]" * 64, "s").value != ()


def test_places_of_values_keys_and_what_is_missing() -> None:
    document = read_json(SPEC, "s")
    activation = document.place(("layers", 1, "activation"))
    assert (activation.line, activation.column, activation.width) == (4, 46, 6)
    key = document.place(("layers", 1, "activation"), key=True)
    assert (covered(key), key.column) == ('"activation"', 32)
    # Objects and arrays: their opening bracket; what is missing: the nearest ancestor.
    assert covered(document.place(("layers",))) == "["
    assert document.place(("layers", 1)).column == 19
    assert document.place(("layers", 1, "dropout", 3)) == document.place(("layers", 1))
    assert document.place(("cots",), key=True) == document.place(())
    assert (document.place(()).line, covered(document.place(()))) == (1, "{")


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.sampled_from("\n\t")
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars, lambda v: st.lists(v) | st.dictionaries(texts, v), max_leaves=20
)


def check_places(
    value: Any, path: tuple[str | int, ...], document: Document, text: str
) -> None:
    place = document.place(path)
    assert path in document.marks
    if isinstance(value, tuple):
        assert covered(place) == "["
        for i, inner in enumerate(value):
            check_places(inner, (*path, i), document, text)
    elif isinstance(value, dict):
        assert covered(place) == "{"
        for key, inner in value.items():
            assert json.loads(covered(document.place((*path, key), key=True))) == key
            check_places(inner, (*path, key), document, text)
    else:
        literals = {json.dumps(value), json.dumps(value, ensure_ascii=False)}
        assert covered(place) in literals
    assert text.split("\n")[place.line - 1] == place.text


@settings(max_examples=60)
@given(values, st.none() | st.integers(0, 4), st.booleans())
def test_random_values_come_back_with_their_places(
    value: Any, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    document = read_json(text.encode(), "s")
    assert repr(document.value) == repr(plain(value))
    check_places(document.value, (), document, text)


@settings(max_examples=150)
@given(st.integers(0, len(SPEC)), st.integers(0, 5), st.text("{}[]\",:'/\\\r\n1e.#"))
def test_edited_specs_raise_nothing_else(at: int, cut: int, new: str) -> None:
    text = SPEC[:at] + new + SPEC[at + cut :]
    try:
        value = read_json(text, "s").value
    except SpecErrors as error:
        for e in error.errors:
            assert 1 <= e.place.column <= len(e.place.text) + 1
    else:
        assert value == plain(json.loads(text))


def test_many_faults_on_one_long_line_keep_one_copy_of_it() -> None:
    text = "{" + '"a":0,' * 1000 + f'"b":"{"x" * 200_000}"}}\n'
    tracemalloc.start()
    found = faults(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 999
    assert peak < 20e6
