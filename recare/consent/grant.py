"""A person's yes, with its evidence. What the evidence does not carry is stored as less (I2, CON-01 to CON-05)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from recare.base import db
from recare.consent import ledger
from recare.consent.event import NewEvent
from recare.consent.points import holders
from recare.patients import changes

if TYPE_CHECKING:
    from recare.consent.event import Channel, Method

PENDING_DAYS: Final = timedelta(days=30)
"""How long an unanswered opt-in prompt may still be answered with YES."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What shows that a person agreed. ``evidence_ref`` is a scan, a page's snapshot, a recording or an inbound message."""

    method: Method
    evidence_ref: str = ""
    exact_text: str = ""
    text_version: str = ""
    language: str = ""
    signature: str = ""
    seller_named: bool = False
    not_condition_of_purchase: bool = False
    frequency_disclosed: bool = False
    msg_rates_disclosed: bool = False
    preticked: bool = False
    person_id: int | None = None
    relationship: str = "self"
    classes: str = ""
    ip: str = ""
    user_agent: str = ""
    url: str = ""
    actor: str = ""
    effective_at: datetime | None = None
    """When it was given, if not now."""


def grant(practice_id: int, point_id: int, channel: Channel, level: int, evidence: Evidence, now: datetime) -> int:
    """Add a consent inside the caller's scope and return the event's id.

    One taken on the web or in the portal stays pending until the person confirms it from the address itself (CON-05). Raises
    ValueError when a box was ticked beforehand, or when paper or the spoken word has nothing to show for it.
    """
    if evidence.preticked:
        raise ValueError("A box that was ticked beforehand is no consent.")
    if evidence.method in {"paper", "verbal", "front_desk", "voicemail"} and not evidence.evidence_ref:
        raise ValueError("Name the scan, the recording or the note that shows this consent.")
    kind = "pending" if evidence.method in {"web", "portal"} and level >= 2 else "granted"
    [event_id] = ledger.append(practice_id, [_event(point_id, channel, kind, level, evidence, now)], now)
    changes.mark(practice_id, holders(practice_id, point_id))
    return event_id


def _event(point_id: int, channel: Channel, kind: str, level: int, evidence: Evidence, now: datetime) -> NewEvent:
    return NewEvent(
        point_id, channel, kind, evidence.method, level,  # type: ignore[arg-type]
        effective_at=evidence.effective_at or now, person_id=evidence.person_id, relationship=evidence.relationship,
        classes=evidence.classes, seller_named=evidence.seller_named, exact_text=evidence.exact_text,
        text_version=evidence.text_version, language=evidence.language, signature=evidence.signature,
        not_condition_of_purchase=evidence.not_condition_of_purchase, frequency_disclosed=evidence.frequency_disclosed,
        msg_rates_disclosed=evidence.msg_rates_disclosed, evidence_ref=evidence.evidence_ref, ip=evidence.ip,
        user_agent=evidence.user_agent, url=evidence.url, actor=evidence.actor,
    )  # fmt: skip


def pending(practice_id: int, point_id: int, channel: Channel, now: datetime) -> int | None:
    """Return the newest opt-in of this point and channel that waits for the person's YES, or None."""
    found = db.value(
        "SELECT e.id FROM consent_event e WHERE e.practice_id = %(practice)s AND e.contact_point_id = %(point)s "
        "AND e.channel = %(channel)s AND e.type = 'pending' AND e.effective_at > %(since)s AND NOT EXISTS ("
        "  SELECT FROM consent_event a WHERE a.practice_id = e.practice_id AND a.contact_point_id = e.contact_point_id "
        "  AND (a.supersedes_id = e.id OR a.type IN ('revoked', 'restricted', 'complaint', 'wrong_number', 'reassigned') AND a.effective_at >= e.effective_at)) "
        "ORDER BY e.seq DESC LIMIT 1",
        practice=practice_id, point=point_id, channel=channel, since=now - PENDING_DAYS,
    )  # fmt: skip
    return None if found is None else int(found)


