"""The arguments of the command line."""

from __future__ import annotations

import argparse

from bpcompile import __version__
from bpcompile.errors import UserError, printable
from bpcompile.streams import result

USAGE = """\
bpcompile SPEC [-o FILE|DIR/] [-t TARGET] [--set PATH=VALUE]... [--library]
               [--check | --diff] [--force]
bpcompile build SPEC...        the same by name; several specs need -o DIR/
bpcompile check SPEC [--run] [--resolved] [-t TARGET] [--set PATH=VALUE]...
bpcompile targets"""

COMMANDS = ("build", "check", "targets")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise UserError(f"{printable(message)}\nusage:\n{USAGE}")

    def _print_message(self, message: str, file: object = None) -> None:
        result(message)


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options of a command line, with `command` among them.

    Raises UserError where they are wrong, SystemExit after --help and --version.
    """
    command = arguments[0] if arguments and arguments[0] in COMMANDS else ""
    parser = _Parser(
        prog=f"bpcompile {command}".strip(),
        usage="\n" + USAGE,
        description="Compile a JSON network spec into a standalone trainer.",
        allow_abbrev=False,
    )
    parser.set_defaults(command=command or "build")
    if command != "targets":
        _add_spec_options(parser, command)
    if command in ("", "build"):
        _add_output_options(parser)
    if command == "":
        version = f"bpcompile {__version__}"
        parser.add_argument("--version", action="version", version=version)
    if command == "check":
        _add_check_options(parser)
    rest = arguments[1:] if command else arguments
    # Intermixed, options may stand between specs; but then argparse loses a "--".
    known = parser.parse_args if "--" in rest else parser.parse_intermixed_args
    options = known(rest)
    if getattr(options, "output", None) == "":
        parser.error("argument -o: the name is empty")
    return options


def _add_spec_options(parser: argparse.ArgumentParser, command: str) -> None:
    count = "+" if command == "build" else 1
    parser.add_argument(
        "specs", metavar="SPEC", nargs=count, help='a JSON or TOML file, "-" for stdin'
    )
    parser.add_argument("-t", dest="target", metavar="TARGET", help="see: targets")
    parser.add_argument(
        "--set",
        dest="overrides",
        metavar="PATH=VALUE",
        action="append",
        default=[],
        help="change the spec, as in hyperparameters.learning_rate=0.1",
    )


def _add_check_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run",
        action="store_true",
        help="compile, run and compare with the reference runtime",
    )
    parser.add_argument(
        "--resolved",
        action="store_true",
        help="print the spec with every default filled in",
    )


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", dest="output", metavar="FILE|DIR/", default="-", help="default: stdout"
    )
    parser.add_argument(
        "--library",
        action="store_true",
        help="leave out the command line, files and data readers",
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--check", action="store_true", help="exit 1 if FILE is not what SPEC gives"
    )
    either.add_argument(
        "--diff", action="store_true", help="print how FILE would change, exit 1 if so"
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace a file edited by hand or not ours, keeping a .bak",
    )
