"""Business days: when a revocation must be honoured by law, and when an unread doubt becomes an opt-out (OPT-01, OPT-02)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from recare.compliance.closed_days import closed_days

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

LEGAL_DAYS: Final = 10


@lru_cache(maxsize=4096)
def business_days_after(day: date, count: int, country: str = "US") -> date:
    """Return the ``count``-th business day after ``day``: no weekends, no public holidays of the country (47 CFR 64.1200(a)(10))."""
    while count:
        day += timedelta(days=1)
        if day.weekday() < 5 and day not in closed_days(country, "", day.year):
            count -= 1
    return day


def legal_deadline(received_at: datetime, zone: ZoneInfo, country: str = "US") -> date:
    """Return the last day on which the law lets a revocation received then take effect. We honour it at once."""
    return business_days_after(received_at.astimezone(zone).date(), LEGAL_DAYS, country)


def next_business_moment(now: datetime, zone: ZoneInfo, country: str = "US") -> datetime:
    """Return the same local time on the next business day."""
    local = now.astimezone(zone)
    return datetime.combine(business_days_after(local.date(), 1, country), local.timetz().replace(tzinfo=None), zone)