def confirm(  # noqa: PLR0913 (what the page of a link knows of its visitor)
    practice_id: int,
    pending_id: int,
    evidence_ref: str,
    now: datetime,
    *,
    ip: str = "",
    user_agent: str = "",
    url: str = "",
) -> int:
    """Turn a pending opt-in into a consent, because the person confirmed it from the address itself. Returns the new event's id.

    ``evidence_ref`` names the inbound message or the click, of which the rest are the traces. Raises LookupError when there is no such
    pending opt-in.
    """
    asked = db.one(
        _Pending,
        "SELECT contact_point_id, channel, level, method, person_id, relationship, classes, seller_named, exact_text, text_version, "
        "language, signature, not_condition_of_purchase, frequency_disclosed, msg_rates_disclosed FROM consent_event "
        "WHERE practice_id = %(practice)s AND id = %(event)s AND type = 'pending'",
        practice=practice_id, event=pending_id,
    )  # fmt: skip
    if asked is None:
        raise LookupError(f"Consent event {pending_id} is no opt-in that waits for an answer.")
    event = NewEvent(
        type="confirmed", effective_at=now, evidence_ref=evidence_ref, supersedes_id=pending_id, actor="patient",
        last_confirmed_on=now.date(), ip=ip, user_agent=user_agent, url=url, **{name: getattr(asked, name) for name in asked.__slots__},
    )  # fmt: skip
    [event_id] = ledger.append(practice_id, [event], now)
    changes.mark(practice_id, holders(practice_id, asked.contact_point_id))
    return event_id


def authorize(practice_id: int, point_id: int, person_id: int, until: date, evidence: Evidence, now: datetime) -> int:
    """Enter a signed authorization that states who pays for the messages (HIP-02); the newest one, or its revocation, counts.

    Raises ValueError without signature, document or a day that is still to come.
    """
    if not evidence.signature or not evidence.evidence_ref:
        raise ValueError("An authorization is signed, and its document is kept: name both.")
    if until < now.date():
        raise ValueError("This authorization has ended already.")
    event = replace(
        _event(point_id, "all", "authorization_signed", 0, replace(evidence, person_id=person_id), now), expires_on=until, scope="remuneration"
    )  # fmt: skip
    [event_id] = ledger.append(practice_id, [event], now)
    return event_id


def end_authorization(
    practice_id: int, point_id: int, person_id: int, evidence_ref: str, actor: str, now: datetime
) -> int:
    """Enter that a person takes an authorization back; it holds at once."""
    event = NewEvent(
        point_id, "all", "authorization_revoked", "front_desk", effective_at=now, person_id=person_id, evidence_ref=evidence_ref, actor=actor
    )  # fmt: skip
    [event_id] = ledger.append(practice_id, [event], now)
    return event_id


@dataclass(frozen=True, slots=True)
class _Pending:
    contact_point_id: int
    channel: Channel
    level: int
    method: Method
    person_id: int | None
    relationship: str
    classes: str
    seller_named: bool
    exact_text: str
    text_version: str
    language: str
    signature: str
    not_condition_of_purchase: bool
    frequency_disclosed: bool
    msg_rates_disclosed: bool


def start(practice_id: int, point_id: int, evidence_ref: str, now: datetime) -> list[int]:
    """Act on START from a number: consent to texts, C2 at most, and an end to the calls' opt-out that came with STOP (OPT-05).

    A do-not-call that was said to a person stays. The consent names nobody: the phone may have a new owner (NUM-01).
    """
    by_text = db.value(
        "SELECT method IN ('sms_keyword', 'provider') FROM consent_event WHERE practice_id = %(practice)s "
        "AND contact_point_id = %(point)s AND type IN ('revoked', 'restricted') AND channel IN ('call', 'all') "
        "ORDER BY effective_at DESC, seq DESC LIMIT 1",
        practice=practice_id, point=point_id,
    )  # fmt: skip
    channels: tuple[Channel, ...] = ("sms", "call") if by_text else ("sms",)
    events = [
        NewEvent(
            point_id,
            channel,
            "granted",
            "sms_keyword",
            2,
            now,
            evidence_ref=evidence_ref,
            actor="patient",
            exact_text="START",
        )
        for channel in channels
    ]
    added = ledger.append(practice_id, events, now)
    changes.mark(practice_id, holders(practice_id, point_id))
    return added
