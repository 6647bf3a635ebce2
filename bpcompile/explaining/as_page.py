"""An explanation as one self-contained HTML page, formulas in MathML."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bpcompile.explaining.as_text import dedented, said_lines
from bpcompile.explaining.document import Document, Item
from bpcompile.explaining.mathml import mathml
from bpcompile.explaining.model import Node, Prose, displayed

_PAGES = Path(__file__).resolve().parent.parent / "pages"


def _math(node: Node, display: bool = False) -> Markup:
    return Markup(mathml(node, display))


#: What templates need that print formulas.
IN_FORMULAS: dict[str, Any] = {
    "math": _math,
    "displayed": displayed,
    "is_prose": lambda run: isinstance(run, Prose),
}


def as_page(document: Document) -> str:
    """A whole page: nothing is loaded from elsewhere."""
    return _environment().get_template("explain.html.jinja").render(document=document)


def as_fragment(document: Document) -> str:
    """The same for a notebook: style and content without the page around them."""
    template = _environment().get_template("explain.html.jinja")
    return template.render(document=document, fragment=True)


@cache
def _environment() -> Environment:
    """Of pages alone: everything is escaped that `mathml` has not written."""
    made = Environment(
        loader=FileSystemLoader(str(_PAGES)),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals.update(
        **IN_FORMULAS,
        kind=_kind,
        dedented=dedented,
        said_lines=said_lines,
        picture=_picture,
        fragment=False,
    )
    return made


def _picture(document: Document) -> Markup:
    """The SVG element, which its own template has escaped."""
    return Markup(document.picture)


def _kind(item: Item) -> str:
    return type(item).__name__
