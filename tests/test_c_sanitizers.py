"""Programs of every kind of network train under AddressSanitizer and UBSan, in silence."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest
from c_modules import DOUBLE, TARGET, compiled
from c_program_runs import SANITIZED, ran
from random_specs import data_for, validation_for
from support import LONG, spec_of, text_of
from test_c_style import FIELDS

#: One for each kind of step, of state and of what is kept between epochs; those with odd
#: numbers have some rows and columns beside whole tiles.
KINDS = (
    *("wide", "narrow", "own_names", "every_start", "all_hidden", "deep_dropout"),
    *("momentum", "adamw", "by_lion", "by_adadelta", "stopping_one", "halving_value"),
    *("class_weights", "softmax_quadratic", "poisson_of_exp", "hinge_one"),
)
ROWS = 23


def saved(folder: pathlib.Path, name: str, values: Any) -> str:
    np.save(folder / name, values)
    return name


@pytest.mark.parametrize("name", KINDS if LONG else KINDS[::3])
def test_training_touches_nothing_but_its_own(
    name: str, tmp_path: pathlib.Path
) -> None:
    # Every other one with the numbers and the vectors that are wider.
    build = (DOUBLE, "-march=native") if KINDS.index(name) % 2 else ()
    fields = FIELDS[name]
    hyper = {"learning_rate": 1e-3, **fields.get("hyperparameters", {}), "epochs": 4}
    spec = spec_of(**{**fields, "hyperparameters": hyper, "name": "network"})
    program = compiled(text_of(spec, TARGET), (*SANITIZED, *build))
    x, y = data_for(spec, ROWS, seed=1)
    words = ["--x", saved(tmp_path, "x.npy", x), "--y", saved(tmp_path, "y.npy", y)]
    if test := validation_for(spec, seed=1):
        names = saved(tmp_path, "u.npy", test[0]), saved(tmp_path, "v.npy", test[1])
        words_of_test = ["--test-x", names[0], "--test-y", names[1]]
    else:
        words_of_test = []
    log = ("--log", "run.jsonl")
    ran(program, "train", *words, *words_of_test, *log, cwd=tmp_path)
    ran(program, "train", *words, *words_of_test, "--quiet", cwd=tmp_path)
    ran(program, "evaluate", *words, *log, cwd=tmp_path)
    ran(program, "predict", "--x", "x.npy", "-o", "p.npy", cwd=tmp_path)
    if DOUBLE in build:
        ran(program, "gradcheck", *words, cwd=tmp_path)
