"""The search for openings, without a database."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from recare.bookings.schedule import Busy, Chair, Hours, Rules, Schedule, search

CHICAGO = ZoneInfo("America/Chicago")
TUESDAY = date(2027, 1, 19)
LONG_BEFORE = datetime(2027, 1, 12, 17, 0, tzinfo=UTC)
CASES = yaml.safe_load((Path(__file__).parent / "slot_cases.yaml").read_text())


def at(day: date, wall: time) -> datetime:
    return datetime.combine(day, wall, CHICAGO).astimezone(UTC)


def meanings(day: date, wall: time) -> list[datetime]:
    """The instants a wall time may mean on a night when the clocks change; on all others they are one."""
    return [datetime.combine(day, wall, CHICAGO).replace(fold=fold).astimezone(UTC) for fold in (0, 1)]


def wall(moment: datetime) -> str:
    return f"{moment.astimezone(CHICAGO):%H:%M}"


def schedule_of(case: dict[str, Any]) -> tuple[Schedule, list[str], list[str]]:
    chairs = list(case["chairs"])
    providers = sorted({name for chair in case["chairs"].values() for name in chair["provider"].split()} | {"D"})

    def clock(text: str) -> datetime:
        return at(TUESDAY, time.fromisoformat(text))

    def number(names: list[str], name: str | None) -> int | None:
        return None if name is None else names.index(name) + 1

    return (
        Schedule(
            zone=CHICAGO,
            chairs=tuple(
                Chair(
                    chairs.index(name) + 1,
                    tuple(providers.index(provider) + 1 for provider in chair["provider"].split()),
                    chair.get("offered", True),
                )
                for name, chair in case["chairs"].items()
            ),
            hours=(
                Hours(TUESDAY.weekday(), time(0), time(23, 59)),
                *(
                    Hours(TUESDAY.weekday(), time.fromisoformat(start), time.fromisoformat(end), chairs.index(name) + 1)
                    for name, spans in case["hours"].items()
                    for start, end in spans
                ),
            ),
            busy=tuple(
                Busy(
                    clock(row["from"]),
                    clock(row["to"]),
                    number(chairs, row.get("chair")),
                    number(providers, row.get("provider")),
                )
                for row in case.get("taken", ())
            ),
            rules=Rules(step=case["step"]),
        ),
        chairs,
        providers,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_openings_are_those_an_office_would_offer(case: dict[str, Any]) -> None:
    schedule, chairs, providers = schedule_of(case)
    found = search(schedule, TUESDAY, 1, case["minutes"], LONG_BEFORE)
    named = [f"{chairs[o.operatory_id - 1]} {wall(o.starts_at)} {providers[o.provider_id - 1]}" for o in found]
    assert len(named) == len(case["expected"])
    assert all(name.startswith(expected) for name, expected in zip(named, case["expected"], strict=True))


def one_chair(starts: time, ends: time, **more: Any) -> Schedule:
    hours = tuple(Hours(weekday, starts, ends) for weekday in range(7))
    return Schedule(zone=CHICAGO, chairs=(Chair(1, (1,)),), hours=hours, **more)


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        # 2 am does not exist: the hour before and the hour after are one hour apart, and nothing starts in between
        (date(2027, 3, 14), ["00:00", "01:00", "03:00", "04:00"]),
        # 1 am comes twice: five hours of wall time hold six visits of an hour
        (date(2027, 11, 7), ["00:00", "01:00", "01:00", "02:00", "03:00", "04:00"]),
        (date(2027, 3, 16), ["00:00", "01:00", "02:00", "03:00", "04:00"]),
    ],
)
def test_a_night_of_23_or_25_hours_keeps_visits_apart(day: date, expected: list[str]) -> None:
    found = search(one_chair(time(0), time(5)), day, 1, 60, at(day - timedelta(days=3), time(12)))
    assert [wall(opening.starts_at) for opening in found] == expected
    assert all(a.ends_at <= b.starts_at for a, b in itertools.pairwise(found))


@pytest.mark.parametrize("day", [date(2027, 3, 15), date(2027, 11, 8)])
def test_the_working_day_after_the_clocks_change_starts_at_eight_local_time(day: date) -> None:
    found = search(one_chair(time(8), time(10)), day, 1, 60, at(day - timedelta(days=3), time(12)))
    assert [wall(opening.starts_at) for opening in found] == ["08:00", "09:00"]


def test_nothing_is_offered_within_the_notice_beyond_the_horizon_or_on_a_closed_day() -> None:
    now = at(TUESDAY, time(8, 30))
    closed = frozenset({TUESDAY + timedelta(days=1)})
    rules = Rules(notice=timedelta(hours=2), days_ahead=2)
    found = search(one_chair(time(8), time(13), closed=closed, rules=rules), TUESDAY, 9, 60, now)
    assert [(opening.starts_at.astimezone(CHICAGO).day, wall(opening.starts_at)) for opening in found] == [
        (19, "11:00"), (19, "12:00"), (21, "08:00"), (21, "09:00"), (21, "10:00"), (21, "11:00"), (21, "12:00"),
    ]  # fmt: skip


def test_a_visit_that_crosses_midnight_blocks_both_days() -> None:
    night = Busy(at(TUESDAY, time(23)), at(TUESDAY + timedelta(days=1), time(1)), 1)
    found = search(one_chair(time(0), time(23, 59), busy=(night,)), TUESDAY, 2, 60, LONG_BEFORE)
    assert not [o for o in found if o.starts_at < night.ends_at and o.ends_at > night.starts_at]
    assert len(found) == 23 + 22


quarters = st.integers(0, 95)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    day = draw(st.sampled_from([TUESDAY, date(2027, 3, 14), date(2027, 11, 7)]))

    def hours(chair: int | None) -> list[Hours]:
        spans = draw(st.lists(st.tuples(quarters, quarters).filter(lambda span: span[0] < span[1]), max_size=3))
        return [Hours(day.weekday(), time(a // 4, a % 4 * 15), time(b // 4, b % 4 * 15), chair) for a, b in spans]

    midnight = at(day, time(0))
    taken = draw(
        st.lists(
            st.tuples(st.integers(0, 1440), st.integers(5, 180), st.integers(0, 2), st.integers(0, 2)), max_size=12
        )
    )
    return Schedule(
        zone=CHICAGO,
        chairs=(Chair(1, (1, 2)), Chair(2, (2,))),
        hours=tuple(hours(None) + hours(1) + hours(2)),
        busy=tuple(
            Busy(
                midnight + timedelta(minutes=start),
                midnight + timedelta(minutes=start + length),
                chair or None,
                provider or None,
            )
            for start, length, chair, provider in taken
        ),
        rules=Rules(step=draw(st.sampled_from([5, 10, 15]))),
    )


@settings(max_examples=200, deadline=None)
@given(schedules(), st.sampled_from([20, 40, 60, 90]))
def test_an_opening_never_overlaps_what_is_taken_and_lies_within_hours(schedule: Schedule, minutes: int) -> None:
    for day in (TUESDAY, date(2027, 3, 14), date(2027, 11, 7)):
        for o in search(schedule, day, 1, minutes, at(day - timedelta(days=5), time(12))):
            assert o.ends_at - o.starts_at == timedelta(minutes=minutes)
            for busy in schedule.busy:
                apart = busy.ends_at <= o.starts_at or busy.starts_at >= o.ends_at
                assert apart or (busy.operatory_id != o.operatory_id and busy.provider_id != o.provider_id)
            for chair in {None, o.operatory_id}:
                rows = [h for h in schedule.hours if h.operatory_id == chair]
                within = any(
                    min(meanings(day, h.starts)) <= o.starts_at and o.ends_at <= max(meanings(day, h.ends))
                    for h in rows
                    if h.weekday == day.weekday()
                )
                assert within or (chair is not None and not rows)
