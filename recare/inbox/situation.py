"""Where an inbound event stands: which message it answers, whom it may be about, what was true of its address before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from recare.base import db
from recare.consent import points

ANSWER_WITHIN: Final = timedelta(days=60)
"""Longer ago than this, a message is not what somebody answers."""


@dataclass(frozen=True, slots=True)
class Situation:
    """One inbound event with its surroundings. ``patients`` are those it may be about; ``certain`` that it can be only one."""

    id: int
    channel: str
    provider: str
    body: str
    contact_point_id: int
    received_at: datetime
    auto_replied: bool
    automatic: bool
    was_out: bool
    was_wrong: bool
    message_id: int | None
    message_patient_id: int | None
    shared: list[int]
    question: str
    patients: tuple[int, ...] = ()

    @property
    def certain(self) -> bool:
        """Whether it is about one patient and no other."""
        return len(self.patients) == 1

    @property
    def evidence(self) -> str:
        """How the consent ledger refers to this event."""
        return f"inbound:{self.id}"


def claim(practice_id: int, event_id: int) -> Situation | None:
    """Lock an event that waits and return it with its surroundings; None when it is applied, or another worker has it."""
    locked = db.value(
        "SELECT id FROM inbound_event WHERE practice_id = %(practice)s AND id = %(event)s AND applied_at IS NULL "
        "FOR UPDATE SKIP LOCKED",
        practice=practice_id, event=event_id,
    )  # fmt: skip
    if locked is None:
        return None
    found = db.one(Situation, _SITUATION, practice=practice_id, event=event_id, within=ANSWER_WITHIN)
    return replace(found, patients=_patients(practice_id, found)) if found else None


def _patients(practice_id: int, found: Situation) -> tuple[int, ...]:
    """The patient of the message and everybody it stood for; without a message, everybody who is reached at this address."""
    if found.message_patient_id is None:
        return tuple(points.holders(practice_id, found.contact_point_id))
    return tuple(dict.fromkeys([found.message_patient_id, *found.shared]))


_SITUATION: Final = """
SELECT i.id, i.channel, i.provider, i.body, i.contact_point_id, i.received_at, coalesce((i.raw ->> 'auto_replied')::boolean, false) AS auto_replied,
       coalesce((i.raw ->> 'automatic')::boolean, false) AS automatic,
       p.sms_out_at IS NOT NULL AS was_out, p.wrong_number_at IS NOT NULL AS was_wrong,
       m.id AS message_id, m.patient_id AS message_patient_id, coalesce(m.reply_question, '') AS question,
       ARRAY(SELECT e.patient_id FROM touch t JOIN enrolment e ON e.practice_id = t.practice_id AND e.id = ANY(t.shared_with)
             WHERE t.practice_id = i.practice_id AND t.id = m.touch_id ORDER BY e.patient_id) AS shared
FROM inbound_event i
CROSS JOIN LATERAL (SELECT * FROM contact_point x WHERE x.practice_id = i.practice_id AND x.id = i.contact_point_id LIMIT 1) p
LEFT JOIN LATERAL (
    SELECT m.id, m.patient_id, m.touch_id, m.reply_question FROM message m
    WHERE m.practice_id = i.practice_id AND m.contact_point_id = i.contact_point_id AND m.state IN ('sending', 'sent', 'unknown')
      AND coalesce(m.sent_at, m.claimed_at) BETWEEN i.received_at - %(within)s AND i.received_at
    ORDER BY (m.id = (i.raw ->> 'answers')::bigint) DESC NULLS LAST, coalesce(m.sent_at, m.claimed_at) DESC, m.id DESC LIMIT 1) m ON true
WHERE i.practice_id = %(practice)s AND i.id = %(event)s
"""
