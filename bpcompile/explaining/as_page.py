"""An explanation as one self-contained HTML page, formulas in MathML."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from bpcompile.explaining.as_text import dedented, said_lines
from bpcompile.explaining.document import Document, Item
from bpcompile.explaining.mathml import mathml
from bpcompile.explaining.model import Node, Prose, displayed
from bpcompile.pages import page_template


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
    return _rendered(document, fragment=False)


def as_fragment(document: Document) -> str:
    """The same for a notebook: style and content without the page around them."""
    return _rendered(document, fragment=True)


def _rendered(document: Document, fragment: bool) -> str:
    """Everything is escaped that `mathml` has not written."""
    return page_template("explain.html.jinja").render(
        **IN_FORMULAS,
        document=document,
        fragment=fragment,
        kind=_kind,
        dedented=dedented,
        said_lines=said_lines,
        picture=_picture,
    )


def _picture(document: Document) -> Markup:
    """The SVG element, which its own template has escaped."""
    return Markup(document.picture)


def _kind(item: Item) -> str:
    return type(item).__name__
