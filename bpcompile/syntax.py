"""Whether a generated text is valid Python, asked only of what is not known to be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256

_FILE = "<generated>"
#: Where a definition begins after a blank line: at the top level, and in a class.
_DEFINITION = re.compile(r"(?<=\n)\n(?=@|def |class )")
_METHOD = re.compile(r"(?<=\n)\n(?=    (?:@|def ))")
_CLASS = "class "


def refuse_invalid(text: str, known: set[bytes]) -> None:
    """Raise SyntaxError, with the line, where a text is not valid Python.

    `known` holds digests of pieces that have been found valid, and gets those of this
    text: most of a module is the same whatever the spec, and to compile it every time
    takes as long as all the rest. Nor is a deep network's module one tree in memory.
    """
    digests = {sha256(piece.encode()).digest(): piece for piece in _pieces(text)}
    try:
        for digest in digests.keys() - known:
            compile(digests[digest], _FILE, "exec")
    except SyntaxError:
        # Perhaps a text was cut in two: the whole decides, and knows the line.
        compile(text, _FILE, "exec")
    else:
        known.update(digests)


def _pieces(text: str) -> Iterator[str]:
    """Definitions that are valid by themselves if and where the text is."""
    for piece in _DEFINITION.split(text):
        if piece.startswith(_CLASS):
            head, *methods = _METHOD.split(piece)
            yield head
            yield from (f"{_CLASS}_:\n{method}" for method in methods)
        else:
            yield piece
