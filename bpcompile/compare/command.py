"""`bpcompile diff`: its options, what they mean together, where the result goes."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping

from bpcompile.compare.comparison import diff
from bpcompile.compare.difference import LEVELS, Difference
from bpcompile.documents import format_of, refuse_unknown, write_document
from bpcompile.errors import UserError, quote
from bpcompile.options import add_format, add_output, add_overrides
from bpcompile.streams import result, wants_colour

SAME, DIFFERENT = 0, 1
FORMATS: Mapping[str, Callable[[Difference], str]] = {
    "text": Difference.text,
    "json": Difference.to_json,
    "md": Difference.markdown,
    "html": Difference.html,
}
TEXT = "text"
#: How a comparison begins, in each of the formats; an empty one says nothing differs.
_OURS = re.compile(
    r"--- |## `|\{\n  \"version\": \d+,\n  \"differs\": "
    r"|<!doctype html>\n(?:.*\n){0,9}.*<meta name=\"generator\" content=\"bpcompile",
    re.IGNORECASE,
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "What differs between two specs, layer by layer; or between two targets of "
        "one, or one spec and what --set makes of it. Exit code 1 if anything does."
    )
    parser.add_argument(
        "specs",
        metavar="A B",
        nargs="+",
        help='JSON or TOML files, "-" for stdin; with --level code generated files too',
    )
    parser.add_argument(
        "--level",
        default=LEVELS[1],
        help="spec: values; plan: layers and formulas (default); code: a unified diff",
    )
    add_format(parser, ", ".join(FORMATS), TEXT)
    add_output(parser)
    parser.add_argument(
        "-t",
        dest="targets",
        metavar="TARGET",
        action="append",
        default=[],
        help="see: targets; a second one is that of B",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace FILE where it is no comparison, keeping a .bak",
    )
    add_overrides(parser, "with one spec: B is this spec with these changes")


def run(options: argparse.Namespace) -> int:
    """Compare, write, and say by the exit code whether anything differs."""
    refuse_unknown("level", options.level, LEVELS)
    options.format = format_of(options.format, options.output, FORMATS)
    a, b = _sides(options)
    target, target_of_b = (*options.targets, None, None)[:2]
    found = diff(a, b, options.level, target, target_of_b, options.overrides)
    _write(found, options, (a, b))
    return DIFFERENT if found.differs else SAME


def _sides(options: argparse.Namespace) -> tuple[str, str]:
    """The two to compare; of one spec, what makes the difference is in the options."""
    specs, targets = options.specs, options.targets
    if len(specs) > 2:
        raise UserError(f"diff takes A and B, got {quote(specs[2])} too")
    if len(targets) > 2:
        raise UserError(f"diff takes two targets, got -t {quote(targets[2])} too")
    if len(specs) == 2:
        if options.overrides:
            raise UserError("--set goes with one spec: it makes B of it")
        if specs == ["-", "-"]:
            raise UserError("only one of A and B can be standard input")
        return specs[0], specs[1]
    if len(targets) < 2 and not options.overrides:
        raise UserError(
            f"compare {quote(specs[0])} with what? give another spec, a second -t "
            "TARGET, or --set PATH=VALUE"
        )
    if specs[0] == "-":
        raise UserError("one spec is read for both sides: give a file, not -")
    return specs[0], specs[0]


def _write(
    found: Difference, options: argparse.Namespace, inputs: tuple[str, ...]
) -> None:
    to_stdout = options.output == "-"
    if to_stdout and options.format == TEXT:
        result(found.text(colour=wants_colour(sys.stdout)))
    elif to_stdout:
        result(FORMATS[options.format](found))
    else:
        text = FORMATS[options.format](found)
        write_document(text, options.output, inputs, _OURS, options.force)
