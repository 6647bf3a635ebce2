"""Truth values in arithmetic: they count as 1 and 0, in the type of the arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import TARGETS

from bpcompile.expr import Expr, Var, abs_, max_, where
from bpcompile.render import environment
from bpcompile.target import load_target

z, slope = Var("z"), Var("slope", scalar=True)

#: A tree and what it is of z = -2, -0.5, 3 with a slope of 0.5.
CASES: list[tuple[Expr, list[float]]] = [
    (z > 0, [0, 0, 1]),
    (1 - (z > 0), [1, 1, 0]),
    (-(z > 0), [0, 0, -1]),
    ((z > 0) * (z < 2), [0, 0, 0]),
    ((z > -1) + (z < 2), [1, 2, 1]),
    (z * (z > 0), [0, 0, 3]),
    (where(z > 0, 1, 0.5), [0.5, 0.5, 1]),
    (where(z > 0, 1, slope), [0.5, 0.5, 1]),
    (where(z > 0, z, slope), [0.5, 0.5, 3]),
    (where(abs_(z) < 1, z > 0, 2), [2, 0, 2]),
    (max_(z > 0, slope), [0.5, 0.5, 1]),
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case[1]))
def test_numbers_of_the_arrays_type(case: Any, dtype: Any, target: str) -> None:
    tree, expected = case
    text: Any = environment(load_target(target)).globals["spell"]
    arrays = {"np": np, "z": np.array([-2, -0.5, 3], dtype), "slope": 0.5}
    found = eval(text(tree), arrays)
    assert found.dtype == dtype, text(tree)
    assert found.tolist() == expected, text(tree)
