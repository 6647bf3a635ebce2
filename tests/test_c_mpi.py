"""C programs whose ranks share every step: the same network, whatever their number."""

from __future__ import annotations

import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from c_mpi_runs import (
    DECIDES,
    DIGITS,
    SECONDS,
    apart,
    curves,
    digits,
    ended,
    held,
    job,
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
        end = time.monotonic() + 10
        assert process.wait(10) != 0
    while rank_processes(binary):  # of those that are ended, some end after mpirun
        assert time.monotonic() < end
        time.sleep(0.01)
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


def test_numpy_and_c_go_on_from_each_other(here: pathlib.Path) -> None:
    """The same spec: ranks of either begin, others of either go on."""
    binary = program(shared(digits()))
    pathlib.Path("m.py").write_text(text_of(spec_of(**shared(digits()))))
    numpy: tuple[object, ...] = (sys.executable, "m.py")
    begins = "train", "--data", DIGITS, "--quiet", "--checkpoint", "c"
    trained(1, binary, *begins[1:4], "--weights-out", "whole")
    for first, then in ((binary,), numpy), (numpy, (binary,)):
        done = ended(2, *first, *begins, "--epochs", 2)
        assert (done.returncode, done.stderr) == (0, "")
        done = ended(3, *then, *begins, "--resume", "c", "--epochs", 5)
        assert done.returncode == 0
        assert "environment differs" in done.stderr
        assert apart(held("digits.safetensors"), held("whole")) <= LANGUAGES
        os.remove("c")


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
