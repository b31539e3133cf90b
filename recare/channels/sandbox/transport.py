"""The sandbox: a provider that reaches nobody and records everything, for rehearsals, demos and the first look.

It stands for the outside world: the sender calls it with no transaction open, so each record commits by itself and stays whatever becomes
of the sender's own rows. Like a real provider it accepts the same id twice, and shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recare.base import db
from recare.channels.outgoing import Outgoing, Result

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class Sandbox:
    """Phones and mailboxes that nobody holds."""

    reaches_people = False

    def __init__(self, practice_id: int) -> None:
        self._practice_id = practice_id

    def send(self, outgoing: Outgoing, now: datetime) -> Result:
        """Record the message."""
        number = db.value(
            "SELECT sandbox_record(%(practice)s, %(our_id)s, %(channel)s, %(sender)s, %(recipient)s, %(subject)s, %(text)s, %(html)s, "
            "%(now)s)",
            practice=outgoing.practice_id, our_id=outgoing.our_id, channel=outgoing.channel, sender=outgoing.sender,
            recipient=outgoing.recipient, subject=outgoing.subject, text=outgoing.text, html=outgoing.html, now=now,
        )  # fmt: skip
        return Result("accepted", ref=f"sandbox-{number}")

    def lookup(self, our_id: str) -> Result:
        """Look the message up among the records."""
        with db.scope(self._practice_id):
            number = db.value(
                "SELECT min(id) FROM sandbox_delivery WHERE practice_id = %(practice)s AND our_id = %(our_id)s",
                practice=self._practice_id, our_id=our_id,
            )  # fmt: skip
        return Result("refused", code="not_found") if number is None else Result("accepted", ref=f"sandbox-{number}")

    def suppressed(self) -> frozenset[str] | None:
        """A provider that reaches nobody keeps no list of whom it must not reach."""
        return None

    def close(self) -> None:
        """Nothing is open."""


def open_transport(settings: Mapping[str, Any]) -> Sandbox:
    """Open the sandbox of the practice that ``settings`` names."""
    return Sandbox(int(settings["practice_id"]))
