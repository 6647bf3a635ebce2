"""What notebooks show of a spec or a plan: its picture, then what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from bpcompile.pages import page_template
from bpcompile.picture.vector import svg
from bpcompile.plan import Plan
from bpcompile.summary import summarize

if TYPE_CHECKING:
    from bpcompile.spec import NetworkSpec


def html(source: NetworkSpec | Plan) -> str:
    """A fragment of a page that stands on its own."""
    if isinstance(source, Plan):
        plan = source
    else:
        from bpcompile.lower import lower

        plan = lower(source)
    # Both are what templates have made, and escaped.
    picture, summary = Markup(svg(plan)), Markup(summarize(plan).html())
    template = page_template("notebook.html.jinja")
    return template.render(picture=picture, summary=summary)
