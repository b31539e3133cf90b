"""Conversations as a person reads them: one for each number or mailbox, those that need somebody first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from recare.base import db

IN_WORDS: Final = {
    "stop": "asked to stop", "maybe_optout": "may want no more messages", "yes": "would like to come", "wrong_number": "says it is the wrong number",
    "question": "asks something", "not_now": "not now", "call_me": "would like to be called", "other_dentist": "sees another dentist",
    "moved": "has moved away", "angry": "is angry", "deceased": "says somebody has died", "help": "asks who we are", "start": "opted in again",
    "unclear": "not understood by the rules", "automatic": "an automatic answer",
}  # fmt: skip
"""What the rules made of somebody's words."""
_ENTRIES: Final = 200


@dataclass(frozen=True, slots=True)
class Thread:
    """One line of the list: who, their newest words, what was understood, and what waits for a person."""

    point_id: int
    kind: str
    address: str
    holders: str
    newest: str
    channel: str
    at: datetime
    event_id: int
    intent: str | None
    held_at: datetime | None
    tasks: list[str]

    @property
    def understood(self) -> str:
        """The intent in words; that it is being read, when nobody has yet."""
        return IN_WORDS.get(self.intent, self.intent) if self.intent else "being read"


@dataclass(frozen=True, slots=True)
class Point:
    """The number or mailbox of a conversation, and what may still go there."""

    id: int
    kind: str
    address: str
    held_at: datetime | None
    sms_out_at: datetime | None
    email_out_at: datetime | None
    call_out_at: datetime | None
    wrong_number_at: datetime | None


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who is reached here."""

    id: int
    name: str
    language: str


@dataclass(frozen=True, slots=True)
class Task:
    """What waits for a person about one inbound event."""

    id: int
    kind: str
    event_id: int
    due_at: datetime | None
    urgent: bool


@dataclass(frozen=True, slots=True)
class Said:
    """One entry of a conversation: their words, ours, or a call."""

    at: datetime
    what: str
    """``in``, ``out`` or ``call``."""
    id: int
    channel: str
    subject: str
    text: str
    state: str
    intent: str | None
    detector: str
    held: bool
    written_from: str
    """The address a mail came from, where it is another one than ours of this conversation."""
    whole: str
    """The whole mail with what it quotes, where that is more than their words."""

    @property
    def understood(self) -> str:
        """The intent in words."""
        return IN_WORDS.get(self.intent, self.intent) if self.intent else "being read"


_HOLDERS: Final = """coalesce((SELECT string_agg(trim(coalesce(nullif(p.preferred_name, ''), p.first_name) || ' ' || p.last_name), ', ' ORDER BY p.id)
    FROM patient_contact h JOIN patient p ON p.practice_id = h.practice_id AND p.id = h.patient_id
    WHERE h.practice_id = c.practice_id AND h.contact_point_id = c.id AND h.ended_at IS NULL), '')"""
_LINE: Final = f"""
SELECT c.id AS point_id, c.kind, c.address, {_HOLDERS} AS holders, left(i.body, 160) AS newest, i.channel, i.received_at AS at,
       i.id AS event_id, r.intent, c.held_at, w.tasks
FROM picked w
JOIN contact_point c ON c.practice_id = %(practice)s AND c.id = w.point_id
JOIN LATERAL (SELECT * FROM inbound_event x WHERE x.practice_id = c.practice_id AND x.contact_point_id = c.id
              ORDER BY x.received_at DESC, x.id DESC LIMIT 1) i ON true
