"""Numbers and what is done to them, as a worked example prints it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bpcompile.expr import BOOK, Apply, Const, Expr, evaluate, operations, spell
from bpcompile.operators.entry import Body, Reduce

#: Significant digits of every number.
DIGITS = 6
#: Neurons of a layer, and terms of a sum, that are printed.
SHOWN = 4
#: Operations that can be followed in one line, and lines for one function.
_MOST_OPERATIONS, _MOST_STATEMENTS = 8, 4

_HAND = {
    **BOOK,
    "mul": "{0}·{1}",
    "scaled mul": "{0}·{1}",
    "pow": "({0})^{1}",
}
_UP = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_DOWN = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

#: A negative number that is an argument, or in brackets already.
_ENCLOSED = re.compile(r"(?<=\(|,)( ?)\((-[\d.e+-]+)\)(?=[,)])")

Numbers = Sequence[float]


@dataclass(frozen=True)
class Value:
    """One number, and how it comes about; nothing of that where it is given.

    name      in the book's notation: "z²₁" is z of neuron 1 on layer 2
    becomes   there was another number of that name before
    """

    name: str
    number: float
    arithmetic: str = ""
    becomes: bool = False

    @property
    def text(self) -> str:
        """The number, rounded."""
        return rounded(self.number)

    @property
    def way(self) -> str:
        """The arithmetic, if it is more than the number itself."""
        return (
            "" if self.arithmetic in (self.text, f"({self.text})") else self.arithmetic
        )

    @property
    def line(self) -> str:
        """All of it: "z²₁ = 0.5·0.2 + 0.1 = 0.2"."""
        way = f" = {self.way}" if self.way else ""
        return f"{self.name}{way.replace('=', '→', self.becomes)} = {self.text}"


def named(symbol: str, layer: int = 0, *index: int) -> str:
    """A name in the book's notation; layer 0: of none, index: counted from 1."""
    up = str(layer).translate(_UP) if layer else ""
    return symbol + up + "".join(str(i).translate(_DOWN) for i in index)


def rounded(value: float) -> str:
    """To `DIGITS` significant digits, without the zeros that end it."""
    text = f"{value:.{DIGITS}g}"
    return "0" if text == "-0" else text


def operand(value: float) -> str:
    """The same among others: negative ones stand in brackets."""
    text = rounded(value)
    return f"({text})" if text.startswith("-") else text


def spelled(tree: Expr, values: Mapping[str, float]) -> str:
    """A tree with numbers in the place of its names; "" if it is a long one."""
    if operations(tree) > _MOST_OPERATIONS:
        return ""
    words = {name: operand(value) for name, value in values.items()}
    return _ENCLOSED.sub(r"\1\2", spell(_shortened(tree), _HAND, words))


def _shortened(tree: Expr) -> Expr:
    """The tree with its own numbers rounded, too."""
    if isinstance(tree, Const):
        short = float(rounded(tree.value))
        return tree if short == tree.value else Const(short)
    if isinstance(tree, Apply):
        return Apply(tree.primitive, tuple(map(_shortened, tree.args)))
    return tree


def products(left: Numbers, right: Numbers, last: float | None = None) -> str:
    """The terms of a scalar product, and `last` added; of many, the first ones."""
    pairs = list(zip(left, right, strict=True))
    terms = [f"{operand(a)}·{operand(b)}" for a, b in pairs[:SHOWN]]
    return _summed(terms, len(pairs), [] if last is None else [operand(last)])


def sum_of(values: Numbers) -> str:
    """The terms of a sum; of many, the first ones."""
    return _summed([operand(value) for value in values[:SHOWN]], len(values), [])


def _summed(terms: list[str], count: int, last: list[str]) -> str:
    more = count - len(terms)
    left_out = [f"… ({more:,} more)"] if more else []
    return " + ".join([*terms, *left_out, *last])


def is_short(body: Body) -> bool:
    """Whether there are few enough statements to follow them."""
    return len(body) <= _MOST_STATEMENTS


@dataclass(frozen=True)
class Result:
    """What a statement gives: `values` for each neuron, or the one of a reduction."""

    target: str
    values: tuple[float, ...]
    arithmetic: tuple[str, ...]
    reduces: bool = False


def followed(
    body: Body, inputs: Mapping[str, Numbers | float], shown: int = SHOWN
) -> Iterator[Result]:
    """Every statement of a body for all neurons of a layer, or entries of a weight.

    inputs: its variables, one number for each neuron, or one for all; shown: for how
    many of them the arithmetic is said.
    """
    held: dict[str, Numbers | float] = dict(inputs)
    size = max(len(v) for v in held.values() if isinstance(v, Sequence))
    for statement in body:
        tree = statement.value
        places = [at(held, j) for j in range(size)]
        values = [evaluate(tree, place).real for place in places]
        if isinstance(statement, Reduce):
            total = sum(values) if statement.how == "sum" else max(values)
            text = sum_of(values) if statement.how == "sum" else _largest(values)
            held[statement.target] = total
            yield Result(statement.target, (total,), (text,), reduces=True)
        else:
            held[statement.target] = values
            texts = tuple(spelled(tree, place) for place in places[:shown])
            yield Result(statement.target, tuple(values), texts)


def at(held: Mapping[str, Numbers | float], j: int) -> dict[str, float]:
    """What the variables are for neuron j, counted from 0."""
    return {
        name: values[j] if isinstance(values, Sequence) else values
        for name, values in held.items()
    }


def _largest(values: Numbers) -> str:
    more = ", …" if len(values) > SHOWN else ""
    return f"max({', '.join(map(rounded, values[:SHOWN]))}{more})"
