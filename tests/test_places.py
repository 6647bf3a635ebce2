"""Whether messages are right: each at its place, and its fix mends the spec there.

The specs are those of `messages/`. Where their JSON can be read, every mistake's place is
found a second time, by Python's own decoder; where it cannot, writing the fix at the place
must make it readable. `pytest -s` prints how many are right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from json.decoder import scanstring
from pathlib import Path
from typing import Any, TypeAlias

from bpcompile.errors import Place, SpecError, SpecErrors
from bpcompile.meant import key_elsewhere, keys_of, meant_key, meant_kind, walk
from bpcompile.operators import (
    ACTIVATIONS,
    COSTS,
    INITIALIZERS,
    OPTIMIZERS,
    REGULARIZERS,
    SCALINGS,
    SCHEDULES,
)
from bpcompile.source import Document
from bpcompile.source.override import override
from bpcompile.source.scanner import read_json
from bpcompile.source.toml import read_toml
from bpcompile.validate import validate

FOLDER = Path(__file__).parent / "messages"
SPECS = sorted(p.name for p in FOLDER.iterdir() if p.suffix in (".json", ".toml"))

Steps: TypeAlias = tuple[str | int, ...]
Span: TypeAlias = tuple[int, int]

#: Of specs that cannot be read: what stands at the place, and what mends it there.
MENDED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "json_backquotes.json": (("`quadratic`", '"quadratic"'),),
    "json_bare_key.json": (("layers", '"layers"'),),
    "json_bare_value.json": (("quadratic", '"quadratic"'),),
    "json_comma_first.json": ((",", ""),),
    "json_comment.json": (("// three layers", ""),),
    "json_comment_after_key.json": (("// the book", ""),),
    "json_comment_of_c.json": (("/* the book */", ""),),
    "json_comment_of_python.json": (("# the book", ""),),
    "json_crlf_lines_syntax.json": ((",", ""),),
    "json_curly_quotes.json": (("“quadratic”", '"quadratic"'),),
    "json_curly_quotes_of_key.json": (("“layers”", '"layers"'),),
    "json_cut_after_a_key.json": (("", "1}"),),
    "json_cut_in_a_string.json": (("", '"}'),),
    "json_cut_in_a_word.json": (("", "ll}}"),),
    "json_delete_in_string.json": (("\x7f", ""),),
    "json_duplicate_by_escape.json": (('"c\\u006fst"', '"name"'),),
    "json_duplicate_inside.json": (('"epochs": 4', '"name": 4'),),
    "json_duplicate_key.json": (('"cost": "cross_', '"name": "cross_'),),
    "json_duplicate_thrice.json": (
        ('"cost": "huber",', '"a": 1,'),
        ('"cost": "huber"\n', '"b": 1'),
    ),
    "json_ellipsis.json": (("...", "4"),),
    "json_equals_sign.json": (("=", ":"),),
    "json_escape_character_in_string.json": (("\x1b", ""),),
    "json_hexadecimal.json": (("0x1F", "31"),),
    "json_infinity.json": (("Infinity", "1"),),
    "json_invalid_escape.json": (("\\d", "\\\\d"),),
    "json_leading_zero.json": (("05", "5"),),
    "json_line_end_in_string.json": (("\n", "\\n"),),
    "json_line_separator_before.json": (("\x85", ""),),
    "json_minus_infinity.json": (("-Infinity", "1"),),
    "json_missing_colon.json": (("[", ": ["),),
    "json_missing_comma.json": (('"cost"', ', "cost"'),),
    "json_missing_comma_in_array.json": (("2", ", 2"),),
    "json_mixed_lines.json": (("quadratic", '"quadratic"'),),
    "json_nan.json": (("NaN", "1"),),
    "json_no_break_space.json": (("\xa0\xa0", "  "),),
    "json_no_exponent.json": (("1e", "1e0"),),
    "json_one_bracket_too_many.json": (("}", ""),),
    "json_overflow.json": (("1e400", "1e40"),),
    "json_plus_sign.json": (("+5", "5"),),
    "json_point_first.json": ((".5", "0.5"),),
    "json_point_last.json": (("5.", "5.0"),),
    "json_python_nan.json": (("nan", "1"),),
    "json_python_none.json": (("None", "null"),),
    "json_python_true.json": (("True", "true"),),
    "json_round_brackets.json": (("(3, 2)", "[3, 2]"),),
    "json_semicolon.json": ((";", ","),),
    "json_short_unicode_escape.json": (("\\u", "\\\\u"),),
    "json_single_quotes_of_value.json": (("'quadratic'", '"quadratic"'),),
    "json_tab_in_string.json": (("\t", "\\t"),),
    "json_thousands.json": ((("000"), "0"),),
    "json_trailing_comma.json": ((",", ""),),
    "json_trailing_comma_in_array.json": ((",", ""),),
    "json_trailing_nul.json": (("\0", ""),),
    "json_two_commas.json": ((",", ""),),
    "json_two_points.json": (("0.5.1", "0.51"),),
    "json_unclosed_array.json": (("", "1]}"),),
    "json_unclosed_object.json": (("", "}"),),
    "json_unclosed_string.json": (("", '"'),),
    "json_undefined.json": (("undefined", "null"),),
    "json_underscore_in_number.json": (("1_000", "1000"),),
    "json_wrong_bracket.json": (("]", "}]"),),
    "number_of_301_digits.json": (("1" + "0" * 300, "1"),),
    "number_underflow.json": (("1e-400", "1e-4"),),
    "text_with_control_character.json": (("\\u0000", ""),),
    "text_with_lone_surrogate.json": (("\\ud800", ""),),
    "toml_colon.toml": ((":", " ="),),
    "toml_comment_of_c.toml": (("//", "#"),),
    "toml_curly_quotes.toml": (("“quadratic”", '"quadratic"'),),
    "toml_date.toml": (("2026-01-31", '"january"'),),
    "toml_duplicate_key.toml": (("epochs", "seed"),),
    "toml_duplicate_table.toml": (("hyperparameters]", "operators]"),),
    "toml_inline_table_on_two_lines.toml": (("\n", ""),),
    "toml_invalid_escape.toml": (("\\d", "\\\\d"),),
    "toml_leading_zero.toml": (("02", "2"),),
    "toml_missing_comma.toml": (("2", ", 2"),),
    "toml_nan.toml": (("nan", "1.0"),),
    "toml_null.toml": (("null", '"none"'),),
    "toml_point_first.toml": ((".5", "0.5"),),
    "toml_unclosed_array.toml": (("cost", "]\ncost"),),
    "toml_unclosed_string.toml": (("\n", '"\n'),),
    "toml_unquoted.toml": (("quadratic", '"quadratic"'),),
}

#: Of specs that are wrong as a whole, or in too many places: the first line and column.
WHOLE: Mapping[str, tuple[int, int]] = {
    "json_binary.json": (1, 1),
    "json_bom.json": (1, 1),
    "json_cut_in_a_character.json": (4, 22),
    "json_empty.json": (1, 1),
    "json_latin1.json": (4, 22),
    "json_single_quotes.json": (2, 3),
    "json_that_is_generated.json": (1, 1),
    "json_that_is_html.json": (1, 1),
    "json_that_is_toml.json": (3, 1),
    "json_that_is_yaml.json": (2, 1),
    "json_two_documents.json": (5, 1),
    "json_utf16.json": (1, 1),
    "json_utf16_big_without_bom.json": (1, 1),
    "json_utf32.json": (1, 1),
    "nested_too_deeply.json": (1, 75),
    "toml_cr_lines.toml": (1, 16),
    "toml_empty.toml": (1, 1),
    "toml_that_is_json.toml": (1, 1),
}


def read(name: str, text: str | bytes) -> Document:
    data = text.encode() if isinstance(text, str) else text
    return (read_toml if name.endswith(".toml") else read_json)(data, name)


def mistakes(name: str, text: str | bytes) -> tuple[SpecError, ...]:
    try:
        validate(read(name, text))
    except SpecErrors as failure:
        return failure.errors
    return ()


def offset(text: str, place: Place) -> int:
    starts = [0, *(end.end() for end in re.finditer(r"\r\n?|\n", text))]
    return starts[place.line - 1] + place.column - 1


def steps(error: SpecError) -> Steps:
    """The path of an error, of which no key is a number."""
    parts = error.path.split("/")[1:]
    plain = (part.replace("~1", "/").replace("~0", "~") for part in parts)
    return tuple(int(part) if part.isdigit() else part for part in plain)


def spans(text: str) -> tuple[dict[Steps, Span], dict[Steps, Span]]:
    """Where each value and each key of a JSON text stands, by Python's decoder."""
    values: dict[Steps, Span] = {}
    keys: dict[Steps, Span] = {}
    scan = json.JSONDecoder().raw_decode

    def skip(at: int, signs: str = " \t\r\n") -> int:
        while text[at : at + 1] and text[at] in signs:
            at += 1
        return at

    def value(at: int, path: Steps) -> int:
        if text[at] not in "{[":
            values[path] = (at, scan(text, at)[1])
            return values[path][1]
        values[path] = (at, at + 1)
        closing, count = "}" if text[at] == "{" else "]", 0
        at = skip(at + 1)
        while text[at] != closing:
            step: str | int = count
            if closing == "}":
                step, end = scanstring(text, at + 1)
                keys[(*path, step)] = (at, end)
                at = skip(skip(end) + 1)
            at = skip(skip(value(at, (*path, step))), ", \t\r\n")
            count += 1
        return at + 1

    value(skip(0), ())
    return values, keys


