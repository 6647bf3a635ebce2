"""Generated modules that a C compiler takes, loaded into the process of the tests."""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


def compilers() -> list[str]:
    """The C compilers on PATH; the test is skipped where there is none."""
    found = [name for name in ("gcc", "clang") if shutil.which(name)]
    if not found and shutil.which("cc"):
        found = ["cc"]
    if not found:
        pytest.skip("there is no C compiler (gcc, clang or cc) on PATH")
    return found


@functools.cache
def shared_library(text: str, compiler: str, *flags: str) -> ctypes.CDLL:
    """The text as a shared library, compiled once in a process for the same flags."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "module.c"), Path(folder, "module.so")
        source.write_text(text, "utf-8")
        command = [compiler, *flags, "-shared", "-fPIC", source, "-o", library, "-lm"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return ctypes.CDLL(str(library))
