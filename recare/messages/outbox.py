"""The outbox's states and the only statements that change them. Each is guarded by the state it leaves.

``queued -> sending -> sent | failed | unknown``; a message that surely did not go out may return to ``queued``; ``expired``,
``withheld`` and ``cancelled`` end one that never went. Nothing leaves ``sent``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from recare.base import db

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


@dataclass(frozen=True, slots=True)
class _Message:
    id: int
    attempt: int
    channel: str
    message_class: str
    touch_id: int | None
    answers_event_id: int | None
    enrolment_id: int | None
    patient_id: int | None
    contact_point_id: int
    subject: str
    body_text: str
    body_html: str
    list_unsubscribe: str
    not_after: datetime
    names_person: bool
    confirms_opt_out_at: datetime | None
    offer: str
    reply_question: str


@dataclass(frozen=True, slots=True)
class _Point:
    id: int
    address: str
    held: bool
    version: str


@dataclass(frozen=True, slots=True)
class _Enrolment:
    id: int
    version_id: int
    state: str
    stop_reason: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued message whose row and whose contact point this transaction has locked, and what its decision will rest on."""

    message: _Message
    point: _Point
    enrolment: _Enrolment | None
    patient_version: str
    answers_person_at: datetime | None

    @property
    def id(self) -> int:
        """The message's id."""
        return self.message.id

    @property
    def next_attempt(self) -> int:
        """The number of the call that a claim is for."""
        return self.message.attempt + 1


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the claim decides about one message. ``reasons`` are plain data, as they are kept."""

    waiting: Waiting
    state: str
    reasons: Sequence[dict[str, Any]] = ()
    not_before: datetime | None = None
    sender_id: int | None = None
    consent_event_id: int | None = None
    basis: str = ""
    scrub: dict[str, Any] | None = None


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
    """Let messages die that are past their time; a late one surprises people. Rows another worker holds wait for their turn.

    The reason kept is the true one: what waited because the person had written to us did not die of slowness.
    """
    late, held = ({"code": code, "rule": "ENG-02", "verdict": "deny"} for code in ("LATE", "HELD"))
    return db.run(
        "UPDATE message SET state = 'expired', settled_at = %(now)s, reasons = reasons || CASE WHEN late.held THEN %(held)s::jsonb "
        "ELSE %(late)s::jsonb END FROM ("
        "  SELECT m.id, m.answers_event_id IS NULL AND EXISTS (SELECT FROM contact_point p WHERE p.practice_id = %(practice)s "
        "  AND p.id = m.contact_point_id AND p.held_at IS NOT NULL) AS held "
        "  FROM message m WHERE m.practice_id = %(practice)s AND m.state = 'queued' AND m.not_after <= %(now)s "
        "  LIMIT 5000 FOR UPDATE OF m SKIP LOCKED) late "
        "WHERE message.practice_id = %(practice)s AND message.id = late.id AND message.state = 'queued'",
        practice=practice_id, now=now, late=db.json([late]), held=db.json([held]),
    )  # fmt: skip


# Somebody wrote and has not asked us to stop: wait. Who has asked is waited for no longer; the gates end what is queued.
_HELD: Final = "(held_at IS NOT NULL AND sms_out_at IS NULL AND call_out_at IS NULL AND email_out_at IS NULL AND wrong_number_at IS NULL)"


def lock_due(
    practice_id: int, channels: Sequence[str], now: datetime, limit: int, only: Collection[int] | None = None
) -> list[Waiting]:
    """Lock due messages (of ``only`` these, when given) together with their contact points, waiting for nobody.

    Revocation and hold lock the same contact point: while one is under way the message is skipped, once it has committed the statements
    that follow see it. SKIP LOCKED on both rows makes a deadlock impossible. Held addresses stay queued, but an answer to the person's
    own words may go, and what a stop has ended is settled, held or not; messages of a paused campaign stay. Every look-up is by key: a
    join planned before the first ANALYZE would walk whole tables.
    """
    ids = _lock_messages(practice_id, channels, now, limit, only)
    if not ids:
        return []
    points = _lock_points(practice_id, list(ids.values()))
    return _read(practice_id, [message for message, point in ids.items() if point in points], points)


def _lock_messages(
    practice_id: int, channels: Sequence[str], now: datetime, limit: int, only: Collection[int] | None
) -> dict[int, int]:
    """Contact point by message, in the order in which they are due."""
    return dict(
        db.tuples(
            "SELECT m.id, m.contact_point_id FROM message m WHERE m.practice_id = %(practice)s AND m.state = 'queued' "
            "AND m.not_before <= %(now)s AND m.not_after > %(now)s AND m.channel = ANY(%(channels)s) "
            "AND (%(only)s::bigint[] IS NULL OR m.id = ANY(%(only)s::bigint[])) "
            "AND (m.campaign_id IS NULL OR m.campaign_id <> ALL(ARRAY("
            "  SELECT id FROM campaign WHERE practice_id = %(practice)s AND state = 'paused'))) "
            "AND (m.answers_event_id IS NOT NULL OR m.contact_point_id <> ALL(ARRAY("
            f"  SELECT id FROM contact_point WHERE practice_id = %(practice)s AND {_HELD})) OR EXISTS (SELECT FROM enrolment e "
            "  WHERE e.practice_id = %(practice)s AND e.id = m.enrolment_id AND e.state = 'stopped')) "
            "ORDER BY m.not_before, m.id LIMIT %(limit)s FOR NO KEY UPDATE OF m SKIP LOCKED",
            practice=practice_id, channels=list(channels), now=now, limit=limit, only=None if only is None else list(only),
        )
    )  # fmt: skip


def _lock_points(practice_id: int, point_ids: Sequence[int]) -> dict[int, _Point]:
    found = db.rows(
        _Point,
        f"SELECT id, address, {_HELD} AS held, xmin || ctid::text AS version FROM contact_point "
        "WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[]) FOR NO KEY UPDATE SKIP LOCKED",
        practice=practice_id, ids=sorted(set(point_ids)),
    )  # fmt: skip
    return {point.id: point for point in found}


def _read(practice_id: int, message_ids: Sequence[int], points: dict[int, _Point]) -> list[Waiting]:
    """Read locked messages and what they hang on, in the order given."""
    rows = db.rows(
        _Message,
        "SELECT id, attempt, channel, message_class, touch_id, answers_event_id, enrolment_id, patient_id, contact_point_id, subject, "
        "body_text, body_html, list_unsubscribe, not_after, names_person, confirms_opt_out_at, offer, reply_question FROM message "
        "WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[])",
        practice=practice_id, ids=list(message_ids),
    )  # fmt: skip
    messages = {row.id: row for row in rows}
    enrolments = _enrolments(practice_id, [row.enrolment_id for row in rows if row.enrolment_id])
    patients = _by_id(practice_id, "xmin || ctid::text", "patient", [row.patient_id for row in rows if row.patient_id])
    events = _by_id(
        practice_id, "received_at", "inbound_event", [row.answers_event_id for row in rows if row.answers_event_id]
    )
    return [
        Waiting(
            message=row, point=points[row.contact_point_id], enrolment=enrolments.get(row.enrolment_id or 0),
            patient_version=patients.get(row.patient_id or 0, ""), answers_person_at=events.get(row.answers_event_id or 0),
        )
        for message_id in message_ids
        if (row := messages[message_id]).answers_event_id or not points[row.contact_point_id].held or _ended(row, enrolments)
    ]  # fmt: skip


def _ended(row: _Message, enrolments: dict[int, _Enrolment]) -> bool:
    found = enrolments.get(row.enrolment_id or 0)
    return found is not None and found.state == "stopped"


def _enrolments(practice_id: int, ids: Sequence[int]) -> dict[int, _Enrolment]:
    if not ids:
        return {}
    found = db.rows(
        _Enrolment,
        "SELECT id, version_id, state, stop_reason FROM enrolment WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[])",
        practice=practice_id, ids=list(ids),
    )  # fmt: skip
    return {enrolment.id: enrolment for enrolment in found}


def _by_id(practice_id: int, what: str, table: str, ids: Sequence[int]) -> dict[int, Any]:
    if not ids:
        return {}
    return dict(
        db.tuples(
            f"SELECT id, {what} FROM {table} WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[])",
            practice=practice_id, ids=list(ids),
        )
    )  # fmt: skip


def rule(practice_id: int, rulings: Sequence[Ruling], worker: str, now: datetime) -> None:
    """Write what the claim has decided; only a ``sending`` message is claimed by this worker and counts one more attempt."""
    if not rulings:
        return
    db.run(
        "UPDATE message m SET state = r.state, reasons = r.reasons::jsonb, not_before = coalesce(r.not_before, m.not_before), "
        "sender_id = coalesce(r.sender_id, m.sender_id), consent_event_id = r.consent, basis = r.basis, scrub = r.scrub::jsonb, "
        "attempt = m.attempt + (r.state = 'sending')::int, "
        "claimed_at = CASE WHEN r.state = 'sending' THEN %(now)s ELSE m.claimed_at END, "
        "claimed_by = CASE WHEN r.state = 'sending' THEN %(worker)s ELSE m.claimed_by END, "
        "settled_at = CASE WHEN r.state IN ('sending', 'queued') THEN m.settled_at ELSE %(now)s END "
        "FROM unnest(%(ids)s::bigint[], %(states)s::text[], %(reasons)s::text[], %(times)s::timestamptz[], %(senders)s::bigint[], "
        "%(consents)s::bigint[], %(bases)s::text[], %(scrubs)s::text[]) "
        "AS r (id, state, reasons, not_before, sender_id, consent, basis, scrub) "
        "WHERE m.practice_id = %(practice)s AND m.id = r.id AND m.state = 'queued'",
        practice=practice_id, now=now, worker=worker,
        ids=[ruling.waiting.id for ruling in rulings],
        states=[ruling.state for ruling in rulings],
        reasons=[json.dumps(list(ruling.reasons), default=str) for ruling in rulings],
        times=[ruling.not_before for ruling in rulings],
        senders=[ruling.sender_id for ruling in rulings],
        consents=[ruling.consent_event_id for ruling in rulings],
        bases=[ruling.basis for ruling in rulings],
        scrubs=[json.dumps(ruling.scrub) if ruling.scrub else None for ruling in rulings],
    )  # fmt: skip


def may_go(practice_id: int, waiting: Waiting, worker: str) -> bool:
    """Take the last look, immediately before the provider is called: see ``message_may_go`` in schema.sql. Opens no transaction."""
    return bool(
        db.value(
            "SELECT message_may_go(%(practice)s, %(message)s, %(worker)s, %(attempt)s::smallint, %(point)s, %(patient)s)",
            practice=practice_id, message=waiting.id, worker=worker, attempt=waiting.next_attempt,
            point=waiting.point.version, patient=waiting.patient_version,
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
        ids=[message.id for message in messages], attempts=[message.next_attempt for message in messages],
    )  # fmt: skip


def unknown_key(message_id: int) -> str:
    """Return the key of the task that asks a person what became of a message."""
    return f"send_unknown:{message_id}"
