"""docs/scale-out.md: what bench/scale_out.py measured, and what follows from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from growth_plot import Curve, Panel, svg

from bpcompile.benching.fit import Line
from bpcompile.benching.growth import Growth, Machine, Network
from bpcompile.benching.model import Prediction, Work
from bpcompile.benching.tables import seconds_text, share_text

#: How far a prediction may be from what is measured.
WANTED = 0.25
#: A cluster's network: what is to be expected of 100 Gbit/s and few switches.
CLUSTER = Network(latency=2.0, bandwidth=100.0)
OWN, PEER = "generated NumPy", "PyTorch DDP, gloo"


@dataclass(frozen=True)
class Run:
    """Of a contender on so many ranks: the median of its steps, in seconds, their
    spread, and the share in which gradients were exchanged."""

    work: str
    title: str
    ranks: int
    step: float
    spread: float
    exchange: float


@dataclass(frozen=True)
class Found:
    """All that was measured; `growths` by the network's name."""

    runs: tuple[Run, ...]
    growths: Mapping[str, Growth]
    machine: tuple[str, ...]

    def text(self) -> str:
        """As `read` takes it."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def read(cls, text: str) -> Found:
        fields = json.loads(text)
        runs = tuple(Run(**run) for run in fields["runs"])
        growths = {name: _growth(about) for name, about in fields["growths"].items()}
        return cls(runs, growths, tuple(fields["machine"]))


def _growth(about: Mapping[str, Any]) -> Growth:
    machine = about["machine"]
    numbered = ("compute", "allreduce", "steps")
    by_number = {
        key: {int(number): took for number, took in machine[key].items()}
        for key in numbered
    }
    lines = {key: Line(**machine[key]) for key in ("compute_line", "allreduce_line")}
    fields = {
        **about,
        "work": Work(**about["work"]),
        "machine": Machine(**{**machine, **by_number, **lines}),
        "given": Network(**about["given"]),
        "ranks": tuple(about["ranks"]),
    }
    return Growth(**fields)


# ---- What was measured beside what is said of it -----------------------------------


def measured(found: Found) -> Iterator[str]:
    """A row for each contender; of one's own, what the model says."""
    yield (
        "| network, mini-batch | implementation | ranks | a step | spread | speed-up "
        "| exchange | the model | off by |"
    )
    yield "|---|---|--:|--:|--:|--:|--:|--:|--:|"
    for run in found.runs:
        one = next(
            r
            for r in found.runs
            if (r.work, r.title, r.ranks) == (run.work, run.title, 1)
        )
        own = run.title == OWN
        said = _said(found.growths[run.work], run.ranks) if own else None
        cells = (
            run.work,
            run.title,
            str(run.ranks),
            seconds_text(run.step),
            f"{run.spread:.0%}",
            f"{one.step / run.step:.2f}",
            f"{run.exchange:.0%}" if own else "",
            seconds_text(said.step) if said else "",
            f"{said.step / run.step - 1:+.0%}" if said else "",
        )
        yield f"| {' | '.join(cells)} |"


def _said(growth: Growth, ranks: int) -> Prediction | None:
    """Nothing where ranks have no core each: the model knows of no such thing."""
    return next((p for p in growth.here if p.ranks == ranks), None)


def said(found: Found) -> Iterator[str]:
    """Steps that `bench --mpi` has timed itself, between all else that it measures."""
    yield "| network | examples | ranks | a step | the model | off by | within 25 % |"
    yield "|---|--:|--:|--:|--:|--:|---|"
    for name, growth in found.growths.items():
        for prediction in growth.here:
            took = growth.machine.steps[prediction.ranks]
            off = prediction.step / took - 1
            cells = (
                name.partition(" at ")[0],
                f"{growth.work.examples:,}",
                str(prediction.ranks),
                seconds_text(took),
                seconds_text(prediction.step),
                f"{off:+.0%}",
                _met(abs(off) <= WANTED),
            )
            yield f"| {' | '.join(cells)} |"


