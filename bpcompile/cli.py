"""The command line: arguments, reading, writing, exit codes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bpcompile.streams import complain, give_up_stdout, result

if TYPE_CHECKING:
    import argparse

    from bpcompile.plan import Plan
    from bpcompile.render import Renderer, SourceFile
    from bpcompile.spec import NetworkSpec
    from bpcompile.target import Target

DONE, FINDING, MEND, OURS, INTERRUPTED, PIPE = 0, 1, 2, 3, 130, 141
TERMINATED = 128  # plus the number of the signal


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the exit code: 0, 1 a finding, 2 yours to mend, 3 ours.

    `argv` is the process's own if None; signals then end it in good order too.
    """
    if argv is None:
        argv = sys.argv[1:]
        _end_on_signals()
    try:
        try:
            code = _run(argv)
        except SystemExit as end:  # of --help, --version and signals
            code = int(end.code or DONE)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        complain("bpcompile: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        give_up_stdout()
        return PIPE
    except Exception as failure:
        return _failed(failure)


def _end_on_signals() -> None:
    """An exit instead of a sudden end, so that no temporary file stays."""
    import signal

    def end(number: int, frame: object) -> None:
        sys.exit(TERMINATED + number)

    for name in ("SIGHUP", "SIGTERM"):
        number = getattr(signal, name, None)
        # nohup's SIG_IGN stays.
        if number and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, end)


def _failed(failure: Exception) -> int:
    from bpcompile.errors import SpecErrors, UserError, printable

    if isinstance(failure, SpecErrors):
        complain(str(failure))
        return MEND
    if isinstance(failure, UserError):
        complain(f"bpcompile: {failure}")
        return MEND
    if isinstance(failure, OSError):
        where = f"{printable(str(failure.filename))}: " if failure.filename else ""
        complain(f"bpcompile: {where}{failure.strerror or failure}")
        return MEND
    import traceback

    complain("".join(traceback.format_exception(failure)).rstrip("\n"))
    complain("bpcompile: this is our bug, please report it")
    return OURS


def _run(arguments: list[str]) -> int:
    from bpcompile.arguments import PACKAGES, parse

    options = parse(arguments)
    if options.command in PACKAGES:
        from importlib import import_module

        command = import_module(f"{PACKAGES[options.command]}.command")
        return int(command.run(options))
    if options.command == "targets":
        return _targets()
    if options.command == "schema":
        return _schema()
    if options.command == "new":
        return _new(options)
    if options.command == "check":
        return _check(options)
    return _build(options)


# ---- build -------------------------------------------------------------------------


def _build(options: argparse.Namespace) -> int:
    """Compile every spec before the first file is written: all or none."""
    from pathlib import Path

    from bpcompile.errors import UserError
    from bpcompile.output import write_outputs

    to_stdout = options.output == "-"
    if to_stdout and (options.check or options.diff):
        raise UserError("--check and --diff need the file to compare with: -o FILE")
    if len(options.specs) > 1 and not options.output.endswith("/"):
        raise UserError("several specs need a folder: -o DIR/")
    texts = _compiled(options)
    if options.check or options.diff:
        stale = [_compared(path, text, options.diff) for path, text in texts.items()]
        return FINDING if any(stale) else DONE
    if to_stdout:
        result(texts["-"])
    else:
        write_outputs({Path(p): text for p, text in texts.items()}, options.force)
    return DONE


def _compiled(options: argparse.Namespace) -> dict[str, str]:
    """The text of every module, by its path."""
    from bpcompile.errors import UserError, printable
    from bpcompile.lower import lower
    from bpcompile.render import Renderer

    target = _target(options)
    renderer = Renderer(target)
    texts: dict[str, str] = {}
    for spec in options.specs:
        plan = lower(_loaded(spec, options.overrides))
        module, *beside = _rendered(renderer, plan, options)
        path = _output_path(options.output, spec, plan, module.suffix)
        if path in texts:
            shown = printable(path)
            raise UserError(f"two specs would be written to {shown}; rename one")
        _refuse_same_file(path, [*options.specs, *filter(None, [options.weights])])
        _refuse_unusable(path, module.text, target)
        texts[path] = module.text
        if path != "-":
            stem = path.removesuffix(module.suffix)
            texts |= {stem + file.suffix: file.text for file in beside}
    return texts


