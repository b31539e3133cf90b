"""The exits: whoever books, answers, opts out or leaves is let go at once, from every campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from recare.base import db
from recare.campaigns import closing

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

# Which stop rule of a playbook a reason falls under. Reasons that are not here always stop; so do rules a playbook cannot leave out.
RULES: Final = {
    "booked": "booked", "replied": "replied", "opted_out": "opted_out", "complaint": "complaint", "not_interested": "not_interested",
    "moved": "left", "new_dentist": "left", "transferred": "left", "dismissed": "left", "deceased": "left", "left": "left",
}  # fmt: skip


def stop(practice_id: int, patient_ids: Collection[int], reason: str, now: datetime, *, household: bool = False) -> int:
    """Stop the active enrolments of these patients (with ``household``, of everybody who lives with them) and return how many.

    ``reason`` is booked, replied, opted_out, complaint, not_interested, moved, new_dentist, transferred, dismissed, deceased, staff, ...
    A playbook may say that a reply or "not interested" does not stop it. A control that books stays a control until its measurement is
    over: it was never contacted, and being let go early would let another campaign contact it. Runs in the caller's scope.
    """
    rule = RULES.get(reason, "")
    ids = db.values(
        _STOP, practice=practice_id, ids=list(patient_ids), household=household, reason=reason, rule=rule, now=now
    )
    closing.guard(practice_id, ids, now)
    return len(ids)


_STOP: Final = """
UPDATE enrolment e SET state = 'stopped', stop_reason = %(reason)s, ended_at = %(now)s, due_at = NULL
FROM campaign_version v
WHERE e.practice_id = %(practice)s AND v.practice_id = e.practice_id AND v.id = e.version_id AND e.state = 'waiting'
  AND (e.patient_id = ANY(%(ids)s::bigint[]) OR (%(household)s AND e.household_id IN (
        SELECT household_id FROM patient WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[]) AND household_id IS NOT NULL)))
  AND (%(rule)s = '' OR v.spec -> 'playbook' -> 'stop' ? %(rule)s)
RETURNING e.id
"""
