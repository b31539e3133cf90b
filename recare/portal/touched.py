"""The message behind a link: what it was, why it was sent, and by which permission."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from recare.base import db

if TYPE_CHECKING:
    from recare.portal.page import Visitor


@dataclass(frozen=True, slots=True)
class Touched:
    """One contact. ``consent_level`` 2 or 3: the person agreed to messages; 1: gave the number or address as a patient."""

    channel: str
    at: datetime
    point_id: int | None
    point_kind: str
    purpose: str
    offer: str
    consent_at: datetime | None
    consent_level: int


def behind(v: Visitor) -> Touched | None:
    """Return the contact a link came with, or None for a link that was made by hand."""
    if v.link.touch_id is None:
        return None
    return db.one(
        Touched,
        "SELECT t.channel, coalesce(m.sent_at, t.decided_at) AS at, t.contact_point_id AS point_id, coalesce(p.kind, '') AS point_kind, "
        "coalesce(n.spec -> 'playbook' ->> 'purpose', '') AS purpose, t.offer, c.effective_at AS consent_at, "
        "coalesce(c.level, 0)::int AS consent_level FROM touch t "
        "JOIN enrolment e ON e.practice_id = t.practice_id AND e.id = t.enrolment_id "
        "JOIN campaign_version n ON n.practice_id = e.practice_id AND n.id = e.version_id "
        "LEFT JOIN message m ON m.practice_id = t.practice_id AND m.touch_id = t.id "
        "LEFT JOIN contact_point p ON p.practice_id = t.practice_id AND p.id = t.contact_point_id "
        "LEFT JOIN consent_event c ON c.practice_id = t.practice_id AND c.id = t.consent_event_id "
        "WHERE t.practice_id = %(practice)s AND t.id = %(touch)s",
        practice=v.practice.id, touch=v.link.touch_id,
    )  # fmt: skip


def points(v: Visitor) -> dict[int, str]:
    """Return the contact points that reach this person, by id, with their kinds; the one the link went to among them."""
    return dict(
        db.tuples(
            "SELECT DISTINCT p.id, p.kind FROM contact_point p WHERE p.practice_id = %(practice)s AND (p.id IN ("
            "SELECT contact_point_id FROM patient_contact WHERE practice_id = %(practice)s AND patient_id = %(patient)s AND ended_at IS NULL) "
            "OR p.id = (SELECT contact_point_id FROM touch WHERE practice_id = %(practice)s AND id = %(touch)s)) ORDER BY p.id",
            practice=v.practice.id, patient=v.person.id, touch=v.link.touch_id,
        )
    )  # fmt: skip