def is_right(text: str, error: SpecError) -> bool:
    """Whether a mistake in readable JSON stands where Python's decoder finds its path."""
    values, keys = spans(text)
    path, at = steps(error), offset(text, error.place)
    if error.code == "unknown-key":
        return keys[path] == (at, at + error.place.width)
    while path not in values:  # what is missing, or short for an object
        path = path[:-1]
    start, end = values[path]
    if error.code == "formula":
        return start <= at < end or keys[path][0] == at
    return start == at or (error.code == "conflict" and keys[path][0] == at)


def written(text: str, places: list[tuple[int, str, str]]) -> str:
    """The text with each `old` at an offset replaced by `new`, the last one first."""
    for at, old, new in sorted(places, reverse=True):
        assert text.startswith(old, at), (text[at : at + 20], old)
        text = text[:at] + new + text[at + len(old) :]
    return text


def test_every_message_stands_at_its_place() -> None:
    right = 0
    for name in SPECS:
        data = (FOLDER / name).read_bytes()
        errors = mistakes(name, data)
        assert errors, name
        if name in WHOLE:
            first = errors[0].place
            assert (first.line, first.column) == WHOLE[name], name
        elif name in MENDED:
            text = data.decode()
            fixes = zip(errors, MENDED[name], strict=True)
            places = [(offset(text, e.place), old, new) for e, (old, new) in fixes]
            read(name, written(text, places))  # else SpecErrors
        elif name.endswith(".json"):
            assert all(is_right(data.decode(), error) for error in errors), name
        else:  # TOML that can be read: what stands there is what is said
            for error in errors:
                start = error.place.column - 1
                shown = error.place.text[start : start + error.place.width]
                said = f"{error.path} {error.message}"
                assert shown.strip("[") in said, (name, shown)
        right += len(errors)
    print(f"\n{right} messages of {len(SPECS)} specs stand at their places")
    assert len(SPECS) >= 220


