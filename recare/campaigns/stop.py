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


def leavers_batch(practice_id: int, now: datetime) -> int:
    """Let go at once whoever has left by the chart: dead, dismissed, moved, with another dentist, merged, deleted, wants no contact.

    An import, or a person, has written so; waiting for the enrolment's next turn would leave what is queued in the outbox until then
    (PAT-01, PAT-03). Opens its own transaction; one statement finds them, one for each reason stops them.
    """
    with db.scope(practice_id):
        gone: dict[str, list[int]] = {}
        for patient_id, reason in db.tuples(_LEFT, practice=practice_id):
            gone.setdefault(reason, []).append(patient_id)
        return sum(stop(practice_id, patients, reason, now) for reason, patients in sorted(gone.items()))


# The words of ``ladder.ENDS``, so that an exit reads the same whichever notices it first. The status of a chart may be plain while the
# resolver's standing is not, and the other way round. What a playbook calls "left" it cannot leave out, so these always stop.
_LEFT: Final = """
SELECT p.id, CASE
    WHEN p.deceased_on IS NOT NULL OR 'deceased' IN (p.status, p.standing) THEN 'deceased'
    WHEN p.dismissed_on IS NOT NULL OR 'dismissed' IN (p.status, p.standing) THEN 'dismissed'
    WHEN p.do_not_contact OR p.standing = 'do_not_contact' THEN 'restricted'
    WHEN 'transferred' IN (p.status, p.standing) THEN 'transferred' WHEN p.standing = 'moved' THEN 'moved' ELSE 'left' END
FROM patient p JOIN enrolment e ON e.practice_id = p.practice_id AND e.patient_id = p.id AND e.state = 'waiting'
WHERE p.practice_id = %(practice)s AND (
    p.deceased_on IS NOT NULL OR p.dismissed_on IS NOT NULL OR p.do_not_contact OR p.merged_into_id IS NOT NULL
    OR p.standing IN ('deceased', 'dismissed', 'do_not_contact', 'transferred', 'moved', 'merged', 'gone')
    OR p.status IN ('deceased', 'dismissed', 'transferred', 'deleted', 'archived', 'non_patient', 'prospective'))
"""

_STOP: Final = """
UPDATE enrolment e SET state = 'stopped', stop_reason = %(reason)s, ended_at = %(now)s, due_at = NULL
FROM campaign_version v
WHERE e.practice_id = %(practice)s AND v.practice_id = e.practice_id AND v.id = e.version_id AND e.state = 'waiting'
  AND (e.patient_id = ANY(%(ids)s::bigint[]) OR (%(household)s AND e.household_id IN (
        SELECT household_id FROM patient WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[]) AND household_id IS NOT NULL)))
  AND (%(rule)s = '' OR v.spec -> 'playbook' -> 'stop' ? %(rule)s)
RETURNING e.id
"""
