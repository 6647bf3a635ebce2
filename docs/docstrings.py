"""A Sphinx extension: this project's docstrings as reStructuredText.

They are written to be read where they stand: names between single backticks, fields
as aligned columns. Here each becomes what it means: code, and a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_ROW = re.compile(r"(?P<names>\w+(?:, \w+)*) {2,}(?P<text>\S.*)")
_CODE = re.compile(r"(`+)(.+?)\1")


def as_rst(lines: Sequence[str]) -> list[str]:
    """The lines of a docstring with its columns as a list and its names as code."""
    return [line if _example(line) else _marked(line) for line in listed(lines)]


def listed(lines: Sequence[str]) -> Iterator[str]:
    """Aligned columns as items; a line that goes on with one is indented like it."""
    in_rows = False
    for line in lines:
        row = _ROW.fullmatch(line)
        if row:
            if not in_rows:
                yield ""
            names = ", ".join(f"`{name}`" for name in row["names"].split(", "))
            yield f"- {names}: {row['text']}"
        elif in_rows and line.startswith(" "):
            yield f"  {line.strip()}"
        else:
            if in_rows and line:
                yield ""
            yield line
        in_rows = bool(row) or (in_rows and line.startswith(" "))


def _example(line: str) -> bool:
    return line.lstrip().startswith((">>>", "..."))


def _marked(line: str) -> str:
    """Code as reStructuredText has it, and nothing else that it would take for a sign."""
    # Of a text split at its code every third part is code, each after its backticks.
    parts = _CODE.split(line)
    texts = [re.sub(r"([*|\\])|(?<=\w)_(?!\w)", r"\\\g<0>", p) for p in parts[::3]]
    codes = [f"``{code}``" for code in parts[2::3]]
    return "".join(x for pair in zip(texts, [*codes, ""], strict=True) for x in pair)


def _process(
    app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]
) -> None:
    lines[:] = as_rst(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
