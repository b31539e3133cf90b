"""The audit trail: who viewed, exported, changed, sent and approved (SEC-05). Append-only in the database, chained per practice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recare.base import chain, db

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

INSTALLATION = 0  # the chain of what belongs to no practice


@dataclass(frozen=True, slots=True)
class Entry:
    """One link of the trail, as it is chained."""

    practice_id: int
    seq: int
    at: datetime
    actor: str
    verb: str
    object: str
    detail: dict[str, Any]
    prev_hash: bytes
    hash: bytes

    def expected_hash(self) -> bytes:
        """Return the hash this entry must carry after the one it names as its predecessor."""
        return chain.link(bytes(self.prev_hash), _content(self))


def _content(entry: Entry) -> dict[str, Any]:
    return {
        "practice": entry.practice_id,
        "seq": entry.seq,
        "at": entry.at,
        "actor": entry.actor,
        "verb": entry.verb,
        "object": entry.object,
        "detail": entry.detail,
    }


_COLUMNS = "practice_id, seq, at, actor, verb, object, detail, prev_hash, hash"


def record(
    practice_id: int,
    actor: str,
    verb: str,
    subject: str,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add one entry inside the caller's transaction. ``detail`` holds ids and counts, no patient's words."""
    db.value("SELECT pg_advisory_xact_lock(hashtext('audit'), %(practice)s::int)", practice=practice_id)
    last = db.tuples(
        "SELECT seq, hash FROM audit_entry WHERE practice_id = %(practice)s ORDER BY seq DESC LIMIT 1",
        practice=practice_id,
    )
    seq, previous = (last[0][0] + 1, bytes(last[0][1])) if last else (1, chain.GENESIS)
    entry = Entry(practice_id, seq, now, actor, verb, subject, dict(detail or {}), previous, b"")
    db.run(
        f"INSERT INTO audit_entry ({_COLUMNS}) VALUES (%(practice)s, %(seq)s, %(at)s, %(actor)s, %(verb)s, %(object)s, "
        "%(detail)s, %(previous)s, %(hash)s)",
        practice=practice_id, seq=seq, at=now, actor=actor, verb=verb, object=subject, detail=db.json(entry.detail),
        previous=previous, hash=entry.expected_hash(),
    )  # fmt: skip


def verify(practice_id: int) -> str | None:
    """Walk the chain of one practice inside the caller's scope; return a sentence about the first broken entry, or None."""
    previous, expected = chain.GENESIS, 1
    for entry in db.rows(
        Entry, f"SELECT {_COLUMNS} FROM audit_entry WHERE practice_id = %(practice)s ORDER BY seq", practice=practice_id
    ):
        if entry.seq != expected or bytes(entry.prev_hash) != previous or entry.expected_hash() != bytes(entry.hash):
            return f"Practice {practice_id}: entry {entry.seq} of the audit trail (or the one before it) was changed or removed."
        previous, expected = bytes(entry.hash), expected + 1
    return None
