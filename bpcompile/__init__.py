"""Compile a JSON network spec into a standalone trainer with BP1-BP4 written out.

>>> from bpcompile import compile_spec
>>> text = compile_spec("specs/xor.json")

The functions of the pipeline are importable from here and loaded on first use, so
that `import bpcompile` and `bpcompile --version` cost nothing.
"""

from __future__ import annotations

import sys
from types import ModuleType

# That of typing without its import: see `bpcompile.cli`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bpcompile.api import compile_spec, load_spec
    from bpcompile.compare.comparison import diff
    from bpcompile.compare.difference import Difference
    from bpcompile.errors import SpecError, SpecErrors, UserError
    from bpcompile.explaining.explanation import Explanation, explain
    from bpcompile.explaining.numbers import WorkedExample, worked_example
    from bpcompile.lower import lower
    from bpcompile.plan import Plan
    from bpcompile.render import SourceFile, render
    from bpcompile.spec import NetworkSpec
    from bpcompile.summary import Summary, summarize
    from bpcompile.target import Target, load_target

__version__ = "0.1.0"

__all__ = [
    "Difference",
    "Explanation",
    "NetworkSpec",
    "Plan",
    "SourceFile",
    "SpecError",
    "SpecErrors",
    "Summary",
    "Target",
    "UserError",
    "WorkedExample",
    "__version__",
    "compile_spec",
    "diff",
    "explain",
    "load_spec",
    "load_target",
    "lower",
    "render",
    "summarize",
    "worked_example",
]

_HOMES = {
    "Difference": "compare.difference",
    "Explanation": "explaining.explanation",
    "NetworkSpec": "spec",
    "Plan": "plan",
    "SourceFile": "render",
    "SpecError": "errors",
    "SpecErrors": "errors",
    "Summary": "summary",
    "Target": "target",
    "UserError": "errors",
    "WorkedExample": "explaining.numbers",
    "compile_spec": "api",
    "diff": "compare.comparison",
    "explain": "explaining.explanation",
    "load_spec": "api",
    "load_target": "target",
    "lower": "lower",
    "render": "render",
    "summarize": "summary",
    "worked_example": "explaining.numbers",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """This package, whose functions are not hidden by the modules they come from.

    Importing `bpcompile.lower` binds that module to the name of the function.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
