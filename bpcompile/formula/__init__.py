"""Operators given as formulas in the spec: read, derived, checked, made into entries."""

from bpcompile.formula.entries import own_operators

__all__ = ["own_operators"]
