"""Every fault of the list has a test with its id, and a line in docs/faults.md."""

from __future__ import annotations

import functools
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from support import ROOT, run, shared

#: Those of data, checkpoints, signals, numbers and gradients.
FAMILIES = ("DAT", "CKP", "SIG", "NUM", "GRD")
PAGE = ROOT / "docs" / "faults.md"

#: Prints, for each id, the tests that are marked with it and what else they are marked.
COLLECT = """
import contextlib, io, json, sys, pytest
class Marked:
    def pytest_collection_modifyitems(self, items):
        self.found = {}
        for item in items:
            for mark in item.iter_markers("fault"):
                others = [other.name for other in item.iter_markers()]
                for fault in mark.args:
                    self.found.setdefault(fault, {})[item.nodeid] = others
marked = Marked()
with contextlib.redirect_stdout(io.StringIO()):
    code = pytest.main(["-n0", "--collect-only", *sys.argv[1:]], plugins=[marked])
print(json.dumps(marked.found))
raise SystemExit(code)
"""


def collected(*words: str) -> dict[str, dict[str, list[str]]]:
    """By id, the tests that pytest finds with these words, and their marks."""
    done = run(sys.executable, "-c", COLLECT, *words, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, list[str]]] = json.loads(done.stdout)
    return found


@functools.cache
def marked() -> dict[str, dict[str, list[str]]]:
    """The same of all files in which tests are marked."""
    files = sorted((ROOT / "tests").glob("test_*.py"))
    return collected(*[str(f) for f in files if "mark.fault" in f.read_text("utf-8")])


def listed() -> list[dict[str, Any]]:
    cases = json.loads(shared("cases/faults.json").read_text("utf-8"))
    return [case for case in cases if case["id"][:3] in FAMILIES]


def on_the_page() -> list[str]:
    return re.findall(r"^\| ([A-Z]{3}-\d\d) \|", PAGE.read_text("utf-8"), re.MULTILINE)


def of_families(ids: Any) -> set[str]:
    return {fault for fault in ids if fault[:3] in FAMILIES}


def test_every_fault_of_the_list_has_a_test() -> None:
    found = of_families(marked())
    assert {case["id"] for case in listed()} == found


def test_the_page_has_a_line_for_every_fault() -> None:
    ids = on_the_page()
    assert len(ids) == len(set(ids))
    assert of_families(marked()) == of_families(ids)


#: What not every system lets one see: processes that fork, folders of open files.
OF_THE_SYSTEM = {"CKP-03", "CKP-14", "SIG-05"}


def test_none_is_expected_to_fail_and_none_is_left_out() -> None:
    """A test may skip where something is missing, and says so; never all of an id's."""
    for tests in marked().values():
        assert not [
            test for test, marks in tests.items() if {"xfail", "skip"} & {*marks}
        ]
    may_skip = {
        fault
        for fault, tests in marked().items()
        if all("skipif" in marks for marks in tests.values())
    }
    assert of_families(may_skip) == OF_THE_SYSTEM


@pytest.mark.parametrize("fault", ["DAT-05", "CKP-15", "NUM-08"])
def test_minus_k_finds_the_tests_of_one(fault: str) -> None:
    files = {node.split("::")[0] for node in marked()[fault]}
    found = collected("-k", fault, *sorted(files))
    assert set(found[fault]) == set(marked()[fault])
    assert all(fault in ids_of(found, test) for test in tests_in(found))


def tests_in(found: dict[str, dict[str, list[str]]]) -> set[str]:
    return {test for tests in found.values() for test in tests}


def ids_of(found: dict[str, dict[str, list[str]]], test: str) -> set[str]:
    return {fault for fault, tests in found.items() if test in tests}
