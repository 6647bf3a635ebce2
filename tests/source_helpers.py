"""What the tests of the readers share."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest

from bpcompile.errors import Place, SpecError, SpecErrors, format_error
from bpcompile.source.scanner import read_json

SUITE = Path(__file__).parents[2] / "shared/cases/JSONTestSuite/test_parsing"
DEEP = "nested too deeply (at most 64)"

SPEC = """{
  "version": 1,
  "name": "mnist_30",
  "layers": [784, {"size": 30, "activation": "relu"}, 10],
  "cost": "quadratic",
  "hyperparameters": {"learning_rate": 3.0, "schedule": "cosine", "clipping": null}
}
"""

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


def faults(data: bytes | str, reader: Any = read_json) -> tuple[SpecError, ...]:
    with pytest.raises(SpecErrors) as caught:
        reader(data, "s")
    return caught.value.errors


def lines(data: bytes | str, reader: Any = read_json) -> list[str]:
    """The first line of each error, without the file name."""
    return [format_error(e).split("\n")[0][2:] for e in faults(data, reader)]


def covered(place: Place) -> str:
    return place.text[place.column - 1 : place.column - 1 + place.width]


def plain(value: Any) -> Any:
    """What `json.loads` gives, with tuples for lists."""
    if isinstance(value, list):
        return tuple(plain(v) for v in value)
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    return value


def displayed(text: str) -> list[str]:
    """The character in each column of a terminal, as one draws it (UAX #11)."""
    columns: list[str] = []
    for character in text:
        if unicodedata.combining(character) or character in "\ufe0f\u1161\u11a8":
            columns[-1] += character
        else:
            wide = unicodedata.east_asian_width(character) in "WF"
            columns += [character] * (1 + wide)
    return columns
