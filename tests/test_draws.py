"""What Hypothesis draws is a matter of the test alone, not of what ran before it."""

from __future__ import annotations

import importlib
import pathlib

import hypothesis
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from random_specs import repeatable

MEND = f"""Hypothesis {hypothesis.__version__} drew other values once another module was
loaded: look in its providers for what collects the constants of loaded modules, which
was _get_local_constants, and mend hold_draws in tests/conftest.py"""


def drawn() -> list[object]:
    found: list[object] = []

    @seed(0)
    @settings(repeatable, max_examples=300)
    @given(st.tuples(st.integers(), st.floats(allow_nan=False), st.text()))
    def note(values: object) -> None:
        found.append(values)

    note()
    return found


def test_a_module_more_changes_nothing(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = drawn()
    constants = [(n, n + 0.25, f"word {n}") for n in range(1000, 1200)]
    (tmp_path / "loaded_later.py").write_text(f"CONSTANTS = {constants}\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("loaded_later")
    assert drawn() == first, MEND
