"""The first layer's weights and the worst mistakes of a trained network.

The only module of reports that needs NumPy: the network runs as it was generated, so
that files are checked, read and evaluated as its own program does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from bpcompile.check import imported
from bpcompile.errors import UserError, printable
from bpcompile.lower import lower
from bpcompile.render import render
from bpcompile.reporting.chart import said
from bpcompile.reporting.png import between, png, url
from bpcompile.reporting.run import Run
from bpcompile.reporting.view import classes, shown
from bpcompile.spec import NetworkSpec
from bpcompile.target import load_target, target_names

#: Neurons and mistakes that are shown, and pixels along a side of theirs.
MOST_NEURONS, MOST_MISTAKES, MOST_SIDE = 64, 24, 32
#: A smaller square is rather four measurements than a picture.
LEAST_SIDE = 5
#: Examples whose costs are compared, one by one.
MOST_COMPARED = 20_000
#: Weights that are not among the darkest.
MOST_SHARE = 0.995
#: Odd, so that the middle one stands for zero.
SHADES = 33
#: From below zero over zero to above it; and from the least value to the largest.
_WEIGHTS = between(((28, 80, 160), (255, 255, 255), (176, 42, 28)), SHADES)
_VALUES = between(((255, 255, 255), (16, 20, 26)), SHADES)
_ARCHIVE, _NUMPY_FILE = b"PK", b"\x93NUMPY"
_PAIRS = (("x_test", "y_test"), ("x", "y"), ("x_train", "y_train"))


@dataclass(frozen=True)
class Picture:
    """One small picture, "" for none, and the words below it."""

    url: str
    caption: str
    details: str = ""


@dataclass(frozen=True)
class Pictures:
    """Pictures with what is to be said of them all; `size` is (height, width)."""

    weights: tuple[Picture, ...] = ()
    weights_note: str = ""
    mistakes: tuple[Picture, ...] = ()
    mistakes_note: str = ""
    size: tuple[int, int] | None = None


def pictures(
    run: Run, weights: str, data: str | None, size: tuple[int, int] | None
) -> Pictures:
    """What the weights of a run look like and, with data, where it errs most.

    size   of the inputs as a picture, a square of 25 pixels or more if None

    Raises UserError where a file cannot be read, is another network's, or the inputs
    are not of that size.
    """
    inputs = run.spec.layers[0].size
    size = _size(inputs, size)
    module = _module(run.spec)
    try:
        net = module.Network.load(weights)
    except (ValueError, OSError) as error:
        raise UserError(_said_of(weights, error)) from None
    first = np.asarray(net.parameters["w2"], float)
    found = _weights(first, size) if size else ((), _no_picture(inputs))
    if data is None:
        return Pictures(*found, size=size)
    return Pictures(*found, *_mistakes(run, net, data, size), size=size)


def _size(inputs: int, size: tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        side = math.isqrt(inputs)
        return (side, side) if side >= LEAST_SIDE and side * side == inputs else None
    if size[0] * size[1] != inputs:
        shown_size = f"{size[0]}x{size[1]}"
        raise UserError(
            f"--image {shown_size} is {size[0] * size[1]:,} pixels, the network has "
            f"{inputs:,} inputs"
        )
    return size


def _no_picture(inputs: int) -> str:
    return f"{inputs:,} inputs are not taken for a picture; --image HxW makes them one."


def _module(spec: NetworkSpec) -> ModuleType:
    """The network for the first target whose modules can be imported from here."""
    targets = map(load_target, target_names())
    target = next(target for target in targets if target.runs == "import")
    file, *_ = render(lower(spec), target)
    return imported(file.text, spec.name)


def _said_of(path: str, error: Exception) -> str:
    """What an error says, behind the file's name; an OSError without its number."""
    name = printable(path)
    text = printable(getattr(error, "strerror", None) or str(error))
    return text if text.startswith(f"{name}:") else f"{name}: {text}"


# ---- Weights -----------------------------------------------------------------------


def _weights(
    first: np.ndarray[Any, Any], size: tuple[int, int]
) -> tuple[tuple[Picture, ...], str]:
    reduced = [_reduced(row.reshape(size)) for row in first[:MOST_NEURONS]]
    # One large weight would make all the others pale.
    most = float(np.quantile(np.abs(reduced), MOST_SHARE)) or 1.0
    found = tuple(
        Picture(_drawn((one / most + 1) / 2, _WEIGHTS), f"neuron {j}")
        for j, one in enumerate(reduced, start=1)
    )
    note = (
        "Each picture is a neuron of layer 2, each pixel its weight for one input: blue "
        f"below zero, red above it, in full colour from {said(most)} on."
    )
    if len(found) < len(first):
        note += f" Shown are the first {len(found)} of {len(first):,} neurons."
    return found, note


