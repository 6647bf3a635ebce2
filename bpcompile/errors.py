"""What is wrong with a spec, where it stands, and the one way to print it."""

from __future__ import annotations

from collections.abc import Iterable

from bpcompile.records import dataclass

MAX_SHOWN_ERRORS = 20
MAX_LINE = 100
MAX_QUOTED = 40
MAX_NEAREST = 64

_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"
_PAINT = {"error": "\x1b[1;31m", "warning": "\x1b[1;35m"}


@dataclass(frozen=True)
class Place:
    """A stretch of one source line.

    `line` and `column` count from 1, columns in characters (code points). `text` is
    the whole line without its end. `width` is the number of characters meant: at
    least 1, and not beyond the line's end unless the place is that end itself.
    """

    file: str
    line: int
    column: int
    text: str
    width: int


@dataclass(frozen=True)
class SpecError:
    """One mistake, or a warning. `path` is a JSON pointer (RFC 6901), "" for the whole
    spec; `severity` is "error" or "warning"."""

    path: str
    place: Place
    code: str
    message: str
    hint: str = ""
    severity: str = "error"


class SpecErrors(Exception):
    """All mistakes found in one run, sorted by place; `str()` is the text to print."""

    def __init__(self, errors: Iterable[SpecError]) -> None:
        self.errors: tuple[SpecError, ...] = tuple(sorted(errors, key=_order))
        super().__init__(self.errors)

    def __str__(self) -> str:
        lines = [format_error(error) for error in self.errors[:MAX_SHOWN_ERRORS]]
        more = len(self.errors) - MAX_SHOWN_ERRORS
        if more > 0:
            lines.append(f"... and {more_errors(more)}")
        return "\n".join(lines)


class UserError(Exception):
    """Anything else that the user can mend: a message of one line, exit code 2."""


def _shared(one: str, other: str) -> int:
    """How many characters the two begin with in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def more_errors(count: int) -> str:
    """How many there are beyond those that are shown."""
    return f"{count} more error{'s' if count > 1 else ''}"


def _order(error: SpecError) -> tuple[str, int, int]:
    return error.place.file, error.place.line, error.place.column


def printable(text: str) -> str:
    r"""Text that is safe on a terminal: everything `str.isprintable` refuses becomes
    \xNN, \uNNNN or \UNNNNNNNN (control and format characters, bidi controls, lone
    surrogates, separators other than the space)."""
    if text.isprintable():
        return text
    return "".join(map(_cell, text))


def _cell(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quote(value: object) -> str:
    """How a JSON value is echoed in a message: at most 40 characters of a string or
    number, and the bare kind of an object or array."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "an array"
    if isinstance(value, str):
        # Cut first: what follows may be megabytes.
        head = value[:MAX_QUOTED].replace("\\", "\\\\").replace('"', '\\"')
        dots = "..." if len(value) > MAX_QUOTED else ""
        return f'"{printable(head)}{dots}"'
    text = str(value)
    return printable(text[:MAX_QUOTED]) + ("..." if len(text) > MAX_QUOTED else "")


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The word of `words` that `word` was probably meant to be, or None.

    Case does not count, and the beginning of one word alone is that word. Words of more than 64 characters have no nearest word,
    because difflib takes quadratic time.
    """
    if len(word) > MAX_NEAREST:
        return None
    # Imported here because only a failing run needs it.
    from difflib import get_close_matches

    folded = {known.casefold(): known for known in sorted(words)}
    meant = word.casefold()
    # A swap of two letters in a short word scores too low for any sensible cut-off
    # ("um" for "mu": 0.5).
    cutoff = 0.65 if len(meant) <= 4 else 0.7
    found = get_close_matches(meant, folded, n=1, cutoff=cutoff) or [
        known for known in folded if meant and sorted(known) == sorted(meant)
    ]
    return folded[found[0]] if found else folded.get(_begun(meant, folded))


def _begun(meant: str, words: Iterable[str]) -> str:
    """The one word that begins as a word does, wholly or for the most part, else ""."""
    shared = {known: _shared(meant, known) for known in words}
    whole = [k for k, count in shared.items() if 3 <= count == len(meant)]
    most = [k for k, n in shared.items() if n >= 5 and n >= 0.6 * len(meant)]
    return next((found[0] for found in (whole, most) if len(found) == 1), "")


def format_error(error: SpecError, colour: bool = False) -> str:
    """The lines of an error, without a line end: `file:line:column: error[code]:
    message; hint`, then the source line with carets under the place, unless blank."""
    place = error.place
    message = f"{error.message}; {error.hint}" if error.hint else error.message
    where = printable(f"{place.file}:{place.line}:{place.column}")
    kind = f"{error.severity}[{error.code}]"
    source, carets = _excerpt(place) if place.text.strip() else ("", "")
    if colour:
        paint = _PAINT[error.severity]
        where, kind = f"{_BOLD}{where}{_PLAIN}", f"{paint}{kind}{_PLAIN}"
        carets = carets.replace("^", f"{paint}^", 1) + _PLAIN
    head = f"{where}: {kind}: {printable(message)}"
    return f"{head}\n{f'    {source}'.rstrip()}\n    {carets}" if source else head


def _excerpt(place: Place) -> tuple[str, str]:
    """The source line as shown, and the carets under the place in it."""
    begin = place.column - 1
    # White space is stripped only up to the place, which may stand in it.
    lead = len(place.text[:begin]) - len(place.text[:begin].lstrip(" \t"))
    text = place.text[lead:]
    begin -= lead
    # A line may be megabytes long; only what can be shown is looked at.
    low = max(0, begin - MAX_LINE)
    cells = [_cell(c) for c in text[low : begin + MAX_LINE + 1].replace("\t", " ")]
    at = begin - low
    first, last = 0, len(cells)
    if low > 0 or _columns(cells) > MAX_LINE:
        first = at - _reach(cells[:at][::-1], MAX_LINE // 2 - 3)
        room = MAX_LINE - _columns(cells[first:at]) - 6
        last = at + _reach(cells[at:], room)
    left = "..." if low + first > 0 else ""
    right = "..." if low + last < len(text) else ""
    # A combining character is drawn over the one before it.
    base = at
    while base > first and base < len(cells) and not _columns(cells[base : base + 1]):
        base -= 1
    offset = len(left) + _columns(cells[first:base])
    width = _columns(cells[base : min(last, at + place.width)])
    source = left + "".join(cells[first:last]) + right
    return source, " " * offset + "^" * max(1, width)


def _reach(cells: list[str], room: int) -> int:
    """How many of the cells fit into `room` columns."""
    used = 0
    for count, cell in enumerate(cells):
        used += _columns([cell])
        if used > room:
            return count
    return len(cells)


def _columns(cells: Iterable[str]) -> int:
    """The columns of a terminal that the text takes: none for a character that
    combines with the one before, two for a wide one (UAX #11)."""
    text = "".join(cells)
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    # The vowels and final consonants of Hangul join the syllable before them.
    combining = sum(
        category(c) in ("Mn", "Me") or "\u1160" <= c <= "\u11ff" for c in text
    )
    return len(text) - combining + sum(east_asian_width(c) in "WF" for c in text)
