"""Whether a generated text is valid Python, asked only of what is not known to be."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from hashlib import sha256

_FILE = "<generated>"
#: Where a definition begins after a blank line: at the top level, and in a class.
_DEFINITION = re.compile(r"\n\n(?=@|def |class )")
_METHOD = re.compile(r"\n\n(?=    (?:@|def ))")
_CLASS = "class "


def refuse_invalid(text: str, known: Container[bytes]) -> set[bytes]:
    """Digests of the pieces of a text; SyntaxError, with the line, if it is not valid.

    What is in `known` is not compiled again: most of a module is the same whatever the
    spec, and takes as long as all the rest. Nor is a deep network's module one tree in
    memory.
    """
    pieces = {sha256(piece.encode()).digest(): piece for piece in _pieces(text)}
    try:
        for digest, piece in pieces.items():
            if digest not in known:
                compile(piece, _FILE, "exec")
    except SyntaxError:
        # Perhaps a text was cut in two: the whole decides, and knows the line.
        compile(text, _FILE, "exec")
        return set()
    return set(pieces)


def _pieces(text: str) -> Iterator[str]:
    """Definitions that are valid by themselves if and where the text is."""
    for piece in _DEFINITION.split(text):
        if piece.startswith(_CLASS):
            head, *methods = _METHOD.split(piece)
            yield head
            yield from (f"{_CLASS}_:\n{method}" for method in methods)
        else:
            yield piece
