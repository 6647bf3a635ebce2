"""Which checkpoints a program takes, and what it says of those that it does not."""

from __future__ import annotations

import os
import pathlib
import shutil
from typing import Any

import numpy as np
import pytest
from checkpoints import (
    COURSES,
    FILE,
    LAYERS,
    QUIET,
    RESUMING,
    SAVING,
    TRAIN,
    WEIGHTS,
    module_for,
    places,
    saying,
    write_data,
)
from support import module_of, spec_of


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The current folder, with data."""
    monkeypatch.chdir(tmp_path)
    write_data()
    return tmp_path


@pytest.fixture
def said(capsys: Any) -> Any:
    return saying(capsys)


# ---- Another network's, another program's -------------------------------------------


def other(**changes: Any) -> Any:
    """The module of the stopping course with something else in its spec."""
    hyper = {"mini_batch_size": 6, "epochs": 8, "regularization": {"l2": 0.1}}
    hyper = {**hyper, **COURSES["stopping"], **changes.pop("hyper", {})}
    spec = {"name": "stopping", "layers": LAYERS, "cost": "log_likelihood", **changes}
    return module_of(spec_of(**{**spec, "hyperparameters": hyper}))


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "size": (
        {"layers": [LAYERS[0], {**LAYERS[1], "size": 8}, LAYERS[2]]},
        "/layers/1/size is 7, here 8",
    ),
    "depth": (
        {"layers": [LAYERS[0], LAYERS[1], LAYERS[1], LAYERS[2]]},
        "/layers is [{",
    ),
    "activation": (
        {"layers": [LAYERS[0], {**LAYERS[1], "activation": "tanh"}, LAYERS[2]]},
        '/layers/1/activation is "relu", here "tanh"',
    ),
    "dtype": ({"dtype": "float64"}, '/dtype is "float32", here "float64"'),
    "cost": ({"cost": "quadratic"}, '/cost is "log_likelihood", here "quadratic"'),
    "optimizer": (
        {"hyper": {"optimizer": "adamw"}},
        '/hyperparameters/optimizer/kind is "adam", here "adamw"',
    ),
    "rate": (
        {"hyper": {"learning_rate": 0.03}},
        "/hyperparameters/learning_rate is 0.02, here 0.03",
    ),
    "seed": ({"hyper": {"seed": 9}}, "/hyperparameters/seed is 0, here 9"),
}


@pytest.mark.fault("CKP-09")
@pytest.mark.parametrize("name", OTHERS)
def test_a_checkpoint_of_another_spec_says_what_differs(name: str, said: Any) -> None:
    changes, message = OTHERS[name]
    assert module_for("stopping").main([*SAVING, *QUIET]) == 0
    before = FILE.read_bytes()
    module = other(**changes)
    found = said(module, *RESUMING, code=2)
    ours, theirs = module.spec_digest()[:16], module_for("stopping").spec_digest()[:16]
    made = f"made for spec sha256 {theirs}, this is {ours}: "
    assert found.startswith(f"error: {FILE}: {made}")
    assert message in found
    assert FILE.read_bytes() == before


@pytest.mark.fault("CKP-19")
def test_a_weights_file_cannot_be_resumed_nor_a_checkpoint_be_weights(
    said: Any,
) -> None:
    module = module_for("plain")
    assert module.main([*SAVING, *QUIET]) == 0
    found = said(module, *TRAIN, "--resume", str(WEIGHTS), code=2)
    assert "is an input as well" in found
    found = said(
        module, "train", "--data", "data.npz", "--resume", str(WEIGHTS), code=2
    )
    assert found == f"error: {WEIGHTS}: weights only: cannot resume\n"
    loading = ("evaluate", "--data", "data.npz", "--weights-in", str(FILE))
    hint = "is a checkpoint, no weights file: go on by train --resume"
    assert said(module, *loading, code=2) == f"error: {FILE}: {hint}\n"
    for path in ("data.npz", "x.py"):
        pathlib.Path("x.py").write_text("import numpy\n")
        found = said(module, *TRAIN, "--resume", path, code=2)
        assert "is an input as well" in found or "is no checkpoint" in found


def test_weights_are_not_written_over_a_checkpoint(said: Any) -> None:
    module = module_for("plain")
    assert module.main([*SAVING, *QUIET]) == 0
    before = FILE.read_bytes()
    words = ("train", "--data", "data.npz", "--weights-out", str(FILE))
    assert "exists and is no weights file" in said(module, *words, code=2)
    with pytest.raises(ValueError, match="exists and is no weights file"):
        module.Network().save(FILE)
    assert FILE.read_bytes() == before


def rewritten(module: Any, change: Any) -> None:
    """The checkpoint with arrays and metadata changed, under a right digest."""
    arrays, metadata = module.unsealed(str(FILE))
    metadata["sha256"] = 64 * "0"
    change(arrays, metadata)
    data = module.safetensors_of(arrays, metadata)
    digest = module.seal(data).encode()
    FILE.write_bytes(data[: module.SEAL] + digest + data[module.SEAL + 64 :])


CHANGES: dict[str, tuple[Any, str]] = {
    "newer": (lambda a, m: m.update(format="3"), "format 3, this trainer reads 1"),
    "missing": (lambda a, m: a.pop("mean_b2"), "has arrays ["),
    "extra": (lambda a, m: a.update(w9=a["w2"]), "'w9'"),
    "extra best": (lambda a, m: a.update({"best.w9": a["w2"]}), "'best.w9'"),
    "dtype": (
        lambda a, m: a.update(w2=a["w2"].astype(float)),
        "array w2 is float64 (7, 4), expected float32 (7, 4)",
    ),
    "shape": (
        lambda a, m: a.update(square_b2=a["square_b2"].T.copy()),
        "array square_b2 is float32 (1, 7), expected float32 (7, 1)",
    ),
    "best's shape": (
        lambda a, m: a.update({"best.w2": a["w2"].T.copy()}),
        "array best.w2 is float32 (4, 7), expected float32 (7, 4)",
    ),
    "NaN": (lambda a, m: a["b3"].fill(np.nan), "array b3 holds numbers that are not"),
    "step": (lambda a, m: m.update(step="-1"), "step is '-1'"),
    "counter": (lambda a, m: m.update(counters='{"t":1.5}'), "t is 1.5"),
    "counters": (lambda a, m: m.update(counters="[]"), "corrupt metadata"),
    "no counter": (lambda a, m: m.update(counters="{}"), "corrupt metadata: 't'"),
    "history": (lambda a, m: m.update(history="[1]"), "its history is no list"),
    "data": (lambda a, m: m.update(data="3"), "its data or environment"),
    "best": (lambda a, m: m.update(best="3"), "corrupt metadata"),
    "no best": (lambda a, m: m.pop("best"), "corrupt metadata: 'best'"),
    "too deep": (lambda a, m: m.update(history="[" * 100_000), "corrupt metadata"),
}


@pytest.mark.fault("CKP-10", "CKP-11")
@pytest.mark.parametrize("name", CHANGES)
def test_a_checkpoint_that_nobody_wrote_is_refused(name: str, said: Any) -> None:
    change, message = CHANGES[name]
    module = module_for("stopping")
    assert module.main([*SAVING, *QUIET]) == 0
    rewritten(module, change)
    found = said(module, *RESUMING, code=2)
    assert found.startswith(f"error: {FILE}: ")
    assert message in found


def test_the_same_arrays_and_metadata_are_taken() -> None:
    """What `rewritten` changes nothing of; else the test above would say nothing."""
    module = module_for("stopping")
    assert module.main([*SAVING, *QUIET]) == 0
    before = FILE.read_bytes()
    rewritten(module, lambda a, m: None)
    assert FILE.read_bytes() == before


# ---- The command line --------------------------------------------------------------


@pytest.mark.fault("CKP-13")
def test_complete_is_said_and_nothing_is_written(said: Any) -> None:
    module = module_for("plain")
    assert module.main([*SAVING, "--quiet"]) == 0
    shutil.copy(WEIGHTS, "kept")
    before = {name: os.stat(name).st_mtime_ns for name in os.listdir()}
    for words in ((), ("--epochs", "8"), ("--quiet",)):
        found = said(module, *RESUMING, *words)
        done = f"already complete: 8 of 8 epochs\nsaved {WEIGHTS}\n"
        assert found == ("" if words == ("--quiet",) else done)
    assert (
        said(module, *RESUMING, "--epochs", "5") == "already complete: 8 of 5 epochs\n"
    )
    assert {name: os.stat(name).st_mtime_ns for name in os.listdir()} == before
    # The weights of a run that was killed before it wrote them.
    WEIGHTS.unlink()
    said(module, *RESUMING)
    assert WEIGHTS.read_bytes() == pathlib.Path("kept").read_bytes()


@pytest.mark.fault("CKP-13")
def test_epochs_are_those_of_the_whole_run(said: Any) -> None:
    module = module_for("nadam")
    for total in (4, 6):
        assert module.main([*TRAIN, "--quiet", "--epochs", str(total)]) == 0
        shutil.copy(WEIGHTS, f"{total}")
    assert module.main([*SAVING, "--quiet", "--epochs", "4"]) == 0
    assert module.main([*RESUMING, "--quiet", "--epochs", "6"]) == 0
    assert WEIGHTS.read_bytes() == pathlib.Path("6").read_bytes()
    # What went before the run does not count, as with --epochs alone.
    FILE.unlink()
    first = ("--weights-in", "4", "--epochs", "2")
    assert module.main([*SAVING, "--quiet", *first]) == 0
    found = said(module, *RESUMING)
    assert found.startswith("already complete: 2 of 2 epochs\n")
    assert module.Network.load(WEIGHTS).epoch == 6


@pytest.mark.fault("DAT-14")
def test_other_data_are_refused_unless_that_is_asked_for(said: Any) -> None:
    module = module_for("stopping")
    assert module.main([*SAVING, *QUIET]) == 0
    x, y = write_data()
    x[-1, -1] += 1e-9
    np.savez("data.npz", x=x, y=y)
    found = said(module, *RESUMING, "--epochs", "4", code=2)
    text = "data digest differs from the checkpoint's (x)"
    hint = "--allow-data-change goes on all the same"
    assert found == f"error: {FILE}: {text}; {hint}\n"
    np.savez("data.npz", x=x, y=y, x_test=x, y_test=y)
    found = said(module, *RESUMING, "--epochs", "4", "--allow-data-change")
    assert (
        "warning: data digest differs from the checkpoint's (x, x_test, y_test)"
        in found
    )
    # From then on these are the data.
    assert "warning" not in said(module, *RESUMING, "--epochs", "5")


@pytest.mark.fault("DAT-15")
def test_the_same_data_in_another_file_are_the_same() -> None:
    module = module_for("plain")
    assert module.main([*SAVING, *QUIET]) == 0
    x, y = write_data()
    np.save("x.npy", np.asfortranarray(x))
    np.save("y.npy", y)
    words = ("--x", "x.npy", "--y", "y.npy", "--weights-out", str(WEIGHTS))
    again = ("--checkpoint", str(FILE), "--resume", str(FILE), "--epochs", "4")
    assert module.main(["train", *words, *again, "--quiet"]) == 0


def test_large_data_are_read_in_part(monkeypatch: Any) -> None:
    """A sparse file of 40 GB; its first and its last row count."""
    module = module_for("plain")
    monkeypatch.setattr(module, "MOST_BLOCKS", 20)
    shape = (10_000_000_000, 4)
    x = np.memmap("large", np.uint8, "w+", shape=shape)
    first = module.data_digest(x)
    x[-1, 2] = 1
    assert module.data_digest(x) != first
    assert os.stat("large").st_blocks * 512 < 1 << 20


@pytest.mark.fault("CKP-15")
def test_another_environment_is_said(said: Any, monkeypatch: Any) -> None:
    module = module_for("plain")
    assert module.main([*SAVING, *QUIET]) == 0
    assert "warning" not in said(module, *RESUMING, "--epochs", "4")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    monkeypatch.setattr(module.np, "__version__", "9.9")
    found = said(module, *RESUMING, "--epochs", "5")
    assert (
        "warning: environment differs from the checkpoint's: OPENBLAS_NUM_THREADS was "
        in found
    )
    assert ", is 7, numpy was " in found
    assert "is 9.9; the last digits may differ\n" in found


REFUSED = [
    (
        "--checkpoint c.ckpt",
        "c.ckpt: exists; go on from it by --resume c.ckpt, or name",
    ),
    ("--checkpoint c.ckpt --resume old", "c.ckpt: exists; go on from it by --resume"),
    ("--checkpoint data.npz", "data.npz: is named for something else as well"),
    (
        "--checkpoint w.safetensors",
        "w.safetensors: is named for something else as well",
    ),
    ("--checkpoint no/c", "no/c: there is no folder "),
    ("--checkpoint .", ".: is a folder"),
    ("--every 2 steps", "--every says how often to write --checkpoint F: give both"),
    (
        "--checkpoint n --every 0 steps",
        "--every takes a whole number from 1 and epochs",
    ),
    ("--checkpoint n --every 2 hours", "epochs, steps or seconds, not '2 hours'"),
    ("--checkpoint n --every 2.5 seconds", "not '2.5 seconds'"),
    ("--resume old --weights-in w.safetensors", "give --resume, or --weights-in"),
    ("--resume old --seed 5", "old: made with seed 0, --seed is 5"),
    ("--resume .", "error: "),
    ("--resume data.npz", "data.npz: is no checkpoint, or corrupt (no digest)"),
]


@pytest.mark.parametrize(("words", "message"), REFUSED, ids=[w for w, _ in REFUSED])
def test_wrong_command_lines(words: str, message: str, said: Any) -> None:
    module = module_for("plain")
    assert module.main([*SAVING, *QUIET]) == 0
    shutil.copy(FILE, "old")
    np.savez("other.npz", **dict(np.load("data.npz")))
    before = {name: os.stat(name).st_mtime_ns for name in os.listdir()}
    data = "other.npz" if "--resume data.npz" in words else "data.npz"
    line = ("train", "--data", data, "--weights-out", str(WEIGHTS), *words.split())
    assert message in said(module, *line, code=2)
    assert {name: os.stat(name).st_mtime_ns for name in os.listdir()} == before


@pytest.mark.fault("CKP-18")
def test_a_checkpoint_through_a_link(said: Any) -> None:
    """The link stays one, and what is written for a moment lies beside the file."""
    os.mkdir("there")
    os.symlink("there/c", FILE)
    module = module_for("plain")
    assert module.main([*SAVING, *QUIET]) == 0
    assert FILE.is_symlink()
    assert sorted(os.listdir("there")) == ["c", "c.prev"]
    pathlib.Path("there/c").write_bytes(b"")
    assert "falls back to " in said(module, *RESUMING, "--epochs", "4")


def test_every_so_many_seconds(monkeypatch: Any) -> None:
    """By a clock that is 0.3 s later whenever it is asked: after every fourth step."""
    module, now, kept = module_for("plain"), [0.0], []

    def monotonic() -> float:
        now[0] += 0.3
        return now[0]

    real = module.write_checkpoint

    def keeping(*arguments: Any) -> None:
        real(*arguments)
        kept.append(places(FILE))

    monkeypatch.setattr(module.time, "monotonic", monotonic)
    monkeypatch.setattr(module, "write_checkpoint", keeping)
    every = ("--every", "1", "seconds")
    assert module.main([*SAVING, "--quiet", "--epochs", "1", *every]) == 0
    assert kept == [(0, 0), (0, 4), (0, 8), (1, 0)]


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (("3", "epochs"), [(0, 0), (3, 0), (6, 0), (7, 0)]),
        (("1", "epoch"), [(e, 0) for e in range(8)]),
        (("30", "steps"), [(0, 0), (2, 8), (5, 5), (7, 0)]),
    ],
)
def test_every_so_many(every: Any, expected: Any, monkeypatch: Any) -> None:
    """In epochs of 11 steps; and always at the end."""
    module, kept = module_for("plain"), []
    real = module.write_checkpoint

    def keeping(*arguments: Any) -> None:
        real(*arguments)
        kept.append(places(FILE))

    monkeypatch.setattr(module, "write_checkpoint", keeping)
    words = ("--quiet", "--epochs", "7", "--every", *every)
    assert module.main([*SAVING, *words]) == 0
    assert kept == expected


def test_a_program_goes_on_from_what_a_library_saved(said: Any) -> None:
    module = module_for("nadam")
    x, y = write_data()
    net = module.Network()
    net.train(x, y, epochs=3)
    net.save_checkpoint("by_hand")
    found = said(module, *TRAIN, "--resume", "by_hand")
    assert found.startswith("resumed by_hand at epoch 4, step 0\nEpoch 4: ")
    weights = WEIGHTS.read_bytes()
    assert module.main([*TRAIN, "--quiet"]) == 0
    assert WEIGHTS.read_bytes() == weights
