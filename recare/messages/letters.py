"""Letters: on paper, by a person. What is decided waits here to be printed; every gate is asked again when it is posted (ENG-02).

A practice that has a sender for letters needs none of this: its messages leave by ``send_batch`` like all others.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import typst

from recare.base import audit, db
from recare.consent import revoke
from recare.consent.points import lock_points
from recare.messages import gate, outbox, send
from recare.messages.outbox import Ruling, Settlement
from recare.messages.render import PRINT_TASK
from recare.patients.tasks import open_task

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from recare.messages.outbox import Waiting
    from recare.practices.practice import Practice

MOST: Final = 200
"""Letters on one page and in one PDF: what one person folds in an hour."""
POSTED_BACK: Final = timedelta(days=14)
"""How long afterwards a day of posting may be given."""
_MOVED: Final = {
    "code": "ADDRESS_CHANGED",
    "rule": "ENG-02",
    "verdict": "deny",
    "detail": "the chart has another address now",
}


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter as it is printed: to whom, where, and the words."""

    id: int
    patient_id: int
    campaign: str
    decided_at: datetime
    not_after: datetime
    text: str
    language: str
    name: str
    guardian: str
    surname: str
    is_family: bool
    is_minor: bool
    street: str
    city: str
    state: str
    zip: str
    lives_there: bool
    """Whether the chart still has the address that was decided on."""

    @property
    def to(self) -> str:
        """Whom the envelope names: a household together, for a minor the one who looks after them."""
        spanish = self.language == "es"
        if self.is_family:
            return f"Familia {self.surname}" if spanish else f"The {self.surname} family"
        if not self.is_minor:
            return self.name
        return self.guardian or (
            f"Padre, madre o tutor de {self.name}" if spanish else f"Parent or guardian of {self.name}"
        )

    @property
    def lines(self) -> tuple[str, ...]:
        """The address as it stands on the envelope."""
        return (self.to, self.street, f"{self.city}, {self.state} {self.zip}".strip(", "))


@dataclass(frozen=True, slots=True)
class Refused:
    """A letter that may not be posted now, and why, in codes of the gates."""

    letter: Letter
    reasons: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Ready:
    """What waits: letters to print, and those that may not go now."""

    to_print: tuple[Letter, ...]
    not_now: tuple[Refused, ...]


def ready(practice_id: int, now: datetime, ids: Collection[int] | None = None) -> Ready:
    """Return the letters that may be printed now and those that may not, the oldest first; of ``ids`` only, when given. Changes nothing."""
    found = _asked(practice_id, now, ids)
    return Ready(
        tuple(letter for letter, _, ruling in found if ruling is not None and ruling.state == "sending"),
        tuple(Refused(letter, tuple(ruling.reasons) if ruling else ()) for letter, _, ruling in found if ruling is None or ruling.state != "sending"),
    )  # fmt: skip


def _asked(practice_id: int, now: datetime, ids: Collection[int] | None) -> list[tuple[Letter, Waiting, Ruling | None]]:
    """Lock what waits with its contact points, and ask every gate about it."""
    waiting = outbox.lock_due(practice_id, ["letter"], now, MOST, ids)
    letters = {letter.id: letter for letter in _letters(practice_id, [one.id for one in waiting], now)}
    answers = gate.ask(practice_id, waiting, now) if waiting else []
    found: list[tuple[Letter, Waiting, Ruling | None]] = []
    for one, answer in zip(waiting, answers, strict=True):
        ruling = send.ruling_of(one, answer, None)
        if not letters[one.id].lives_there:
            ruling = Ruling(one, "cancelled", [_MOVED])
        found.append((letters[one.id], one, ruling))
    return found


def _letters(practice_id: int, ids: Sequence[int], now: datetime) -> list[Letter]:
    return db.rows(
        Letter,
        "SELECT m.id, m.patient_id, coalesce(c.name, '') AS campaign, m.created_at AS decided_at, m.not_after, m.body_text AS text, p.language, "
        "trim(p.first_name || ' ' || p.last_name) AS name, CASE WHEN g.id <> p.id THEN trim(g.first_name || ' ' || g.last_name) ELSE '' END AS guardian, "
        "p.last_name AS surname, cardinality(t.shared_with) > 0 AS is_family, "
        "coalesce(p.birthdate > (%(now)s::date - interval '18 years')::date, false) AS is_minor, p.street, p.city, p.state, p.zip, "
        "EXISTS (SELECT FROM patient_contact k WHERE k.practice_id = m.practice_id AND k.patient_id = m.patient_id "
        "AND k.contact_point_id = m.contact_point_id AND k.ended_at IS NULL) AS lives_there "
        "FROM message m JOIN patient p ON p.practice_id = m.practice_id AND p.id = m.patient_id "
        "JOIN touch t ON t.practice_id = m.practice_id AND t.id = m.touch_id "
        "LEFT JOIN patient g ON g.practice_id = p.practice_id AND g.id = CASE WHEN p.guardian_id IS NULL THEN p.guarantor_id ELSE p.guardian_id END "
        "LEFT JOIN campaign c ON c.practice_id = m.practice_id AND c.id = m.campaign_id "
        "WHERE m.practice_id = %(practice)s AND m.id = ANY(%(ids)s::bigint[]) AND m.channel = 'letter' ORDER BY m.id",
        practice=practice_id, ids=list(ids), now=now,
    )  # fmt: skip


