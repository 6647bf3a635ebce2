"""The command line: arguments, reading, writing, exit codes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from bpcompile.plan import Plan
    from bpcompile.source import Document
    from bpcompile.target import Target

DONE, FINDING, MEND, OURS, INTERRUPTED, PIPE = 0, 1, 2, 3, 130, 141

_USAGE = """\
bpcompile SPEC [-o FILE|DIR/] [-t TARGET] [--set PATH=VALUE]... [--library]
               [--check | --diff] [--force]
bpcompile build SPEC...        the same by name; several specs need -o DIR/
bpcompile check SPEC [--run] [-t TARGET] [--set PATH=VALUE]...
bpcompile targets"""

COMMANDS = ("build", "check", "targets")


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the exit code: 0, 1 a finding, 2 yours to mend, 3 ours."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments == ["--version"]:
        from bpcompile import __version__

        print(f"bpcompile {__version__}")
        return DONE
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("bpcompile: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _close_stdout()
        return PIPE
    except Exception as failure:
        return _failed(failure)


def _failed(failure: Exception) -> int:
    from bpcompile.errors import SpecErrors, UserError, printable

    if isinstance(failure, SpecErrors):
        print(failure, file=sys.stderr)
        return MEND
    if isinstance(failure, UserError):
        print(f"bpcompile: {failure}", file=sys.stderr)
        return MEND
    if isinstance(failure, OSError):
        where = f"{printable(str(failure.filename))}: " if failure.filename else ""
        print(f"bpcompile: {where}{failure.strerror}", file=sys.stderr)
        _close_stdout()
        return MEND
    import traceback

    traceback.print_exception(failure)
    print("bpcompile: this is our bug, please report it", file=sys.stderr)
    return OURS


def _close_stdout() -> None:
    """Give up standard output, so that Python's exit does not try it again."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _run(arguments: list[str]) -> int:
    options = _parse(arguments)
    if options.command == "targets":
        return _targets()
    if options.command == "check":
        return _check(options)
    return _build(options)


def _parse(arguments: list[str]) -> argparse.Namespace:
    import argparse

    from bpcompile.errors import UserError

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> None:  # type: ignore[override]
            raise UserError(f"{message}\nusage:\n{_USAGE}")

    command = arguments[0] if arguments and arguments[0] in COMMANDS else ""
    parser = Parser(
        prog=f"bpcompile {command}".strip(),
        usage="\n" + _USAGE,
        description="Compile a JSON network spec into a standalone trainer.",
        allow_abbrev=False,
    )
    parser.set_defaults(command=command or "build")
    if command != "targets":
        _add_spec_options(parser, command)
    if command in ("", "build"):
        _add_output_options(parser)
    if command == "":
        parser.add_argument("--version", action="store_true", help="print the version")
    if command == "check":
        parser.add_argument(
            "--run",
            action="store_true",
            help="compile, run and compare with the reference runtime",
        )
    return parser.parse_args(arguments[1:] if command else arguments)


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


# ---- build -------------------------------------------------------------------------


def _build(options: argparse.Namespace) -> int:
    """Compile every spec before the first file is written: all or none."""
    from bpcompile.errors import UserError
    from bpcompile.render import render

    if len(options.specs) > 1 and not options.output.endswith("/"):
        raise UserError("several specs need a folder: -o DIR/")
    target = _target(options)
    texts: dict[str, str] = {}
    for spec in options.specs:
        document, plan = _plan(spec, options)
        path = _output_path(options.output, spec, plan, target)
        if path in texts:
            raise UserError(f"two specs would be written to {path}; rename one")
        _refuse_same_file(path, options.specs)
        texts[path] = render(plan, target, options.library)
        _compiles(texts[path], target)
    if options.check or options.diff:
        stale = [_compared(path, text, options.diff) for path, text in texts.items()]
        return FINDING if any(stale) else DONE
    for path, text in texts.items():
        _write(path, text, options.force)
    return DONE


def _plan(spec: str, options: argparse.Namespace) -> tuple[Document, Plan]:
    from bpcompile.api import load_document
    from bpcompile.lower import lower
    from bpcompile.validate import validate

    document = load_document(spec, options.overrides)
    return document, lower(validate(document))


def _target(options: argparse.Namespace) -> Target:
    from bpcompile.target import (
        default_target_name,
        load_target,
        target_name_of_suffix,
    )

    if options.target:
        return load_target(options.target)
    output = getattr(options, "output", "-")
    suffix = "" if output.endswith("/") else "." + output.rpartition(".")[2]
    return load_target(target_name_of_suffix(suffix) or default_target_name())


def _output_path(output: str, spec: str, plan: Plan, target: Target) -> str:
    from pathlib import Path

    if not output.endswith("/"):
        return output
    stem = plan.name if spec == "-" else Path(spec).stem
    return output + stem + target.suffix


def _refuse_same_file(path: str, specs: list[str]) -> None:
    import os

    from bpcompile.errors import UserError, printable

    for spec in specs:
        if "-" in (spec, path) or not (os.path.exists(spec) and os.path.exists(path)):
            continue
        if os.path.samefile(spec, path):
            raise UserError(f"{printable(path)}: input and output are the same file")


def _compiles(text: str, target: Target) -> None:
    """A module that this process can import must at least be its language."""
    if target.runs == "import":
        compile(text, "<generated>", "exec")


def _compared(path: str, text: str, show: bool) -> bool:
    """Whether a file is stale; says so, or how, on the way."""
    from pathlib import Path

    from bpcompile.errors import UserError, printable
    from bpcompile.output import difference

    if path == "-":
        raise UserError("--check and --diff need the file to compare with: -o FILE")
    changes = difference(Path(path), text)
    if show:
        sys.stdout.buffer.write(changes.encode("utf-8"))
    elif changes:
        stands = "is stale" if Path(path).exists() else "does not exist"
        print(f"bpcompile: {printable(path)}: {stands}", file=sys.stderr)
    return bool(changes)


def _write(path: str, text: str, force: bool) -> None:
    from pathlib import Path

    from bpcompile.output import write_output

    if path == "-":
        # Bytes, so that neither locale nor platform changes them.
        sys.stdout.buffer.write(text.encode("utf-8"))
        sys.stdout.buffer.flush()
    else:
        write_output(Path(path), text, force)


# ---- check, targets ----------------------------------------------------------------


def _check(options: argparse.Namespace) -> int:
    from bpcompile.api import load_spec

    spec = load_spec(options.specs[0], options.overrides)
    if not options.run:
        return DONE
    from bpcompile.check import check, table

    report = check(spec, _target(options))
    print(table(report))
    return DONE if report.passed else FINDING


def _targets() -> int:
    from bpcompile.target import load_target, target_names

    for name in target_names():
        target = load_target(name)
        default = "  (default)" if target.is_default else ""
        print(f"{name:18}{target.suffix:6}{target.description}{default}")
    return DONE
