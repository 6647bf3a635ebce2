"""A Sphinx extension: a page for every spec, and the list of the kinds of step.

Before anything is read, what the pages consist of is made anew into docs/gallery/: the
spec, its picture, its curves, its code and how it differs from its neighbour.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curves import Run
from docstrings import listed
from excerpts import excerpt
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from training import trained

from bpcompile import NetworkSpec, Plan, diff, load_spec, load_target, lower
from bpcompile.picture import svg
from bpcompile.render import Renderer
from bpcompile.steps import STEPS
from bpcompile.summary import Summary, summarize
from bpcompile.target import target_names

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
#: The target whose backpropagation stands on the page; all of them can be downloaded.
SHOWN = "numpy-textbook"


@dataclass(frozen=True)
class Sample:
    """One spec of the gallery; `group` is its folder within specs/."""

    path: Path
    group: str
    spec: NetworkSpec
    run: Run

    @cached_property
    def plan(self) -> Plan:
        return lower(self.spec)

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def source(self) -> str:
        """Its path as one types it."""
        return f"specs/{self.group}{'/' * bool(self.group)}{self.path.name}"

    @property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    @cached_property
    def summary(self) -> Summary:
        return summarize(self.plan)

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """Every value of its normalised spec by its place; not what is only printed."""
        normalised = self.plan.normalised
        told = ("name", "description")
        return dict(_leaves({k: v for k, v in normalised.items() if k not in told}))

    @property
    def last(self) -> str:
        """Its measures after the last epoch, the test data's where there are any."""
        held = self.run.last
        best = {n.removeprefix("test_"): v for n, v in held.items()}
        data = "test data" if "test_cost" in held else "training data"
        accuracy = (
            f"{100 * best['accuracy']:.1f} % right, " if "accuracy" in best else ""
        )
        return f"{accuracy}cost {best['cost']:.3g} on the {data}"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list) and value:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, held in pairs:
            yield from _leaves(held, f"{path}/{key}")
    else:
        yield path, json.dumps(value)


def neighbour(one: Sample, samples: Sequence[Sample]) -> Sample:
    """The other spec of its folder from which it differs in the fewest values."""

    def apart(other: Sample) -> int:
        return len(set(one.settings.items()) ^ set(other.settings.items()))

    others = (s for s in samples if s.group == one.group and s is not one)
    return min(others, key=apart)


# ---- Files ---------------------------------------------------------------------------


def outputs(root: Path, kept: Path) -> dict[str, str]:
    """Every file of docs/gallery/, with its text."""
    specs = root / "specs"
    samples = [
        Sample(path, group, load_spec(path), Run(*trained(path, specs, kept)))
        for group in ("", "book")
        for path in sorted((specs / group).glob("*.json"))
    ]
    made = Environment(
        loader=FileSystemLoader(HERE / "gallery_templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    renderers = [Renderer(load_target(name)) for name in target_names()]
    texts = {"steps.md": made.get_template("steps.jinja").render(steps=_steps())}
    lists = made.get_template("list.jinja")
    for group, name in (("", "index"), ("book", "book")):
        held = [sample for sample in samples if sample.group == group]
        texts[f"{name}.md"] = lists.render(samples=held, group=group)
    for sample in samples:
        texts |= _files_of(sample, samples, renderers, made)
    return texts


def _files_of(
    sample: Sample,
    samples: Sequence[Sample],
    renderers: Sequence[Renderer],
    made: Environment,
) -> dict[str, str]:
    charts = {
        f"{sample.name}_{measure}.svg": chart for measure, chart in sample.run.charts()
    }
    texts = {r.target.name: r.render(sample.plan)[0].text for r in renderers}
    files = {
        r.target.name: f"{sample.name}.{r.target.name}{r.target.suffix}"
        for r in renderers
    }
    shown = next(r.target for r in renderers if r.target.name == SHOWN)
    other = neighbour(sample, samples)
    page = made.get_template("sample.jinja").render(
        sample=sample,
        charts=charts,
        target=shown,
        shown=excerpt(texts[SHOWN], "a1, y = ", "return {"),
        files=files,
        other=other,
        changes=_changes(other, sample),
    )
    return {
        f"{sample.name}.md": page,
        f"{sample.name}.svg": svg(sample.plan),
        **{name: chart.svg() for name, chart in charts.items()},
        **{files[name]: text for name, text in texts.items()},
    }


def _changes(other: Sample, sample: Sample) -> str:
    """What the command prints that stands above it: sides are called by their files."""
    found = diff(other.spec, sample.spec)
    a, b = replace(found.a, label=other.source), replace(found.b, label=sample.source)
    return replace(found, a=a, b=b).text()


def _steps() -> list[tuple[str, str, list[str]]]:
    """Each kind of step: its name, its equation, what is said of it."""
    return [
        (
            step.__name__,
            step.equation,
            list(listed((inspect.getdoc(step) or "").splitlines())),
        )
        for step in STEPS
    ]


def write(root: Path, folder: Path, kept: Path) -> None:
    """Make the folder what it should be; equal files stay, so that Sphinx skips them."""
    folder.mkdir(exist_ok=True)
    texts = outputs(root, kept)
    for path in folder.iterdir():
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        path, wanted = folder / name, text.encode("utf-8")
        if not path.exists() or path.read_bytes() != wanted:
            path.write_bytes(wanted)


def _made(app: Sphinx) -> None:
    docs = Path(app.srcdir)
    write(docs.parent, docs / "gallery", docs.parent / "build" / "site" / "curves")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", _made)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
