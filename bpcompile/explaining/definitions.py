"""The definitions of the operators that a network uses, from their entries."""

from __future__ import annotations

from collections.abc import Iterator

from bpcompile import operators
from bpcompile.explaining.document import Formula, Item, Paragraph, Term
from bpcompile.explaining.expressions import SIGNS, expression, of_numbers
from bpcompile.explaining.model import Infix, Prose
from bpcompile.explaining.notation import formula
from bpcompile.explaining.sentences import sentence
from bpcompile.expr import BOOK, Expr, spell, variables
from bpcompile.lower_operators import kinks_in_words
from bpcompile.lower_steps import LayerSteps
from bpcompile.operators import OPTIMIZERS, SCALINGS, SCHEDULES
from bpcompile.operators.entry import REALS, Activation, Body, Cost, Entry, Reduce
from bpcompile.plan import Plan, Schedule
from bpcompile.spec import NetworkSpec


def definitions(spec: NetworkSpec, plan: Plan) -> Iterator[Item]:
    """What each operator of a spec computes, in the order in which data meet it."""
    steps = LayerSteps(spec)
    if plan.scaling:
        yield _said("scaling", SCALINGS[plan.scaling.kind])
        yield Formula("", sentence(f"a¹ = {plan.scaling.formula}"))
    seen: dict[Activation, list[int]] = {}
    for index, entry in steps.activations.items():
        seen.setdefault(entry, []).append(index)
    for entry, layers in seen.items():
        chosen = steps.layers[layers[0]].activation.kind
        yield from _activation(entry, spec.activations[chosen], layers)
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
        prime = entry.derivative_formula or spell(entry.derivative, BOOK, {})
        kinks = f"; {said}" if (said := kinks_in_words(entry)) else ""
        text = f"{entry.symbol}'(z) = {prime}, with a = {entry.symbol}(z){kinks}"
        if "a" not in prime.replace("tanh", ""):
            text = text.replace(f", with a = {entry.symbol}(z)", "")
        yield Formula("", sentence(text))
    if entry.interval != REALS:
        within = str(entry.interval).replace("inf", "∞")
        yield Paragraph((Prose(f"Its values lie in {within}."),))


def _listed(layers: list[int]) -> str:
    """2, 3 and 5."""
    words = [str(layer) for layer in layers]
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


# ---- The cost --------------------------------------------------------------------------


def _cost(cost: Cost, plan: Plan) -> Iterator[Item]:
    yield _said("cost", cost)
    yield Formula("", (*sentence(f"C = {cost.formula}"), Prose(", for one example")))
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
