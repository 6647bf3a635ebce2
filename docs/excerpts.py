"""Generated code within pages: each block is what its spec gives today.

A page marks a block with what it shows of which module:

    <!-- code: specs/xor.json TARGET from `BP2  δ²` to `BP3  ∂C/∂b²` -->

From the first line with the one text up to the line before the next with the other;
without that one, up to the next empty line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from textwrap import dedent

from bpcompile import compile_spec, load_target

_MARKED = re.compile(
    r"<!-- code: (?P<spec>\S+) (?P<target>\S+) from `(?P<first>[^`]+)`"
    r"(?: to `(?P<last>[^`]+)`)? -->\n```\w*\n(?P<code>.*?)```\n",
    re.DOTALL,
)


def pages(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every page of the folder that shows generated code, with what it should be."""
    for path in sorted(folder.glob("*.md")):
        text = path.read_text("utf-8")
        if _MARKED.search(text):
            yield path, _MARKED.sub(lambda found: _filled(folder, found), text)


def _filled(folder: Path, found: re.Match[str]) -> str:
    language = load_target(found["target"]).language
    module = _module(str(folder.parent / found["spec"]), found["target"])
    mark, _, _ = found[0].partition("\n")
    code = excerpt(module, found["first"], found["last"])
    return f"{mark}\n```{language}\n{code}```\n"


def excerpt(text: str, first: str, last: str | None) -> str:
    """The lines from the first with `first` to before the next with `last`, dedented.

    None is an empty line.
    Raises ValueError where the text has no such lines.
    """
    lines = text.splitlines(keepends=True)
    begin = next((i for i, line in enumerate(lines) if first in line), None)
    if begin is None:
        raise ValueError(f"no line has {first!r}")
    later = range(begin + 1, len(lines))
    ends = (i for i in later if (last in lines[i] if last else not lines[i].strip()))
    end = next(ends, None)
    if end is None:
        raise ValueError(f"no line after {first!r} has {last or 'nothing'!r}")
    return dedent("".join(lines[begin:end])).rstrip() + "\n"


@cache
def _module(spec: str, target: str) -> str:
    return compile_spec(spec, target)
