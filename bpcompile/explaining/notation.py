"""Reads the book's notation as entries and comments have it, into `model`.

What binds more tightly, first: superscripts and calls; a slash without spaces, η/m;
factors side by side; ⊙ and a slash with spaces; sums; =, →, ~. A sum sign takes the
whole product that follows it. Words may stand wherever a factor may.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bpcompile.explaining.model import (
    Bars,
    Brackets,
    Call,
    Choice,
    Fraction,
    Infix,
    Lowered,
    Node,
    Number,
    Prefix,
    Primed,
    Raised,
    Root,
    Row,
    Symbol,
    Word,
)

SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻ⁿᵀʳᵗˣʸᶻ", "0123456789-nTrtxyz")
SUBSCRIPTS = str.maketrans("ₐⱼₖ₁₂", "ajk12")

_UP = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻ⁿᵀʳᵗˣʸᶻ"
_DOWN = "ₐⱼₖ₁₂"
_TOKEN = re.compile(
    rf"""(?P<up>[{_UP}]+) | (?P<down>[{_DOWN}]+)
    | (?P<number>\d[\d.]*(?:e-?\d+)?|½) | (?P<word>[A-Za-z_][A-Za-z_0-9]*(?:-[a-z]+)*)
    | (?P<letter>[α-ωΦ]) | (?P<sign>\*\*|[-+*/⊙=→~<>≤≥^()\[\]|√ΣΠ∂∇',])""",
    re.VERBOSE,
)
_RELATIONS = frozenset("=→~<>≤≥")
#: Functions that may go without brackets: ln a.
_BARE = frozenset({"ln", "log", "sin", "cos", "cosh", "exp", "tanh"})
_KEYWORDS = frozenset({"if", "else"})


class NotationError(ValueError):
    """What is no formula."""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    spaced: bool


def formula(text: str) -> Node:
    """The tree of one formula; NotationError if it is none."""
    reader = _Reader(text)
    tree = reader.relation()
    if reader.kind:
        raise NotationError(text)
    return tree


class _Reader:
    """One formula on its way into a tree; every method reads one level of binding."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[_Token] = []
        self.at = 0
        end = 0
        for found in _TOKEN.finditer(text):
            gap = text[end : found.start()]
            if gap.strip():
                raise NotationError(text)
            kind = str(found.lastgroup)
            self.tokens.append(_Token(kind, found.group(), bool(gap)))
            end = found.end()
        if text[end:].strip() or not self.tokens:
            raise NotationError(text)

    @property
    def token(self) -> _Token:
        return self.tokens[self.at] if self.kind else _Token("", "", True)

    @property
    def kind(self) -> str:
        return self.tokens[self.at].kind if self.at < len(self.tokens) else ""

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1].text

    def expect(self, sign: str) -> None:
        if self.token.text != sign:
            raise NotationError(self.text)
        self.at += 1

    # ---- From the loosest to the tightest ------------------------------------------

    def relation(self) -> Node:
        tree = self.sum()
        while self.token.text in _RELATIONS and self.kind:
            sign = self.take()
            tree = Infix(sign, tree, self.sum())
        return tree

    def sum(self) -> Node:
        tree = self.product()
        while self.kind and self.token.text in "+-":
            sign = self.take()
            tree = Infix(sign, tree, self.product())
        return tree

    def product(self) -> Node:
        tree = self.factors()
        while self.kind and self.token.text in ("⊙", "*", "/"):
            sign = self.take()
            right = self.factors()
            tree = (
                Fraction(tree, right, False)
                if sign == "/"
                else Infix(sign, tree, right)
            )
        return tree

    def factors(self) -> Node:
        items = [self.quotient()]
        while self._begins_factor():
            items.append(self.quotient())
        return items[0] if len(items) == 1 else Row(_phrased(items))

    def _begins_factor(self) -> bool:
        token = self.token
        if token.kind in ("number", "letter"):
            return True
        if token.kind == "word":
            return token.text not in _KEYWORDS
        return (
            token.kind == "sign"
            and token.text in "([√ΣΠ∂∇|"
            and (token.text != "|" or token.spaced)
        )

    def quotient(self) -> Node:
        tree = self.tight()
        while self.kind and self.token.text == "/" and not self.token.spaced:
            following = self.tokens[self.at + 1 : self.at + 2]
            if not following or following[0].spaced:
                break
            self.take()
            tree = Fraction(tree, self.tight(), True)
        return tree

    def tight(self) -> Node:
        if self.kind and self.token.text == "-":
            self.take()
            return Prefix("-", self.quotient(), False)
        items = [self.postfix()]
        while (
            isinstance(items[-1], Number)
            and self.kind in ("letter", "word")
            and not self.token.spaced
        ):
            items.append(self.postfix())
        return items[0] if len(items) == 1 else Row(tuple(items), tight=True)

    def postfix(self) -> Node:
        tree = self.atom()
        while self.kind and not self.token.spaced:
            if self.kind == "up":
                tree = Raised(tree, _exponent(self.take()), signs=True)
            elif self.kind == "down":
                tree = Lowered(tree, self.take().translate(SUBSCRIPTS))
            elif self.token.text == "'":
                self.take()
                tree = Primed(tree)
            elif self.token.text in ("^", "**"):
                self.take()
                tree = Raised(tree, self.atom_with_call(), signs=False)
            elif self.token.text == "(" and isinstance(tree, _CALLABLE):
                tree = self.call(tree)
            else:
                break
        return tree

    def atom_with_call(self) -> Node:
        tree = self.atom()
        if self.kind and self.token.text == "(" and not self.token.spaced:
            tree = self.call(tree)
        return tree

    def call(self, function: Node) -> Node:
        self.expect("(")
        arguments = [self.relation()]
        while self.kind and self.token.text == ",":
            self.take()
            arguments.append(self.relation())
        self.expect(")")
        if isinstance(function, Word):
            function = Symbol(function.text)
        return Call(function, tuple(arguments))

    def atom(self) -> Node:
        kind = self.kind
        if kind == "number":
            return Number(self.take())
        if kind == "letter":
            return Symbol(self.take())
        if kind == "word":
            return self.named(self.take())
        if kind == "sign":
            return self.signed(self.take())
        raise NotationError(self.text)

    def named(self, name: str) -> Node:
        called = self.kind and self.token.text == "(" and not self.token.spaced
        if name in _BARE and not called and self.kind and self._begins_factor():
            return Prefix(name, self.postfix(), True)
        is_symbol = len(name) == 1 or name[-1].isdigit()
        return Symbol(name) if is_symbol else Word(name)

    def signed(self, sign: str) -> Node:
        if sign == "(":
            return self.bracketed()
        if sign == "[":
            inner = self.relation()
            self.expect("]")
            return Brackets(inner, square=True)
        if sign == "|":
            inner = self.sum()
            self.expect("|")
            return Bars(inner)
        if sign == "√":
            return Root(self.postfix())
        if sign in "ΣΠ":
            spaced = self.token.spaced
            return Prefix(sign, self.product() if spaced else self.postfix(), spaced)
        if sign == "∂":
            return Prefix(sign, self.postfix(), False)
        if sign == "∇":
            index = self.take() if self.kind == "down" else ""
            return Prefix(sign + index, self.postfix(), False)
        raise NotationError(self.text)

    def bracketed(self) -> Node:
        inner = self.relation()
        if self.kind and self.token.text == "if":
            self.take()
            condition = self.relation()
            self.expect("else")
            otherwise = self.relation()
            self.expect(")")
            return Choice(inner, condition, otherwise)
        self.expect(")")
        return Brackets(inner)


_CALLABLE = (Symbol, Word, Primed, Lowered)


def _exponent(signs: str) -> Node:
    text = signs.translate(SUPERSCRIPTS)
    if text.startswith("-"):
        return Prefix("-", _exponent(signs[1:]), False)
    return Number(text) if text.isdigit() else Symbol(text)


def _phrased(items: list[Node]) -> tuple[Node, ...]:
    """The factors with neighbouring words as one phrase."""
    phrased: list[Node] = []
    for item in items:
        last = phrased[-1] if phrased else None
        if isinstance(item, Word) and isinstance(last, Word):
            phrased[-1] = Word(f"{last.text} {item.text}")
        else:
            phrased.append(item)
    return tuple(phrased)
