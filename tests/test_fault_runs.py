"""Faults while something runs: signals at bad moments, odd settings, odd file names."""

from __future__ import annotations

import errno
import os
import pathlib
import re
import signal
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from checkpoints import (
    COURSES,
    FILE,
    HYPER,
    LAYERS,
    RESUMING,
    SAVING,
    WEIGHTS,
    module_for,
    saying,
    write_data,
)
from support import SPECS, TARGETS, module_of, run, spec_of, text_of

QUIET = ("--quiet", "--epochs", "2")


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The current folder, with data."""
    monkeypatch.chdir(tmp_path)
    write_data()
    return tmp_path


@pytest.fixture
def said(capsys: Any) -> Any:
    return saying(capsys)


# ---- Signals -----------------------------------------------------------------------

#: A program in which a further signal comes as late as it can: the interpreter ends.
LATE = """
import atexit, os, runpy, signal, sys
for name in ("SIGTERM", "SIGHUP", "SIGINT"):
    atexit.register(os.kill, os.getpid(), getattr(signal, name))
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


@pytest.mark.fault("SIG-03")
@pytest.mark.parametrize("target", TARGETS)
def test_a_signal_after_the_last_word_adds_none(target: str) -> None:
    spec = spec_of(layers=LAYERS, cost="log_likelihood", hyperparameters=HYPER)
    pathlib.Path("net.py").write_text(text_of(spec, target), "utf-8")
    command = [sys.executable, "-c", LATE, "net.py", *SAVING]
    done = run(*command, "--epochs", "1")
    assert (done.returncode, done.stderr) == (0, "")
    FILE.unlink()
    process = subprocess.Popen(
        [*command, "--epochs", "100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout
    assert process.stdout.readline().startswith("Epoch 1: ")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert re.fullmatch(r"interrupted at epoch \d+, step \d+; checkpoint .*\n", err)


#: The compiler, interrupted while it imports that module.
EARLY = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from bpcompile.cli import main
code = main(sys.argv[2:])
raise SystemExit(code)
"""
LOADED = ["bpcompile.streams", "dataclasses", "argparse", "pydantic", "jinja2"]


@pytest.mark.fault("SIG-06")
@pytest.mark.parametrize("module", LOADED)
def test_an_interrupt_while_the_compiler_loads_is_one_line(module: str) -> None:
    before = sorted(os.listdir())
    words = [SPECS / "xor.json", "-o", "net.py"]
    done = run(sys.executable, "-c", EARLY, module, *words)
    assert (done.returncode, done.stderr) == (130, "bpcompile: interrupted\n")
    assert sorted(os.listdir()) == before


# ---- Settings ----------------------------------------------------------------------

SETTINGS: dict[str, tuple[list[str], dict[str, str]]] = {
    "-W error": (["-W", "error"], {}),
    "PYTHONOPTIMIZE": ([], {"PYTHONOPTIMIZE": "2"}),
    "PYTHONDEVMODE": (["-W", "error"], {"PYTHONDEVMODE": "1"}),
}


@pytest.mark.fault("NUM-09")
def test_settings_of_python_change_no_bit_of_a_run() -> None:
    """With a checkpoint, a log, early stopping and a schedule."""
    fields = {"layers": LAYERS, "cost": "log_likelihood"}
    spec = spec_of(**fields, hyperparameters={**HYPER, **COURSES["stopping"]})
    pathlib.Path("net.py").write_text(text_of(spec), "utf-8")
    found = {}
    for name, (options, settings) in {"none": ([], {}), **SETTINGS}.items():
        words = [*SAVING, "--log", f"{name}.jsonl"]
        command = [sys.executable, *options, "net.py", *words]
        done = run(*command, env={**os.environ, **settings})
        assert (done.returncode, done.stderr) == (0, ""), name
        found[name] = WEIGHTS.read_bytes()
        FILE.unlink()
    assert len(set(found.values())) == 1


@pytest.mark.fault("NUM-09")
@pytest.mark.parametrize("way", ["raise", "call", "warn"])
@pytest.mark.parametrize("target", TARGETS)
def test_settings_of_numpy_change_no_bit_of_a_run(target: str, way: Any) -> None:
    """Where numbers underflow: exp of a very negative one is 0, and no mistake."""
    x, y = write_data()
    np.savez("data.npz", x=1e4 * x, y=y)
    plain = module_of(
        spec_of(
            layers=[4, 7, LAYERS[2]],
            cost="log_likelihood",
            hyperparameters={**HYPER, "optimizer": "adam", "learning_rate": 0.1},
        ),
        target,
    )
    with np.errstate(under="raise"), pytest.raises(FloatingPointError):
        plain.Network().train(1e4 * x, y, epochs=1)
    assert plain.main([*SAVING, *QUIET]) == 0
    expected = WEIGHTS.read_bytes()
    FILE.unlink()

    def called(*about: Any) -> None:
        raise AssertionError(about)

    before = np.seterrcall(called)
    try:
        with np.errstate(all=way):
            assert plain.main([*SAVING, *QUIET]) == 0
    finally:
        np.seterrcall(before)
    assert WEIGHTS.read_bytes() == expected


# ---- Names of checkpoints ----------------------------------------------------------


@pytest.mark.fault("CKP-18")
def test_what_is_written_for_a_moment_lies_where_the_link_leads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On the file system of the file itself: a rename across two would be a copy."""
    os.mkdir("there")
    os.symlink("there/c", FILE)
    made: list[str] = []

    def noting(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            made.extend(os.path.dirname(path) for path in arguments[:2])
            return real(*arguments, **options)

        monkeypatch.setattr(os, name, call)

    for name in ("replace", "link"):
        noting(name)
    module = module_for("plain")
    words = [w for w in SAVING if w not in ("--weights-out", str(WEIGHTS))]
    assert module.main([*words, *QUIET, "--weights-out", "there/w"]) == 0
    assert made
    assert set(made) == {os.path.realpath("there")}
    assert FILE.is_symlink()


@pytest.mark.fault("CKP-18")
@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.ENOSYS])
def test_a_file_system_that_renames_over_nothing(
    code: int, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said before training; the old checkpoint is there, and nothing else."""
    module = module_for("plain")
    assert module.main([*SAVING, *QUIET]) == 0
    before = {name: pathlib.Path(name).read_bytes() for name in os.listdir()}

    def refuse(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        found = said(module, *RESUMING, "--quiet", "--epochs", "9", code=2)
    assert found.startswith(f"error: {FILE}: {os.strerror(code)}; no checkpoint of ")
    assert {name: pathlib.Path(name).read_bytes() for name in os.listdir()} == before


@pytest.mark.fault("CKP-18")
@pytest.mark.parametrize(
    "name", ["none", "c.npz", "a b", "-c", "é", "c.tmp", "x" * 200]
)
def test_a_checkpoint_may_have_any_name(name: str, said: Any) -> None:
    module = module_for("plain")
    words = ["train", "--data", "data.npz", "--weights-out", "w", *QUIET]
    assert module.main([*words, f"--checkpoint={name}"]) == 0
    assert module.Network.load_checkpoint(name).epoch == 2
    found = said(module, *words[:-1], "3", f"--resume={name}", f"--checkpoint={name}")
    assert found == ""
    assert sorted(os.listdir()) == sorted(
        ["data.npz", "w", name, f"{name}.prev", *PREV]
    )


#: What is kept of the weights that were saved twice.
PREV = ["w.prev"]


@pytest.mark.fault("CKP-18")
@pytest.mark.parametrize(
    ("checkpoint", "weights"),
    [("w.prev", "w"), ("c", "c.prev"), ("there/../c", "c.prev")],
)
def test_none_is_kept_in_the_place_of_the_other(
    checkpoint: str, weights: str, said: Any
) -> None:
    os.mkdir("there")
    module = module_for("plain")
    words = ("train", "--data", "data.npz", "--weights-out", weights, *QUIET)
    found = said(module, *words, "--checkpoint", checkpoint, code=2)
    assert "what is kept of the one as .prev would be the other" in found
    assert sorted(os.listdir()) == ["data.npz", "there"]
