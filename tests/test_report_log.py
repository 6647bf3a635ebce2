"""Logs that are whole, cut off, resumed, damaged or something else altogether."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from run_logs import CLASSES, end, epoch, evaluation, start, warning, whole, written

from bpcompile.cli import main
from bpcompile.errors import UserError
from bpcompile.reporting.log import read_log


def test_whole_log_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = read_log(str(written(tmp_path / "run.jsonl", whole())))
    assert run.label == "run"
    assert run.spec.normalised() == CLASSES.normalised()
    assert [e.number for e in run.epochs] == [1, 2, 3]
    assert run.epochs[1].values["test_cost"] == 0.75
    assert run.epochs[1].layers["gradient_norms"] == (1.0, 1.5)
    assert run.last_start.examples == {"train": 120, "test": 30}
    assert run.evaluations[0].confusion[1] == (0, 8, 2)
    assert run.end is not None and run.end.reason == "finished"
    assert not run.cut


@pytest.mark.parametrize("rest", ['{"event": "epo', "\x00\x00\x00", '{"a": 1}}', "12"])
def test_last_line_cut_off_is_left_out(rest: str, tmp_path: Path) -> None:
    run = read_log(str(written(tmp_path / "run.jsonl", [start(), epoch(1)], rest)))
    assert run.cut
    assert [e.number for e in run.epochs] == [1]


def test_every_cut_of_a_log_is_a_run_or_one_message(tmp_path: Path) -> None:
    """Wherever the writer was killed: at most its last line is lost."""
    whole_text = written(tmp_path / "whole.jsonl", whole()).read_bytes()
    path = tmp_path / "cut.jsonl"
    begins = whole_text.index(b"\n")
    for length in (*range(0, begins, 97), *range(begins, len(whole_text), 7)):
        path.write_bytes(whole_text[:length])
        if length < begins:
            with pytest.raises(UserError):
                read_log(str(path))
        else:
            text = whole_text[:length]
            lines = text.count(b"\n") + (text[-2:] == b"}}" or text[-2:] == b"]}")
            assert len(read_log(str(path)).epochs) >= min(3, lines - 2)


def test_last_line_without_a_line_end_counts(tmp_path: Path) -> None:
    path = written(tmp_path / "run.jsonl", [start()], json.dumps(epoch(1)))
    run = read_log(str(path))
    assert len(run.epochs) == 1
    assert not run.cut


def test_resumed_run_goes_on_where_it_began_again(tmp_path: Path) -> None:
    """What an interrupted process logged beyond its checkpoint has not happened."""
    before = [
        start(),
        *map(epoch, (1, 2, 3)),
        warning(3, "late"),
        end(3, "interrupted"),
    ]
    after = [start(epoch=2), epoch(3, cost=0.125), epoch(4), end(4)]
    run = read_log(str(written(tmp_path / "run.jsonl", [*before, *after])))
    assert run.resumed == (2,)
    assert [e.number for e in run.epochs] == [1, 2, 3, 4]
    assert run.epochs[2].values["cost"] == 0.125
    assert run.warnings == ()
    assert run.end is not None and run.end.reason == "finished"


def test_numbers_that_are_not_finite_are_no_points(tmp_path: Path) -> None:
    text = json.dumps(epoch(2, cost=math.nan, test_cost=math.inf))
    events = [start(), epoch(1), epoch(3, cost=None)]
    path = written(tmp_path / "run.jsonl", events, text)
    run = read_log(str(path))
    assert [number for number, _ in run.points("cost")] == [1]
    assert [number for number, _ in run.points("test_cost")] == [1, 3]


def test_events_of_later_versions_are_passed_over(tmp_path: Path) -> None:
    events = [start(), {"event": "new", "layers": {}}, epoch(1), end(1)]
    assert len(read_log(str(written(tmp_path / "run.jsonl", events))).epochs) == 1


REFUSED: dict[str, tuple[list[Any], str]] = {
    "nothing": ([], "run.jsonl: is empty: a log begins when train does"),
    "no start": ([epoch(1)], ":1: not the log of a run: its first line is no start"),
    "format": ([start(format=2)], ":1: format 2, this version reads 1"),
    "no format": ([start(format=None)], ":1: format null, this version reads 1"),
    "no spec": (
        [{k: v for k, v in start().items() if k != "spec"}],
        ":1: it has no spec",
    ),
    "null": (
        [start(spec=None)],
        ":102: error[wrong-type]: the spec is null, expected an object",
    ),
    "spec": (
        [start(spec={"layers": [4, 0], "cost": "quadratic"})],
        ":117: error[out-of-range]: /layers/1/size is 0, expected at least 1",
    ),
    "epoch": (
        [start(), epoch(1) | {"epoch": "x"}],
        ':2: epoch is "x", expected a whole',
    ),
    "no epoch": ([start(), {"event": "epoch"}], ":2: epoch is null, expected a whole"),
    "true": (
        [start(), epoch(1) | {"epoch": True}],
        ":2: epoch is true, expected a whole",
    ),
    "layers": (
        [start(), epoch(1, dead=["x"])],
        ":2: dead holds something that is no nu",
    ),
    "confusion": (
        [start(), evaluation([[1, 2]])],
        ":2: confusion is not as wide as it",
    ),
    "count": ([start(), evaluation([[-1]])], ":2: confusion is -1, expected a whole"),
    "rows": ([start(), evaluation(3)], ":2: confusion is 3, expected an array"),
    "worst": ([start(), evaluation(worst=[3])], ":2: worst holds 3, expected objects"),
    "classes": ([start(classes=[1])], ":1: classes holds something that is no text"),
    "environment": ([start(environment=3)], ":1: environment is 3, expected an object"),
    "event": ([start(), {"event": 3}], ":2: event is 3, expected a text"),
    "message": (
        [start(), warning(1, "x") | {"message": 3}],
        ":2: message is 3, expected",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_said_with_its_line(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    events, said = REFUSED[name]
    path, output = written(tmp_path / "run.jsonl", events), tmp_path / "report.html"
    assert main(["report", str(path), "-o", str(output)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == (3 if "error[" in said else 1)
    assert said in err
    assert not output.exists()


@pytest.mark.parametrize("text", ["{", '["event"]', "\udcff{}", '{"a": ' * 5000])
def test_damaged_line_within_is_said(text: str, tmp_path: Path) -> None:
    path = written(tmp_path / "run.jsonl", [start()])
    with open(path, "ab") as file:
        file.write(text.encode("utf-8", "surrogateescape") + b"\n")
        file.write(json.dumps(epoch(1)).encode() + b"\n")
    with pytest.raises(UserError, match=r"run\.jsonl:2: damaged, not a JSON object: "):
        read_log(str(path))


@pytest.mark.parametrize(
    ("name", "text"),
    [("run.csv", "epoch,cost\n1,0.5\n"), ("run.jsonl", "epoch,cost\n1,0.5\n")],
)
def test_csv_log_is_refused_with_the_reason(
    name: str, text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    assert main(["report", str(path)]) == 2
    reason = (
        "a .csv log has the numbers of the epochs alone, not the spec or the layers"
    )
    assert f"{name}: {reason}; train with --log FILE.jsonl" in capfd.readouterr().err


def test_missing_log_is_said(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["report", str(tmp_path / "none.jsonl")]) == 2
    assert capfd.readouterr().err.endswith("none.jsonl: no such file\n")
