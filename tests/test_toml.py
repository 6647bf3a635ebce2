"""The spec in TOML: the same values, places and refusals as in JSON."""

from __future__ import annotations

import pytest
from source_helpers import DEEP, TOML, covered, lines

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
    assert at("operators", "costs", "a", "b") == (16, 9, "{")
    assert at("operators", "a.b", "c # d") == (21, 19, '"e = # f"')
    assert at("operators", "a.b", "c # d", key=True) == (21, 9, "'c # d'")
    assert at("nothing") == (1, 1, "v")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a = 1\nb = .5\n", "2:5: error[syntax]: invalid value"),
        (b"a = 1\r\nb = .5\r\n", "2:5: error[syntax]: invalid value"),
        (b"a = 1\na = 2\n", '2:1: error[duplicate-key]: duplicate key "a"'),
        (b'[t]\na = 1\n"a" = """\nb = 1"""\n',
         '3:1: error[duplicate-key]: duplicate key "a"'),
        (b"[t]\na = 1\n[t]\n", '3:2: error[duplicate-key]: duplicate key "t"'),
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
    ids=range(29),
)  # fmt: skip
def test_toml_refused_with_place_and_words(data: bytes, expected: str) -> None:
    assert lines(data, read_toml) == [expected]


def test_toml_reports_all_bad_values_at_once() -> None:
    found = lines(b"a = nan\n[t]\nb = 07:32:00\n", read_toml)
    assert [line.split(" ")[0] for line in found] == ["1:5:", "3:5:"]
