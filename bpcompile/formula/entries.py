"""A spec's own formulas -> entries like those of the registries."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bpcompile.conflicts import Conflict, Path
from bpcompile.expr import Const, Expr, Number, Var, variables
from bpcompile.formula.checkup import Subject, Verdict, examine
from bpcompile.formula.derive import derivative, plain_powers
from bpcompile.formula.errors import FormulaError
from bpcompile.formula.parser import parse
from bpcompile.formula.places import grid
from bpcompile.formula.statements import TAKEN, statements
from bpcompile.formula.tree import CALLABLE, written, written_out_size
from bpcompile.formula.values import number
from bpcompile.formula.words import CONSTANTS
from bpcompile.operators import ACTIVATIONS, COSTS
from bpcompile.operators.entry import Activation, Cost, Interval, elementwise
from bpcompile.own import Own, OwnActivation, OwnCost, OwnOperators

MAX_NAME = 24
NAME = rf"[a-z][a-z0-9_]{{0,{MAX_NAME - 1}}}"
#: Nothing that a template writes begins so, whatever the language reserves.
PREFIX = "own_"
MAX_SIZE = 600
MAX_SHOWN = 32
MAX_DERIVATIVE = 3_000
_FLAT = "has the derivative 0 everywhere"
_FLAT_HINT = "nothing could be learnt through it"
#: Values of y at which a cost is tried.
_Y = (0.0, 1.0, 0.3, -1.7, 2.5)


def own_operators(given: OwnOperators, dtype: str) -> Own:
    """The entries of a section `operators`, for a network of that dtype."""
    return _Workshop(given, dtype).own()


class _Workshop:
    """One section on its way to entries; formulas are made when others call them."""

    def __init__(self, given: OwnOperators, dtype: str) -> None:
        self.given = given
        self.dtype = dtype
        self.known = {k: e for k, e in ACTIVATIONS.items() if e.elementwise}
        self.costs: dict[str, Cost] = {}
        self.normalised: dict[str, dict[str, Any]] = {}
        self.mistakes: list[Conflict] = []
        self.worries: list[Conflict] = []

    def own(self) -> Own:
        for kind in self.given.activations:
            self._name(("operators", "activations", kind), kind)
        for kind in self.given.costs:
            path = ("operators", "costs", kind)
            self._name(path, kind)
            if kind in self.given.activations:
                hint = "take two names"
                self._refuse(path, "is an activation's name too", hint, key=True)
        if not self.mistakes:
            for kind in self._callees_first():
                self._activation(kind, self.given.activations[kind])
            for kind, cost in self.given.costs.items():
                self._cost(kind, cost)
        made = {k: self.known[k] for k in self.given.activations if k in self.known}
        return Own(
            made,
            self.costs,
            self.normalised,
            tuple(self.mistakes),
            tuple(self.worries),
        )

    def _refuse(
        self, path: Path, message: str, hint: str = "", key: bool = False
    ) -> None:
        self.mistakes.append(Conflict(path, message, hint, key=key))

    def _name(self, path: Path, kind: str) -> None:
        """Whether an operator may have this name."""
        if not re.fullmatch(NAME, kind):
            hint = f"it must match {NAME}"
            # It may look like a letter that is allowed.
            foreign = [f": it holds U+{ord(c):04X}" for c in kind if not c.isascii()]
            message = "is no name for an operator" + "".join(foreign[:1])
            self._refuse(path, message, hint, key=True)
        elif kind in ACTIVATIONS or kind in COSTS:
            hint = "take another name"
            self._refuse(path, "is the name of a built-in operator", hint, key=True)
        elif kind in CALLABLE or kind in CONSTANTS or kind in TAKEN:
            hint = "take another name"
            self._refuse(path, "has a meaning in formulas", hint, key=True)
        elif kind.endswith(("_prime", "_gradient")):
            hint = "a derivative's function is called so"
            ending = kind[kind.rindex("_") :]
            self._refuse(path, f'ends in "{ending}"', hint, key=True)

    # ---- The order in which they call each other -------------------------------------

    def _callees_first(self) -> list[str]:
        """The activations, each after those that it calls; a circle is a mistake."""
        calls = {k: self._calls(o) for k, o in self.given.activations.items()}
        order: list[str] = []
        while len(order) < len(calls):
            ready = [k for k in calls if k not in order and calls[k] <= set(order)]
            if not ready:
                self._circle({k: c for k, c in calls.items() if k not in order})
                break
            order += ready
        return order

    def _calls(self, given: OwnActivation) -> set[str]:
        texts = f"{given.formula} {given.derivative or ''}"
        words = re.findall(r"([A-Za-z_][A-Za-z0-9_]*)\s*\(", texts)
        return {word for word in words if word in self.given.activations}

    def _circle(self, calls: Mapping[str, set[str]]) -> None:
        way = [next(iter(calls))]
        while way.count(way[-1]) < 2:
            way.append(min(calls[way[-1]] & set(calls)))
        circle = way[way.index(way[-1]) :]
        path = ("operators", "activations", circle[0], "formula")
        shown = " calls ".join(circle)
        self._refuse(path, f"goes in a circle: {shown}", "a formula must end somewhere")

    # ---- Entries ---------------------------------------------------------------------

    def _activation(self, kind: str, given: OwnActivation) -> None:
        path = ("operators", "activations", kind)
        try:
            made = _Made(given, ("z",), ("z", "a"), self.known, self.dtype)
            entry, worries = _activation(kind, made)
        except FormulaError as error:
            self._failed(path, error)
            # Those that call it are looked at another time.
            return
        self.known[kind] = entry
        self._spelt("activations", kind, made)
        self._worried(path, kind, worries)

    def _cost(self, kind: str, given: OwnCost) -> None:
        path = ("operators", "costs", kind)
        try:
            made = _Made(given, ("a", "y"), ("a", "y"), self.known, self.dtype)
            entry, worries = _cost(kind, made)
        except FormulaError as error:
            self._failed(path, error)
            return
        self.costs[kind] = entry
        self._spelt("costs", kind, made)
        self._worried(path, kind, worries)

    def _spelt(self, section: str, kind: str, made: _Made) -> None:
        """White space and needless brackets are no part of a spec's digest."""
        found: dict[str, Any] = {"formula": made.formula}
        if made.by_hand is not None:
            found["derivative"] = written(made.by_hand)
        if made.given.range is not None:
            found["range"] = list(made.given.range)
        self.normalised.setdefault(section, {})[kind] = found

    def _failed(self, path: Path, error: FormulaError) -> None:
        place = (*path, error.key)
        self.mistakes.append(Conflict(place, error.message, error.hint, error.span))

    def _worried(self, path: Path, kind: str, worries: Sequence[str]) -> None:
        if worries:
            message = f"of {kind} in {self.dtype}: {'; '.join(worries)}"
            hint = "rewrite it so that nothing on the way is so large"
            self.worries.append(Conflict((*path, "formula"), message, hint))


