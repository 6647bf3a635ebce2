"""Writes docs/spec.md, docs/plots/ and code within pages anew: `python docs/make.py`.

The prose is in spec.jinja; keys and limits come from the JSON Schema, operators from
their entries. A test compares what stands here with what this would write.
"""

from __future__ import annotations

import sys
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).resolve().parent


def outputs() -> dict[Path, str]:
    """Every generated file of this folder, with its text."""
    # The other files of this folder are not a package.
    sys.path.insert(0, str(HERE))
    try:
        from excerpts import pages
        from plots import plots
        from tables import Tables
    finally:
        sys.path.remove(str(HERE))
    charts = dict(plots())
    environment = Environment(
        loader=FileSystemLoader(HERE),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    page = environment.get_template("spec.jinja").render(tables=Tables(tuple(charts)))
    drawn = {HERE / "plots" / f"{n}.svg": chart.svg() for n, chart in charts.items()}
    return {HERE / "spec.md": page, **dict(pages(HERE)), **drawn}


def main() -> None:
    texts = outputs()
    (HERE / "plots").mkdir(exist_ok=True)
    for path in HERE.glob("plots/*.svg"):
        if path not in texts:
            path.unlink()
    for path, text in texts.items():
        path.write_bytes(text.encode("utf-8"))


if __name__ == "__main__":
    main()
