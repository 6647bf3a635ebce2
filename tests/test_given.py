"""What the Python API takes, and what it answers to anything else."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from support import SPECS

import bpcompile
from bpcompile import (
    UserError,
    diff,
    explain,
    load_spec,
    lower,
    summarize,
    worked_example,
)

PATH = SPECS / "xor.json"


def test_all_public_names_are_listed() -> None:
    assert set(bpcompile.__all__) <= set(dir(bpcompile))


def test_a_path_serves_as_well_as_what_is_read_from_it() -> None:
    spec = load_spec(PATH)
    assert str(worked_example(PATH)) == str(worked_example(spec))
    found = [summarize(given).text() for given in (str(PATH), PATH, spec, lower(spec))]
    assert len(set(found)) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda: worked_example({}),  # type: ignore[arg-type]
        lambda: summarize({}),  # type: ignore[arg-type]
        lambda: explain({}),  # type: ignore[arg-type]
        lambda: diff({}, {}),  # type: ignore[arg-type]
        lambda: diff(PATH, {}),  # type: ignore[arg-type]
    ],
)
def test_anything_else_is_refused_with_what_is_taken(call: Callable[[], Any]) -> None:
    with pytest.raises(UserError, match="a spec is a path or a NetworkSpec, got dict"):
        call()


@pytest.mark.parametrize("layer", ["2", 2.0, True])
def test_a_layer_is_a_number(layer: Any) -> None:
    with pytest.raises(UserError, match="layer is a number from 1, got"):
        explain(PATH, layer=layer)


def test_a_worked_example_is_shown_in_notebooks() -> None:
    shown = worked_example(PATH)._repr_html_()
    assert shown.startswith('<div class="bp-explain">') and "<html" not in shown
    text = re.sub(r"<[^>]*>", "", shown)
    assert "Worked example" in text and shown.count("<math") > 50
