"""`--watch`: build again whenever what an output is made from changes.

Files are looked at again and again: that needs no dependency, knows editors that replace
a file instead of writing it, and works on every file system.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from bpcompile.building.jobs import Job, compiled, files_of, folders_of, write
from bpcompile.cli import failed
from bpcompile.errors import printable
from bpcompile.messages import NOTE, Messages

if TYPE_CHECKING:
    import argparse

#: Seconds between two looks, and until a file counts as written to its end.
INTERVAL, SETTLED = 0.25, 0.05
#: Nanoseconds in which a file may be written twice with the same time of change.
COARSEST_CLOCK = 2 * 10**9
MAX_NAMES = 3


@dataclass(frozen=True)
class _File:
    """What was found at a path: time of change, size and inode, and the content."""

    about: tuple[int, int, int]
    digest: bytes


#: By path; a file that does not exist is not in it.
_Found: TypeAlias = Mapping[str, _File]


def watch(
    find: Callable[[], tuple[Job, ...]],
    configurations: Iterable[str],
    options: argparse.Namespace,
) -> NoReturn:
    """Build what `find` says, at once and after every change, until interrupted.

    What changes may be a file that is read, a template, a configuration (in which
    `find` then finds something else), or an output. A mistake is shown, and nothing is
    written until it is mended.
    """
    messages: Messages = options.messages
    messages.say("watching, Ctrl-C ends it", NOTE)
    jobs: tuple[Job, ...] = ()
    outputs: set[str] = set()
    found: _Found = {}
    changed: list[str] = []
    while True:
        # What changes from here on is built in the next round.
        read = {*configurations, *_inputs(jobs)}
        found = _look(read, found)
        try:
            jobs = find()
            read |= _inputs(jobs)
            found = {**_look(read, found), **found}
            texts = compiled(jobs, messages)
            outputs = set(texts)
            written = write(texts, options.force)
        except Exception as failure:
            failed(failure, messages)
        else:
            _say(changed, [str(path) for path in written], messages)
        found = {**_look(outputs, {}), **found}
        folders = {folder for job in jobs for folder in folders_of(job)}
        changed, found = _wait(read | outputs, folders, found)


def _inputs(jobs: Iterable[Job]) -> set[str]:
    files = {file for job in jobs for file in files_of(job)}
    return files | _inside({folder for job in jobs for folder in folders_of(job)})


def _inside(folders: Iterable[Path]) -> set[str]:
    files = (p for folder in folders for p in folder.rglob("*") if p.is_file())
    # Compiling itself writes the bytecode of templates.
    return {str(path) for path in files if path.parent.name != "__pycache__"}


def _wait(
    paths: set[str], folders: set[Path], found: _Found
) -> tuple[list[str], _Found]:
    """Sleep until something has changed and is whole; the paths, and what is there."""
    while True:
        time.sleep(INTERVAL)
        now = _look(paths | _inside(folders), found)
        if not _changes(found, now):
            found = now
            continue
        while True:
            time.sleep(SETTLED)
            later = _look(paths | _inside(folders), now)
            if not _changes(now, later):
                break
            now = later
        if changed := _changes(found, later):
            return changed, later


def _changes(before: _Found, now: _Found) -> list[str]:
    """The paths whose content is another, sorted. A new date alone is no change."""
    old, new = ({p: f.digest for p, f in files.items()} for files in (before, now))
    return sorted(p for p in old.keys() | new.keys() if old.get(p) != new.get(p))


def _look(paths: Iterable[str], before: _Found) -> dict[str, _File]:
    found = {path: _file(path, before.get(path)) for path in paths}
    return {path: file for path, file in found.items() if file}


def _file(path: str, before: _File | None) -> _File | None:
    """What is at a path; it is read where it may be another than before."""
    try:
        state = os.stat(path)
        about = (state.st_mtime_ns, state.st_size, state.st_ino)
        recent = time.time_ns() - state.st_mtime_ns < COARSEST_CLOCK
        if before and before.about == about and not recent:
            return before
        with open(path, "rb") as file:
            return _File(about, hashlib.file_digest(file, "sha256").digest())
    except OSError:
        return None


def _say(changed: list[str], written: list[str], messages: Messages) -> None:
    """One line; none when the first round finds all as it should be."""
    done = f"wrote {_listed(written)}" if written else "nothing to write"
    if changed:
        messages.say(f"{_listed(changed)} changed: {done}", NOTE)
    elif written:
        messages.say(done, NOTE)


def _listed(paths: list[str]) -> str:
    shown = [printable(path) for path in paths[:MAX_NAMES]]
    more = len(paths) - MAX_NAMES
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
