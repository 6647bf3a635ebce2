"""Bodies as three-address statements that write into arrays which exist already.

A target without this style prints each body as one nested expression instead. The
trees, and so the rounding, are the same in both.

A choice is made by a mask, an array of truth values, which numbers are put through.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from bpcompile.expr import Apply, Const, Expr, Var, substitute, variables
from bpcompile.operators.entry import Body, Map, Reduce
from bpcompile.records import dataclass

#: What a target in this style has beside the primitives, "where" excepted: the operand
#: itself; the mask of what is not 0; a mask's opposite; the second operand, where the
#: first is true.
OPERATIONS = ("copy", "truth", "not", "put")
SCRATCH = "scratch{}"
_COMPARISONS = ("lt", "le", "gt", "ge")


@dataclass(frozen=True)
class Assign:
    """`destination = operation(operands)`; operands are names, numbers or trees of
    scalars, which the target computes as a number of its language.

    operation   a primitive, a reduction's name, or one of OPERATIONS
    reduces     the result is one number per example
    """

    destination: str
    operation: str
    operands: tuple[str | float | Expr, ...]
    reduces: bool = False


@dataclass(frozen=True)
class Assignments:
    """Statements, and the arrays beside those given that they need.

    scratch        of numbers
    masks          of truth values
    of_statement   the same lines, for each statement of the body
    """

    lines: tuple[Assign, ...]
    scratch: tuple[str, ...]
    masks: tuple[str, ...]
    of_statement: tuple[tuple[Assign, ...], ...]


def assignments(
    body: Body,
    storage: Mapping[str, str],
    destination: str,
    consumable: Iterable[str],
    scratch: str = SCRATCH,
) -> Assignments:
    """Write the result of a body into `destination`.

    storage      the name of the array in which each variable stands; two variables
                 may share one, and the result may take the place of one; a statement
                 that assigns one of them writes there
    consumable   the variables that nobody reads afterwards
    scratch      what arrays are called that are needed beside, with {} for a number
    """
    return _Writer(body, storage, destination, frozenset(consumable), scratch).run()


class _Writer:
    """One pass over a body, counting the reads of every variable that still come."""

    def __init__(
        self,
        body: Body,
        storage: Mapping[str, str],
        destination: str,
        consumable: frozenset[str],
        scratch: str,
    ) -> None:
        self.called = scratch
        self.body = body
        self.storage = dict(storage)
        self.result = destination
        self.destination = destination
        self.consumable = set(consumable)
        self.to_come: Counter[str] = Counter()
        self.lines: list[Assign] = []
        self.scratch: list[str] = []
        self.masks: list[str] = []
        self.held: list[str] = []
        self.arrays = [
            v.name
            for v in dict.fromkeys(v for s in body for v in variables(s.value))
            if v.name in storage and not v.scalar
        ]

    def run(self) -> Assignments:
        groups = []
        for index, statement in enumerate(self.body):
            start = len(self.lines)
            self.to_come = _reads(self.body[index:])
            self._statement(statement, index == len(self.body) - 1)
            groups.append(tuple(self.lines[start:]))
        scratch, masks = tuple(self.scratch), tuple(self.masks)
        return Assignments(tuple(self.lines), scratch, masks, tuple(groups))

    def _statement(self, statement: Map | Reduce, last: bool) -> None:
        if isinstance(statement, Reduce):
            self._reduce(statement)
            return
        if last:
            array = self.result
        elif statement.target in self.storage:
            array = self.storage[statement.target]
        else:
            array = self._array_for(statement.value, self.result)
            self.consumable.add(statement.target)
        self.destination = array
        self._write(statement.value, array)
        self.destination = self.result
        self.storage[statement.target] = array

    def _reduce(self, statement: Reduce) -> None:
        operand = self._operand(statement.value, self.destination)
        self.lines.append(Assign(statement.target, statement.how, (operand,), True))
        # Never consumable, for one number per example has no room for an array.
        self.storage[statement.target] = statement.target

    def _write(self, value: Expr, array: str) -> None:
        """Leave the value of a tree in an array."""
        if not isinstance(value, Apply) or of_scalars(value):
            operand = self._operand(value, array)
            if operand != array:
                self.lines.append(Assign(array, "copy", (operand,)))
            return
        if value.primitive == "where":
            self._choose(value, array)
        else:
            operands = self._operands(value.args, array)
            self.lines.append(Assign(array, value.primitive, operands))

    def _operands(
        self, values: Iterable[Expr], wish: str
    ) -> tuple[str | float | Expr, ...]:
        """One after the other, each in an array that the next do not write over."""
        operands = []
        for value in values:
            operand = self._operand(value, wish)
            operands.append(operand)
            self.held.append(str(operand))
        del self.held[len(self.held) - len(operands) :]
        return tuple(operands)

    def _choose(self, value: Apply, array: str) -> None:
        """Leave one of two values in an array that may hold one of them already."""
        condition, *branches = value.args
        mask = f"mask{len(self.masks) + 1}"
        self.masks.append(mask)
        match condition:
            case Apply(comparison, args) if comparison in _COMPARISONS:
                operands = self._operands(args, array)
                self.lines.append(Assign(mask, comparison, operands))
            case _:
                operand = self._operand(condition, array)
                self.lines.append(Assign(mask, "truth", (operand,)))
        first, second = self._operands(branches, array)
        if first == array != second:
            self.lines.append(Assign(mask, "not", (mask,)))
            first, second = second, first
        if second != array:
            self.lines.append(Assign(array, "copy", (second,)))
        if first != array:
            self.lines.append(Assign(array, "put", (mask, first)))

    def _operand(self, value: Expr, wish: str) -> str | float | Expr:
        """A leaf as it is; a tree through an array, the wished one if it is free."""
        if isinstance(value, Const):
            return value.value
        if isinstance(value, Var):
            self.to_come[value.name] -= 1
            return self.storage.get(value.name, value.name)
        if of_scalars(value):
            named = {n: Var(place, scalar=True) for n, place in self.storage.items()}
            return substitute(value, named)
        array = self._array_for(value, wish)
        self._write(value, array)
        return array

    def _array_for(self, value: Expr, wish: str) -> str:
        """An array that holds nothing which is read after this tree."""
        read = [self.storage.get(v.name, "") for v in variables(value)]
        dead = [self.storage[name] for name in self.arrays if name in self.consumable]
        for array in (wish, *read, *dead, *self.scratch):
            if array and self._free(array, value):
                return array
        self.scratch.append(self.called.format(len(self.scratch) + 1))
        return self.scratch[-1]

    def _free(self, array: str, value: Expr) -> bool:
        if array in self.held:
            return False
        inside = Counter(v.name for v in variables(value))
        return all(
            (name in self.consumable or array == self.destination)
            and self.to_come[name] <= inside[name]
            for name, place in self.storage.items()
            if place == array
        )


def _reads(body: Body) -> Counter[str]:
    """How often each variable is read before it is assigned again."""
    reads: Counter[str] = Counter()
    assigned: set[str] = set()
    for statement in body:
        names = [v.name for v in variables(statement.value)]
        reads.update(name for name in names if name not in assigned)
        assigned.add(statement.target)
    return reads


def of_scalars(value: Expr) -> bool:
    """Whether a tree is one number, of scalars, of which there is at least one."""
    kinds = {v.scalar for v in variables(value)}
    return kinds == {True}
