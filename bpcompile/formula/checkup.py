"""Is a formula defined, differentiable, finite? Tried on a grid when it is compiled.

Along a line (z of an activation; a of a cost at each of some y) the definition is
evaluated, its derivative compared with complex steps, and the emitted statements run
within the limits of the dtype. Where something switches (a comparison, abs, max, a
divisor that passes 0) the place is found by bisection, so that no kink, jump or pole
lies unseen between two points of the grid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from bpcompile.expr import Expr
from bpcompile.formula.errors import FormulaError
from bpcompile.formula.places import bisected, oddity, switching
from bpcompile.formula.tree import written
from bpcompile.formula.values import Ran, Value, slope, value
from bpcompile.operators.entry import Body

#: Where a value is expected whatever the rounding; farther out it may get lost.
NEAR = 10.0
#: A derivative this far from the complex step is wrong, not rounded.
WRONG = 1e-6
#: How far beside a kink its two sides are looked at, for its place.
BESIDE = 1e-9


@dataclass(frozen=True)
class Subject:
    """What is tried: a definition, its derivative, and the code made of them.

    variable    "z" of an activation, "a" of a cost
    body, back  the emitted statements of value and derivative
    by_hand     the derivative was given with the formula
    """

    variable: str
    tree: Expr
    derivative: Expr
    body: Body
    back: Body
    by_hand: bool
    dtype: str


@dataclass(frozen=True)
class Kink:
    """The derivative differs on both sides of `at`, and is taken to be `taken`; or it
    only comes out so there, where a kink of one part meets that of another."""

    at: float
    taken: float


@dataclass(frozen=True)
class Verdict:
    """What was found that is not a mistake.

    overflows   something may pass infinity on the way to a right result;
                overflows_back: of the derivative
    masks       a branch that is not taken may have no value
    low, high   the least and greatest value within NEAR
    flat        the derivative is 0 everywhere
    worries     where the code overflows or gives NaN, in words
    """

    kinks: tuple[Kink, ...]
    overflows: bool
    overflows_back: bool
    masks: bool
    low: float
    high: float
    flat: bool
    worries: tuple[str, ...]


def examine(
    subject: Subject, points: list[float], fixed: Mapping[str, float] | None = None
) -> Verdict:
    """Everything about one line; `fixed` are the other variables.

    Raises FormulaError where the formula has no value or no derivative, and where a
    derivative given by hand is another one.
    """
    line = _Line(subject, points, dict(fixed or {}))
    line.defined()
    places = list(line.switches())
    kinks = tuple(kink for place in places for kink in line.kink(place))
    slopes = line.differentiable({kink.at for kink in kinks})
    ran, back = Ran(), Ran()
    near = [line.at(p).number.real for p in points if abs(p) <= NEAR]
    worries = (
        *line.worries(subject.body, "", ran),
        *line.worries(subject.back, "its derivative ", back),
    )
    return Verdict(
        kinks,
        ran.overflowed,
        back.overflowed,
        ran.undefined or back.undefined,
        min(near),
        max(near),
        not any(slopes),
        worries,
    )


@dataclass(frozen=True)
class _Line:
    subject: Subject
    points: list[float]
    fixed: dict[str, float]
    found: dict[float, Value] = field(default_factory=dict)

    def values(self, p: float) -> dict[str, float]:
        return {**self.fixed, self.subject.variable: p}

    def at(self, p: float) -> Value:
        # Kept, because every question begins with it.
        if p not in self.found:
            self.found[p] = value(self.subject.tree, self.values(p))
        return self.found[p]

    def slope(self, p: float) -> float:
        return slope(self.subject.tree, self.values(p), self.subject.variable)

    def where(self, p: float) -> str:
        named = {self.subject.variable: p, **self.fixed}
        return ", ".join(f"{name} = {number:.6g}" for name, number in named.items())

    # The value

    def defined(self) -> None:
        """Raises FormulaError where the formula has no value."""
        for p in sorted(self.points, key=oddity):
            found = self.at(p)
            # Far out a rounded 0 is not a 0: log(1 - tanh(z)).
            if found.undefined is not None and (
                abs(p) <= NEAR or math.isnan(found.number.real)
            ):
                self.fail_undefined(p, found.undefined)

    def fail_undefined(self, p: float, part: Expr) -> None:
        shown = written(part)
        shown = f": {shown}" if len(shown) <= 40 else ""
        raise FormulaError(f"has no value at {self.where(p)}{shown}", self.advice())

    def advice(self) -> str:
        if self.subject.variable == "z":
            return "an activation needs one for every z"
        return 'y may be any number; "range" says between which a must lie'

    # Kinks, jumps, poles

    def switches(self) -> Iterator[float]:
        """The places where a comparison, abs, max or divisor changes sides."""
        seen: set[float] = set()
        for tree in dict.fromkeys(switching(self.subject.tree)):
            for place in self.roots(tree):
                if place not in seen:
                    seen.add(place)
                    yield place

    def roots(self, tree: Expr) -> Iterator[float]:
        def side(p: float) -> float:
            return value(tree, self.values(p)).number.real

        def same_side(here: float, p: float) -> bool:
            return side(p) * here > 0

        before, last = math.nan, math.nan
        for p in self.points:
            now = side(p)
            if now == 0:
                yield p
            elif before * now < 0:
                yield bisected(partial(same_side, before), last, p)
            before, last = now, p

    def kink(self, p: float) -> Iterator[Kink]:
        """The kink at a place where something switches, if it is one.

        Raises FormulaError at a jump and at a pole.
        """
        beside = BESIDE * max(abs(p), 1e-6)
        left, here, right = (self.at(q) for q in (p - beside, p, p + beside))
        # Of a rounded 0 the neighbours are 0 too: 1 / (1 - tanh(z)) far out.
        if here.undefined is not None and (left.good or right.good):
            self.fail_undefined(p, here.undefined)
        if not (left.good and right.good):
            return
        low, high = left.number.real, right.number.real
        # The place of a pole is rounded: the value there is large and finite.
        if abs(here.number.real) > 1e3 * max(abs(low), abs(high), 1.0):
            raise FormulaError(f"has no value at {self.where(p)}", self.advice())
        slopes = self.slope(p - beside), self.slope(p + beside)
        steep = 4 * beside * max(map(abs, slopes))
        if abs(high - low) > max(WRONG * max(1.0, abs(low), abs(high)), steep):
            jump = f"jumps at {self.where(p)}, from {low:.6g} to {high:.6g}"
            raise FormulaError(f"{jump}: it is not differentiable there")
        found = self.derived(p)
        if not found.good and low == here.number.real == high:
            return  # a rounded 0 again: sqrt(abs(1 - tanh(z))) far out
        if not found.good or self.steepens(p, beside, slopes):
            self.fail_slope(p, found)
        taken = found.number.real
        sides = max(abs(slopes[0] - slopes[1]), abs(slopes[0] - taken))
        if sides > WRONG * max(1.0, *map(abs, slopes)):
            yield Kink(p, taken)

    def steepens(self, p: float, beside: float, slopes: tuple[float, float]) -> bool:
        """Does the slope grow without end towards p, as that of sqrt(abs(z)) does?"""
        nearer = self.slope(p - beside / 1e3), self.slope(p + beside / 1e3)
        return not self.subject.by_hand and any(
            abs(near) > 10 * max(abs(far), 1e3)
            for near, far in zip(nearer, slopes, strict=True)
        )

    # The derivative

    def derived(self, p: float) -> Value:
        known = {**self.values(p)}
        if self.subject.variable == "z":
            known["a"] = self.at(p).number.real
        return value(self.subject.derivative, known)

    def differentiable(self, kinks: set[float]) -> list[float]:
        """The slopes on the grid; FormulaError where there is none, or another."""
        slopes = []
        for p in sorted(self.points, key=oddity):
            if not self.at(p).good:
                continue
            found, exact = self.derived(p), self.slope(p)
            if not found.good and abs(p) <= NEAR:
                self.fail_slope(p, found)
            slopes.append(exact)
            if p in kinks or not found.good or math.isnan(exact):
                continue
            apart = abs(found.number.real - exact)
            if apart > WRONG * max(1.0, abs(exact)) and self.subject.by_hand:
                message = f"is {found.number.real:.6g} at {self.where(p)}"
                hint = f"the formula's own derivative is {exact:.6g} there"
                error = FormulaError(message, hint)
                error.key = "derivative"
                raise error
        return [s for s in slopes if not math.isnan(s)]

    def fail_slope(self, p: float, found: Value) -> None:
        if self.subject.by_hand:
            error = FormulaError(f"has no value at {self.where(p)}")
            error.key = "derivative"
            raise error
        nan = math.isnan(found.number.real)
        raise FormulaError(
            f"is not differentiable at {self.where(p)}: its derivative is "
            f"{'NaN' if nan else 'infinite'} there"
        )

    # The code

    def worries(self, body: Body, whose: str, ran: Ran) -> Iterator[str]:
        """Where the emitted statements give no number, from the middle outwards."""
        start = min(self.points, key=abs)
        rising = [p for p in self.points if p >= start]
        falling = [p for p in reversed(self.points) if p <= start]
        for outwards, sign in ((rising, ">="), (falling, "<=")):
            last = start
            for p in outwards:
                once = Ran()
                found = self.emitted(body, p, once)
                if math.isfinite(found):
                    ran.overflowed |= once.overflowed
                    ran.undefined |= once.undefined
                    last = p
                    continue
                edge = bisected(lambda q: math.isfinite(self.emitted(body, q)), last, p)
                what = (
                    "gives NaN" if math.isnan(self.emitted(body, edge)) else "overflows"
                )
                yield f"{whose}{what} for {self.subject.variable} {sign} {edge:.4g}"
                break

    def emitted(self, body: Body, p: float, ran: Ran | None = None) -> float:
        known: dict[str, float] = self.values(p)
        if body is self.subject.back and self.subject.variable == "z":
            known["a"] = self.emitted(self.subject.body, p)
        for statement in body:
            found = value(statement.value, known, self.subject.dtype, ran)
            known[statement.target] = found.number.real
        return known[body[-1].target]
