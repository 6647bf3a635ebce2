"""The JSON parsing test suite of Nicolas Seriot: every file, as RFC 8259 wants it."""

from __future__ import annotations

import json

import pytest
from source_helpers import SUITE, faults, plain

from bpcompile.errors import SpecErrors
from bpcompile.source.scanner import read_json

pytestmark = pytest.mark.skipif(
    not SUITE.is_dir(), reason="JSONTestSuite is not in ../shared"
)

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


@pytest.mark.fault("JSN-29")
def test_suite_refuses_every_n_file_with_a_place() -> None:
    files = sorted(SUITE.glob("n_*.json"))
    assert len(files) == 188
    for path in files:
        for error in faults(path.read_bytes()):
            assert error.place.line >= 1, path.name
            assert error.place.column <= len(error.place.text) + 1, path.name


@pytest.mark.fault("JSN-30")
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


@pytest.mark.fault("JSN-31")
def test_suite_decides_every_i_file_as_pinned() -> None:
    decided: dict[str, str] = {}
    for path in SUITE.glob("i_*.json"):
        try:
            read_json(path.read_bytes(), path.name)
            decided[path.name] = ""
        except SpecErrors as error:
            decided[path.name] = error.errors[0].code
    assert decided == UNDECIDED
