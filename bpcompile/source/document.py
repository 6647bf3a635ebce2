"""A value with the place (line:column) of each of its keys and values."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from itertools import chain
from typing import Any, NoReturn, TypeAlias

from bpcompile.errors import MAX_QUOTED, Place, SpecError, SpecErrors
from bpcompile.records import dataclass

MAX_BYTES = 8 * 2**20
MAX_DEPTH = 64
MAX_DIGITS = 300
MAX_VALUES = 200_000
TOO_DEEP = f"nested too deeply (at most {MAX_DEPTH})"

Path: TypeAlias = tuple[str | int, ...]

_LINE_END = re.compile(r"\r\n?|\n")
# One character of a string in double quotes, with its escape.
_CHARACTER = re.compile(
    r"\\u[Dd][89ABab][0-9A-Fa-f]{2}\\u[0-9A-Fa-f]{4}|\\u[0-9A-Fa-f]{4}"
    r"|\\U[0-9A-Fa-f]{8}|\\?."
)
_NUMBER = re.compile(r"-?[0-9.]+(?:[eE][+-]?[0-9]+)?")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# The first bytes of a file: a byte order mark, or which of the bytes are not zero,
# which tells because a spec begins with an ASCII character.
_WIDE: Mapping[bytes, str] = {
    b"\xff\xfe\0\0": "utf-32-le",
    b"\0\0\xfe\xff": "utf-32-be",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
    b"\1\0\0\0": "utf-32-le",
    b"\0\0\0\1": "utf-32-be",
    b"\1\0": "utf-16-le",
    b"\0\1": "utf-16-be",
}


@dataclass(frozen=True)
class Text:
    """A text and its lines. Lines end at LF, CR LF or CR and nowhere else:
    `str.splitlines` would also break at U+0085 and U+2028."""

    text: str
    file: str
    # One line whatever it holds, as for `--set`.
    single: bool = False
    lines: dict[int, str] = field(default_factory=dict, compare=False)

    @cached_property
    def starts(self) -> array[int]:
        """The offset at which each line begins."""
        ends = () if self.single else _LINE_END.finditer(self.text)
        return array("Q", chain((0,), (match.end() for match in ends)))

    def place(self, start: int, end: int) -> Place:
        """The place of the characters from offset `start` up to `end`; what lies
        beyond the first line is cut off."""
        line = bisect_right(self.starts, start)
        text = self.line(line)
        column = min(start - self.starts[line - 1], len(text))
        width = max(1, min(end - start, len(text) - column))
        return Place(self.file, line, column + 1, text, width)

    def line(self, number: int) -> str:
        """The line of that number, counted from 1, without its end."""
        # Kept, because thousands of places may share one line of megabytes.
        if number not in self.lines:
            last = number == len(self.starts)
            end = len(self.text) if last else self.starts[number]
            text = self.text[self.starts[number - 1] : end]
            self.lines[number] = text if self.single else text.rstrip("\r\n")
        return self.lines[number]

    def where(self, offset: int) -> str:
        """`line:column` of an offset."""
        place = self.place(offset, offset)
        return f"{place.line}:{place.column}"


# A text with the offsets in it where something begins and ends.
Mark: TypeAlias = tuple[Text, int, int]


@dataclass(frozen=True)
class Document:
    """A value read from a spec, and where each part of it stands.

    Objects are dicts and arrays are tuples; nobody may change the dicts. A path is
    the tuple of keys and indices that leads to a value, () for the whole. The mark
    of a scalar covers its whole literal, that of an object or array its opening
    bracket. `key_marks` has the mark of a key under the path of its value.
    """

    value: Any
    file: str
    marks: Mapping[Path, Mark]
    key_marks: Mapping[Path, Mark]

    def within(self, path: Path) -> Document:
        """What stands at a path, as a document of its own with the places it has here.

        Raises KeyError or IndexError where nothing does.
        """
        value: Any = self.value
        for step in path:
            value = value[step]
        marks, key_marks = (
            {at[len(path) :]: m for at, m in of.items() if at[: len(path)] == path}
            for of in (self.marks, self.key_marks)
        )
        return Document(value, self.file, marks, key_marks)

    def place(self, path: Path, key: bool = False) -> Place:
        """The place of a value (or of its key), or else that of its nearest ancestor
        which has one."""
        marks = self.key_marks if key and path in self.key_marks else self.marks
        while path and path not in marks:
            path = path[:-1]
        text, start, end = marks[path]
        return text.place(start, end)

    def written(self, path: Path) -> str:
        """The literal of the number at a path, which may round to another one; "" where
        no JSON number stands there by itself."""
        if path not in self.marks:
            return ""
        text, start, end = self.marks[path]
        literal = text.text[start : min(end, start + MAX_QUOTED)]
        return literal if _NUMBER.fullmatch(literal) else ""

    def place_within(self, path: Path, start: int, end: int) -> Place:
        """The place of the characters from `start` up to `end` of the string at a
        path, whatever its escapes; that of the whole string where they are not one by
        one in the text."""
        value: Any = self.value
        for step in path:
            value = value[step]
        if path not in self.marks:
            return self.place(path)
        text, begin, stop = self.marks[path]
        literal = text.text[begin:stop]
        if literal != value:
            begin, literal = begin + 1, literal[1:-1]
        offsets = [0]
        # In single quotes TOML has no escapes.
        plain = text.text[begin - 1 : begin] == "'"
        for character in (re.compile(".") if plain else _CHARACTER).finditer(literal):
            offsets.append(character.end())
        if len(offsets) != len(value) + 1 or offsets[-1] != len(literal):
            return self.place(path)
        after = [*offsets, offsets[-1] + 1]
        return text.place(begin + offsets[start], begin + after[max(end, start + 1)])


def pointer(path: Path) -> str:
    """The path as a JSON pointer (RFC 6901)."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return "".join(f"/{step}" for step in steps)


