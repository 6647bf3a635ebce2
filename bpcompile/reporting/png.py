"""Small pictures as PNG, one byte for each pixel and a palette, as a data: URL.

Source: Portable Network Graphics (PNG) Specification, W3C, sections 5 and 11.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BITS, _INDEXED = 8, 3

Colour = tuple[int, int, int]


def png(pixels: bytes, width: int, palette: Sequence[Colour]) -> bytes:
    """A file from the pixels row by row, each a place in the palette (256 at most)."""
    height = len(pixels) // width
    rows = (pixels[i * width : (i + 1) * width] for i in range(height))
    # Every row begins with the number of its filter: 0, none.
    data = b"".join(b"\0" + row for row in rows)
    header = struct.pack(">IIBBBBB", width, height, _BITS, _INDEXED, 0, 0, 0)
    colours = b"".join(bytes(colour) for colour in palette)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", colours),
        (b"IDAT", zlib.compress(data, 9)),
        (b"IEND", b""),
    )
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def url(file: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(file).decode('ascii')}"


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def between(ends: Sequence[Colour], count: int) -> list[Colour]:
    """A palette of so many colours, evenly from one end over those between."""
    palette = []
    for step in range(count):
        place = step / (count - 1) * (len(ends) - 1)
        i = min(int(place), len(ends) - 2)
        share = place - i
        low, high = ends[i], ends[i + 1]
        mixed = [round(a + share * (b - a)) for a, b in zip(low, high, strict=True)]
        palette.append((mixed[0], mixed[1], mixed[2]))
    return palette