LEFT JOIN reply r ON r.practice_id = i.practice_id AND r.inbound_event_id = i.id
"""


def waiting(practice_id: int, limit: int = 100) -> list[Thread]:
    """Return the conversations that need a person: angry first, then what may be a stop, questions, call me, the rest; oldest first."""
    return db.rows(
        Thread,
        "WITH picked AS (SELECT contact_point_id AS point_id, array_agg(kind ORDER BY urgency, id) AS tasks, min(created_at) AS since, "
        "min(coalesce(array_position(ARRAY['angry', 'maybe_optout', 'reply', 'call_me'], kind), 4 + urgency)) AS place "
        "FROM task WHERE practice_id = %(practice)s AND done_at IS NULL AND subject_table = 'inbound_event' GROUP BY contact_point_id) "
        f"{_LINE} ORDER BY w.place, w.since, c.id LIMIT %(limit)s",
        practice=practice_id, limit=limit,
    )  # fmt: skip


def recent(practice_id: int, before: int | None, limit: int = 40) -> list[Thread]:
    """Return conversations where nothing waits, the newest first; ``before`` is the last event of the page before (keyset)."""
    return db.rows(
        Thread,
        "WITH picked AS (SELECT i.contact_point_id AS point_id, ARRAY[]::text[] AS tasks FROM inbound_event i "
        "WHERE i.practice_id = %(practice)s AND i.contact_point_id IS NOT NULL AND (%(before)s::bigint IS NULL OR i.id < %(before)s) "
        "AND NOT EXISTS (SELECT FROM inbound_event n WHERE n.practice_id = i.practice_id AND n.contact_point_id = i.contact_point_id "
        "AND (n.received_at, n.id) > (i.received_at, i.id)) "
        "AND NOT EXISTS (SELECT FROM task t WHERE t.practice_id = i.practice_id AND t.contact_point_id = i.contact_point_id "
        "AND t.done_at IS NULL AND t.subject_table = 'inbound_event') ORDER BY i.id DESC LIMIT %(limit)s) "
        f"{_LINE} ORDER BY i.id DESC",
        practice=practice_id, before=before, limit=limit,
    )  # fmt: skip


def of_task(practice_id: int, task_id: int) -> tuple[int | None, int | None, int | None]:
    """Return (contact point, inbound event, patient) of a task, each None when it has none."""
    found = db.tuples(
        "SELECT coalesce(i.contact_point_id, t.contact_point_id), i.id, t.patient_id FROM task t "
        "LEFT JOIN reply r ON r.practice_id = t.practice_id AND t.subject_table = 'reply' AND r.id = t.subject_id "
        "LEFT JOIN inbound_event i ON i.practice_id = t.practice_id "
        "AND i.id = CASE t.subject_table WHEN 'inbound_event' THEN t.subject_id WHEN 'reply' THEN r.inbound_event_id END "
        "WHERE t.practice_id = %(practice)s AND t.id = %(task)s",
        practice=practice_id, task=task_id,
    )  # fmt: skip
    return found[0] if found else (None, None, None)


def point(practice_id: int, point_id: int) -> Point | None:
    """Return the number or mailbox, None when the practice has none with this id."""
    return db.one(
        Point,
        "SELECT id, kind, address, held_at, sms_out_at, email_out_at, call_out_at, wrong_number_at FROM contact_point "
        "WHERE practice_id = %(practice)s AND id = %(point)s AND kind IN ('phone', 'email')",
        practice=practice_id, point=point_id,
    )  # fmt: skip


def holders(practice_id: int, point_id: int) -> list[Holder]:
    """Return who is reached at this number or mailbox."""
    return db.rows(
        Holder,
        "SELECT p.id, trim(coalesce(nullif(p.preferred_name, ''), p.first_name) || ' ' || p.last_name) AS name, p.language FROM patient p "
        "WHERE p.practice_id = %(practice)s AND p.id IN (SELECT patient_id FROM patient_contact WHERE practice_id = %(practice)s "
        "AND contact_point_id = %(point)s AND ended_at IS NULL) ORDER BY p.id",
        practice=practice_id, point=point_id,
    )  # fmt: skip


def tasks(practice_id: int, point_id: int) -> list[Task]:
    """Return what waits for a person here, the most urgent first."""
    return db.rows(
        Task,
        "SELECT id, kind, subject_id AS event_id, due_at, urgency <= 2 AS urgent FROM task WHERE practice_id = %(practice)s "
        "AND contact_point_id = %(point)s AND done_at IS NULL AND subject_table = 'inbound_event' ORDER BY urgency, id",
        practice=practice_id, point=point_id,
    )  # fmt: skip


def conversation(practice_id: int, point_id: int) -> list[Said]:
    """Return what was said both ways at this address, the last of it, oldest first. What never left is left out, but for answers."""
    return db.rows(
        Said,
        f"SELECT * FROM ({_SAID} ORDER BY at DESC, what, id DESC LIMIT {_ENTRIES}) AS last ORDER BY at, what, id",
        practice=practice_id, point=point_id,
    )  # fmt: skip


_SAID: Final = """
SELECT i.received_at AS at, 'in' AS what, i.id, i.channel, '' AS subject, i.body AS text, '' AS state, r.intent,
       coalesce(r.detector, '') AS detector, coalesce(r.held, true) AS held,
       CASE WHEN i.raw ->> 'from' <> i.sender THEN i.raw ->> 'from' ELSE '' END AS written_from,
       CASE WHEN btrim(i.raw ->> 'text', E' \n') <> i.body THEN i.raw ->> 'text' ELSE '' END AS whole
FROM inbound_event i LEFT JOIN reply r ON r.practice_id = i.practice_id AND r.inbound_event_id = i.id
WHERE i.practice_id = %(practice)s AND i.contact_point_id = %(point)s
UNION ALL
SELECT coalesce(m.sent_at, m.claimed_at, m.created_at), 'out', m.id, m.channel, m.subject, m.body_text, m.state, NULL, '', false, '', ''
FROM message m WHERE m.practice_id = %(practice)s AND m.contact_point_id = %(point)s
  AND (m.state IN ('sending', 'sent', 'unknown') OR m.answers_event_id IS NOT NULL)
UNION ALL
SELECT o.at, 'call', o.id, 'call', o.staff, o.note, o.outcome, NULL, '', false, '', ''
FROM call_outcome o WHERE o.practice_id = %(practice)s AND o.contact_point_id = %(point)s AND o.outcome <> 'withdrawn'
"""


def answerable(practice_id: int, point_id: int, since: datetime) -> dict[str, Any] | None:
    """Return the newest thing written here that a text or e-mail may still answer (one answer each), None when there is none."""
    found = db.tuples(
        "SELECT i.id, i.channel, i.received_at, coalesce((SELECT m.subject FROM message m WHERE m.practice_id = i.practice_id "
        "AND m.contact_point_id = i.contact_point_id AND m.channel = 'email' AND m.sent_at <= i.received_at ORDER BY m.sent_at DESC LIMIT 1), '') "
        "FROM inbound_event i WHERE i.practice_id = %(practice)s AND i.contact_point_id = %(point)s AND i.channel IN ('sms', 'email') "
        "AND i.received_at > %(since)s AND NOT EXISTS (SELECT FROM message a WHERE a.practice_id = i.practice_id AND a.answers_event_id = i.id) "
        "ORDER BY i.received_at DESC, i.id DESC LIMIT 1",
        practice=practice_id, point=point_id, since=since,
    )  # fmt: skip
    return dict(zip(("event_id", "channel", "received_at", "subject"), found[0], strict=True)) if found else None
