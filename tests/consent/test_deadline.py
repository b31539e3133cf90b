"""Business days, by the vectors of the rules."""

# ruff: noqa: N802  # the rule id stands in the name of its test; the rules table is made from it
from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from recare.consent.deadline import business_days_after, legal_deadline, next_business_moment

_CHICAGO = ZoneInfo("America/Chicago")


@pytest.mark.parametrize(
    ("day", "count", "last"),
    [
        (date(2026, 12, 21), 10, date(2027, 1, 6)),  # Christmas and New Year's Day
        (date(2027, 1, 12), 10, date(2027, 1, 27)),  # MLK day
        (date(2027, 1, 15), 1, date(2027, 1, 19)),  # Friday before MLK day
        (date(2026, 7, 2), 1, date(2026, 7, 6)),  # the 4th is a Saturday, kept on Friday the 3rd
        (date(2027, 3, 6), 1, date(2027, 3, 8)),
    ],
)
def test_OPT_02_business_days_leave_out_weekends_and_federal_holidays(day: date, count: int, last: date) -> None:
    assert business_days_after(day, count) == last


def test_OPT_02_the_day_is_the_practices_own() -> None:
    late = datetime(2026, 12, 22, 4, 30, tzinfo=UTC)  # still Monday evening in Chicago
    assert legal_deadline(late, _CHICAGO) == date(2027, 1, 6)


def test_OPT_01_one_business_day_keeps_the_local_hour_over_a_clock_change() -> None:
    friday = datetime(2027, 3, 12, 21, 0, tzinfo=UTC)  # 15:00 CST
    assert next_business_moment(friday, _CHICAGO).astimezone(UTC) == datetime(
        2027, 3, 15, 20, 0, tzinfo=UTC
    )  # 15:00 CDT
