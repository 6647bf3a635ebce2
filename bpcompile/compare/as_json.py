"""A comparison as JSON; docs/diff.md describes its keys."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from typing import Any

from bpcompile.compare.difference import Difference
from bpcompile.compare.hunks import unified

#: Of the keys; another number where one is taken away or means something else.
VERSION = 1


def as_json(found: Difference) -> str:
    """Every key every time, in the order of the dataclasses; layers in that of B.

    The code of layers that are the same, or only renumbered, is left out.
    """
    layers = (p if p.differs else replace(p, code=()) for p in found.layers)
    value = {
        "version": VERSION,
        "differs": found.differs,
        **_value(replace(found, layers=tuple(layers), hunks=(), networks=None)),
        "diff": list(unified(found.hunks, found.a.file, found.b.file)),
    }
    del value["hunks"], value["networks"]
    return json.dumps(value, indent=2) + "\n"


def _value(held: Any) -> Any:
    """Dataclasses as objects, to any depth; what is JSON already stays."""
    if is_dataclass(held) and not isinstance(held, type):
        return {f.name: _value(getattr(held, f.name)) for f in fields(held)}
    if isinstance(held, tuple):
        return [_value(item) for item in held]
    return held
