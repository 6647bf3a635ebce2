"""Our frozen dataclasses against the standard ones, of which they are to be a copy."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import field
from typing import Any

import pytest

from bpcompile import records

Decorator = Callable[[type], type]
OURS: Decorator = records.dataclass(frozen=True)
STANDARD: Decorator = dataclasses.dataclass(frozen=True)
NAN = float("nan")


def classes(decorate: Decorator) -> dict[str, Any]:
    """The same classes, made by one decorator or the other."""

    @decorate
    class Point:
        """With all that a field can say."""

        x: float
        y: float = 0.0
        tags: list[str] = field(default_factory=list, hash=False)
        note: str = field(default="", compare=False, repr=False)
        last: int = field(default=1, kw_only=True)

        @property
        def norm(self) -> float:
            return self.x * self.x + self.y * self.y

    @decorate
    class Named(Point):
        """With a field more, after those of its base."""

        name: str = "p"

    @decorate
    class Pair:
        """With the fields that most have."""

        left: Any
        right: Any

    @decorate
    class Empty:
        """With no field."""

    @decorate
    class Own:
        """With methods that are its own."""

        value: int

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

    return {k: c for k, c in locals().items() if isinstance(c, type)}


MADE = {"ours": classes(OURS), "standard": classes(STANDARD)}


def outcome(act: Callable[[dict[str, Any]], Any], kind: str) -> Any:
    """What comes of it, or the type of what is raised."""
    try:
        return act(MADE[kind])
    except Exception as failure:
        return type(failure)


@pytest.mark.parametrize(
    "act",
    [
        lambda c: repr(c["Point"](1, 2, ["a"], "hidden", last=3)),
        lambda c: repr(c["Named"](1)),
        lambda c: repr(c["Empty"]()),
        lambda c: repr(c["Own"](1)),
        lambda c: vars(c["Named"](1, note="n", name="q")),
        lambda c: c["Point"](3.0, 4.0).norm,
        lambda c: c["Point"](1).tags is c["Point"](1).tags,
        lambda c: c["Point"](1, note="a") == c["Point"](1, note="b"),
        lambda c: c["Point"](1) == c["Point"](2),
        lambda c: c["Point"](1) == c["Named"](1),
        lambda c: c["Point"](1) == 1,
        lambda c: c["Pair"](NAN, 1) == c["Pair"](NAN, 1),
        lambda c: c["Own"](1) == c["Own"](2),
        lambda c: hash(c["Point"](1, tags=["no hash"])),
        lambda c: hash(c["Pair"](1, "a")),
        lambda c: hash(c["Pair"](1, [])),
        lambda c: hash(c["Empty"]()),
        lambda c: hash(c["Own"](1)),
        lambda c: c["Point"](),
        lambda c: c["Point"](1, x=1),
        lambda c: c["Point"](1, 2, [], "", 3),
        lambda c: c["Point"](1, z=1),
        lambda c: c["Point"](y=1, z=1),
        lambda c: c["Pair"](1),
        lambda c: c["Pair"](1, 2, 3),
        lambda c: setattr(c["Pair"](1, 2), "left", 3),
        lambda c: setattr(c["Pair"](1, 2), "other", 3),
        lambda c: delattr(c["Pair"](1, 2), "left"),
        lambda c: repr(dataclasses.replace(c["Named"](1), y=2, last=5)),
        lambda c: dataclasses.replace(c["Pair"](1, 2), other=3),
        lambda c: dataclasses.asdict(c["Pair"](1, c["Pair"](2, 3))),
        lambda c: [f.name for f in dataclasses.fields(c["Named"])],
        lambda c: c["Named"].__match_args__,
        lambda c: repr(copy.deepcopy(c["Point"](1, tags=["a"]))),
        lambda c: c["Point"].__doc__,
        lambda c: str(inspect.signature(c["Point"])),
        lambda c: str(inspect.signature(c["Named"])),
        lambda c: str(inspect.signature(c["Empty"])),
    ],
)
def test_same_as_the_standard_decorator(act: Callable[[dict[str, Any]], Any]) -> None:
    assert outcome(act, "ours") == outcome(act, "standard")


def test_message_names_the_class_and_what_is_wrong() -> None:
    with pytest.raises(TypeError, match=r"Pair: missing a required argument: 'right'"):
        MADE["ours"]["Pair"](1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="'left'"):
        MADE["ours"]["Pair"](1, 2).left = 3


def test_record_that_holds_itself_can_be_printed() -> None:
    shown = []
    for made in MADE.values():
        held: list[Any] = []
        held.append(made["Pair"](held, 1))
        shown.append(repr(held[0]))
    assert shown[0] == shown[1]


def test_record_survives_pickle_between_processes() -> None:
    from bpcompile.fields import Operator

    chosen = Operator("sgd", (("mu", 0.9),))
    assert pickle.loads(pickle.dumps(chosen)) == chosen


def test_record_without_a_description_has_none() -> None:
    """The standard decorator makes one of a signature, which takes longest of all."""

    @OURS
    class Bare:
        value: int

    assert Bare.__doc__ is None
    assert str(inspect.signature(Bare)) == "(value: 'int') -> None"
