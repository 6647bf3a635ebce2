"""`bpcompile convert`: its options, its formats, what it may write over."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

from bpcompile.converting import npz
from bpcompile.converting.weights import (
    Weights,
    checked_weights,
    own_plan,
    read_safetensors,
    safetensors,
)
from bpcompile.errors import UserError, nearest, printable, quote
from bpcompile.lower import lower
from bpcompile.output import write_bytes
from bpcompile.plan import Plan
from bpcompile.source.files import file_bytes
from bpcompile.trained import Trained

SAFETENSORS, NPZ, ONNX, BOOK = ".safetensors", ".npz", ".onnx", ".json"
READ, WRITTEN = (SAFETENSORS, NPZ, ONNX, BOOK), (SAFETENSORS, NPZ, ONNX)
MOST_BYTES = 2 << 30


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `convert`."""
    parser.description = (
        "Trained weights from one file format into another, by their suffixes: "
        f"{', '.join(READ)} to {', '.join(WRITTEN)}. ONNX holds the whole of predict."
    )
    parser.add_argument("weights", metavar="WEIGHTS", help=f"one of {', '.join(READ)}")
    parser.add_argument("output", metavar="OUT", help=f"one of {', '.join(WRITTEN)}")
    parser.add_argument(
        "--spec",
        metavar="SPEC",
        help="the network, where WEIGHTS does not say it; else it must be the same",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace a file that convert has not made, keeping a .bak",
    )


def run(options: argparse.Namespace) -> int:
    """Convert and write; the exit code is 0."""
    source, output = options.weights, Path(options.output)
    read = _suffix(source, READ, "is read")
    written = _suffix(options.output, WRITTEN, "is written")
    if ONNX in (read, written) and importlib.util.find_spec("onnx") is None:
        raise UserError("ONNX needs the package onnx: pip install 'bpcompile[onnx]'")
    data = file_bytes(source, MOST_BYTES)
    if output.exists() and output.samefile(source):
        shown = printable(options.output)
        raise UserError(f"{shown}: input and output are the same file")
    weights, trained, plan = _read(read, data, source, options.spec)
    if written == ONNX:
        from bpcompile.converting.onnx_file import onnx_file

        made = onnx_file(weights, trained, plan)
    else:
        made = {SAFETENSORS: safetensors, NPZ: npz.npz}[written](weights)
    write_bytes(output, made, options.force, lambda found: _work(written, found))
    return 0


def _suffix(path: str, known: tuple[str, ...], what: str) -> str:
    suffix = Path(path).suffix.lower()
    if suffix in known:
        return suffix
    meant = nearest(suffix, known)
    guess = f'; did you mean "{meant}"?' if meant else ""
    shown, words = quote(suffix), ", ".join(known)
    raise UserError(
        f"{printable(path)}: no {shown} {what}{guess} (one of: {words})"
        if suffix
        else f"{printable(path)}: has no suffix that {what} (one of: {words})"
    )


def _read(
    suffix: str, data: bytes, path: str, spec: str | None
) -> tuple[Weights, Trained, Plan]:
    """The weights, known to fit the plan of the spec or of what the file says."""
    if suffix == ONNX:
        return _read_onnx(data, path, spec)
    reader = {SAFETENSORS: read_safetensors, NPZ: npz.read_npz, BOOK: npz.read_book}
    found = reader[suffix](data, path)
    plan = _plan(found, spec)
    return *checked_weights(found, plan), plan


def _read_onnx(
    data: bytes, path: str, spec: str | None
) -> tuple[Weights, Trained, Plan]:
    from bpcompile.converting import onnx_chain, onnx_file

    model = onnx_file.parsed(data, path)
    own = onnx_file.is_own(model)
    if not own and spec is None and model.producer_name == onnx_file.PRODUCER:
        reason = "is damaged, or was edited since it was written; --spec reads it as "
        raise UserError(f"{printable(path)}: {reason}somebody else's")
    reader = onnx_file.own_weights if own else onnx_chain.chain_weights
    found = reader(model, path)
    plan = _plan(found, spec)
    weights, trained = checked_weights(found, plan)
    if not own:
        onnx_chain.refuse_another_network(model, weights, trained, plan)
    return weights, trained, plan


def _plan(weights: Weights, spec: str | None) -> Plan:
    if spec is None:
        return own_plan(weights)
    # Loaded here, because most files say themselves what they are of.
    from bpcompile.api import load_spec

    return lower(load_spec(spec))


def _work(suffix: str, found: bytes) -> str:
    """Why what stands in the way is somebody's work, "" where it is not."""
    if suffix == SAFETENSORS:
        # It may be what a training has saved, and looks the same.
        return "may be the only copy of trained weights"
    if suffix == NPZ:
        own = npz.is_own_npz(found)
    else:
        from bpcompile.converting.onnx_file import is_own_onnx

        own = is_own_onnx(found)
    return "" if own else "is not as bpcompile convert writes it"
