"""Everything that happened with a patient, the newest first: visits, decisions with their reasons, messages, calls, replies, consents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.urls import reverse

from recare.base import db
from recare.campaigns import why
from recare.web.patient.chart import CHANNEL_WORDS
from recare.web.templatetags.ui import day, local

if TYPE_CHECKING:
    from datetime import date, datetime

    from recare.practices.practice import Practice

MOST: Final = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """One line as the timeline component shows it."""

    when: datetime
    at: str
    title: str
    text: str
    kind: str
    reasons: tuple[str, ...]
    url: str


def entries(practice: Practice, patient_id: int, now: datetime) -> list[Entry]:
    """Return the newest ``MOST`` entries until now; what is planned stands at the head of the page, not here."""
    known = {"practice": practice.id, "patient": patient_id, "now": now, "most": MOST}
    found = [_told(entry, practice) for entry in why.for_patient(practice.id, patient_id, now)]
    found += [_visit(practice, *row) for row in db.tuples(_VISITS, **known)]
    found += [_consent(practice, *row) for row in db.tuples(_CONSENTS, **known)]
    found += [_said(practice, *row) for row in db.tuples(_WORDS, **known)]
    found += [_booking(practice, *row) for row in db.tuples(_BOOKINGS, **known)]
    return sorted(found, key=lambda entry: entry.when, reverse=True)[:MOST]


def _told(entry: why.Entry, practice: Practice) -> Entry:
    url = reverse("messages:message", args=[entry.message_id]) if entry.message_id else ""
    text = f"Rests on {entry.consent}." if entry.consent else ""
    return Entry(entry.at, local(entry.at, practice), entry.title, text, entry.kind, entry.reasons, url)


_VISIT_WORDS: Final = {
    "completed": "Visit kept", "missed": "Visit missed", "broken": "Visit broken", "cancelled": "Visit cancelled",
    "scheduled": "Visit on the calendar, not yet closed",
}  # fmt: skip


def _visit(practice: Practice, at: datetime, status: str, hygiene: bool) -> Entry:  # noqa: FBT001 (a column)
    return Entry(
        at, local(at, practice), f"{_VISIT_WORDS[status]}{', hygiene' if hygiene else ''}.", "", "visit", (), ""
    )


_CONSENT_WORDS: Final = {
    "granted": "Agreed to {channel}", "pending": "Asked to confirm {channel}", "confirmed": "Confirmed {channel}",
    "revoked": "Asked us to stop: {channel}", "restricted": "Restricted {channel}", "expired": "Consent ran out: {channel}",
    "number_changed": "Number changed", "wrong_number": "Number belongs to somebody else", "reassigned": "Number was given to somebody else",
    "complaint": "Reported {channel} as unwanted", "hard_bounce": "Address does not exist", "sms_incapable": "Number takes no texts",
    "unencrypted_warned": "Was told that plain messages are not encrypted", "authorization_signed": "Signed an authorization",
    "authorization_revoked": "Took an authorization back", "corrected": "A mistake in the ledger was corrected",
}  # fmt: skip


def _consent(practice: Practice, *row: Any) -> Entry:
    event_id, at, kind, channel, level, method, actor, ending, reason, evidence, effective = row
    words = _CONSENT_WORDS.get(kind, kind).format(
        channel="everything" if channel == "all" else CHANNEL_WORDS.get(channel, channel)
    )
    stored = f" (C{level})" if kind in {"granted", "confirmed", "pending"} else ""
    details = [
        f"Address ending in {ending}", f"by {method.replace('_', ' ')}", f"recorded by {actor}" if actor else "", reason,
        f"evidence: {evidence}" if evidence else "", f"given on {_day(effective, at)}" if _day(effective, at) else "", f"event {event_id}",
    ]  # fmt: skip
    return Entry(
        at, local(at, practice), f"{words}{stored}.", f"{'; '.join(filter(None, details))}.", "consent", (), ""
    )


def _day(effective: datetime, recorded: datetime) -> str:
    given: date = effective.date()
    return "" if given == recorded.date() or given.year <= 1900 else day(given)


def _said(practice: Practice, at: datetime, channel: str, body: str, applied: bool) -> Entry:  # noqa: FBT001 (a column)
    title = f"Wrote by {CHANNEL_WORDS.get(channel, channel.replace('_', ' '))}{'' if applied else '; nobody has read it yet'}."
    return Entry(at, local(at, practice), title, f"“{body}”" if body else "", "reply", (), "")


_BOOKING_WORDS: Final = {
    "cancelled": "Cancelled the visit of {at}.",
    "moved": "Moved the visit of {at}.",
    "expired": "Let the time of {at} go.",
}


def _booking(practice: Practice, ended_at: datetime, state: str, starts_at: datetime) -> Entry:
    return Entry(
        ended_at,
        local(ended_at, practice),
        _BOOKING_WORDS[state].format(at=local(starts_at, practice)),
        "",
        "booking",
        (),
        "",
    )


_VISITS: Final = """
SELECT starts_at, status, is_hygiene FROM appointment
WHERE practice_id = %(practice)s AND patient_id = %(patient)s AND deleted_at IS NULL AND starts_at <= %(now)s
  AND status IN ('completed', 'missed', 'broken', 'cancelled', 'scheduled')
ORDER BY starts_at DESC LIMIT %(most)s
"""
# Events about the person, and those about an address they hold that name nobody.
_CONSENTS: Final = """
SELECT e.id, e.recorded_at, e.type, e.channel, e.level, e.method, e.actor, right(split_part(c.address, '@', 1), 4), e.reason, e.evidence_ref,
       e.effective_at
FROM consent_event e JOIN contact_point c ON c.practice_id = e.practice_id AND c.id = e.contact_point_id
WHERE e.practice_id = %(practice)s AND e.recorded_at <= %(now)s AND (e.person_id IS NULL OR e.person_id = %(patient)s)
  AND e.contact_point_id IN (SELECT contact_point_id FROM patient_contact WHERE practice_id = %(practice)s AND patient_id = %(patient)s)
ORDER BY e.seq DESC LIMIT %(most)s
"""
_WORDS: Final = """
SELECT i.received_at, i.channel, left(i.body, 300), i.applied_at IS NOT NULL FROM inbound_event i
WHERE i.practice_id = %(practice)s AND i.received_at <= %(now)s AND i.channel IN ('sms', 'email', 'voicemail') AND i.contact_point_id IN (
    SELECT contact_point_id FROM patient_contact WHERE practice_id = %(practice)s AND patient_id = %(patient)s)
ORDER BY i.received_at DESC LIMIT %(most)s
"""
_BOOKINGS: Final = """
SELECT ended_at, state, lower(during) FROM booking
WHERE practice_id = %(practice)s AND patient_id = %(patient)s AND ended_at <= %(now)s AND state IN ('cancelled', 'moved', 'expired')
ORDER BY ended_at DESC LIMIT %(most)s
"""
