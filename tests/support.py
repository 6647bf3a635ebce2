"""What several test files need: compiling in memory, comparing, finding folders."""

from __future__ import annotations

import functools
import itertools
import json
import os
import pathlib
import subprocess
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from bpcompile.lower import lower
from bpcompile.render import Renderer
from bpcompile.spec import NetworkSpec
from bpcompile.target import load_target, target_names

ROOT = pathlib.Path(__file__).resolve().parent.parent
SPECS = ROOT / "specs"
SHARED = ROOT.parent / "shared"
#: Those whose modules a test can import.
TARGETS = ("numpy", "numpy-textbook")
EVERY_TARGET = tuple(target_names())
#: Whether the long forms of tests run.
LONG = bool(os.environ.get("BPCOMPILE_LONG"))

_numbers = itertools.count()


def spec_of(**fields: Any) -> NetworkSpec:
    """A valid spec from its fields, lists instead of tuples allowed."""
    return NetworkSpec.model_validate_json(json.dumps(fields))


@functools.cache
def renderer(target: str) -> Renderer:
    """The compiled templates of a target, shared by all tests of a process."""
    return Renderer(load_target(target))


def text_of(spec: NetworkSpec, target: str = "numpy", library: bool = False) -> str:
    """The generated text for a spec."""
    module, *_ = renderer(target).render(lower(spec), library)
    return module.text


def module_of(spec: NetworkSpec, target: str = "numpy") -> ModuleType:
    """The generated module for a spec, imported from memory."""
    name = f"generated_{next(_numbers)}"
    module = ModuleType(name)
    sys.modules[name] = module
    exec(compile(text_of(spec, target), name, "exec"), module.__dict__)
    return module


def difference(a: Any, b: Any) -> float:
    """max |a - b| / max(1, max |b|), the contract's measure of equality."""
    left, right = np.asarray(a, float).ravel(), np.asarray(b, float).ravel()
    assert left.shape == right.shape, (left.shape, right.shape)
    if left.size == 0:
        return 0.0
    return float(np.abs(left - right).max() / max(1.0, np.abs(right).max()))


def run(*command: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    """A command run to its end, its output captured as UTF-8 text."""
    options = {"encoding": "utf-8", "timeout": 120, **options}
    return subprocess.run(
        [str(part) for part in command], capture_output=True, **options
    )


def bpcompile(*arguments: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command line, in a process of its own."""
    return run(sys.executable, "-m", "bpcompile", *arguments, **options)


def shared(path: str) -> pathlib.Path:
    """A file of the shared folder; the test is skipped where that is absent."""
    found = SHARED / path
    if not os.path.exists(found):
        pytest.skip(f"the folder shared/ does not stand beside the project ({path})")
    return found
