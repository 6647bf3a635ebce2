"""What `bench --mpi` found, as text, as Markdown and as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from bpcompile.benching.growth import RANKS, Growth
from bpcompile.benching.model import (
    LATENCY,
    PAYS,
    REPEATED,
    TRANSFER,
    UNEVEN,
    Prediction,
)
from bpcompile.benching.tables import aligned, markdown, seconds_text, share_text
from bpcompile.summary import size_text

HEAD = (
    "ranks",
    "examples",
    "compute",
    "latency",
    "transfer",
    "a step",
    "exchange",
    "speed-up",
    "efficiency",
    "pays from",
)
#: The reasons of a verdict, in words.
WHY = {
    REPEATED: "what every rank repeats: the update, the order of the epoch, the calls",
    UNEVEN: "shares that are one example larger than others, or to ranks without one",
    LATENCY: "the latency of messages",
    TRANSFER: "the bytes of the gradients",
}
LEGEND = f"""\
a step = compute + latency + transfer; examples: of the rank with most; exchange: the
part of a step that is latency and transfer; efficiency: speed-up / ranks; pays from:
the examples of a step from which efficiency is {PAYS:.0%} or more."""


def text(growth: Growth) -> str:
    """It ends with a line feed."""
    table = aligned(HEAD, map(_row, growth.predictions))
    return _joined(
        f"{_title(growth)}\n",
        f"measured here, {_ranks_here()}, one thread each:",
        *(f"  {line}" for line in _measured(growth)),
        f"\npredicted, {_network(growth)}:",
        table,
        LEGEND,
        *_ends(growth),
    )


def markdown_text(growth: Growth) -> str:
    """It ends with a line feed."""
    return _joined(
        f"**{_title(growth)}**\n",
        f"Measured here, {_ranks_here()}, one thread each:\n",
        *(f"- {line}" for line in _measured(growth)),
        f"\nPredicted, {_network(growth)}:\n",
        markdown(HEAD, map(_row, growth.predictions)),
        *_ends(growth),
    )


def json_text(growth: Growth) -> str:
    """Times in seconds, sizes in bytes; "version" is that of this form."""
    return json.dumps({"version": 1, **_fields(growth)}, indent=2) + "\n"


def _fields(growth: Growth) -> dict[str, Any]:
    found, machine = growth.verdict, growth.machine
    measured = asdict(machine)
    measured["ranks"] = RANKS
    given = growth.given.over(machine.interconnect)
    return {
        "network": growth.network,
        "shape": growth.shape,
        "dtype": growth.dtype,
        "mini_batch_size": growth.mini_batch_size,
        **asdict(growth.work),
        "multiply_adds": growth.multiply_adds,
        "measured": measured,
        "interconnect": {**asdict(given), "given": asdict(growth.given)},
        "here": [_about(prediction) for prediction in growth.here],
        "predicted": [_about(prediction) for prediction in growth.predictions],
        "pays_up_to": found.pays and found.pays.ranks,
        "fastest": found.fastest.ranks,
        "does_not_pay_from": found.first and found.first.ranks,
        "reason": found.reason,
    }


def _joined(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def _title(growth: Growth) -> str:
    work, m = growth.work, growth.mini_batch_size
    count = work.examples // m
    steps = (
        f"{count:,} mini-batches of {m:,}" if count > 1 else f"mini-batches of {m:,}"
    )
    return (
        f"{growth.network}: {growth.shape}, {steps}, {growth.dtype}; an Allreduce of "
        f"{size_text(work.gradient_bytes)} a step"
    )


def _ranks_here() -> str:
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    if cores >= RANKS:
        return f"{RANKS} ranks at once"
    return f"{RANKS} ranks in turns on {cores} core, which says little"


def _measured(growth: Growth) -> Iterator[str]:
    machine = growth.machine
    line, message = machine.compute_line, machine.allreduce_line
    rate = (
        f"{2e-9 * growth.multiply_adds / line.slope:.3g} GFLOP/s" if line.slope else ""
    )
    yield (
        f"compute: {seconds_text(line.start)} + {seconds_text(line.slope)} for each "
        f"example{f' ({rate})' if rate else ''}, off by {line.off:.0%} at most"
    )
    yield (
        f"Allreduce: {seconds_text(message.start)} + {_per_byte(message.slope)}, "
        f"off by {message.off:.0%} at most; adding up: {_per_byte(machine.added)}"
    )
    for prediction in growth.here:
        took = machine.steps[prediction.ranks]
        yield (
            f"a step on {_ranks(prediction.ranks)}: {seconds_text(took)}, by the model "
            f"{seconds_text(prediction.step)} ({prediction.step / took - 1:+.0%})"
        )


def _per_byte(seconds: float) -> str:
    return f"{seconds * 1e9:.2g} ns a byte"


def _network(growth: Growth) -> str:
    given = growth.given
    latency = "" if given.latency is None else f"latency {given.latency:g} µs"
    bandwidth = "" if given.bandwidth is None else f"{given.bandwidth:g} Gbit/s"
    words = " and ".join(filter(None, (latency, bandwidth)))
    if not words:
        return "as if all ranks exchanged as these do (--latency, --bandwidth)"
    return f"over a network of {words}"


def _row(prediction: Prediction) -> tuple[str, ...]:
    return (
        f"{prediction.ranks:,}",
        f"{prediction.share:,}",
        seconds_text(prediction.compute),
        seconds_text(prediction.latency),
        seconds_text(prediction.transfer),
        seconds_text(prediction.step),
        f"{prediction.communication:.0%}",
        f"{prediction.speed_up:.3g}",
        share_text(prediction.efficiency),
        "-" if prediction.pays_from is None else f"{prediction.pays_from:,}",
    )


def _ends(growth: Growth) -> Iterable[str]:
    """What the table comes to, in words."""
    found = growth.verdict
    if found.first is None:
        yield f"\nIt pays on all of them: efficiency is {PAYS:.0%} or more."
        return
    pays, fastest = found.pays, found.fastest
    most = 1 if pays is None else pays.ranks
    limit = f"{_ranks(most)} and fewer" if most > 1 else "one rank alone"
    yield (
        f"\nIt pays on {limit}. On {_ranks(found.first.ranks)} most of what is lost\n"
        f"goes to {WHY[found.reason]}."
    )
    if fastest.ranks == 1:
        yield "A step is shortest on one rank."
    else:
        yield (
            f"A step is shortest on {_ranks(fastest.ranks)}, {fastest.speed_up:.3g} "
            "times as fast as on one."
        )


def _ranks(count: int) -> str:
    return f"{count:,} rank{'s' if count > 1 else ''}"


def _about(prediction: Prediction) -> dict[str, Any]:
    return {
        **asdict(prediction),
        "step": prediction.step,
        "communication": prediction.communication,
        "efficiency": prediction.efficiency,
    }


FORMS: Mapping[str, Callable[[Growth], str]] = {
    "text": text,
    "json": json_text,
    "md": markdown_text,
}
