"""Whom a campaign would take in, and why the others stay out: one statement over the segment, the same for both arms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from recare.base import db
from recare.campaigns import standing
from recare.practices import practice as practices
from recare.segments import bands, predicate

if TYPE_CHECKING:
    from recare.campaigns.playbook import Playbook

# Why a patient of the segment is not enrolled, in the order they are asked; whoever has several reasons is counted under the first.
LEFT_OUT: Final = {
    "DUPLICATE": "is a second record of the same person",
    "NOT_CONTACTABLE": "may not be contacted: status, hold or the patient's own wish",
    "HAS_APPT": "has a visit on the calendar",
    "ENROLLED": "is or was in this campaign",
    "ACTIVE_ELSEWHERE": "is in another campaign",
    "RESTING": "rests after an earlier campaign",
    "NO_CONSENT": "has agreed to none of the channels of this campaign",
    "STANDING_HOLD_OUT": "is left alone by all campaigns this year, by chance, so that the year can be compared",
}


@dataclass(frozen=True, slots=True)
class Audience:
    """A statement that selects (patient_id, household_id, unit, left_out, home) of a segment; ``params`` are bound by name."""

    sql: str
    params: dict[str, Any]


def frozen_segment(practice_id: int, segment: str | dict[str, Any]) -> dict[str, Any]:
    """Return a segment as plain data: its predicate, version and bands. Raises LookupError for an unknown slug, ValueError for a predicate
    that cannot be read.
    """
    if isinstance(segment, dict):
        definition = bands.of_practice(practices.get(practice_id).policy)
        own = predicate.parse(segment, definition)
        return {
            "slug": "",
            "name": "as written in the playbook",
            "version": 0,
            "predicate": own.data,
            "bands": definition.label,
        }
    found = db.tuples(
        "SELECT slug, name, version, predicate, bands FROM segment "
        "WHERE practice_id = %(practice)s AND slug = %(slug)s AND replaced_at IS NULL",
        practice=practice_id,
        slug=segment,
    )
    if not found:
        raise LookupError(
            f"There is no segment '{segment}'. Choose one under Segments, or write the predicate into the playbook."
        )
    return dict(zip(("slug", "name", "version", "predicate", "bands"), found[0], strict=True))


def select(
    practice_id: int, campaign_id: int | None, plan: Playbook, segment: dict[str, Any], now: datetime
) -> Audience:
    """Return the statement for everybody in a segment as it stands now. ``campaign_id`` is None for a plan that was never saved."""
    here = practices.get(practice_id)
    today = now.astimezone(ZoneInfo(here.tz)).date()
    definition = bands.get(segment["bands"])
    compiled = predicate.compile(predicate.parse(segment["predicate"], definition), today, definition)
    channels = {channel: channel in plan.ladder_channels for channel in ("sms", "email", "call", "letter", "portal")}
    params = {f"by_{channel}": used for channel, used in channels.items()} | {
        "practice": practice_id, "campaign": campaign_id, "round": plan.round, "now": now, "today": today,
        "rested": now - timedelta(days=plan.rest_days), "by_household": plan.unit == "household",
        **standing.params(here, plan, today),
    }  # fmt: skip
    return Audience(
        _SELECT.format(where=compiled.where, home=standing.HOME, draw=standing.DRAW.format(unit=standing.HOME)),
        {**compiled.params, **params},
    )


_SELECT: Final = """
SELECT p.id AS patient_id, p.household_id,
       CASE WHEN %(by_household)s AND h.key IS NOT NULL THEN 'h:' || h.key ELSE 'p:' || p.source || ':' || p.source_key END AS unit,
       CASE WHEN p.merged_into_id IS NOT NULL THEN 'DUPLICATE'
            WHEN NOT f.contactable THEN 'NOT_CONTACTABLE'
            WHEN f.next_visit_at >= %(now)s OR b.patient_id IS NOT NULL THEN 'HAS_APPT'
            WHEN mine.patient_id IS NOT NULL THEN 'ENROLLED'
            WHEN other.active THEN 'ACTIVE_ELSEWHERE'
            WHEN other.resting THEN 'RESTING'
            WHEN NOT ((%(by_sms)s AND f.sms_ok) OR (%(by_email)s AND f.email_ok) OR (%(by_call)s AND f.call_ok)
                      OR (%(by_letter)s AND f.letter_ok) OR %(by_portal)s) THEN 'NO_CONSENT'
            WHEN %(standing)s AND coalesce(drawn.held_out, {draw} < %(standing_share)s) THEN 'STANDING_HOLD_OUT' END AS left_out,
       {home} AS home
FROM facts_on(%(today)s) f
JOIN patient p ON p.practice_id = %(practice)s AND p.id = f.patient_id
LEFT JOIN household h ON h.practice_id = %(practice)s AND h.id = p.household_id
LEFT JOIN (SELECT DISTINCT patient_id FROM booking
           WHERE practice_id = %(practice)s AND state = 'booked' AND lower(during) >= %(now)s) b ON b.patient_id = p.id
LEFT JOIN (SELECT DISTINCT patient_id FROM enrolment
           WHERE practice_id = %(practice)s AND campaign_id = %(campaign)s AND round = %(round)s) mine ON mine.patient_id = p.id
LEFT JOIN (SELECT patient_id, bool_or(state IN ('waiting', 'held_out')) AS active,
                  bool_or(arm = 'treated' AND ended_at > %(rested)s) AS resting
           FROM enrolment WHERE practice_id = %(practice)s
             AND (campaign_id IS DISTINCT FROM %(campaign)s OR round <> %(round)s) GROUP BY patient_id) other ON other.patient_id = p.id
LEFT JOIN (SELECT DISTINCT unit, held_out FROM standing_draw
           WHERE practice_id = %(practice)s AND year = %(standing_year)s AND %(standing)s) drawn ON drawn.unit = {home}
WHERE f.practice_id = %(practice)s AND ({where})
"""