def _rendered(
    renderer: Renderer, plan: Plan, options: argparse.Namespace
) -> tuple[SourceFile, ...]:
    if options.header:
        return (renderer.header(plan),)
    if not options.inference:
        return renderer.render(plan, options.library)
    from bpcompile.trained import read_trained

    return (renderer.inference(plan, read_trained(options.weights, plan)),)


def _loaded(path: str, overrides: list[str]) -> NetworkSpec:
    """A spec, with a word on stderr where there is something to know of it."""
    from bpcompile.api import load_spec_with_warnings

    spec, warnings = load_spec_with_warnings(path, overrides)
    for warning in warnings:
        complain(warning)
    return spec


def _target(options: argparse.Namespace) -> Target:
    from bpcompile.target import (
        default_target_name,
        load_target,
        target_name_of_suffix,
    )

    if options.target is not None:
        return load_target(options.target)
    output = getattr(options, "output", "-")
    suffix = "" if output.endswith("/") else "." + output.rpartition(".")[2]
    return load_target(target_name_of_suffix(suffix) or default_target_name())


def _output_path(output: str, spec: str, plan: Plan, suffix: str) -> str:
    from pathlib import Path

    if not output.endswith("/"):
        return output
    stem = plan.name if spec == "-" else Path(spec).stem
    return output + stem + suffix


def _refuse_same_file(path: str, specs: list[str]) -> None:
    import os

    from bpcompile.errors import UserError, printable

    for spec in specs:
        if "-" in (spec, path) or not (os.path.exists(spec) and os.path.exists(path)):
            continue
        if os.path.samefile(spec, path):
            raise UserError(f"{printable(path)}: input and output are the same file")


def _refuse_unusable(path: str, text: str, target: Target) -> None:
    """A module that this process can import must be its language, and not stand in
    the way of what it imports itself."""
    if target.runs != "import":
        return
    import re
    from pathlib import Path

    from bpcompile.errors import UserError, printable

    compile(text, "<generated>", "exec")
    stem = Path(path).stem
    if re.search(rf"^ *(?:import|from) {re.escape(stem)}\b", text, re.MULTILINE):
        raise UserError(
            f"{printable(path)}: would be taken for the module {stem} that it "
            "imports; choose another name"
        )


def _compared(path: str, text: str, show: bool) -> bool:
    """Whether a file is stale; says so, or how, on the way."""
    from pathlib import Path

    from bpcompile.errors import printable
    from bpcompile.output import difference, examine

    found = examine(Path(path))
    if show:
        result(difference(Path(path), text))
    elif found.text != text:
        stands = found.work or ("does not exist" if found.text is None else "is stale")
        complain(f"bpcompile: {printable(path)}: {stands}")
    return found.text != text


# ---- check, new, schema, targets ---------------------------------------------------


def _check(options: argparse.Namespace) -> int:
    target = _target(options)
    spec = _loaded(options.specs[0], options.overrides)
    if options.resolved:
        import json

        result(json.dumps(spec.resolved(), indent=2) + "\n")
    if not options.run:
        return DONE
    from bpcompile.check import check, table

    report = check(spec, target)
    result(table(report) + "\n")
    return DONE if report.passed else FINDING


def _new(options: argparse.Namespace) -> int:
    from pathlib import Path

    from bpcompile.new import place, start, write

    name, path = place(options.name, options.output)
    text = start(name, options.template)
    if path == "-":
        result(text)
    else:
        write(Path(path), text, options.force)
    return DONE


def _schema() -> int:
    from bpcompile.schema import schema_text

    result(schema_text())
    return DONE


def _targets() -> int:
    from bpcompile.target import load_target, target_names

    for name in target_names():
        target = load_target(name)
        default = "  (default)" if target.is_default else ""
        result(f"{name:18}{target.suffix:6}{target.description}{default}\n")
    return DONE
