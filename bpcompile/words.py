"""What templates say of expressions and texts, in the spelling of a target."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial

from bpcompile.errors import UserError
from bpcompile.expr import BOOK, Apply, Expr, Number, Var, spell, variables
from bpcompile.gate import FreeText, UnsafeTemplate
from bpcompile.inplace import SCRATCH, Assign, Assignments, assignments
from bpcompile.number import NUMBER, ROUNDED, as_numbers, as_rounded
from bpcompile.operators.entry import Body, Map
from bpcompile.step import Call
from bpcompile.target import IN_PLACE, Target

LINE = 88
#: 1 divided by an array, for which a target may have a quicker word.
RECIPROCAL = "reciprocal"
_COMMUTATIVE = ("add", "mul")
_PLAIN = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,;:!()[]_+-=/*~@|^"
)


class Words:
    """What templates say of expressions and texts, in the target's own spelling."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.settings = target.settings

    def spell(
        self, value: Expr | Number | str, names: Mapping[str, str] | None = None
    ) -> str:
        """An expression, a number or a name, as the target writes it."""
        if isinstance(value, Expr):
            spelling = self.settings["primitives"]
            if NUMBER in self.settings:
                value = as_numbers(value)
                spelling = {**spelling, NUMBER: self.settings[NUMBER]}
            if ROUNDED in self.settings:
                value = as_rounded(value, partial(self._rounded, names=names))
            return spell(value, spelling, names or {})
        return value if isinstance(value, str) else repr(value)

    def _rounded(self, value: Expr, names: Mapping[str, str] | None) -> str:
        """A number of the widest type, as one of the arrays' type."""
        text = self.scalar(value, names)
        tight = re.fullmatch(r"\w+|[0-9][\w.+-]*", text)
        form = f"tight {ROUNDED}" if tight else ROUNDED
        return str(self.settings[form]).format(text)

    def scalar(self, value: Expr, names: Mapping[str, str] | None = None) -> str:
        """An expression of scalars alone, for which a language may have other words.

        What its functions make of a number must not be wider than the arrays are.
        """
        scalars = self.settings.get("scalars", {})
        table = {**self.settings["primitives"], **scalars}
        return spell(value, table, {"pi": scalars.get("pi", "pi"), **(names or {})})

    def assign_scalar(self, name: str, value: Expr, names: Mapping[str, str]) -> str:
        """A statement that gives a scalar its value, augmented where the target can."""
        place = names.get(name, name)
        match value:
            case Apply(primitive, (Var(same), rest)) if same == name:
                if form := self.settings.get("augmented", {}).get(primitive):
                    return str(form).format(place, self.scalar(rest, names))
        return f"{place} = {self.scalar(value, names)}"

    def change(self, statement: Map, names: Mapping[str, str]) -> str:
        """A statement on an array that stands first or second in the expression."""
        assert isinstance(statement.value, Apply)
        operation, operands = statement.value.primitive, list(statement.value.args)
        if operands[0] != Var(statement.target) and operation in _COMMUTATIVE:
            operands.reverse()
        assert operands[0] == Var(statement.target)
        form = str(self.settings["augmented"][operation])
        return form.format(names[statement.target], self.spell(operands[1], names))

    def changes(self, statement: Map, names: Mapping[str, str]) -> list[str]:
        """A statement on an array as changes of it, one after the other, which need no
        second array: w → k w - x as w → k w and w → w - x. [] where it is none."""
        here, rest, made = Var(statement.target), statement.value, list[Map]()
        while isinstance(rest, Apply) and here not in rest.args:
            first, *others = rest.args
            if rest.primitive not in self.settings["augmented"] or len(others) != 1:
                return []
            if here in variables(others[0]):
                return []
            made.append(Map(here.name, Apply(rest.primitive, (here, others[0]))))
            rest = first
        if not isinstance(rest, Apply):
            return []
        made.append(Map(here.name, rest))
        return [self.change(each, names) for each in reversed(made)]

    def listed(self, before: str, items: Iterable[str], after: str, indent: int) -> str:
        """Items between brackets as formatters have them: on one line if they fit, else
        on a line of their own, else on a line each."""
        pad, parts = " " * indent, list(items)
        line = f"{pad}{before}{', '.join(parts)}{after}"
        if len(line) <= LINE:
            return line
        inner = f"{pad}    {', '.join(parts)}"
        if len(inner) > LINE:
            inner = "\n".join(f"{pad}    {part}," for part in parts)
        return f"{pad}{before}\n{inner}\n{pad}{after}"

    def call(self, call: Call, names: Mapping[str, str], indent: int = 8) -> str:
        """A call for its effect, each argument under its name here."""
        arguments = [names.get(name, name) for name in call.reads]
        return self.listed(f"{call.function}(", arguments, ")", indent)

    def in_place(
        self,
        body: Body | Expr,
        storage: Mapping[str, str],
        destination: str,
        consumable: Iterable[str],
        scratch: str = SCRATCH,
    ) -> Assignments:
        """Three-address statements; see `bpcompile.inplace.assignments`."""
        if isinstance(body, Expr):
            body = (Map("result", body),)
        return assignments(body, storage, destination, consumable, scratch)

    def assign(self, line: Assign) -> str:
        """One three-address statement: augmented where the target can, else a call."""
        operands = [
            self.scalar(operand) if isinstance(operand, Expr) else self.spell(operand)
            for operand in line.operands
        ]
        if line.reduces:
            reduction = self.settings["reductions"][line.operation]
            return f"{line.destination} = {reduction.format(*operands)}"
        augmented = self.settings.get("augmented", {}).get(line.operation)
        if augmented:
            if operands[0] == line.destination:
                return str(augmented).format(line.destination, operands[1])
            if operands[1] == line.destination and line.operation in _COMMUTATIVE:
                return str(augmented).format(line.destination, operands[0])
        forms = self.settings[IN_PLACE]
        form = forms[line.operation]
        if line.operation == "div" and line.operands[0] == 1:
            form = forms.get(RECIPROCAL, form)
        return str(form).format(*operands, d=line.destination)

    def comment(self, text: str, indent: int = 8) -> str:
        """A comment line, broken where the line is full at the end of a clause."""
        sign = " " * indent + str(self.settings["comment"]) + " "
        lines = clauses(text, LINE - len(sign), "     ")
        return "\n".join(sign + line for line in lines)

    def docstring(self, said: str, note: str) -> str:
        """Of a function: on one line if it fits, else the note on lines of its own."""
        line = f'    """{said}{"; " if note else ""}{note}."""'
        if len(line) <= LINE:
            return line
        lines = [
            *_wrapped(f'"""{said}.'),
            *(["", *_wrapped(f"{note}.")] if note else []),
        ]
        return "\n".join([*lines, '    """'])

    def literal(self, text: str, room: int, indent: str = "") -> str:
        """The one place where a text becomes code: ASCII, every risk escaped.

        On one line if it fits in `room` columns, else in parts of at most `width`
        columns between `open` and `close`, all of them indented.
        """
        rules = self.settings["literal"]
        quote, width = rules["quote"], rules["width"] - len(indent)
        parts = [""]
        if rules.get("encoding"):
            text = text.encode(rules["encoding"]).decode("latin-1")
        for character in text:
            written = self._escaped(character)
            if len(parts[-1]) + len(written) > width:
                parts.append("")
            parts[-1] += written
        quoted = [f"{quote}{part}{quote}" for part in parts]
        if len(quoted) == 1 and len(quoted[0]) <= room:
            return quoted[0]
        lines = "".join(f"{indent}    {part}\n" for part in quoted)
        return f"{rules['open']}\n{lines}{indent}{rules['close']}"

    def declared(self, text: FreeText) -> str:
        """The line that declares a free text, of which a template sees a mark alone."""
        if not isinstance(text, FreeText):
            raise UnsafeTemplate(f"declared() takes free text, not {text!a}")
        return text.mark

    def declaration(self, name: str, text: str) -> str:
        """The statement that gives a free text its name: the gate puts it in.

        Raises UserError where the text is longer than the target takes, UnsafeTemplate
        where the target's own grammar does not read it as literals and nothing else.
        """
        rules = self.settings["literal"]
        length, most = len(text.encode("utf-8")), rules.get("most")
        if most and length > most:
            raise UserError(
                f"{name} has {length:,} bytes, target {self.target.name} takes "
                f"{most:,}; shorten it"
            )
        before, after = rules["before"].format(name.upper()), rules["after"]
        room = LINE - len(before) - 1 - len(after)
        literal = self.literal(text, room, rules["indent"])
        literal = literal.rstrip() if literal[0] == "\n" else f" {literal}"
        grammar, opening, closing = rules["grammar"], rules["open"], rules["close"]
        several = rf"(?:\n +{grammar})+"
        if opening:
            several = rf" {re.escape(opening)}{several}\n *{re.escape(closing)}"
        if not re.fullmatch(rf" {grammar}|{several}", literal):
            raise UnsafeTemplate(f"the literal of {name} is not what [literal] allows")
        return f"{before}{literal}{after}"

    def _escaped(self, character: str) -> str:
        rules = self.settings["literal"]
        code = ord(character)
        if character in _PLAIN:
            return character
        if character in rules["escaped"]:
            return str(rules["escaped"][character])
        form = (
            rules["byte"]
            if code < 0x100
            else rules["short"]
            if code < 0x10000
            else rules["long"]
        )
        return str(form).format(code)


