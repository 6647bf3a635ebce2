"""The arguments of the command line."""

from __future__ import annotations

import argparse
import os
import shlex
from importlib import import_module
from typing import NoReturn

from bpcompile import __version__
from bpcompile.errors import UserError, nearest, printable, quote
from bpcompile.messages import FORMATS, OPTION
from bpcompile.options import add_message_format, add_overrides, add_parallel
from bpcompile.streams import result

USAGE = """\
bpcompile SPEC [-o FILE|DIR/] [-t TARGET] [--set PATH=VALUE]... [--library]
               [--parallel KIND] [--check | --diff | --watch] [--force]
bpcompile SPEC --inference --weights FILE ...    trained weights in the source
bpcompile SPEC --header ...    what the module declares, for languages that need it
bpcompile build SPEC...        the same by name; several specs need -o DIR/
bpcompile build [--check | --diff | --watch] [--config FILE]
                               the outputs that [tool.bpcompile] lists
bpcompile check SPEC [--run] [--resolved] [-t TARGET] [--set PATH=VALUE]...
bpcompile diff A B [--level spec|plan|code] [-f text|json|md|html] [-o FILE]
bpcompile diff SPEC -t TARGET -t TARGET ... | --set PATH=VALUE ...
bpcompile explain SPEC [-f text|md|tex|html|svg|mermaid|dot] [-o FILE] [--numbers]
               [--layer N] [--equation BP2] [-t TARGET] [--set PATH=VALUE]...
bpcompile report LOG... [-o FILE] [--weights FILE [--data FILE] [--image HxW]]
                               the log of train --log as a page
bpcompile convert WEIGHTS OUT [--spec SPEC] [--force]
                               .safetensors, .npz, .onnx: one into another
bpcompile bench SPEC [--mpi [--ranks N,N,...] [--latency µs] [--bandwidth GBIT/S]]
               [-t TARGET] [-f text|json|md] [-o FILE]    how long a step takes
bpcompile tune SPEC --space FILE --data F [--trials N] [--jobs N] [-o FILE]
                               the best of many variants, found by trials
bpcompile new NAME [--template TEMPLATE] [-o FILE|DIR/] [--force]
bpcompile schema               the JSON Schema of specs, for editors
bpcompile targets
                               every command: [--format text|json|github], of messages"""

#: What `new` writes unless told otherwise.
TEMPLATE = "classifier"

#: The arguments of each command, in short; "" is build under no name.
_SHORT = {
    "": "SPEC [-o FILE] ...",
    "bench": "bench SPEC [--mpi] ...",
    "build": "build [SPEC... -o DIR/] ...",
    "check": "check SPEC [--run] ...",
    "convert": "convert WEIGHTS OUT [--spec SPEC] [--force]",
    "diff": "diff A B ...",
    "explain": "explain SPEC ...",
    "new": "new NAME [--template TEMPLATE] ...",
    "report": "report LOG... [-o FILE] ...",
    "schema": "schema",
    "targets": "targets",
    "tune": "tune SPEC --space FILE --data F [--trials N] ...",
}
COMMANDS = tuple(filter(None, _SHORT))
_BARE = ("schema", "targets")

#: Options of build that say what becomes of a SPEC.
_OF_A_SPEC = {
    "output": "-o",
    "target": "-t",
    "overrides": "--set",
    "library": "--library",
    "inference": "--inference",
    "header": "--header",
    "weights": "--weights",
}

