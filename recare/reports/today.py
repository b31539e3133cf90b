"""What Today counts: chair time to fill, three numbers of the practice, and patients on the way in each running campaign."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter

from recare.base import counted, db
from recare.base.counted import Counted
from recare.bookings import openings
from recare.practices.practice import Practice
from recare.segments import listing

WHAT: Final = "today"
_SPAN: Final = timedelta(days=30)
_DAYS: Final = 14
_VISIT_MINUTES: Final = 60


@dataclass(frozen=True, slots=True)
class Figures:
    """Three numbers, and patients on their way by campaign; each is explained where it is shown."""

    inactive: int
    contacted: int
    booked: int
    waiting: dict[str, int]
    chairs: list[tuple[date, int]]
    """Hygiene visits that still fit on each of the next days that have room."""


_SHAPE: Final = TypeAdapter(Figures)


def look(practice: Practice, now: datetime) -> tuple[Figures, Counted | None]:
    """Return the figures: of a large practice those kept, with when they were counted; else counted now."""
    today = now.astimezone(practice.zone).date()
    if not listing.relation(practice, today).kept:
        return _count(practice, now), None
    figures, found = counted.shaped(_SHAPE, practice.id, WHAT, now, lambda: count(practice, now))
    return replace(figures, chairs=[(day, fits) for day, fits in figures.chairs if day >= today]), found


def count(practice: Practice, now: datetime) -> dict[str, Any]:
    """Count them as they are kept, in the caller's scope."""
    made: dict[str, Any] = _SHAPE.dump_python(_count(practice, now), mode="json")
    return made


def _count(practice: Practice, now: datetime) -> Figures:
    today = now.astimezone(practice.zone).date()
    inactive, contacted, booked, waiting = db.tuples(_FIGURES, practice=practice.id, today=today, since=now - _SPAN)[0]
    chairs = openings.free_visits(practice, today, _DAYS, _VISIT_MINUTES, now)
    return Figures(inactive, contacted, booked, waiting, chairs)


_FIGURES: Final = """
SELECT (SELECT count(*) FROM patient_facts WHERE practice_id = %(practice)s AND last_visit_on <= (%(today)s::date - interval '12 months')::date) AS inactive,
       (SELECT count(DISTINCT patient_id) FROM message WHERE practice_id = %(practice)s AND sent_at > %(since)s AND touch_id IS NOT NULL) AS contacted,
       (SELECT count(*) FROM outcome WHERE practice_id = %(practice)s AND kind = 'booked' AND at > %(since)s) AS booked,
       (SELECT coalesce(jsonb_object_agg(campaign_id, patients), '{}') FROM (
            SELECT e.campaign_id, count(*) AS patients FROM enrolment e JOIN campaign c ON c.practice_id = e.practice_id AND c.id = e.campaign_id
            WHERE e.practice_id = %(practice)s AND e.state = 'waiting' AND c.state IN ('running', 'paused') GROUP BY e.campaign_id) w) AS waiting
"""
