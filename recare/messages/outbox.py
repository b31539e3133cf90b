"""The outbox's states and the only statements that change them. Each is guarded by the state it leaves.

``queued -> sending -> sent | failed | unknown``; a message that surely did not go out may return to ``queued``; ``expired``,
``withheld`` and ``cancelled`` end one that never went. Nothing leaves ``sent``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from recare.base import db

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued message whose row and whose contact point this transaction has locked."""

    id: int
    attempt: int
    channel: str
    message_class: str
    touch_id: int | None
    answers_event_id: int | None
    patient_id: int | None
    contact_point_id: int
    recipient: str
    subject: str
    body_text: str
    body_html: str
    list_unsubscribe: str
    not_after: datetime
    names_person: bool
    confirms_opt_out_at: datetime | None
    answers_person_at: datetime | None
    offer: str
    version_id: int | None
    enrolment_id: int | None
    enrolment_state: str
    stop_reason: str
    point_version: str
    patient_version: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the claim decides about one message. ``reasons`` are plain data, as they are kept."""

    message: Waiting
    state: str
    reasons: Sequence[dict[str, Any]] = ()
    not_before: datetime | None = None
    sender_id: int | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """How one call ended, for the row. ``not_before`` only when it returns to the queue."""

    message_id: int
    attempt: int
    state: str
    provider: str = ""
    ref: str = ""
    code: str = ""
    not_before: datetime | None = None


def expire(practice_id: int, now: datetime) -> int:
    """Let messages die that are past their time; a late one surprises people. Rows another worker holds wait for their turn."""
    return db.run(
        "UPDATE message SET state = 'expired', settled_at = %(now)s, reasons = reasons || %(late)s FROM ("
        "  SELECT id FROM message WHERE practice_id = %(practice)s AND state = 'queued' AND not_after <= %(now)s "
        "  LIMIT 5000 FOR UPDATE SKIP LOCKED) late "
        "WHERE message.practice_id = %(practice)s AND message.id = late.id AND message.state = 'queued'",
        practice=practice_id, now=now, late=db.json([{"code": "LATE", "rule": "ENG-02", "verdict": "deny"}]),
    )  # fmt: skip


def lock_due(practice_id: int, channels: Sequence[str], now: datetime, limit: int) -> list[Waiting]:
    """Lock due messages together with their contact points, waiting for nobody.

    Revocation and hold lock the same contact point: while one is under way the message is skipped, once it has committed the statements
    that follow see it. SKIP LOCKED on both rows makes a deadlock impossible. Held addresses stay queued, but an answer to the person's
    own words may go; so do messages of a paused campaign stay.
    """
    return db.rows(
        Waiting,
        "SELECT m.id, m.attempt, m.channel, m.message_class, m.touch_id, m.answers_event_id, m.patient_id, m.contact_point_id, "
        "p.address AS recipient, m.subject, m.body_text, m.body_html, m.list_unsubscribe, m.not_after, "
        "m.names_person, m.confirms_opt_out_at, i.received_at AS answers_person_at, "
        "coalesce(t.offer, '') AS offer, e.version_id, t.enrolment_id, coalesce(e.state, '') AS enrolment_state, "
        "coalesce(e.stop_reason, '') AS stop_reason, p.xmin || p.ctid::text AS point_version, coalesce(a.xmin || a.ctid::text, '') AS patient_version "
        "FROM message m JOIN contact_point p ON p.practice_id = m.practice_id AND p.id = m.contact_point_id "
        "LEFT JOIN patient a ON a.practice_id = m.practice_id AND a.id = m.patient_id "
        "LEFT JOIN touch t ON t.practice_id = m.practice_id AND t.id = m.touch_id "
        "LEFT JOIN enrolment e ON e.practice_id = t.practice_id AND e.id = t.enrolment_id "
        "LEFT JOIN campaign c ON c.practice_id = e.practice_id AND c.id = e.campaign_id "
        "LEFT JOIN inbound_event i ON i.practice_id = m.practice_id AND i.id = m.answers_event_id "
        "WHERE m.practice_id = %(practice)s AND m.state = 'queued' AND m.not_before <= %(now)s AND m.not_after > %(now)s "
        "AND m.channel = ANY(%(channels)s) AND (p.held_at IS NULL OR m.answers_event_id IS NOT NULL) "
        "AND coalesce(c.state, '') <> 'paused' "
        "ORDER BY m.not_before, m.id LIMIT %(limit)s FOR NO KEY UPDATE OF m, p SKIP LOCKED",
        practice=practice_id, channels=list(channels), now=now, limit=limit,
    )  # fmt: skip


def rule(practice_id: int, rulings: Sequence[Ruling], worker: str, now: datetime) -> None:
    """Write what the claim has decided; only a ``sending`` message is claimed by this worker and counts one more attempt."""
    if not rulings:
        return
    db.run(
        "UPDATE message m SET state = r.state, reasons = r.reasons::jsonb, not_before = coalesce(r.not_before, m.not_before), "
        "sender_id = coalesce(r.sender_id, m.sender_id), "
        "attempt = m.attempt + (r.state = 'sending')::int, "
        "claimed_at = CASE WHEN r.state = 'sending' THEN %(now)s ELSE m.claimed_at END, "
        "claimed_by = CASE WHEN r.state = 'sending' THEN %(worker)s ELSE m.claimed_by END, "
        "settled_at = CASE WHEN r.state IN ('sending', 'queued') THEN m.settled_at ELSE %(now)s END "
        "FROM unnest(%(ids)s::bigint[], %(states)s::text[], %(reasons)s::text[], %(times)s::timestamptz[], %(senders)s::bigint[]) "
        "AS r (id, state, reasons, not_before, sender_id) "
        "WHERE m.practice_id = %(practice)s AND m.id = r.id AND m.state = 'queued'",
        practice=practice_id, now=now, worker=worker,
        ids=[ruling.message.id for ruling in rulings],
        states=[ruling.state for ruling in rulings],
        reasons=[json.dumps(list(ruling.reasons), default=str) for ruling in rulings],
        times=[ruling.not_before for ruling in rulings],
        senders=[ruling.sender_id for ruling in rulings],
    )  # fmt: skip


def may_go(practice_id: int, message: Waiting, worker: str) -> bool:
    """Take the last look, immediately before the provider is called: see ``message_may_go`` in schema.sql."""
    with db.scope(practice_id):
        return bool(
            db.value(
                "SELECT message_may_go(%(practice)s, %(message)s, %(worker)s, %(attempt)s::smallint, %(point)s, %(patient)s)",
                practice=practice_id, message=message.id, worker=worker, attempt=message.attempt + 1,
                point=message.point_version, patient=message.patient_version,
            )
        )  # fmt: skip


def settle(practice_id: int, settlements: Sequence[Settlement], worker: str, now: datetime) -> int:
    """Write how calls ended, from the state this worker's claim left; return how many rows were still so.

    A message that another has meanwhile declared unknown may still be settled by the worker that made the call: it knows.
    """
    if not settlements:
        return 0
    return db.run(
        "UPDATE message m SET state = s.state, provider = s.provider, provider_ref = CASE WHEN s.ref = '' THEN m.provider_ref ELSE "
        "s.ref END, error = s.code, not_before = coalesce(s.not_before, m.not_before), "
        "sent_at = CASE WHEN s.state = 'sent' THEN %(now)s ELSE m.sent_at END, "
        "settled_at = CASE WHEN s.state IN ('sent', 'failed') THEN %(now)s ELSE NULL END "
        "FROM unnest(%(ids)s::bigint[], %(attempts)s::smallint[], %(states)s::text[], %(providers)s::text[], %(refs)s::text[], "
        "%(codes)s::text[], %(times)s::timestamptz[]) AS s (id, attempt, state, provider, ref, code, not_before) "
        "WHERE m.practice_id = %(practice)s AND m.id = s.id AND m.attempt = s.attempt AND m.claimed_by = %(worker)s "
        "AND (m.state = 'sending' OR m.state = 'unknown' AND s.state = 'sent')",
        practice=practice_id, now=now, worker=worker,
        ids=[one.message_id for one in settlements], attempts=[one.attempt for one in settlements],
        states=[one.state for one in settlements], providers=[one.provider for one in settlements],
        refs=[one.ref for one in settlements], codes=[one.code for one in settlements],
        times=[one.not_before for one in settlements],
    )  # fmt: skip


def give_back(practice_id: int, messages: Sequence[Waiting], worker: str, until: datetime | None = None) -> int:
    """Return claimed messages that were surely not handed over; the next claim asks every gate again. Counts as no attempt."""
    if not messages:
        return 0
    return db.run(
        "UPDATE message m SET state = 'queued', attempt = m.attempt - 1, claimed_by = '', claimed_at = NULL, "
        "not_before = coalesce(%(until)s, m.not_before) "
        "FROM unnest(%(ids)s::bigint[], %(attempts)s::smallint[]) AS s (id, attempt) "
        "WHERE m.practice_id = %(practice)s AND m.id = s.id AND m.attempt = s.attempt AND m.claimed_by = %(worker)s "
        "AND m.state = 'sending'",
        practice=practice_id, worker=worker, until=until,
        ids=[message.id for message in messages], attempts=[message.attempt + 1 for message in messages],
    )  # fmt: skip
