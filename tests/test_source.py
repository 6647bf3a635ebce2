"""The spec locator: what it reads, what it refuses, and where it says the fault is."""

from __future__ import annotations

import json
import math
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpcompile import source
from bpcompile.errors import (
    Place,
    SpecError,
    SpecErrors,
    UserError,
    format_error,
    nearest,
    printable,
    quote,
)
from bpcompile.source import Document, override, read_file, read_json, read_toml

SUITE = Path(__file__).parents[2] / "shared/cases/JSONTestSuite/test_parsing"
needs_suite = pytest.mark.skipif(
    not SUITE.is_dir(), reason="JSONTestSuite is not in ../shared"
)

SPEC = """{
  "version": 1,
  "name": "mnist_30",
  "layers": [784, {"size": 30, "activation": "relu"}, 10],
  "cost": "quadratic",
  "hyperparameters": {"learning_rate": 3.0, "schedule": "cosine", "clipping": null}
}
"""


def faults(data: bytes | str, reader: Any = read_json) -> tuple[SpecError, ...]:
    with pytest.raises(SpecErrors) as caught:
        reader(data, "s")
    return caught.value.errors


def lines(data: bytes | str, reader: Any = read_json) -> list[str]:
    """The first line of each error, without the file name."""
    return [format_error(e).split("\n")[0][2:] for e in faults(data, reader)]


def covered(place: Place) -> str:
    return place.text[place.column - 1 : place.column - 1 + place.width]


# What is refused, with its place and words

DEEP = "nested too deeply (at most 64)"
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
    (b'"ab\\u12"', "1:4: error[syntax]: \\u needs four hexadecimal digits"),
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
    (b"[1_000]", "1:2: error[syntax]: malformed number 1_000"),
    (b"[True]", "1:2: error[syntax]: True is not JSON; write true"),
    (b"[False]", "1:2: error[syntax]: False is not JSON; write false"),
    (b"[None]", "1:2: error[syntax]: None is not JSON; write null"),
    (b'{"a" 1}', '1:6: error[syntax]: missing ":" after the key "a"'),
    (b'{"a": 1 "b": 2}', '1:9: error[syntax]: missing "," before this'),
    (b"[1 2]", '1:4: error[syntax]: missing "," before this'),
    (b"[1,,2]", '1:4: error[syntax]: expected a value, got ","'),
    (b"\n [1}", '2:4: error[syntax]: expected "," or "]", got "}"; opened at 2:2'),
    (b'["a', "1:4: error[syntax]: unexpected end of file: unclosed string, opened at 1:2"),
    (b" [1,\n2\n", "2:2: error[syntax]: unexpected end of file: unclosed array, opened at 1:2"),
    (b'[{"a":',
     "1:7: error[syntax]: unexpected end of file: unclosed object, opened at 1:2"),
    (b"", "1:1: error[syntax]: the file is empty"),
    (b" \n\n", "1:1: error[syntax]: the file is empty"),
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


@pytest.mark.parametrize("cut", range(len(CUT.encode()) - 1))
def test_a_truncated_spec_is_refused(cut: int) -> None:
    (error,) = faults(CUT.encode()[:cut].rstrip(b"\n"))
    start = "the file is empty" if cut == 0 else "unexpected end of file"
    assert error.message.startswith(start)


# JSONTestSuite

