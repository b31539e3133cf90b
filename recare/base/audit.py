"""The audit trail: who viewed, exported, changed, sent and approved (SEC-05). Append-only in the database, chained per practice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from recare.base import chain, db
from recare.base.chained import Chained

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
    hash: bytes = b""

    def content(self) -> dict[str, Any]:
        """Return what the hash covers."""
        return {
            "practice": self.practice_id, "seq": self.seq, "at": self.at, "actor": self.actor, "verb": self.verb, "object": self.object,
            "detail": self.detail,
        }  # fmt: skip


_TRAIL: Final = Chained("audit_entry", "audit_head", "entry {} of the audit trail", Entry)
end = _TRAIL.end
verify = _TRAIL.verify


def record(
    practice_id: int,
    actor: str,
    verb: str,
    subject: str,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add one entry inside the caller's transaction. ``detail`` holds ids and counts, no patient's words."""
    last = _TRAIL.lock(practice_id)
    entry = Entry(practice_id, last.seq + 1, now, actor, verb, subject, dict(detail or {}), last.hash)
    made = chain.End(entry.seq, chain.link(last.hash, entry.content()))
    db.run(
        "INSERT INTO audit_entry (practice_id, seq, at, actor, verb, object, detail, prev_hash, hash) VALUES (%(practice)s, %(seq)s, %(at)s, "
        "%(actor)s, %(verb)s, %(object)s, %(detail)s, %(previous)s, %(hash)s)",
        practice=practice_id, seq=made.seq, at=now, actor=actor, verb=verb, object=subject, detail=db.json(entry.detail),
        previous=last.hash, hash=made.hash,
    )  # fmt: skip
    _TRAIL.move_on(practice_id, made)
