"""C programs of ranks: what is wrong is said once, and how they are written."""

from __future__ import annotations

import os
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from c_modules import QUICK, STRICT, TARGET, tool
from c_mpi_runs import (
    DECIDES,
    DIGITS,
    digits,
    ended,
    mpi_tool,
    program,
    shared,
    write_digits,
)
from support import LONG, spec_of, text_of
from test_c_style import FORMAT


@pytest.fixture
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    write_digits()
    return tmp_path


# ---- What is wrong is said once ----------------------------------------------------


def by_rank(binary: pathlib.Path, ranks: int = 3) -> subprocess.CompletedProcess[str]:
    """A job whose ranks read files of their own."""
    command = f"exec {binary} train --x x$PMI_RANK.npy --y y$PMI_RANK.npy --epochs 1"
    return ended(ranks, "sh", "-c", command)


WRONG = {
    "short": "y has shape (60,), expected labels (59,) or values (59, 10)",
    "wide": "x has shape (60, 63), expected (n, 64)",
    "nan": "x is nan at row 25, column 4, not finite",
    "absent": "No such file or directory",
    "type": "x has 60 rows of 64 numbers of type <f4, on rank 0 there are 60 of 64 of",
}


@pytest.mark.parametrize("fault", WRONG)
def test_wrong_data_on_one_rank(here: pathlib.Path, fault: str) -> None:
    with np.load(DIGITS) as data:
        x, y = data["x_train"][:60].astype(float), data["y_train"][:60].astype(int)
    for rank in range(3):
        np.save(f"x{rank}.npy", x)
        np.save(f"y{rank}.npy", y)
    nan = x.copy()
    nan[25, 4] = np.nan
    changed = {"short": x[:59], "wide": x[:, :63], "nan": nan, "type": x.astype("f4")}
    if fault == "absent":
        os.remove("x1.npy")
    else:
        np.save("x1.npy", changed[fault])
    done = by_rank(program(shared(digits())))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: rank 1: ")
    assert WRONG[fault] in done.stderr
    assert not pathlib.Path("digits.safetensors").exists()


def test_what_is_wrong_on_every_rank_names_none(here: pathlib.Path) -> None:
    binary = program(shared(digits()))
    done = ended(3, binary, "train", "--data", "none.npz")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: none.npz: No such file or directory\n"
    done = ended(2, binary, "tran")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


# ---- How it is written -------------------------------------------------------------


def variants() -> Iterator[tuple[dict[str, Any], bool]]:
    """Specs, and whether the library is looked at."""
    plain = digits(accumulate=3, optimizer="sgd")
    plain["hyperparameters"].pop("clipping")
    yield shared(DECIDES), False
    yield plain, True
    if LONG:
        yield from [(shared(plain), False), (shared(DECIDES), True), (plain, False)]
        yield {**shared(plain), "dtype": "float32"}, True


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_clean_under_every_compiler(tmp_path: pathlib.Path, compiler: str) -> None:
    tool(compiler)
    for fields, library in variants():
        text = text_of(spec_of(**fields), TARGET, library=library)
        path = tmp_path / "n.c"
        path.write_text(text)
        done = subprocess.run(
            [mpi_tool("mpicc"), *STRICT, *QUICK, "-c", path, "-o", tmp_path / "n.o"],
            env={**os.environ, "MPICH_CC": compiler},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
        style = f"--style=file:{FORMAT}"
        formatted = [tool("clang-format"), style, "--dry-run", "--Werror", str(path)]
        assert subprocess.run(formatted).returncode == 0
