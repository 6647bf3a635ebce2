"""What a module defines once, as a function of its own: operators, optimizers' steps."""

from __future__ import annotations

from dataclasses import replace

from bpcompile.expr import Expr, substitute
from bpcompile.operators.entry import Body, Map, Reduce
from bpcompile.records import dataclass


@dataclass(frozen=True)
class Function:
    """An operator that the module defines once, as a named function.

    purpose     "activation", "derivative", "slope", "cost" or "primitive"
    parameters  the arrays it takes; an in-place target writes over the first
    keeps       the first is read again later, so the result goes to an array beside
    overflows   exp may pass infinity on the way to a right result
    masks       a branch that is not taken may have no value
    """

    name: str
    purpose: str
    parameters: tuple[str, ...]
    body: Body
    documentation: str
    note: str = ""
    keeps: bool = False
    overflows: bool = False
    masks: bool = False

    @property
    def result(self) -> str:
        return self.body[-1].target

    @property
    def elementwise(self) -> bool:
        """Whether every neuron has its value without the others."""
        return not any(isinstance(statement, Reduce) for statement in self.body)

    @property
    def passes(self) -> Body:
        """The body as passes over the neurons of one example: its reductions, then the
        result, with every other map put where it is read."""
        maps: dict[str, Expr] = {}
        made: list[Map | Reduce] = []
        for statement in self.body:
            value = substitute(statement.value, maps)
            if isinstance(statement, Reduce) or statement is self.body[-1]:
                made.append(replace(statement, value=value))
            else:
                maps[statement.target] = value
        return tuple(made)


@dataclass(frozen=True)
class UpdateFunction:
    """An optimizer's step that the module defines once, as a function.

    arrays     what it takes: "w", "g" (used up), then what it keeps
    scalars    the numbers that it takes beside them
    formulas   one for each statement of the body
    """

    name: str
    arrays: tuple[str, ...]
    scalars: tuple[str, ...]
    body: Body
    documentation: str
    formulas: tuple[str, ...]
    note: str
