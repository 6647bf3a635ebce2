"""What goes to standard error: as text, as JSON lines, or as GitHub's annotations."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bpcompile.errors import (
    MAX_SHOWN_ERRORS,
    SpecError,
    format_error,
    more_errors,
    printable,
)
from bpcompile.records import dataclass
from bpcompile.streams import complain, wants_colour

TEXT, JSON, GITHUB = "text", "json", "github"
FORMATS = (TEXT, JSON, GITHUB)
#: The option that chooses one.
OPTION = "--format"

#: Of what is merely said; else a message is an "error" or a "warning".
NOTE = "note"
#: GitHub's commands by severity.
_COMMANDS: Mapping[str, str] = {"error": "error", "warning": "warning", NOTE: "notice"}


@dataclass(frozen=True)
class Messages:
    """Where everything goes that is no result: standard error, in one of FORMATS."""

    format: str = TEXT

    def found(self, errors: Sequence[SpecError]) -> None:
        """Say what is wrong with specs: the first 20, and how many there are more."""
        shown, rest = errors[:MAX_SHOWN_ERRORS], len(errors) - MAX_SHOWN_ERRORS
        if self.format == TEXT:
            colour = wants_colour(sys.stderr)
            lines: Iterable[str] = (format_error(error, colour) for error in shown)
        else:
            as_line = _json_of if self.format == JSON else _annotation_of
            lines = map(as_line, shown)
        for line in lines:
            complain(line)
        if rest > 0:
            self.say(f"... and {more_errors(rest)}", own=False)

    def say(
        self,
        message: str,
        severity: str = "error",
        file: str | None = None,
        own: bool = True,
    ) -> None:
        """Say something else, which stands at no place, though perhaps in a `file`.

        `own`: in a text it begins with the name of the command.
        """
        if self.format == JSON:
            complain(_json(severity, "", message, file=file))
            return
        text = f"{printable(file)}: {message}" if file else message
        if self.format == GITHUB:
            complain(_annotation(severity, text, {"file": _annotated(file)}))
        else:
            complain(f"{'bpcompile: ' * own}{text}")


def format_asked_for(arguments: Iterable[str]) -> str:
    """What the arguments ask for, be they wrong in other ways; text if it is unknown.

    Known before they are parsed, because what is wrong with them is a message too.
    """
    asked, before = TEXT, ""
    for word in arguments:
        if before == OPTION:
            asked = word
        elif word == "--":
            break
        elif word.startswith(f"{OPTION}="):
            asked = word.partition("=")[2]
        before = word
    return asked if asked in FORMATS else TEXT


# ---- JSON --------------------------------------------------------------------------


def _json_of(error: SpecError) -> str:
    place = error.place
    return _json(
        error.severity,
        error.code,
        error.message,
        error.hint,
        error.path,
        place.file,
        place.line,
        place.column,
        place.column + place.width,
    )


def _json(
    severity: str,
    code: str,
    message: str,
    hint: str = "",
    path: str | None = None,
    file: str | None = None,
    line: int | None = None,
    column: int | None = None,
    end_column: int | None = None,
) -> str:
    """An object in one line of ASCII, always with the same keys."""
    # Imported here, because most runs say nothing.
    import json

    return json.dumps(
        {
            "severity": severity,
            "code": code,
            "message": message,
            "hint": hint,
            "path": path,
            "file": file,
            "line": line,
            "column": column,
            "end_column": end_column,
        }
    )


# ---- GitHub ------------------------------------------------------------------------


def _annotation_of(error: SpecError) -> str:
    place = error.place
    properties: dict[str, Any] = {"title": error.code}
    if file := _annotated(place.file):
        properties |= {
            "file": file,
            "line": place.line,
            "endLine": place.line,
            "col": place.column,
            "endColumn": place.column + place.width,
        }
    # The log of a job shows the message alone.
    where = printable(f"{place.file}:{place.line}:{place.column}")
    message = f"{error.message}; {error.hint}" if error.hint else error.message
    return _annotation(error.severity, f"{where}: {message}", properties)


def _annotated(file: str | None) -> str | None:
    """The name of a file for GitHub, which wants it from the root of the repository;
    None where there is no such file, as of standard input."""
    if file is None or not os.path.isfile(file):
        return None
    root, found = os.environ.get("GITHUB_WORKSPACE"), os.path.abspath(file)
    if root and found.startswith(os.path.join(root, "")):
        return os.path.relpath(found, root)
    return file


def _annotation(severity: str, message: str, properties: Mapping[str, Any]) -> str:
    """A command of GitHub's workflows: `::error key=value,key=value::message`."""
    given = ((key, value) for key, value in properties.items() if value is not None)
    listed = ",".join(f"{key}={_property(str(value))}" for key, value in given)
    command = f"{_COMMANDS[severity]} {listed}".rstrip()
    return f"::{command}::{_escaped(message)}"


def _escaped(text: str) -> str:
    lines = text.split("\n")
    shown = "\n".join(map(printable, lines)).replace("%", "%25")
    return shown.replace("\n", "%0A")


def _property(text: str) -> str:
    for character in "%\r\n:,":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
