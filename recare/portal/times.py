"""Which times a patient is shown: few enough to choose from with one thumb, grouped by day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from recare.bookings import caps, days, openings
from recare.bookings.days import Day
from recare.bookings.schedule import DAY, Opening

if TYPE_CHECKING:
    from recare.bookings.booking import Booking
    from recare.portal.page import Visitor

DAYS_SHOWN: Final = 5
_LOOK: Final = 21


@dataclass(frozen=True, slots=True)
class Offer:
    """What one page shows; ``later`` is the first day of the next page, None at the horizon."""

    days: tuple[Day, ...]
    later: date | None
    first: bool


def offered(v: Visitor, minutes: int, asked: str, *, hygiene: bool, moving: Booking | None = None) -> Offer:
    """Return the next days that have times, from the day that was asked for (ISO) or today; ``moving``: a booking that gives its place up."""
    first_day = days.first(asked, v.today)
    found = caps.within(
        v.practice,
        openings.find(v.practice, first_day, _LOOK, minutes, v.now, hygiene),
        v.now,
        [v.person.id if moving is None else moving.patient_id],
        [] if moving is None else [moving.id],
    )
    known = days.by_day(found, v.practice.zone)
    shown = tuple(known[:DAYS_SHOWN])
    later = known[DAYS_SHOWN].day if len(known) > DAYS_SHOWN else first_day + _LOOK * DAY
    horizon = v.today + openings.rules_of(v.practice).days_ahead * DAY
    return Offer(shown, later if later <= horizon else None, first_day == v.today)


def picked(v: Visitor, said: str, minutes: int, *, hygiene: bool) -> tuple[Opening, list[Opening]] | None:
    """Read the time of a button: what was asked for, and every chair in which it is free now; None when it is no time at all."""
    starts_at = days.moment(said)
    if starts_at is None:
        return None
    free = openings.same_time(v.practice, starts_at, minutes, v.now, hygiene=hygiene)
    return Opening(0, 0, starts_at, starts_at + timedelta(minutes=minutes)), free
