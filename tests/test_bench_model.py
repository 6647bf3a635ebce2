"""The cost model of data-parallel training: numbers computed by hand."""

from __future__ import annotations

import math

import pytest

from bpcompile.benching.fit import fitted
from bpcompile.benching.model import (
    LATENCY,
    REPEATED,
    TRANSFER,
    UNEVEN,
    Compute,
    Interconnect,
    Prediction,
    Work,
    calibrated,
    predict,
    verdict,
)

#: α, β, γ whose multiples are easily told apart.
NETWORK = Interconnect(latency=1.0, per_byte=0.01, per_byte_added=0.002)
FREE = Interconnect(0.0, 0.0, 0.0)


def seconds(ranks: int, size: int, network: Interconnect = NETWORK) -> float:
    return network.allreduce(ranks, size).seconds


# ---- An Allreduce, as Thakur, Rabenseifner and Gropp count it ----------------------


def test_one_rank_has_nobody_to_talk_to() -> None:
    assert seconds(1, 1_000_000) == 0


@pytest.mark.parametrize(
    ("ranks", "size", "expected"),
    [
        # Short: lg P (α + n β + n γ), so 1 · (1 + 0.1 + 0.02) and 3 times that.
        (2, 10, 1.12),
        (8, 10, 3.36),
        # Long: 2 lg P α + 2 (P - 1)/P n β + (P - 1)/P n γ.
        (2, 1000, 2 + 2 * 0.5 * 10 + 0.5 * 2),
        (8, 1000, 6 + 2 * 0.875 * 10 + 0.875 * 2),
        (1024, 1_000_000, 20 + (2 * 10_000 + 2_000) * 1023 / 1024),
    ],
)
def test_allreduce_is_the_faster_algorithm(
    ranks: int, size: int, expected: float
) -> None:
    assert seconds(ranks, size) == pytest.approx(expected, rel=1e-14)


def test_ranks_beyond_a_power_of_two_hand_their_gradients_over() -> None:
    """Two messages more than for 4: there with a sum, and back."""
    extra = (1 + 10 + 2) + (1 + 10)
    assert seconds(5, 1000) == pytest.approx(seconds(4, 1000) + extra)
    assert seconds(7, 1000) == seconds(5, 1000)


def test_bytes_cost_no_more_than_two_buffers_however_many_ranks() -> None:
    network = Interconnect(0.0, 1.0, 0.0)
    found = [seconds(1 << power, 1000, network) for power in range(1, 11)]
    assert found == sorted(found)
    assert found[-1] < 2000


def test_two_ranks_tell_all_three_parameters() -> None:
    network = calibrated(start=5.0, slope=0.011, added=0.002)
    assert network == Interconnect(5.0, pytest.approx(0.01), 0.002)
    # What was measured comes back: of short messages start + slope n, of long ones too.
    assert seconds(2, 0, network) == 5.0
    long = 10**9
    assert seconds(2, long, network) == pytest.approx(0.011 * long, rel=1e-6)


def test_sum_that_seems_slower_than_the_whole_allreduce_is_all_of_it() -> None:
    network = calibrated(start=1.0, slope=0.01, added=0.5)
    assert network.per_byte == 0
    assert seconds(2, 10**6, network) == pytest.approx(2 + 0.01 * 10**6)


# ---- A step ------------------------------------------------------------------------

WORK = Work(examples=100, gradient_bytes=2000)
COMPUTE = Compute(overhead=10.0, each=1.0)


def test_step_is_compute_and_exchange() -> None:
    found = predict(WORK, COMPUTE, NETWORK, 2)
    assert (found.share, found.compute) == (50, 60.0)
    assert (found.latency, found.transfer) == (2.0, 22.0)
    assert found.step == 84.0
    assert found.communication == pytest.approx(24 / 84)
    assert found.speed_up == pytest.approx(110 / 84)
    assert found.efficiency == pytest.approx(110 / 168)


def test_one_rank_is_as_fast_as_itself() -> None:
    found = predict(WORK, COMPUTE, NETWORK, 1)
    assert (found.step, found.speed_up, found.efficiency) == (110.0, 1.0, 1.0)


def test_last_ranks_have_nothing_where_examples_run_out() -> None:
    found = predict(WORK, COMPUTE, FREE, 64)
    assert found.share == 2  # 36 ranks have two, 28 have one
    found = predict(WORK, COMPUTE, FREE, 1024)
    assert (found.share, found.compute) == (1, 11.0)


