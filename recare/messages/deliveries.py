"""What becomes of a message after the provider has it, and what a provider's word asks of us (SMS-03, SMS-04, EML-03 to EML-05).

Facts are timestamps; a later, lesser word never takes one back. Suppression goes through the consent ledger, never around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from recare.base import db
from recare.consent import revoke as consent
from recare.consent.points import lock_points
from recare.messages import codes, outbox, senders
from recare.patients.tasks import close_known, open_task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

Kind = Literal["accepted", "delivered", "undelivered", "bounced", "complained"]

SOFT_LIMIT: Final = 3
SOFT_REST: Final = timedelta(days=90)
SOFT_WINDOW: Final = timedelta(days=30)
HEALTH_DAYS: Final = timedelta(days=7)
COMPLAINTS_WARN: Final = 0.0010
COMPLAINTS_PAUSE: Final = 0.0030
COMPLAINTS_AT_LEAST: Final = 200  # below it a rate means nothing: warn only
FILTERED_PAUSE: Final = 0.02


@dataclass(frozen=True, slots=True)
class DeliveryEvent:
    """One word of a provider about one message. ``event_id`` is the provider's own and makes the event count once."""

    provider: str
    event_id: str
    kind: Kind
    at: datetime
    ref: str = ""
    message_id: int | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A message that a provider refused or could not deliver. ``state`` is the row's state afterwards."""

    message_id: int
    channel: str
    contact_point_id: int
    patient_id: int | None
    sender_id: int | None
    code: str
    state: str = "failed"


@dataclass(frozen=True, slots=True)
class _Sent:
    id: int
    channel: str
    contact_point_id: int
    patient_id: int | None
    sender_id: int | None
    attempt: int


def record_delivery(practice_id: int, event: DeliveryEvent, now: datetime) -> bool:
    """Note one event and act on it, inside the caller's scope. Returns False for a repeated event or a message that is not ours."""
    message = db.one(
        _Sent,
        "SELECT id, channel, contact_point_id, patient_id, sender_id, attempt FROM message WHERE practice_id = %(practice)s "
        "AND (id = %(message)s OR %(message)s::bigint IS NULL AND provider = %(provider)s AND provider_ref = %(ref)s "
        "AND provider_ref <> '')",
        practice=practice_id, message=event.message_id, provider=event.provider, ref=event.ref,
    )  # fmt: skip
    if message is None:
        return False
    trouble = Trouble(
        message.id, message.channel, message.contact_point_id, message.patient_id, message.sender_id, event.code
    )
    lock(practice_id, [trouble])
    if not _note(practice_id, message.id, event):
        return False
    _stamp(practice_id, message.id, event)
    if event.kind in {"undelivered", "bounced"}:
        act(practice_id, [trouble], now)
    elif event.kind == "complained":
        _complaint(practice_id, trouble, event, now)
    return True


def _note(practice_id: int, message_id: int, event: DeliveryEvent) -> bool:
    return bool(
        db.run(
            "INSERT INTO delivery_event (practice_id, message_id, provider, provider_event_id, kind, code, at) VALUES "
            "(%(practice)s, %(message)s, %(provider)s, %(event)s, %(kind)s, %(code)s, %(at)s) "
            "ON CONFLICT (practice_id, provider, provider_event_id) DO NOTHING",
            practice=practice_id, message=message_id, provider=event.provider, event=event.event_id, kind=event.kind,
            code=event.code, at=event.at,
        )
    )  # fmt: skip


def _stamp(practice_id: int, message_id: int, event: DeliveryEvent) -> None:
    """Write the fact's timestamp, once. A message whose fate was unknown is settled by it, and nobody need look into it (SMS-04)."""
    column = {"delivered": "delivered_at", "undelivered": "bounced_at", "bounced": "bounced_at", "complained": "complained_at"}.get(event.kind)  # fmt: skip
    if column:
        db.run(
            f"UPDATE message SET {column} = %(at)s, error = CASE WHEN %(code)s = '' THEN error ELSE %(code)s END "
            f"WHERE practice_id = %(practice)s AND id = %(message)s AND {column} IS NULL",
            practice=practice_id, message=message_id, at=event.at, code=event.code,
        )  # fmt: skip
    settled = db.run(
        "UPDATE message SET state = 'sent', sent_at = %(at)s, settled_at = %(at)s, "
        "provider = CASE WHEN provider = '' THEN %(provider)s ELSE provider END, "
        "provider_ref = CASE WHEN provider_ref = '' THEN %(ref)s ELSE provider_ref END "
        "WHERE practice_id = %(practice)s AND id = %(message)s AND state IN ('sending', 'unknown')",
        practice=practice_id, message=message_id, at=event.at, provider=event.provider, ref=event.ref,
    )  # fmt: skip
    if settled:
        close_known(practice_id, [outbox.unknown_key(message_id)], event.provider, "the provider told", event.at)


