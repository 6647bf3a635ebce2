"""What the tests of keeping code in step share: a spec, and the page about it."""

from __future__ import annotations

import re

from support import ROOT

SPEC = '{"layers": [3, 4, 2], "cost": "quadratic"}'
PAGE = (ROOT / "docs" / "in-step.md").read_text("utf-8")


def excerpt(name: str) -> str:
    """The code block of docs/in-step.md that follows a marker."""
    found = re.search(rf"<!-- excerpt: {name} -->\n```\w*\n(.*?)```", PAGE, re.DOTALL)
    assert found, name
    return found[1]
