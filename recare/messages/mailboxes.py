"""The mailbox in which answers to a sender's e-mail, bounces and complaints arrive: how to open it, and how far it has been read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from recare.base import db, secret_box
from recare.base.secret_box import SecretError
from recare.channels.email import mailbox as channel
from recare.channels.email.mailbox import Box, MailboxError
from recare.patients.tasks import open_task

EVERY: Final = timedelta(minutes=2)
RARELY: Final = timedelta(minutes=15)
"""How often one is tried that has not been readable for longer than ``TOO_LONG``."""
TOO_LONG: Final = timedelta(hours=1)
_PURPOSE: Final = "mailbox settings"

Kind = Literal["answers", "bounces", "complaints", "left_alone"]


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The mailbox of one sender; ``address`` is the sender's, to which answers and bounces go."""

    sender_id: int
    address: str
    settings: bytes
    added_at: datetime
    validity: int | None
    last_uid: int
    read_at: datetime | None
    failing_since: datetime | None
    error: str
    answers: int
    bounces: int
    complaints: int
    left_alone: int


_COLUMNS: Final = """b.sender_id, s.address, b.settings, b.added_at, b.validity, b.last_uid, b.read_at, b.failing_since, b.error, b.answers,
    b.bounces, b.complaints, b.left_alone"""


def every(practice_id: int) -> dict[int, Mailbox]:
    """Return the practice's mailboxes by the sender they belong to."""
    found = db.rows(
        Mailbox,
        f"SELECT {_COLUMNS} FROM mailbox b JOIN sender s ON s.practice_id = b.practice_id AND s.id = b.sender_id "
        "WHERE b.practice_id = %(practice)s",
        practice=practice_id,
    )  # fmt: skip
    return {box.sender_id: box for box in found}


def settings_of(box: Mailbox) -> dict[str, Any]:
    """Return the settings as they were entered, with the password. Raises SecretError when the key has changed."""
    found: dict[str, Any] = json.loads(secret_box.decrypt(box.settings, _PURPOSE))
    return found


def box_of(box: Mailbox) -> Box:
    """Return what the channel needs to open it. Raises MailboxError with a sentence."""
    try:
        return Box.of(settings_of(box))
    except (SecretError, ValueError, TypeError) as error:
        raise MailboxError(f"The settings of this mailbox cannot be used: {error}") from error


def save(practice_id: int, sender_id: int, settings: Mapping[str, Any], now: datetime) -> None:
    """Keep the settings of a sender's mailbox, encrypted. Another server, user or folder is a new mailbox and is begun anew."""
    before = every(practice_id).get(sender_id)
    same = False
    if before is not None:
        try:
            kept = settings_of(before)
            same = all(kept.get(name) == settings.get(name) for name in ("host", "user", "folder"))
        except SecretError:
            same = False
    db.run(
        "INSERT INTO mailbox (practice_id, sender_id, settings, added_at, due_at) VALUES (%(practice)s, %(sender)s, %(settings)s, %(now)s, "
        "%(now)s) ON CONFLICT (practice_id, sender_id) DO UPDATE SET settings = EXCLUDED.settings, due_at = EXCLUDED.due_at, "
        "failing_since = NULL, error = '', "
        "added_at = CASE WHEN %(same)s THEN mailbox.added_at ELSE EXCLUDED.added_at END, "
        "validity = CASE WHEN %(same)s THEN mailbox.validity END, last_uid = CASE WHEN %(same)s THEN mailbox.last_uid ELSE 0 END, "
        "read_at = CASE WHEN %(same)s THEN mailbox.read_at END",
        practice=practice_id, sender=sender_id, settings=secret_box.encrypt(json.dumps(dict(settings)), _PURPOSE), now=now, same=same,
    )  # fmt: skip


def remove(practice_id: int, sender_id: int) -> bool:
    """Read this sender's mailbox no more; False when none was read."""
    return bool(
        db.run(
            "DELETE FROM mailbox WHERE practice_id = %(practice)s AND sender_id = %(sender)s",
            practice=practice_id, sender=sender_id,
        )
    )  # fmt: skip


