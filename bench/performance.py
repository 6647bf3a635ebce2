"""docs/performance.md: what bench/steps.py measured, in tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bars import Group
from bouts import TEXTBOOK
from languages import Result, verdict
from peers import PEERS

OWN, BOOK = PEERS["numpy"].title, PEERS["numpy-textbook"].title
FLOOR, SET_UP = PEERS["products"].title, PEERS["set-up"].title
#: Where the part of the page begins that others write.
REST = "\n## Compile time"

INTRODUCTION = """\
# How fast the generated code is

## Training

Microseconds per mini-batch step of the generated modules (`numpy`, `numpy-textbook`, `c`) and of what else could be picked,
float32, every epoch shuffled. Absolute times depend on the machine and on what else it does; the ratios carry over, roughly.

    {command}

{machine}

![Times as multiples of the generated NumPy module's](performance.svg)

Every contender trains the same network from the same weights on the same rows, in a process of its own that is pinned to its
cores, one for the small networks and two for the large ones. Before it is timed, one step
of it is compared with that of the generated NumPy module in float64: who is off by more than a thousandth of the mean change
is left out. Then they take turns of 40 ms or more; the tables have medians, the spread is that of the middle half of turns.

- **PyTorch eager**: `SGD` or `Adam(fused=True)`, the loss by its fused functions, inputs as tensors beforehand.
- **JAX scan**: one `jit` over an epoch, `lax.scan` over its mini-batches, gradients by `jax.grad`.
- **scikit-learn**: `MLPClassifier.partial_fit` on all data; with the cross-entropy where the others have the quadratic cost.
- **FANN**: `FANN_TRAIN_BATCH` on each mini-batch, sigmoids and the quadratic cost always; it has no Adam.
- **{floor}**: the matrix products of a step and nothing else, by NumPy and the same BLAS.
"""

THREADS = """\
**Threads.** The generated code has none of its own: the BLAS below NumPy shares out large products. Small networks want one
(`OPENBLAS_NUM_THREADS=1`): their products are too short to share, and 784-30-10 at 10 took 2.6 times as long with two as with
one. Large ones gain from several where each has a core to itself. On a machine that is busy they wait for each other: two
threads took ten times as long as one for 784-512-512-10 at 128 where twelve other processes ran.
"""


def overview(results: Sequence[Result], head: bool = True) -> Iterator[str]:
    """Every contender of every network."""
    if head:
        yield (
            "| network, mini-batch | cores | implementation | µs per step | spread "
            "| to `numpy` | to the products |"
        )
        yield "|---|---:|---|---:|---:|---:|---:|"
    for result in results:
        own, floor = result.median(OWN), result.median(FLOOR)
        for found in result.measured:
            if found.contender.name == SET_UP:
                continue
            cells = (
                result.race.title,
                str(result.race.cores),
                found.contender.name,
                f"{found.median:.1f}",
                f"{found.spread:.0%}",
                f"{found.median / own:.2f}" if own else "-",
                f"{found.median / floor:.2f}" if floor else "-",
            )
            yield f"| {' | '.join(cells)} |"


def verdicts(results: Sequence[Result]) -> Iterator[str]:
    """What is wanted of generated NumPy beside what this run gave."""
    yield "| network, mini-batch | wanted of `numpy` | measured | met |"
    yield "|---|---|---:|---|"
    for result in results:
        own = result.median(OWN) or float("nan")
        for name, factor in result.race.faster.items():
            ratio = (result.median(name) or float("nan")) / own
            text = f"at least {factor:g} x faster than {name}"
            if factor == 1:
                text = f"no slower than {name}"
            yield verdict(result, text, ratio, ratio >= factor)
        if result.race.to_limit is not None:
            ratio = own / (result.median(FLOOR) or float("nan"))
            text = f"within {result.race.to_limit:g} x of the products alone"
            yield verdict(result, text, ratio, ratio <= result.race.to_limit)
        ratio = (result.median(BOOK) or float("nan")) / own
        text = f"textbook within {TEXTBOOK:g} x of it"
        yield verdict(result, text, ratio, ratio <= TEXTBOOK)


def set_ups(results: Sequence[Result]) -> Iterator[str]:
    """What `train` costs once per call: it checks, converts and scales the data."""
    yield "| network, mini-batch | examples | set-up of `train`, ms | as many steps |"
    yield "|---|---:|---:|---:|"
    for result in results:
        found, own, work = result.median(SET_UP), result.median(OWN), result.race.work
        if found and own:
            total = found * work.steps
            cells = f"{total / 1000:.2f} | {total / own:.0f}"
            yield f"| {result.race.title} | {work.examples} | {cells} |"


def shares(results: Sequence[Result]) -> Iterator[Group]:
    """What the plot has: each network's times, as multiples of the module's."""
    for result in results:
        own = result.median(OWN)
        if own:
            bars = [
                (found.contender.name, found.median / own)
                for found in result.measured
                if found.contender.name not in (OWN, SET_UP)
            ]
            yield Group(f"{result.race.title}: {own:.0f} µs", tuple(bars))


def page(results: Sequence[Result], command: str, machine: Sequence[str]) -> str:
    introduction = INTRODUCTION.format(
        command=command, machine="\\\n".join(machine), floor=FLOOR
    )
    parts = (
        introduction,
        "\n".join(overview(results)) + "\n",
        "### What was wanted\n",
        "\n".join(verdicts(results)) + "\n",
        "### What a call of `train` costs beside its epochs\n",
        "It checks all data for what is no number, converts and scales them, and "
        "allocates the arrays of a mini-batch, once.\n",
        "\n".join(set_ups(results)) + "\n",
        THREADS,
    )
    return "\n".join(parts)


def merged(text: str, kept: str) -> str:
    """The page with what stands below this part of it, as it is."""
    _, found, below = kept.partition(REST)
    return text + found + below
