"""What a gate leaves to a person: one look, one answer, with a name and a note."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recare.base import audit, db
from recare.campaigns.ladder import review_key
from recare.patients import tasks

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime


def cleared(practice_id: int, steps: Collection[tuple[int, int]]) -> dict[tuple[int, int], frozenset[str]]:
    """Return the codes a person has cleared, by (enrolment, step). The keys are computed here: under row-level security only those find an index."""
    if not steps:
        return {}
    keys = {review_key(*step): step for step in steps}
    found = db.tuples(
        "SELECT once_key, detail -> 'codes' FROM task WHERE practice_id = %(practice)s AND once_key = ANY(%(keys)s) AND outcome = 'approved'",
        practice=practice_id, keys=list(keys),
    )  # fmt: skip
    return {keys[key]: frozenset(codes) for key, codes in found}


def answer(practice_id: int, task_id: int, actor: str, note: str, now: datetime, *, approved: bool) -> bool:
    """Close a ``contact_review`` task; False when it is closed already or no such task.

    Approved: the step is asked again at once, and the codes of the task no longer hold it up; every other gate still does. Refused: the
    step is skipped. Runs in the caller's scope. Raises ValueError without a note: a person decides with a reason.
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
        "UPDATE enrolment SET due_at = %(now)s, step = step + %(skip)s, attempt = CASE WHEN %(skip)s = 1 THEN 0 ELSE attempt END "
        "WHERE practice_id = %(practice)s AND id = %(enrolment)s AND state = 'waiting' AND step = %(step)s",
        practice=practice_id, enrolment=enrolment_id, step=step, now=now, skip=0 if approved else 1,
    )  # fmt: skip
    audit.record(practice_id, actor, f"review.{outcome}", f"task:{task_id}", now, {"note": note[:300]})
    return True