# The spec language has no use for control characters, so U+0000-U+001F (except \n and
# \t) and U+007F-U+009F are refused however they are written.
CONTROL_CHARACTERS = {
    "y_object_escaped_null_in_key.json",
    "y_string_allowed_escapes.json",
    "y_string_escaped_control_character.json",
    "y_string_null_escape.json",
    "y_string_unescaped_char_delete.json",
    "y_string_with_del_character.json",
}
# RFC 8259 leaves these to the implementation ("names should be unique").
DUPLICATE_KEYS = {
    "y_object_duplicated_key.json",
    "y_object_duplicated_key_and_value.json",
}
UNDECIDED = {
    "i_number_double_huge_neg_exp.json": "syntax",
    "i_number_huge_exp.json": "too-large",
    "i_number_neg_int_huge_exp.json": "too-large",
    "i_number_pos_double_huge_exp.json": "too-large",
    "i_number_real_neg_overflow.json": "too-large",
    "i_number_real_pos_overflow.json": "too-large",
    "i_number_real_underflow.json": "syntax",
    "i_number_too_big_neg_int.json": "",
    "i_number_too_big_pos_int.json": "",
    "i_number_very_big_negative_int.json": "",
    "i_object_key_lone_2nd_surrogate.json": "encoding",
    "i_string_1st_surrogate_but_2nd_missing.json": "encoding",
    "i_string_1st_valid_surrogate_2nd_invalid.json": "encoding",
    "i_string_UTF-16LE_with_BOM.json": "encoding",
    "i_string_UTF-8_invalid_sequence.json": "encoding",
    "i_string_UTF8_surrogate_U+D800.json": "encoding",
    "i_string_incomplete_surrogate_and_escape_valid.json": "encoding",
    "i_string_incomplete_surrogate_pair.json": "encoding",
    "i_string_incomplete_surrogates_escape_valid.json": "encoding",
    "i_string_invalid_lonely_surrogate.json": "encoding",
    "i_string_invalid_surrogate.json": "encoding",
    "i_string_invalid_utf-8.json": "encoding",
    "i_string_inverted_surrogates_U+1D11E.json": "encoding",
    "i_string_iso_latin_1.json": "encoding",
    "i_string_lone_second_surrogate.json": "encoding",
    "i_string_lone_utf8_continuation_byte.json": "encoding",
    "i_string_not_in_unicode_range.json": "encoding",
    "i_string_overlong_sequence_2_bytes.json": "encoding",
    "i_string_overlong_sequence_6_bytes.json": "encoding",
    "i_string_overlong_sequence_6_bytes_null.json": "encoding",
    "i_string_truncated-utf-8.json": "encoding",
    "i_string_utf16BE_no_BOM.json": "encoding",
    "i_string_utf16LE_no_BOM.json": "encoding",
    "i_structure_500_nested_arrays.json": "too-large",
    "i_structure_UTF-8_BOM_empty_object.json": "encoding",
}


@needs_suite
def test_suite_refuses_every_n_file_with_a_place() -> None:
    files = sorted(SUITE.glob("n_*.json"))
    assert len(files) == 188
    for path in files:
        for error in faults(path.read_bytes()):
            assert error.place.line >= 1, path.name
            assert error.place.column <= len(error.place.text) + 1, path.name


