"""`bpcompile tune`: its options, what they mean together, what is left in the end."""

from __future__ import annotations

import argparse
import importlib.util
from dataclasses import replace

from bpcompile.api import load_document
from bpcompile.errors import UserError
from bpcompile.options import add_overrides
from bpcompile.sections import MAX_FOLDS
from bpcompile.source.override import overridden
from bpcompile.target import default_target_name, load_target
from bpcompile.tuning.checking import check_space
from bpcompile.tuning.data import TRAINING, VALIDATION, Data
from bpcompile.tuning.folds import split_of
from bpcompile.tuning.objective import objective
from bpcompile.tuning.reading import read_space
from bpcompile.validate import validate, warnings

TRIALS, MOST_JOBS = 30, 256


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `tune`."""
    parser.description = (
        "Search the values of a spec with Optuna: every trial is a compiled variant, "
        "trained in a process of its own and pruned on its validation curve. The same "
        "command goes on where it was interrupted."
    )
    parser.add_argument("specs", metavar="SPEC", nargs=1, help="a JSON or TOML file")
    parser.add_argument("--space", metavar="FILE", required=True, help="what is tried")
    _add_data_options(parser)
    parser.add_argument(
        "--trials", metavar="N", type=_count, default=TRIALS, help="in all, default: 30"
    )
    parser.add_argument(
        "--jobs", metavar="N", type=_count, default=1, help="at once, default: 1"
    )
    parser.add_argument(
        "--metric", help="validation_accuracy or validation_cost; else the spec's own"
    )
    parser.add_argument(
        "--validation-fraction",
        metavar="P",
        type=_share,
        help="of the data, held out to compare trials by; default: the spec's, or 0.2",
    )
    parser.add_argument(
        "--folds",
        metavar="K",
        type=_folds,
        help="train each trial K times, each with another K-th held out; the mean counts",
    )
    parser.add_argument(
        "--validation",
        metavar="F",
        help="or data to compare by: .npz with x, y, or CSV",
    )
    parser.add_argument(
        "--no-pruning", action="store_true", help="let every trial finish"
    )
    parser.add_argument(
        "--seed", metavar="S", type=_seed, default=0, help="of what is tried"
    )
    _add_study_options(parser)
    parser.add_argument("-t", dest="target", metavar="TARGET", help="see: targets")
    add_overrides(parser)


def _add_data_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="F", help=".npz with x, y or ..., or CSV")
    parser.add_argument(
        "--target", dest="column", metavar="COLUMN", help="of a CSV: what to learn"
    )
    parser.add_argument("--x", metavar="F", help="inputs: .npy or IDX")
    parser.add_argument("--y", metavar="F", help="labels or values, likewise")


def _add_study_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--study",
        metavar="NAME",
        help="default: the spec's name; NAME.tune/ is its folder",
    )
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="Optuna's, for several workers; default: SQLite in the folder",
    )
    parser.add_argument(
        "-o", dest="output", metavar="FILE", help="the best spec, too; JSON"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace FILE, keeping a .bak"
    )


def _count(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) <= 10**6):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)


def _folds(text: str) -> int:
    if not (text.isdecimal() and 1 < int(text) <= MAX_FOLDS):
        raise argparse.ArgumentTypeError(f"must be a whole number from 2, not {text!r}")
    return int(text)


def _seed(text: str) -> int:
    if not (text.isdecimal() and int(text) < 2**53):
        message = f"must be a whole number >= 0 and < 2^53, not {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        message = f"must be a number above 0 and below 1, not {text!r}"
        raise argparse.ArgumentTypeError(message)
    return share


def run(options: argparse.Namespace) -> int:
    """Search, then write and print what was found; the exit code is 0, or 1 where no
    trial has come to its end."""
    if importlib.util.find_spec("optuna") is None:
        raise UserError("tune needs Optuna; pip install 'bpcompile[tune]' has it")
    if options.jobs > MOST_JOBS:
        raise UserError(f"--jobs takes at most {MOST_JOBS}, got {options.jobs}")
    data = _data(options)
    target = load_target(options.target or default_target_name())
    document = load_document(options.specs[0], options.overrides)
    spec = validate(document)
    options.messages.found(warnings(spec, document))
    file = read_space(options.space)
    held_out = options.validation_fraction, options.folds, options.validation
    split = split_of(spec, file.space, *held_out)
    trained = overridden(document, split.assignments())
    check_space(trained, file)
    wanted = objective(validate(trained), options.metric, file.space.set)
    given = options.validation is not None
    wanted = replace(wanted, folds=split.folds > 0, given=given)
    # Loaded here, because it needs Optuna.
    from bpcompile.tuning.searching import Task, search

    name = options.study or spec.name
    task = Task(options.specs[0], document, split, file, wanted, target, data, name)
    return search(task, options)


def _data(options: argparse.Namespace) -> Data:
    if bool(options.x) != bool(options.y) or bool(options.data) == bool(options.x):
        raise UserError("give --data F, or --x F and --y F")
    if options.column and not options.data:
        raise UserError("--target COLUMN goes with --data F, a CSV")
    named = {
        TRAINING: options.data,
        "--target": options.column,
        "--x": options.x,
        "--y": options.y,
        VALIDATION: options.validation,
    }
    return Data({name: file for name, file in named.items() if file is not None})