def pdf(practice: Practice, letters: Sequence[Letter]) -> bytes:
    """Return the letters for printing, each on its own sheet, the address where an envelope's window shows it. Values are never markup."""
    source = (resources.files("recare.messages") / "letter.typ").read_bytes()
    data = {
        "practice": {"name": practice.name, "address": practice.postal_address, "rehearsal": practice.is_rehearsal},
        "letters": [{"to": letter.lines, "text": letter.text, "language": letter.language[:2]} for letter in letters],
    }
    return bytes(typst.compile(source, sys_inputs={"data": json.dumps(data)}, ignore_system_fonts=True))


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of letters that a person has put in the mail: how many count as sent, and which must be taken out again."""

    sent: int
    take_out: tuple[Refused, ...]
    unknown: int
    """Letters of the pile that no longer wait at all: taken back, too old, or settled by somebody else."""


class WrongDayError(ValueError):
    """A day on which these letters cannot have been posted; the sentence says why."""


def post(practice: Practice, ids: Collection[int], day: date, actor: str, now: datetime) -> Posted:
    """Settle printed letters as sent on ``day``, asking every gate once more; a second time settles none. Raises WrongDayError.

    Whoever has opted out, booked or moved since the printing is not sent to: the person is told to take that letter out.
    """
    today = now.astimezone(practice.zone).date()
    if not today - POSTED_BACK <= day <= today:
        raise WrongDayError(f"Say a day between {today - POSTED_BACK:%d %B} and today.")
    at = min(now, datetime.combine(day, time(12), practice.zone))
    _wait_for(practice.id, ids)
    found = _asked(practice.id, now, ids)
    by_hand = f"post:{actor}"
    rulings = [ruling for _, _, ruling in found if ruling is not None]
    outbox.rule(practice.id, rulings, by_hand, at)
    gate.note_reviews(practice.id, rulings, now)
    gone = [ruling.waiting for ruling in rulings if ruling.state == "sending"]
    outbox.settle(practice.id, [Settlement(one.id, one.next_attempt, "sent", "post") for one in gone], by_hand, at)
    refused = tuple(
        Refused(letter, tuple(ruling.reasons) if ruling else ()) for letter, one, ruling in found if one not in gone
    )
    _close(practice.id, actor, now)
    detail = {"letters": len(gone), "day": day.isoformat(), "taken out": len(refused)}
    audit.record(practice.id, actor, "posted letters", "letters", now, detail)
    return Posted(len(gone), refused, len(set(ids)) - len(found))


def _wait_for(practice_id: int, ids: Collection[int]) -> None:
    """Wait until whoever looks at these letters has done so: what a person holds in their hands is not passed over as a claim passes rows over."""
    found = db.values(
        "SELECT contact_point_id FROM message WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[]) AND channel = 'letter' "
        "ORDER BY id FOR NO KEY UPDATE",
        practice=practice_id, ids=list(ids),
    )  # fmt: skip
    lock_points(practice_id, found)


def _close(practice_id: int, actor: str, now: datetime) -> None:
    """End the reminders once nothing waits."""
    db.run(
        "UPDATE task SET done_at = %(now)s, done_by = %(actor)s, outcome = 'posted' WHERE practice_id = %(practice)s AND kind = %(kind)s "
        "AND done_at IS NULL AND NOT EXISTS (SELECT FROM message WHERE practice_id = %(practice)s AND state = 'queued' AND channel = 'letter')",
        practice=practice_id, kind=PRINT_TASK, actor=actor, now=now,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sent:
    """A letter that was posted."""

    id: int
    patient_id: int
    name: str
    campaign: str
    sent_at: datetime
    bounced_at: datetime | None


def posted(practice_id: int, now: datetime) -> list[Sent]:
    """Return what was posted in the last 60 days, the latest first."""
    return db.rows(
        Sent,
        "SELECT m.id, m.patient_id, trim(p.first_name || ' ' || p.last_name) AS name, coalesce(c.name, '') AS campaign, m.sent_at, m.bounced_at "
        "FROM message m JOIN patient p ON p.practice_id = m.practice_id AND p.id = m.patient_id "
        "LEFT JOIN campaign c ON c.practice_id = m.practice_id AND c.id = m.campaign_id "
        "WHERE m.practice_id = %(practice)s AND m.channel = 'letter' AND m.state = 'sent' AND m.sent_at > %(since)s ORDER BY m.sent_at DESC, m.id DESC LIMIT 200",
        practice=practice_id, since=now - timedelta(days=60),
    )  # fmt: skip


def came_back(practice_id: int, message_id: int, actor: str, now: datetime) -> bool:
    """Note that the post returned a letter: nothing more is mailed to that address, and a person asks for the right one.

    False when it was noted before, or was never posted.
    """
    found = db.tuples(
        "UPDATE message SET bounced_at = %(now)s WHERE practice_id = %(practice)s AND id = %(id)s AND channel = 'letter' AND state = 'sent' "
        "AND bounced_at IS NULL RETURNING contact_point_id, patient_id",
        practice=practice_id, id=message_id, now=now,
    )  # fmt: skip
    for point, patient in found:
        revoke.wrong_number(practice_id, point, "front_desk", actor, f"message:{message_id}", now)
        open_task(
            practice_id, "returned_letter", 6, now, once_key=f"returned_letter:{message_id}", patient_id=patient,
            contact_point_id=point, subject_table="message", subject_id=message_id,
        )  # fmt: skip
        audit.record(practice_id, actor, "noted a returned letter", f"message:{message_id}", now)
    return bool(found)
