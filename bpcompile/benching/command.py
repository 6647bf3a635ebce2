"""`bpcompile bench`: its options, what they mean together, where the result goes."""

from __future__ import annotations

import argparse
import math
import re

from bpcompile.benching import steps, telling
from bpcompile.benching.growth import Network, measure_growth
from bpcompile.documents import format_of, write_document
from bpcompile.errors import UserError, quote
from bpcompile.options import add_format, add_output, add_overrides
from bpcompile.streams import result

#: The ranks that are predicted unless told otherwise.
RANKS = tuple(1 << power for power in range(11))
MOST_RANKS, MOST_COUNTS = 1_000_000, 100
#: How a result begins, in each of the formats: such a file may be written over.
_OURS = re.compile(
    r"\w+: [\d-]+, |\*\*\w+: [\d-]+, |\{\n  \"version\": \d+,\n  \"network\""
)
#: Options of --mpi alone.
_OF_RANKS = ("ranks", "latency", "bandwidth")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `bench`."""
    parser.description = (
        "How long a step of the spec's trainer takes here, on made-up rows. With --mpi: "
        "what two ranks of this machine compute and exchange, and what steps on any "
        "number of ranks would take after that: docs/scale-out.md."
    )
    parser.add_argument("spec", metavar="SPEC", help='JSON or TOML, "-" for stdin')
    add_format(parser, ", ".join(steps.FORMS), "text")
    add_output(parser)
    parser.add_argument("-t", dest="target", metavar="TARGET", help="see: targets")
    parser.add_argument(
        "--mpi", action="store_true", help="predict steps on several ranks"
    )
    parser.add_argument(
        "--ranks",
        metavar="N,N,...",
        help=f"predict for these; default: {RANKS[0]},{RANKS[1]},{RANKS[2]},...,"
        f"{RANKS[-1]}",
    )
    parser.add_argument(
        "--latency",
        metavar="µs",
        help="of a message of the network between ranks; default: measured here",
    )
    parser.add_argument(
        "--bandwidth",
        metavar="GBIT/S",
        help="of the network between ranks; default: measured here",
    )
    add_overrides(parser)
    parser.add_argument(
        "--force", action="store_true", help="replace a file that is not ours"
    )


def run(options: argparse.Namespace) -> int:
    """Measure and write; the exit code is 0."""
    from bpcompile.api import load_spec_with_warnings

    options.format = format_of(options.format, options.output, steps.FORMS)
    for name in _OF_RANKS:
        if getattr(options, name) is not None and not options.mpi:
            raise UserError(f"--{name} goes with --mpi")
    ranks = _ranks(options.ranks)
    latency = _positive("latency", options.latency, "microseconds")
    bandwidth = _positive("bandwidth", options.bandwidth, "Gbit/s")
    spec, warnings = load_spec_with_warnings(options.spec, options.overrides)
    options.messages.found(warnings)
    if options.mpi:
        network = Network(latency, bandwidth)
        growth = measure_growth(spec, options.target, ranks, network)
        text = telling.FORMS[options.format](growth)
    else:
        text = steps.FORMS[options.format](steps.time_steps(spec, options.target))
    if options.output == "-":
        result(text)
    else:
        write_document(text, options.output, [options.spec], _OURS, options.force)
    return 0


def _ranks(given: str | None) -> tuple[int, ...]:
    """The numbers of ranks, rising, each once."""
    if given is None:
        return RANKS
    words = given.split(",")
    for word in words:
        if not re.fullmatch(r"[0-9]{1,9}", word) or not 1 <= int(word) <= MOST_RANKS:
            expected = f"numbers from 1 to {MOST_RANKS:,} with commas between them"
            raise UserError(f"--ranks takes {expected}, got {quote(word)}")
    if len(words) > MOST_COUNTS:
        raise UserError(f"--ranks takes at most {MOST_COUNTS} numbers")
    return tuple(sorted(set(map(int, words))))


def _positive(name: str, given: str | None, unit: str) -> float | None:
    if given is None:
        return None
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise UserError(f"--{name} takes {unit} above 0, got {quote(given)}")
    return value
