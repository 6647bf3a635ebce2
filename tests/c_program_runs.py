"""A generated C program beside the NumPy program of the same spec, in one folder."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import subprocess
from typing import Any

import numpy as np
from c_modules import QUICK, STRICT, TARGET, compiled
from modules import inputs, labels, spec_for
from support import module_of, renderer, text_of

from bpcompile.lower import lower
from bpcompile.spec import NetworkSpec

PROGRAM = (*STRICT, "-O1")
#: Every error ends the program, so that no test overlooks one. Not optimised, as then
#: every access is watched that the text has, in a third of the time.
SANITIZED = (
    *(*STRICT, *QUICK),
    *("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
)
XY = ("--x", "x.npy", "--y", "y.npy")
TESTED = (*XY, "--test-x", "x9.npy", "--test-y", "y9.npy")


class Pair:
    """Both programs, and the data that they read."""

    def __init__(
        self, spec: NetworkSpec, capsys: Any, flags: tuple[str, ...] = PROGRAM
    ) -> None:
        self.module, self.capsys = module_of(spec), capsys
        self.binary = compiled(text_of(spec, TARGET), flags)
        self.weights = pathlib.Path(f"{spec.name}.safetensors")

    def numpy(self, *words: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of the NumPy program."""
        code = self.module.main(list(words))
        out, err = self.capsys.readouterr()
        return code, out, err

    def c(self, *words: str, **options: Any) -> tuple[int, str, str]:
        """The same of the C program."""
        done = run_binary(self.binary, *words, **options)
        return done.returncode, done.stdout, done.stderr

    def lines(self, *words: str, code: int = 0) -> list[str]:
        """What both print, times and names of programs apart; they must agree."""
        found = [self.numpy(*words), self.c(*words)]
        ours, theirs = ([c, alike(out), alike(err)] for c, out, err in found)
        assert theirs == ours, (theirs, ours)
        assert ours[0] == code
        return list(found[1][1].splitlines())

    def written(self, run: Any, *words: str) -> bytes:
        """The weights that a silent training of one of the two writes."""
        assert run("train", *XY, "--quiet", *words) == (0, "", "")
        return self.weights.read_bytes()


def run_binary(
    binary: pathlib.Path, *words: str, **options: Any
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [binary, *words],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        env={**os.environ, **options.pop("env", {})},
        **options,
    )


def ran(path: pathlib.Path, *words: str, code: int = 0, **options: Any) -> str:
    """What a program prints that ends with that code."""
    done = run_binary(path, *words, **options)
    assert done.returncode == code, done.stderr
    return done.stdout


def started(binary: pathlib.Path, *words: str, **options: Any) -> Any:
    """A process of its own group, so that a signal reaches it alone."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    # In a shell's background job SIGINT is ignored, and what starts from there as well.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen([binary, *words], encoding="utf-8", **options)
    finally:
        signal.signal(signal.SIGINT, before)


def alike(text: str) -> str:
    """A program's text without what may differ: times, its own name, rounding errors,
    and a folder's whole path, which no system call gives where there is no folder."""
    text = re.sub(r"\d+\.\d\d s  \d+ examples/s$", "TIME", text, flags=re.MULTILINE)
    text = re.sub(r"there is no folder \S+", "there is no folder", text)
    text = re.sub(r"difference \d\.\de[-+]\d+", "difference D", text)
    return re.sub(r"\(see \S+ ", "(see PROGRAM ", text)


def write_data(kind: str) -> None:
    """x.npy and y.npy with six examples, x9.npy and y9.npy with nine."""
    np.save("x.npy", inputs())
    np.save("y.npy", labels(kind))
    np.save("x9.npy", inputs(9, 5))
    np.save("y9.npy", labels(kind, 9, 6))


def pair(kind: str, capsys: Any, flags: tuple[str, ...] = PROGRAM, **spec: Any) -> Pair:
    """Both programs for a kind of task, in the current folder."""
    write_data(kind)
    return Pair(spec_for(kind, **spec), capsys, flags)


def header_of(spec: NetworkSpec) -> str:
    """The header of the C target."""
    return renderer(TARGET).header(lower(spec)).text
