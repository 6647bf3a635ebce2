"""How BP1 gets the simple form that the module computes, step by step.

From the entries alone: ∇ₐC of the cost, σ' or the Jacobian of the output activation,
their product, what cancels in it.

Source: Nielsen, chapter 3, equations (61) to (65) for the first such form, and the
problem on log-likelihood after equation (82).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bpcompile.explaining.algebra import (
    SUM,
    cancelled,
    expanded,
    plainly,
    quotient,
    summed,
)
from bpcompile.explaining.document import Formula, Item, Paragraph
from bpcompile.explaining.expressions import expression
from bpcompile.explaining.model import Infix, Node, Prose
from bpcompile.explaining.notation import formula
from bpcompile.explaining.sentences import sentence
from bpcompile.expr import BOOK, Apply, Expr, Var, spell, substitute
from bpcompile.lower_forward import superscript
from bpcompile.operators.entry import Activation, Cost, FusedError, Map, Reduce


@dataclass(frozen=True)
class Derivation:
    """The error of an output layer: its steps, and what they come to over "a", "y"."""

    items: tuple[Item, ...]
    result: Expr


def derive(cost: Cost, output: Activation, fused: FusedError, layer: int) -> Derivation:
    """The steps from BP1 to the fused form of a cost and an output activation."""
    return _Deriving(cost, output, fused, layer).derivation()


class _Deriving:
    def __init__(
        self, cost: Cost, output: Activation, fused: FusedError, layer: int
    ) -> None:
        self.cost, self.output, self.fused = cost, output, fused
        self.up = superscript(layer)
        self.names = {"a": f"a{self.up}", "z": f"z{self.up}"}
        self.sums = _known_sums(cost, output)

    def derivation(self) -> Derivation:
        made = self._jacobian() if self.output.derivative is None else self._product()
        items, result = made
        return Derivation((*self._beginning(), *items, *self._end(result)), result)

    def _beginning(self) -> Iterator[Item]:
        yield Paragraph(
            (
                *sentence(f"The cost of one example is C = {self.cost.formula}"),
                *sentence(f", the outputs are a = {self.output.symbol}(z)"),
                Prose("."),
            )
        )
        up, symbol = self.up, self.output.symbol
        elementwise, jacobian = f"∇ₐC ⊙ {symbol}'(z{up})", f"(∂a{up}/∂z{up})ᵀ ∇ₐC"
        book = elementwise if self.output.elementwise else jacobian
        yield Formula("BP1", sentence(f"δ{up} = {book}"))
        gradient = plainly(self.cost.gradient)
        yield Formula("", (self._equal("∇ₐC", gradient),))

    def _equal(self, left: str, right: Expr) -> Node:
        return Infix("=", formula(left), expression(right, self.names))

    def _delta(self, value: Expr, reason: str = "") -> Formula:
        said = (Prose(f", {reason}"),) if reason else ()
        return Formula("", (self._equal(f"δ{self.up}", value), *said))

    # ---- Neuron by neuron ------------------------------------------------------------

    def _product(self) -> tuple[list[Item], Expr]:
        assert self.output.derivative is not None
        prime = plainly(self.output.derivative)
        items: list[Item] = [
            Formula("", (self._equal(f"{self.output.symbol}'(z{self.up})", prime),))
        ]
        product = plainly(self.cost.gradient) * prime
        items.append(self._delta(product, "the one put into the other"))
        together = quotient(product)
        if spell(together.expr, BOOK, {}) != spell(product, BOOK, {}):
            items.append(self._delta(together.expr, "in one fraction"))
        left = cancelled(together)
        result = plainly(left.expr)
        if left != together:
            items.append(self._delta(result, "what stands above and below cancelled"))
        return items, result

    # ---- By the Jacobian -------------------------------------------------------------

    def _jacobian(self) -> tuple[list[Item], Expr]:
        """Jᵀg with ∇ₐC for g, statement by statement."""
        text = f"Jᵀ g = {self.output.vjp_formula}, where J = ∂a/∂z, g = ∇ₐC"
        items: list[Item] = [Formula("", sentence(text))]
        items += [
            Formula("", (formula(f"{total} = 1"), Prose(f", as {reason}")))
            for total, reason in self.sums.items()
        ]
        values: dict[str, Expr] = {"g": plainly(self.cost.gradient)}
        last = self.output.vjp[-1]
        for statement in self.output.vjp:
            put = substitute(statement.value, values)
            sums = isinstance(statement, Reduce)
            value = (summed if sums else expanded)(put, frozenset(self.sums))
            values[statement.target] = value
            name = f"δ{self.up}" if statement is last else statement.target
            items.append(Formula("", (self._statement(name, statement, value),)))
        return items, values[last.target]

    def _statement(self, name: str, statement: Map | Reduce, value: Expr) -> Node:
        """s = Σ p = -1."""
        shown = spell(statement.value, BOOK, self.names)
        if isinstance(statement, Reduce):
            shown = f"{SUM} {shown}"
        return Infix("=", formula(f"{name} = {shown}"), expression(value, self.names))

    # ---- What it comes to -------------------------------------------------------------

    def _end(self, result: Expr) -> Iterator[Item]:
        """The result as the entry writes it, where that is another form."""
        shown = plainly(self.fused.left or self.fused.error)
        if spell(shown, BOOK, {}) != spell(result, BOOK, {}):
            yield self._delta(shown, "which is the same")
        yield Paragraph((*sentence(f"In short: {self.fused.reason}"), Prose(".")))


def _known_sums(cost: Cost, output: Activation) -> Mapping[str, str]:
    """Why the sums over the neurons are 1 that are, by `algebra`'s names of them."""
    known = {}
    if _adds_up_to_one(output):
        known[f"{SUM}a"] = "each output is a share of their sum"
    if cost.targets.sums_to_one:
        known[f"{SUM}y"] = "the targets of an example add up to 1"
    return known


def _adds_up_to_one(output: Activation) -> bool:
    """Whether a is something over the sum of it: then the a of a layer add up to 1."""
    totals = {
        statement.target: statement.value
        for statement in output.body
        if isinstance(statement, Reduce)
    }
    match output.body[-1].value:
        case Apply("div", (over, Var(total))):
            return totals.get(total) == over
    return False
