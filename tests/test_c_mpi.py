"""C programs whose ranks share every step: the same network, whatever their number."""

from __future__ import annotations

import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import time
from typing import Any

import numpy as np
import pytest
from c_modules import STRICT, TARGET, tool
from c_mpi_runs import (
    DIGITS,
    SECONDS,
    apart,
    curves,
    digits,
    ended,
    held,
    job,
    mpi_tool,
    program,
    rank_processes,
    shared,
    trained,
    write_digits,
)
from support import LONG, module_of, spec_of, text_of

from bpcompile.safetensors import parsed

Values = dict[str, Any]

#: Ranks change the order of sums alone. Of 330 steps of Adam, in float64.
RANKS = 1e-12
#: Contract, section 6: of another language.
LANGUAGES = 1e-10


@pytest.fixture
def here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    write_digits()
    return tmp_path


# ---- The same network --------------------------------------------------------------


def test_any_number_of_ranks_trains_the_same_network(here: pathlib.Path) -> None:
    alone = program(digits())
    done = subprocess.run(
        [alone, "train", "--data", DIGITS, "--weights-out", "alone"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    expected, ours = held("alone"), program(shared(digits()))
    assert len(curves(done.stdout)) == 5
    for ranks in 1, 2, 3, 4:
        said = trained(ranks, ours, "--data", DIGITS, "--weights-out", f"w{ranks}")
        assert curves(said) == curves(done.stdout)
        assert apart(held(f"w{ranks}"), expected) <= RANKS
        assert said.count("saved") == 1


def test_ranks_train_what_numpy_does(here: pathlib.Path) -> None:
    module = module_of(spec_of(**digits()))
    with np.load(DIGITS) as data:
        x, y = data["x_train"], data["y_train"]
    net = module.Network()
    net.train(x, y)
    trained(3, program(shared(digits())), "--data", DIGITS, "--quiet")
    assert apart(held("digits.safetensors"), net.parameters) <= LANGUAGES


#: All that is measured after an epoch, and decided by that.
DECIDES = {
    **digits(
        validation_fraction=0.2,
        early_stopping={"patience": 1},
        schedule={"kind": "halve_on_plateau", "patience": 1},
        epochs=30,
        accumulate=2,
    ),
    "layers": [
        {"size": 64, "scaling": "standardize", "dropout": 0.2},
        {"size": 12, "activation": "tanh"},
        {"size": 10, "activation": "softmax"},
    ],
}


def test_all_ranks_decide_alike_what_follows_an_epoch(here: pathlib.Path) -> None:
    binary = program(shared(DECIDES))
    said = [
        trained(ranks, binary, "--data", DIGITS, "--weights-out", f"w{ranks}")
        for ranks in (1, 3)
    ]
    first, second = (
        [line for line in s.splitlines() if "saved" not in line] for s in said
    )
    assert curves(said[0]) == curves(said[1])
    assert 2 < len(curves(said[0])) < 30, "stopped neither at once nor never"
    assert first[-1] == second[-1]
    assert first[-1].startswith("restored epoch")
    assert apart(held("w1"), held("w3")) <= RANKS


def test_parts_that_are_added_up_are_one_large_mini_batch(here: pathlib.Path) -> None:
    """With ranks, without, and with room for a few examples only."""
    large = module_of(spec_of(**digits(mini_batch_size=92)))
    parts = digits(mini_batch_size=23, accumulate=4)
    with np.load(DIGITS) as data:
        net = large.Network()
        net.train(data["x_train"], data["y_train"], epochs=2)
    words = "--data", DIGITS, "--epochs", 2, "--quiet", "--weights-out"
    subprocess.run([program(parts), "train", *map(str, words), "w0"], check=True)
    trained(3, program(shared(parts)), *words, "w3")
    assert apart(held("w0"), net.parameters) <= LANGUAGES
    assert apart(held("w3"), held("w0")) <= RANKS


def test_a_rank_without_examples_takes_part(here: pathlib.Path) -> None:
    with np.load(DIGITS) as data:
        np.savez("two.npz", x=data["x_train"][:2], y=data["y_train"][:2])
    binary = program(shared(digits()))
    for ranks in 1, 4:
        trained(ranks, binary, "--data", "two.npz", "--weights-out", f"w{ranks}")
    assert apart(held("w4"), held("w1")) <= RANKS


def test_what_is_not_training_is_done_once(here: pathlib.Path) -> None:
    binary = program(shared(digits()))
    trained(2, binary, "--data", DIGITS, "--quiet")
    alone, together = (
        ended(ranks, binary, "evaluate", "--data", DIGITS) for ranks in (1, 3)
    )
    assert together.stdout == alone.stdout
    assert together.stdout.count("accuracy") == 1
    info = ended(3, binary, "info").stdout.splitlines()
    assert "ranks: 3, each with 1 thread" in info
    done = ended(2, binary, "predict", "--data", DIGITS, "-o", "no/p.npy")
    assert done.returncode == 2
    assert done.stderr.count("error:") == 1


# ---- Stopped, killed, resumed ------------------------------------------------------

LONG_RUN = "train", "--data", DIGITS, "--epochs", "100000", "--quiet"
CHECKPOINT = "--checkpoint", "c", "--every", "7", "steps"


def wait_for(path: str) -> None:
    end = time.monotonic() + SECONDS
    while not pathlib.Path(path).exists():
        assert time.monotonic() < end, f"no {path}"
        time.sleep(0.01)


def resumed(binary: pathlib.Path, ranks: int, epochs: int) -> Values:
    words = "--data", DIGITS, "--quiet", "--resume", "c", "--epochs", epochs
    done = ended(ranks, binary, "train", *words, "--weights-out", "after")
    assert done.returncode == 0, done.stderr
    return held("after")


def epochs_of_checkpoint() -> int:
    _, metadata = parsed(pathlib.Path("c").read_bytes())
    return int(metadata["epoch"])


@pytest.mark.parametrize("point", range(20 if LONG else 2))
def test_a_rank_is_killed(here: pathlib.Path, point: int) -> None:
    draw = random.Random(point)
    binary, ranks = program(shared(digits())), 2 + point % 3
    with job(ranks, binary, *LONG_RUN, *CHECKPOINT) as process:
        wait_for("c")
        time.sleep(draw.random() / 2)
        victim = draw.choice(rank_processes(binary))
        os.kill(victim, signal.SIGKILL)
        assert process.wait(10) != 0
    assert rank_processes(binary) == []
    epochs = epochs_of_checkpoint() + 1
    uninterrupted = "--data", DIGITS, "--quiet", "--epochs", epochs
    trained(1, binary, *uninterrupted, "--weights-out", "whole")
    other = 1 + ranks % 4
    assert apart(resumed(binary, other, epochs), held("whole")) <= RANKS


def test_two_jobs_do_not_write_one_checkpoint(here: pathlib.Path) -> None:
    binary = program(shared(digits()))
    with job(2, binary, *LONG_RUN, *CHECKPOINT) as first:
        wait_for("c")
        for _ in range(2):  # the first time must not take the lock away
            second = ended(2, binary, *LONG_RUN, *CHECKPOINT)
            assert second.returncode == 2
            assert "c: locked by pid" in second.stderr
            assert second.stderr.count("error:") == 1
        first.terminate()
        assert first.wait(10) == 128 + signal.SIGTERM


def test_a_signal_to_the_job_saves_and_ends(here: pathlib.Path) -> None:
    binary = program(shared(digits()))
    with job(2, binary, *LONG_RUN, *CHECKPOINT) as process:
        wait_for("c")
        process.terminate()
        _, said = process.communicate(timeout=10)
    assert process.returncode == 128 + signal.SIGTERM
    assert re.search(r"interrupted at epoch \d+, step \d+; checkpoint saved", said)
    assert said.count("interrupted") == 1


def test_a_checkpoint_that_cannot_be_written_ends_all(here: pathlib.Path) -> None:
    binary = program(shared(digits()))
    os.mkdir("gone")
    words = "--checkpoint", "gone/c", "--every", "1", "steps"
    with job(3, binary, *LONG_RUN, *words) as process:
        wait_for("gone/c")
        while pathlib.Path("gone").exists():
            shutil.rmtree("gone", ignore_errors=True)
        _, said = process.communicate(timeout=10)
    assert process.returncode == 2
    assert said.count("error:") == 1
    assert "no checkpoint of epoch" in said


def test_a_run_that_diverges_says_where(here: pathlib.Path) -> None:
    """All ranks repeat the epoch together, and find what one process does."""
    fields = {**digits(optimizer="sgd", learning_rate=1e4), "cost": "quadratic"}
    fields["layers"] = [{"size": 64}, {"size": 8, "activation": "identity"}, 10]
    fields["hyperparameters"].pop("clipping")
    fields["layers"][2] = {"size": 10, "activation": "identity"}
    fields["task"] = "classification"
    binary = program(shared(fields))
    said = []
    for ranks in 1, 3:
        done = ended(ranks, binary, "train", "--data", DIGITS)
        assert done.returncode == 1, done.stderr
        said.append(done.stderr.splitlines()[-1])
    assert said[0] == said[1]
    assert re.match(r"diverged in epoch 1, step \d+, first in layer \d", said[0])


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


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("library", [False, True])
def test_clean_under_every_compiler(
    tmp_path: pathlib.Path, compiler: str, library: bool
) -> None:
    tool(compiler)
    plain = digits(accumulate=3, optimizer="sgd")
    plain["hyperparameters"].pop("clipping")
    for fields in shared(DECIDES), plain, shared(plain):
        path = tmp_path / "n.c"
        path.write_text(text_of(spec_of(**fields), TARGET, library=library))
        done = subprocess.run(
            [
                mpi_tool("mpicc"),
                *STRICT,
                "-c",
                str(path),
                "-o",
                str(path.with_suffix(".o")),
            ],
            env={**os.environ, "MPICH_CC": compiler},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
