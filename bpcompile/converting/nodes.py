"""Expressions and bodies of operators -> nodes of an ONNX graph.

A new operator needs nothing here: only the primitives have a word of their own.
Source of the operators' definitions: the ONNX operator schemas, opset 18.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from bpcompile.expr import (
    Apply,
    Const,
    Expr,
    Var,
    abs_,
    exp,
    log,
    min_,
    tanh,
    where,
)
from bpcompile.operators.entry import Body, Map, Reduce
from bpcompile.operators.special import SPECIAL

COMPARISONS = {
    "lt": "Less",
    "le": "LessOrEqual",
    "gt": "Greater",
    "ge": "GreaterOrEqual",
}
OPERATORS = {
    "add": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "div": "Div",
    "neg": "Neg",
    "pow": "Pow",
    "exp": "Exp",
    "log": "Log",
    "tanh": "Tanh",
    "sin": "Sin",
    "cos": "Cos",
    "sqrt": "Sqrt",
    "abs": "Abs",
    "sign": "Sign",
    "floor": "Floor",
    "max": "Max",
    "min": "Min",
    "where": "Where",
    **COMPARISONS,
}
REDUCTIONS = {"sum": "ReduceSum", "max": "ReduceMax"}

#: The largest number that the network's dtype has.
LARGEST = Var("largest", scalar=True)
_x, _u, _d = Var("x"), Var("u"), Var("d")
#: Primitives that ONNX lacks, or runtimes lack for float64 (erf), from "x".
MADE: Mapping[str, Body] = {
    **{name: special.body for name, special in SPECIAL.items()},
    # tanh(x/2) = (eˣ - 1) / (eˣ + 1): nothing cancels.
    "expm1": (Map("value", tanh(_x * 0.5) * (exp(_x) + 1)),),
    # The quotient makes up for what 1 + x has lost of a small x (Kahan).
    "log1p": (
        Map("u", _x + 1),
        Map("d", _u - 1),
        Map("small", where(abs_(_d) > 0, log(_u) * (_x / _d), _x)),
        Map("value", where(_x > 1, log(_u), Var("small"))),
    ),
    "finite": (Map("value", min_(_x, LARGEST)),),
}


class Nodes:
    """The nodes of a graph on their way, in order, and the constants they read.

    Every name is an identifier of C, as the format asks.
    """

    def __init__(self, dtype: str) -> None:
        self.dtype = np.dtype(dtype)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self._used: set[str] = set()
        self._numbers: dict[str, str] = {}

    def add(
        self, operator: str, inputs: list[str], result: str, **attributes: Any
    ) -> str:
        """One node, called like its result; the name of the result, free until now."""
        name = self._free(result)
        node = helper.make_node(operator, inputs, [name], name, **attributes)
        self.nodes.append(node)
        return name

    def constant(self, name: str, values: Any) -> str:
        """An array under its name."""
        self._used.add(name)
        self.constants[name] = numpy_helper.from_array(np.asarray(values), name)
        return name

    def number(self, value: float) -> str:
        """The name of a number of the network's dtype."""
        # repr, for 0.0 and -0.0 are equal
        if repr(value) not in self._numbers:
            name = self._free("number")
            self._numbers[repr(value)] = self.constant(name, self.dtype.type(value))
        return self._numbers[repr(value)]

    def body(self, body: Body, names: Mapping[str, str], result: str) -> str:
        """The statements of a body, from the arrays in `names`; the name of the last,
        which is `result`."""
        values = dict(names)
        for statement in body:
            last = statement is body[-1]
            target = result if last else f"{result}_{statement.target}"
            if isinstance(statement, Reduce):
                value = self._value(statement.value, values, f"{target}_of")
                axes = self._axis()
                how = REDUCTIONS[statement.how]
                values[statement.target] = self.add(how, [value, axes], target)
            else:
                values[statement.target] = self._value(statement.value, values, target)
        return values[body[-1].target]

    def cast(self, value: str, dtype: str, result: str) -> str:
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.add("Cast", [value], result, to=kind)

    def _axis(self) -> str:
        """The layer's neurons, where one example stands in each row."""
        if "neurons" not in self.constants:
            self.constant("neurons", np.array([1], np.int64))
        return "neurons"

    def _value(self, expr: Expr, names: Mapping[str, str], result: str) -> str:
        """A tree as numbers."""
        if isinstance(expr, Const):
            return self.number(expr.value)
        if expr == LARGEST:
            return self.number(float(np.finfo(self.dtype).max))
        if isinstance(expr, Var):
            return names[expr.name]
        assert isinstance(expr, Apply)
        name = expr.primitive
        if name in COMPARISONS:
            condition = self._condition(expr, names, f"{result}_if")
            return self.cast(condition, self.dtype.name, result)
        if name in MADE:
            (arg,) = expr.args
            x = self._value(arg, names, f"{result}_x")
            return self.body(MADE[name], {"x": x}, result)
        first, *rest = expr.args
        read = self._condition if name == "where" else self._value
        inputs = [read(first, names, f"{result}_1")]
        for place, arg in enumerate(rest, start=2):
            inputs.append(self._value(arg, names, f"{result}_{place}"))
        return self.add(OPERATORS[name], inputs, result)

    def _condition(self, expr: Expr, names: Mapping[str, str], result: str) -> str:
        """A tree as truth values: any number but 0 is true."""
        if isinstance(expr, Apply) and expr.primitive in COMPARISONS:
            inputs = [
                self._value(arg, names, f"{result}_{place}")
                for place, arg in enumerate(expr.args, start=1)
            ]
            return self.add(OPERATORS[expr.primitive], inputs, result)
        return self.cast(self._value(expr, names, f"{result}_of"), "bool", result)

    def _free(self, name: str) -> str:
        """The name itself, or with the first number at which nothing has it yet."""
        found, count = name, 1
        while found in self._used:
            count += 1
            found = f"{name}_{count}"
        self._used.add(found)
        return found
