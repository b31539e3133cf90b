"""Everything behind one message: the decision, the consent it rests on, the rules that were read, and what became of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from recare.base import db

if TYPE_CHECKING:
    from collections.abc import Iterable

ENDED: Final = {
    "withheld": "a check stopped it", "failed": "the provider refused it", "expired": "it grew too old", "cancelled": "taken back",
}  # fmt: skip
_LINK: Final = re.compile(r"(/p/\w+/)[\w-]{20,}")


@dataclass(frozen=True, slots=True)
class Message:
    """A message with the decision that led to it and the consent event it rests on; no decision for an answer to the person's own words."""

    id: int
    patient_id: int | None
    patient: str
    channel: str
    message_class: str
    state: str
    address_kind: str
    held_at: datetime | None
    answers_event_id: int | None
    subject: str
    body_text: str
    has_html: bool
    reasons: list[dict[str, Any]]
    error: str
    provider: str
    provider_ref: str
    attempt: int
    segments: int
    cost_micros: int
    created_at: datetime
    not_before: datetime
    not_after: datetime
    claimed_at: datetime | None
    sent_at: datetime | None
    settled_at: datetime | None
    delivered_at: datetime | None
    bounced_at: datetime | None
    complained_at: datetime | None
    clicked_at: datetime | None
    replied_at: datetime | None
    touch_id: int | None
    decided_at: datetime | None
    step: int | None
    offer: str
    touch_reasons: list[dict[str, Any]]
    campaign_id: int | None
    campaign: str
    version: int | None
    template_slug: str
    template_language: str
    template_number: int | None
    approved_by: str
    consent_event_id: int | None
    consent_type: str
    consent_level: int | None
    consent_method: str
    consent_at: datetime | None
    consent_evidence: str
    basis: str
    scrub: dict[str, Any] | None
    touch_scrub: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened to a message."""

    at: datetime
    title: str


BEHIND: Final = """
FROM message m
JOIN contact_point p ON p.practice_id = m.practice_id AND p.id = m.contact_point_id
LEFT JOIN touch t ON t.practice_id = m.practice_id AND t.id = m.touch_id
LEFT JOIN enrolment e ON e.practice_id = t.practice_id AND e.id = t.enrolment_id
LEFT JOIN campaign c ON c.practice_id = e.practice_id AND c.id = e.campaign_id
LEFT JOIN campaign_version v ON v.practice_id = e.practice_id AND v.id = e.version_id
LEFT JOIN template_version tv ON tv.practice_id = t.practice_id AND tv.id = t.template_version_id
LEFT JOIN template tt ON tt.practice_id = tv.practice_id AND tt.id = tv.template_id
LEFT JOIN consent_event s ON s.practice_id = m.practice_id AND s.id = CASE WHEN m.consent_event_id IS NULL THEN t.consent_event_id ELSE m.consent_event_id END
"""
"""What a message hangs on. Until a claim has cited its own, the consent is the one it was decided on."""
_MESSAGE: Final = f"""
SELECT m.id, m.patient_id, coalesce(nullif(a.preferred_name, ''), a.first_name, 'somebody unknown') || ' ' || coalesce(a.last_name, '') AS patient,
       m.channel, m.message_class, m.state, p.kind AS address_kind, p.held_at, m.answers_event_id, m.subject, m.body_text,
       m.body_html <> '' AS has_html, m.reasons, m.error, m.provider, m.provider_ref, m.attempt, m.segments, m.cost_micros, m.created_at,
       m.not_before, m.not_after, m.claimed_at, m.sent_at, m.settled_at, m.delivered_at, m.bounced_at, m.complained_at, m.clicked_at, m.replied_at,
       t.id AS touch_id, t.decided_at, t.step + 1 AS step, coalesce(t.offer, '') AS offer, coalesce(t.reasons, '[]') AS touch_reasons,
       c.id AS campaign_id, coalesce(c.name, '') AS campaign, v.number AS version,
       coalesce(tt.slug, '') AS template_slug, coalesce(tt.language, '') AS template_language, tv.number AS template_number,
       coalesce(tv.approved_by, '') AS approved_by,
       s.id AS consent_event_id, coalesce(s.type, '') AS consent_type, s.level AS consent_level, coalesce(s.method, '') AS consent_method,
       s.effective_at AS consent_at, coalesce(s.evidence_ref, '') AS consent_evidence, m.basis, m.scrub, t.scrub AS touch_scrub
{BEHIND} LEFT JOIN patient a ON a.practice_id = m.practice_id AND a.id = m.patient_id
WHERE m.practice_id = %(practice)s AND m.id = %(message)s
"""


def message(practice_id: int, message_id: int) -> Message | None:
    """Return a message with everything behind it, in one statement; None when the practice has none with this id."""
    return db.one(Message, _MESSAGE, practice=practice_id, message=message_id)


def timeline(practice_id: int, found: Message) -> list[Entry]:
    """Return what happened to a message, the oldest first; every report of the provider is one entry."""
    happened = [
        (found.decided_at, "Decided: it may go"), (found.created_at, "Words frozen"), (found.claimed_at, "Every check once more, then claimed"),
        (found.sent_at, "Accepted by the provider"), (found.delivered_at, "Delivered"), (found.bounced_at, "Came back"),
        (found.complained_at, "Reported as unwanted"), (found.clicked_at, "Link opened"), (found.replied_at, "Answered"),
    ]  # fmt: skip
    if found.settled_at is not None and found.state in ENDED:
        happened.append((found.settled_at, f"Ended: {ENDED[found.state]}"))
    entries = [Entry(at, title) for at, title in happened if at is not None]
    entries += [
        Entry(at, f"The provider says: {kind}" + (f" ({code})" if code else ""))
        for at, kind, code in db.tuples(
            "SELECT at, kind, code FROM delivery_event WHERE practice_id = %(practice)s AND message_id = %(message)s ORDER BY at, id",
            practice=practice_id, message=found.id,
        )
    ]  # fmt: skip
    return sorted(entries, key=lambda entry: entry.at)


def packs(reasons: Iterable[dict[str, Any]]) -> list[str]:
    """Return the versions of the rule packs that reasons rest on."""
    return sorted({str(reason["pack"]) for reason in reasons if reason.get("pack")})


def rules(reasons: Iterable[dict[str, Any]]) -> list[str]:
    """Return the ids of the rules that reasons name."""
    return sorted({str(reason["rule"]) for reason in reasons if reason.get("rule")})


def without_tokens(text: str) -> str:
    """Return a text whose own links no longer work: whoever reads along on a staff page must not act as the patient."""
    return _LINK.sub(r"\1…", text)
