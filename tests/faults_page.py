"""docs/planted-faults.md: every planted fault with the test that kills it.

The cells are checked by the tests that plant the faults, each its own, and written anew
by `pytest tests/test_faults.py --update-goldens`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence

import faults_backward
import faults_c
import faults_dropout
import faults_mpi
import faults_training
import faults_updates
from faults import Fault
from support import ROOT, TARGETS

PAGE = ROOT / "docs/planted-faults.md"

#: By the test that plants them.
PLANTED: Mapping[str, tuple[Fault, ...]] = {
    "test_faults.py": (
        faults_backward.FAULTS + faults_training.FAULTS + faults_updates.FAULTS
    ),
    "test_dropout.py": faults_dropout.FAULTS,
}
IN_C: Mapping[str, tuple[Fault, ...]] = {
    "test_c_faults.py": faults_c.FAULTS,
    "test_c_mpi_faults.py": faults_mpi.FAULTS,
}

HEAD = """\
# Planted faults

Is a proof worth anything? The tests break what the templates emit, one fault at a time,
and each must be found by a comparison with the reference: {distinct} distinct faults in
either NumPy target, {in_c} more in C. A fault that is not found fails its test, and so
does one whose line is no longer in the module. A cell names the first comparison, in
the order of the chain of proof, that finds the fault. It is killed by the test
`test_fault_is_found[FAULT-TARGET]` of the file in the heading; `make test` runs them all.
"""


def page(first: Callable[[str, Fault, str], str]) -> str:
    """The text of the page; `first(test, fault, target)` finds a fault."""
    distinct = sum(map(len, PLANTED.values()))
    lines = [HEAD.format(distinct=distinct, in_c=sum(map(len, IN_C.values())))]
    for test, planted in PLANTED.items():
        lines += [f"## tests/{test}\n", _row(["fault", *(f"`{t}`" for t in TARGETS)])]
        lines.append(_row(["---"] * (1 + len(TARGETS))))
        for fault in planted:
            lines.append(row(fault, [first(test, fault, t) for t in TARGETS]))
        lines.append("")
    for test, planted in IN_C.items():
        lines += [f"## tests/{test}\n", _row(["fault"]), _row(["---"])]
        lines += [*(_row([_cell(fault.name)]) for fault in planted), ""]
    return "\n".join(lines)


def row(fault: Fault, found: Sequence[str]) -> str:
    return _row([_cell(fault.name), *found])


@functools.cache
def found_by() -> Mapping[tuple[str, str], str]:
    """What the page says: by fault and target, the comparison that finds it."""
    rows = [line.strip("| ").split(" | ") for line in _lines()]
    return {
        (name, target): found
        for name, *cells in rows
        for target, found in zip(TARGETS, cells, strict=False)
    }


def rows() -> list[str]:
    """The faults that the page names, in its order."""
    return [line.strip("| ").split(" | ")[0] for line in _lines()]


def names() -> list[str]:
    """The faults that are planted, as the page spells them, in its order."""
    groups: Iterable[tuple[Fault, ...]] = (*PLANTED.values(), *IN_C.values())
    return [_cell(fault.name) for group in groups for fault in group]


def says(fault: Fault, target: str) -> str | None:
    """The comparison that finds a fault, by the page; None where it names none."""
    return found_by().get((_cell(fault.name), target))


def _lines() -> list[str]:
    if not PAGE.exists():
        return []
    lines = PAGE.read_text("utf-8").split("\n")
    return [
        line
        for line in lines
        if line.startswith("| ") and not line.startswith(("| ---", "| fault |"))
    ]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(name: str) -> str:
    return name.replace("|", "\\|")  # a bar would end the cell
