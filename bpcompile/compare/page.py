"""A comparison as one HTML page that loads nothing and reads without a script."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator

from markupsafe import Markup

from bpcompile import __version__
from bpcompile.compare import page_view, said
from bpcompile.compare.difference import Difference
from bpcompile.pages import page_template
from bpcompile.picture import svg

_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def page(found: Difference) -> str:
    """The page: pictures, numbers, settings, then layer by layer what changed and why,
    with the code of both sides; a difference at level "code" is its hunks.

    What a browser may load is limited to what is in the page, by its digests.
    """
    style, script = (_trusted(name) for name in ("diff.css", "diff.js"))
    pictures = list(_pictures(found))
    modules = page_view.modules(found)
    drawn = (text for picture in pictures for text in _STYLE.findall(picture))
    return page_template("diff.html.jinja").render(
        found=found,
        view=page_view,
        said=said,
        titles=(said.title(found.a, found.b), said.title(found.b, found.a)),
        sections=list(page_view.sections(found, modules)),
        rest=page_view.rest(found, modules),
        pictures=pictures,
        style=style,
        script=script,
        style_digests=_digests([style, *drawn]),
        script_digests=_digests([script]),
        version=__version__,
    )


def frame(found: Difference) -> str:
    """The page within another, such as a notebook, whose style it leaves alone."""
    return page_template("frame.html.jinja").render(page=page(found))


def _trusted(name: str) -> Markup:
    """A file of the pages' folder that is not escaped: nothing is put into it."""
    return Markup(page_template(name).render())


def _pictures(found: Difference) -> Iterator[Markup]:
    """Both networks, layers that differ marked; one picture where they are the same."""
    if not found.networks:
        return
    a, b = (network.spec for network in found.networks)
    # What `svg` makes is escaped already.
    if a == b:
        yield Markup(svg(a))
        return
    differ = [pair for pair in found.layers if pair.differs]
    yield Markup(svg(a, {pair.left for pair in differ if pair.left}))
    yield Markup(svg(b, {pair.right for pair in differ if pair.right}))


def _digests(texts: Iterable[str]) -> str:
    """As a Content-Security-Policy wants them, each once."""
    found = (hashlib.sha256(text.encode("utf-8")).digest() for text in texts)
    encoded = (base64.b64encode(digest).decode("ascii") for digest in found)
    return " ".join(dict.fromkeys(f"'sha256-{text}'" for text in encoded))
