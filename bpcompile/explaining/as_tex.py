"""An explanation as a LaTeX document of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bpcompile.explaining.as_text import dedented, said_lines
from bpcompile.explaining.document import (
    Beside,
    Document,
    Formula,
    Item,
    Paragraph,
    Table,
    Term,
    Values,
)
from bpcompile.explaining.latex import LETTERS, escaped, latex, shown
from bpcompile.explaining.model import Prose, Sentence, displayed, remark

#: Signs in words and in code; the letters are those of formulas.
_SIGNS = {
    **{
        sign: f"^{{{digit}}}"
        for sign, digit in zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True)
    },
    **{"⁻": "^{-}", "ⁿ": "^{n}", "ᵀ": r"^{\mathsf{T}}", "ʳ": "^{r}", "ᵗ": "^{t}"},
    **{"ˣ": "^{x}", "ʸ": "^{y}", "ᶻ": "^{z}", "ₐ": "_{a}", "ⱼ": "_{j}", "ₖ": "_{k}"},
    **{"₁": "_{1}", "₂": "_{2}", "½": r"\frac12", "√": r"\surd", "Σ": r"\Sigma"},
    **{"Π": r"\Pi", "∂": r"\partial", "∇": r"\nabla", "⊙": r"\odot", "→": r"\to"},
    **{
        "×": r"\times",
        "∞": r"\infty",
        "≤": r"\le",
        "≥": r"\ge",
        "−": "-",
        "·": r"\cdot",
    },
    "…": r"\ldots",
    **{letter: "\\" + name for letter, name in LETTERS.items()},
}

_PREAMBLE = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage[a4paper,margin=25mm]{geometry}
\usepackage{amsmath,amssymb,longtable,newunicodechar}
\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt}
\sloppy
"""


def as_tex(document: Document) -> str:
    """A document that pdflatex, xelatex and tectonic compile, ending in a line feed."""
    signs = (
        rf"\newunicodechar{{{sign}}}{{\ensuremath{{{meant}}}}}"
        for sign, meant in _SIGNS.items()
    )
    lines = [
        f"% {document.title} by bpcompile",
        _PREAMBLE + "\n".join(signs),
        rf"\title{{{escaped(document.title)}}}",
        r"\author{}\date{}",
        r"\begin{document}",
        r"\maketitle",
    ]
    for section in document.sections:
        lines += ["", rf"\section*{{{escaped(section.title)}}}"]
        for item in section.items:
            lines += _lines(item)
    return "\n".join([*lines, "", r"\end{document}"]) + "\n"


def _lines(item: Item) -> Iterator[str]:
    match item:
        case Paragraph(said):
            yield from ("", _words(said))
        case Term(name, said):
            more = f": {escaped(said)}" if said else ""
            yield from ("", rf"\textbf{{{escaped(name)}}}{more}")
        case Formula():
            yield from _formula(item)
        case Beside(_, formulas, code):
            for formula in formulas:
                yield from _formula(formula)
            for part in code:
                yield from ("", rf"{{\footnotesize {said_lines(part)}:\par}}")
                yield from _verbatim(dedented(part))
        case Table(head, rows, words):
            columns = "l" * words + "r" * (len(head) - words)
            # Of many layers it goes on over the pages.
            yield from ("", rf"{{\footnotesize\begin{{longtable}}[l]{{{columns}}}")
            yield from (_cells(head) + r"\hline", *map(_cells, rows))
            yield r"\end{longtable}}"
        case Values(lines):
            yield ""
            yield from (rf"\quad {_words(line)}\par" for line in lines)


def _verbatim(lines: Iterable[str]) -> Iterator[str]:
    yield from (r"{\footnotesize\begin{verbatim}", *lines, r"\end{verbatim}}")


def _formula(formula: Formula) -> Iterator[str]:
    nodes, rest = displayed(formula.sentence)
    beside = remark(rest) if nodes else ""
    if formula.label and not nodes:
        yield from ("", rf"\textbf{{{formula.label}}}")
    for place, node in enumerate(nodes):
        label = formula.label if place == 0 else ""
        last = place == len(nodes) - 1
        yield rf"\[ {shown(node, label, beside if last else '')} \]"
    if rest and not beside:
        yield _words(rest)


def _words(sentence: Sentence) -> str:
    return "".join(
        escaped(run.text) if isinstance(run, Prose) else f"${latex(run)}$"
        for run in sentence
    )


def _cells(cells: Iterable[str]) -> str:
    return " & ".join(map(escaped, cells)) + r" \\"