def lock(practice_id: int, troubles: Sequence[Trouble]) -> None:
    """Take the locks that suppression will need, before any message row is changed: points first, as an inbound STOP does it."""
    if troubles:
        lock_points(practice_id, [trouble.contact_point_id for trouble in troubles])


def act(practice_id: int, troubles: Sequence[Trouble], now: datetime) -> None:
    """Do what each code asks for: suppress through the ledger, stop the sender, or call a person."""
    for trouble in troubles:
        meaning = codes.meaning(trouble.channel, trouble.code, retryable=trouble.state == "queued")
        _STEPS[meaning.step](practice_id, trouble, now)


def _opt_out(practice_id: int, trouble: Trouble, now: datetime) -> None:
    reason = f"provider code {trouble.code}"
    consent.revoke(
        practice_id, trouble.contact_point_id, ("sms", "call"), "provider", "provider", reason, _evidence(trouble), now
    )


def _blocked(practice_id: int, trouble: Trouble, now: datetime) -> None:
    reason = f"blocked, provider code {trouble.code}"
    consent.revoke(
        practice_id, trouble.contact_point_id, ("sms",), "provider", "provider", reason, _evidence(trouble), now
    )


def _sms_incapable(practice_id: int, trouble: Trouble, now: datetime) -> None:
    consent.sms_incapable(practice_id, trouble.contact_point_id, _evidence(trouble), now)
    _ask(practice_id, "contact_update", 6, trouble, now, f"sms_incapable:{trouble.contact_point_id}")


def _hard_bounce(practice_id: int, trouble: Trouble, now: datetime) -> None:
    consent.hard_bounce(practice_id, trouble.contact_point_id, _evidence(trouble), now)
    _ask(practice_id, "contact_update", 6, trouble, now, f"hard_bounce:{trouble.contact_point_id}")


def _soft_bounce(practice_id: int, trouble: Trouble, now: datetime) -> None:
    """Three in 30 days rest the address for 90 (EML-04)."""
    db.run(
        "UPDATE contact_point c SET soft_bounced_at = late.ats, suppressed_until = CASE WHEN cardinality(late.ats) >= %(limit)s "
        "THEN %(until)s ELSE c.suppressed_until END FROM (SELECT array_agg(at) AS ats FROM contact_point p, "
        "unnest(p.soft_bounced_at || %(now)s::timestamptz) AS at WHERE p.practice_id = %(practice)s AND p.id = %(point)s AND at > %(since)s) late "
        "WHERE c.practice_id = %(practice)s AND c.id = %(point)s",
        practice=practice_id, point=trouble.contact_point_id, now=now, since=now - SOFT_WINDOW, limit=SOFT_LIMIT, until=now + SOFT_REST,
    )  # fmt: skip


def _disabled(practice_id: int, trouble: Trouble, now: datetime) -> None:
    earlier = db.value(
        "SELECT count(*) FROM message WHERE practice_id = %(practice)s AND contact_point_id = %(point)s AND id <> %(message)s "
        "AND error = '5.2.1'",
        practice=practice_id, point=trouble.contact_point_id, message=trouble.message_id,
    )  # fmt: skip
    if earlier:
        _hard_bounce(practice_id, trouble, now)


def _filtered(practice_id: int, trouble: Trouble, now: datetime) -> None:
    """A carrier that filters more than 2 % of a day's texts objects to the words: stop before the number is burnt."""
    _ask(practice_id, "send_review", 5, trouble, now, f"filtered:{trouble.message_id}")
    sent, filtered = db.tuples(
        "SELECT count(*) FILTER (WHERE state IN ('sent', 'failed')), count(*) FILTER (WHERE error = '30007') FROM message "
        "WHERE practice_id = %(practice)s AND sender_id = %(sender)s AND claimed_at > %(since)s",
        practice=practice_id, sender=trouble.sender_id, since=now - timedelta(days=1),
    )[0]  # fmt: skip
    if trouble.sender_id is not None and filtered > FILTERED_PAUSE * sent:
        halt(
            practice_id, trouble.sender_id, "Carriers filter more than 2 % of the texts (30007): change the words.", now
        )


