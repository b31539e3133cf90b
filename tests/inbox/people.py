"""Somebody who was texted, has another text waiting, and writes back."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from recare.base import db
from recare.inbox import apply, receive
from recare.inbox.receive import Inbound
from tests import factories
from tests.messages import outbox
from tests.messages.outbox import NOW, Case

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Person:
    """A patient with a number (or address), the message that went out, and the one that waits."""

    practice_id: int
    patient: int
    point: int
    address: str
    sent: int
    waiting: int
    enrolment: int


def make_case(practice_id: int) -> Case:
    """A campaign that lets go of whoever books, answers, opts out, complains or leaves."""
    campaign = factories.insert(
        "campaign", practice_id=practice_id, name="Win back", playbook="", state="running", created_at=NOW
    )
    rules = ["booked", "replied", "opted_out", "complaint", "not_interested", "left"]
    version = factories.insert(
        "campaign_version", practice_id=practice_id, campaign_id=campaign, number=1, spec_sha256="", salt="s", published_at=NOW,
        published_by="test", spec=db.json({"playbook": {"remuneration": "none", "stop": rules}}),
    )  # fmt: skip
    return Case(practice_id, campaign, version)


def texted(case: Case, channel: str = "sms", point: dict[str, Any] | None = None, **message: Any) -> Person:
    """Add a person who got a message nine days ago and has the next one queued; columns of the sent one through ``message``."""
    practice = case.practice_id
    sent = outbox.make_message(
        case, channel, point, state="sent", sent_at=NOW - timedelta(days=9), claimed_at=NOW - timedelta(days=9), **message
    )  # fmt: skip
    [(patient, where, address, enrolment)] = db.tuples(
        "SELECT m.patient_id, m.contact_point_id, p.address, t.enrolment_id FROM message m JOIN contact_point p "
        "ON p.practice_id = m.practice_id AND p.id = m.contact_point_id JOIN touch t ON t.practice_id = m.practice_id "
        "AND t.id = m.touch_id WHERE m.practice_id = %(p)s AND m.id = %(m)s",
        p=practice, m=sent,
    )  # fmt: skip
    touch = factories.insert(
        "touch", practice_id=practice, enrolment_id=enrolment, patient_id=patient, contact_point_id=where, step=1, attempt=0,
        channel=channel, verdict="send", decided_at=NOW,
    )  # fmt: skip
    waiting = factories.insert(
        "message", practice_id=practice, touch_id=touch, patient_id=patient, contact_point_id=where, channel=channel,
        body_text=outbox.TEXT, message_class="R", not_before=NOW, not_after=NOW + timedelta(days=9), created_at=NOW,
    )  # fmt: skip
    return Person(practice, patient, where, address, sent, waiting, enrolment)


def writes(person: Person, body: str, now: datetime, channel: Any = "sms", **more: Any) -> int:
    """Let the person's words come in; return the event's id."""
    event = receive.receive(
        Inbound(person.practice_id, "sandbox", f"in-{next(_numbers)}", channel, person.address, "+16305550100", body, **more), now
    )  # fmt: skip
    assert event is not None
    return event


def read(person: Person, now: datetime) -> None:
    apply.apply_batch(person.practice_id, now)


def point(person: Person) -> dict[str, Any]:
    names = ("held_at", "held_event_id", "sms_level", "sms_out_at", "email_out_at", "call_out_at", "wrong_number_at")
    [found] = db.tuples(
        f"SELECT {', '.join(names)} FROM contact_point WHERE practice_id = %(p)s AND id = %(i)s",
        p=person.practice_id, i=person.point,
    )  # fmt: skip
    return dict(zip(names, found, strict=True))


def tasks(practice_id: int) -> list[tuple[str, int]]:
    """(kind, urgency) of every open task."""
    return db.tuples(
        "SELECT kind, urgency FROM task WHERE practice_id = %(p)s AND done_at IS NULL ORDER BY id", p=practice_id
    )


def enrolment(person: Person) -> tuple[str, str]:
    """(state, stop reason)."""
    [found] = db.tuples(
        "SELECT state, stop_reason FROM enrolment WHERE practice_id = %(p)s AND id = %(e)s",
        p=person.practice_id, e=person.enrolment,
    )  # fmt: skip
    return found[0], found[1]


def answers(practice_id: int) -> list[str]:
    """Texts of the automatic answers that were queued."""
    return db.values(
        "SELECT body_text FROM message WHERE practice_id = %(p)s AND answers_event_id IS NOT NULL ORDER BY id",
        p=practice_id,
    )
