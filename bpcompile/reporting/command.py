"""`bpcompile report`: its options, what they mean together, where the page goes."""

from __future__ import annotations

import argparse
import re
from typing import Any

from bpcompile.documents import write_document
from bpcompile.errors import UserError, quote
from bpcompile.options import add_output
from bpcompile.reporting.log import read_log
from bpcompile.reporting.page import page
from bpcompile.reporting.run import Run
from bpcompile.reporting.several import MOST_RUNS, page_of_several
from bpcompile.streams import result

#: How a report begins: such a file may be written over.
_OURS = re.compile(
    r'<!doctype html>\n(?:.*\n){3}<meta name="generator" content="bpcompile report '
)
_SIZE = re.compile(r"([1-9]\d{0,5})x([1-9]\d{0,5})")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `report`."""
    parser.description = (
        "The log of a run, which train --log has written, as one HTML page: curves, "
        "layers, mistakes, the network with its equations; of several logs their curves "
        "over each other, and what differs."
    )
    parser.add_argument(
        "logs",
        metavar="LOG",
        nargs="+",
        help='in JSON lines, also of a run that goes on; "-": stdin',
    )
    add_output(parser)
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="a .safetensors file that train has saved: with the first layer's weights",
    )
    parser.add_argument(
        "--data",
        metavar="FILE",
        help="an .npz with x, y: with the worst mistakes in it",
    )
    parser.add_argument(
        "--image",
        metavar="HxW",
        help="the inputs are pictures of H rows and W columns; default: square ones",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace a file that is no report"
    )


def run(options: argparse.Namespace) -> int:
    """Read, make the page and write it; the exit code is 0."""
    logs: list[str] = options.logs
    size = _image_size(options)
    if options.data and not options.weights:
        raise UserError("--data FILE needs --weights FILE, which train has saved")
    if len(logs) > 1 and options.weights:
        raise UserError("--weights goes with one log")
    if len(logs) > MOST_RUNS:
        raise UserError(f"report takes at most {MOST_RUNS} logs, got {len(logs)}")
    if logs.count("-") > 1:
        raise UserError("only one of the logs can be standard input")
    runs = [read_log(path) for path in logs]
    if len(runs) > 1:
        text = page_of_several(runs)
    else:
        text = page(runs[0], _images(runs[0], options, size))
    if options.output == "-":
        result(text)
    else:
        inputs = [*logs, *filter(None, [options.weights, options.data])]
        write_document(text, options.output, inputs, _OURS, options.force)
    return 0


def _image_size(options: argparse.Namespace) -> tuple[int, int] | None:
    if options.image is None:
        return None
    if options.weights is None:
        raise UserError("--image HxW goes with --weights FILE")
    found = _SIZE.fullmatch(options.image)
    if found is None:
        example = "rows x columns, as in 28x28"
        raise UserError(f"--image takes {example}, not {quote(options.image)}")
    return int(found[1]), int(found[2])


def _images(
    held: Run, options: argparse.Namespace, size: tuple[int, int] | None
) -> Any:
    if options.weights is None:
        return None
    # Loaded here, because it needs NumPy, which takes longer than the page.
    from bpcompile.reporting.pictures import pictures

    return pictures(held, options.weights, options.data, size)
