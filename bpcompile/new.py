"""`bpcompile new NAME`: a spec to begin with, from one of those in `starts/`."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from bpcompile.errors import UserError, nearest, printable, quote
from bpcompile.output import examine, write_outputs
from bpcompile.schema import schema_text
from bpcompile.spec import NAME, NetworkSpec

STARTS = Path(__file__).parent / "starts"
SUFFIX = ".json"
#: Hidden, so that `build *.json` does not take it for a spec.
SCHEMA_FILE = ".bpcompile.schema.json"


def templates() -> dict[str, str]:
    """The starts there are, each with the first sentence of its description."""
    texts = {path.stem: path.read_text("utf-8") for path in STARTS.glob(f"*{SUFFIX}")}
    about = {name: json.loads(texts[name])["description"] for name in sorted(texts)}
    return {name: text.partition(". ")[0] for name, text in about.items()}


def start(name: str, template: str) -> str:
    """The text of a start under that name.

    Raises UserError where there is no such template, or the name is none for a network.
    """
    known = templates()
    if template not in known:
        near = nearest(template, known)
        hint = f'; did you mean "{near}"?' if near else ""
        listed = ", ".join(known)
        raise UserError(f"no template {quote(template)}{hint} (one of: {listed})")
    if not re.fullmatch(NAME, name):
        raise UserError(f"{quote(name)} is no name for a network: it must match {NAME}")
    text = (STARTS / f"{template}{SUFFIX}").read_text("utf-8")
    return text.replace(f'"name": "{template}"', f'"name": "{name}"', 1)


def place(given: str, output: str | None) -> tuple[str, str]:
    """The name and the path that NAME and -o mean; "-" is standard output.

    NAME is a name, or the path of a file whose stem is one.
    """
    if given == "-":
        default: str = NetworkSpec.model_fields["name"].default
        return default, output or "-"
    path = given.removesuffix(SUFFIX)
    name = os.path.basename(path)
    if output is None:
        return name, path + SUFFIX
    return name, output + name + SUFFIX if output.endswith("/") else output


def write(path: Path, text: str, force: bool) -> None:
    """Write a start, and the schema beside it where there is none.

    Raises UserError where something else stands there already, unless with `force`,
    which keeps a copy of it.
    """
    shown = printable(str(path))
    if path.suffix.lower() == ".toml":
        raise UserError(f"{shown}: would be read as TOML, a start is JSON")
    if examine(path).text not in (None, text) and not force:
        raise UserError(f"{shown}: exists; --force replaces it and keeps a copy")
    texts = {path: text}
    schema = path.parent / SCHEMA_FILE
    if not os.path.lexists(schema):
        texts[schema] = schema_text()
    write_outputs(texts, force)