@pytest.mark.parametrize("ranks", [2, 3, 8, 1000])
def test_step_from_which_ranks_pay_is_the_least_such(ranks: int) -> None:
    enough = predict(WORK, COMPUTE, NETWORK, ranks).pays_from
    assert enough is not None and enough % ranks == 0
    at, below = (
        predict(Work(m, 2000), COMPUTE, NETWORK, ranks).efficiency
        for m in (enough, max(1, enough - ranks))
    )
    assert at >= 0.5
    assert enough == ranks or below < 0.5


def test_no_number_of_examples_helps_where_examples_cost_nothing() -> None:
    found = predict(WORK, Compute(10.0, 0.0), NETWORK, 4)
    assert found.pays_from is None
    assert predict(WORK, Compute(10.0, 0.0), NETWORK, 1).pays_from == 1


# ---- What it comes to --------------------------------------------------------------


def predictions(
    work: Work, compute: Compute, network: Interconnect
) -> list[Prediction]:
    return [predict(work, compute, network, 1 << power) for power in range(11)]


def test_verdict_names_limits_and_the_fastest() -> None:
    """Of 110 s on one rank: 84 s on 2, 72 s on 4, 66.25 s on 16, 66.625 s on 32."""
    found = predictions(WORK, COMPUTE, NETWORK)
    said = verdict(found, WORK, COMPUTE)
    assert said.pays and said.pays.ranks == 2
    assert said.first and (said.first.ranks, said.first.step) == (4, 72.0)
    assert (said.fastest.ranks, said.fastest.step) == (16, 66.25)
    assert said.reason == TRANSFER


@pytest.mark.parametrize(
    ("compute", "network", "reason"),
    [
        (Compute(1000.0, 1.0), FREE, REPEATED),
        (Compute(0.0, 1.0), Interconnect(100.0, 0.0, 0.0), LATENCY),
        (Compute(0.0, 1.0), Interconnect(0.0, 1.0, 0.0), TRANSFER),
        # 100 examples are not shared any further than one by one.
        (Compute(0.0, 1.0), FREE, UNEVEN),
    ],
)
def test_verdict_says_what_stands_in_the_way(
    compute: Compute, network: Interconnect, reason: str
) -> None:
    assert verdict(predictions(WORK, compute, network), WORK, compute).reason == reason


def test_verdict_where_all_pay_and_where_none_does() -> None:
    work = Work(1 << 20, 1000)
    said = verdict(predictions(work, Compute(0.0, 1.0), FREE), work, COMPUTE)
    assert (said.first, said.reason) == (None, "")
    assert said.pays and said.pays.ranks == said.fastest.ranks == 1024
    far = [predict(WORK, COMPUTE, NETWORK, ranks) for ranks in (512, 1024)]
    assert verdict(far, WORK, COMPUTE).pays is None


# ---- Lines through what was measured -----------------------------------------------


def test_line_through_points_that_are_one() -> None:
    found = fitted({x: 3 + 2 * x for x in (1, 2, 4, 8)})
    assert (found.start, found.slope) == (pytest.approx(3), pytest.approx(2))
    assert found.off == pytest.approx(0, abs=1e-12)


def test_every_point_counts_as_its_share() -> None:
    """No other line is less off, by the squares of its shares of what was measured."""
    measured = {0: 1.0, 1: 1.2, 1000: 100.0, 2000: 240.0}

    def squares(start: float, slope: float) -> float:
        return sum((start + slope * x - v) ** 2 / v**2 for x, v in measured.items())

    found = fitted(measured)
    least = squares(found.start, found.slope)
    others = [
        (found.start * a, found.slope * b) for a in (0.99, 1.01) for b in (1, 0.99)
    ]
    assert all(squares(*other) > least for other in others)
    missed = [abs(found.start + found.slope * x - v) / v for x, v in measured.items()]
    assert found.off == pytest.approx(max(missed))


def test_no_line_is_below_zero() -> None:
    falling = fitted({1: 2.0, 2: 1.0})
    # Least squares of 2 c/2 ... : c = (1/2 + 1) / (1/4 + 1).
    assert (falling.start, falling.slope) == (pytest.approx(1.2), 0)
    steep = fitted({1: 1.0, 2: 4.0})
    assert (steep.start, steep.slope) == (0, pytest.approx(1.2))


def test_one_point_is_its_own_line() -> None:
    found = fitted({7: 3.0})
    assert found.start + found.slope * 7 == pytest.approx(3.0)
    assert found.off == 0 and math.isfinite(found.slope)
