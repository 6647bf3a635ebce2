"""`bpcompile explain`: its options, its formats, where the result goes."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping

from bpcompile.documents import format_of, write_document
from bpcompile.errors import UserError, quote
from bpcompile.explaining.content import CHOICES
from bpcompile.explaining.explanation import Explanation, explain
from bpcompile.options import add_format, add_output, add_overrides, add_parallel
from bpcompile.picture import dot, mermaid, svg
from bpcompile.spec import NetworkSpec
from bpcompile.streams import result

TEXT = "text"
FORMATS: Mapping[str, Callable[[Explanation], str]] = {
    TEXT: Explanation.text,
    "md": Explanation.markdown,
    "tex": Explanation.tex,
    "html": Explanation.html,
}
PICTURES: Mapping[str, Callable[[NetworkSpec], str]] = {
    "svg": svg,
    "mermaid": mermaid,
    "dot": dot,
}
#: How the files of all formats begin: such a file may be written over.
_OURS = re.compile(
    r"(# )?[A-Za-z]\w*, explained\n|% \w+, explained by bpcompile\n|<svg [^>]*bp-network"
    r'|<!DOCTYPE html>\n(.*\n){3}<meta name="generator" content="bpcompile explain">'
    r"|(flowchart|graph|digraph) "
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `explain`."""
    parser.description = (
        "The equations of a network, layer by layer, with this network's sizes, "
        "operators and generated code; or its picture."
    )
    parser.add_argument("spec", metavar="SPEC", help='JSON or TOML, "-" for stdin')
    add_format(parser, ", ".join((*FORMATS, *PICTURES)), TEXT)
    add_output(parser)
    parser.add_argument("-t", dest="target", metavar="TARGET", help="of the code")
    parser.add_argument(
        "--numbers", action="store_true", help="with an example worked through"
    )
    # Of two, argparse would take the last without a word.
    parser.add_argument(
        "--layer",
        metavar="N",
        action="append",
        default=[],
        help="this layer alone, from 1",
    )
    parser.add_argument(
        "--equation",
        metavar="NAME",
        action="append",
        default=[],
        help=f"this one alone: {', '.join(CHOICES)}",
    )
    add_overrides(parser)
    add_parallel(parser)
    parser.add_argument(
        "--force", action="store_true", help="replace a file that is not ours"
    )


def run(options: argparse.Namespace) -> int:
    """Explain and write; the exit code is 0."""
    from bpcompile.api import load_spec_with_warnings

    known = (*FORMATS, *PICTURES)
    options.format = format_of(options.format, options.output, known)
    options.layer = _one("--layer", options.layer)
    options.equation = _one("--equation", options.equation)
    _refuse_wrong(options)
    spec, warnings = load_spec_with_warnings(options.spec, options.overrides)
    options.messages.found(warnings)
    if options.format in PICTURES:
        text = PICTURES[options.format](spec)
    else:
        layer = None if options.layer is None else int(options.layer)
        explanation = explain(
            spec,
            options.target,
            layer=layer,
            equation=options.equation,
            numbers=options.numbers,
        )
        text = FORMATS[options.format](explanation)
    if options.output == "-":
        result(text)
    else:
        write_document(text, options.output, [options.spec], _OURS, options.force)
    return 0


def _one(name: str, given: list[str]) -> str | None:
    """The value of an option that is given once, if it is."""
    if len(given) > 1:
        values = " and ".join(map(quote, given[:2]))
        raise UserError(f"{name} goes once, got {values}")
    return given[0] if given else None


def _refuse_wrong(options: argparse.Namespace) -> None:
    if options.layer is not None and not re.fullmatch(r"\d{1,9}", options.layer):
        raise UserError(f"--layer takes a number from 1, got {quote(options.layer)}")
    if options.format in PICTURES:
        given = {
            "--numbers": options.numbers,
            "--layer": options.layer,
            "--equation": options.equation,
            "-t": options.target,
        }
        for name in (name for name, value in given.items() if value):
            raise UserError(f"{name} goes with text, not with -f {options.format}")
