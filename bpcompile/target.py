"""Targets: a folder of templates each, found and checked for completeness.

A target's `target.toml` is all that the compiler knows of a language: how each
primitive is spelled, how a text is quoted, which suffix its files have. A target may
name another as its `base` and then only holds what differs.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bpcompile.errors import UserError, nearest, printable
from bpcompile.expr import PRIMITIVES
from bpcompile.inplace import OPERATIONS
from bpcompile.operators.entry import REDUCTIONS
from bpcompile.operators.training import STATISTICS
from bpcompile.records import dataclass
from bpcompile.steps import STEPS

SETTINGS = "target.toml"
IN_PLACE = "in_place"
#: It stands in the first line of every file.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


@dataclass(frozen=True)
class Target:
    """One output language or style, ready to render.

    folders   where its templates lie, its own first, its base's after
    settings  its target.toml over its base's
    """

    name: str
    folders: tuple[Path, ...]
    settings: Mapping[str, Any]

    @property
    def suffix(self) -> str:
        """That of the module, its first file."""
        return str(self.settings["suffix"])

    @property
    def files(self) -> Mapping[str, str]:
        """The template of each file by its suffix, the module's first."""
        module = {self.suffix: str(self.settings["module"])}
        return {**module, **self.settings.get("beside", {})}

    @property
    def inference(self) -> str:
        """The template of the file with trained weights in it.

        Raises UserError where the target has none.
        """
        if "inference" not in self.settings:
            raise UserError(f'target "{self.name}" has no output for inference')
        return str(self.settings["inference"])

    @property
    def header(self) -> Mapping[str, str]:
        """Suffix and template of the file that declares what a module defines.

        Raises UserError where the target has none.
        """
        if "header" not in self.settings:
            message = f'target "{self.name}" has no header file; name another by -t'
            raise UserError(message)
        header: Mapping[str, str] = self.settings["header"]
        return header

    @property
    def language(self) -> str:
        return str(self.settings["language"])

    @property
    def description(self) -> str:
        return str(self.settings.get("description", ""))

    @property
    def is_default(self) -> bool:
        return bool(self.settings.get("default", False))

    @property
    def style(self) -> str:
        return str(self.settings["style"])

    @property
    def runs(self) -> str:
        """How its modules are run: "import" for one that this process can import."""
        return str(self.settings["runs"])

    @property
    def build(self) -> tuple[str, ...]:
        """The command that makes `{program}` of `{source}`.

        Raises UserError where the target does not say how.
        """
        if "build" not in self.settings:
            raise UserError(f'target "{self.name}" does not say how to build a program')
        return tuple(map(str, self.settings["build"]))


def templates_root() -> Path:
    """Where the templates lie: inside the installed package, else in the checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"


def target_names(root: Path | None = None) -> list[str]:
    """The names of all targets, sorted."""
    folder = root or templates_root()
    return sorted(path.parent.name for path in folder.glob(f"*/{SETTINGS}"))


def load_target(name: str, root: Path | None = None) -> Target:
    """The target of that name, or in that folder if the name holds a slash.

    Raises UserError where there is no such target, or where it lacks anything that a
    plan may ask for; the message names all that is missing.
    """
    root = root or templates_root()
    folder = target_folder(name, root)
    if not (folder / SETTINGS).is_file():
        names = target_names(root)
        near = nearest(name, names)
        hint = f'; did you mean "{near}"?' if near else ""
        shown = printable(name)
        raise UserError(f'no target "{shown}"{hint} (one of: {", ".join(names)})')
    target = _read(folder, root)
    if not _NAME.fullmatch(target.name):
        shown = printable(target.name)
        raise UserError(
            f'target "{shown}": rename its folder, letters, digits, _ . + - in it alone'
        )
    missing = _missing(target)
    if missing:
        raise UserError(f'target "{target.name}" lacks {", ".join(missing)}')
    return target


def target_folder(name: str, root: Path | None = None) -> Path:
    """Where the target of that name lies, or would lie; a slash makes it a folder."""
    return Path(name) if "/" in name else (root or templates_root()) / name


def default_target_name(root: Path | None = None) -> str:
    """The one target whose settings say `default = true`."""
    return next(n for n, own in _own_settings(root).items() if own.get("default"))


def target_name_of_suffix(suffix: str, root: Path | None = None) -> str | None:
    """The target for files of that suffix: the default before all others."""
    found = {
        n: own for n, own in _own_settings(root).items() if suffix in _suffixes(own)
    }
    names = sorted(found, key=lambda name: not found[name].get("default"))
    return names[0] if names else None


def _suffixes(own: Mapping[str, Any]) -> tuple[str | None, ...]:
    return own.get("suffix"), own.get("header", {}).get("suffix")


def _own_settings(root: Path | None) -> dict[str, dict[str, Any]]:
    """The target.toml of every target by its name, without what a base adds."""
    folder = root or templates_root()
    return {name: _settings(folder / name) for name in target_names(folder)}


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / SETTINGS
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except ValueError as error:  # of tomllib, or not UTF-8
        raise UserError(f"{printable(str(path))}: {error}") from None


def _read(folder: Path, root: Path) -> Target:
    own = _settings(folder)
    folders, settings = [folder], own
    if base := own.get("base"):
        inherited = _read(root / base, root)
        folders += inherited.folders
        settings = {**inherited.settings, "default": False, **own}
        for key, value in inherited.settings.items():
            if isinstance(value, dict):
                settings[key] = {**value, **own.get(key, {})}
    # abspath, because "./" has no name.
    return Target(Path(os.path.abspath(folder)).name, tuple(folders), settings)


def _missing(target: Target) -> list[str]:
    """Everything that the target does not define, all of it at once."""
    settings = target.settings
    wanted = ["language", "suffix", "comment", "style", "module", "steps", "runs"]
    missing = [f"setting {key}" for key in wanted if key not in settings]
    tables: dict[str, tuple[str, ...]] = {
        "primitives": tuple(PRIMITIVES),
        # Of single numbers, such as the learning rate.
        "scalars": ("pi",),
        "reductions": REDUCTIONS,
        "statistics": STATISTICS,
        "literal": (
            "quote",
            "escaped",
            "byte",
            "short",
            "long",
            "width",
            "open",
            "close",
            "indent",
            "before",
            "after",
            "grammar",
            "around",
        ),
    }
    if settings.get("style") == IN_PLACE:
        tables[IN_PLACE] = (*(p for p in PRIMITIVES if p != "where"), *OPERATIONS)
    for table, keys in tables.items():
        held = settings.get(table, {})
        missing += [f"{table}.{key}" for key in keys if key not in held]
    if "steps" in settings:
        macros = _macros(target, settings["steps"])
        asked = [s for s in STEPS if not s.needs or settings.get(s.needs)]
        missing += [f"macro {s.__name__}" for s in asked if s.__name__ not in macros]
    return missing


def _macros(target: Target, file: str) -> set[str]:
    """The names of the macros in a template, without running it."""
    for folder in target.folders:
        if (folder / file).is_file():
            text = (folder / file).read_text("utf-8")
            opened = text.split("{%")[1:]
            words = [
                tag.lstrip("-").split("%}")[0].split("(")[0].split() for tag in opened
            ]
            return {w[1] for w in words if len(w) == 2 and w[0] == "macro"}
    return set()
