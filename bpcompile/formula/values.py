"""The value of a formula's tree, with a float's own limits, and never an exception.

Real numbers follow IEEE 754, as generated code does: what is too large is infinite.
Complex numbers are for complex steps.
"""

from __future__ import annotations

import cmath
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from bpcompile.expr import PRIMITIVES, Apply, Const, Expr, Number, Var
from bpcompile.formula.tree import Called, children

STEP = 1e-30


@dataclass(frozen=True)
class Value:
    """A number and how it came about.

    exact      nothing has left the range of the dtype on the way
    undefined  the node that has no value there, as log(-1); of a branch that is not
               taken it does not count
    """

    number: Number
    exact: bool = True
    undefined: Expr | None = None

    @property
    def good(self) -> bool:
        return self.undefined is None and cmath.isfinite(self.number)


@dataclass
class Ran:
    """What happened anywhere in a tree, also in branches that were not taken."""

    overflowed: bool = False
    undefined: bool = False


def value(
    tree: Expr,
    values: Mapping[str, Number],
    dtype: str = "float64",
    ran: Ran | None = None,
) -> Value:
    """The tree's value over numbers for its variables; `ran` notes what happened."""
    return _Evaluation(values, dtype == "float32", ran or Ran()).of(tree)


def slope(tree: Expr, values: Mapping[str, float], name: str) -> float:
    """The derivative by a complex step, NaN where the step does not survive."""
    stepped: dict[str, Number] = dict(values)
    stepped[name] = complex(values[name], STEP)
    found = value(tree, stepped)
    return found.number.imag / STEP if found.good else math.nan


def number(tree: Expr, values: Mapping[str, Number]) -> Number:
    """The value alone: what a formula's definition is to the reference."""
    return value(tree, values).number


@dataclass(frozen=True)
class _Evaluation:
    values: Mapping[str, Number]
    single: bool
    ran: Ran

    def of(self, tree: Expr) -> Value:
        if isinstance(tree, Const):
            return Value(tree.value)
        if isinstance(tree, Var):
            return Value(self.values[tree.name])
        args = [self.of(arg) for arg in children(tree)]
        if isinstance(tree, Apply) and tree.primitive == "where":
            test, then, otherwise = args
            if test.undefined is not None:
                return test
            return then if test.number.real else otherwise
        for arg in args:
            if arg.undefined is not None:
                return arg
        exact = all(arg.exact for arg in args)
        result = self.limited(self.applied(tree, [arg.number for arg in args]))
        if cmath.isnan(result) and exact:
            self.ran.undefined = True
            return Value(result, exact, tree)
        if cmath.isinf(result) and exact and self.is_pole(tree, args):
            self.ran.undefined = True
            return Value(result, exact, tree)
        left = cmath.isinf(result) or (result == 0 and self.underflowed(tree, args))
        self.ran.overflowed = self.ran.overflowed or not cmath.isfinite(result)
        return Value(result, exact and not left)

    def applied(self, tree: Expr, args: list[Number]) -> Number:
        """The node's own operation; NaN where it is not defined."""
        try:
            if isinstance(tree, Called):
                (result,) = tree.entry.define(args, **dict(tree.numbers))
            else:
                assert isinstance(tree, Apply)
                result = PRIMITIVES[tree.primitive].evaluate(*args)
        except OverflowError:
            return self.overflow(tree, args)
        except ZeroDivisionError:
            return self.divided_by_zero(tree, args)
        except ValueError:
            # Of log(0) the limit is known, of log(-1) there is none.
            zero = {"log": 0, "log1p": -1}.get(getattr(tree, "primitive", ""))
            return -math.inf if zero == args[0].real else math.nan
        # A fractional power of a negative number, which Python makes complex.
        real = not any(isinstance(arg, complex) for arg in args)
        if isinstance(result, complex) and real:
            return math.nan
        return math.nan if _left_the_reals(tree, args) else result

    def overflow(self, tree: Expr, args: list[Number]) -> Number:
        if any(isinstance(arg, complex) for arg in args):
            return complex(math.inf, math.nan)
        if isinstance(tree, Apply) and tree.primitive == "pow":
            odd = args[0].real < 0 and args[1].real % 2 == 1
            return -math.inf if odd else math.inf
        return math.inf

    def divided_by_zero(self, tree: Expr, args: list[Number]) -> Number:
        top = args[0]
        if isinstance(tree, Apply) and tree.primitive == "div" and top:
            return math.copysign(math.inf, top.real) * math.copysign(1, args[1].real)
        power = isinstance(tree, Apply) and tree.primitive == "pow"
        return math.inf if power else math.nan

    def limited(self, result: Number) -> Number:
        """The nearest number that the dtype holds."""
        if isinstance(result, complex):
            return result
        if not self.single or not math.isfinite(result):
            return result
        try:
            return float(struct.unpack("f", struct.pack("f", result))[0])
        except OverflowError:
            return math.copysign(math.inf, result)

    def is_pole(self, tree: Expr, args: list[Value]) -> bool:
        """Whether it is infinite because of where it stands, not of its size."""
        if not isinstance(tree, Apply):
            return False
        if tree.primitive == "div":
            return args[1].number == 0
        at = {"log": 0, "log1p": -1, "pow": 0}.get(tree.primitive)
        return at is not None and args[0].number == at

    def underflowed(self, tree: Expr, args: list[Value]) -> bool:
        if not isinstance(tree, Apply):
            return False
        numbers = [arg.number for arg in args]
        if tree.primitive == "exp":
            return True
        if tree.primitive in ("mul", "pow"):
            return 0 not in numbers
        return tree.primitive == "div" and numbers[0] != 0


def _left_the_reals(tree: Expr, args: list[Number]) -> bool:
    """Whether a complex step finds a value where the real function has none."""
    if not isinstance(tree, Apply) or args[0].real >= 0:
        return False
    fraction = tree.primitive == "pow" and args[1].real % 1 != 0
    return fraction or tree.primitive in ("log", "sqrt")
