"""Options that several commands have."""

from __future__ import annotations

import argparse
from typing import Any

from bpcompile.messages import FORMATS, OPTION, TEXT


def add_overrides(
    parser: argparse.ArgumentParser,
    does: str = "change the spec, as in hyperparameters.learning_rate=0.1",
) -> None:
    """--set PATH=VALUE, as often as one likes: `overrides`."""
    parser.add_argument(
        "--set",
        dest="overrides",
        metavar="PATH=VALUE",
        action="append",
        default=[],
        help=does,
    )


class _Sets(argparse.Action):
    """An option that is short for --set of one key: among the overrides, in order."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        key = (option_string or "").removeprefix("--")
        namespace.overrides = [*namespace.overrides, f"{key}={values}"]


def add_parallel(parser: argparse.ArgumentParser) -> None:
    """--parallel KIND, short for --set parallel=KIND."""
    parser.add_argument(
        "--parallel",
        metavar="KIND",
        action=_Sets,
        default=argparse.SUPPRESS,
        help='"parallel" of the spec, as --set parallel=KIND: see docs/scale-out.md',
    )


def add_format(parser: argparse.ArgumentParser, formats: str, default: str) -> None:
    """-f FORMAT, by name; see `bpcompile.documents.format_of`."""
    does = f"{formats}; default: by the suffix of FILE, else {default}"
    parser.add_argument("-f", dest="format", help=does)


def add_output(parser: argparse.ArgumentParser) -> None:
    """-o FILE of one document: `output`."""
    parser.add_argument(
        "-o", dest="output", metavar="FILE", default="-", help="default: stdout"
    )


def add_message_format(parser: argparse.ArgumentParser) -> None:
    """--format FORMAT of what is said on standard error: `message_format`."""
    parser.add_argument(
        OPTION,
        dest="message_format",
        metavar="FORMAT",
        default=TEXT,
        help=f"of messages, on stderr: {', '.join(FORMATS)}",
    )
