"""What a wrong key was meant for, wherever that key stands."""

from __future__ import annotations

import pytest

from bpcompile import meant


@pytest.mark.parametrize("word", sorted(meant._ABBREVIATIONS))
def test_every_word_of_other_tools_has_a_place(word: str) -> None:
    found = meant.key_elsewhere(word)
    assert found is not None
    assert found[0] == meant._ABBREVIATIONS[word]


@pytest.mark.parametrize(
    ("word", "key", "place"),
    [
        ("gamma", "factor", 'of the schedule "step"'),
        ("epsilon", "epsilon", 'of the optimizer "adagrad"'),
        ("lr", "learning_rate", "in hyperparameters"),
        ("patience", "patience", "in hyperparameters.early_stopping"),
    ],
)
def test_key_elsewhere_is_an_operators_parameter_too(
    word: str, key: str, place: str
) -> None:
    assert meant.key_elsewhere(word) == (key, place)


def test_section_that_may_be_left_out_has_its_keys() -> None:
    _, holder, _ = meant.walk(("hyperparameters", "early_stopping", "patince"))
    assert meant.meant_key("patince", meant.keys_of(holder)) == "patience"