def _reduced(picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Large ones made smaller: means over squares, at the edges over what there is."""
    step = -(-max(picture.shape) // MOST_SIDE)
    if step == 1:
        return picture
    rows, columns = (np.arange(0, n, step) for n in picture.shape)
    sums = np.add.reduceat(np.add.reduceat(picture, rows, axis=0), columns, axis=1)
    counts = np.outer(
        *(np.diff([*s, n]) for s, n in zip((rows, columns), picture.shape, strict=True))
    )
    return sums / counts


def _drawn(shares: np.ndarray[Any, Any], palette: list[tuple[int, int, int]]) -> str:
    """Numbers from 0 to 1 in the colours of a palette."""
    places = np.rint(np.clip(shares, 0, 1) * (len(palette) - 1)).astype(np.uint8)
    return url(png(places.tobytes(), shares.shape[1], palette))


# ---- Mistakes ----------------------------------------------------------------------


def _mistakes(
    run: Run, net: Any, data: str, size: tuple[int, int] | None
) -> tuple[tuple[Picture, ...], str]:
    """The examples of largest cost, of a classification those that were not found."""
    x, y, name = _examples(data)
    y = _coded(run, y, data)
    try:
        # of weights that fit() saved, predict would give its labels
        predicted = np.asarray(getattr(net, "_numbers", net.predict)(x))
        wrong = _wrong(run, predicted, y)
        costs = [
            (float(net.cost(x[i : i + 1], y[i : i + 1])), int(i))
            for i in wrong[:MOST_COMPARED]
        ]
    except ValueError as error:
        raise UserError(_said_of(data, error)) from None
    costs.sort(key=lambda one: (-one[0] if one[0] == one[0] else -math.inf, one[1]))
    worst = costs[:MOST_MISTAKES]
    found = tuple(
        Picture(
            _value_picture(x[i], size) if size else "",
            _found(run, predicted[i], y[i]),
            f"{name} {i}, cost {said(cost)}",
        )
        for cost, i in worst
    )
    return found, _about_mistakes(run, len(wrong), len(x), len(found))


def _about_mistakes(run: Run, wrong: int, count: int, shown_count: int) -> str:
    if run.spec.resolved_task == "classification":
        text = f"{wrong:,} of {count:,} examples were taken for another class."
    else:
        text = f"The examples of largest cost, of {count:,}."
    more = wrong > shown_count and run.spec.resolved_task == "classification"
    compared = f", of the first {MOST_COMPARED:,}" if wrong > MOST_COMPARED else ""
    if more:
        text += f" Shown are the {shown_count} of largest cost{compared}."
    return text


def _examples(path: str) -> tuple[Any, Any, str]:
    """Inputs, what is wanted of them and what the rows are called, from an .npz file.

    The test set, if there is one.
    """
    shown_path = printable(path)
    try:
        with open(path, "rb") as file:
            start = file.read(len(_NUMPY_FILE))
        if start and not start.startswith((_ARCHIVE, _NUMPY_FILE)):
            # np.load would take it for a pickle
            needed = "is no .npz file with x, y, which pictures of mistakes are made of"
            raise UserError(f"{shown_path}: {needed}")
        held = np.load(path, allow_pickle=False)
        if isinstance(held, np.ndarray):
            raise UserError(f"{shown_path}: is one array, needs an .npz with x, y")
        with held:
            pair = next((p for p in _PAIRS if set(p) <= set(held.files)), None)
            if pair is None:
                has = ", ".join(map(printable, held.files[:10]))
                raise UserError(f"{shown_path}: has arrays [{has}], needs x, y")
            x, y = (held[name] for name in pair)
    except FileNotFoundError:
        raise UserError(f"cannot read {shown_path}: no such file") from None
    except UserError:
        raise
    except Exception as error:
        # Of a damaged archive, zipfile and zlib raise a dozen kinds.
        reason = f"corrupt file, or no .npz: {printable(str(error))}"
        if isinstance(error, ValueError) and "pickle" in reason:
            reason = "holds object arrays, which are never read"
        raise UserError(f"{shown_path}: {reason}") from None
    if len(x.shape) == 0 or len(y.shape) == 0 or len(x) != len(y) or not len(x):
        shapes = f"x has shape {x.shape}, y {y.shape}"
        raise UserError(f"{shown_path}: {shapes}: they need rows, equally many")
    return x, y, "test row" if pair == _PAIRS[0] else "row"


def _coded(run: Run, y: Any, path: str) -> Any:
    """Labels by their number where they are given by name."""
    if y.dtype.kind not in "US" or not run.classes:
        return y
    numbers = {name: number for number, name in enumerate(run.classes)}
    unknown = next((name for name in y.ravel().tolist() if name not in numbers), None)
    if unknown is not None:
        reason = f"the log knows no class {printable(str(unknown))!r}"
        raise UserError(f"{printable(path)}: {reason}")
    return np.array([numbers[name] for name in y.ravel().tolist()])


def _wrong(run: Run, predicted: Any, y: Any) -> Any:
    """The rows to look at."""
    if run.spec.resolved_task != "classification":
        return np.arange(len(y))
    wanted = y.argmax(axis=1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(len(y))
    return np.flatnonzero(predicted.reshape(len(y)) != wanted)


def _found(run: Run, predicted: Any, wanted: Any) -> str:
    """What was wanted and what was found, by names where there are some."""
    if run.spec.resolved_task != "classification":
        return f"{_numbers(wanted)} wanted, {_numbers(predicted)} found"
    names = classes(run, run.spec.layers[-1].size)
    wanted = wanted.argmax() if np.size(wanted) > 1 else np.ravel(wanted)[0]
    told = (
        names[int(label)] if len(names) > 1 and 0 <= label < len(names) else said(label)
        for label in (wanted, np.ravel(predicted)[0])
    )
    return "{} taken for {}".format(*told)


def _numbers(values: Any) -> str:
    texts = [said(float(value)) for value in np.ravel(values)[:4]]
    return shown(", ".join(texts) + (", …" if np.size(values) > 4 else ""))


def _value_picture(row: Any, size: tuple[int, int]) -> str:
    picture = _reduced(np.asarray(row, float).reshape(size))
    low, high = float(picture.min()), float(picture.max())
    return _drawn((picture - low) / ((high - low) or 1.0), _VALUES)
