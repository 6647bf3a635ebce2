"""Formulas as LaTeX, for Markdown and for whole documents."""

from __future__ import annotations

import re
from itertools import pairwise

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

LETTERS = {
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "δ": "delta",
    "ε": "varepsilon",
    "η": "eta",
    "κ": "kappa",
    "λ": "lambda",
    "μ": "mu",
    "π": "pi",
    "ρ": "rho",
    "σ": "sigma",
    "φ": "varphi",
    "Φ": "Phi",
    "ψ": "psi",
    "ω": "omega",
}
_SIGNS = {
    "⊙": r"\odot",
    "*": r"\cdot",
    "·": r"\cdot",
    "…": r"\ldots",
    "→": r"\to",
    "~": r"\sim",
    "≤": r"\le",
    "≥": r"\ge",
    "Σ": r"\sum",
    "Π": r"\prod",
    "∂": r"\partial",
    "∇": r"\nabla",
    "∇ₐ": r"\nabla_{a}",
}
#: Functions that LaTeX knows by these names.
_NAMED = frozenset({"cos", "cosh", "exp", "ln", "log", "max", "min", "sin", "tanh"})
#: What means something to LaTeX or to Markdown.
_SPECIAL = re.compile(r"[\\{}$&#^_~%<>*`|\[\]]")
_ESCAPED = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "*": "*",
    "`": r"\textasciigrave{}",
    "[": "{[}",
    "]": "{]}",
}


def escaped(words: str) -> str:
    """Words that LaTeX takes as they are."""
    return _SPECIAL.sub(lambda m: _ESCAPED.get(m[0], "\\" + m[0]), words)


def latex(node: Node) -> str:
    """A formula for LaTeX's mathematics, sizes beneath: w² over 30 × 784."""
    match node:
        case Symbol(name):
            return _symbol(name)
        case Number(digits):
            return r"\tfrac{1}{2}" if digits == "½" else digits
        case Word(words):
            return rf"\text{{{escaped(words)}}}"
        case Raised(base, exponent, _):
            # Outside of its own braces a second exponent would be refused.
            inner = latex(base)
            inner = f"{{{inner}}}" if isinstance(base, Raised | Primed) else inner
            up = r"\mathsf{T}" if exponent == Symbol("T") else latex(exponent)
            return f"{inner}^{{{up}}}"
        case Lowered(base, index):
            return f"{latex(base)}_{{{index}}}"
        case Primed(base):
            return latex(base) + "'"
        case Infix(sign, left, right):
            return f"{latex(left)} {_SIGNS.get(sign, sign)} {latex(right)}"
        case Fraction(over, under, _):
            return rf"\frac{{{latex(bare(over))}}}{{{latex(bare(under))}}}"
        case Prefix("-", of, _):
            return f"-{latex(fraction(of))}"
        case Prefix(sign, of, _):
            return f"{_prefix(sign)} {latex(of)}"
        case Sized(of, rows, columns):
            return rf"\underset{{{rows} \times {columns}}}{{{latex(of)}}}"
    return _enclosed(node)


def shown(node: Node, label: str, beside: str) -> str:
    """A displayed formula with its label and a few words behind it, perhaps none."""
    words = rf" \quad \text{{{escaped(beside)}}}" if beside else ""
    tag = rf" \tag*{{{label}}}" if label else ""
    return latex(node) + words + tag


def _enclosed(node: Node) -> str:
    """What stands between signs, and factors side by side."""
    match node:
        case Call(Symbol("sqrt"), (of,)) | Root(of):
            return rf"\sqrt{{{latex(bare(of))}}}"
        case Call(function, arguments):
            inside = ", ".join(map(latex, arguments))
            return rf"{latex(function)}\left({inside}\right)"
        case Row(items, tight):
            return _row(items, tight)
        case Bars(of):
            return rf"\left|{latex(of)}\right|"
        case Brackets(of, square):
            left, right = "[]" if square else "()"
            return rf"\left{left}{latex(of)}\right{right}"
        case Choice(value, condition, otherwise):
            first = rf"{latex(value)} & \text{{if }} {latex(bare(condition))}"
            last = rf"{latex(otherwise)} & \text{{else}}"
            return rf"\begin{{cases}} {first} \cr {last} \end{{cases}}"
    raise TypeError(node)


def _row(items: tuple[Node, ...], tight: bool) -> str:
    made = latex(items[0])
    for before, item in pairwise(items):
        words = isinstance(before, Word) or isinstance(item, Word)
        sizes = isinstance(before, Sized) or isinstance(item, Sized)
        narrow = "" if tight else r"\thinspace"
        gap = r"\ " if words else r"\enspace" if sizes else narrow
        made += f"{gap} {latex(item)}"
    return made


def bare(node: Node) -> Node:
    """Without the brackets that a fraction, a root or a choice makes needless."""
    return node.of if isinstance(node, Brackets) else node


def fraction(node: Node) -> Node:
    """A fraction without the brackets around it, which its bar makes needless."""
    inner = bare(node)
    return inner if isinstance(inner, Fraction) else node


def _symbol(name: str) -> str:
    if name in LETTERS:
        return "\\" + LETTERS[name]
    if len(name) == 1:
        return _SIGNS.get(name, name)
    if found := re.fullmatch(r"([A-Za-z])(\d+)", name):
        return f"{found[1]}_{{{found[2]}}}"
    return f"\\{name}" if name in _NAMED else rf"\mathrm{{{escaped(name)}}}"


def _prefix(sign: str) -> str:
    return _SIGNS.get(sign) or f"\\{sign}"
