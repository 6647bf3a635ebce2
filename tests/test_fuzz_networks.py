"""Random networks of the whole language, each proven by the whole chain.

generated module <- reference <- complex step of the reference's cost, at 1e-12. Every
spec is compiled for one of the targets that can be imported, in turn; a run of CI draws
2,000, always the same ones, `make fuzz` 10,000.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from comparison import values_apart
from fuzzing import PARTS, share
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st
from oracle import apart, library, scaling_of
from random_specs import data_for, repeatable, specs, without_validation
from support import TARGETS

from bpcompile import reference
from bpcompile.spec import NetworkSpec

EXACT = 1e-12
PHASES = (Phase.generate, Phase.shrink)


@pytest.mark.parametrize("part", range(PARTS))
def test_random_specs(part: int, figures: Callable[..., None]) -> None:
    found: list[float] = []

    @seed(part)
    @settings(repeatable, max_examples=share(10_000, 2_000), phases=PHASES)
    @given(specs(), st.integers(1, 9), st.integers(0, 2**20))
    def check(spec: NetworkSpec, n: int, data_seed: int) -> None:
        apart_by = proven(without_validation(spec), n, data_seed, len(found))
        found.append(apart_by)
        assert apart_by <= EXACT

    check()
    figures(
        "random specs against reference and complex step",
        **{"proven": len(found), "largest difference": max(found)},
    )


def proven(spec: NetworkSpec, n: int, data_seed: int, number: int) -> float:
    """The largest difference, before and after the scaling has been fitted."""
    x, y = data_for(spec, n, data_seed)
    net = library(spec, TARGETS[number % len(TARGETS)]).Network()
    initial = reference.initial_parameters(spec)
    unfitted = scaling_of(spec, x, fitted=False)
    # Bytes that nothing scales down yet would overflow the first exp.
    calm = x if unfitted else x / max(1.0, float(np.abs(x).max()))
    found = [apart(net.parameters, initial), values_apart(spec, net, calm, y, unfitted)]
    # No epoch trains nothing, but fits the scaling.
    net.train(x, y, epochs=0)
    fitted = scaling_of(spec, x)
    found.append(apart(net.parameters, initial))
    if fitted != unfitted:
        found.append(values_apart(spec, net, x, y, fitted))
    return float(np.max(found))  # NaN counts
