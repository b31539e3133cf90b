"""Reading the practice's own mailbox: every mail once, oldest first, and nothing in it is changed.

A mail and the place up to which the folder has been read commit together, so a kill loses none and doubles none; where the folder is numbered
anew, each mail's own key keeps it from counting twice.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import OperationalError

from recare.base import db
from recare.channels.email import mailbox as channel
from recare.channels.email.mailbox import Folder, Mail, MailboxError
from recare.inbox import mail as mails
from recare.messages import mailboxes
from recare.messages.mailboxes import Mailbox

LIMIT: Final = 200
"""Mails of one mailbox in one step; the next step goes on."""
_FIRST_LOOK: Final = timedelta(days=30)
"""How far back a new mailbox is read: as long as the way out of an e-mail must work (EML-01)."""
_NUMBERED_ANEW: Final = timedelta(days=7)
"""How far back from the last look a folder is read whose numbers have changed."""

log = structlog.get_logger()


def read_batch(practice_id: int, now: datetime) -> int:
    """Read what is new in the practice's mailboxes that are due; return how many mails were looked at. Never a rehearsal's.

    A mailbox that cannot be read says so on the senders' page, and after an hour by a task.
    """
    with db.scope(practice_id):
        due = mailboxes.take_due(practice_id, now)
    return sum(_read(practice_id, box, now) for box in due)


def _read(practice_id: int, box: Mailbox, now: datetime) -> int:
    done = 0
    try:
        with channel.opened(mailboxes.box_of(box)) as folder:
            numbers = folder.numbers(_start(practice_id, box, folder, now))
            for mail in folder.mails(numbers[:LIMIT]):
                done += _take(practice_id, box, folder.validity, mail, now)
    except MailboxError as error:
        log.warning("mailbox not read", practice=practice_id, sender=box.sender_id, error=str(error))
        with db.scope(practice_id):
            mailboxes.note_trouble(practice_id, box, str(error), now)
    except (
        OperationalError
    ) as error:  # two waited for each other, or the database goes away: the next look takes up here
        log.warning("mailbox put off", practice=practice_id, sender=box.sender_id, error=type(error).__name__)
    else:
        with db.scope(practice_id):
            mailboxes.note_read(practice_id, box.sender_id, now, more=len(numbers) > LIMIT)
    return done


def _start(practice_id: int, box: Mailbox, folder: Folder, now: datetime) -> int:
    """The mail after which to go on. A new folder is begun a while ago, if anything was sent; one numbered anew, before the last look."""
    if box.validity == folder.validity:
        return box.last_uid
    if box.validity is not None:
        since: datetime | None = (box.read_at or box.added_at) - _NUMBERED_ANEW
    else:
        with db.scope(practice_id):
            first_sent = db.value(
                "SELECT min(sent_at) FROM message WHERE practice_id = %(practice)s AND sender_id = %(sender)s",
                practice=practice_id, sender=box.sender_id,
            )  # fmt: skip
        since = first_sent and max(first_sent, now - _FIRST_LOOK)
    recent = folder.numbers(0, since.date()) if since else []
    start = recent[0] - 1 if recent else folder.newest
    with db.scope(practice_id):
        mailboxes.start_at(practice_id, box, folder.validity, start)
    return start


def _take(practice_id: int, box: Mailbox, validity: int, mail: Mail, now: datetime) -> int:
    """Bring one mail in, in one transaction. One that makes us stumble is left to a person, and the next one is read."""
    try:
        with db.scope(practice_id):
            if not mailboxes.advance(practice_id, box.sender_id, validity, mail.uid):
                return 0
            mailboxes.count(practice_id, box.sender_id, mails.bring_in(practice_id, box, mail, now))
    except OperationalError:
        raise
    except Exception as error:  # noqa: BLE001  # one odd mail must not hold up everybody's STOP behind it
        log.warning(
            "mail set aside", practice=practice_id, sender=box.sender_id, uid=mail.uid, error=type(error).__name__
        )
        with db.scope(practice_id):
            if mailboxes.advance(practice_id, box.sender_id, validity, mail.uid):
                mails.set_aside(practice_id, box, mail, now)
    return 1
