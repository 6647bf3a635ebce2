"""The public function of this package and what it returns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bpcompile.api import spec_given
from bpcompile.blocks import split_blocks
from bpcompile.errors import UserError, nearest, quote
from bpcompile.explaining.as_markdown import as_markdown
from bpcompile.explaining.as_page import as_fragment, as_page
from bpcompile.explaining.as_tex import as_tex
from bpcompile.explaining.as_text import as_text
from bpcompile.explaining.content import CHOICES, Choice, Explained, equations
from bpcompile.explaining.document import Document
from bpcompile.explaining.numbers import worked_example
from bpcompile.lower import lower
from bpcompile.picture import svg
from bpcompile.plan import Plan
from bpcompile.render import Renderer
from bpcompile.spec import NetworkSpec
from bpcompile.target import default_target_name, load_target


@dataclass(frozen=True)
class Explanation:
    """The equations of one network: the same content in every format."""

    document: Document

    def text(self) -> str:
        """Plain text, 80 columns wide, in the notation of the generated comments."""
        return as_text(self.document)

    def markdown(self) -> str:
        """Markdown with formulas between dollars."""
        return as_markdown(self.document)

    def tex(self) -> str:
        """A LaTeX document of its own."""
        return as_tex(self.document)

    def html(self) -> str:
        """One self-contained page with the formulas in MathML."""
        return as_page(self.document)

    def _repr_html_(self) -> str:
        """The page's content, as notebooks show it."""
        return as_fragment(self.document)


def explain(
    spec: str | Path | NetworkSpec,
    target: str | None = None,
    overrides: Iterable[str] = (),
    layer: int | None = None,
    equation: str | None = None,
    numbers: bool = False,
) -> Explanation:
    """The equations of a spec's network, layer by layer, with the code beside them.

    `target` is that of the code, the default one if None; `layer` (from 1) and
    `equation` ("BP1" to "BP4", "feedforward", "update") choose some of them; with
    `numbers` an example is worked through.

    Raises what `load_spec` and `load_target` raise, and UserError where there is no
    such layer or equation.

    Source: Nielsen, chapter 2, equations (BP1) to (BP4) and (25).
    """
    found = spec_given(spec, overrides)
    plan = lower(found)
    made = load_target(target or default_target_name())
    choice = chosen(plan, layer, equation)
    module, *_ = Renderer(made).render(plan)
    explained = Explained(
        found,
        plan,
        split_blocks(module.text, plan, made),
        choice,
        worked_example(found) if numbers else None,
    )
    return Explanation(
        Document(
            f"{plan.name}, explained",
            made.language,
            explained.sections(),
            svg(plan) if choice.is_all else "",
        )
    )


def chosen(plan: Plan, layer: int | None, equation: str | None) -> Choice:
    """The choice, if there is anything of it; else UserError with what there is."""
    if equation is not None and equation not in CHOICES:
        meant = nearest(equation, CHOICES)
        guess = f'; did you mean "{meant}"?' if meant else ""
        known = ", ".join(CHOICES)
        raise UserError(f"no equation {quote(equation)}{guess} (one of: {known})")
    if layer is not None and type(layer) is not int:
        raise UserError(f"layer is a number from 1, got {quote(layer)}")
    if layer is not None and not 1 <= layer <= plan.depth:
        raise UserError(f"no layer {layer}: {plan.name} has layers 1 to {plan.depth}")
    if equation is not None:
        have = [k for k in range(1, plan.depth + 1) if equation in equations(plan, k)]
        if layer is not None and layer not in have:
            known = ", ".join(equations(plan, layer))
            raise UserError(f"layer {layer} has no {equation} (it has: {known})")
        if not have:
            raise UserError(f"no layer has {equation}: {plan.name} has none between")
    return Choice(layer, equation)