FIXES = (
    r'did you mean "(?P<word>[^"]+)"\? ?(?:\(one of|$)',
    r"did you mean (?P<path>[a-z_0-9.]+)\?",
    r"write (?P<number>[-0-9.eE+]+|true|false|null)(?: without the quotes)?(?:$|;)",
)


def fixed(name: str, text: str, error: SpecError) -> str | None:
    """The text as the hint of an error says; None where it says no such thing."""
    match = next(filter(None, (re.match(form, error.hint) for form in FIXES)), None)
    if match is None or match.re.pattern == FIXES[1]:
        return None
    at = offset(text, error.place)
    quoted = name.endswith(".json") or text[at] == '"'
    new = match[1] if "number" in match.re.groupindex or not quoted else f'"{match[1]}"'
    return text[:at] + new + text[at + error.place.width :]


def test_what_a_hint_says_mends_the_spec() -> None:
    tried = 0
    for name in SPECS:
        data = (FOLDER / name).read_bytes()
        if name in WHOLE or name in MENDED:
            continue
        text = data.decode()
        for error in mistakes(name, data):
            mended = fixed(name, text, error)
            if mended is None:
                continue
            left = {(e.path, e.code, e.message) for e in mistakes(name, mended)}
            if "duplicate-key" not in {code for _, code, _ in left}:
                assert (error.path, error.code, error.message) not in left, name
            tried += 1
    print(f"\n{tried} hints applied, each mends its mistake")
    assert tried >= 80


