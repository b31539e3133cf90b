"""Asking an address itself whether what a public form says of it is true: one e-mail with a link, or one text that wants a YES (CON-05).

Nobody's chart is looked at or opened. An address that has said no, or that reaches nobody, is asked nothing; whoever filled in the form
cannot tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.conf import settings

from recare.base import db, tokens
from recare.messages import answers
from recare.messages.answers import Answer

if TYPE_CHECKING:
    from recare.compliance.context import Channel

QUESTION: Final = "join"
"""The ``reply_question`` of such a message. The gates hold it to the hours and to every no, though it answers a form."""
LINK_HOURS: Final = 48
TEXT_WITHIN: Final = timedelta(days=5)  # a Friday evening's form is asked about on Monday, or Tuesday after a holiday
AGAIN_AFTER: Final = {"sms": timedelta(days=30), "email": timedelta(hours=LINK_HOURS)}
"""How long one question to an address stands for all that would follow it, answered or not."""


@dataclass(frozen=True, slots=True)
class Link:
    """The link of a confirmation as it stands. ``pending`` is the ledger's waiting event."""

    practice_id: int
    id: int
    pending: int
    contact_point_id: int
    expires_at: datetime
    used_at: datetime | None


def may_ask(practice_id: int, point_id: int, channel: Channel, now: datetime) -> bool:
    """Whether this address may be asked: it has not said no, reaches somebody, gets nothing yet, and was not asked lately."""
    level = {"sms": "sms_level", "email": "email_level"}[channel]
    free = db.value(
        f"SELECT {level} < 2 AND held_at IS NULL AND wrong_number_at IS NULL AND complained_at IS NULL AND reassigned <> 'yes' AND CASE "
        "%(channel)s WHEN 'sms' THEN sms_out_at IS NULL AND call_out_at IS NULL AND sms_incapable_at IS NULL "
        "ELSE email_out_at IS NULL AND hard_bounced_at IS NULL END "
        "FROM contact_point WHERE practice_id = %(practice)s AND id = %(point)s",
        practice=practice_id, point=point_id, channel=channel,
    )  # fmt: skip
    return bool(free) and not db.value(
        "SELECT EXISTS (SELECT FROM message WHERE practice_id = %(practice)s AND contact_point_id = %(point)s AND channel = %(channel)s "
        "AND reply_question = %(question)s AND created_at > %(since)s)",
        practice=practice_id, point=point_id, channel=channel, question=QUESTION, since=now - AGAIN_AFTER[channel],
    )  # fmt: skip


def ask(practice_id: int, point_id: int, channel: Channel, words: tuple[str, str], now: datetime) -> int | None:
    """Queue the one question: (subject, text). The gates decide when it leaves, and whether."""
    event = db.value(
        "INSERT INTO inbound_event (practice_id, provider, provider_event_id, channel, sender, contact_point_id, received_at, applied_at) "
        "SELECT practice_id, 'join', %(key)s, 'preferences', address, id, %(now)s, %(now)s FROM contact_point "
        "WHERE practice_id = %(practice)s AND id = %(point)s RETURNING id",
        practice=practice_id, key=f"{channel}:{point_id}:{now.isoformat()}", point=point_id, now=now,
    )  # fmt: skip
    within = TEXT_WITHIN if channel == "sms" else timedelta(hours=LINK_HOURS)
    subject, text = words
    return answers.queue(
        practice_id, Answer(event, now, channel, point_id, None, text, subject=subject, question=QUESTION, within=within), now
    )  # fmt: skip


def make_link(practice_id: int, pending_id: int, point_id: int, now: datetime) -> str:
    """Make the link that confirms a waiting event, and return its address; only its hash is kept."""
    token, hashed = tokens.new_token()
    db.run(
        "INSERT INTO opt_in_link (practice_id, token_hash, consent_event_id, contact_point_id, created_at, expires_at) "
        "VALUES (%(practice)s, %(hash)s, %(event)s, %(point)s, %(now)s, %(expires)s)",
        practice=practice_id, hash=hashed, event=pending_id, point=point_id, now=now, expires=now + timedelta(hours=LINK_HOURS),
    )  # fmt: skip
    db.run(
        "INSERT INTO link_route (token_hash, practice_id) VALUES (%(hash)s, %(practice)s)",
        hash=hashed,
        practice=practice_id,
    )
    return f"{settings.PUBLIC_URL}/join/confirm/{token}"


def find(token: str) -> Link | None:
    """Return the link behind a token, used, expired or not; None when it is none. Needs no scope and marks nothing."""
    hashed = tokens.hash_token(token)
    practice_id = db.value("SELECT practice_id FROM link_route WHERE token_hash = %(hashed)s", hashed=hashed)
    if practice_id is None:
        return None
    with db.scope(practice_id):
        return db.one(
            Link,
            "SELECT practice_id, id, consent_event_id AS pending, contact_point_id, expires_at, used_at FROM opt_in_link "
            "WHERE practice_id = %(practice)s AND token_hash = %(hashed)s",
            practice=practice_id, hashed=hashed,
        )  # fmt: skip


def use(practice_id: int, link_id: int, now: datetime) -> bool:
    """Use a link up; False when it was used before or is too old. Of two clicks at once one wins."""
    return bool(
        db.run(
            "UPDATE opt_in_link SET used_at = %(now)s WHERE practice_id = %(practice)s AND id = %(link)s AND used_at IS NULL "
            "AND expires_at > %(now)s",
            practice=practice_id, link=link_id, now=now,
        )
    )  # fmt: skip