def try_out(box: Mailbox) -> str:
    """Open the mailbox and say in one sentence what is there. Raises MailboxError with one that says what failed."""
    settings = box_of(box)
    with channel.opened(settings) as folder:
        return f"The mailbox can be read: {folder.count} mails in {settings.folder}."


def take_due(practice_id: int, now: datetime) -> list[Mailbox]:
    """Return the mailboxes to be looked into now, and put off the next look: another worker leaves them alone meanwhile.

    A rehearsal's is never opened: what real people write does not belong there.
    """
    return db.rows(
        Mailbox,
        "UPDATE mailbox b SET due_at = %(now)s + CASE WHEN b.failing_since <= %(long)s THEN %(rarely)s ELSE %(every)s END "
        "FROM sender s, practice r WHERE b.practice_id = %(practice)s AND b.due_at <= %(now)s AND s.practice_id = b.practice_id "
        f"AND s.id = b.sender_id AND r.id = b.practice_id AND NOT r.is_rehearsal RETURNING {_COLUMNS}",
        practice=practice_id, now=now, long=now - TOO_LONG, every=EVERY, rarely=RARELY,
    )  # fmt: skip


def start_at(practice_id: int, box: Mailbox, validity: int, last_uid: int) -> None:
    """Begin a folder that is new or numbered anew after this mail, unless another worker has begun it."""
    db.run(
        "UPDATE mailbox SET validity = %(validity)s, last_uid = %(uid)s WHERE practice_id = %(practice)s AND sender_id = %(sender)s "
        "AND validity IS NOT DISTINCT FROM %(before)s::bigint",
        practice=practice_id, sender=box.sender_id, validity=validity, uid=last_uid, before=box.validity,
    )  # fmt: skip


def advance(practice_id: int, sender_id: int, validity: int, uid: int) -> bool:
    """Move on to this mail, in the transaction that brings it in; False when it has been brought in. Others wait for that transaction."""
    return bool(
        db.run(
            "UPDATE mailbox SET last_uid = %(uid)s WHERE practice_id = %(practice)s AND sender_id = %(sender)s "
            "AND validity = %(validity)s AND last_uid < %(uid)s",
            practice=practice_id, sender=sender_id, validity=validity, uid=uid,
        )
    )  # fmt: skip


def count(practice_id: int, sender_id: int, kind: Kind) -> None:
    """Count one mail of this kind."""
    db.run(
        f"UPDATE mailbox SET {kind} = {kind} + 1 WHERE practice_id = %(practice)s AND sender_id = %(sender)s",
        practice=practice_id, sender=sender_id,
    )  # fmt: skip


def note_read(practice_id: int, sender_id: int, now: datetime, *, more: bool) -> None:
    """Note that the mailbox was read, and close the task that said it could not be; ``more``: mails are left, so it is due at once."""
    db.run(
        "UPDATE mailbox SET read_at = %(now)s, failing_since = NULL, error = '', due_at = CASE WHEN %(more)s THEN %(now)s ELSE due_at END "
        "WHERE practice_id = %(practice)s AND sender_id = %(sender)s",
        practice=practice_id, sender=sender_id, now=now, more=more,
    )  # fmt: skip
    db.run(
        "UPDATE task SET done_at = %(now)s, done_by = 'rules', outcome = 'readable again' WHERE practice_id = %(practice)s "
        "AND kind = 'mailbox_unread' AND subject_id = %(sender)s AND done_at IS NULL",
        practice=practice_id, sender=sender_id, now=now,
    )  # fmt: skip


def note_trouble(practice_id: int, box: Mailbox, error: str, now: datetime) -> None:
    """Note why the mailbox could not be read; after an hour of it a person gets a task, once."""
    db.run(
        "UPDATE mailbox SET error = %(error)s, failing_since = coalesce(failing_since, %(now)s) WHERE practice_id = %(practice)s "
        "AND sender_id = %(sender)s",
        practice=practice_id, sender=box.sender_id, error=error, now=now,
    )  # fmt: skip
    since = box.failing_since or now
    if now - since >= TOO_LONG:
        key = f"mailbox_unread:{box.sender_id}:{since.isoformat()}"
        open_task(
            practice_id, "mailbox_unread", 2, now, once_key=key, subject_table="sender", subject_id=box.sender_id, detail={"error": error}
        )  # fmt: skip
