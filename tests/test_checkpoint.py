"""The checkpoint file: what it holds, which one is taken, that no damage passes."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import random
import shutil
from typing import Any

import numpy as np
import pytest
from checkpoints import (
    COURSES,
    FILE,
    LAYERS,
    LONG,
    RESUMING,
    SAVING,
    TRAIN,
    WEIGHTS,
    module_for,
    write_data,
)
from modules import bytes_of
from support import TARGETS, module_of, spec_of

START = b'{"__metadata__":{"sha256":"'
PREVIOUS = pathlib.Path(f"{FILE}.prev")
QUIET = ("--quiet", "--epochs", "3")


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The current folder, with data."""
    monkeypatch.chdir(tmp_path)
    write_data()
    return tmp_path


@pytest.fixture
def said(capsys: Any) -> Any:
    """Runs a module's program; what it said on stderr, or on both with code 0."""

    def run(module: Any, *words: str, code: int = 0) -> str:
        capsys.readouterr()
        assert module.main(list(words)) == code
        out, err = capsys.readouterr()
        assert code == 0 or len(err.splitlines()) == 1
        return str(err if code else out + err)

    return run


def opened(path: pathlib.Path) -> tuple[dict[str, str], dict[str, Any], bytes]:
    """Metadata, entries and data of a safetensors file, by hand."""
    raw = path.read_bytes()
    stop = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:stop])
    return header.pop("__metadata__"), header, raw[stop:]


# ---- What it holds -----------------------------------------------------------------


def test_the_digest_is_that_of_the_file_with_zeros_in_its_place() -> None:
    module = module_for("stopping")
    assert module.main([*SAVING, *QUIET]) == 0
    raw = FILE.read_bytes()
    assert raw[8 : 8 + len(START)] == START
    place = 8 + len(START)
    zeroed = raw[:place] + 64 * b"0" + raw[place + 64 :]
    assert raw[place : place + 64].decode() == hashlib.sha256(zeroed).hexdigest()


@pytest.mark.parametrize("course", COURSES)
def test_it_holds_all_that_training_changes(course: str) -> None:
    module = module_for(course)
    assert module.main([*SAVING, *QUIET]) == 0
    metadata, entries, data = opened(FILE)
    net = module.Network.load_checkpoint(FILE)
    arrays = net._arrays()
    stops = "early_stopping" in COURSES[course]
    best = {f"best.{name}" for name in arrays} if stops else set()
    assert set(entries) == set(arrays) | best
    for name, p in arrays.items():
        start, stop = entries[name]["data_offsets"]
        assert np.frombuffer(data[start:stop], p.dtype).tobytes() == p.tobytes()
    assert (metadata["kind"], metadata["epoch"], metadata["step"]) == (
        "checkpoint",
        "3",
        "0",
    )
    assert (metadata["first"], metadata["last"]) == ("0", "3")
    assert [r["epoch"] for r in json.loads(metadata["history"])] == [1, 2, 3]
    assert set(json.loads(metadata["data"])) == {"x", "y"}
    assert ("best" in metadata) == stops
    counters = json.loads(metadata["counters"])
    assert counters == {n: getattr(net, n) for n in module.COUNTERS}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("course", COURSES)
def test_a_library_goes_on_from_one_as_if_it_had_not_stopped(
    course: str, target: str
) -> None:
    """Between calls of train and between steps: with all the optimizer remembers."""
    module = module_for(course, target)
    x, y = write_data()
    one, two = module.Network(seed=4), module.Network(seed=4)
    one.train(x, y, epochs=2)
    two.train(x, y, epochs=2)
    for net in (one, two):
        net.update_mini_batch(x[:5], y[:5], 64)
    two.save_checkpoint("two")
    two = module.Network.load_checkpoint("two")
    assert (
        (two.epoch, two.step, two.seed) == (one.epoch, one.step, 4) == (two.epoch, 1, 4)
    )
    for net in (one, two):
        net.update_mini_batch(x[5:9], y[5:9], 64)
        net.train(x, y, epochs=3)
    assert bytes_of(one) == bytes_of(two)
    assert one.epoch == two.epoch


