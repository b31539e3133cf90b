"""What a practice sends from, the line to its provider, and the switches that stop it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recare.base import db, secret_box
from recare.channels.outgoing import Transport, open_transport

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

SETTINGS_PURPOSE = "sender settings"


class SenderError(Exception):
    """A sender cannot be used as it is set; the sentence says what to do."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A sender that is not paused, with what its messages show of the practice."""

    id: int
    channel: str
    provider: str
    address: str
    settings: bytes | None
    name: str
    reply_to: str
    is_rehearsal: bool


# Where a sender's mailbox is read, answers go there: to the sender's own address, where bounces go too. Else to the practice's address.
_COLUMNS = """s.id, s.channel, s.provider, s.address, s.settings, r.name, r.is_rehearsal,
    CASE WHEN EXISTS (SELECT FROM mailbox b WHERE b.practice_id = s.practice_id AND b.sender_id = s.id) THEN s.address ELSE r.email END AS reply_to
FROM sender s JOIN practice r ON r.id = s.practice_id"""


def held(practice_id: int) -> bool:
    """Whether the kill switch of the practice, of its group or of the installation is thrown."""
    return bool(db.value("SELECT sending_held(%(practice)s)", practice=practice_id))


def ready(practice_id: int) -> dict[str, Sender]:
    """Return the practice's sender of each channel that has one which is not paused; the oldest where there are several."""
    found = db.rows(
        Sender,
        f"SELECT DISTINCT ON (s.channel) {_COLUMNS} WHERE s.practice_id = %(practice)s AND s.paused_at IS NULL ORDER BY s.channel, s.id",
        practice=practice_id,
    )
    return {sender.channel: sender for sender in found}


def by_id(practice_id: int, sender_ids: list[int]) -> dict[int, Sender]:
    """Return senders by id, paused ones too: what became of a message may be asked of any."""
    found = db.rows(
        Sender,
        f"SELECT {_COLUMNS} WHERE s.practice_id = %(practice)s AND s.id = ANY(%(ids)s)",
        practice=practice_id, ids=sender_ids,
    )  # fmt: skip
    return {sender.id: sender for sender in found}


def line(practice_id: int, sender: Sender) -> Transport:
    """Open the line to the sender's provider. Raises SenderError, also for a rehearsal that would reach real people."""
    settings = json.loads(secret_box.decrypt(sender.settings, SETTINGS_PURPOSE)) if sender.settings else {}
    try:
        transport = open_transport(sender.provider, settings | {"practice_id": practice_id})
    except (LookupError, ValueError, TypeError) as error:
        raise SenderError(f"The {sender.channel} sender cannot be used: {error}") from error
    if sender.is_rehearsal and transport.reaches_people:
        raise SenderError("A rehearsal sends through the sandbox only; this sender would reach real people.")
    return transport


def keep_settings(settings: Mapping[str, Any]) -> bytes:
    """Encrypt a sender's settings (host, port, user, password, ...) for its row."""
    return secret_box.encrypt(json.dumps(dict(settings)), SETTINGS_PURPOSE)


def pause(practice_id: int, sender_id: int, reason: str, now: datetime) -> bool:
    """Stop a sender until a person lets it go on; its messages stay queued. Returns False when it was paused already."""
    return bool(
        db.run(
            "UPDATE sender SET paused_at = %(now)s, paused_reason = %(reason)s "
            "WHERE practice_id = %(practice)s AND id = %(sender)s AND paused_at IS NULL",
            practice=practice_id, sender=sender_id, reason=reason, now=now,
        )
    )  # fmt: skip


def resume(practice_id: int, sender_id: int) -> None:
    """Let a paused sender send again; what it has queued goes through every gate anew."""
    db.run(
        "UPDATE sender SET paused_at = NULL, paused_reason = '' WHERE practice_id = %(practice)s AND id = %(sender)s",
        practice=practice_id, sender=sender_id,
    )  # fmt: skip