def test_a_hint_across_levels_is_a_path_that_set_takes() -> None:
    document = read("s.json", '{"layers": [3, 2], "cost": "quadratic"}')
    paths = set()
    for path in FOLDER.glob("*.stderr"):
        paths |= set(
            re.findall(r"did you mean ([a-z_0-9.]+)\?", path.read_text("utf-8"))
        )
    paths -= {"sigmoid"}  # the name of a function in a formula
    assert "hyperparameters.learning_rate" in paths
    for path in sorted(paths):
        try:
            validate(override(document, f"{path}=1"))
        except SpecErrors as failure:
            assert {e.code for e in failure.errors} <= {"wrong-type", "unknown-value"}


def typos(word: str) -> Iterator[str]:
    """Every word with one letter left out, doubled, or swapped with the next; with
    hyphens, in camel case and in capitals."""
    for i in range(len(word)):
        yield word[:i] + word[i + 1 :]
        yield word[: i + 1] + word[i:]
        yield word[:i] + word[i + 1 : i + 2] + word[i : i + 1] + word[i + 2 :]
    yield word.replace("_", "-")
    yield re.sub("_(.)", lambda m: m[1].upper(), word)
    yield word.upper()


def choices() -> Iterator[tuple[str, Any]]:
    """Every set of words among which a user chooses."""
    for place in ((), ("layers", 0), ("layers", 1), ("hyperparameters",)):
        _, _, held = walk(place)
        yield "key", keys_of(held)
    for section in ("regularization", "clipping", "early_stopping"):
        yield "key", keys_of(walk(("hyperparameters", section))[2])
    yield "kind", ("float32", "float64")
    yield "kind", ("auto", "accuracy", "cost")
    for registry in (ACTIVATIONS, COSTS, INITIALIZERS, OPTIMIZERS, SCALINGS, SCHEDULES):
        yield "kind", registry
        for entry in registry.values():
            yield "key", keys_of(entry)


def test_the_first_hint_is_the_word_that_was_meant() -> None:
    tried, right = 0, 0
    for sort, words in choices():
        for word in words:
            for typo in set(typos(word)) - set(words):
                # Of one or two letters nobody could say what was meant.
                if len(typo) < 3:
                    continue
                found = (
                    meant_key(typo, words) if sort == "key" else meant_kind(typo, words)
                )
                tried += 1
                right += found == word
    print(f"\n{right} of {tried} first hints are right: {right / tried:.2%}")
    assert tried >= 2000
    assert right >= 0.95 * tried


def test_the_first_hint_across_levels_is_the_word_that_was_meant() -> None:
    words = [
        key for place in ("hyperparameters",) for key in keys_of(walk((place,))[2])
    ]
    words += [*REGULARIZERS, "patience"]
    found = [
        (word, key_elsewhere(typo) or "")
        for word in words
        for typo in set(typos(word))
        if len(typo) > 4
    ]
    right = sum(hint.endswith(f".{word}") for word, hint in found)
    print(f"\n{right} of {len(found)} first hints across levels are right")
    assert right >= 0.95 * len(found)
