"""A comparison as one HTML page that loads nothing and reads without a script."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from bpcompile import __version__
from bpcompile.compare import page_view, said
from bpcompile.compare.difference import Difference
from bpcompile.pages import digests, page_template, styles, trusted
from bpcompile.picture import svg


def page(found: Difference) -> str:
    """The page: pictures, numbers, settings, then layer by layer what changed and why,
    with the code of both sides; a difference at level "code" is its hunks.

    What a browser may load is limited to what is in the page, by its digests.
    """
    style, script = trusted("page.css", "diff.css"), trusted("page.js")
    pictures = list(_pictures(found))
    modules = page_view.modules(found)
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
        style_digests=digests([style, *styles(pictures)]),
        script_digests=digests([script]),
        version=__version__,
    )


def frame(found: Difference) -> str:
    """The page within another, such as a notebook, whose style it leaves alone."""
    return page_template("frame.html.jinja").render(page=page(found))


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
