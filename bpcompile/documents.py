"""What commands share that write a document: its format, its file, wrong words."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from bpcompile.errors import UserError, nearest, printable, quote
from bpcompile.output import write_outputs

#: Suffixes that are not the name of their format.
SUFFIXES = {
    "txt": "text",
    "diff": "text",
    "patch": "text",
    "markdown": "md",
    "htm": "html",
    "mmd": "mermaid",
    "gv": "dot",
}


def refuse_unknown(what: str, word: str, known: Collection[str]) -> None:
    """UserError with the nearest word where a word is none of the known ones."""
    if word in known:
        return
    meant = nearest(word, known)
    hint = f'; did you mean "{meant}"?' if meant else ""
    raise UserError(f"no {what} {quote(word)}{hint} (one of: {', '.join(known)})")


def format_of(given: str | None, output: str, known: Collection[str]) -> str:
    """The format asked for by name or else by the suffix of FILE; else the first.

    Raises UserError where there is no format of that name or that suffix.
    """
    if given is not None:
        refuse_unknown("format", given, known)
        return given
    suffix = Path(output).suffix.removeprefix(".").lower()
    meant = SUFFIXES.get(suffix, suffix) if suffix else next(iter(known))
    if meant not in known:
        raise UserError(
            f"{printable(output)}: no format has the suffix .{printable(suffix)} "
            f"(one of: {', '.join(map(_suffix, known))}); -f names a format"
        )
    return meant


def _suffix(name: str) -> str:
    """How files of a format end; text has no suffix of its own name."""
    own = next((s for s, meant in SUFFIXES.items() if meant == name), name)
    return ".txt or none" if own == "txt" else f".{name}"


def write_document(
    text: str,
    output: str,
    inputs: Iterable[str],
    ours: re.Pattern[str],
    force: bool = False,
) -> None:
    """Write to a file that is none of the inputs and holds nothing, or what `ours`
    begins; or with `force`, which keeps what was there as .bak.

    Raises UserError where it may not.
    """
    path = Path(output)
    shown = printable(output)
    if path.is_dir() or output.endswith("/"):
        raise UserError(f"{shown}: is a directory; -o takes a file")
    for given in inputs:
        if path.exists() and os.path.exists(given) and path.samefile(given):
            raise UserError(f"{shown}: input and output are the same file")
    write_outputs({path: text}, force, ours)
