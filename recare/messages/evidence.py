"""'Show me why this number was texted at 14:02': one question, one answer with its proof (I1, I8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from recare.base import db
from recare.base.phones import parse
from recare.consent.points import address_hash
from recare.messages import pages_why
from recare.practices import practice as practices

AROUND: Final = timedelta(minutes=2)
"""A phone shows the minute in which a text arrived, a little after we handed it over."""


@dataclass(frozen=True, slots=True)
class Consent:
    """The consent event a contact rests on: what was shown, who signed, and its place in the chain."""

    event_id: UUID
    seq: int
    hash: bytes
    type: str
    level: int
    method: str
    effective_at: datetime
    recorded_at: datetime
    exact_text: str
    text_version: str
    text_sha256: str
    signature: str
    seller_named: bool
    not_condition_of_purchase: bool
    evidence_ref: str
    ip: str
    url: str


@dataclass(frozen=True, slots=True)
class Scrub:
    """What the lists said of the number when the gates asked, not what they say today: national do-not-call, and reassigned numbers.

    All None, and ``reassigned`` empty, for an e-mail.
    """

    dnc_listed: bool | None = None
    dnc_checked_on: date | None = None
    reassigned: str = ""
    reassigned_checked_on: date | None = None
    last_confirmed_on: date | None = None


def scrub_of(kept: dict[str, Any] | None) -> Scrub:
    """Return the snapshot a decision or a claim has kept."""
    if not kept:
        return Scrub()
    days = {name: date.fromisoformat(kept[name]) if kept.get(name) else None for name in ("dnc_checked_on", "reassigned_checked_on", "last_confirmed_on")}  # fmt: skip
    return Scrub(dnc_listed=kept.get("dnc_listed"), reassigned=str(kept.get("reassigned") or ""), **days)


@dataclass(frozen=True, slots=True)
class Proof:
    """Everything one contact rests on. ``consent`` is None only for an answer to the person's own words."""

    message: pages_why.Message
    sent_at: datetime
    local_time: str
    consent: Consent | None
    scrub: Scrub
    """At the claim."""
    scrub_decided: Scrub
    """At planning."""
    packs: tuple[str, ...]
    rules: tuple[str, ...]
    reasons: tuple[dict[str, Any], ...]
    """What was weighed at planning and again at the claim; the entry ALLOWED names the packs that were read."""


def contacted(practice_id: int, address: str, at: datetime) -> list[Proof]:
    """Return the proof of every message to ``address`` handed over within two minutes of ``at``, the nearest first.

    Runs in the caller's scope. An address that we no longer hold in plain is still found by its hash. Raises ValueError for an address
    that is none.
    """
    practice = practices.get(practice_id)
    number = None if "@" in address else parse(address, practice.country)
    if number is None and "@" not in address:
        raise ValueError("This is no telephone number and no e-mail address.")
    wanted = number.e164 if number else address.strip().lower()
    ids = db.values(
        "SELECT m.id FROM message m JOIN contact_point p ON p.practice_id = m.practice_id AND p.id = m.contact_point_id "
        "WHERE m.practice_id = %(practice)s AND p.kind = %(kind)s AND p.address_hash = %(hash)s "
        "AND m.sent_at BETWEEN %(since)s AND %(until)s "
        "ORDER BY abs(extract(epoch FROM m.sent_at - %(at)s)), m.id",
        practice=practice_id, kind="phone" if number else "email", hash=address_hash(practice.salt, wanted), at=at,
        since=at - AROUND, until=at + AROUND,
    )  # fmt: skip
    return [proof(practice_id, message_id) for message_id in ids]


def proof(practice_id: int, message_id: int) -> Proof:
    """Return what one message rests on. Raises LookupError when there is no such message, or it has not been handed over."""
    message = pages_why.message(practice_id, message_id)
    if message is None or message.sent_at is None:
        raise LookupError(f"No message {message_id} has been sent.")
    consent = db.one(
        Consent,
        "SELECT event_id, seq, hash, type, level, method, effective_at, recorded_at, exact_text, text_version, text_sha256, signature, "
        "seller_named, not_condition_of_purchase, evidence_ref, ip, url FROM consent_event "
        "WHERE practice_id = %(practice)s AND id = %(event)s",
        practice=practice_id, event=message.consent_event_id,
    )  # fmt: skip
    reasons = (*message.touch_reasons, *message.reasons)
    local = message.sent_at.astimezone(practices.get(practice_id).zone)
    return Proof(
        message, message.sent_at, f"{local:%Y-%m-%d %H:%M %Z}", consent, scrub_of(message.scrub), scrub_of(message.touch_scrub),
        tuple(pages_why.packs(reasons)), tuple(pages_why.rules(reasons)), reasons,
    )  # fmt: skip


def lists(scrub: Scrub) -> str:
    """Say what the lists said of a number."""
    national = "never checked" if scrub.dnc_checked_on is None else f"{'listed' if scrub.dnc_listed else 'not listed'} on {scrub.dnc_checked_on}"  # fmt: skip
    answers = {"": "not asked", "no": "the same", "yes": "another", "no_data": "no data"}
    owner = answers[scrub.reassigned] + (f" on {scrub.reassigned_checked_on}" if scrub.reassigned_checked_on else "")
    return f"national do-not-call list {national}; owner of the number {owner}; number last confirmed {scrub.last_confirmed_on or 'never'}."


def in_lines(found: Proof) -> list[str]:
    """Return a proof as lines to print."""
    message, consent = found.message, found.consent
    lines = [
        f"Message {message.id}, {message.channel}, class {message.message_class}, handed over {found.local_time} ({found.sent_at.astimezone(UTC):%H:%M} UTC).",
        f"Campaign '{message.campaign}', version {message.version}, step {message.step}; template {message.template_slug or '-'}.",
        *([f"When it was decided: {lists(found.scrub_decided)}", f"When it left: {lists(found.scrub)}"] if message.channel == "sms" else []),
        f"Rule packs read: {', '.join(found.packs) or 'none'}. Rules: {', '.join(found.rules)}.",
    ]  # fmt: skip
    if consent is None:
        return [*lines, "Rests on no consent event: " + ("it answers the person's own words." if message.answers_event_id else "the address stands in the chart, and this kind of message needs no more.")]  # fmt: skip
    return [
        *lines,
        f"Rests on consent event {consent.event_id} (number {consent.seq} of the chain, {consent.hash.hex()}): {consent.type}, level C{consent.level}, {consent.method}.",
        f"Given {consent.effective_at:%Y-%m-%d}; signed: {consent.signature or 'no'}; evidence: {consent.evidence_ref or 'none'}.",
        f"Text shown ({consent.text_sha256[:16]}): {consent.exact_text or 'not kept'}",
    ]