def plain(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(plain(v) for v in value)
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    return value


@needs_suite
def test_suite_reads_every_y_file_that_the_spec_language_allows() -> None:
    files = sorted(SUITE.glob("y_*.json"))
    assert len(files) == 95
    refused: dict[str, str] = {}
    for path in files:
        try:
            document = read_json(path.read_bytes(), path.name)
        except SpecErrors as error:
            refused[path.name] = error.errors[0].code
        else:
            assert document.value == plain(json.loads(path.read_bytes())), path.name
    assert refused == dict.fromkeys(CONTROL_CHARACTERS, "encoding") | dict.fromkeys(
        DUPLICATE_KEYS, "duplicate-key"
    )


@needs_suite
def test_suite_decides_every_i_file_as_pinned() -> None:
    decided: dict[str, str] = {}
    for path in SUITE.glob("i_*.json"):
        try:
            read_json(path.read_bytes(), path.name)
            decided[path.name] = ""
        except SpecErrors as error:
            decided[path.name] = error.errors[0].code
    assert decided == UNDECIDED


# What is read


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


def check_places(value: Any, path: source.Path, document: Document, text: str) -> None:
    place = document.place(path)
    assert path in document.places
    if isinstance(value, tuple):
        assert covered(place) == "["
        for i, inner in enumerate(value):
            check_places(inner, (*path, i), document, text)
    elif isinstance(value, dict):
        assert covered(place) == "{"
        for key, inner in value.items():
            assert json.loads(covered(document.key_places[(*path, key)])) == key
            check_places(inner, (*path, key), document, text)
    else:
        literals = {json.dumps(value), json.dumps(value, ensure_ascii=False)}
        assert covered(place) in literals
    assert text.split("\n")[place.line - 1] == place.text


@given(values, st.none() | st.integers(0, 4), st.booleans())
def test_random_values_come_back_with_their_places(
    value: Any, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    document = read_json(text.encode(), "s")
    assert repr(document.value) == repr(plain(value))
    check_places(document.value, (), document, text)


@given(st.binary() | texts.map(str.encode))
def test_random_bytes_raise_nothing_else(data: bytes) -> None:
    for reader in (read_json, read_toml):
        try:
            reader(data, "s")
        except SpecErrors as error:
            assert str(error)


@settings(max_examples=300)
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


MIB8 = 8 * 2**20
SLOW = {
    "escapes": b'"' + b"\\n" * 1_000_000 + b'"',
    "lines": b"\n" * (MIB8 // 4) + b"x",
    "one long line": b'{"a": "' + b"x" * (MIB8 - 20) + b'" x}',
    "digits": b"0." + b"1" * (MIB8 - 2),
    "duplicates on one line": b"{" + b'"a":0,' * 50_000 + b"x}",
    "duplicates on many lines": b"{" + b'"a":0,\n' * 50_000 + b"x}",
    "a long key": b'{"' + b"k" * 4_000_000 + b'":' + b"[" * 60 + b'"\\u0000"',
    "slashes": b"/" * MIB8,
    "unicode escapes": b'"' + b"\\u00e9" * 500_000 + b'"',
}
SLOW_TOML = {
    "a word": b"a" * MIB8,
    "a dotted key": b"a." * 10**6 + b"a = 1",
    "a quoted dotted key": b'"a ".' * 10**6 + b"a = 1",
    "an inline dotted key": b"x = {" + b"'a' . " * 10**6 + b"a = 1}",
    "quotes": b'a = "' + b'\\"' * (MIB8 // 8),
    "many quotes": b"a = " + b'"' * (MIB8 - 10),
    "brackets": b"[" * MIB8,
    "spaces": b"a" + b" " * (MIB8 - 2) + b"b",
    "tables": b"".join(b"[[layers]]\nsize = %d\n" % n for n in range(20_000)),
}


@pytest.mark.parametrize(
    ("reader", "data"),
    [(read_json, data) for data in SLOW.values()]
    + [(read_toml, data) for data in SLOW_TOML.values()],
    ids=[*SLOW, *SLOW_TOML],
)
def test_large_input_is_answered_in_seconds(reader: Any, data: bytes) -> None:
    start = time.process_time()
    try:
        reader(data, "s")
    except SpecErrors as error:
        assert len(str(error)) < 20_000
    assert time.process_time() - start < 15


# Errors as text


def test_the_form_of_the_contract() -> None:
    text = '{\n  "layers": [784,\n    { "size": 30, "activation": "sigmod" }]}'
    place = read_json(text, "specs/bad.json").place(("layers", 1, "activation"))
    error = SpecError("", place, "unknown-value", "it is wrong", "mend it")
    assert format_error(error) == (
        "specs/bad.json:3:33: error[unknown-value]: it is wrong; mend it\n"
        '    { "size": 30, "activation": "sigmod" }]}\n'
        "                                ^^^^^^^^"
    )


def test_errors_are_sorted_and_the_first_20_shown() -> None:
    places = [Place("f", n // 2, 1 + n % 2, "text", 1) for n in range(2, 25)]
    random.Random(0).shuffle(places)
    errors = SpecErrors(SpecError("", p, "c", "m") for p in places)
    found = [(e.place.line, e.place.column) for e in errors.errors]
    assert found == sorted(found)
    shown = str(errors).split("\n")
    assert sum(line.startswith("f:") for line in shown) == 20
    assert shown[-1] == "... and 3 more errors"
    assert str(SpecErrors(errors.errors[:21])).endswith("\n... and 1 more error")
    assert "more" not in str(SpecErrors(errors.errors[:20]))


def caret_cover(text: str) -> str:
    head, shown, carets = text.split("\n")
    assert head
    return "".join(s for s, c in zip(shown, carets, strict=False) if c == "^")


def test_no_raw_control_character_reaches_the_terminal() -> None:
    text = '\t{"\u202e\x9b": "\x1b[2J", "b": bad}'
    line = Place("a\x1bb\udc80\n", 1, 1 + text.index("bad"), text, 3)
    shown = format_error(SpecError("", line, "c", "m\u202e\x07"))
    assert all(row.isprintable() for row in shown.split("\n"))
    assert shown.startswith(r"a\x1bb\udc80\x0a:1:22: error[c]: m\u202e\x07")
    assert caret_cover(shown) == "bad"


def test_carets_under_an_escaped_character_cover_its_escape() -> None:
    (error,) = faults('{"a": "\x1b"}')
    assert caret_cover(format_error(error)) == r"\x1b"


@pytest.mark.parametrize("before", [0, 10, 60, 95, 99, 120, 10**5])
@pytest.mark.parametrize("after", [0, 10, 90, 10**5])
@pytest.mark.parametrize("filler", ["x", "\t", "\x1b", "\u202e"])
def test_long_lines_are_cut_around_the_place(
    before: int, after: int, filler: str
) -> None:
    text = "a" + filler * before + "WORD" + filler * after
    place = Place("f", 1, 2 + before, text, 4)
    shown = format_error(SpecError("", place, "c", "m"))
    assert caret_cover(shown) == "WORD"
    assert len(shown.split("\n")[1]) <= 104
    cut = len(printable(text.replace("\t", " "))) > 100
    assert ("..." in shown) == cut


def test_a_place_at_the_end_or_in_the_indentation_is_shown() -> None:
    end = Place("f", 1, 4, "abc", 1)
    assert format_error(SpecError("", end, "c", "m")).endswith("\n    abc\n       ^")
    lead = Place("f", 1, 2, "    abc", 1)
    assert format_error(SpecError("", lead, "c", "m")).endswith("\n       abc\n    ^")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("sigmod", "sigmoid"),
        ("rleu", "relu"),
        ("ReLU", "relu"),
        ("sdg", "sgd"),
        ("um", "mu"),
        ("m", "mu"),
        ("crossentropy", "cross_entropy"),
        ("learning_rte", "learning_rate"),
        ("banana", None),
        ("xyz", None),
        ("", None),
        ("sigmoid" * 10, None),
    ],
)
def test_nearest(word: str, expected: str | None) -> None:
    known = ["sigmoid", "relu", "sgd", "mu", "cross_entropy", "learning_rate", "tanh"]
    assert nearest(word, known) == expected
    assert nearest(word, []) is None


def test_nearest_of_a_huge_word_is_fast() -> None:
    start = time.process_time()
    assert nearest("a" * 10**7, ["a" * 60] * 100) is None
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("sigmod", '"sigmod"'),
        ('a"b\\', r'"a\"b\\"'),
        ("\x1b", r'"\x1b"'),
        ("x" * 40, '"' + "x" * 40 + '"'),
        ("x" * 41, '"' + "x" * 40 + '..."'),
        (1, "1"),
        (-0.5, "-0.5"),
        (True, "true"),
        (False, "false"),
        (None, "null"),
        ({"a": 1}, "an object"),
        ((1,), "an array"),
        (10**299, "1" + "0" * 39 + "..."),
    ],
)
def test_quote(value: object, expected: str) -> None:
    assert quote(value) == expected


# TOML

TOML = b"""\
version = 1
cost = 'quadratic'  # the book's
hyperparameters.learning_rate = 3.0

[[layers]]
size = 784
[layers.scaling]
kind = "divide"
"by" = 255

[[layers]]
size = 10
dropout = 0.5

[operators]
costs = {a = {b = [1, 2]}}
text = \"\"\"
cost = 1
[layers]
\"\"\"
"a.b" . 'c # d' = "e = # f" # [g]
"""


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
    assert at("operators", "costs", "a", "b") == (16, 9, "{")
    assert at("operators", "a.b", "c # d") == (21, 19, '"e = # f"')
    assert at("operators", "a.b", "c # d", key=True) == (21, 9, "'c # d'")
    assert at("nothing") == (1, 1, "v")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a = 1\nb = .5\n", "2:5: error[syntax]: invalid value"),
        (b"a = 1\r\nb = .5\r\n", "2:5: error[syntax]: invalid value"),
        (b"a = 1\na = 2\n", "2:6: error[syntax]: cannot overwrite a value"),
        (b'a = "x\n', '1:7: error[syntax]: illegal character \'\\n\''),
        (b"a = [1,", "1:8: error[syntax]: invalid value"),
        (b"[t]\nd = 2026-01-31\n",
         "2:5: error[syntax]: 2026-01-31 is a date or time; a spec holds none"),
        (b"d = 07:32:00",
         "1:5: error[syntax]: 07:32:00 is a date or time; a spec holds none"),
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
        (b"a = " + b"[" * 65 + b"]" * 65, f"1:5: error[too-large]: {DEEP}"),
        (b"a = " + b"[" * 10**5, f"1:1: error[too-large]: {DEEP}"),
        (b"x = 1\n" + b"a." * 10**6 + b"a = 1", f"2:1: error[too-large]: {DEEP}"),
        (b"\xef\xbb\xbfa = 1",
         "1:1: error[encoding]: file starts with a UTF-8 BOM; save it without"),
        (b"a = '\xff'",
         "1:6: error[encoding]: invalid UTF-8: byte 0xFF; save the file as UTF-8"),
    ],
    ids=range(19),
)  # fmt: skip
def test_toml_refused_with_place_and_words(data: bytes, expected: str) -> None:
    assert lines(data, read_toml) == [expected]