#: Commands with a package of their own, whose module `command` has `add_options` of a
#: parser and `run` of the options, for an exit code.
PACKAGES = {
    "bench": "bpcompile.benching",
    "convert": "bpcompile.converting",
    "diff": "bpcompile.compare",
    "explain": "bpcompile.explaining",
    "report": "bpcompile.reporting",
    "tune": "bpcompile.tuning",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        short = _SHORT[self.prog.removeprefix("bpcompile").strip()]
        usage = f"usage: bpcompile {short} (see bpcompile --help)"
        raise UserError(f"{printable(message)}\n{usage}")

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
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(command=command or "build")
    if not command and arguments:
        _refuse_misspelt_command(parser, arguments[0])
    if command == "new":
        _add_new_options(parser)
    elif command in PACKAGES:
        import_module(f"{PACKAGES[command]}.command").add_options(parser)
    elif command not in _BARE:
        _add_spec_options(parser, command)
    if command in ("", "build"):
        _add_output_options(parser)
    if command == "":
        version = f"bpcompile {__version__}"
        parser.add_argument("--version", action="version", version=version)
    if command == "check":
        _add_check_options(parser)
    add_message_format(parser)
    rest = arguments[1:] if command else arguments
    # Intermixed, options may stand between specs; but then argparse loses a "--".
    plain = "--" in rest
    known = parser.parse_known_args if plain else parser.parse_known_intermixed_args
    options, more = known(rest)
    if more:
        _refuse_more(parser, options, more)
    if getattr(options, "output", None) == "":
        parser.error("argument -o: the name is empty")
    _refuse_message_format(parser, options)
    if command in ("", "build"):
        _refuse_half_an_inference(parser, options)
        _refuse_half_a_configuration(parser, options)
    return options


def _refuse_message_format(parser: _Parser, options: argparse.Namespace) -> None:
    word = options.message_format
    if word not in FORMATS:
        known = f"one of: {', '.join(FORMATS)}"
        own = "; -f is the format of the result" if hasattr(options, "format") else ""
        parser.error(
            f"argument {OPTION}: no format of messages {quote(word)} ({known}){own}"
        )


def _refuse_half_a_configuration(parser: _Parser, options: argparse.Namespace) -> None:
    """Either the command line says what is built, or a configuration does."""
    if options.specs:
        if options.config is not None:
            parser.error("--config FILE lists the outputs itself: leave out SPEC")
        return
    for name, word in _OF_A_SPEC.items():
        if getattr(options, name) != parser.get_default(name):
            parser.error(f"{word} goes with a SPEC; a configuration says it itself")


def _refuse_half_an_inference(parser: _Parser, options: argparse.Namespace) -> None:
    if options.inference and options.weights is None:
        parser.error("--inference needs --weights FILE, which train has saved")
    if options.weights is not None and not options.inference:
        parser.error("--weights FILE goes with --inference")
    if options.inference and len(options.specs) > 1:
        parser.error("--inference takes one SPEC, that of its weights")


def _refuse_misspelt_command(parser: _Parser, word: str) -> None:
    # A spec may have any name: what exists is one.
    meant = None if os.path.lexists(word) else nearest(word, COMMANDS)
    if meant:
        parser.error(f'no command {quote(word)}; did you mean "{meant}"?')


def _refuse_more(
    parser: _Parser, options: argparse.Namespace, more: list[str]
) -> NoReturn:
    """Of arguments that no option and no SPEC has taken."""
    command = parser.prog.removeprefix("bpcompile").strip()
    assigned = getattr(options, "overrides", [])
    if more[0].startswith("-") and more[0] != "-":
        known = [name for action in parser._actions for name in action.option_strings]
        meant = nearest(more[0].partition("=")[0], known)
        hint = f'; did you mean "{meant}"?' if meant else ""
        parser.error(f"unknown option {quote(more[0])}{hint}")
    if assigned and (more[0].startswith("=") or assigned[-1].endswith("=")):
        parser.error("--set PATH=VALUE takes no spaces around the =")
    if command in _BARE:
        parser.error(f"{command} takes no arguments, got {quote(more[0])}")
    if command == "new":
        parser.error(f"new takes one NAME, got {quote(more[0])} too")
    if command in PACKAGES:
        parser.error(f"{command} takes one SPEC, got {quote(more[0])} too")
    if command == "check":
        parser.error("check takes one SPEC; run it once for each")
    first = options.specs[0]
    if "." not in first and first != "-" and not os.path.lexists(first):
        parser.error(f"no command {quote(first)} (one of: {', '.join(COMMANDS)})")
    specs = [*options.specs, *(word for word in more if not word.startswith("-"))]
    shown = " ".join(map(shlex.quote, specs)) if len(specs) < 5 else "SPEC..."
    parser.error(f"several specs need a folder: bpcompile build {shown} -o DIR/")


def _add_spec_options(parser: argparse.ArgumentParser, command: str) -> None:
    count = "*" if command == "build" else 1
    parser.add_argument(
        "specs", metavar="SPEC", nargs=count, help='a JSON or TOML file, "-" for stdin'
    )
    parser.add_argument("-t", dest="target", metavar="TARGET", help="see: targets")
    add_overrides(parser)
    add_parallel(parser)


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


def _add_new_options(parser: argparse.ArgumentParser) -> None:
    from bpcompile.new import templates

    known = templates()
    width = max(map(len, known)) + 2
    lines = [f"  {name:{width}}{about}" for name, about in known.items()]
    parser.epilog = "\n".join(("templates:", *lines))
    parser.add_argument(
        "name",
        metavar="NAME",
        help='of the network; written to NAME.json, "-": to stdout under no name',
    )
    parser.add_argument(
        "--template", default=TEMPLATE, help=f"see below, default: {TEMPLATE}"
    )
    parser.add_argument("-o", dest="output", metavar="FILE|DIR/", help='"-": stdout')
    parser.add_argument(
        "--force", action="store_true", help="replace a file, keeping a .bak"
    )


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", dest="output", metavar="FILE|DIR/", default="-", help="default: stdout"
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--library",
        action="store_true",
        help="leave out the command line, files and data readers",
    )
    kind.add_argument(
        "--inference",
        action="store_true",
        help="feedforward and predict alone, with the weights of --weights in them",
    )
    kind.add_argument(
        "--header",
        action="store_true",
        help="declare what the module defines, for programs that call it",
    )
    parser.add_argument(
        "--weights", metavar="FILE", help="a .safetensors file that train has saved"
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--check", action="store_true", help="exit 1 if FILE is not what SPEC gives"
    )
    either.add_argument(
        "--diff", action="store_true", help="print how FILE would change, exit 1 if so"
    )
    either.add_argument(
        "--watch", action="store_true", help="build again whenever SPEC changes"
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="lists the outputs, default: the nearest pyproject.toml that does",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace a file edited by hand or not ours, keeping a .bak",
    )
