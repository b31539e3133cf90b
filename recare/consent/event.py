"""One entry of the consent ledger: what a room wants to add, and what is kept (compliance section 5)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from typing import Any, Final, Literal
from uuid import UUID

Channel = Literal["sms", "email", "call", "letter", "portal", "all"]
Kind = Literal[
    "granted", "pending", "confirmed", "revoked", "restricted", "expired", "number_changed", "wrong_number", "reassigned",
    "complaint", "hard_bounce", "sms_incapable", "unencrypted_warned", "authorization_signed", "authorization_revoked", "corrected",
]  # fmt: skip
Method = Literal[
    "paper", "web", "sms_keyword", "verbal", "portal", "import", "email_reply", "one_click", "provider", "voicemail",
    "front_desk", "system",
]  # fmt: skip

UNDATED: Final = datetime(1900, 1, 1, tzinfo=UTC)
"""When a consent without a date is taken to be given: before any revocation (I3)."""
GRANTS: Final = frozenset({"granted", "confirmed"})
STOPS: Final = frozenset({"revoked", "restricted", "complaint"})


@dataclass(frozen=True, slots=True)
class NewEvent:
    """What happened, to be added to the ledger.

    ``effective_at`` None means that nobody knows when: a grant then counts as older than every revocation, anything else as now. A grant
    that is dated in the future counts from now.
    ``level`` is what was claimed; the ledger stores what the evidence carries (I2).
    """

    contact_point_id: int
    channel: Channel
    type: Kind
    method: Method
    level: int = 0
    effective_at: datetime | None = None
    person_id: int | None = None
    relationship: str = "self"
    classes: str = ""
    scope: str = ""
    seller_named: bool = False
    exact_text: str = ""
    text_version: str = ""
    language: str = ""
    signature: str = ""
    not_condition_of_purchase: bool = False
    frequency_disclosed: bool = False
    msg_rates_disclosed: bool = False
    evidence_ref: str = ""
    ip: str = ""
    user_agent: str = ""
    url: str = ""
    actor: str = ""
    source_system: str = ""
    import_batch: str = ""
    last_confirmed_on: date | None = None
    expires_on: date | None = None
    """The last day of a signed authorization."""
    reason: str = ""
    pack_version: str = ""
    supersedes_id: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A row of ``consent_event``. The fields from ``event_id`` to ``supersedes_id`` are what its hash covers."""

    practice_id: int
    seq: int
    prev_hash: bytes
    hash: bytes
    event_id: UUID
    recorded_at: datetime
    effective_at: datetime
    practice_legal_name: str
    person_id: int | None
    relationship: str
    contact_point_id: int
    channel: str
    address_hash: bytes
    type: str
    level: int
    classes: str
    scope: str
    seller_named: bool
    method: str
    exact_text: str
    text_version: str
    text_sha256: str
    language: str
    signature: str
    not_condition_of_purchase: bool
    frequency_disclosed: bool
    msg_rates_disclosed: bool
    evidence_ref: str
    ip: str
    user_agent: str
    url: str
    actor: str
    source_system: str
    import_batch: str
    last_confirmed_on: date | None
    expires_on: date | None
    legal_deadline: date | None
    honored_at: datetime | None
    reason: str
    pack_version: str
    supersedes_id: int | None

    def content(self) -> dict[str, Any]:
        """Return what the hash covers: every field but the two hashes."""
        return {name: getattr(self, name) for name in CONTENT}


COLUMNS: Final = tuple(field.name for field in fields(Event))
CONTENT: Final = tuple(name for name in COLUMNS if name not in {"prev_hash", "hash"})
