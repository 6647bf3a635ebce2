"""How many arrays steps compute in, where the target's style is to write in place.

Those of a layer's steps follow one another, so that all of them may take the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bpcompile.functions import IN_STEPS, Function
from bpcompile.inplace import Assignments, assignments
from bpcompile.operators.entry import Map
from bpcompile.plan import Block, Plan
from bpcompile.step import ErrorStep, Step
from bpcompile.steps import Activate, UpdateParameter


def function_in_place(function: Function) -> Assignments:
    """Its body over its parameters, of which the first is the result's place too, where
    it is not kept."""
    given = function.parameters
    into = function.result if function.keeps else given[0]
    free = () if function.keeps else given
    return assignments(function.body, dict(zip(given, given, strict=True)), into, free)


def error_in_place(step: ErrorStep) -> Assignments:
    """The error without what named functions do to it afterwards."""
    free = () if step.through else step.consumes_early
    body = (Map("result", step.value),)
    return assignments(body, step.storage, step.result.name, free)


def scratch_of_functions(functions: Iterable[Function]) -> dict[str, int]:
    """How many arrays like what they are given functions compute in, by their names;
    those that need none are left out."""
    counts = {f.name: _count(function_in_place(f)) for f in _in_place(functions)}
    return {name: count for name, count in counts.items() if count}


def scratch_of_layers(plan: Plan) -> dict[int, int]:
    """How many arrays like a layer's own its steps need at once, by its number; layers
    that need none are left out."""
    named = scratch_of_functions(plan.functions)
    found: dict[int, int] = {}
    for step in _steps(plan):
        found[step.layer] = max(found.get(step.layer, 0), _of_step(step, named))
    return {layer: count for layer, count in found.items() if count}


def operations_in_place(
    functions: Iterable[Function], plan: Plan | None
) -> frozenset[str]:
    """What functions, and errors that a plan has in line, do to arrays."""
    codes = [function_in_place(f) for f in _in_place(functions)]
    steps = _steps(plan) if plan else ()
    codes += [error_in_place(s) for s in steps if isinstance(s, ErrorStep)]
    return frozenset(line.operation for code in codes for line in code.lines)


def scratch_of_update(blocks: Iterable[Block]) -> dict[str, int]:
    """How many arrays like a parameter its update needs at once, by its name; those
    that need none are left out."""
    steps = [step for block in blocks for step in block.steps]
    updates = [step for step in steps if isinstance(step, UpdateParameter)]
    found: dict[str, int] = {}
    for step in updates:
        name = step.parameter.name
        found[name] = max(found.get(name, 0), _of_update(step))
    return {name: count for name, count in found.items() if count}


def _in_place(functions: Iterable[Function]) -> list[Function]:
    return [f for f in functions if f.purpose in IN_STEPS]


def _steps(plan: Plan) -> list[Step]:
    blocks = (*plan.forward, *plan.backward)
    return [step for block in blocks for step in block.steps]


def _of_step(step: Step, named: Mapping[str, int]) -> int:
    match step:
        case Activate():
            return named.get(step.function, 0)
        case ErrorStep():
            calls = [named.get(call.function, 0) for call in step.calls]
            return max([_count(error_in_place(step)), *calls])
    return 0


def _of_update(step: UpdateParameter) -> int:
    storage = {name: name for name in ("w", "nabla", *dict(step.state))}
    made = [assignments((s,), storage, s.target, ()) for s in step.before]
    if step.body:
        made.append(assignments(step.body, storage, "w", ("nabla",)))
    return max((_count(code) for code in made), default=0)


def _count(code: Assignments) -> int:
    return len(code.scratch) + len(code.masks)
