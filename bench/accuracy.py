"""Test accuracy of the book's networks over seeds, on images in an .npz file.

    .venv/bin/python bench/accuracy.py mnist_10k.npz

The file holds x_train, y_train, x_test, y_test; the figures of the README are for
8,000 training and 2,000 test images of MNIST. Prints a table, the median last.
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np
from importing import ROOT, compiled

#: What is run: the spec, what is changed in it.
RUNS = (
    ("book_ch1", ()),
    (
        "book_ch1",
        (
            "layers[1].initializer=scaled_normal",
            "layers[2].initializer=scaled_normal",
        ),
    ),
    ("book_ch3", ("hyperparameters.regularization.l2=0.8",)),
)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("data", help=".npz with x_train, y_train, x_test, y_test")
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--epochs", type=int, default=30)
    options = arguments.parse_args()
    with np.load(options.data) as data:
        train = data["x_train"], data["y_train"]
        test = data["x_test"], data["y_test"]
    print(f"test accuracy in % after {options.epochs} epochs, by seed; the median last")
    for name, overrides in RUNS:
        module = compiled(ROOT / "specs" / f"{name}.json", overrides=overrides)
        percent = []
        for seed in range(options.seeds):
            network = module.Network(seed=seed)
            network.train(*train, epochs=options.epochs)
            percent.append(100 * network.accuracy(*test))
        seeds = " ".join(f"{value:6.2f}" for value in percent)
        changed = "".join(f" --set {override}" for override in overrides)
        print(
            f"{name}{changed}\n    {seeds}   {statistics.median(percent):6.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
