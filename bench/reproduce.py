"""Nielsen's runs once more: the percentages that his book quotes beside those measured.

    make reproduce DATA=folder [RUNS='ch1_* ch5_1_hidden'] [SCALE=0.1] [EPOCHS=5] [SEED=1]

DATA is a folder with the four files of MNIST (IDX or IDX.gz) or an .npz with x_train,
y_train, x_test and y_test. Every spec of specs/book is compiled and trained as
specs/book/runs.toml says. The table goes to stdout, what is under way to stderr.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from book import (
    Images,
    Prepared,
    Quote,
    Run,
    chosen_runs,
    counted,
    prepared,
    read_images,
    whole,
)

COLUMNS = (
    "run",
    "chapter",
    "quoted",
    "measured",
    "difference",
    "final",
    "best (epoch)",
    "seconds",
)


@dataclass(frozen=True)
class Result:
    """What a run came to: a record for each epoch, and how long they all took."""

    run: Run
    records: list[dict[str, Any]]
    seconds: float

    def percent(self, of_training: bool) -> list[float]:
        """The accuracy after each epoch, on the data evaluated or trained on."""
        series = "accuracy" if of_training else "test_accuracy"
        return [100 * record[series] for record in self.records]


def main() -> int:
    options = parsed()
    try:
        chosen, images = chosen_runs(options.runs), read_images(options.data)
    except ValueError as error:
        print(f"reproduce: {error}", file=sys.stderr)
        return 2
    for line in heading(images, options.scale):
        print(line)
    try:
        # Two of the runs are meant to go wrong; their accuracies say so.
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            for run in chosen:
                ready = prepared(
                    run, images, options.scale, options.epochs, options.seed
                )
                result = trained(run, ready)
                for cells in rows(result):
                    print(f"| {' | '.join(cells)} |", flush=True)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def parsed() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("data", type=pathlib.Path, help="folder with MNIST, or .npz")
    arguments.add_argument("runs", nargs="*", help="names, * allowed; default: all")
    arguments.add_argument(
        "--scale", type=fraction, default=1.0, help="share of the training images"
    )
    arguments.add_argument("--epochs", type=whole, help="at most so many for each run")
    arguments.add_argument("--seed", type=whole, help="instead of the one of each spec")
    return arguments.parse_args()


def fraction(text: str) -> float:
    if not 0 < (number := float(text)) <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 1")
    return number


def heading(images: Images, scale: float) -> Iterator[str]:
    yield f"Percent right, quoted and measured: {counted(images)}."
    if not images.whole or scale < 1:
        yield (
            "A scaled-down copy: MNIST has 50,000, 10,000 and 10,000. Runs on more"
            f" images than there are take them all{shortened(scale)}, with lmbda / n"
            " as in the book."
        )
    if not images.whole:
        yield "The test images stand for the validation images as well."
    yield ""
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"


def shortened(scale: float) -> str:
    return "" if scale == 1 else f", and every run {scale:g} of its images"


def trained(run: Run, ready: Prepared) -> Result:
    """The run from its first weights to its last epoch."""
    x, y, evaluated = ready.training.x, ready.training.y, ready.evaluated
    print(f"{run.spec}: {ready.epochs} epochs, {len(x)} images", file=sys.stderr)
    on_training = any(quote.of_training for quote in run.quoted)
    monitor = ["accuracy" if on_training else "test_accuracy"]
    start = time.perf_counter()
    network = ready.module.Network()
    records = network.train(x, y, evaluated.x, evaluated.y, monitor=monitor)
    return Result(run, records, time.perf_counter() - start)


def rows(result: Result) -> Iterator[list[str]]:
    """A row for each percentage quoted, or one row if there is none."""
    run = result.run
    seconds = f"{result.seconds:.1f}"
    for quote in run.quoted or (None,):
        values = result.percent(quote is not None and quote.of_training)
        best = max(values)
        yield [
            run.spec,
            str(run.chapter),
            *compared(quote, values),
            f"{values[-1]:.2f}",
            f"{best:.2f} ({values.index(best) + 1})",
            seconds,
        ]
        seconds = ""


def compared(quote: Quote | None, values: Sequence[float]) -> list[str]:
    """The percentage quoted, the one measured in its place, and the difference."""
    if quote is None:
        return ["-", "-", "-"]
    about, measured = f"{quote.percent:.2f} ({quote.place})", measured_at(quote, values)
    if measured is None:
        return [about, "-", "-"]
    return [about, f"{measured:.2f}", f"{measured - quote.percent:+.2f}"]


def measured_at(quote: Quote, values: Sequence[float]) -> float | None:
    """The value where the book has its own; None if there are fewer epochs."""
    if quote.at == "final":
        return values[-1]
    if isinstance(quote.at, int):
        return values[quote.at - 1] if quote.at <= len(values) else None
    return max(values)


if __name__ == "__main__":
    sys.exit(main())
