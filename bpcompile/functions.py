"""What a module defines once, as a function of its own: operators, optimizers' steps."""

from __future__ import annotations

from dataclasses import replace

from bpcompile.expr import PRIMITIVES, Apply, Expr, Var, substitute, variables
from bpcompile.operators.entry import Body, Map, Reduce
from bpcompile.records import dataclass

#: The purposes of the functions that the steps of a plan apply.
IN_STEPS = ("activation", "derivative")
#: What a pass names the values that an earlier one left in the result.
KEPT = "result"


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
        result, with every other map put where it is read; or, where it would be
        computed again, kept as a first value of the result."""
        maps: dict[str, Expr] = {}
        made: list[Map | Reduce] = []
        for at, statement in enumerate(self.body):
            value = substitute(statement.value, maps)
            later = [substitute(s.value, maps) for s in self.body[at + 1 :]]
            if isinstance(statement, Reduce) or not later:
                made.append(replace(statement, value=value))
            elif Var(KEPT) not in maps.values() and self._kept(statement, value, later):
                made.append(Map(KEPT, value))
                maps[statement.target] = Var(KEPT)
            else:
                maps[statement.target] = value
        return tuple(made)

    def _kept(self, statement: Map, value: Expr, later: list[Expr]) -> bool:
        """Whether a map costs a call, is read again, and may take the result's place,
        which can be that of a parameter: all that follows reads none."""
        read = [{v.name for v in variables(tree)} for tree in later]
        again = sum(statement.target in names for names in read) > 1
        return again and _calls(value) and not set().union(*read) & {*self.parameters}


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


def _calls(expr: Expr) -> bool:
    """Whether a tree applies a primitive that is a function, and no infix sign."""
    if not isinstance(expr, Apply):
        return False
    return not PRIMITIVES[expr.primitive].precedence or any(map(_calls, expr.args))
