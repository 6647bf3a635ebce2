"""A run of the book, epoch by epoch: the numbers of its figures, as a table.

    .venv/bin/python bench/monitor.py FOLDER ch3_overfitting test_accuracy --every 40
    .venv/bin/python bench/monitor.py FOLDER ch5_speed_2_hidden gradient_norms

The series are those of `train(..., monitor=...)`; FOLDER is as for `make reproduce`.
Epoch 0 is the network before its first step.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from book import Prepared, chosen_runs, prepared, read_images, whole


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("data", type=pathlib.Path, help="folder with MNIST, or .npz")
    arguments.add_argument("run", help="its name in specs/book")
    arguments.add_argument("series", nargs="+", help="as for train(monitor=...)")
    arguments.add_argument(
        "--every", type=whole, default=1, help="epochs between lines"
    )
    arguments.add_argument("--epochs", type=whole, help="at most so many")
    options = arguments.parse_args()
    try:
        run, *others = chosen_runs([options.run])
        if others:
            raise ValueError(f'"{options.run}" is {1 + len(others)} runs, name one')
        ready = prepared(run, read_images(options.data), limit=options.epochs)
        records = watched(ready, options.series)
    except ValueError as error:
        print(f"monitor: {error}", file=sys.stderr)
        return 2
    shown = [r for r in records if r["epoch"] % options.every == 0 or r is records[-1]]
    for line in table(shown, options.series):
        print(line)
    return 0


def watched(ready: Prepared, series: Sequence[str]) -> list[dict[str, Any]]:
    """The records of training, and before them what the first weights give."""
    network, (x, y) = ready.module.Network(), (ready.training.x, ready.training.y)
    test = ready.evaluated
    first: dict[str, Any] = {"epoch": 0}
    for name in series:
        if name == "gradient_norms":
            nabla = network.backprop(x, y)
            first[name] = [np.linalg.norm(g) for b, g in nabla.items() if b[0] == "b"]
        else:
            data = (test.x, test.y) if name.startswith("test_") else (x, y)
            method = name.removeprefix("test_")
            first[name] = getattr(network, method)(*data) if known(method) else None
    return [first, *network.train(x, y, test.x, test.y, monitor=series)]


def known(method: str) -> bool:
    """What is not is left to train(), whose message names the series there are."""
    return method in ("cost", "total_cost", "accuracy")


def table(records: Sequence[dict[str, Any]], series: Sequence[str]) -> Iterable[str]:
    """Lines of Markdown; the norms have a column for each layer."""
    columns, last = ["epoch"], records[-1]
    for name in series:
        layers = len(last[name]) if isinstance(last[name], list) else 0
        columns += [f"{name}, layer {n + 2}" for n in range(layers)] or [name]
    yield f"| {' | '.join(columns)} |"
    yield "|" + "---:|" * len(columns)
    for record in records:
        cells = [str(record["epoch"])]
        for name in series:
            values = record[name] if isinstance(record[name], list) else [record[name]]
            cells += [f"{value:.4g}" for value in values]
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