def _halt_sender(practice_id: int, trouble: Trouble, now: datetime) -> None:
    if trouble.sender_id is not None:
        halt(practice_id, trouble.sender_id, f"The provider refuses this sender (code {trouble.code}).", now)


def _review(practice_id: int, trouble: Trouble, now: datetime) -> None:
    _ask(practice_id, "send_review", 5, trouble, now, f"send_review:{trouble.message_id}")


def _none(practice_id: int, trouble: Trouble, now: datetime) -> None:
    """A handset unreachable on three different days is no longer worth a text (30003)."""
    if trouble.code != codes.UNREACHABLE:
        return
    days = db.value(
        "SELECT count(DISTINCT claimed_at::date) FROM message WHERE practice_id = %(practice)s AND contact_point_id = %(point)s "
        "AND error = %(code)s",
        practice=practice_id, point=trouble.contact_point_id, code=codes.UNREACHABLE,
    )  # fmt: skip
    if days >= 3:
        _sms_incapable(practice_id, trouble, now)


_STEPS = {
    "opt_out": _opt_out, "sms_incapable": _sms_incapable, "blocked": _blocked, "filtered": _filtered, "hard_bounce": _hard_bounce,
    "soft_bounce": _soft_bounce, "disabled": _disabled, "halt_sender": _halt_sender, "review": _review, "none": _none,
}  # fmt: skip


def halt(practice_id: int, sender_id: int, reason: str, now: datetime) -> None:
    """Pause a sender and tell a person, once."""
    if senders.pause(practice_id, sender_id, reason, now):
        detail = {"reason": reason}
        open_task(
            practice_id, "sender_paused", 1, now, once_key=f"sender_paused:{sender_id}:{now.isoformat()}",
            subject_table="sender", subject_id=sender_id, detail=detail,
        )  # fmt: skip


def _complaint(practice_id: int, trouble: Trouble, event: DeliveryEvent, now: datetime) -> None:
    """A complaint is an opt-out of all e-mail to the address (EML-05), and counts against the sender on the day it comes (EML-03)."""
    consent.complaint(practice_id, trouble.contact_point_id, f"{event.provider}:{event.event_id}", now)
    if trouble.sender_id is None:
        return
    complained, sent = db.tuples(
        "SELECT count(*) FILTER (WHERE complained_at > %(since)s), count(*) FILTER (WHERE state = 'sent' AND bounced_at IS NULL "
        "AND sent_at > %(since)s) FROM message WHERE practice_id = %(practice)s AND sender_id = %(sender)s "
        "AND greatest(sent_at, complained_at) > %(since)s",
        practice=practice_id, sender=trouble.sender_id, since=now - HEALTH_DAYS,
    )[0]  # fmt: skip
    rate = complained / max(sent, 1)
    if rate >= COMPLAINTS_PAUSE and sent >= COMPLAINTS_AT_LEAST:
        halt(practice_id, trouble.sender_id, f"{complained} of {sent} readers complained within a week.", now)
    elif rate >= COMPLAINTS_WARN:
        key = f"complaints:{trouble.sender_id}:{now.date()}"
        detail = {"complaints": complained, "sent": sent}
        open_task(
            practice_id,
            "sender_warning",
            3,
            now,
            once_key=key,
            subject_table="sender",
            subject_id=trouble.sender_id,
            detail=detail,
        )


def _ask(practice_id: int, kind: str, urgency: int, trouble: Trouble, now: datetime, key: str) -> None:
    open_task(
        practice_id, kind, urgency, now, once_key=key, patient_id=trouble.patient_id, contact_point_id=trouble.contact_point_id,
        subject_table="message", subject_id=trouble.message_id, detail={"code": trouble.code},
    )  # fmt: skip


def _evidence(trouble: Trouble) -> str:
    return f"message:{trouble.message_id}:{trouble.code}"
