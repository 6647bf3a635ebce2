"""A tree as statements that a reader can follow: what occurs twice has a name, and no
line is too long.

Names come from what a part is (`exp_z`, `sigmoid_2z`, `square`), never from a counter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bpcompile.expr import PRIMITIVES, Apply, Const, Expr, Var
from bpcompile.formula.simplify import numeric, simplified
from bpcompile.formula.tree import Called, children, nodes, rebuilt
from bpcompile.operators.entry import Body, Map

#: Columns of one value in the widest spelling of a target; the rest of a line is
#: indentation and the name.
MAX_WIDTH = 58
MAX_NAME = 20
#: What operators call their own variables.
TAKEN = frozenset(("z", "a", "y", "g", "delta", "prime", "terms"))
#: What it takes to make a number of a choice between two, in such a spelling.
CONVERSION = 16
#: One operation must occur so often to have a name, two or a call twice.
OFTEN = 3

_NOUNS: Mapping[str, str] = {
    **{"add": "total", "sub": "difference", "mul": "product", "div": "quotient"},
    **{"neg": "opposite", "pow": "power", "where": "choice"},
    **dict.fromkeys(("lt", "le", "gt", "ge"), "test"),
}


def statements(tree: Expr, target: str, known: Expr | None = None) -> Body:
    """Statements that leave the value of a tree in `target`.

    `known` is the tree whose value is "a" already. No part is named as an operator's
    own variables are.
    """
    namer = _Namer({target, *TAKEN})
    names: dict[Expr, Expr] = {}
    if known is not None and not isinstance(known, Var | Const):
        names = {known: Var("a"), written_out(known): Var("a")}
    counts = Counter(node for node in nodes(tree) if isinstance(node, Called))
    for call, count in counts.items():
        if count > 1 and call not in names:
            names[call] = Var(namer.name(call))
    body = [
        Map(name.name, numeric(_plain(call.written_out, names)))
        for call, name in names.items()
        if isinstance(call, Called) and isinstance(name, Var) and call != known
    ]
    body.append(Map(target, numeric(_plain(tree, names), factor=target == "prime")))
    while (part := _part_to_name([s.value for s in body])) is not None:
        name = Var(namer.name(part))
        body = [Map(s.target, _swapped(s.value, {part: name})) for s in body]
        body.insert(0, Map(name.name, part))
    return _ordered(body)


def written_out(tree: Expr) -> Expr:
    """The tree without calls, simplified."""
    args = tuple(written_out(arg) for arg in children(tree))
    tree = rebuilt(tree, args)
    return simplified(tree.written_out if isinstance(tree, Called) else tree)


def _plain(tree: Expr, names: Mapping[Expr, Expr]) -> Expr:
    """The tree without calls, and with names for what has one."""
    return _swapped(written_out(_swapped(tree, names)), names)


def _swapped(tree: Expr, names: Mapping[Expr, Expr]) -> Expr:
    if tree in names:
        return names[tree]
    return rebuilt(tree, tuple(_swapped(arg, names) for arg in children(tree)))


def _ordered(body: list[Map]) -> Body:
    """Every statement after those that it reads, the last one last."""
    left, done = list(body), []
    while left:
        names = {s.target for s in left}
        ready = next(s for s in left if not _names_in(s.value) & names)
        done.append(ready)
        left.remove(ready)
    return tuple(done)


def _names_in(tree: Expr) -> set[str]:
    return {node.name for node in nodes(tree) if isinstance(node, Var)}


# ---- Which parts get a name ---------------------------------------------------------


def _part_to_name(values: list[Expr]) -> Expr | None:
    """The largest part that occurs more than once, or else of a line that is too long
    the largest that fits on one of its own."""
    counts: Counter[Expr] = Counter()
    for value in values:
        counts.update(node for node in nodes(value) if isinstance(node, Apply))
    repeated = [part for part, count in counts.items() if _is_worth_a_name(part, count)]
    if repeated:
        return max(repeated, key=_operations)
    for value in values:
        if _width(value) > MAX_WIDTH:
            parts = [node for node in nodes(value) if isinstance(node, Apply)]
            fitting = [part for part in parts if _width(part) <= MAX_WIDTH]
            # A comparison reads best where it stands.
            numbers = [part for part in fitting if not _is_test(part)]
            if fitting:
                return max(numbers or fitting, key=_width)
    return None


def _is_worth_a_name(part: Expr, count: int) -> bool:
    if count < 2 or _is_test(part):
        return False
    return count >= OFTEN or _operations(part) > 1 or _is_call(part)


def _operations(tree: Expr) -> int:
    return sum(isinstance(node, Apply) for node in nodes(tree))


def _is_call(tree: Expr) -> bool:
    return isinstance(tree, Apply) and PRIMITIVES[tree.primitive].precedence == 0


def _is_test(tree: Expr) -> bool:
    """A comparison: an array of its own would hold no numbers."""
    return isinstance(tree, Apply) and tree.primitive in ("lt", "le", "gt", "ge")


def _is_choice(tree: Apply) -> bool:
    """Whether the value is one of two numbers, whatever the type of the arrays."""
    return tree.primitive == "where" and not any(
        isinstance(node, Var) for arg in tree.args[1:] for node in nodes(arg)
    )


def _width(tree: Expr) -> int:
    """More columns than any target takes, with brackets and prefixes of functions."""
    if isinstance(tree, Const):
        return len(repr(tree.value))
    if isinstance(tree, Var):
        return len(tree.name)
    inside = sum(map(_width, children(tree)))
    if isinstance(tree, Apply) and (_is_choice(tree) or _is_test(tree)):
        inside += CONVERSION
    if _is_call(tree):
        return inside + 12 + 2 * (len(children(tree)) - 1)
    return inside + 5


# ---- Names --------------------------------------------------------------------------


class _Namer:
    """Names for the parts of one body, each given once."""

    def __init__(self, taken: set[str]) -> None:
        self.taken = taken

    def name(self, part: Expr) -> str:
        """What a part is, else with letters after it: square, square_b, square_c."""
        wished = _slug(part)
        if len(wished) > MAX_NAME:
            wished = f"{_what(part)}_part"
        name, letter = wished, ord("b")
        while name in self.taken:
            name = f"{wished}_{chr(letter)}" if letter <= ord("z") else f"{name}_b"
            letter += 1
        self.taken.add(name)
        return name


def _what(part: Expr) -> str:
    if isinstance(part, Called):
        return part.kind
    assert isinstance(part, Apply)
    return part.primitive


def _slug(tree: Expr) -> str:
    """A short word for a tree: exp_minus_z, 2z, square."""
    match tree:
        case Var(name):
            return name
        case Const(value):
            return str(value) if value == int(value) and value >= 0 else "number"
        case Apply("neg", (x,)):
            return f"minus_{_slug(x)}"
        case Apply("mul", (Const(c), Var(name))) if c == int(c) and c > 0:
            return f"{c}{name}"
        case Apply("mul", (Var(x), Var(y))) if x == y:
            return f"{x}_squared"
        case Apply("mul", (x, y)) if x == y:
            return "square"
        case Called():
            return f"{tree.kind}_{_slug(tree.arg)}"
    assert isinstance(tree, Apply)
    if tree.primitive in _NOUNS:
        return _NOUNS[tree.primitive]
    return "_".join((tree.primitive, *map(_slug, tree.args)))
