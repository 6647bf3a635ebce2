"""Formulas as MathML, which browsers lay out themselves."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree.ElementTree import Element, tostring

from bpcompile.explaining.latex import bare, fraction
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
    Sized,
    Symbol,
    Word,
)

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
_SIGNS = {"-": "−", "*": "·", "~": "∼", "Σ": "∑", "Π": "∏"}


def mathml(node: Node, display: bool = False) -> str:
    """A whole `math` element, sizes beneath the matrices."""
    attributes = {"xmlns": NAMESPACE, **({"display": "block"} if display else {})}
    whole = _element("math", _tree(node))
    whole.attrib.update(attributes)
    return tostring(whole, encoding="unicode")


def _element(tag: str, *parts: Element | str, **attributes: str) -> Element:
    made = Element(tag, attributes)
    for part in parts:
        if isinstance(part, str):
            made.text = part
        else:
            made.append(part)
    return made


def _sign(sign: str, **attributes: str) -> Element:
    return _element("mo", _SIGNS.get(sign, sign), **attributes)


def _tree(node: Node) -> Element:
    match node:
        case Symbol(name):
            return _symbol(name)
        case Number(digits):
            return _element("mn", digits)
        case Word(words):
            return _element("mtext", words)
        case Raised(base, exponent, _):
            return _element("msup", _tree(base), _tree(exponent))
        case Lowered(base, index):
            return _element("msub", _tree(base), _element("mi", index))
        case Primed(base):
            return _element("msup", _tree(base), _sign("′"))
        case Infix(sign, left, right):
            return _element("mrow", _tree(left), _sign(sign), _tree(right))
        case Fraction(over, under, _):
            return _element("mfrac", _tree(bare(over)), _tree(bare(under)))
        case Prefix("-", of, _):
            return _element("mrow", *_prefix("-"), _tree(fraction(of)))
        case Prefix(sign, of, _):
            return _element("mrow", *_prefix(sign), _tree(of))
        case Sized(of, rows, columns):
            size = _element("mtext", f"{rows}×{columns}", **{"class": "size"})
            return _element("munder", _tree(of), size)
    return _enclosed(node)


def _enclosed(node: Node) -> Element:
    """What stands between signs, and factors side by side."""
    match node:
        case Call(Symbol("sqrt"), (of,)) | Root(of):
            return _element("msqrt", _tree(bare(of)))
        case Call(function, arguments):
            parts = [_tree(arguments[0])]
            for argument in arguments[1:]:
                parts += [_sign(","), _tree(argument)]
            return _element("mrow", _tree(function), _fenced("()", *parts))
        case Row(items, tight):
            return _row(items, tight)
        case Bars(of):
            return _fenced("||", _tree(of))
        case Brackets(of, square):
            return _fenced("[]" if square else "()", _tree(of))
        case Choice(value, condition, otherwise):
            return _choice(value, condition, otherwise)
    raise TypeError(node)


def _fenced(signs: str, *parts: Element) -> Element:
    spaces = {"lspace": "0", "rspace": "0", "stretchy": "true"}
    left = _sign(signs[0], form="prefix", **spaces)
    right = _sign(signs[1], form="postfix", **spaces)
    return _element("mrow", left, *parts, right)


def _row(items: tuple[Node, ...], tight: bool) -> Element:
    made = [_tree(items[0])]
    for before, item in pairwise(items):
        words = isinstance(before, Word) or isinstance(item, Word)
        sizes = isinstance(before, Sized) or isinstance(item, Sized)
        width = "0.5em" if words or sizes else "0.17em"
        made += [] if tight else [_element("mspace", width=width)]
        made.append(_tree(item))
    return _element("mrow", *made)


def _choice(value: Node, condition: Node, otherwise: Node) -> Element:
    first = _element(
        "mrow", _element("mtext", "if\N{NO-BREAK SPACE}"), _tree(bare(condition))
    )
    rows = ((_tree(value), first), (_tree(otherwise), _element("mtext", "else")))
    table = _element(
        "mtable",
        *(
            _element("mtr", *(_element("mtd", cell) for cell in cells))
            for cells in rows
        ),
    )
    brace = _sign("{", form="prefix", stretchy="true")
    return _element("mrow", brace, table)


def _symbol(name: str) -> Element:
    if found := re.fullmatch(r"([A-Za-z])(\d+)", name):
        return _element("msub", _element("mi", found[1]), _element("mn", found[2]))
    return _element("mi", name)


def _prefix(sign: str) -> list[Element]:
    if sign.startswith("∇") and len(sign) > 1:
        return [_element("msub", _sign("∇"), _element("mi", "a"))]
    if sign.isalpha() and sign.isascii():
        return [_element("mi", sign), _element("mspace", width="0.17em")]
    form = {"form": "prefix"}
    return [_sign(sign, **form)]
