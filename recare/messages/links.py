"""A patient's own links: 128 random bits that say nothing about the person, kept only as a hash, one purpose each.

Looking at a link changes nothing: mail scanners open every address they see. Only ``use`` leaves a mark.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from django.conf import settings

from recare.base import db, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

Purpose = Literal["book", "preferences", "unsubscribe", "manage", "offer", "portal", "why"]


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link to be made. ``expires_at`` None works for ever, which an unsubscribe link must (EML-01)."""

    purpose: Purpose
    patient_id: int
    touch_id: int | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A link as it stands. Whether it has expired is for its practice's own clock to say."""

    practice_id: int
    id: int
    purpose: Purpose
    patient_id: int
    touch_id: int | None
    expires_at: datetime | None


def make_many(practice_id: int, wanted: Sequence[NewLink], now: datetime) -> list[str]:
    """Make many links in two statements; return their tokens in the same order, which cannot be had again.

    Raises ValueError for an opt-out that would expire.
    """
    if any(link.purpose == "unsubscribe" and link.expires_at for link in wanted):
        raise ValueError("An unsubscribe link never expires.")
    pairs = [tokens.new_token() for _ in wanted]
    hashes = [hashed for _, hashed in pairs]
    db.run(
        "INSERT INTO link (practice_id, token_hash, purpose, patient_id, touch_id, created_at, expires_at) "
        "SELECT %(practice)s, w.hash, w.purpose, w.patient, w.touch, %(now)s, w.expires FROM unnest(%(hashes)s::bytea[], "
        "%(purposes)s::text[], %(patients)s::bigint[], %(touches)s::bigint[], %(expires)s::timestamptz[]) "
        "AS w (hash, purpose, patient, touch, expires)",
        practice=practice_id, now=now, hashes=hashes, purposes=[link.purpose for link in wanted],
        patients=[link.patient_id for link in wanted], touches=[link.touch_id for link in wanted],
        expires=[link.expires_at for link in wanted],
    )  # fmt: skip
    db.run(
        "INSERT INTO link_route (token_hash, practice_id) SELECT hash, %(practice)s FROM unnest(%(hashes)s::bytea[]) AS hash",
        practice=practice_id, hashes=hashes,
    )  # fmt: skip
    return [token for token, _ in pairs]


def resolve(token: str) -> LinkRow | None:
    """Return the link behind a token, or None when it is unknown or revoked. Needs no scope and marks nothing."""
    hashed = tokens.hash_token(token)
    practice_id = db.value("SELECT practice_id FROM link_route WHERE token_hash = %(hashed)s", hashed=hashed)
    if practice_id is None:
        return None
    with db.scope(practice_id):
        return db.one(
            LinkRow,
            "SELECT practice_id, id, purpose, patient_id, touch_id, expires_at FROM link "
            "WHERE practice_id = %(practice)s AND token_hash = %(hashed)s AND revoked_at IS NULL",
            practice=practice_id, hashed=hashed,
        )  # fmt: skip


def use(practice_id: int, link_id: int, now: datetime) -> None:
    """Note that a person has acted through this link; the first time counts, for the link and for the message that carried it."""
    db.run(
        "UPDATE link SET first_used_at = %(now)s WHERE practice_id = %(practice)s AND id = %(link)s AND first_used_at IS NULL",
        practice=practice_id, link=link_id, now=now,
    )  # fmt: skip
    db.run(
        "UPDATE message m SET clicked_at = %(now)s FROM link l WHERE l.practice_id = %(practice)s AND l.id = %(link)s "
        "AND m.practice_id = l.practice_id AND m.touch_id = l.touch_id AND m.clicked_at IS NULL",
        practice=practice_id, link=link_id, now=now,
    )  # fmt: skip


def url(token: str, purpose: Purpose) -> str:
    """Return the address that opens this link."""
    return f"{settings.PUBLIC_URL}/p/{purpose}/{token}"
