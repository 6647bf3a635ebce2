"""Standard output, which carries only results, and standard error for all else."""

from __future__ import annotations

import os
import sys

# That of typing without its import: see `bpcompile.cli`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from bpcompile.errors import UserError


def complain(message: str) -> None:
    """Write a line to standard error, if there is one."""
    # Where stderr is closed, print would take stdout.
    if sys.stderr is not None:
        print(message, file=sys.stderr)


def wants_colour(stream: TextIO | None) -> bool:
    """Whether text there is coloured: on a terminal that knows colours.

    NO_COLOR is against it everywhere, FORCE_COLOR for it (no-color.org,
    force-color.org): set to anything but "".
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    known = os.environ.get("TERM") != "dumb"
    return known and stream is not None and stream.isatty()


def result(text: str) -> None:
    """Write to standard output, as bytes that neither locale nor platform changes.

    Raises UserError where that is closed or full, BrokenPipeError where its reader
    has gone.
    """
    if sys.stdout is None:
        raise _refused(" is closed")
    try:
        sys.stdout.buffer.write(text.encode("utf-8"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as failure:
        give_up_stdout()
        raise _refused(f": {failure.strerror}") from failure


def give_up_stdout() -> None:
    """Give up standard output, so that Python's exit does not try it again."""
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)


def _refused(how: str) -> UserError:
    # Imported here, because only what fails needs it.
    from bpcompile.errors import UserError

    return UserError(f"standard output{how}")
