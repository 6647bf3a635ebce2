"""A spec with other values in it, written as its author wrote it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

from bpcompile.source import Document

WIDTH = 88

_Path: TypeAlias = tuple[str | int, ...]


def spec_text(changed: Document, original: Document) -> str:
    """The value of a document as JSON, in the style of the original.

    Keys keep their order, what is new comes last; an object or array stands on one line
    where the original's did, or where the original has none and it fits; numbers that
    have not changed keep their literals.
    """
    style = _Style(original)
    return style.text(changed.value, ()) + "\n"


class _Style:
    def __init__(self, original: Document) -> None:
        self._original = original
        self._indent = self._first_indent()

    def text(self, value: Any, path: _Path, depth: int = 0, before: int = 0) -> str:
        """A value at a path, on a line that has so many columns before it."""
        if not isinstance(value, dict | list | tuple) or not value:
            return self._scalar(value, path)
        flat = self._flat(value, path)
        if path and before + len(flat) <= self._width(path):
            return flat
        margin, inner = self._indent * depth, self._indent * (depth + 1)
        parts = []
        for key, held in _items(value):
            name = f"{json.dumps(key)}: " if isinstance(key, str) else ""
            room = len(inner) + len(name)
            parts.append(inner + name + self.text(held, (*path, key), depth + 1, room))
        first, last = "{}" if isinstance(value, dict) else "[]"
        lines = ",\n".join(parts)
        return f"{first}\n{lines}\n{margin}{last}"

    def _flat(self, value: Any, path: _Path) -> str:
        """The same on one line."""
        if not isinstance(value, dict | list | tuple):
            return self._scalar(value, path)
        parts = (
            (f"{json.dumps(key)}: " if isinstance(key, str) else "")
            + self._flat(held, (*path, key))
            for key, held in _items(value)
        )
        first, last = "{}" if isinstance(value, dict) else "[]"
        return f"{first}{', '.join(parts)}{last}"

    def _scalar(self, value: Any, path: _Path) -> str:
        same = _at(self._original.value, path) == value
        literal = self._original.written(path) if same else ""
        return literal or json.dumps(value, ensure_ascii=False)

    def _width(self, path: _Path) -> int:
        """How wide a line with all of an object or array may be: not at all where the
        original begins a new line inside it, else as wide as the original's."""
        held = _at(self._original.value, path)
        if not isinstance(held, dict | list | tuple) or not held:
            return WIDTH
        first, _ = next(_items(held))
        opened, inside = (self._original.place(p) for p in (path, (*path, first)))
        return max(WIDTH, len(opened.text)) if opened.line == inside.line else 0

    def _first_indent(self) -> str:
        held = self._original.value
        if isinstance(held, dict) and held:
            text = self._original.place((next(iter(held)),), key=True).text
            lead = text[: len(text) - len(text.lstrip())]
            return lead or "  "
        return "  "


def _items(value: Any) -> Iterator[tuple[str | int, Any]]:
    yield from value.items() if isinstance(value, dict) else enumerate(value)


def _at(value: Any, path: _Path) -> Any:
    """What stands at a path; None where nothing does."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value