class _Made:
    """One formula parsed, derived and put into statements."""

    def __init__(
        self,
        given: OwnActivation | OwnCost,
        variables: tuple[str, ...],
        in_derivative: tuple[str, ...],
        known: Mapping[str, Activation],
        dtype: str,
    ) -> None:
        self.given = given
        self.variable = variables[0]
        self.tree = _sized(parse(given.formula, variables, known))
        smooth = plain_powers(self.tree)
        self.by_hand = None
        if given.derivative is not None:
            self.by_hand = self._read(given.derivative, in_derivative, known)
            slope = plain_powers(self.by_hand)
        else:
            slope = derivative(smooth, self.variable)
        cost = self.variable == "a"
        self.body = statements(smooth, "terms" if cost else "a")
        known_value = None if cost else smooth
        _sized(slope, MAX_DERIVATIVE, "has a derivative of")
        self.back = statements(slope, "prime", known_value)
        self.subject = Subject(
            self.variable,
            self.tree,
            slope,
            self.body,
            self.back,
            given.derivative is not None,
            dtype,
        )

    def _read(
        self, text: str, variables: tuple[str, ...], known: Mapping[str, Activation]
    ) -> Expr:
        try:
            return _sized(parse(text, variables, known))
        except FormulaError as error:
            error.key = "derivative"
            raise

    @property
    def formula(self) -> str:
        return written(self.tree)

    @property
    def range(self) -> Interval:
        low, high = self.given.range or (None, None)
        low = -math.inf if low is None else low
        high = math.inf if high is None else high
        if not low < high:
            error = FormulaError(f"is from {low:g} to {high:g}, which is empty")
            error.key = "range"
            raise error
        return Interval(low, high)


