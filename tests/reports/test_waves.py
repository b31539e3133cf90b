"""Waves: the planted effect lies in the interval as often as it claims, and where there is none, none is found."""

from __future__ import annotations

import random
from collections import Counter
from math import exp

import pytest

from recare.reports.waves import Compared, Pattern, closed, compare, designs

ROUNDS = 250


def came(chance_a_day: float, first: int, last: int, rng: random.Random) -> int | None:
    """The day of a visit, when each day has the same chance; None when there is none up to ``last``."""
    day = first + 1 + int(rng.expovariate(chance_a_day)) if chance_a_day else last + 1
    return day if day <= last else None


def world(
    seed: int, *, households: int, alone: float, starts: tuple[int, ...], base: float, lift: float, age: int = 400
) -> list[Pattern]:
    """Households of one to three in random order; each has its own inclination. ``base`` and ``lift``: chances of a visit a day."""
    rng, seen = random.Random(seed), Counter[tuple[int | None, int, tuple[int, ...]]]()
    for _ in range(households):
        drawn, members, inclined = rng.random(), rng.choice((1, 1, 2, 3)), rng.choice((0.4, 1.6))
        turn = None if drawn < alone else starts[min(int((drawn - alone) / (1 - alone) * len(starts)), len(starts) - 1)]
        days = []
        for _ in range(members):
            before = came(base * inclined, 0, turn if turn is not None else 1_000, rng)
            after = came((base + lift) * inclined, turn, 1_000, rng) if turn is not None and before is None else None
            days += [day for day in (before, after) if day is not None]
        seen[turn, members, tuple(sorted(days))] += 1
    return [Pattern(1, turn, age, members, days, days, units) for (turn, members, days), units in seen.items()]


def found(patterns: list[Pattern]) -> Compared:
    return compare(closed(patterns, lambda pattern: pattern.kept))


def planted(starts: tuple[int, ...], watched: dict[int, int], base: float, lift: float) -> float:
    """The true difference: of the people at risk at each turn, how many more come while it is watched."""
    gained = people = 0.0
    for inclined in (0.4, 1.6):
        for start, span in watched.items():
            at_risk = exp(-base * inclined * start)
            people += at_risk
            gained += at_risk * (exp(-base * inclined * span) - exp(-(base + lift) * inclined * span))
    return gained / people


@pytest.mark.parametrize(("alone", "starts"), [(0.1, (0, 14, 28)), (0.0, (0, 28, 56)), (0.1, (0, 60, 120))])
def test_the_interval_covers_a_planted_effect_as_often_as_it_claims(alone: float, starts: tuple[int, ...]) -> None:
    inside, total = 0, 0.0
    for seed in range(ROUNDS):
        patterns = world(seed, households=500, alone=alone, starts=starts, base=0.0006, lift=0.0010)
        watched = {turn.starts: turn.watched for turn in closed(patterns, lambda p: p.kept)}
        truth = planted(starts, watched, 0.0006, 0.0010)
        result = found(patterns)
        inside += result.lift.low <= truth <= result.lift.high
        total += result.lift.value - truth
    assert 0.93 <= inside / ROUNDS <= 0.995
    assert abs(total / ROUNDS) < 0.004  # and it is not off to one side


@pytest.mark.parametrize(("alone", "starts"), [(0.1, (0, 14, 28)), (0.0, (0, 28, 56)), (0.05, (0, 14, 28, 42, 56, 70))])
def test_where_nothing_works_something_is_found_one_time_in_twenty_at_most(
    alone: float, starts: tuple[int, ...]
) -> None:
    alarms = sum(
        found(world(seed, households=500, alone=alone, starts=starts, base=0.0012, lift=0.0)).lift.certain
        for seed in range(ROUNDS)
    )
    assert 0.002 <= alarms / ROUNDS <= 0.07


def test_later_waves_sharpen_what_a_small_hold_out_alone_would_tell() -> None:
    both, alone = 0.0, 0.0
    for seed in range(40):
        patterns = world(seed, households=800, alone=0.05, starts=(0, 60, 120), base=0.001, lift=0.001)
        both += found(patterns).control.effective
        alone += found([p for p in patterns if p.turn in {None, 0}]).control.effective
    assert both > 2 * alone


def pattern(turn: int | None, units: int, *days: int, members: int = 1, age: int = 400) -> Pattern:
    return Pattern(1, turn, age, members, days, days, units)


def test_a_later_wave_is_a_control_only_until_its_own_turn() -> None:
    first = [pattern(0, 80), pattern(0, 20, 10)]
    second = [pattern(28, 70), pattern(28, 10, 28), pattern(28, 20, 29)]  # the day of its turn is still the time before
    turns = closed(first + second, lambda p: p.kept)
    assert [(turn.starts, turn.watched) for turn in turns] == [(0, 28)]
    result = compare(turns)
    assert (result.treated.people, result.treated.came) == (100, 20)
    assert (result.control.people, result.control.came) == (100, 10)
    assert result.lift.value == pytest.approx(0.10)


def test_who_came_before_the_turn_belongs_to_neither_side() -> None:
    patterns = [pattern(0, 50), pattern(28, 40), pattern(28, 10, 5), pattern(None, 40), pattern(None, 10, 7)]
    late = [turn for turn in closed(patterns, lambda p: p.kept) if turn.starts == 28]
    result = compare(late)
    assert (result.treated.people, result.control.people) == (40, 40)
    assert result.lift.value == 0


def test_pieces_of_time_are_put_together_when_a_wave_leaves_the_control() -> None:
    patterns = [
        pattern(0, 100),
        pattern(60, 90), pattern(60, 10, 30),            # 10 of 100 in the first 60 days
        pattern(None, 80), pattern(None, 10, 30), pattern(None, 10, 80),
    ]  # fmt: skip
    first = [turn for turn in closed(patterns, lambda p: p.kept) if turn.starts == 0]
    # 20 of 200 until day 60, then 10 of the 90 left alone that had not come
    assert compare(first).control.share == pytest.approx(1 - (1 - 20 / 200) * (1 - 10 / 90))


def test_nothing_is_read_before_the_last_day_is_over_on_both_sides() -> None:
    young = [pattern(0, 10, age=90), pattern(None, 10, age=90)]
    assert closed(young, lambda p: p.kept) == []
    assert len(closed([pattern(0, 10, age=91), pattern(None, 10, age=91)], lambda p: p.kept)) == 1


def test_the_last_wave_without_a_hold_out_has_nobody_to_be_compared_with() -> None:
    design = designs([pattern(0, 5), pattern(30, 5)])[1]
    assert (design.watched(0), design.watched(30)) == (30, 0)
