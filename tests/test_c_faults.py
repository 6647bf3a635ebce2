"""Planted faults in generated C: the comparisons with the reference find each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from c_modules import QUICK, TARGET, Library, compiled
from faults import SPECS, Fault
from faults_c import FAULTS
from support import spec_of, text_of
from test_faults import findings


def library(fields: dict[str, Any], fault: Fault | None = None) -> Library:
    spec = spec_of(**fields)
    text = text_of(spec, TARGET, library=True)
    text = fault.planted(text, TARGET) if fault else text
    path = compiled(text, ("-std=c11", *QUICK, "-fPIC", "-shared", "-w"))
    return Library(spec, path, "float64")


@pytest.mark.parametrize("spec", SPECS)
def test_nothing_is_found_where_nothing_is_planted(spec: str) -> None:
    assert list(findings(library(SPECS[spec]), SPECS[spec])) == []


@pytest.mark.fault("GRD-04")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault_is_found(fault: Fault) -> None:
    fields = SPECS[fault.spec]
    with np.errstate(all="ignore"):
        assert list(findings(library(fields, fault), fields)) != []
