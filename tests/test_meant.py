"""What a wrong key was meant for, wherever that key stands."""

from __future__ import annotations

import pytest

from bpcompile import meant


@pytest.mark.parametrize("word", sorted(meant._ABBREVIATIONS))
def test_every_word_of_other_tools_has_a_place(word: str) -> None:
    found = meant.key_elsewhere(word)
    assert found is not None
    assert meant._ABBREVIATIONS[word] in found.replace(".", '"').split('"')


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("gamma", '"factor" of the schedule "step"'),
        ("epsilon", '"epsilon" of the optimizer "adagrad"'),
        ("lr", "hyperparameters.learning_rate"),
        ("LR", "hyperparameters.learning_rate"),
        ("patience", "hyperparameters.early_stopping.patience"),
        ("L2", "hyperparameters.regularization.l2"),
        ("Cost", '"cost" at the top level'),
        ("activaton", '"activation" in a layer after the first'),
        ("scalng", '"scaling" in the first layer'),
        ("formla", '"formula" in one of operators.activations'),
        ("banana", None),
        # Near to "factor" and to "max_norm", but too short to be sure of.
        ("act", None),
        ("max", None),
    ],
)
def test_key_elsewhere_is_named_with_its_place(word: str, expected: str | None) -> None:
    assert meant.key_elsewhere(word) == expected


def test_section_that_may_be_left_out_has_its_keys() -> None:
    _, holder, _ = meant.walk(("hyperparameters", "early_stopping", "patince"))
    assert meant.meant_key("patince", meant.keys_of(holder)) == "patience"
