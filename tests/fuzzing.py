"""How much is fuzzed, and what is mutated: structured mutants of specs, and raw text.

Every mutant is drawn from a number of its own, so that one that fails can be drawn
again alone. BPCOMPILE_LONG=1, which `make fuzz` sets, asks for the whole size; without
it a share of the same mutants is tried, the first ones of each part.
"""

from __future__ import annotations

import copy
import functools
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from support import LONG, SPECS

from bpcompile.operators import (
    ACTIVATIONS,
    COSTS,
    INITIALIZERS,
    OPTIMIZERS,
    REGULARIZERS,
    SCALINGS,
    SCHEDULES,
)

#: Into so many tests each set of mutants is divided, for as many processes.
PARTS = 8

_Path: TypeAlias = tuple[Any, ...]


def share(whole: int, part_in_ci: int) -> int:
    """Of `whole` runs, how many one of the PARTS tries."""
    return -(-(whole if LONG else part_in_ci) // PARTS)


# ---- Where mutants start -----------------------------------------------------------

#: Every section of the language at once, which no spec of the gallery needs.
RICH: dict[str, Any] = {
    "version": 1,
    "name": "rich",
    "description": "every section",
    "dtype": "float64",
    "task": "classification",
    "layers": [
        {"size": 4, "scaling": {"kind": "divide", "by": 255}, "dropout": 0.25},
        {"size": 5, "activation": "bent", "initializer": "he", "dropout": 0.5},
        {"size": 4, "activation": {"kind": "elu", "alpha": 0.5}},
        {"size": 3, "activation": "softmax", "bias_initializer": "zeros"},
    ],
    "cost": "log_likelihood",
    "operators": {
        "activations": {"bent": {"formula": "(sqrt(z*z + 1) - 1) / 2 + z"}},
        "costs": {"far": {"formula": "(a - y)**4 / 4"}},
    },
    "hyperparameters": {
        "learning_rate": 0.5,
        "mini_batch_size": 10,
        "epochs": 60,
        "seed": 7,
        "regularization": {"l1": 0.1, "l2": 5.0, "max_norm": 3.0},
        "clipping": {"norm": 1.0},
        "optimizer": {"kind": "adam", "beta1": 0.8},
        "schedule": {"kind": "cosine"},
        "early_stopping": {"patience": 10},
        "validation_fraction": 0.2,
        "class_weights": [1.0, 2.0, 0.5],
    },
}


@functools.cache
def starts() -> tuple[Any, ...]:
    """The gallery's specs, those of `bpcompile new` and the rich one, as values."""
    templates = SPECS.parent / "bpcompile/starts"
    paths = [*sorted(SPECS.rglob("*.json")), *sorted(templates.glob("*.json"))]
    values = [json.loads(path.read_text("utf-8")) for path in paths]
    small = [value for value in values if len(json.dumps(value)) < 4000]
    # Half of all mutants begin with the rich one: there most can go wrong.
    return (*small, *[RICH] * len(small))


REGISTRIES: tuple[tuple[str, ...], ...] = (
    tuple(ACTIVATIONS),
    tuple(COSTS),
    tuple(INITIALIZERS),
    tuple(OPTIMIZERS),
    tuple(REGULARIZERS),
    tuple(SCALINGS),
    tuple(SCHEDULES),
)
WORDS = (
    *(kind for kinds in REGISTRIES for kind in kinds),
    *("size", "kind", "by", "layers", "unit", "step", "monitor", "mu"),
)
#: What stands where something else should; texts with the marks of every language.
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e-300, 1e300, 10**30, 2**53, 1.5),
    *(
        "",
        " ",
        "0",
        "null",
        "\x00",
        "\u2028",
        "\ud83d\ude00",
        '"""',
        "{{ 7*7 }}",
        "a\n",
    ),
    *("z" * 70, "x" * 100_000, "é", "*/", "\\", "sigmod", "1 + z", "z" + " + z" * 3000),
    *([], {}, [[]], [1, 2], {"kind": "relu"}, {"kind": None}, {"kind": "huber"}),
    *({"size": 3}, {"formula": "z"}, {"formula": "1 / z"}, {"formula": "a" * 5000}),
    *([1] * 300, {"l2": 1.0}, {str(i): i for i in range(300)}),
)


# ---- Structured mutants ------------------------------------------------------------


def _places(value: Any) -> Iterator[_Path]:
    """The path of every value, the whole one's first."""
    waiting: list[tuple[_Path, Any]] = [((), value)]
    while waiting:
        path, found = waiting.pop()
        yield path
        if isinstance(found, dict):
            waiting += [((*path, key), inner) for key, inner in found.items()]
        elif isinstance(found, list):
            waiting += [((*path, i), inner) for i, inner in enumerate(found)]


def _at(value: Any, path: _Path) -> Any:
    for key in path:
        value = value[key]
    return value


def _replaced(value: Any, path: _Path, new: Any) -> Any:
    if not path:
        return new
    _at(value, path[:-1])[path[-1]] = new
    return value


def _odd(value: Any, path: _Path, chance: random.Random) -> Any:
    return _replaced(value, path, copy.deepcopy(chance.choice(ODD)))


