from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recare.reports import intervals


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],  # Newcombe 1998, table I
)
def test_wilson_gives_the_published_intervals(count: int, of: int, low: float, high: float) -> None:
    assert intervals.wilson(count, of) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("one", "zero", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
    ],  # Newcombe 1998, Statistics in Medicine 17:873, table II, method 10
)
def test_newcombe_gives_the_published_intervals(
    one: tuple[int, int], zero: tuple[int, int], low: float, high: float
) -> None:
    found = intervals.newcombe(one[0] / one[1], one[1], zero[0] / zero[1], zero[1])
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


rates = st.tuples(st.integers(1, 2000), st.floats(0, 1)).map(lambda pair: (round(pair[0] * pair[1]), pair[0]))


@given(rates, rates)
def test_an_interval_holds_its_value_and_turns_around_with_its_arms(
    one: tuple[int, int], zero: tuple[int, int]
) -> None:
    found = intervals.newcombe(one[0] / one[1], one[1], zero[0] / zero[1], zero[1])
    turned = intervals.newcombe(zero[0] / zero[1], zero[1], one[0] / one[1], one[1])
    assert -1 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1
    assert turned.low == pytest.approx(-found.high, abs=1e-9)


def test_the_intervals_cover_the_truth_as_often_as_they_claim() -> None:
    rng, covered, rounds = random.Random(7), 0, 2000
    for _ in range(rounds):
        treated, held = (sum(rng.random() < p for _ in range(n)) for p, n in ((0.06, 900), (0.03, 100)))
        found = intervals.newcombe(treated / 900, 900, held / 100, 100)
        covered += found.low <= 0.03 <= found.high
    assert 0.935 <= covered / rounds <= 0.99


def test_people_of_one_household_who_come_together_count_for_less() -> None:
    together = [(3, 3)] * 10 + [(3, 0)] * 90
    apart = [(1, 1)] * 30 + [(1, 0)] * 270
    assert intervals.effective_n(together) == pytest.approx(100, rel=0.05)
    assert intervals.effective_n(apart) == pytest.approx(300, rel=0.05)


def test_an_arm_where_nobody_came_is_worth_its_households() -> None:
    assert intervals.effective_n([(4, 0)] * 25) == 25


@pytest.mark.parametrize(
    ("patients", "holdout", "base", "points"),
    [
        (300, 0.5, 0.05, 10.4),
        (1000, 0.10, 0.02, 7.0),
        (1000, 0.50, 0.02, 3.3),
        (3000, 0.2, 0.05, 3.2),
        (10_000, 0.10, 0.05, 2.3),
    ],
)
def test_the_smallest_detectable_gain_is_that_of_the_published_table(
    patients: int, holdout: float, base: float, points: float
) -> None:
    held = patients * holdout
    found = intervals.smallest_detectable(base, patients - held, held)
    assert found is not None
    assert 100 * found == pytest.approx(points, rel=0.10)


def test_the_cost_of_the_documented_example_has_no_upper_limit() -> None:
    lift = intervals.newcombe(63 / 900, 900, 3 / 100, 100)
    cost = intervals.incremental_cost(900_00, 900, lift)
    assert cost.value == pytest.approx(25_00)
    assert cost.low == pytest.approx(14_90, rel=0.01)
    assert cost.high is None


def test_no_gain_has_no_price() -> None:
    assert intervals.incremental_cost(100_00, 100, intervals.Difference(-0.2, -0.3, -0.1)) == intervals.Cost(
        None, None, None
    )


def test_a_small_cell_hardly_moves_and_a_large_one_speaks_for_itself() -> None:
    assert intervals.shrunken(2, 4, 0.05) == pytest.approx(0.0588, abs=1e-3)
    assert intervals.shrunken(1000, 10_000, 0.05) == pytest.approx(0.099, abs=1e-3)
