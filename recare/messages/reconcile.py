"""A provider's list of people who must not be written to, and our ledger: each day the union of both holds (I4)."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from recare.base import db
from recare.base.phones import parse
from recare.consent import points, revoke
from recare.messages import senders
from recare.messages.senders import Sender
from recare.patients.tasks import open_task
from recare.practices import practice as practices

EVERY: Final = timedelta(hours=24)
_SENT_BY: Final = {"sms": ("phone", revoke.NUMBER), "email": ("email", ("email",))}
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Differences:
    """What one list says and the other does not: contact points that came to the ledger, and those the provider would still write to."""

    learned: tuple[int, ...]
    unknown_to_provider: tuple[int, ...]
    unreadable: int = 0

    def __bool__(self) -> bool:
        return bool(self.learned or self.unknown_to_provider)


def reconcile_batch(practice_id: int, now: datetime) -> int:
    """Compare the lists of every sender that has not been compared for a day; return how many senders were.

    The provider is asked with no transaction open. One that does not answer gets a task, and is asked again the next day.
    """
    with db.scope(practice_id):
        due = _due(practice_id, now)
    for sender in due:
        listed, error = _ask(practice_id, sender)
        with db.scope(practice_id):
            found = Differences((), ()) if listed is None else reconcile(practice_id, sender, listed, now)
            error = error or (f"{found.unreadable} entries cannot be read" if found.unreadable else "")
            if error:
                key = f"suppression_unread:{sender.id}:{now:%Y-%m-%d}"
                open_task(
                    practice_id, "suppression_unread", 3, now, once_key=key, subject_table="sender", subject_id=sender.id
                )  # fmt: skip
            _note(practice_id, sender.id, now, (None if listed is None else len(listed), found, error))
    return len(due)


def _due(practice_id: int, now: datetime) -> list[Sender]:
    ids = db.values(
        "SELECT s.id FROM sender s WHERE s.practice_id = %(practice)s AND s.channel = ANY(%(channels)s) AND NOT EXISTS ("
        "SELECT FROM suppression_check c WHERE c.practice_id = s.practice_id AND c.sender_id = s.id AND c.at > %(since)s)",
        practice=practice_id, channels=list(_SENT_BY), since=now - EVERY,
    )  # fmt: skip
    return list(senders.by_id(practice_id, ids).values()) if ids else []


def _ask(practice_id: int, sender: Sender) -> tuple[frozenset[str] | None, str]:
    """(addresses, or None where the provider keeps no list; what went wrong)."""
    try:
        with contextlib.closing(senders.line(practice_id, sender)) as line:
            return line.suppressed(), ""
    except (senders.SenderError, OSError, ValueError) as error:
        log.warning("suppression list not read", practice=practice_id, sender=sender.id, error=type(error).__name__)
        return None, type(error).__name__


def reconcile(practice_id: int, sender: Sender, listed: frozenset[str], now: datetime) -> Differences:
    """Put what only the provider knows into the ledger, tell a person what differs, and return it. Runs in the caller's scope.

    An address nobody here holds is kept too: an import may bring it later. Of our own opt-outs only those count as different that the
    provider must have heard itself; it cannot know what was said at the front desk, and the claim asks our ledger anyway.
    """
    kind, channels = _SENT_BY[sender.channel]
    addresses = _normalised(practice_id, kind, listed)
    known = points.ensure(practice_id, [(kind, address) for address in addresses if address], now)
    out = set(db.values(
        f"SELECT id FROM contact_point WHERE practice_id = %(practice)s AND kind = %(kind)s AND {sender.channel}_out_at IS NOT NULL",
        practice=practice_id, kind=kind,
    ))  # fmt: skip
    learned = sorted(set(known.values()) - out)
    if learned:
        revoke.revoke_points(
            practice_id, learned, channels, "provider", "provider", "is on the provider's list",
            f"suppression:{sender.id}:{now:%Y-%m-%d}", now,
        )  # fmt: skip
    found = Differences(
        tuple(learned), tuple(sorted(_heard_there(practice_id, sender, out) - set(known.values()))), addresses.count("")
    )
    if found:
        _alert(practice_id, sender, found, now)
    return found


def _normalised(practice_id: int, kind: str, listed: frozenset[str]) -> list[str]:
    """The addresses as we keep them; '' for one that cannot be read, which must not keep the others from counting."""
    if kind == "email":
        return sorted({address.strip().lower() if "@" in address else "" for address in listed})
    country = practices.get(practice_id).country
    numbers = [parse(address, country) for address in sorted(listed)]
    return [number.e164 if number else "" for number in numbers]


def _heard_there(practice_id: int, sender: Sender, out: set[int]) -> set[int]:
    """The points that are out because of words which this provider carried."""
    return set(db.values(
        "SELECT DISTINCT e.contact_point_id FROM consent_event e JOIN message m ON m.practice_id = e.practice_id "
        "AND m.contact_point_id = e.contact_point_id AND m.sender_id = %(sender)s WHERE e.practice_id = %(practice)s "
        "AND e.contact_point_id = ANY(%(out)s::bigint[]) AND e.type = 'revoked' AND e.method IN ('provider', 'sms_keyword')",
        practice=practice_id, sender=sender.id, out=list(out),
    ))  # fmt: skip


def _alert(practice_id: int, sender: Sender, found: Differences, now: datetime) -> None:
    """One task for one set of differences, however often it is seen again."""
    said = f"{found.learned}{found.unknown_to_provider}".encode()
    key = f"suppression_differs:{sender.id}:{hashlib.sha256(said).hexdigest()[:16]}"
    detail = {"learned": len(found.learned), "unknown_to_provider": len(found.unknown_to_provider), "points": [*found.learned, *found.unknown_to_provider][:100]}  # fmt: skip
    open_task(
        practice_id, "suppression_differs", 3, now, once_key=key, subject_table="sender", subject_id=sender.id, detail=detail
    )  # fmt: skip


def _note(practice_id: int, sender_id: int, now: datetime, answer: tuple[int | None, Differences, str]) -> None:
    listed, found, error = answer
    db.run(
        "INSERT INTO suppression_check (practice_id, sender_id, at, listed, learned, unknown_to_provider, error) VALUES "
        "(%(practice)s, %(sender)s, %(now)s, %(listed)s, %(learned)s, %(unknown)s, %(error)s)",
        practice=practice_id, sender=sender_id, now=now, listed=listed, learned=len(found.learned),
        unknown=len(found.unknown_to_provider), error=error,
    )  # fmt: skip
