"""How long a step of data-parallel training takes on any number of ranks: a model.

Every rank computes the gradient of its share of a mini-batch, one Allreduce adds up all
gradients, every rank updates its own copy of the parameters. So a step takes

    compute(share) + Allreduce(ranks, bytes)

with compute(s) = overhead + s · each, for a share of s examples. All times are in
seconds. What an Allreduce costs is the model of R. Thakur, R. Rabenseifner and W. Gropp,
"Optimization of Collective Communication Operations in MPICH", International Journal of
High Performance Computing Applications 19(1), 2005, sections 3 and 4.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Ranks pay while at least this share of what they could do is done.
PAYS = 0.5
#: What may stand in the way of more ranks: the update, the order of the epoch and the
#: calls, of which every rank has all; shares that differ by an example, or ranks
#: without one; messages, however short; the gradients.
REPEATED, UNEVEN, LATENCY, TRANSFER = (
    "what all repeat",
    "uneven shares",
    "latency",
    "bytes",
)


@dataclass(frozen=True)
class Compute:
    """A step without its Allreduce takes overhead + examples · each."""

    overhead: float
    each: float

    def seconds(self, examples: float) -> float:
        return self.overhead + examples * self.each


@dataclass(frozen=True)
class Exchange:
    """The seconds of an Allreduce, by what they go into."""

    latency: float
    transfer: float

    @property
    def seconds(self) -> float:
        return self.latency + self.transfer


@dataclass(frozen=True)
class Interconnect:
    """α, β and γ of the paper: of a message, of each byte sent, of each byte added."""

    latency: float
    per_byte: float
    per_byte_added: float

    def allreduce(self, ranks: int, size: int) -> Exchange:
        """The faster of the two algorithms that the paper has for sums of `size` bytes.

        Recursive doubling sends everything lg P times; Rabenseifner's sends halves,
        quarters ... and gathers them again: twice the messages, two buffers in all. Of
        P that is no power of two, the ranks beyond it hand theirs to others first and
        get the sum in the end.
        """
        rounds = ranks.bit_length() - 1
        power = 1 << rounds
        whole = size * (self.per_byte + self.per_byte_added)
        share = (power - 1) / power
        halving = 2 * size * self.per_byte + size * self.per_byte_added
        algorithms = (
            Exchange(rounds * self.latency, rounds * whole),
            Exchange(2 * rounds * self.latency, share * halving),
        )
        found = min(algorithms, key=lambda exchange: exchange.seconds)
        if power == ranks:
            return found
        handed = whole + size * self.per_byte
        return Exchange(found.latency + 2 * self.latency, found.transfer + handed)


def calibrated(start: float, slope: float, added: float) -> Interconnect:
    """α, β, γ from an Allreduce of two ranks, which takes start + slope · bytes, and
    from the time of each byte of a sum.

    Two ranks halve once and gather once: 2α + n β + n γ/2, so that slope = β + γ/2;
    what is small is exchanged whole, for α alone.
    """
    per_byte_added = min(added, 2 * slope)
    return Interconnect(start, slope - per_byte_added / 2, per_byte_added)


@dataclass(frozen=True)
class Work:
    """What a network's training asks of ranks: the examples of a step, of which each
    takes its share, and the bytes of all gradients, which an Allreduce adds up."""

    examples: int
    gradient_bytes: int


@dataclass(frozen=True)
class Prediction:
    """A step on so many ranks.

    share       examples of the rank that has most
    speed_up    how many times as fast as on one rank; efficiency: of each rank's own
    pays_from   the examples of a step, a multiple of the ranks, from which `PAYS` is
                reached; None where examples take no time that ranks could share
    """

    ranks: int
    share: int
    compute: float
    latency: float
    transfer: float
    speed_up: float
    pays_from: int | None

    @property
    def step(self) -> float:
        return self.compute + self.latency + self.transfer

    @property
    def communication(self) -> float:
        """The share of the step in which ranks exchange gradients."""
        return (self.latency + self.transfer) / self.step

    @property
    def efficiency(self) -> float:
        return self.speed_up / self.ranks


@dataclass(frozen=True)
class Verdict:
    """What a list of predictions comes to.

    pays      the most ranks with an efficiency of `PAYS` or more, None where none have
    fastest   the ranks on which a step is shortest
    first     the fewest ranks that do not pay, None where all do
    reason    what takes most of the time that those lose, "" where all pay
    """

    pays: Prediction | None
    fastest: Prediction
    first: Prediction | None
    reason: str


def predict(
    work: Work, compute: Compute, interconnect: Interconnect, ranks: int
) -> Prediction:
    """A step of `work` on so many ranks; ranks >= 1."""
    exchange = interconnect.allreduce(ranks, work.gradient_bytes)
    share = -(-work.examples // ranks)
    took = compute.seconds(share)
    return Prediction(
        ranks=ranks,
        share=share,
        compute=took,
        latency=exchange.latency,
        transfer=exchange.transfer,
        speed_up=compute.seconds(work.examples) / (took + exchange.seconds),
        pays_from=_pays_from(compute, exchange.seconds, ranks),
    )


def _pays_from(compute: Compute, exchanged: float, ranks: int) -> int | None:
    """The least multiple m of the ranks with an efficiency of `PAYS` or more.

    From compute(m) >= PAYS · ranks · (compute(m / ranks) + exchanged), solved for m.
    """
    lost = (PAYS * ranks - 1) * compute.overhead + PAYS * ranks * exchanged
    if compute.each == 0:
        return ranks if lost <= 0 else None
    examples = lost / ((1 - PAYS) * compute.each)
    return ranks * max(1, -int(-examples // ranks))


def verdict(predictions: Sequence[Prediction], work: Work, compute: Compute) -> Verdict:
    """What predictions for rising numbers of ranks come to."""
    paying = [p for p in predictions if p.efficiency >= PAYS]
    missing = next((p for p in predictions if p.efficiency < PAYS), None)
    return Verdict(
        pays=paying[-1] if paying else None,
        fastest=min(predictions, key=lambda prediction: prediction.step),
        first=missing,
        reason="" if missing is None else _reason(missing, work, compute),
    )


def _reason(prediction: Prediction, work: Work, compute: Compute) -> str:
    even = work.examples / prediction.ranks
    lost = {
        REPEATED: compute.overhead * (1 - 1 / prediction.ranks),
        UNEVEN: (prediction.share - even) * compute.each,
        LATENCY: prediction.latency,
        TRANSFER: prediction.transfer,
    }
    return max(lost, key=lambda word: lost[word])