def book(value: Expr, names: Mapping[str, str]) -> str:
    """An expression in the book's notation, for a comment."""
    return spell(value, BOOK, names)


def rule(title: str) -> str:
    """The title of a section, drawn out to a rule of 80 columns."""
    return f"---- {title} ".ljust(78, "-")


def clauses(text: str, room: int, indent: str = "") -> list[str]:
    """A text in lines, broken where one is full at the end of a clause."""
    lines = [""]
    for clause in re.split(r"(?<=[,;] )", text):
        if lines[-1] and len(lines[-1] + clause.rstrip()) > room:
            lines.append(indent)
        lines[-1] += clause
    return [line.rstrip() for line in lines]


def filled(text: str, indent: int, hang: int = 8) -> str:
    """A statement in lines: where one is full it is broken after a comma or an operator,
    as far outside of brackets as may be, a choice before both of its signs."""
    pad, deeper = " " * indent, " " * (indent + hang)
    lines: list[str] = []
    while len(pad + text) > LINE:
        if choice := re.fullmatch(r"(.*?) (\? .*) (: .*)", text):
            first, *signs = choice.groups()
            lines += [pad + first, *(deeper + sign for sign in signs)]
            return "\n".join(lines)
        places = [m.end() for m in re.finditer(r"(?<=,) |(?<= [-+*/=]) ", text)]
        fit = [place for place in places if len(pad) + place <= LINE + 1]
        if not fit:
            break
        # Of places at the same depth that after the sign that binds least, the last.
        cut = min(fit, key=lambda p: (_depth(text[:p]), _binding(text[p - 2]), -p))
        lines.append(pad + text[:cut].rstrip())
        if _depth(text[:cut]) > 0:
            inner = " " * (len(pad) + hang)
            # What a broken operand is added to or multiplied by begins a line.
            ends = (p for p in places if p > cut and _depth(text[:p]) == 0)
            if end := next(ends, 0):
                lines.append(inner + text[cut:end].rstrip())
                cut = end
            else:
                deeper = inner
        pad, text = deeper, text[cut:]
    return "\n".join([*lines, pad + text])


def _binding(sign: str) -> int:
    """How closely a sign binds what stands on both sides of it; = is as good as any."""
    return {",": 0, "+": 1, "-": 1}.get(sign, 2)


def _depth(text: str) -> int:
    """How many brackets are open at the end of a text."""
    return text.count("(") - text.count(")")


def _wrapped(text: str) -> list[str]:
    """Lines of a docstring, broken between words."""
    lines = ["   "]
    for word in text.split(" "):
        # The quotes that close it would join a text of one line.
        if len(lines[-1]) + 1 + len(word) > LINE - 3:
            lines.append("   ")
        lines[-1] += f" {word}"
    return lines
