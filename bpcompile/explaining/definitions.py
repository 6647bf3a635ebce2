"""The definitions of the operators that a network uses, from their entries."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bpcompile import operators
from bpcompile.course import Schedule
from bpcompile.explaining.document import Formula, Item, Paragraph, Term
from bpcompile.explaining.expressions import SIGNS, expression, of_numbers
from bpcompile.explaining.model import Infix, Prose
from bpcompile.explaining.notation import formula
from bpcompile.explaining.sentences import sentence
from bpcompile.expr import BOOK, Expr, spell, variables
from bpcompile.lower_operators import kinks_in_words
from bpcompile.lower_steps import LayerSteps
from bpcompile.operators import ACTIVATIONS, OPTIMIZERS, SCALINGS, SCHEDULES
from bpcompile.operators.entry import REALS, Activation, Body, Cost, Entry, Reduce
from bpcompile.plan import Plan, Scaling
from bpcompile.spec import NetworkSpec


def definitions(spec: NetworkSpec, plan: Plan) -> Iterator[Item]:
    """What each operator of a spec computes, in the order in which data meet it."""
    steps = LayerSteps(spec)
    if plan.scaling:
        yield from _scaling(plan.scaling)
    seen: dict[Activation, list[int]] = {}
    for index, entry in steps.activations.items():
        seen.setdefault(entry, []).append(index)
    for entry, layers in seen.items():
        kind = steps.layers[layers[0]].activation.kind
        yield from _activation(entry, spec.activations[kind], layers)
    yield from _cost(steps.cost, plan)
    for penalty in steps.updates.penalties:
        yield _said("regularizer", penalty)
    if plan.cost.penalty is not None:
        total = sentence(f"C + {plan.cost.penalty_formula}")
        yield Formula("", (*total, Prose(", over all weights, is made small")))
    yield from _optimizer(spec, plan)
    if plan.schedule:
        chosen = spec.hyperparameters.schedule
        yield _said("schedule", SCHEDULES[chosen.kind])
        yield from _schedule(plan.schedule)


def _said(role: str, entry: Entry, more: str = "") -> Term:
    """Its name, with the description if it is ours: that of a spec is free text."""
    ours = any(
        entry.kind == known.kind and entry.description == known.description
        for registry in (getattr(operators, name) for name in operators.__all__)
        for known in registry.values()
    )
    return Term(f"{role} {entry.kind}{more}", entry.description if ours else "")


def _scaling(scaling: Scaling) -> Iterator[Item]:
    entry = SCALINGS[scaling.kind]
    yield _said("scaling", entry)
    yield Formula("", sentence(f"a¹ = {scaling.formula}"))
    for text in entry.fit_formulas:
        yield Formula("", (formula(text),))
    if scaling.fitted:
        text = (
            "Fitted on the n examples of the training data, column by column; one that "
            "holds the same number everywhere is divided by 1. Until then inputs stay "
            "what they are."
        )
        yield Paragraph((Prose(text),))


# ---- Activations -----------------------------------------------------------------------


def _activation(
    entry: Activation, chosen: Activation, layers: list[int]
) -> Iterator[Item]:
    """An entry with its parameters put in; `chosen` is the registry's."""
    more = f" of layer{'s' if len(layers) > 1 else ''} {_listed(layers)}"
    yield _said("activation", chosen, more)
    yield Formula("", sentence(f"{entry.symbol}(z) = {entry.formula}"))
    if entry.derivative is None:
        text = f"Jᵀ g = {entry.vjp_formula}, where J = ∂a/∂z of {entry.symbol}"
        yield Formula("", sentence(text))
    else:
        yield _derivative(entry, is_ours=chosen in ACTIVATIONS.values())
    if entry.interval != REALS:
        within = str(entry.interval).replace("inf", "∞")
        yield Paragraph((Prose(f"Its values lie in {within}."),))


def _derivative(entry: Activation, is_ours: bool) -> Formula:
    """σ'(z) in the book's words; of a spec's own formula as it was derived."""
    assert entry.derivative is not None
    prime = spell(entry.derivative, BOOK, {})
    more = _where(entry.beforehand)
    if is_ours and entry.derivative_formula:
        prime, more = entry.derivative_formula, ()
    reads_a = re.search(r"\ba\b", prime)
    activation = sentence(f", with a = {entry.symbol}(z)") if reads_a else ()
    kinks = sentence(f"; {said}") if (said := kinks_in_words(entry)) else ()
    value = sentence(f"{entry.symbol}'(z) = {prime}")
    return Formula("", (*value, *more, *activation, *kinks))


def _listed(layers: list[int]) -> str:
    """2, 3 and 5."""
    words = [str(layer) for layer in layers]
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


# ---- The cost --------------------------------------------------------------------------


def _cost(cost: Cost, plan: Plan) -> Iterator[Item]:
    yield _said("cost", cost)
    yield Formula("", (*sentence(f"C = {cost.formula}"), Prose(", for one example")))
    if plan.task == "classification" and plan.outputs > 1:
        low, high = plan.labels.low, plan.labels.high
        text = f"y of a label is {high} for its class and {low} for every other."
        yield Paragraph((Prose(text),))
    if plan.labels.coded is not None:
        names = {**SIGNS, "n_out": plan.last, "label_smoothing": "s"}
        coded = expression(plan.labels.coded, names)
        yield Formula("", (Infix("→", formula("y"), coded), Prose(", beforehand")))
    gradient = Infix("=", formula("∇ₐC"), expression(cost.gradient))
    yield Formula("", (gradient, *_where(cost.beforehand)))


def _where(body: Body) -> tuple[Prose | Infix, ...]:
    """What an expression reads besides, defined behind it."""
    made: list[Prose | Infix] = []
    for statement in body:
        made.append(Prose(", " if made else ", where "))
        sums = "Σ " if isinstance(statement, Reduce) else ""
        right = formula(sums + spell(statement.value, BOOK, SIGNS))
        made.append(Infix("=", formula(statement.target), right))
    return tuple(made)


# ---- The optimizer ---------------------------------------------------------------------


def _optimizer(spec: NetworkSpec, plan: Plan) -> Iterator[Item]:
    entry = OPTIMIZERS[spec.hyperparameters.optimizer.kind]
    yield _said("optimizer", entry)
    yield Paragraph((Prose(f"Source: {entry.source}."),))
    yield Formula("", sentence(plan.update_formula))
    if plan.update_function:
        for text in plan.update_function.formulas:
            yield Formula("", sentence(text))
        if plan.update_function.note:
            note = plan.update_function.note
            yield Paragraph((*sentence(note[0].lower() + note[1:]), Prose(".")))
    for name, value in plan.scalars:
        yield Formula("", (_scalar(name, value), Prose(", once a step")))


def _schedule(schedule: Schedule) -> Iterator[Item]:
    unit = schedule.unit
    counted = f", where t counts every {unit} from 0 and T is their number"
    said = Prose(counted if schedule.reads & {"t", "total"} else "")
    yield Formula("", (*sentence(f"η → {schedule.formula}"), said))
    if schedule.warms_up:
        text = f"Before that, over the first {unit}s, the rate rises in equal parts."
        yield Paragraph((Prose(text),))


def _scalar(name: str, value: Expr) -> Infix:
    """rate = η / m, or t → t + 1 where a number is kept from step to step."""
    kept = any(read.name == name for read in variables(value))
    left = formula(SIGNS.get(name, name))
    return Infix("→" if kept else "=", left, of_numbers(value))
