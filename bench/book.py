"""The runs of Nielsen's book, and the images of MNIST that they are trained on."""

from __future__ import annotations

import argparse
import fnmatch
import pathlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from importing import ROOT, compiled
from numpy.typing import NDArray

from bpcompile import load_spec

SPECS = ROOT / "specs" / "book"

#: MNIST's training files hold so many images, of which the book's loader keeps the
#: last ones for validation.
WHOLE, VALIDATION = 60_000, 10_000

#: The names of MNIST's files; the sign between the words depends on who unpacked them.
FILES = {
    "x_train": "train-images{}idx3-ubyte",
    "y_train": "train-labels{}idx1-ubyte",
    "x_test": "t10k-images{}idx3-ubyte",
    "y_test": "t10k-labels{}idx1-ubyte",
}


@dataclass(frozen=True)
class Quote:
    """A percentage that the book quotes; specs/book/runs.toml says what the words are.

    of    "test", "validation" or "training" images
    at    an epoch counted from 1, "final", "best" or "unsaid"
    """

    percent: float
    of: str
    at: int | str

    @property
    def of_training(self) -> bool:
        return self.of == "training"

    @property
    def place(self) -> str:
        """Of what and when, in words."""
        if self.at == "unsaid":
            return self.of
        when = f"epoch {self.at}" if isinstance(self.at, int) else self.at
        return f"{self.of}, {when}"


@dataclass(frozen=True)
class Run:
    """One run of the book: a spec, and what it is trained and evaluated on."""

    spec: str
    chapter: int
    section: str
    training: int
    evaluated: str
    evaluation: int | None = None
    quoted: tuple[Quote, ...] = ()

    @property
    def path(self) -> pathlib.Path:
        return SPECS / f"{self.spec}.json"


@dataclass(frozen=True)
class Examples:
    """Images (n, 784) with values from 0 to 255 and their labels (n,)."""

    x: NDArray[Any]
    y: NDArray[Any]

    def first(self, n: int | None) -> Examples:
        return Examples(self.x[:n], self.y[:n])

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Images:
    """The three sets of the book; without a validation set the test set is both."""

    training: Examples
    validation: Examples
    test: Examples

    @property
    def whole(self) -> bool:
        return self.validation is not self.test


def book_runs() -> list[Run]:
    """Every run of specs/book/runs.toml, in the book's order."""
    table = tomllib.loads((SPECS / "runs.toml").read_text("utf-8"))
    return [
        Run(**{**run, "quoted": tuple(Quote(**q) for q in run.get("quoted", ()))})
        for run in table["run"]
    ]


@dataclass(frozen=True)
class Prepared:
    """A run's module, what its network is trained on, and what it is evaluated on."""

    module: ModuleType
    training: Examples
    evaluated: Examples

    @property
    def epochs(self) -> int:
        return int(self.module.EPOCHS)


def prepared(
    run: Run,
    images: Images,
    scale: float = 1.0,
    limit: int | None = None,
    seed: int | None = None,
) -> Prepared:
    """The run on `scale` of its images, or as many as there are, for `limit` epochs.

    Where these are fewer than in the book, lmbda / n stays what it is there. Without
    a seed it is the spec's.
    """
    hyper = load_spec(run.path).hyperparameters
    data = images.training.first(max(1, round(scale * run.training)))
    changes = [f"hyperparameters.epochs={min(hyper.epochs, limit or hyper.epochs)}"]
    for kind, lmbda in hyper.regularization.penalties.items():
        value = lmbda * len(data) / run.training
        changes.append(f"hyperparameters.regularization.{kind}={value!r}")
    if seed is not None:
        changes.append(f"hyperparameters.seed={seed}")
    evaluated = images.test if run.evaluated == "test" else images.validation
    module = compiled(run.path, overrides=changes)
    return Prepared(module, data, evaluated.first(run.evaluation))


def chosen_runs(patterns: Sequence[str]) -> list[Run]:
    """The runs whose names match one of the patterns; all of them if there is none."""
    runs = book_runs()
    names = [run.spec for run in runs]
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            some = ", ".join(names)
            raise ValueError(f'no run is called "{pattern}"; the runs are {some}')
    wanted = patterns or ["*"]
    return [run for run in runs if any(fnmatch.fnmatch(run.spec, p) for p in wanted)]


def read_images(place: pathlib.Path) -> Images:
    """MNIST from a folder with its IDX files, or from an .npz or a folder with one.

    Raises ValueError with one line that says what is wrong with which file.
    """
    # The module of any of the specs reads the data: they all have the same readers.
    reader = compiled(book_runs()[0].path)
    if not place.exists():
        raise ValueError(f"{place}: no such file or folder")
    found = idx_files(place) if place.is_dir() else {}
    if found:
        paths = {name: str(path) for name, path in found.items()}
        arrays = reader.read_files(paths)
    else:
        path = str(the_npz(place) if place.is_dir() else place)
        paths = dict.fromkeys(FILES, path)
        arrays = reader.read_npz(path, [tuple(FILES)])
    sets = []
    for part in ("train", "test"):
        names = f"x_{part}", f"y_{part}"
        chosen = {name: arrays[name] for name in names}
        reader.check_examples(chosen, [paths[name] for name in names])
        sets.append(Examples(*chosen.values()))
    return split(*sets)


def split(training: Examples, test: Examples) -> Images:
    """The sets of the book's loader, where there are as many images as it needs."""
    if len(training) != WHOLE:
        return Images(training, test, test)
    held = Examples(training.x[-VALIDATION:], training.y[-VALIDATION:])
    return Images(training.first(WHOLE - VALIDATION), held, test)


def idx_files(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Where each of MNIST's four files is; {} if the folder has none of them."""
    found = {name: idx_file(folder, form) for name, form in FILES.items()}
    missing = [FILES[name].format("-") for name, path in found.items() if not path]
    if 0 < len(missing) < len(FILES):
        raise ValueError(f"{folder}: has no file {' or '.join(missing)}, .gz or not")
    return {name: path for name, path in found.items() if path}


def idx_file(folder: pathlib.Path, form: str) -> pathlib.Path | None:
    """One of the files, as its makers, torchvision or an archive of Kaggle leave it."""
    for name in (form.format("-"), form.format(".")):
        for place in (".", "raw", "MNIST/raw", name):
            for suffix in ("", ".gz"):
                path = folder / place / f"{name}{suffix}"
                if path.is_file():
                    return path
    return None


def the_npz(folder: pathlib.Path) -> pathlib.Path:
    """The only .npz of the folder."""
    found = sorted(folder.glob("*.npz"))
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(path.name for path in found)
        raise ValueError(f"{folder}: has several .npz ({names}); name one of them")
    wanted = ", ".join(form.format("-") for form in FILES.values())
    arrays = ", ".join(FILES)
    raise ValueError(f"{folder}: has neither {wanted} (.gz) nor an .npz with {arrays}")


def counted(images: Images) -> str:
    """How many images there are of each kind."""
    parts = [f"{len(images.training):,} training"]
    if images.whole:
        parts.append(f"{len(images.validation):,} validation")
    return f"{', '.join(parts)} and {len(images.test):,} test images"


def whole(text: str) -> int:
    """An argument that counts something, from 1."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number
