"""Plan + Target -> the text of a module; one Jinja environment for a target."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from bpcompile import __version__
from bpcompile.abilities import refuse_beyond
from bpcompile.at_once import at_once
from bpcompile.bytecode import TemplateCode
from bpcompile.decimals import decimals, in_lines
from bpcompile.expr import Var
from bpcompile.functions import IN_STEPS
from bpcompile.gate import opened, sealed
from bpcompile.plan import Plan
from bpcompile.records import dataclass
from bpcompile.scratch import (
    error_in_place,
    function_in_place,
    operations_in_place,
    scratch_of_functions,
    scratch_of_layers,
    scratch_of_update,
)
from bpcompile.shared import shared
from bpcompile.syntax import refuse_invalid
from bpcompile.target import Target, templates_root
from bpcompile.words import Words, book, clauses, filled, rule

if TYPE_CHECKING:
    from bpcompile.trained import Trained

DIGITS = 16
#: The options that make another file of a spec than its trainer.
LIBRARY, INFERENCE, HEADER = "--library", "--inference", "--header"
#: White space as written, nothing undefined, nothing escaped: targets quote texts.
_OPTIONS: Mapping[str, Any] = {
    "undefined": StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
    "autoescape": False,
    # A renderer's templates are those of the moment when it was made.
    "auto_reload": False,
}
#: What a module names beside its numbers.
_TEXTS = ("name", "dtype", "task", "description")


@dataclass(frozen=True)
class SourceFile:
    """One generated file: the suffix of its name and its text."""

    suffix: str
    text: str


def render(plan: Plan, target: Target, library: bool = False) -> tuple[SourceFile, ...]:
    """The files of a plan, the module first; `library` leaves the program out.

    For many plans, one `Renderer` spares compiling the templates again.
    """
    return Renderer(target).render(plan, library)


class Renderer:
    """A target's templates, compiled once for any number of plans."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._words = Words(target)
        self._made = environment(target, self._words)
        self._code = template_code(target)
        self._made.bytecode_cache = self._code
        self._valid = set(self._code.valid if self._code else ())
        self._templates = {
            suffix: self._made.get_template(file)
            for suffix, file in target.files.items()
        }

    def render(self, plan: Plan, library: bool = False) -> tuple[SourceFile, ...]:
        """The files of a plan, header first in each; see `render`."""
        refuse_beyond(plan, self.target)
        made = LIBRARY if library else ""
        return tuple(
            SourceFile(suffix, self._text(template, plan, made, library=library))
            for suffix, template in self._templates.items()
        )

    def inference(self, plan: Plan, trained: Trained) -> SourceFile:
        """The file with the weights in it; UserError where the target has none."""
        template = self._made.get_template(self.target.inference)
        text = self._text(template, plan, INFERENCE, library=False, trained=trained)
        return SourceFile(self.target.suffix, text)

    def header(self, plan: Plan) -> SourceFile:
        """The file that declares what the module defines; UserError where the target
        has none."""
        refuse_beyond(plan, self.target)
        about = self.target.header
        template = self._made.get_template(about["template"])
        return SourceFile(about["suffix"], self._text(template, plan, HEADER))

    def _text(
        self, template: Template, plan: Plan, made: str, **given: bool | Trained
    ) -> str:
        settings = self.target.settings
        shown, texts = sealed(plan)
        drawn = template.render(**given, **context(shown, self.target))
        # Who checks the file must know: no other line of it says --library.
        if made:
            drawn = f"{settings['comment']} made with: {made}\n{drawn}"
        # The template has run: from here on free text is there.
        statements = {
            name: self._words.declaration(name, text) for name, text in texts.items()
        }
        body = opened(drawn, statements, settings["literal"]["around"])
        text = header(plan, self.target, body) + body
        self._check(text)
        return text

    def _check(self, text: str) -> None:
        """Refuse what is no valid source, and keep what templates were compiled to."""
        valid: set[bytes] = set()
        if self.target.runs == "import":
            valid = refuse_invalid(text, self._valid)
            self._valid |= valid
        if self._code:
            self._code.keep(valid)


