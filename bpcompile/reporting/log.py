"""The log of a run, in JSON lines, -> what it says.

Who reads a log may not have written it: every value is looked at, and what is wrong is
one message with its line.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from pydantic import ValidationError

from bpcompile.errors import UserError, printable, quote
from bpcompile.reporting.run import (
    OF_LAYERS,
    End,
    Epoch,
    Evaluation,
    Mistake,
    Run,
    Start,
    Warned,
)
from bpcompile.source.files import file_bytes, standard_input
from bpcompile.source.scanner import read_json
from bpcompile.spec import NetworkSpec
from bpcompile.validate import validate

FORMAT = 1
#: 1,000 epochs of 1,000 layers are 80 MiB.
MOST_BYTES = 256 << 20
#: Of a confusion matrix: no page shows more.
MOST_CLASSES = 1000
#: Of an epoch or an evaluation: no number that is measured, also where it is null.
_NO_VALUES = ("event", "epoch", *OF_LAYERS, "confusion", "worst")


@dataclass(frozen=True)
class _Line:
    """A line of the log: an object whose values are asked for by what they must be."""

    file: str
    number: int
    held: dict[str, Any]

    def refused(self, reason: str) -> UserError:
        return _refused(self.file, self.number, reason)

    def whole(self, key: str, default: int | None = None) -> int:
        return self._whole(key, self.held.get(key, default))

    def text(self, key: str) -> str:
        value = self.held.get(key, "")
        if not isinstance(value, str):
            raise self.refused(f"{key} is {quote(value)}, expected a text")
        return value

    def object(self, key: str) -> dict[str, Any]:
        value = self.held.get(key) or {}
        if not isinstance(value, dict):
            raise self.refused(f"{key} is {quote(value)}, expected an object")
        return value

    def array(self, key: str) -> list[Any]:
        value = self.held.get(key) or []
        if not isinstance(value, list):
            raise self.refused(f"{key} is {quote(value)}, expected an array")
        return value

    def counts(self, key: str) -> dict[str, int]:
        """Those of an object that are not null."""
        found = self.object(key).items()
        return {k: self._whole(f"{key}/{k}", v) for k, v in found if v is not None}

    def matrix(self, key: str) -> tuple[tuple[int, ...], ...]:
        """As many rows as columns, of whole numbers."""
        rows = self.array(key)
        if len(rows) > MOST_CLASSES:
            raise self.refused(f"{key} has {len(rows)} rows, at most {MOST_CLASSES}")
        if not all(isinstance(row, list) and len(row) == len(rows) for row in rows):
            raise self.refused(f"{key} is not as wide as it is high")
        return tuple(tuple(self._whole(key, n) for n in row) for row in rows)

    def values(self) -> dict[str, float]:
        """Everything that is a number, or null, which stands for one not finite."""
        found = self.held.items()
        return {
            key: number
            for key, value in found
            if key not in _NO_VALUES and (number := _number(value)) is not None
        }

    def lists(self) -> dict[str, tuple[float, ...]]:
        """Everything that is a list of such."""
        return {
            key: self._numbers(key, value)
            for key, value in self.held.items()
            if isinstance(value, list) and key not in ("confusion", "worst")
        }

    def _whole(self, key: str, value: Any) -> int:
        # type(), for in Python True is an int as well
        if type(value) is not int or not 0 <= value < 2**53:
            raise self.refused(f"{key} is {quote(value)}, expected a whole number >= 0")
        return value

    def _numbers(self, key: str, values: list[Any]) -> tuple[float, ...]:
        found = tuple(map(_number, values))
        if None in found:
            raise self.refused(f"{key} holds something that is no number")
        return tuple(number for number in found if number is not None)


def _number(value: Any) -> float | None:
    """JSON has no NaN: null stands for it. None where it is no number."""
    if value is None:
        return math.nan
    if type(value) not in (int, float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _refused(file: str, number: int, reason: str) -> UserError:
    return UserError(f"{file}:{number}: {printable(reason)}")


@dataclass
class _Told:
    """What the lines so far have said."""

    starts: list[Start] = field(default_factory=list)
    epochs: dict[int, Epoch] = field(default_factory=dict)
    warnings: list[Warned] = field(default_factory=list)
    evaluations: dict[str, Evaluation] = field(default_factory=dict)
    end: End | None = None


def read_log(path: str) -> Run:
    """The run of a log that `train --log` has written; "-" is standard input.

    A last line that is cut off is left out, and `Run.cut` says so; events that this
    version does not know are passed over. Raises UserError, with file and line, where
    it is no such log, or a later line is damaged; SpecErrors where its spec is wrong.
    """
    file = "<stdin>" if path == "-" else printable(path)
    data = standard_input(MOST_BYTES) if path == "-" else file_bytes(path, MOST_BYTES)
    if len(data) > MOST_BYTES:
        raise UserError(f"cannot read {file}: larger than {MOST_BYTES >> 20} MiB")
    lines = data.split(b"\n")
    _refuse_other_formats(file, path, lines[0])
    told, spec, cut = _Told(), None, False
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            held = _object(text)
        except (ValueError, RecursionError) as error:
            if number == len(lines) and spec:
                cut = True
                break
            reason = f"damaged, not a JSON object: {_reason(error)}"
            raise _refused(file, number, reason) from None
        line = _Line(file, number, held)
        if spec is None:
            spec = _spec(line, text)
        _EVENTS.get(line.text("event"), _nothing)(line, told)
    if spec is None:
        raise UserError(f"{file}: is empty: a log begins when train does")
    return Run(
        label="stdin" if path == "-" else PurePath(path).stem,
        spec=spec,
        starts=tuple(told.starts),
        epochs=tuple(epoch for _, epoch in sorted(told.epochs.items())),
        warnings=tuple(told.warnings),
        evaluations=tuple(told.evaluations.values()),
        end=told.end,
        cut=cut,
    )


def _object(text: bytes) -> dict[str, Any]:
    held = json.loads(text.decode("utf-8"))
    if not isinstance(held, dict):
        raise ValueError(f"it is {quote(held)}")
    return held


def _reason(error: Exception) -> str:
    # json counts lines too, in a text that is one.
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg[:1].lower()}{error.msg[1:]} at column {error.colno}"
    return str(error)


def _refuse_other_formats(file: str, path: str, first: bytes) -> None:
    """What is plainly something else: a log as a table has no spec, no layers."""
    begins = first.lstrip()[:1]
    if path.lower().endswith(".csv") or (begins not in (b"{", b"") and b"," in first):
        raise UserError(
            f"{file}: a .csv log has the numbers of the epochs alone, not the spec or "
            "the layers; train with --log FILE.jsonl for a report"
        )


def _spec(line: _Line, text: bytes) -> NetworkSpec:
    """The spec in the first line, which says what all the others are about.

    Raises SpecErrors where it is wrong.
    """
    if line.text("event") != "start":
        raise line.refused("not the log of a run: its first line is no start event")
    found = line.held.get("format")
    if found != FORMAT:
        raise line.refused(f"format {quote(found)}, this version reads {FORMAT}")
    if "spec" not in line.held:
        raise line.refused("it has no spec")
    try:
        # From JSON, in which a list may stand for a tuple.
        return NetworkSpec.model_validate_json(json.dumps(line.held["spec"]))
    except ValidationError:
        pass
    # Read again, with the place of everything in it.
    return validate(read_json(text, line.file).within(("spec",)))


# ---- Events ------------------------------------------------------------------------


def _start(line: _Line, told: _Told) -> None:
    classes = line.array("classes")
    if not all(isinstance(name, str) for name in classes):
        raise line.refused("classes holds something that is no text")
    start = Start(
        epoch=line.whole("epoch", 0),
        target=line.text("target"),
        compiler=line.text("compiler"),
        seed=line.whole("seed", 0),
        spec_digest=line.text("spec_sha256"),
        examples=line.counts("examples"),
        classes=tuple(classes),
        environment=line.object("environment"),
    )
    told.starts.append(start)
    # It goes on after this epoch, whatever had been logged beyond.
    told.epochs = {n: e for n, e in told.epochs.items() if n <= start.epoch}
    told.warnings = [w for w in told.warnings if w.epoch <= start.epoch]
    told.evaluations, told.end = {}, None


def _epoch(line: _Line, told: _Told) -> None:
    number = line.whole("epoch")
    told.epochs[number] = Epoch(number, line.values(), line.lists())


def _warning(line: _Line, told: _Told) -> None:
    layer = 0 if line.held.get("layer") is None else line.whole("layer")
    epoch, kind = line.whole("epoch", 0), line.text("kind")
    told.warnings.append(Warned(epoch, kind, layer, line.text("message")))


def _evaluation(line: _Line, told: _Told) -> None:
    data = line.text("data")
    confusion, worst = line.matrix("confusion"), tuple(_mistakes(line))
    found = Evaluation(data, line.values(), line.lists(), confusion, worst)
    told.evaluations[data] = found


def _end(line: _Line, told: _Told) -> None:
    epoch, reason = line.whole("epoch", 0), line.text("reason")
    told.end = End(epoch, reason, line.text("message"))


def _nothing(line: _Line, told: _Told) -> None:
    """What a later version may log."""


_EVENTS: dict[str, Callable[[_Line, _Told], None]] = {
    "start": _start,
    "epoch": _epoch,
    "warning": _warning,
    "evaluation": _evaluation,
    "end": _end,
}


def _mistakes(line: _Line) -> Iterator[Mistake]:
    for one in line.array("worst"):
        if not isinstance(one, dict):
            raise line.refused(f"worst holds {quote(one)}, expected objects")
        row = _Line(line.file, line.number, one).whole("row")
        cost = _number(one.get("cost"))
        cost = math.nan if cost is None else cost
        yield Mistake(row, one.get("true"), one.get("predicted"), cost)
