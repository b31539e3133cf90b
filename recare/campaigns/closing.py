"""Nobody with an unfinished treatment plan ends in silence (D22, ADA Code 2.F): a person gets the closing letter's draft to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recare.base import db

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

# Ends after which somebody looks after the care: booked here, already in treatment, cared for elsewhere, or no longer alive. A dismissal has
# a workflow of its own (PAT-02), and a control has not been contacted at all.
CARED_FOR: Final = ("booked", "in_treatment", "left", "deceased", "dismissed", "new_dentist", "measured", "complaint")


@dataclass(frozen=True, slots=True)
class Chore:
    """A task about one enrolment, opened once for its key. ``detail`` holds codes, never words of a patient."""

    kind: str
    urgency: int
    patient_id: int
    enrolment_id: int
    once_key: str
    detail: dict[str, Any]


def open_tasks(practice_id: int, chores: Sequence[Chore], now: datetime) -> int:
    """Open many tasks in one statement; return how many are new."""
    if not chores:
        return 0
    return db.run(
        "INSERT INTO task (practice_id, kind, urgency, patient_id, subject_table, subject_id, detail, once_key, created_at) "
        "SELECT %(practice)s, u.kind, u.urgency, u.patient, 'enrolment', u.subject, u.detail, u.once_key, %(now)s "
        "FROM unnest(%(kinds)s::text[], %(urgencies)s::int[], %(patients)s::bigint[], %(subjects)s::bigint[], %(details)s::jsonb[], "
        "%(keys)s::text[]) AS u (kind, urgency, patient, subject, detail, once_key) ON CONFLICT (practice_id, once_key) DO NOTHING",
        practice=practice_id, now=now, kinds=[c.kind for c in chores], urgencies=[c.urgency for c in chores],
        patients=[c.patient_id for c in chores], subjects=[c.enrolment_id for c in chores],
        details=[db.json(c.detail) for c in chores], keys=[c.once_key for c in chores],
    )  # fmt: skip


def guard(practice_id: int, enrolment_ids: Sequence[int], now: datetime) -> int:
    """Open a closing task for each of these ended enrolments whose patient has an unfinished plan and no visit ahead.

    Whatever ended it short of care: no answer, no way to reach them, an opt-out, the end of the campaign. Return how many are new.
    """
    if not enrolment_ids:
        return 0
    return db.run(
        "INSERT INTO task (practice_id, kind, urgency, patient_id, subject_table, subject_id, detail, once_key, created_at) "
        "SELECT e.practice_id, 'closing', 6, e.patient_id, 'enrolment', e.id, jsonb_build_object('reason', e.stop_reason, "
        "'letter', 'closing', 'choices', jsonb_build_array('book', 'records', 'stop')), 'closing:' || e.id, %(now)s "
        "FROM enrolment e JOIN patient_facts f ON f.practice_id = e.practice_id AND f.patient_id = e.patient_id "
        "WHERE e.practice_id = %(practice)s AND e.id = ANY(%(ids)s::bigint[]) AND e.state IN ('finished', 'stopped') "
        "AND e.arm = 'treated' AND f.unscheduled_items > 0 AND NOT (e.stop_reason = ANY(%(cared)s)) "
        "AND NOT EXISTS (SELECT FROM unnest(f.scheduled_at) AS at WHERE at >= %(now)s) "
        "ON CONFLICT (practice_id, once_key) DO NOTHING",
        practice=practice_id, ids=list(enrolment_ids), now=now, cared=list(CARED_FOR),
    )  # fmt: skip
