"""Bodies as three-address statements that write into arrays which exist already.

A target without this style prints each body as one nested expression instead. The
trees, and so the rounding, are the same in both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bpcompile.expr import Apply, Const, Expr, Var, variables
from bpcompile.operators.entry import Body, Reduce


@dataclass(frozen=True)
class Assign:
    """`destination = operation(operands)`; operands are names or numbers.

    operation   a primitive, a reduction's name, or "copy"
    reduces     the result is one number per example
    """

    destination: str
    operation: str
    operands: tuple[str | float, ...]
    reduces: bool = False


@dataclass(frozen=True)
class Assignments:
    """Statements, and the arrays beside those given that they need."""

    lines: tuple[Assign, ...]
    scratch: tuple[str, ...]


def assignments(
    body: Body,
    storage: Mapping[str, str],
    destination: str,
    consumable: Iterable[str],
) -> Assignments:
    """Write the result of a body into `destination`.

    storage      the name of the array in which each variable stands; two variables
                 may share one, and the result may take the place of one; a statement
                 that assigns one of them writes there
    consumable   the variables that nobody reads afterwards
    """
    return _Writer(body, storage, destination, frozenset(consumable)).run()


class _Writer:
    """One pass over a body, counting the reads of every variable that still come."""

    def __init__(
        self,
        body: Body,
        storage: Mapping[str, str],
        destination: str,
        consumable: frozenset[str],
    ) -> None:
        self.body = body
        self.storage = dict(storage)
        self.result = destination
        self.destination = destination
        self.consumable = set(consumable)
        self.to_come = Counter(v.name for s in body for v in variables(s.value))
        self.lines: list[Assign] = []
        self.scratch: list[str] = []
        self.held: list[str] = []

    def run(self) -> Assignments:
        last = len(self.body) - 1
        for index, statement in enumerate(self.body):
            if isinstance(statement, Reduce):
                self._reduce(statement)
                continue
            if index == last:
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
        return Assignments(tuple(self.lines), tuple(self.scratch))

    def _reduce(self, statement: Reduce) -> None:
        operand = self._operand(statement.value, self.destination)
        self.lines.append(Assign(statement.target, statement.how, (operand,), True))
        # Never consumable, for one number per example has no room for an array.
        self.storage[statement.target] = statement.target

    def _write(self, value: Expr, array: str) -> None:
        """Leave the value of a tree in an array."""
        if not isinstance(value, Apply):
            operand = self._operand(value, array)
            if operand != array:
                self.lines.append(Assign(array, "copy", (operand,)))
            return
        operands = []
        for arg in value.args:
            operand = self._operand(arg, array)
            operands.append(operand)
            self.held.append(str(operand))
        del self.held[len(self.held) - len(operands) :]
        self.lines.append(Assign(array, value.primitive, tuple(operands)))

    def _operand(self, value: Expr, wish: str) -> str | float:
        """A leaf as it is; a tree through an array, the wished one if it is free."""
        if isinstance(value, Const):
            return value.value
        if isinstance(value, Var):
            self.to_come[value.name] -= 1
            return self.storage.get(value.name, value.name)
        array = self._array_for(value, wish)
        self._write(value, array)
        return array

    def _array_for(self, value: Expr, wish: str) -> str:
        """An array that holds nothing which is read after this tree."""
        arrays = [wish, *(self.storage.get(v.name, "") for v in variables(value))]
        for array in arrays:
            if array and self._free(array, value):
                return array
        for array in self.scratch:
            if self._free(array, value):
                return array
        self.scratch.append(f"scratch{len(self.scratch) + 1}")
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
