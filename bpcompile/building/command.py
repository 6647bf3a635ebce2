"""The command `build`, by that name or by none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bpcompile.building.jobs import STREAM, Job, compiled, write
from bpcompile.errors import UserError
from bpcompile.output import Existing, difference, examine, how_made
from bpcompile.streams import result

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Build what the options name, or else what the nearest configuration lists.

    The exit code: 0, or 1 where a file is not what it should be.
    """
    if options.specs:
        _refuse_streams(options)
    if options.watch:
        from bpcompile.building.watching import watch

        watch(lambda: jobs_of(options), configurations(options), options)
    texts = compiled(jobs_of(options), options.messages)
    if options.check or options.diff:
        stale = [_compared(path, text, options) for path, text in texts.items()]
        return int(any(stale))
    if STREAM in texts:
        result(texts[STREAM])
    else:
        write(texts, options.force)
    return 0


def configurations(options: argparse.Namespace) -> tuple[str, ...]:
    """Where the configuration stands, or could come to stand."""
    if options.specs:
        return ()
    if options.config is not None:
        return (options.config,)
    from bpcompile.building.project import candidates, nearest_configuration

    found = nearest_configuration(Path.cwd())
    paths = tuple(candidates(Path.cwd()))
    return tuple(map(os.path.relpath, paths[: paths.index(found) + 1]))


def jobs_of(options: argparse.Namespace) -> tuple[Job, ...]:
    if not options.specs:
        from bpcompile.building.project import jobs, nearest_configuration

        if options.config is not None:
            return jobs(Path(options.config))
        return jobs(nearest_configuration(Path.cwd()))
    return tuple(
        Job(
            spec,
            options.output,
            options.target,
            tuple(options.overrides),
            options.library,
            options.header,
            options.weights,
        )
        for spec in options.specs
    )


def _refuse_streams(options: argparse.Namespace) -> None:
    to_stdout = options.output == STREAM
    if to_stdout and (options.check or options.diff):
        raise UserError("--check and --diff need the file to compare with: -o FILE")
    if len(options.specs) > 1 and not options.output.endswith("/"):
        raise UserError("several specs need a folder: -o DIR/")
    if options.watch and (to_stdout or STREAM in options.specs):
        raise UserError("--watch needs files: a SPEC and -o FILE")


def _compared(path: str, text: str, options: argparse.Namespace) -> bool:
    """Whether a file is stale; says so, or how, on the way."""
    found = examine(Path(path))
    if options.diff:
        result(difference(Path(path), text))
    elif found.text != text:
        options.messages.say(_stands(found, text), file=path)
    return found.text != text


def _stands(found: Existing, text: str) -> str:
    if found.text is None:
        return "does not exist"
    asked = how_made(text)
    if not found.work and found.made != asked:
        return f"was made {found.made}, not {asked}"
    return found.work or "is stale"
