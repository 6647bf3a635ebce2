"""The checkpoint file: what it holds, which one is taken, that no damage passes."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import random
from typing import Any

import numpy as np
import pytest
from checkpoints import (
    COURSES,
    FILE,
    QUIET,
    RESUMING,
    SAVING,
    TRAIN,
    WEIGHTS,
    module_for,
    saying,
    write_data,
)
from modules import bytes_of
from support import LONG, TARGETS

START = b'{"__metadata__":{"sha256":"'
PREVIOUS = pathlib.Path(f"{FILE}.prev")


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The current folder, with data."""
    monkeypatch.chdir(tmp_path)
    write_data()
    return tmp_path


@pytest.fixture
def said(capsys: Any) -> Any:
    return saying(capsys)


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


@pytest.mark.fault("CKP-05")
def test_cut_off_anywhere_it_is_refused() -> None:
    module, raw = small()
    for length in range(0, len(raw), 1 if LONG else 37):
        said = refused(module, raw[:length])
        reason = "no digest" if length < 8 + len(START) else "digest mismatch"
        assert said.startswith(f"{FILE}: ")
        assert said.endswith(f"corrupt ({reason})")
    refused(module, raw + b"\0")


@pytest.mark.fault("CKP-06")
def test_no_flipped_bit_passes() -> None:
    module, raw = small()
    rng = random.Random(5)
    bits = rng.sample(range(8 * len(raw)), 10_000 if LONG else 300)
    # the length, the beginning and the digest itself, whatever was drawn
    for bit in {*bits, *range(0, 8 * (8 + len(START) + 64), 1 if LONG else 4)}:
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        refused(module, bytes(changed))


@pytest.mark.fault("CKP-07")
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


@pytest.mark.fault("CKP-05", "CKP-06", "CKP-07")
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
