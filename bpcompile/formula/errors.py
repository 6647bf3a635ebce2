"""What is wrong with a formula, and where in its text."""

from __future__ import annotations


class FormulaError(Exception):
    """One mistake: `start` and `end` are offsets into the text of `key`.

    message    goes on where the name of the key ends: "has no value at z = 0"
    key        the key of the operator that holds the text
    """

    def __init__(
        self, message: str, hint: str = "", span: tuple[int, int] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.span = span
        self.key = "formula"