def _word(value: Any, path: _Path, chance: random.Random) -> Any:
    return _replaced(value, path, chance.choice(WORDS))


def _number(value: Any, path: _Path, chance: random.Random) -> Any:
    numbers = (10 ** chance.uniform(-12, 12), chance.randint(-3, 300))
    return _replaced(value, path, chance.choice(numbers))


def _alike(value: Any, path: _Path, chance: random.Random) -> Any:
    """Something near: often still valid, so that mutants reach what comes after."""
    found = _at(value, path)
    if isinstance(found, bool) or found is None:
        return _replaced(value, path, not found)
    if isinstance(found, int):
        return _replaced(value, path, max(1, found + chance.randint(-2, 2)))
    if isinstance(found, float):
        return _replaced(value, path, found * chance.choice((0.1, 0.5, 1.9)))
    near = [kinds for kinds in REGISTRIES if isinstance(found, str) and found in kinds]
    return _replaced(value, path, chance.choice(near[0])) if near else value


def _without(value: Any, path: _Path, chance: random.Random) -> Any:
    if path:
        del _at(value, path[:-1])[path[-1]]
    return value


def _swapped(value: Any, path: _Path, chance: random.Random) -> Any:
    other = chance.choice(list(_places(value)))
    here, there = (copy.deepcopy(_at(value, p)) for p in (path, other))
    # Where one holds the other, only the first comes to its place.
    if path[: len(other)] == other or other[: len(path)] == path:
        return _replaced(value, path, there)
    return _replaced(_replaced(value, path, there), other, here)


def _wrapped(value: Any, path: _Path, chance: random.Random) -> Any:
    inner = _at(value, path)
    for _ in range(chance.choice((1, 1, 2, 70))):
        inner = chance.choice(([inner], {"kind": inner}))
    return _replaced(value, path, inner)


def _renamed(value: Any, path: _Path, chance: random.Random) -> Any:
    if not path or isinstance(path[-1], int):
        return value
    holder, key = _at(value, path[:-1]), path[-1]
    cut = chance.randrange(len(key) + 1)
    new = chance.choice((key[:cut] + key[cut + 1 :], key[:cut] + "x" + key[cut:]))
    holder[chance.choice((new, key.upper(), chance.choice(WORDS)))] = holder.pop(key)
    return value


def _grown(value: Any, path: _Path, chance: random.Random) -> Any:
    found = _at(value, path)
    # A thousand layers are a valid spec, which rightly takes longer than a second.
    if isinstance(found, list) and 0 < len(found) < 100:
        found += [copy.deepcopy(chance.choice(found))] * chance.choice((1, 2, 40))
    elif isinstance(found, dict):
        found[chance.choice(WORDS)] = copy.deepcopy(chance.choice(ODD))
    return value


CHANGES: tuple[Callable[[Any, _Path, random.Random], Any], ...] = (
    *(_alike,) * 12,
    *(_odd, _odd, _word, _word, _number, _number),
    *(_without, _swapped, _wrapped, _renamed, _grown),
)


# ---- Text --------------------------------------------------------------------------

PIECES = (
    *('"', "'", "{", "}", "[", "]", ",", ":", "//x", "/*", "#", "\\", "\\u", "\\ud800"),
    *("\x00", "\r", "\n", "\t", "\ufeff", "\u2028", "NaN", "Infinity", "1e400", "01"),
    *(
        "-",
        "+",
        ".",
        "null",
        "true",
        '"size": 1,',
        "[[layers]]",
        "=",
        '"""',
        "\x1b[31m",
    ),
)


def _torn(data: bytes, chance: random.Random) -> bytes:
    """The bytes with a few of them gone, doubled, exchanged or joined by others."""
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice((0, 1, 1, 5, 50)))
        middle = chance.choice(
            (
                b"",
                data[start:end] * 2,
                data[start:end][::-1],
                chance.choice(PIECES).encode(),
                chance.randbytes(chance.choice((1, 3))),
            )
        )
        data = data[:start] + middle + data[end:]
    return data


def mutant(number: int) -> bytes:
    """A spec that was valid, changed at one to three places; a quarter in its text too."""
    chance = random.Random(number)
    value = copy.deepcopy(chance.choice(starts()))
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        path = chance.choice(list(_places(value)))
        value = chance.choice(CHANGES)(value, path, chance)
    text = json.dumps(value, indent=chance.choice((None, 2)))
    data = text.encode()
    return _torn(data, chance) if chance.random() < 1 / 4 else data


def noise(number: int) -> bytes:
    """Bytes that were never a spec: any, or pieces of JSON and TOML in any order."""
    chance = random.Random(number)
    if chance.random() < 0.3:
        return chance.randbytes(chance.choice((1, 10, 300, 5000)))
    words = (*PIECES, *PIECES, *WORDS, "layers", "cost", " ", " ")
    drawn = chance.choices(words, k=chance.choice((1, 3, 10, 60, 400)))
    data = "".join(drawn).encode()
    return data if chance.random() < 0.5 else b'{"layers": [' + data


def write(folder: Path, data: bytes, suffix: str = ".json") -> str:
    """A file of that content; its path."""
    path = folder / f"spec{suffix}"
    path.write_bytes(data)
    return str(path)