def test_a_library_does_not_save_what_load_would_refuse() -> None:
    module = module_for("stopping")
    net = module.Network()
    net.square_w2[2, 1] = np.nan
    with pytest.raises(ValueError, match="array square_w2 is nan at row 2, column 1"):
        net.save_checkpoint(FILE)
    with pytest.raises(ValueError, match="a checkpoint holds float32, this network is"):
        module.Network(dtype="float64").save_checkpoint(FILE)
    assert not FILE.exists()


# ---- Damage ------------------------------------------------------------------------


def small() -> tuple[Any, bytes]:
    """The module and the bytes of a checkpoint as short as it can be."""
    module = module_for("plain")
    assert module.main([*SAVING, *QUIET]) == 0
    PREVIOUS.unlink()
    return module, FILE.read_bytes()


def refused(module: Any, data: bytes) -> str:
    """What is said of a file with these bytes; it must be the kind that falls back."""
    FILE.write_bytes(data)
    with pytest.raises(module.DamagedError) as caught:
        module.read_checkpoint(FILE, module.Course())
    return str(caught.value)


def test_cut_off_anywhere_it_is_refused() -> None:
    module, raw = small()
    for length in range(0, len(raw), 1 if LONG else 37):
        said = refused(module, raw[:length])
        reason = "no digest" if length < 8 + len(START) else "digest mismatch"
        assert said.startswith(f"{FILE}: ")
        assert said.endswith(f"corrupt ({reason})")
    refused(module, raw + b"\0")


def test_no_flipped_bit_passes() -> None:
    module, raw = small()
    rng = random.Random(5)
    bits = rng.sample(range(8 * len(raw)), 10_000 if LONG else 300)
    # the length, the beginning and the digest itself, whatever was drawn
    for bit in {*bits, *range(0, 8 * (8 + len(START) + 64), 1 if LONG else 4)}:
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        refused(module, bytes(changed))


def test_a_tail_of_zeros_is_refused() -> None:
    module, raw = small()
    for kept in (0, 512, 1024, len(raw) - 1):
        refused(module, raw[:kept].ljust(len(raw), b"\0"))


DAMAGE = {
    "empty": lambda raw: b"",
    "cut": lambda raw: raw[:-100],
    "flipped": lambda raw: raw[:-1] + bytes([raw[-1] ^ 4]),
    "zeros": lambda raw: raw[:2000].ljust(len(raw), b"\0"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_one_falls_back_to_the_one_before(name: str, said: Any) -> None:
    module = module_for("stopping")
    assert module.main([*TRAIN, "--quiet"]) == 0
    whole = WEIGHTS.read_bytes()
    assert module.main([*SAVING, "--quiet", "--epochs", "2"]) == 0
    before = PREVIOUS.read_bytes()
    FILE.write_bytes(DAMAGE[name](FILE.read_bytes()))
    found = said(module, *RESUMING, "--epochs", "8")
    warning = f"; falls back to {PREVIOUS.resolve()}, epoch 2, step 0\n"
    assert "corrupt (" in found
    assert warning in found
    assert WEIGHTS.read_bytes() == whole
    # Where there is none, that is the end of it, and both files stay as they are.
    FILE.write_bytes(DAMAGE[name](before))
    PREVIOUS.unlink()
    damaged = FILE.read_bytes()
    assert "corrupt (" in said(module, *RESUMING, code=2)
    assert FILE.read_bytes() == damaged


def test_a_damaged_one_never_takes_the_good_one_s_place(monkeypatch: Any) -> None:
    """Killed right after the first name was changed, the good one must still be one."""
    module = module_for("plain")
    assert module.main([*SAVING, *QUIET]) == 0
    good = PREVIOUS.read_bytes()
    FILE.write_bytes(b"")

    def fails(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    for name in ("replace", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, fails)
            assert module.main([*RESUMING, "--quiet", "--epochs", "9"]) == 2
        assert PREVIOUS.read_bytes() == good
    assert module.main([*RESUMING, "--quiet", "--epochs", "9"]) == 0
    module.Network.load_checkpoint(PREVIOUS)


def test_a_missing_one_falls_back_too(said: Any) -> None:
    module = module_for("plain")
    assert module.main([*SAVING, *QUIET]) == 0
    FILE.unlink()
    found = said(module, *RESUMING, "--epochs", "4")
    assert "warning: c.ckpt: No such file or directory; falls back to " in found
    PREVIOUS.unlink()
    FILE.unlink()
    found = said(module, *RESUMING, code=2)
    assert found == "error: c.ckpt: No such file or directory\n"


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
