"""Answers to a person's own words: class S, short-lived, one for each thing they wrote (OPT-04, OPT-05)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from recare.base import db
from recare.compliance import segments

if TYPE_CHECKING:
    from recare.compliance.context import Channel

CONFIRM_WITHIN: Final = timedelta(minutes=5)
ANSWER_WITHIN: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer to which inbound event, and when the person wrote it. ``confirms_opt_out``: it says that a STOP was heard."""

    event_id: int
    received_at: datetime
    channel: Channel
    contact_point_id: int
    patient_id: int | None
    text: str
    subject: str = ""
    confirms_opt_out: bool = False
    question: str = ""
    """The question it asks, whose exact answer is understood (``opt_in``); '' when it asks nothing."""
    within: timedelta = ANSWER_WITHIN
    """How long after the person's words it may still leave."""


def queue(practice_id: int, answer: Answer, now: datetime) -> int | None:
    """Queue an answer and return its id; None when this event has been answered before. The gates are asked when it leaves."""
    within = CONFIRM_WITHIN if answer.confirms_opt_out else answer.within
    found = db.value(
        "INSERT INTO message (practice_id, answers_event_id, patient_id, contact_point_id, channel, message_class, subject, body_text, "
        "reply_question, confirms_opt_out_at, not_before, not_after, segments, created_at) VALUES (%(practice)s, %(event)s, %(patient)s, %(point)s, "
        "%(channel)s, 'S', %(subject)s, %(text)s, %(question)s, %(confirms)s, %(now)s, %(until)s, %(segments)s, %(now)s) "
        "ON CONFLICT (practice_id, answers_event_id) WHERE answers_event_id IS NOT NULL DO NOTHING RETURNING id",
        practice=practice_id, event=answer.event_id, patient=answer.patient_id, point=answer.contact_point_id,
        channel=answer.channel, subject=answer.subject, text=answer.text, question=answer.question, now=now, until=answer.received_at + within,
        confirms=answer.received_at if answer.confirms_opt_out else None,
        segments=segments.count(answer.text).segments if answer.channel == "sms" else 0,
    )  # fmt: skip
    return None if found is None else int(found)
