"""The command line: arguments, reading, writing, exit codes."""

from __future__ import annotations

import sys

# That of typing without its import: `--version` is to start as fast as Python does.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from bpcompile.messages import Messages

DONE, FINDING, MEND, OURS, INTERRUPTED, PIPE = 0, 1, 2, 3, 130, 141
TERMINATED = 128  # plus the number of the signal
VERSION = ["--version"]


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the exit code: 0, 1 a finding, 2 yours to mend, 3 ours.

    `argv` is the process's own if None; signals then end it in good order too.
    """
    whole = argv is None
    words = sys.argv[1:] if argv is None else argv
    try:
        try:
            if whole and words != VERSION:
                _spare_the_start()
                _end_on_signals()
            code = _run(words)
        except SystemExit as end:  # of --help, --version and signals
            code = int(end.code or DONE)
        if sys.stdout is not None:
            sys.stdout.flush()
        if whole:
            _spare_the_end()
        return code
    # Imported here and not above: an interrupt while modules load is told as well.
    except KeyboardInterrupt:
        _messages(words).say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        from bpcompile.streams import give_up_stdout

        give_up_stdout()
        return PIPE
    except Exception as failure:
        return failed(failure, _messages(words))


def _messages(words: list[str]) -> Messages:
    from bpcompile.messages import Messages, format_asked_for

    return Messages(format_asked_for(words))


def _spare_the_start() -> None:
    """Nothing that Python and Pydantic do beside what the command needs."""
    import gc
    import os

    # Of what is imported nothing is garbage, though a pass over all of it would come
    # every few hundred objects: a fifteenth of the time. PyPy counts otherwise.
    if hasattr(gc, "set_threshold"):
        gc.set_threshold(100_000)
    # Pydantic would look for plugins in every package that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def _spare_the_end() -> None:
    """What still lives goes with the process; no collector looks at it once more."""
    import gc

    if hasattr(gc, "freeze"):
        gc.freeze()


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


def failed(failure: Exception, messages: Messages) -> int:
    """Say what went wrong; the exit code: 2 yours to mend, 3 ours."""
    from bpcompile.errors import SpecErrors, UserError

    if isinstance(failure, SpecErrors):
        messages.found(failure.errors)
        return MEND
    if isinstance(failure, UserError):
        messages.say(str(failure))
        return MEND
    if isinstance(failure, OSError):
        file = str(failure.filename) if failure.filename else None
        messages.say(str(failure.strerror or failure), file=file)
        return MEND
    import traceback

    messages.say("".join(traceback.format_exception(failure)).rstrip("\n"), own=False)
    messages.say("this is our bug, please report it")
    return OURS


def _run(arguments: list[str]) -> int:
    if arguments == VERSION:
        # Known without argparse, whose import takes as long as Python's start.
        from bpcompile import __version__
        from bpcompile.streams import result

        result(f"bpcompile {__version__}\n")
        return DONE
    from bpcompile.arguments import PACKAGES, parse
    from bpcompile.messages import Messages

    options = parse(arguments)
    options.messages = Messages(options.message_format)
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
    from bpcompile.building.command import run

    return run(options)


# ---- check, new, schema, targets ---------------------------------------------------


def _check(options: argparse.Namespace) -> int:
    from bpcompile.building.jobs import STREAM, loaded, target_of
    from bpcompile.streams import result

    target = target_of(options.target, STREAM)
    spec = loaded(options.specs[0], options.overrides, options.messages)
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
    from bpcompile.streams import result

    name, path = place(options.name, options.output)
    text = start(name, options.template)
    if path == "-":
        result(text)
    else:
        write(Path(path), text, options.force)
    return DONE


def _schema() -> int:
    from bpcompile.schema import schema_text
    from bpcompile.streams import result

    result(schema_text())
    return DONE


def _targets() -> int:
    from bpcompile.streams import result
    from bpcompile.target import load_target, target_names

    for name in target_names():
        target = load_target(name)
        default = "  (default)" if target.is_default else ""
        result(f"{name:18}{target.suffix:6}{target.description}{default}\n")
    return DONE
