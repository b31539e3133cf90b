"""Reports that are kept: a large practice's takes seconds to count, so its page shows the last one and when that was counted."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter

from recare.base import counted, db
from recare.base.counted import Counted
from recare.reports import report as reports
from recare.reports.report import Report

if TYPE_CHECKING:
    from recare.practices.practice import Practice

LIVE_UP_TO: Final = 5_000
"""Enrolments that are counted at every look."""
_SHAPE: Final = TypeAdapter(Report)


def look(practice: Practice, campaign_id: int | None, now: datetime) -> tuple[Report, Counted | None]:
    """Return the report for a page: counted now when it is small, else the kept one, with when it was counted."""
    if not is_large(practice.id, campaign_id):
        return reports.build(practice, campaign_id, now), None
    what = f"report:{campaign_id or 0}"
    return counted.shaped(_SHAPE, practice.id, what, now, lambda: count(practice, campaign_id, now))


def count(practice: Practice, campaign_id: int | None, now: datetime) -> dict[str, Any]:
    """Build a report as it is kept, in the caller's scope."""
    made: dict[str, Any] = _SHAPE.dump_python(reports.build(practice, campaign_id, now), mode="json")
    return made


def is_large(practice_id: int, campaign_id: int | None) -> bool:
    """Whether more patients were enrolled than are counted at every look; reads no more than that many."""
    return bool(
        db.value(
            "SELECT count(*) > %(most)s FROM (SELECT FROM enrolment WHERE practice_id = %(practice)s "
            "AND (%(campaign)s::bigint IS NULL OR campaign_id = %(campaign)s) LIMIT %(most)s + 1) e",
            practice=practice_id, campaign=campaign_id, most=LIVE_UP_TO,
        )
    )  # fmt: skip