def _sized(tree: Expr, most: int = MAX_SIZE, what: str = "is") -> Expr:
    if written_out_size(tree) > most:
        message = f"{what} more than {most} operations with its calls written out"
        raise FormulaError(message, "call less, or fewer times")
    return tree


def _activation(kind: str, made: _Made) -> tuple[Activation, tuple[str, ...]]:
    verdict = examine(made.subject, grid())
    if verdict.flat:
        raise FormulaError(_FLAT, _FLAT_HINT)
    interval = _attained(made.range, verdict)
    *beforehand, last = made.back
    tree = made.tree
    entry = Activation(
        kind=kind,
        description=made.given.description or f"{kind}(z) = {made.formula}",
        symbol=kind,
        formula=made.formula,
        define=elementwise(lambda z: number(tree, {"z": z})),
        body=made.body,
        derivative=last.value,
        beforehand=tuple(beforehand),
        interval=interval,
        overflows=verdict.overflows,
        masks=verdict.masks,
        overflows_back=verdict.overflows_back,
        derivative_formula=f"d({made.formula})/dz" if beforehand else "",
        kinks=tuple((k.at, Const(_rounded(k.taken))) for k in verdict.kinks),
        identifier=PREFIX + kind,
    )
    return entry, verdict.worries


def _attained(interval: Interval, verdict: Verdict) -> Interval:
    """The interval with those of its bounds that values take; FormulaError if they
    leave it."""
    if verdict.low < interval.low or verdict.high > interval.high:
        found = f"from {verdict.low:.6g} to {verdict.high:.6g}"
        error = FormulaError(f"is {interval}, but the formula has values {found}")
        error.key = "range"
        raise error
    return replace(
        interval,
        closed_low=verdict.low == interval.low,
        closed_high=verdict.high == interval.high,
    )


def _rounded(value: float) -> float:
    """For a comment."""
    return int(value) if value == int(value) else float(f"{value:.3g}")


def _cost(kind: str, made: _Made) -> tuple[Cost, tuple[str, ...]]:
    interval = made.range
    bounded = math.isfinite(interval.low) and math.isfinite(interval.high)
    low, high = interval.low, interval.high
    values = (low, low + 0.3 * (high - low), high) if bounded else _Y
    verdicts = [examine(made.subject, grid(interval), {"y": y}) for y in values]
    if all(verdict.flat for verdict in verdicts):
        raise FormulaError(_FLAT, _FLAT_HINT)
    *beforehand, last = made.back
    # One number for each output, also where they are all the same.
    flat = 0 * Var("a") + last.value
    gradient = last.value if any(variables(last.value)) else flat
    tree = made.tree

    def define(a: Sequence[Number], y: Sequence[float]) -> Number:
        pairs = zip(a, y, strict=True)
        return sum(number(tree, {"a": a_j, "y": y_j}) for a_j, y_j in pairs)

    # It stands in single lines of the module.
    short = len(made.formula) <= MAX_SHOWN
    entry = Cost(
        kind=kind,
        description=made.given.description or f"Σ {made.formula}",
        symbol=kind,
        formula=f"Σ ({made.formula})" if short else f"Σ {kind}(a, y)",
        define=define,
        body=made.body,
        gradient=gradient,
        beforehand=tuple(beforehand),
        outputs=interval,
        overflows=any(v.overflows or v.overflows_back for v in verdicts),
        masks=any(v.masks for v in verdicts),
        kink="at a kink one side counts" if any(v.kinks for v in verdicts) else "",
        identifier=PREFIX + kind,
    )
    # Of one y is enough: the others say the same of slightly other places.
    return entry, next((v.worries for v in verdicts if v.worries), ())
