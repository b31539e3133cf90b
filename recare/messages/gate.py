"""Every gate, asked once more about messages that are about to leave (ENG-02)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from recare.base import db
from recare.campaigns import contexts, review
from recare.campaigns.contexts import Ask
from recare.compliance.decision import Decision, Reason
from recare.compliance.gates import decide
from recare.compliance.packs import load_packs
from recare.messages import opt_in
from recare.patients.tasks import open_task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from recare.compliance.context import Channel, Context, MessageClass
    from recare.messages.outbox import Ruling, Waiting

_NOBODY = Decision(
    "deny", None, (Reason("CONSENT_UNKNOWN", "ENG-01", "deny", detail="nobody is known at this address"),)
)
_UNFOUNDED = Decision("deny", None, (Reason("CONSENT_UNKNOWN", "ENG-01", "deny", detail="no event in the ledger"),))


@dataclass(frozen=True, slots=True)
class Asked:
    """What the gates answer about one message, and what they read that its row keeps: the consent, and what the lists said of the number."""

    decision: Decision
    consent_event_id: int | None = None
    scrub: dict[str, Any] | None = None


def ask(practice_id: int, messages: Sequence[Waiting], now: datetime) -> list[Asked]:
    """Return one answer for each message, in order, by a fixed number of queries. Call it while their contact points are locked."""
    known = [waiting for waiting in messages if _has_answer(waiting)]
    if not known:
        return [Asked(_NOBODY) for _ in messages]
    paid_by = _remuneration(practice_id, {waiting.enrolment.version_id for waiting in known if waiting.enrolment})
    asks = [_ask(waiting, paid_by) for waiting in known]
    packs = load_packs()
    found = contexts.load(practice_id, asks, now)
    answers = _with_clearances(practice_id, known, [decide(context, packs, now) for context in found])
    asked = iter([_asked(*pair) for pair in zip(answers, found, strict=True)])
    return [next(asked) if _has_answer(waiting) else Asked(_NOBODY) for waiting in messages]


def _asked(decision: Decision, context: Context) -> Asked:
    """An allow that could cite nothing is none (I1): the level on file must come from an event of the ledger."""
    point, content = context.point, context.content
    if point is None or content.channel in {"letter", "portal"}:
        return Asked(decision)
    needed = content.message_class in {"R", "P", "T"} and context.practice.country == "US"
    if decision.allowed and needed and point.consent_event_id is None:
        decision = _UNFOUNDED
    return Asked(decision, point.consent_event_id, contexts.scrub(point) if content.channel == "sms" else None)


def _with_clearances(practice_id: int, messages: Sequence[Waiting], decisions: list[Decision]) -> list[Decision]:
    """Take away what a person has cleared for the very step a message belongs to, as planning did (campaigns/review.py)."""
    asked = [
        waiting.message for waiting, decision in zip(messages, decisions, strict=True) if decision.verdict == "review"
    ]
    touches = [message.touch_id for message in asked if message.touch_id and message.enrolment_id]
    if not touches:
        return decisions
    steps = {
        touch: (enrolment, step)
        for touch, enrolment, step in db.tuples(
            "SELECT id, enrolment_id, step FROM touch WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[])",
            practice=practice_id, ids=touches,
        )
    }  # fmt: skip
    cleared = review.cleared(practice_id, set(steps.values()))
    return [
        decision.without(cleared.get(steps.get(waiting.message.touch_id or 0, (0, 0)), ()))
        for waiting, decision in zip(messages, decisions, strict=True)
    ]


def _ask(waiting: Waiting, paid_by: dict[int, Any]) -> Ask:
    message = waiting.message
    return Ask(
        patient_id=message.patient_id or 0,
        channel=cast("Channel", message.channel),
        message_class=cast("MessageClass", message.message_class),
        contact_point_id=message.contact_point_id,
        touch_id=message.touch_id,
        offer=message.offer,
        text=message.body_text,
        names_person=message.names_person,
        remuneration=paid_by.get(waiting.enrolment.version_id, "") if waiting.enrolment else "none",
        answers_person_at=waiting.answers_person_at,
        confirms_opt_out_at=message.confirms_opt_out_at,
        asks_consent=_asks_consent(waiting),
    )


def _has_answer(waiting: Waiting) -> bool:
    return waiting.message.patient_id is not None or _asks_consent(waiting)


def _asks_consent(waiting: Waiting) -> bool:
    """Whether a message only asks somebody to confirm what a public form said of this address; it names nobody and needs no chart."""
    return waiting.message.answers_event_id is not None and waiting.message.reply_question == opt_in.QUESTION


def _remuneration(practice_id: int, versions: set[int]) -> dict[int, Any]:
    """Who pays for the messages of each published campaign version, as it says itself (HIP-02)."""
    if not versions:
        return {}
    return dict(
        db.tuples(
            "SELECT id, coalesce(spec -> 'playbook' ->> 'remuneration', '') FROM campaign_version "
            "WHERE practice_id = %(practice)s AND id = ANY(%(ids)s)",
            practice=practice_id, ids=list(versions),
        )
    )  # fmt: skip


def note_reviews(practice_id: int, rulings: Sequence[Ruling], now: datetime) -> None:
    """Give a person what only a person may decide."""
    for ruling in rulings:
        verdicts = {reason["verdict"] for reason in ruling.reasons}
        if ruling.state == "withheld" and verdicts & {"review"} and "deny" not in verdicts:
            open_task(
                practice_id, "send_review", 5, now, once_key=f"send_review:{ruling.waiting.id}", patient_id=ruling.waiting.message.patient_id,
                contact_point_id=ruling.waiting.message.contact_point_id, subject_table="message", subject_id=ruling.waiting.id,
                detail={"codes": [reason["code"] for reason in ruling.reasons]},
            )  # fmt: skip
