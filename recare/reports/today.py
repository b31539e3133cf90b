"""The figures under Today: three numbers of the practice, and how many patients are on the way in each running campaign."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from recare.base import counted, db
from recare.base.counted import Counted
from recare.practices.practice import Practice
from recare.segments import listing

WHAT: Final = "today"
_SPAN: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Figures:
    """Three numbers, and patients on their way by campaign; each is explained where it is shown."""

    inactive: int
    contacted: int
    booked: int
    waiting: dict[str, int]


def look(practice: Practice, now: datetime) -> tuple[Figures, Counted | None]:
    """Return the figures: of a large practice those kept, with when they were counted; else counted now."""
    if not listing.relation(practice, now.astimezone(practice.zone).date()).kept:
        return Figures(**count(practice, now)), None
    found = counted.looked_at(practice.id, WHAT, now, lambda: count(practice, now))
    return Figures(**(found.figures or {})), found


def count(practice: Practice, now: datetime) -> dict[str, Any]:
    """Count them, in the caller's scope."""
    today = now.astimezone(practice.zone).date()
    found = db.rows(_Row, _FIGURES, practice=practice.id, today=today, since=now - _SPAN)[0]
    return asdict(found) | {"waiting": {str(campaign): patients for campaign, patients in found.waiting}}


@dataclass(frozen=True)
class _Row:
    inactive: int
    contacted: int
    booked: int
    waiting: list[list[int]]


_FIGURES: Final = """
SELECT (SELECT count(*) FROM patient_facts WHERE practice_id = %(practice)s AND last_visit_on <= (%(today)s::date - interval '12 months')::date) AS inactive,
       (SELECT count(DISTINCT patient_id) FROM message WHERE practice_id = %(practice)s AND sent_at > %(since)s AND touch_id IS NOT NULL) AS contacted,
       (SELECT count(*) FROM outcome WHERE practice_id = %(practice)s AND kind = 'booked' AND at > %(since)s) AS booked,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(campaign_id, patients)), '[]') FROM (
            SELECT e.campaign_id, count(*) AS patients FROM enrolment e JOIN campaign c ON c.practice_id = e.practice_id AND c.id = e.campaign_id
            WHERE e.practice_id = %(practice)s AND e.state = 'waiting' AND c.state IN ('running', 'paused') GROUP BY e.campaign_id) w) AS waiting
"""