def context(plan: Plan, target: Target) -> dict[str, Any]:
    """What templates see beside the functions of `environment`; the plan is sealed."""
    return {
        "plan": plan,
        "target": target,
        "version": __version__,
        "parameters_in_words": _parameters_in_words(plan),
        "spec_names": _spec_names(plan),
        "constants": _names_of_constants(plan),
        # Whether what steps apply passes infinity on the way to a right result.
        "overflows": any(
            f.overflows and not f.masks for f in plan.functions if f.purpose in IN_STEPS
        ),
    }


def header(plan: Plan, target: Target, body: str) -> str:
    """The two lines before everything: who made it, from what, and what it was."""
    sign = target.settings["comment"]
    return (
        f"{sign} Code generated by bpcompile {__version__} for {target.name}. "
        "DO NOT EDIT.\n"
        f"{sign} spec: {plan.name}  sha256: {plan.digest[:DIGITS]}  "
        f"body: {body_digest(body)}\n"
    )


def body_digest(body: str) -> str:
    """What the header says of everything below it."""
    return hashlib.sha256(body.encode("utf-8")).hexdigest()[:DIGITS]


def environment(target: Target, words: Words | None = None) -> Environment:
    """The one environment of a target's templates."""
    loader = FileSystemLoader([str(folder) for folder in target.folders])
    made = Environment(loader=loader, **_OPTIONS)
    words = words or Words(target)
    made.globals.update(
        spell=words.spell,
        scalar=words.scalar,
        assign_scalar=words.assign_scalar,
        change=words.change,
        changes=words.changes,
        listed=words.listed,
        call=words.call,
        declared=words.declared,
        literal=words.literal,
        docstring=words.docstring,
        in_place=words.in_place,
        function_in_place=function_in_place,
        error_in_place=error_in_place,
        operations_in_place=operations_in_place,
        scratch_of_functions=scratch_of_functions,
        scratch_of_layers=scratch_of_layers,
        scratch_of_update=scratch_of_update,
        assign=words.assign,
        rule=rule,
        book=book,
        comment=words.comment,
        clauses=clauses,
        decimals=decimals,
        filled=filled,
        in_lines=in_lines,
        IN_STEPS=IN_STEPS,
        shared=shared,
        at_once=at_once,
        Var=Var,
        zip=zip,
    )
    return made


def template_code(target: Target) -> TemplateCode | None:
    """What is kept of its compiled templates; of folders of the user's own, nothing."""
    folder = target.folders[0]
    return TemplateCode(folder, _OPTIONS) if folder.parent == templates_root() else None


def _parameters_in_words(plan: Plan) -> str:
    """The first and the last layer's parameters with their shapes."""
    ends = sorted({2, plan.depth})
    words = [f"w{i} (N{i}, N{i - 1}), b{i} (N{i}, 1)" for i in ends]
    return (", ..., " if plan.depth > 3 else ", ").join(words)


def _names_of_constants(plan: Plan) -> dict[str, str]:
    """What an expression's numbers are called: eta by itself where a schedule sets it."""
    names = {constant.name: constant.name.upper() for constant in plan.constants}
    return {**names, "eta": "eta"} if plan.schedule else names


def _spec_names(plan: Plan) -> dict[str, str]:
    """Which numbers of the normalised spec the module holds under a name already.

    They are named there instead of repeated, so that a change of one is one line.
    """
    sizes = {f"/layers/{i}/size": f"N{i}" for i in range(1, plan.depth + 1)}
    constants = {constant.path: constant.name.upper() for constant in plan.constants}
    texts = {f"/{name}": name.upper() for name in _TEXTS}
    return {**sizes, **constants, **texts}
