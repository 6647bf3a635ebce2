"""A run as one HTML page that loads nothing and reads without a script."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from markupsafe import Markup

from bpcompile import __version__
from bpcompile.explaining.as_page import IN_FORMULAS
from bpcompile.lower import lower
from bpcompile.pages import digests, page_template, styles, trusted
from bpcompile.picture import svg
from bpcompile.reporting import chart, curves, view
from bpcompile.reporting.confusion import confusions
from bpcompile.reporting.equations import layer_equations, operators
from bpcompile.reporting.run import Run
from bpcompile.summary import HEAD, WORDS, summarize


def page(run: Run, images: Any = None) -> str:
    """The page: how it went, curves, layers, what is taken for what, the network with
    its equations, the spec and where it ran.

    images   the `Pictures` of the trained network, if they are wanted
    """
    plan = lower(run.spec)
    summary = summarize(plan)
    # What `svg` makes is escaped already.
    picture = Markup(svg(plan))
    return rendered(
        "report.html.jinja",
        picture,
        run=run,
        images=images,
        tiles=list(view.tiles(run, summary)),
        curves=list(curves.of_run(run)),
        layers=list(curves.of_layers(run)),
        unseen=list(curves.nothing_seen(run)),
        confusions=list(confusions(run)),
        summary=summary,
        summary_head=HEAD,
        summary_words=WORDS,
        equations=list(layer_equations(run.spec, plan)),
        operators=operators(run.spec, plan),
    )


def rendered(template: str, *pictures: Markup, **shown: Any) -> str:
    """A page of reports; a browser may load what is in it, by its digests, and pictures
    that are in it, too."""
    style = trusted("page.css", "chart.css", "report.css")
    script = trusted("page.js")
    modules: dict[str, ModuleType] = {"view": view, "box": chart}
    return page_template(template).render(
        **modules,
        **IN_FORMULAS,
        **shown,
        pictures=pictures,
        style=style,
        script=script,
        style_digests=digests([style, *styles(pictures)]),
        script_digests=digests([script]),
        version=__version__,
    )
