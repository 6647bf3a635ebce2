"""The program of a module that MPI ranks share: what is seen of it, its files, its end."""

from __future__ import annotations

import errno
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from ranks import (
    DIGITS,
    command,
    environment,
    needs_mpi,
    network,
    on_ranks,
    write_module,
)
from support import LONG, difference

pytestmark = needs_mpi

#: The sums of another number of ranks, in another order.
TOLERANCE = 1e-12
#: Within so many seconds a job must end whose rank has ended.
END = 10.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A module of ranks and its plain one, with data whole and in shards."""
    made: pathlib.Path = tmp_path_factory.mktemp("ranks")
    spec = network()
    write_module(made / "net.py", spec)
    write_module(made / "plain.py", {**spec, "parallel": "none"})
    # Of which not even one row would be kept: each rank reads a block of the file.
    write_module(made / "large.py", spec, KEPT="0")
    data = np.load(DIGITS)
    x, y = data["x_train"], data["y_train"]
    np.save(made / "x.npy", x)
    np.save(made / "y.npy", y)
    np.savez(made / "test.npz", x=data["x_test"], y=data["y_test"])
    for i, (first, end) in enumerate(((0, 300), (300, 301), (301, 900), (900, 1500))):
        np.savez(made / f"part-{i}.npz", x=x[first:end], y=y[first:end])
    return made


@pytest.fixture
def here(folder: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder of one's own beside the modules and the data."""
    for path in folder.glob("*.*"):
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def weights(path: pathlib.Path) -> dict[str, Any]:
    """The arrays of a file of weights, or of a checkpoint."""
    text = path.read_bytes()
    length = int.from_bytes(text[:8], "little")
    held = json.loads(text[8 : 8 + length])
    return {
        name: np.frombuffer(text[8 + length :][slice(*about["data_offsets"])])
        for name, about in held.items()
        if name != "__metadata__"
    }


def same(a: pathlib.Path, b: pathlib.Path) -> float:
    one, other = weights(a), weights(b)
    assert one.keys() == other.keys()
    return max(difference(one[name], other[name]) for name in one)


def epochs_of(lines: list[str]) -> list[str]:
    """The lines of the epochs without their times."""
    return [re.sub(r"  [0-9.]+ s .*", "", line) for line in lines if "Epoch" in line]


SHARDS = [f"part-{i}.npz" for i in range(4)]
WHOLE = ["--x", "x.npy", "--y", "y.npy"]


@pytest.mark.parametrize(
    ("ranks", "module", "data"),
    [
        (2, "net.py", WHOLE),
        (3, "net.py", ["--data", *SHARDS]),
        (3, "large.py", WHOLE),
    ],
)
def test_training_is_that_of_the_plain_program_and_rank_0_alone_is_seen(
    ranks: int, module: str, data: list[str], here: pathlib.Path
) -> None:
    words = ["--test", "test.npz", "--epochs", "2", "--weights-out"]
    alone = subprocess.run(
        [sys.executable, "plain.py", "train", *WHOLE, *words, "plain.safetensors"],
        cwd=here,
        check=True,
        capture_output=True,
        encoding="utf-8",
        env=environment(),
    )
    words += ["ranks.safetensors", "--log", "log.jsonl", "--result", "result.json"]
    done = on_ranks(ranks, module, "train", *data, *words, folder=here)
    assert epochs_of(done.stdout.splitlines()) == epochs_of(alone.stdout.splitlines())
    assert done.stdout.splitlines()[-1] == "saved ranks.safetensors"
    assert done.stderr == ""
    assert same(here / "ranks.safetensors", here / "plain.safetensors") < TOLERANCE
    events = [json.loads(line) for line in (here / "log.jsonl").open()]
    assert [event["event"] for event in events].count("epoch") == 2
    assert json.loads((here / "result.json").read_text())["last"]["epoch"] == 2
    assert events[0]["examples"] == {"train": 1500, "validation": None, "test": 297}


def test_the_other_commands_are_rank_0s_and_weights_are_anybodys(
    here: pathlib.Path,
) -> None:
    train = ["train", *WHOLE, "--epochs", "1", "--weights-out", "w.safetensors"]
    on_ranks(2, "net.py", *train, folder=here)
    check = ["evaluate", "--data", "test.npz", "--weights-in", "w.safetensors"]
    done = on_ranks(2, "net.py", *check, folder=here)
    alone = on_ranks(1, "plain.py", *check, folder=here)
    assert done.stdout == alone.stdout != ""
    info = on_ranks(2, "net.py", "info", folder=here).stdout
    assert "ranks: 2, each with OMP_NUM_THREADS=1" in info
    assert info.count("task: classification") == 1


def test_scaling_of_shards_is_that_of_all_rows(here: pathlib.Path) -> None:
    spec = network()
    first = {**spec["layers"][0], "scaling": "standardize"}
    spec = {**spec, "layers": [first, *spec["layers"][1:]]}
    write_module(here / "scaled.py", spec)
    for name, data in (("whole", WHOLE), ("shards", ["--data", *SHARDS])):
        out = ["--epochs", "1", "--test-fraction", "0.2", "--weights-out", name]
        on_ranks(2, "scaled.py", "train", *data, *out, folder=here)
    assert same(here / "whole", here / "shards") < TOLERANCE