def test_toml_reports_all_bad_values_at_once() -> None:
    found = lines(b"a = nan\n[t]\nb = 07:32:00\n", read_toml)
    assert [line.split(" ")[0] for line in found] == ["1:5:", "3:5:"]


# Files


def test_read_file_chooses_by_suffix(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(SPEC)
    (tmp_path / "a.toml").write_bytes(TOML)
    document = read_file(str(tmp_path / "a.json"))
    assert document.value["layers"] == (784, {"size": 30, "activation": "relu"}, 10)
    assert document.file == str(tmp_path / "a.json")
    assert read_file(str(tmp_path / "a.toml")).value["cost"] == "quadratic"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(2**40)
    cases = {
        str(tmp_path / "no\x1bne"): "no such file",
        str(tmp_path): "it is a directory",
        str(tmp_path / "fifo"): "not a regular file",
        str(large): "larger than 8 MiB",
        os.devnull: "not a regular file",
        "a\0b": "null",
        "": "no such file",
        str(tmp_path / ("n" * 5000)): "too long",
    }
    for path, words in cases.items():
        with pytest.raises(UserError, match=words) as caught:
            read_file(path)
        assert str(caught.value).isprintable()
        assert printable(path) in str(caught.value)


def test_a_socket_is_not_a_spec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By a relative name, because the length of a socket's name is limited.
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.json")
        with pytest.raises(UserError, match=r"s\.json: not a regular file"):
            read_file("s.json")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("{}")
    path.chmod(0)
    with pytest.raises(UserError, match="permission denied"):
        read_file(str(path))


def test_standard_input_and_what_is_imported() -> None:
    code = (
        "import sys; from bpcompile.source import read_file; from bpcompile.errors "
        "import SpecErrors\n"
        "try: read_file('-')\n"
        "except SpecErrors as error: print(error)\n"
        "print({'numpy', 'pydantic', 'jinja2', 'tomllib'} & set(sys.modules))"
    )
    root = Path(__file__).parents[1]
    ran = subprocess.run(
        [sys.executable, "-c", code],
        input="[1",
        capture_output=True,
        text=True,
        cwd=root,
    )
    assert ran.stderr == ""
    assert ran.stdout.startswith("<stdin>:1:3: error[syntax]: unexpected end of file")
    assert ran.stdout.endswith("\nset()\n")


# --set


def after(*assignments: str) -> Document:
    document = read_json(SPEC, "s.json")
    for assignment in assignments:
        document = override(document, assignment)
    return document


@pytest.mark.parametrize(
    ("assignment", "path", "value"),
    [
        ("cost=cross_entropy", ("cost",), "cross_entropy"),
        ('cost="a b"', ("cost",), "a b"),
        ("cost= huber ", ("cost",), "huber"),
        (
            "hyperparameters.learning_rate=0.1",
            ("hyperparameters", "learning_rate"),
            0.1,
        ),
        ("hyperparameters.schedule=none", ("hyperparameters", "schedule"), "none"),
        ("hyperparameters.clipping=null", ("hyperparameters", "clipping"), None),
        ("layers[1].size=40", ("layers", 1), {"size": 40, "activation": "relu"}),
        ("layers[0].size=40", ("layers", 0), {"size": 40}),
        ("layers[2].dropout=0.5", ("layers", 2), {"size": 10, "dropout": 0.5}),
        ("layers[2]=7", ("layers", 2), 7),
        ("layers=[1, {}]", ("layers",), (1, {})),
        ("a.b.c=true", ("a",), {"b": {"c": True}}),
        (
            "hyperparameters.schedule.unit=step",
            ("hyperparameters", "schedule"),
            {"kind": "cosine", "unit": "step"},
        ),
    ],
)
def test_set(assignment: str, path: source.Path, value: Any) -> None:
    found = after(assignment).value
    for step in path:
        found = found[step]
    assert found == value


def test_set_changes_nothing_else() -> None:
    document = read_json(SPEC, "s.json")
    new = override(document, "layers[1].size=40")
    assert document.value == read_json(SPEC, "s.json").value
    assert document.place(("layers", 1, "size")).file == "s.json"
    expected = plain(json.loads(SPEC))
    expected["layers"][1]["size"] = 40
    assert new.value == expected
    assert new.file == "s.json"


def test_what_was_set_has_its_place_in_the_assignment() -> None:
    first, second = 'a.b={"c": [1,\n 22]}', "layers[0].size=40"
    document = after(first, second)

    def at(*path: str | int, key: bool = False) -> tuple[str, int, int, str, str]:
        place = document.place(path, key)
        return place.file, place.line, place.column, covered(place), place.text

    assert at("a") == ("--set", 1, 1, "a", first)
    assert at("a", "b") == ("--set", 1, 5, "{", first)
    assert at("a", "b", key=True) == ("--set", 1, 3, "b", first)
    assert at("a", "b", "c", 1) == ("--set", 1, 16, "22", first)
    assert at("a", "b", "c", key=True) == ("--set", 1, 6, '"c"', first)
    assert at("layers", 0, "size") == ("--set", 1, 16, "40", second)
    assert at("layers", 0, "size", key=True) == ("--set", 1, 11, "size", second)
    # What was only passed through stays where it was.
    assert document.place(("layers", 0)).file == "s.json"
    assert document.place(("layers",), key=True).file == "s.json"
    assert document.place(("layers", 1, "activation")).line == 4


def test_a_replaced_value_leaves_no_old_places_behind() -> None:
    document = after("layers=[{}]")
    assert document.place(("layers", 0, "size")).column == 9
    assert document.place(("layers", 1, "activation")).column == 8


MALFORMED = "malformed assignment: expected PATH=VALUE, got"
EXAMPLE = "; such as layers[1].size=40"


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("", f"1: error[syntax]: {MALFORMED} its end{EXAMPLE}"),
        ("cost", f"5: error[syntax]: {MALFORMED} its end{EXAMPLE}"),
        ("=1", f'1: error[syntax]: {MALFORMED} "="{EXAMPLE}'),
        ("a..b=1", f'3: error[syntax]: {MALFORMED} "."{EXAMPLE}'),
        ("a.=1", f'3: error[syntax]: {MALFORMED} "="{EXAMPLE}'),
        ("[1]=1", f'1: error[syntax]: {MALFORMED} "["{EXAMPLE}'),
        ("a.[1]=1", f'3: error[syntax]: {MALFORMED} "["{EXAMPLE}'),
        ("layers[-1]=1", f'7: error[syntax]: {MALFORMED} "["{EXAMPLE}'),
        ("layers[1]size=1", f'10: error[syntax]: {MALFORMED} "s"{EXAMPLE}'),
        ("a b=1", f'2: error[syntax]: {MALFORMED} " "{EXAMPLE}'),
        ("cost=", "6: error[syntax]: the value is missing"),
        ("cost=[1", "8: error[syntax]: unexpected end of value: unclosed array, opened at 1:6"),
        ("cost=a b", '6: error[syntax]: expected a value, got a; write "a" in double quotes'),
        ("cost=1 b", "8: error[syntax]: extra text after the value"),
        ("cost=True", "6: error[syntax]: True is not JSON; write true"),
        ("cost=NaN", "6: error[syntax]: NaN is not JSON; numbers must be finite"),
        ("cost=inf", "6: error[syntax]: inf is not JSON; numbers must be finite"),
        ("cost=-Infinity", "6: error[syntax]: -Infinity is not JSON; numbers must be finite"),
        ("cost=.5", "6: error[syntax]: number .5 has no digit before its point; write 0.5"),
        ('a={"b":1,"b":2}', '10: error[duplicate-key]: duplicate key "b", first at 1:4'),
        ("cost=\udc80", "6: error[encoding]: invalid Unicode: lone surrogate U+DC80"),
        ("layers[3]=1",
         "7: error[out-of-range]: /layers has no element 3; it has 3, counted from 0"),
        ("layers.size=1",
         "8: error[wrong-type]: /layers is an array, not an object; "
         "an index goes in brackets, as in layers[1]"),
        ("version.x=1", "9: error[wrong-type]: /version is 1, not an object"),
        ("hyperparameters.learning_rate.x=1",
         "31: error[wrong-type]: /hyperparameters/learning_rate is 3.0, not an object"),
        ("hyperparameters.clipping.norm=1",
         "26: error[wrong-type]: /hyperparameters/clipping is null, not an object"),
        ("cost[0]=1", '5: error[wrong-type]: /cost is "quadratic", not an array'),
        ("class_weights[0]=1", "14: error[wrong-type]: /class_weights is missing, not an array"),
    ],
)  # fmt: skip
def test_set_refused_with_place_and_words(assignment: str, expected: str) -> None:
    document = read_json(SPEC, "s.json")
    with pytest.raises(SpecErrors) as caught:
        override(document, assignment)
    (error,) = caught.value.errors
    assert format_error(error).split("\n")[0] == f"--set:1:{expected}"
    assert error.place.text == assignment


def test_set_on_a_spec_that_is_no_object() -> None:
    with pytest.raises(SpecErrors, match="the spec is an array, not an object"):
        override(read_json("[1]", "s"), "cost=huber")
