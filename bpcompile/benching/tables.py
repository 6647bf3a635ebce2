"""Tables and times as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

UNITS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9))
DIGITS = 3


def seconds_text(seconds: float) -> str:
    """Three digits in the unit that fits: 4.85 ms, 131 µs."""
    if seconds == 0:
        return "0"
    for unit, size in UNITS:
        shown = f"{seconds / size:.{DIGITS}g}"
        # Not `seconds >= size`: 999.9 µs would be printed as 1e+03 µs.
        if float(shown) >= 1 or unit == UNITS[-1][0]:
            break
    whole = float(shown)
    if whole >= 10**DIGITS:
        return f"{whole:,.0f} {unit}"
    return f"{_padded(shown)} {unit}"


def _padded(shown: str) -> str:
    """With the zeros that the format leaves out: 2.1 is 2.10."""
    digits = shown.replace(".", "").lstrip("0")
    if "e" in shown or len(digits) >= DIGITS:
        return shown
    point = "" if "." in shown else "."
    return shown + point + "0" * (DIGITS - len(digits))


def share_text(share: float) -> str:
    """In percent, with a tenth where there are less than ten: 76%, 7.3%."""
    return f"{share:.0%}" if share >= 0.0995 else f"{share:.1%}"


def aligned(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their cells, the first to the left; it ends with a line feed."""
    table = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(
            f"{cell:{'>' if place else '<'}{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    return "\n".join(lines) + "\n"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The same as a table of Markdown."""
    rule = ["---", *["--:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *rows))
