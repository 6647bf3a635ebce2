"""How a layer's first weights and biases come about: their values, and in words."""

from __future__ import annotations

from bpcompile.expr import Apply, Const, Expr, operations, substitute
from bpcompile.fields import Operator
from bpcompile.operators import INITIALIZERS
from bpcompile.operators.training import UNIFORM_DRAWS
from bpcompile.plan import Initial

#: With more operations than this on a draw, the line would pass 88 columns.
MOST_BESIDE_DRAW = 3


def initial(chosen: Operator) -> Initial:
    """The entry's value with the spec's parameters in it."""
    entry = INITIALIZERS[chosen.kind]
    numbers = {name: Const(value) for name, value in chosen.numbers.items()}
    value = substitute(entry.value, numbers)
    needs_line = entry.draws == UNIFORM_DRAWS or entry.orthogonal
    is_long = needs_line or operations(value) > MOST_BESIDE_DRAW
    return Initial(value, entry.draws, entry.orthogonal, is_long, _adds_products(value))


def initial_formula(parameter: str, chosen: Operator, layer: int) -> str:
    """w² ~ N(0, 1) / √N1, or b² = 0 where nothing is drawn."""
    entry = INITIALIZERS[chosen.kind]
    sizes = {"n_in": f"N{layer - 1}", "n_out": f"N{layer}"}
    formula = entry.formula.format(**sizes, **chosen.parameters)
    return f"{parameter} {'~' if entry.draws else '='} {formula}"


def _adds_products(value: Expr) -> bool:
    if not isinstance(value, Apply):
        return False
    if value.primitive in ("add", "sub"):
        products = [arg for arg in value.args if isinstance(arg, Apply)]
        if any(arg.primitive == "mul" for arg in products):
            return True
    return any(_adds_products(arg) for arg in value.args)
