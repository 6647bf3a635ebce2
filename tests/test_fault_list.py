"""Every fault of the list has a test with its id, and a line in docs/faults.md."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from support import ROOT, run, shared

#: Those of data, checkpoints, signals, numbers and gradients.
FAMILIES = ("DAT", "CKP", "SIG", "NUM", "GRD")
PAGE = ROOT / "docs" / "faults.md"

#: Prints, for each id, the tests that are marked with it and what else they are marked.
COLLECT = """
import contextlib, io, json, sys, pytest
class Marked:
    def pytest_collection_finish(self, session):
        self.found = {}
        for item in session.items:
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


def collected(*words: Any) -> dict[str, dict[str, list[str]]]:
    """By id, the tests that pytest finds with these words, and their marks."""
    done = run(sys.executable, "-c", COLLECT, *words, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, list[str]]] = json.loads(done.stdout)
    return found


def listed() -> list[str]:
    """The ids of the list that stands beside the project."""
    cases = json.loads(shared("cases/faults.json").read_text("utf-8"))
    return [case["id"] for case in cases]


def on_the_page() -> list[str]:
    return re.findall(r"^\| ([A-Z]{3}-\d\d) \|", PAGE.read_text("utf-8"), re.MULTILINE)


def of_families(ids: Any) -> set[str]:
    return {fault for fault in ids if fault[:3] in FAMILIES}


#: What not every system lets one see: processes that fork, folders of open files.
OF_THE_SYSTEM = {"CKP-03", "CKP-14", "SIG-05"}


def test_marks_are_those_of_the_page_and_none_is_left_out() -> None:
    """A test may skip where something is missing, and says so; never all of an id's."""
    files = sorted((ROOT / "tests").glob("test_*.py"))
    marked = collected(*[f for f in files if "mark.fault" in f.read_text("utf-8")])
    ids = on_the_page()
    assert len(ids) == len(set(ids))
    assert of_families(marked) == of_families(ids)
    for tests in marked.values():
        assert not [
            test for test, marks in tests.items() if {"xfail", "skip"} & {*marks}
        ]
    may_skip = {
        fault
        for fault, tests in marked.items()
        if all("skipif" in marks for marks in tests.values())
    }
    assert of_families(may_skip) == OF_THE_SYSTEM


def test_the_page_has_every_fault_of_the_list() -> None:
    assert of_families(listed()) == of_families(on_the_page())


def test_minus_k_finds_the_tests_of_one() -> None:
    file = ROOT / "tests" / "test_checkpoint_program.py"
    whole, found = collected(file), collected("-k", "CKP-13", file)
    assert set(found) == {"CKP-13"}
    assert found["CKP-13"] == whole["CKP-13"]
    assert len(found["CKP-13"]) == 2
