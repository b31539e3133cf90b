"""Stale recalls and other entries of the chart that would make an invitation wrong (requirement D7): a list to mend before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recare.base import db

if TYPE_CHECKING:
    from datetime import date

KINDS = {
    "child_on_adult": "A child's recall or cleaning is open for an adult: close it, or change it to the adult's.",
    "prophy_and_perio": "Cleaning and perio maintenance recalls are both open: the perio recall rules, close the other.",
    "due_reset_by_broken": "The recall was moved on from a visit that was not kept: set the due date back.",
    "recall_behind_visit": "The recall was due before the last hygiene visit and has not moved on: set the next due date.",
    "booked_without_code": "A visit is booked without a procedure code: add it, or the recall stays open beside it.",
    "still_scheduled": "A visit of the past is still scheduled: complete it, or mark it missed or cancelled.",
}
"""Every kind of finding, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One entry to mend: which, of whom, and the day it is about."""

    kind: str
    patient_id: int
    record: str
    record_id: int
    day: date | None

    @property
    def advice(self) -> str:
        """What is wrong and what to do."""
        return KINDS[self.kind]


_FINDINGS = """
WITH open_recall AS (
    SELECT r.*, f.birthdate, f.adult_on, f.last_hygiene_on FROM recall r
    JOIN patient_facts f ON f.practice_id = r.practice_id AND f.patient_id = r.patient_id
    WHERE r.practice_id = %(practice)s AND r.due_on IS NOT NULL
        AND (NOT r.disabled OR r.disabled_until <= %(today)s) AND f.status NOT IN ('merged', 'deceased', 'deleted', 'archived')
), ahead AS (
    SELECT a.*, f.adult_on FROM appointment a
    JOIN patient_facts f ON f.practice_id = a.practice_id AND f.patient_id = a.patient_id
    WHERE a.practice_id = %(practice)s AND a.status = 'scheduled' AND a.deleted_at IS NULL AND a.starts_on >= %(today)s
), found AS (
    SELECT 'child_on_adult' AS kind, patient_id, 'recall' AS record, id AS record_id, due_on AS day
    FROM open_recall WHERE kind = 'child' AND adult_on <= %(today)s
    UNION ALL
    SELECT 'child_on_adult', patient_id, 'appointment', id, starts_on
    FROM ahead WHERE adult_on <= %(today)s AND 'D1120' = ANY(codes)
    UNION ALL
    SELECT 'prophy_and_perio', p.patient_id, 'recall', p.id, p.due_on FROM open_recall p
    WHERE p.kind = 'prophy' AND EXISTS (SELECT FROM open_recall o WHERE o.patient_id = p.patient_id AND o.kind = 'perio')
    UNION ALL
    SELECT 'due_reset_by_broken', r.patient_id, 'recall', r.id, r.due_on FROM open_recall r
    WHERE r.kind IN ('prophy', 'perio', 'child', 'exam')
        AND EXISTS (SELECT FROM appointment a WHERE a.practice_id = %(practice)s AND a.patient_id = r.patient_id
            AND a.care & (16384 + 32768) <> 0 AND a.starts_on = r.previous_on)
        AND NOT EXISTS (SELECT FROM appointment a WHERE a.practice_id = %(practice)s AND a.patient_id = r.patient_id
            AND a.care & 8192 <> 0 AND a.starts_on = r.previous_on)
        AND NOT EXISTS (SELECT FROM procedure d WHERE d.practice_id = %(practice)s AND d.patient_id = r.patient_id
            AND d.care & 16383 <> 0 AND d.done_on = r.previous_on)
    UNION ALL
    SELECT 'recall_behind_visit', patient_id, 'recall', id, due_on FROM open_recall
    WHERE kind IN ('prophy', 'perio', 'child') AND due_on <= last_hygiene_on
    UNION ALL
    SELECT 'booked_without_code', patient_id, 'appointment', id, starts_on
    FROM ahead WHERE codes = '{}'
    UNION ALL
    SELECT 'still_scheduled', a.patient_id, 'appointment', a.id, a.starts_on FROM appointment a
    WHERE a.practice_id = %(practice)s AND a.status = 'scheduled' AND a.deleted_at IS NULL AND a.starts_on < %(today)s
)
"""


def findings(practice_id: int, today: date, limit: int = 500) -> list[Finding]:
    """Return what needs mending, by kind and day, at most ``limit``. Facts must be up to date."""
    return db.rows(
        Finding,
        f"{_FINDINGS} SELECT kind, patient_id, record, record_id, day FROM found ORDER BY kind, day, record_id LIMIT %(limit)s",
        practice=practice_id, today=today, limit=limit,
    )  # fmt: skip


def counts(practice_id: int, today: date) -> dict[str, int]:
    """Return how many findings of each kind there are; a kind without any is 0."""
    found = dict(
        db.tuples(f"{_FINDINGS} SELECT kind, count(*) FROM found GROUP BY kind", practice=practice_id, today=today)
    )
    return {kind: int(found.get(kind, 0)) for kind in KINDS}
