"""Compile a spec and import what came out, for the benchmarks."""

from __future__ import annotations

import importlib.util
import pathlib
import sys
import tempfile
from collections.abc import Sequence
from types import ModuleType

from bpcompile import compile_spec

ROOT = pathlib.Path(__file__).resolve().parent.parent


def compiled(
    spec: str | pathlib.Path, target: str | None = None, overrides: Sequence[str] = ()
) -> ModuleType:
    """The module of a spec file, imported from a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "generated.py"
        path.write_text(compile_spec(spec, target, overrides), "utf-8")
        found = importlib.util.spec_from_file_location("generated", path)
        assert found is not None and found.loader is not None
        module = importlib.util.module_from_spec(found)
        sys.modules["generated"] = module
        found.loader.exec_module(module)
    return module