def refuse(
    place: Place, code: str, message: str, hint: str = "", path: Path = ()
) -> NoReturn:
    """Raises SpecErrors with one error."""
    raise SpecErrors([SpecError(pointer(path), place, code, message, hint)])


def decoded(data: bytes | str, file: str) -> str:
    """The text of a file that must be UTF-8 without a BOM, of at most 8 MiB.
    Raises SpecErrors."""
    if len(data) > MAX_BYTES:
        message = f"larger than {MAX_BYTES >> 20} MiB"
        refuse(Place(file, 1, 1, "", 1), "too-large", message)
    if isinstance(data, bytes):
        _refuse_wide(data, file)
        text = _utf8(data, file)
    else:
        text = data
        refuse_surrogate(Text(text, file))
    if text.startswith("\ufeff"):
        place = Text(text[1:], file).place(0, 1)
        refuse(place, "encoding", "file starts with a UTF-8 BOM", "save it without")
    return text


def refuse_surrogate(source: Text) -> None:
    """Raises SpecErrors at half a surrogate pair, which no file can hold."""
    found = _SURROGATE.search(source.text)
    if found:
        message = f"invalid Unicode: lone surrogate U+{ord(found[0]):04X}"
        refuse(source.place(*found.span()), "encoding", message)


def _refuse_wide(data: bytes, file: str) -> None:
    nonzero = bytes(map(bool, data[:4]))
    # Four bytes first: the BOM of UTF-16-LE begins that of UTF-32-LE.
    counts = (count for count in (4, 2) if len(data) % count == 0)
    heads = (head[:count] for count in counts for head in (data[:4], nonzero))
    encoding = next((_WIDE[head] for head in heads if head in _WIDE), "")
    if encoding:
        text = data[:1000].decode(encoding, "replace").lstrip("\ufeff")
        message = f"file is {encoding[:6].upper()}"
        refuse(Text(text, file).place(0, 1), "encoding", message, "save it as UTF-8")


def _utf8(data: bytes, file: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        if b"\0" in data:
            # Its bytes would tell nobody anything.
            message, hint = "not a text file", "a spec is JSON or TOML"
            refuse(Place(file, 1, 1, "", 1), "encoding", message, hint)
        before = data[: error.start].decode()
        text = before + data[error.start :].decode("utf-8", "backslashreplace")
        # Each bad byte is shown as the four characters of "\xff".
        width = 4 * (error.end - error.start)
        place = Text(text, file).place(len(before), len(before) + width)
        message = f"invalid UTF-8: byte 0x{data[error.start]:02X}"
        if error.end == len(data) and error.reason == "unexpected end of data":
            message = "unexpected end of file in a UTF-8 character"
        refuse(place, "encoding", message, "save the file as UTF-8")
