"""A comparison as one HTML page."""

from __future__ import annotations

from bpcompile.compare.difference import Difference


def page(found: Difference) -> str:
    raise NotImplementedError
