"""What a gate leaves to a person: one look, one answer, with a name and a note."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from recare.base import audit, db
from recare.campaigns.ladder import review_key
from recare.patients import tasks

if TYPE_CHECKING:
    from collections.abc import Collection


def cleared(practice_id: int, steps: Collection[tuple[int, int]]) -> dict[tuple[int, int], frozenset[str]]:
    """Return the codes a person has cleared, by (enrolment, step)."""
    return {step: codes for step, (outcome, codes) in answers(practice_id, steps).items() if outcome == "approved"}


def answers(practice_id: int, steps: Collection[tuple[int, int]]) -> dict[tuple[int, int], tuple[str, frozenset[str]]]:
    """Return what a person has answered ('approved', 'refused') about which codes, by (enrolment, step).

    The keys are computed here: under row-level security only those find an index.
    """
    if not steps:
        return {}
    keys = {review_key(*step): step for step in steps}
    found = db.tuples(
        "SELECT once_key, outcome, detail -> 'codes' FROM task WHERE practice_id = %(practice)s AND once_key = ANY(%(keys)s) AND outcome <> ''",
        practice=practice_id, keys=list(keys),
    )  # fmt: skip
    return {keys[key]: (outcome, frozenset(codes)) for key, outcome, codes in found}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the reasons of the decision that left it to a person, as they are kept with the touch."""

    patient_id: int
    patient: str
    campaign_id: int
    campaign: str
    step: int
    channel: str
    reasons: list[dict[str, Any]]
    done_at: datetime | None
    done_by: str
    outcome: str


def asked(practice_id: int, task_id: int) -> Asked | None:
    """Return what a ``contact_review`` task asks, or None when it is no such task."""
    return db.one(
        Asked,
        "SELECT k.patient_id, p.first_name || ' ' || p.last_name AS patient, c.id AS campaign_id, c.name AS campaign, t.step + 1 AS step, "
        "t.channel, t.reasons, k.done_at, k.done_by, k.outcome FROM task k "
        "JOIN patient p ON p.practice_id = k.practice_id AND p.id = k.patient_id "
        "JOIN enrolment e ON e.practice_id = k.practice_id AND e.id = k.subject_id "
        "JOIN campaign c ON c.practice_id = e.practice_id AND c.id = e.campaign_id "
        "JOIN touch t ON t.practice_id = e.practice_id AND t.enrolment_id = e.id AND t.step = (k.detail ->> 'step')::int "
        "WHERE k.practice_id = %(practice)s AND k.id = %(task)s AND k.kind = 'contact_review' AND t.verdict = 'review' "
        "ORDER BY t.id DESC LIMIT 1",
        practice=practice_id, task=task_id,
    )  # fmt: skip


def answer(practice_id: int, task_id: int, actor: str, note: str, now: datetime, *, approved: bool) -> bool:
    """Close a ``contact_review`` task; False when it is closed already or no such task.

    The step is asked again at once. Approved: the codes of the task no longer hold it up; every other gate still does. Refused: it is
    passed over. Runs in the caller's scope. Raises ValueError without a note: a person decides with a reason.
    """
    if not note.strip():
        raise ValueError("Write a short note why: it stays with the decision.")
    found = db.tuples(
        "SELECT subject_id, (detail ->> 'step')::int FROM task WHERE practice_id = %(practice)s AND id = %(task)s AND kind = 'contact_review'",
        practice=practice_id, task=task_id,
    )  # fmt: skip
    outcome = "approved" if approved else "refused"
    if not found or not tasks.close_task(practice_id, task_id, actor, outcome, now):
        return False
    enrolment_id, step = found[0]
    db.run(
        "UPDATE enrolment SET due_at = %(now)s WHERE practice_id = %(practice)s AND id = %(enrolment)s AND state = 'waiting' AND step = %(step)s",
        practice=practice_id, enrolment=enrolment_id, step=step, now=now,
    )  # fmt: skip
    audit.record(practice_id, actor, f"review.{outcome}", f"task:{task_id}", now, {"note": note[:300]})
    return True
