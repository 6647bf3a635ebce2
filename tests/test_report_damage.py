"""Logs with anything in them: a page, or one message; never a traceback.

BPCOMPILE_LONG=1 draws many more.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from html_pages import HOSTILE, Page, assert_self_contained
from run_logs import end, epoch, evaluation, start, warning, written
from support import LONG

from bpcompile.cli import main
from bpcompile.errors import SpecErrors, UserError
from bpcompile.reporting.log import read_log
from bpcompile.reporting.page import page
from bpcompile.reporting.several import page_of_several

DRAWN = 1000 if LONG else 60
FLIPPED = 500 if LONG else 60

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**53, 10**400, 1e308, -1e-320, 0.5),
    *("", "x", HOSTILE, "\ud800", "\x00", [], [None], [[]], [[0]], [1.5, "x"], {}),
    *({"a": {}}, {"kind": "sgd"}, [{}] * 3, "9" * 5000),
)


def events() -> list[dict[str, Any]]:
    worst = [{"row": 3, "true": 1, "predicted": 2, "cost": 0.5}]
    confusion = [[9, 1, 0], [0, 8, 2], [0, 0, 10]]
    return [
        start(classes=["a", "b", "c"]),
        epoch(1),
        warning(1, "said"),
        start(epoch=1),
        epoch(2, sampled=64),
        evaluation(confusion, worst=worst),
        end(2),
    ]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every value of a log stands."""
    inside = value.items() if isinstance(value, dict) else ()
    inside = enumerate(value) if isinstance(value, list) else inside
    below = (place for key, held in inside for place in places(held, (*path, key)))
    return [path, *below] if path else [*below]


def put(log: list[Any], path: tuple[Any, ...], value: Any) -> None:
    held: Any = log
    for key in path[:-1]:
        held = held[key]
    held[path[-1]] = value


def page_or_message(path: Path) -> bool:
    """Whether there is a page; else there was one message with the file's name."""
    try:
        run = read_log(str(path))
    except SpecErrors as errors:
        assert all(error.place.file == str(path) for error in errors.errors)
        return False
    except UserError as error:
        assert "\n" not in str(error)
        assert path.name in str(error)
        return False
    for text in (page(run), page_of_several([run, run])):
        Page(text)
        text.encode("utf-8")
        assert len(text) < 200_000
    assert_self_contained(page(run))
    return True


def test_any_value_anywhere_is_a_page_or_a_message(tmp_path: Path) -> None:
    drawn = random.Random(1)
    pages = 0
    everywhere = places(events())
    for _ in range(DRAWN):
        log = events()
        put(log, drawn.choice(everywhere), drawn.choice(VALUES))
        pages += page_or_message(written(tmp_path / "run.jsonl", log))
    assert 0.1 < pages / DRAWN < 0.9


def test_any_bit_flipped_is_a_page_or_a_message(tmp_path: Path) -> None:
    whole = written(tmp_path / "run.jsonl", events()).read_bytes()
    drawn, path = random.Random(2), tmp_path / "run.jsonl"
    for _ in range(FLIPPED):
        place, bit = drawn.randrange(len(whole)), drawn.randrange(8)
        damaged = bytearray(whole)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        page_or_message(path)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe\x00",
        b"\x00" * 100,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\n\n",
        b"null",
    ],
    ids=["utf-16", "zeros", "arrays", "objects", "blank", "null"],
)
def test_what_is_no_log_is_said_in_one_line(
    data: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(data)
    assert main(["report", str(path)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1 and len(err) < 500
    assert json.dumps(str(path))[1:-1] in err
