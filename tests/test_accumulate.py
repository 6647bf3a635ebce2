"""`accumulate`, `parallel` and `--parallel`: what a spec says of how a step is computed,
and that gradients added up over mini-batches are those of one large mini-batch."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import pytest
from ranks import DIGITS, network
from support import SPECS, TARGETS, bpcompile, difference, module_of, spec_of, text_of

from bpcompile import load_spec, reference
from bpcompile.spec import digest

#: Order of summation alone, over some hundred steps in float64.
TOLERANCE = 1e-12


def in_groups(accumulate: int, size: int) -> dict[str, Any]:
    return network(
        "none",
        accumulate=accumulate,
        mini_batch_size=size,
        schedule={"kind": "cosine", "unit": "step"},
        validation_fraction=0.2,
        class_weights=[1, 2, 1, 1, 1, 1, 1, 0.5, 1, 1],
    )


@pytest.mark.parametrize("target", TARGETS)
def test_several_small_mini_batches_train_what_one_large_one_does(target: str) -> None:
    data = np.load(DIGITS)
    x, y = data["x_train"][:500], data["y_train"][:500]
    small, large = (
        module_of(spec_of(**in_groups(*sizes)), target).Network()
        for sizes in ((3, 11), (1, 33))
    )
    # 400 examples are trained on: 12 steps, and one of 4 examples in one part.
    found, wanted = (
        net.train(x, y, epochs=3, monitor=("cost", "accuracy"))
        for net in (small, large)
    )
    for name, p in large.parameters.items():
        assert difference(small.parameters[name], p) < TOLERANCE
    assert [record["accuracy"] for record in found] == [r["accuracy"] for r in wanted]
    for net in (small, large):
        net.update_mini_batch(x[:25], y[:25], 400)
    for name, p in large.parameters.items():
        assert difference(small.parameters[name], p) < TOLERANCE


@pytest.mark.parametrize("target", TARGETS)
def test_accumulated_steps_are_those_of_the_reference(target: str) -> None:
    spec = spec_of(
        dtype="float64",
        layers=[3, {"size": 4, "dropout": 0.5}, 2],
        cost="cross_entropy",
        hyperparameters={
            "mini_batch_size": 2,
            "accumulate": 3,
            "optimizer": "momentum",
        },
    )
    rng = np.random.default_rng(0)
    x, y = rng.random((17, 3)), rng.integers(0, 2, 17)
    net = module_of(spec, target).Network()
    net.train(x, y, epochs=2)
    found = reference.train(spec, x.tolist(), y.tolist(), 2).parameters
    for name, p in net.parameters.items():
        assert difference(p, found[name]) < TOLERANCE


def test_an_accumulated_step_needs_the_memory_of_one_mini_batch() -> None:
    module = module_of(spec_of(**in_groups(50, 10)))
    data = np.load(DIGITS)
    held = module.Held(data["x_train"] / 16, np.eye(10)[data["y_train"]], None)
    net = module.Network()
    for mini_batch, _ in net._parts(held, np.arange(500)):
        assert len(mini_batch.x) == 10
    assert [*held.mini_batches] == [10]


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_off_is_not_in_the_module(target: str) -> None:
    """Also where the spec says so; the goldens hold the text of before."""
    spec = load_spec(SPECS / "digits.json")
    off = ["parallel=none", "hyperparameters.accumulate=1"]
    said = load_spec(SPECS / "digits.json", off)
    assert text_of(said, target) == text_of(spec, target)
    for word in ("MPI", "accumulate", "carved", "Held"):
        assert word not in text_of(spec, target)


def test_parallel_by_flag_is_the_key_of_the_spec(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "net.json"
    path.write_text(json.dumps({"layers": [2, 1], "cost": "quadratic"}))
    by_flag = bpcompile(path, "--parallel", "mpi", "--library")
    path.write_text(
        json.dumps({"layers": [2, 1], "cost": "quadratic", "parallel": {"kind": "mpi"}})
    )
    assert by_flag.stdout == bpcompile(path, "--library").stdout != ""
    sets = bpcompile(path, "--library", "--parallel", "none")
    assert "MPI" not in sets.stdout  # the command line decides
    plain = {"layers": [2, 1], "cost": "quadratic"}
    assert digest(spec_of(**plain)) != digest(spec_of(**plain, parallel="mpi"))
    assert digest(spec_of(**plain)) == digest(spec_of(**plain, parallel="none"))


WRONG = {
    "hyperparameters.accumulate=0": "accumulate is 0, expected at least 1",
    "hyperparameters.accumulate=1.5": "accumulate is 1.5, expected a whole number",
    "hyperparameters.gradient_accumulation_steps=2": 'did you mean "accumulate"?',
    "parallel=ddp": '/parallel is "ddp"; did you mean "mpi"? (one of: none, mpi)',
    'parallel={"kind":"mpi","n":4}': "/parallel/n is not a parameter of mpi",
    "hyperparameters.parallel=mpi": 'did you mean "parallel" at the top level?',
}


@pytest.mark.parametrize("assignment", WRONG)
def test_a_wrong_value_is_named_with_its_place(assignment: str) -> None:
    done = bpcompile(SPECS / "xor.json", "--set", assignment)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("--set:1:")
    assert WRONG[assignment] in done.stderr


SAYS = {
    "parallel=mpi": "cannot train by",
    "hyperparameters.accumulate=2": "cannot add up the gradients",
}


@pytest.mark.parametrize("assignment", SAYS)
def test_a_target_that_cannot_says_which_can(
    assignment: str, tmp_path: pathlib.Path
) -> None:
    folder = tmp_path / "unable"
    folder.mkdir()
    settings = 'base = "numpy"\nparallel = []\naccumulates = false\n'
    (folder / "target.toml").write_text(settings)
    (folder / "module.jinja").write_text("{{ plan.name }} = 0\n")
    done = bpcompile(SPECS / "xor.json", "-t", str(folder), "--set", assignment)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(f'bpcompile: target "unable" {SAYS[assignment]}')
    assert all(name in done.stderr for name in TARGETS)
