"""bench/monitor.py: a run of the book as a table of its epochs."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from support import ROOT, SPECS, module_of, run

from bpcompile import load_spec

SPEC = load_spec(
    SPECS / "book" / "ch3_eta_2_5.json",
    ["hyperparameters.epochs=5", f"hyperparameters.regularization.l2={5 * 30 / 5e4}"],
)


@pytest.fixture
def images(tmp_path):
    """30 training and 20 test images in an .npz, and their arrays."""
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (30, 784), np.uint8),
        "y_train": np.arange(30) % 10,
        "x_test": rng.integers(0, 256, (20, 784), np.uint8),
        "y_test": np.arange(20) % 10,
    }
    np.savez(tmp_path / "images.npz", **arrays)
    return tmp_path / "images.npz", list(arrays.values())


def monitor(*arguments: object):
    return run(sys.executable, ROOT / "bench" / "monitor.py", *arguments)


def lines(*arguments: object) -> list[list[str]]:
    done = monitor(*arguments)
    assert done.returncode == 0, done.stderr
    return [
        [c.strip() for c in t.strip("|").split("|")] for t in done.stdout.split("\n")
    ]


def test_series_are_those_of_the_records(images):
    path, data = images
    series = ["cost", "test_accuracy"]
    head, _, *table, _ = lines(
        path, "ch3_eta_2_5", *series, "--epochs", 5, "--every", 2
    )
    network = module_of(SPEC).Network()
    first = [network.cost(*data[:2]), network.accuracy(*data[2:])]
    records = network.train(*data, monitor=series)
    expected = [["0", *(f"{value:.4g}" for value in first)]]
    for record in (records[1], records[3], records[4]):
        values = [f"{record[name]:.4g}" for name in series]
        expected.append([str(record["epoch"]), *values])
    assert head == ["epoch", *series]
    assert table == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ch3_eta_2_5", "speed"], "monitor has 'speed', expected some of"),
        (["ch3_eta_9", "cost"], 'no run is called "ch3_eta_9"; the runs are ch1_'),
        (["ch3_eta_*", "cost"], '"ch3_eta_*" is 3 runs, name one'),
    ],
)
def test_mistake_is_one_line(images, words, message):
    done = monitor(images[0], *words)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"monitor: {message}")


def test_norms_have_a_column_for_each_layer(images):
    path, (x, y, *_) = images
    head, _, first, last, _ = lines(
        path, "ch5_speed_2_hidden", "gradient_norms", "--epochs", 1
    )
    assert head == ["epoch", *(f"gradient_norms, layer {n}" for n in (2, 3, 4))]
    spec = load_spec(
        SPECS / "book" / "ch5_speed_2_hidden.json",
        ["hyperparameters.regularization.l2=0.15"],
    )
    network = module_of(spec).Network()
    for cells, epochs in ((first, 0), (last, 1)):
        network.train(x, y, epochs=epochs)
        nabla = network.backprop(x, y)
        norms = [np.linalg.norm(nabla[f"b{n}"]) for n in (2, 3, 4)]
        # Four digits are printed, of sums that may round in another order.
        assert [float(cell) for cell in cells[1:]] == pytest.approx(norms, rel=1e-3)


def test_cost_of_either_data_has_its_own_n_for_lmbda(images):
    # network2.py's definition: lmbda over 2n, n the examples that are evaluated.
    series = ["total_cost", "cost", "test_total_cost", "test_cost"]
    _, _, first, last, _ = lines(images[0], "ch3_hunt_noise", *series, "--epochs", 1)
    for _, *cells in (first, last):
        total, cost, test_total, test_cost = map(float, cells)
        # 20 images are tested, 30 trained on; costs are printed with four digits.
        assert (test_total - test_cost) / (total - cost) == pytest.approx(1.5, rel=0.05)
