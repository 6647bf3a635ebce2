"""The definitions of the operators that a network uses, from their entries."""

from __future__ import annotations

from collections.abc import Iterator

from bpcompile.explaining.document import Formula, Item, Paragraph
from bpcompile.explaining.expressions import SIGNS, expression, of_numbers
from bpcompile.explaining.model import Infix, Prose
from bpcompile.explaining.notation import formula, sentence
from bpcompile.expr import BOOK, Expr, spell, variables
from bpcompile.lower_operators import kinks_in_words
from bpcompile.lower_steps import LayerSteps
from bpcompile.operators import ACTIVATIONS, COSTS, OPTIMIZERS, SCALINGS, SCHEDULES
from bpcompile.operators.entry import REALS, Activation, Body, Cost, Entry, Reduce
from bpcompile.plan import Plan
from bpcompile.spec import NetworkSpec


def definitions(spec: NetworkSpec, plan: Plan) -> Iterator[Item]:
    """What each operator of a spec computes, in the order in which data meet it."""
    steps = LayerSteps(spec)
    if plan.scaling:
        yield _said("scaling", SCALINGS[plan.scaling.kind])
        yield Formula("", sentence(f"a¹ = {plan.scaling.formula}"))
    seen: dict[str, list[int]] = {}
    for index, entry in steps.activations.items():
        seen.setdefault(entry.kind, []).append(index)
    for layers in seen.values():
        yield from _activation(steps.activations[layers[0]], layers)
    yield from _cost(steps.cost, plan)
    yield from _optimizer(spec, plan)
    if plan.schedule:
        chosen = spec.hyperparameters.schedule
        yield _said("schedule", SCHEDULES[chosen.kind])
        said = f", where t counts every {plan.schedule.unit} from 0, T is their number"
        yield Formula("", (*sentence(f"η → {plan.schedule.formula}"), Prose(said)))


def _said(role: str, entry: Entry, more: str = "") -> Paragraph:
    """Its name, with the description if it is ours: that of a spec is free text."""
    ours = any(
        entry.kind == known.kind and entry.description == known.description
        for registry in (ACTIVATIONS, COSTS, OPTIMIZERS, SCHEDULES, SCALINGS)
        for known in registry.values()
    )
    said = f": {entry.description}" if ours else ""
    return Paragraph((Prose(f"{role} {entry.kind}{more}{said}"),))


# ---- Activations -----------------------------------------------------------------------


def _activation(entry: Activation, layers: list[int]) -> Iterator[Item]:
    # Parameters of a kind are part of its name here, as in the code.
    kind = next((k for k in ACTIVATIONS if ACTIVATIONS[k].function == entry.function), "")
    more = f" of layer{'s' if len(layers) > 1 else ''} {_listed(layers)}"
    yield _said("activation", ACTIVATIONS.get(kind, entry), more)
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
    if plan.cost.penalty is not None:
        text = f"C + {plan.cost.penalty_formula}"
        said = Prose(", over the weights, is what training makes small")
        yield Formula("", (*sentence(text), said))


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
    yield _said("optimizer", entry, f" ({entry.source})")
    yield Formula("", sentence(plan.update_formula))
    if plan.update_function:
        for text in plan.update_function.formulas:
            yield Formula("", sentence(text))
        if plan.update_function.note:
            note = plan.update_function.note
            yield Paragraph((*sentence(note[0].lower() + note[1:]), Prose(".")))
    for name, value in plan.scalars:
        yield Formula("", (_scalar(name, value), Prose(", once a step")))


def _scalar(name: str, value: Expr) -> Infix:
    """rate = η / m, or t → t + 1 where a number is kept from step to step."""
    kept = any(read.name == name for read in variables(value))
    left = formula(SIGNS.get(name, name))
    return Infix("→" if kept else "=", left, of_numbers(value))
