"""A real practice whose mailbox is a folder of a real mail server, and people who were written to from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from recare.base import db
from recare.inbox import apply, mailbox
from recare.messages import mailboxes, senders
from tests import factories
from tests.channels import mails
from tests.inbox.people import make_case, point, tasks, texted
from tests.messages import outbox
from tests.messages.outbox import NOW

if TYPE_CHECKING:
    from tests.channels.imap_server import MailServer
    from tests.inbox.people import Person

SOON = timedelta(minutes=3)


@dataclass(frozen=True)
class Desk:
    """A real practice that sends by SMTP and reads a folder of the mail server."""

    practice_id: int
    sender_id: int
    server: MailServer
    folder: str

    def arrives(self, template: str, person: Person | None = None, *, at: datetime = NOW, **more: str) -> None:
        """A mail made for this person's message comes into the mailbox."""
        our_id = more.get("our_id") or (f"{self.practice_id}-{person.sent}" if person else "")
        to = more.get("to") or (person.address if person else "nobody@example.org")
        self.server.deliver(self.folder, mails.raw(template, our_id, to), at=at)

    def look(self, now: datetime = NOW) -> int:
        """Read the mailbox and act on what came in."""
        done = mailbox.read_batch(self.practice_id, now)
        apply.apply_batch(self.practice_id, now)
        return done

    @property
    def box(self) -> mailboxes.Mailbox:
        with db.scope(self.practice_id):
            return mailboxes.every(self.practice_id)[self.sender_id]

    def one(self, query: str) -> Any:
        with db.scope(self.practice_id):
            return db.value(query, p=self.practice_id)

    @property
    def events(self) -> int:
        return int(self.one("SELECT count(*) FROM inbound_event WHERE practice_id = %(p)s"))


def make_desk(practice_id: int, server: MailServer, folder: str = "", **smtp: Any) -> Desk:
    folder = folder or server.new_folder()
    with db.scope(practice_id):
        kept = senders.keep_settings(smtp or {"host": "127.0.0.1", "port": 1, "security": "none"})
        sender = factories.insert(
            "sender", practice_id=practice_id, channel="email", provider="smtp", address="frontdesk@mapledental.example.com", auth_ok=True,
            settings=kept, baa_party="Example Mail", baa_from=NOW.date() - timedelta(days=9),
        )  # fmt: skip
        mailboxes.save(practice_id, sender, server.settings(folder), NOW - timedelta(hours=1))
    return Desk(practice_id, sender, server, folder)


def mailed(desk: Desk, **more: Any) -> Person:
    """Somebody who got an e-mail nine days ago and has the next one queued."""
    with db.scope(desk.practice_id):
        words = {"subject": "Maple Dental: see you soon?", "body_text": f"Hi,\n\n{outbox.TEXT}\n\nUnsubscribe\n"}
        return texted(make_case(desk.practice_id), "email", sender_id=desk.sender_id, **(words | more))


def state(desk: Desk, message_id: int) -> str:
    with db.scope(desk.practice_id):
        return outbox.message(desk.practice_id, message_id).state


def where(desk: Desk, person: Person) -> dict[str, Any]:
    with db.scope(desk.practice_id):
        return point(person)


def open_tasks(desk: Desk) -> list[tuple[str, int]]:
    with db.scope(desk.practice_id):
        return tasks(desk.practice_id)
