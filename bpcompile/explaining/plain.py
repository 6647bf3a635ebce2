"""Formulas as text, in the notation of the generated comments."""

from __future__ import annotations

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
    Prose,
    Raised,
    Root,
    Row,
    Sentence,
    Sized,
    Symbol,
    Word,
)

_UP = str.maketrans("0123456789-nTrtxyz", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻ⁿᵀʳᵗˣʸᶻ")
_DOWN = str.maketrans("ajk0123456789", "ₐⱼₖ₀₁₂₃₄₅₆₇₈₉")


def text(node: Node) -> str:
    """A formula as the comments write it, sizes in brackets behind: w² (30×784)."""
    match node:
        case Symbol(word) | Number(word) | Word(word):
            return word
        case Raised(base, exponent, signs):
            up = text(exponent)
            return text(base) + (up.translate(_UP) if signs else f"^{up}")
        case Lowered(base, index):
            return text(base) + index.translate(_DOWN)
        case Primed(base):
            return text(base) + "'"
        case Call(function, arguments):
            return f"{text(function)}({', '.join(map(text, arguments))})"
        case Row(items, tight):
            return ("" if tight else " ").join(map(text, items))
        case Infix(sign, left, right):
            return f"{text(left)} {sign} {text(right)}"
        case Fraction(over, under, tight):
            return f"{text(over)}{'/' if tight else ' / '}{text(under)}"
        case Prefix(sign, of, spaced):
            return f"{sign}{' ' if spaced else ''}{text(of)}"
        case Root(of):
            return f"√{text(of)}"
        case Bars(of):
            return f"|{text(of)}|"
        case Brackets(of, square):
            return f"[{text(of)}]" if square else f"({text(of)})"
        case Choice(value, condition, otherwise):
            return f"({text(value)} if {text(condition)} else {text(otherwise)})"
        case Sized(of, rows, columns):
            return f"{text(of)} ({rows}×{columns})"
    raise TypeError(node)


def sentence_text(sentence: Sentence) -> str:
    """Words and formulas in one line."""
    return "".join(
        run.text if isinstance(run, Prose) else text(run) for run in sentence
    )