#: What is wrong, the words that are given, and what is said once.
WRONG = {
    "file": (["--data", "nothing.npz"], "error: nothing.npz: No such file"),
    "command line": (["--epochs", "x", *WHOLE], "error: argument --epochs"),
    "numbers of files": (
        ["--x", "x.npy", "x.npy", "--y", "y.npy"],
        "error: the numbers of files differ: --x 2, --y 1",
    ),
    "a rank without rows": (
        ["--data", "part-0.npz", "part-1.npz"],
        "error: 2 files are too few for 3 ranks",
    ),
    "width": (
        ["--data", "part-0.npz", "part-1.npz", "part-9.npz"],
        "error: rank 2: part-9.npz: x has shape (5, 63), expected (n, 64)",
    ),
    "dtype": (
        ["--data", "part-0.npz", "part-1.npz", "part-8.npz"],
        "error: rank 2: part-8.npz: has x of float32",
    ),
    "values": (
        ["--data", "part-0.npz", "part-7.npz", "part-1.npz"],
        "error: rank 2: part-7.npz: x is nan at row 1, column 2",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_on_one_rank_is_said_once(name: str, here: pathlib.Path) -> None:
    x = np.zeros((5, 64), np.float32)
    np.savez(here / "part-9.npz", x=x[:, 1:], y=np.zeros(5, np.uint8))
    np.savez(here / "part-8.npz", x=x, y=np.zeros(5, np.uint8))
    x[1, 2] = np.nan
    np.savez(here / "part-7.npz", x=x, y=np.zeros(5, np.uint8))
    words, said = WRONG[name]
    done = on_ranks(3, "net.py", "train", *words, folder=here, code=2)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(said)
    assert not list(here.glob("*.safetensors"))


def test_without_mpi4py_one_message_says_what_to_install(here: pathlib.Path) -> None:
    (here / "mpi4py.py").write_text("raise ImportError('no mpi4py here')\n")
    done = subprocess.run(
        [sys.executable, "net.py", "info"],
        cwd=here,
        capture_output=True,
        encoding="utf-8",
        env={**environment(), "PYTHONPATH": str(here)},
    )
    assert done.returncode == 2 and done.stdout == ""
    hint = "this trainer needs MPI: pip install mpi4py mpich"
    assert done.stderr == f"error: no mpi4py here; {hint}\n"


# ---- How a job ends ----------------------------------------------------------------

#: Makes a run slow enough to be met in the middle, or fails one rank of it.
WRAPPED = """
import errno, os, sys, time
sys.argv = sys.argv[1:]
sys.path.insert(0, ".")
import net

how, rank, count = os.environ.get("HOW", ""), int(os.environ.get("WHO", 0)), 0
before = net.Run.after_step

def after_step(run):
    before(run)
    time.sleep(float(os.environ.get("SLOW", 0)))
    if how == "raise" and net.RANK == rank and run.net.step == 7:
        raise RuntimeError("planted")

def write_new(path, data):
    global count
    count += 1
    if how == "full" and count > 2:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    written(path, data)

net.Run.after_step, written, net.write_new = after_step, net.write_new, write_new
sys.excepthook = net.unexpected
sys.exit(net.main())
"""

TRAIN = ["train", *WHOLE, "--checkpoint", "ck", "--every", "5", "steps", "--epochs"]


def started(
    ranks: int, epochs: int, folder: pathlib.Path, **settings: str
) -> subprocess.Popen[str]:
    (folder / "wrapped.py").write_text(WRAPPED)
    return subprocess.Popen(
        command(ranks, "wrapped.py", "net.py", *TRAIN, epochs),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**environment(), **settings},
    )


def ended(job: subprocess.Popen[str]) -> tuple[str, str]:
    """What it printed; it must end by itself, and soon."""
    start = time.monotonic()
    out, err = job.communicate(timeout=60)
    assert time.monotonic() - start < END
    return out, err


def ranks_of(job: subprocess.Popen[str]) -> list[int]:
    """The processes of the ranks, which mpirun's proxy has started."""
    found, todo = [], [job.pid]
    while todo:
        children = pathlib.Path(f"/proc/{todo[0]}/task/{todo[0]}/children").read_text()
        todo = [*todo[1:], *map(int, children.split())]
        found += [
            int(pid)
            for pid in children.split()
            if b"wrapped.py" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            and b"hydra" not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
    return found


def wait_for(path: pathlib.Path) -> None:
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} was never written")


@pytest.mark.parametrize("how", ["raise", "full"])
def test_a_fault_of_one_rank_ends_the_job_and_leaves_a_whole_checkpoint(
    how: str, here: pathlib.Path
) -> None:
    job = started(2, 3, here, HOW=how, WHO="1")
    _, err = ended(job)
    assert job.returncode not in (0, None)
    said = {"raise": "RuntimeError: planted", "full": os.strerror(errno.ENOSPC)}[how]
    assert said in err
    assert "(rank 0)" in err or how == "raise"
    assert not list(here.glob("*.tmp"))
    resume = ["train", *WHOLE, "--resume", "ck", "--epochs", "1", "--quiet"]
    on_ranks(3, "net.py", *resume, folder=here)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_ranks_at_one_step_and_the_run_goes_on_from_there(
    number: signal.Signals, here: pathlib.Path
) -> None:
    job = started(2, 2, here, SLOW="0.02")
    wait_for(here / "ck.prev")
    job.send_signal(number)
    _, err = ended(job)
    assert job.returncode == 128 + number
    assert re.search(r"interrupted at epoch \d, step \d+; checkpoint saved", err)
    on_ranks(3, "net.py", *TRAIN, 2, "--resume", "ck", folder=here)
    straight = ["train", *WHOLE, "--epochs", "2", "--weights-out", "w"]
    on_ranks(2, "net.py", *straight, folder=here)
    assert same(here / "w", here / "ranks.safetensors") < TOLERANCE


@pytest.mark.parametrize("seed", range(20 if LONG else 2))
def test_a_killed_rank_ends_the_job_and_other_ranks_go_on_from_its_checkpoint(
    seed: int, here: pathlib.Path, figures: Any
) -> None:
    draw = random.Random(seed)
    job = started(2 + seed % 2, 2, here, SLOW="0.02")
    wait_for(here / "ck")
    time.sleep(draw.uniform(0, 1.5))
    start = time.monotonic()
    os.kill(draw.choice(ranks_of(job)), signal.SIGKILL)
    ended(job)
    took = time.monotonic() - start
    assert job.returncode != 0
    on_ranks(3 - seed % 2, "net.py", *TRAIN, 2, "--resume", "ck", folder=here)
    straight = ["train", *WHOLE, "--epochs", "2", "--weights-out", "w"]
    on_ranks(1, "net.py", *straight, folder=here)
    worst = same(here / "w", here / "ranks.safetensors")
    assert worst < TOLERANCE
    figures("killed ranks", jobs=1, longest_end=took, worst=worst)


@pytest.mark.parametrize(
    ("module", "data"), [("net.py", ["--data", *SHARDS]), ("large.py", WHOLE)]
)
def test_rows_that_ranks_divide_are_the_same_data_for_other_ranks(
    module: str, data: list[str], here: pathlib.Path
) -> None:
    begin = ["train", *data, "--epochs", "1", "--checkpoint", "ck", "--quiet"]
    on_ranks(3, module, *begin, folder=here)
    go_on = ["train", *data, "--epochs", "2", "--resume", "ck"]
    done = on_ranks(2, module, *go_on, folder=here)
    (warning,) = done.stderr.splitlines()
    assert "ranks was 3, is 2" in warning
    (here / "part-1.npz").unlink()
    np.savez(here / "part-1.npz", x=np.ones((1, 64), np.uint8), y=np.ones(1, np.uint8))
    np.save(here / "other.npy", 1 - np.load(here / "x.npy"))
    changed = [word.replace("x.npy", "other.npy") for word in go_on]
    done = on_ranks(2, module, *changed, folder=here, code=2)
    assert done.stderr.startswith("error: ck: data digest differs")


@pytest.mark.parametrize("data", [WHOLE, ["--data", *SHARDS]], ids=["whole", "shards"])
def test_divergence_is_found_by_all_ranks_at_the_place_of_the_plain_program(
    data: list[str], here: pathlib.Path
) -> None:
    spec = network(
        optimizer=None, clipping=None, regularization=None, learning_rate=9.0
    )
    layers = [64, {"size": 8, "activation": "identity", "dropout": 0.2}]
    layers = [*layers, {"size": 1, "activation": "identity"}]
    spec = {**spec, "layers": layers, "cost": "quadratic"}
    write_module(here / "wild.py", spec)
    write_module(here / "tame.py", {**spec, "parallel": "none"})
    words = ["--epochs", "3", "--checkpoint"]
    found = on_ranks(3, "wild.py", "train", *data, *words, "a", folder=here, code=1)
    wanted = on_ranks(1, "tame.py", "train", *WHOLE, *words, "b", folder=here, code=1)
    said, expected = (done.stderr.splitlines()[-1] for done in (found, wanted))
    assert said.replace("checkpoint is a", "checkpoint is b") == expected
    assert "diverged in epoch 1, step" in said


def test_a_checkpoint_of_the_plain_program_goes_on_on_ranks(here: pathlib.Path) -> None:
    """Not the other way: a plain module knows nothing of ranks."""
    begin = ["train", *WHOLE, "--epochs", "1", "--checkpoint", "ck", "--quiet"]
    on_ranks(1, "plain.py", *begin, folder=here)
    go_on = ["train", *WHOLE, "--epochs", "2", "--resume", "ck", "--weights-out", "a"]
    on_ranks(2, "net.py", *go_on, folder=here)
    straight = ["train", *WHOLE, "--epochs", "2", "--weights-out", "b"]
    on_ranks(1, "plain.py", *straight, folder=here)
    assert same(here / "a", here / "b") < TOLERANCE