def verdicts(found: Found) -> Iterator[str]:
    yield "| network, mini-batch | wanted | measured | met |"
    yield "|---|---|--:|---|"
    steps = {(run.work, run.title, run.ranks): run.step for run in found.runs}
    for (work, title, ranks), step in steps.items():
        said = _said(found.growths[work], ranks) if title == OWN else None
        if said:
            off = said.step / step - 1
            wanted = f"{_ranks(ranks)}: the model within {WANTED:.0%}"
            yield f"| {work} | {wanted} | {off:+.0%} | {_met(abs(off) <= WANTED)} |"
        peer = steps.get((work, PEER, ranks))
        if title == OWN and peer:
            wanted = f"{_ranks(ranks)}: no slower than {PEER}"
            cells = f"{peer / step:.2f} x | {_met(peer >= step)}"
            yield f"| {work} | {wanted} | {cells} |"


def _met(met: bool) -> str:
    return "yes" if met else "no"


def _ranks(count: int) -> str:
    return f"{count:,} rank{'s' if count > 1 else ''}"


# ---- What the model says of more ---------------------------------------------------


def predicted(growths: Mapping[str, Growth]) -> Iterator[str]:
    """Efficiency on 1, 2, 4 ... ranks, and from where it does not pay."""
    first = next(iter(growths.values()))
    counts = " | ".join(f"{ranks:,}" for ranks in first.ranks)
    yield (
        f"| network | mini-batch | {counts} | pays up to | then lost to "
        f"| pays on {first.ranks[-1]:,} from |"
    )
    yield f"|---|{'--:|' * (len(first.ranks) + 2)}---|--:|"
    for name, growth in growths.items():
        found, size = growth.verdict, growth.work.examples
        shares = (share_text(p.efficiency) for p in growth.predictions)
        pays = "-" if found.pays is None else f"{found.pays.ranks:,}"
        short = name.partition(" at ")[0]
        most = growth.predictions[-1].pays_from
        ends = (pays, found.reason, "-" if most is None else f"{most:,}")
        cells = (short, f"{size:,}", *shares, *ends)
        yield f"| {' | '.join(cells)} |"


def over(growths: Mapping[str, Growth], network: Network) -> dict[str, Growth]:
    return {name: replace(growth, given=network) for name, growth in growths.items()}


def plot(found: Found) -> str:
    """Speed-ups as the ranks here exchange gradients, and over a cluster's network."""
    here, cluster = found.growths, over(found.growths, CLUSTER)
    panels = (
        Panel("predicted, messages as in one machine", tuple(_curves(here))),
        Panel(f"predicted, {_network()}", tuple(_curves(cluster))),
    )
    return svg(panels, "Predicted speed-up over the number of ranks, 1 to 1,024")


def _network() -> str:
    return f"{CLUSTER.latency:g} µs and {CLUSTER.bandwidth:g} Gbit/s"


def _curves(growths: Mapping[str, Growth]) -> Iterator[Curve]:
    for name, growth in growths.items():
        points = tuple((p.ranks, p.speed_up) for p in growth.predictions)
        m = growth.work.examples
        yield Curve(f"{name.partition(' at ')[0]} at {m:,}", points)


# ---- The page ----------------------------------------------------------------------

BEGIN, END = "<!-- measured by bench/scale_out.py -->", "<!-- end of what it wrote -->"


def page(found: Found, command: str) -> str:
    """The part of the page between the two marks, both among it."""
    cluster = over(found.growths, CLUSTER)
    return "\n".join(
        (
            BEGIN,
            "### Measured\n",
            f"    {command}\n",
            "\\\n".join(found.machine) + "\n",
            "Steps of the trainer on one rank and on two, timed in turn with what the model "
            "is made of:\n",
            *said(found),
            "\nThe same beside PyTorch, on other rows and a little later, in turns:\n",
            *measured(found),
            "",
            *verdicts(found),
            "\n### Out to 1,024 ranks: a prediction\n",
            "![Predicted speed-up over the number of ranks](scale-out.svg)\n",
            "Efficiency, with messages between all ranks as between the two here:\n",
            *predicted(found.growths),
            f"\nThe same over a network of {_network()} "
            f"(`--latency {CLUSTER.latency:g} --bandwidth {CLUSTER.bandwidth:g}`):\n",
            *predicted(cluster),
            END,
        )
    )


def merged(text: str, written: str) -> str:
    """The page with that part in the place of the one before."""
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"the page has no part between {BEGIN} and {END}")
    return before + written + after
