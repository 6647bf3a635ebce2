"""The text of a formula -> its tree.

The grammar, of which nothing is ever evaluated:

    comparison := sum [("<" | "<=" | ">" | ">=") sum]
    sum        := product {("+" | "-") product}
    product    := unary {("*" | "/") unary}
    unary      := ("-" | "+") unary | power
    power      := atom ["**" unary]
    atom       := NUMBER | NAME | NAME "(" arguments ")" | "(" comparison ")"
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from bpcompile.errors import MAX_QUOTED, nearest, quote
from bpcompile.expr import Apply, Const, Expr, Var
from bpcompile.formula.errors import FormulaError
from bpcompile.formula.tree import CALLABLE, Called
from bpcompile.formula.words import (
    COMPARISONS,
    CONDITIONS,
    CONSTANTS,
    HOW_TO_CHOOSE,
    INSTEAD,
    PRODUCTS,
    SUMS,
    TOKEN,
    WORDS,
    Token,
)
from bpcompile.operators.entry import Activation, Parameter

MAX_LENGTH = 1_000
MAX_NODES = 200
MAX_DEPTH = 50


def parse(
    text: str, variables: tuple[str, ...], known: Mapping[str, Activation]
) -> Expr:
    """The tree of a formula over `variables`, which may call the activations `known`.

    Numbers, `pi` and `e` become constants. Raises FormulaError with the first mistake.
    """
    if len(text) > MAX_LENGTH:
        message = f"has {len(text)} characters, at most {MAX_LENGTH} are allowed"
        raise FormulaError(message)
    if not text.strip():
        raise FormulaError("is empty", f"write it over {_listed(variables)}")
    return _Parser(text, variables, known).whole()


@dataclass
class _Parser:
    """A recursive descent over one text; its depth and its trees' heights are bounded."""

    text: str
    variables: tuple[str, ...]
    known: Mapping[str, Activation]
    token: Token = field(init=False)
    end: int = 0
    depth: int = 0
    heights: dict[int, int] = field(default_factory=dict)
    made: list[Expr] = field(default_factory=list)

    def whole(self) -> Expr:
        self.step()
        tree = self.comparison()
        if self.token.kind == "end":
            return tree
        if self.token.text == ")":
            self.fail(self.token, 'has a ")" that closes nothing')
        if self.token.kind in ("number", "name") or self.token.text == "(":
            shown = quote(self.token.text)
            hint = HOW_TO_CHOOSE if self.token.text in CONDITIONS else "such as *"
            self.fail(self.token, f"lacks an operator before {shown}", hint)
        self.unexpected("an operator")

    # Tokens

    def step(self) -> Token:
        """The token that was current; the one after it is current now."""
        before = getattr(self, "token", Token("end", "", 0))
        found = TOKEN.match(self.text, self.end)
        assert found is not None and found.lastgroup is not None
        kind = found.lastgroup
        text, start = found[kind], found.start(kind)
        if not text:
            kind, start = "end", len(self.text.rstrip(" \t\n"))
        self.token, self.end = Token(kind, text, start), found.end()
        return before

    def take(self, text: str) -> bool:
        if self.token.kind != "sign" or self.token.text != text:
            return False
        self.step()
        return True

    def fail(self, token: Token, message: str, hint: str = "") -> NoReturn:
        raise FormulaError(message, hint, token.span)

    def unexpected(self, expected: str) -> NoReturn:
        token = self.token
        if token.kind == "end":
            self.fail(token, f"ends where {expected} should follow")
        hint = INSTEAD.get(token.text, "")
        self.fail(token, f"has {quote(token.text)} where {expected} should be", hint)

    # Rules

    def comparison(self) -> Expr:
        left = self.sum()
        if self.token.text not in COMPARISONS:
            return left
        primitive = COMPARISONS[self.step().text]
        tree = self.apply(primitive, left, self.sum())
        if self.token.text in COMPARISONS:
            hint = "multiply two: (0 < z) * (z < 1)"
            self.fail(self.token, "compares a comparison", hint)
        return tree

    def sum(self) -> Expr:
        tree = self.product()
        while self.token.text in SUMS:
            tree = self.apply(SUMS[self.step().text], tree, self.product())
        return tree

    def product(self) -> Expr:
        tree = self.unary()
        while self.token.text in PRODUCTS:
            tree = self.apply(PRODUCTS[self.step().text], tree, self.unary())
        return tree

    def unary(self) -> Expr:
        self.depth += 1
        self.bounded(self.depth)
        if self.take("-"):
            arg = self.unary()
            # -2 is a number; the whole number 0 would lose its sign.
            if isinstance(arg, Const) and arg.value != 0:
                tree = self.grown(Const(-arg.value))
            else:
                tree = self.apply("neg", arg)
        else:
            tree = self.unary() if self.take("+") else self.power()
        self.depth -= 1
        return tree

    def power(self) -> Expr:
        base = self.atom()
        if not self.take("**"):
            return base
        return self.apply("pow", base, self.unary())

    def atom(self) -> Expr:
        if self.token.kind == "number":
            return self.number(self.step())
        if self.token.kind == "name":
            return self.name(self.step())
        opening = self.token
        if not self.take("("):
            self.unexpected("a value")
        tree = self.comparison()
        self.close(opening)
        return tree

    def close(self, opening: Token) -> None:
        if self.take(")"):
            return
        if self.token.kind == "end":
            self.fail(opening, 'has a "(" that is not closed')
        self.unexpected('an operator or ")"')

    def number(self, token: Token) -> Expr:
        value = float(token.text)
        digits = token.text.lower().partition("e")[0]
        if math.isinf(value) or (value == 0 and digits.strip("0.")):
            what = "large" if value else "small"
            self.fail(token, f"holds a number too {what} for float64")
        # Without a point where it has none: 2 * z, not 2.0 * z.
        whole = value.is_integer() and value < 2**53
        return self.grown(Const(int(value) if whole else value))

    def name(self, token: Token) -> Expr:
        name = token.text
        if self.token.text == "(":
            return self.call(token, self.step())
        if name in self.variables:
            return self.grown(Var(name))
        if name in CONSTANTS:
            return self.grown(Const(CONSTANTS[name]))
        if name in CALLABLE or name in self.known:
            self.fail(token, f"names {name} without its argument", f"write {name}(...)")
        words = (*self.variables, *CONSTANTS)
        hint = f"it knows {_listed(words)}"
        if meant := nearest(name, (*words, *CALLABLE, *self.known)):
            hint = f"did you mean {meant}?"
        elif name in ("a", "y", "z"):
            hint = f"it is over {_listed(self.variables)}"
        elif name in CONDITIONS:
            hint = HOW_TO_CHOOSE
        self.fail(token, f"has {quote(name)}, which it does not know", hint)

    def call(self, token: Token, opening: Token) -> Expr:
        name = token.text
        if name not in CALLABLE and name not in self.known:
            self.unknown_call(token)
        numbers: dict[str, float] = {}
        args: list[Expr] = []
        while True:
            if not self.named_number(token, numbers):
                args.append(self.comparison())
            if not self.take(","):
                break
        self.close(opening)
        wanted = CALLABLE.get(name, 1)
        if len(args) != wanted:
            message = f"gives {name} {len(args)} arguments, it takes {wanted}"
            self.fail(token, message.replace(" 1 arguments", " 1 argument"))
        if name in CALLABLE:
            return self.apply(name, *args)
        entry = self.known[name]
        full = tuple(
            (p.name, numbers.get(p.name, float(p.default or 0)))
            for p in entry.parameters
        )
        return self.grown(Called(name, args[0], full, entry=entry), args[0])

    def unknown_call(self, token: Token) -> NoReturn:
        name = token.text
        message = f"calls {quote(name)}, which it does not know"
        words = tuple(dict.fromkeys((*CALLABLE, *self.known)))
        if name in self.variables or name in CONSTANTS:
            message = f"calls {name}, which is a value"
            self.fail(token, message, f"write {name} * (...)")
        meant = WORDS.get(name) or nearest(name, words)
        hint = f"did you mean {meant}?" if meant else f"one of: {', '.join(words)}"
        self.fail(token, message, hint)

    def named_number(self, token: Token, numbers: dict[str, float]) -> bool:
        """`name=number` among the arguments of an activation."""
        ahead = TOKEN.match(self.text, self.end)
        if self.token.kind != "name" or not ahead or ahead["sign"] != "=":
            return False
        entry = self.known.get(token.text)
        parameters = {p.name: p for p in entry.parameters} if entry else {}
        name = self.step()
        if name.text not in parameters:
            hint = f"it has {_listed(tuple(parameters)) if parameters else 'none'}"
            shown = f"gives {token.text} the parameter {quote(name.text)}"
            self.fail(name, shown, hint)
        self.step()
        at, value = self.token, self.unary()
        if not isinstance(value, Const):
            self.fail(at, f"gives {name.text} something else than a number")
        wrong = _refused(parameters[name.text], value.value)
        if wrong:
            self.fail(at, f"gives {name.text} {value.value:g}, expected {wrong}")
        numbers[name.text] = value.value
        return True

    # Limits

    def apply(self, primitive: str, *args: Expr) -> Expr:
        return self.grown(Apply(primitive, args), *args)

    def grown(self, tree: Expr, *args: Expr) -> Expr:
        """Kept in `made`, so that an `id` is not used twice."""
        self.made.append(tree)
        if len(self.made) > MAX_NODES:
            message = f"has more than {MAX_NODES} numbers, names and operators"
            raise FormulaError(message, "split it into formulas that call each other")
        height = 1 + max((self.heights[id(arg)] for arg in args), default=0)
        self.heights[id(tree)] = height
        self.bounded(height)
        return tree

    def bounded(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            message = f"is nested more than {MAX_DEPTH} deep"
            raise FormulaError(message, "split it into formulas that call each other")


def _refused(parameter: Parameter, value: float) -> str:
    """What was expected instead of a parameter's value, "" if that is in bounds."""
    if parameter.above is not None and value <= parameter.above:
        return f"more than {parameter.above:g}"
    if parameter.at_least is not None and value < parameter.at_least:
        return f"at least {parameter.at_least:g}"
    if parameter.at_most is not None and value > parameter.at_most:
        return f"at most {parameter.at_most:g}"
    return ""


def _listed(words: tuple[str, ...]) -> str:
    shown = [word[:MAX_QUOTED] for word in words]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if shown[1:] else shown)
