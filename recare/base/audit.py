"""The audit trail: who viewed, exported, changed, sent and approved (SEC-05). Append-only in the database, chained per practice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recare.base import chain, db

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

INSTALLATION = 0  # the chain of what belongs to no practice
_PAGE: Final = 5000


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
    last = _locked_head(practice_id)
    entry = Entry(practice_id, last.seq + 1, now, actor, verb, subject, dict(detail or {}), last.hash, b"")
    made = entry.expected_hash()
    db.run(
        f"INSERT INTO audit_entry ({_COLUMNS}) VALUES (%(practice)s, %(seq)s, %(at)s, %(actor)s, %(verb)s, %(object)s, "
        "%(detail)s, %(previous)s, %(hash)s)",
        practice=practice_id, seq=entry.seq, at=now, actor=actor, verb=verb, object=subject, detail=db.json(entry.detail),
        previous=last.hash, hash=made,
    )  # fmt: skip
    db.run(
        "UPDATE audit_head SET seq = %(seq)s, hash = %(hash)s WHERE practice_id = %(practice)s",
        practice=practice_id, seq=entry.seq, hash=made,
    )  # fmt: skip


def _locked_head(practice_id: int) -> chain.End:
    """Lock the end of a trail, made at its first entry: two writers never take the same number."""
    query = "SELECT seq, hash FROM audit_head WHERE practice_id = %(practice)s FOR UPDATE"
    found = db.tuples(query, practice=practice_id)
    if not found:
        db.run(
            "INSERT INTO audit_head (practice_id, seq, hash) VALUES (%(practice)s, 0, %(genesis)s) ON CONFLICT DO NOTHING",
            practice=practice_id, genesis=chain.GENESIS,
        )  # fmt: skip
        found = db.tuples(query, practice=practice_id)
    return chain.End(int(found[0][0]), bytes(found[0][1]))


def end(practice_id: int) -> chain.End:
    """Return the number and the hash of the last entry, to be noted where the database's own administrator cannot reach."""
    found = db.tuples("SELECT seq, hash FROM audit_head WHERE practice_id = %(practice)s", practice=practice_id)
    return chain.End(int(found[0][0]), bytes(found[0][1])) if found else chain.NOTHING


def verify(practice_id: int, noted: Sequence[chain.End] = ()) -> str | None:
    """Walk the trail of one practice inside the caller's scope; return a sentence about the first broken entry, or None.

    ``noted`` are ends that were written down elsewhere (in a backup, in an evidence pack): the trail must still pass through each.
    Constant memory.
    """
    last, wanted = chain.NOTHING, {at.seq: at.hash for at in noted}
    for entry in _walk(practice_id):
        if (
            entry.seq != last.seq + 1
            or bytes(entry.prev_hash) != last.hash
            or entry.expected_hash() != bytes(entry.hash)
        ):
            return f"Practice {practice_id}: entry {entry.seq} of the audit trail (or the one before it) was changed or removed."
        last = chain.End(entry.seq, bytes(entry.hash))
        if wanted.get(last.seq, last.hash) != last.hash:
            return f"Practice {practice_id}: entry {last.seq} of the audit trail is another one than was noted."
    kept, furthest = end(practice_id), max(wanted, default=0)
    if max(kept.seq, furthest) > last.seq:
        return f"Practice {practice_id}: entry {last.seq + 1} of the audit trail is missing; {max(kept.seq, furthest)} were written."
    if kept != last:
        return f"Practice {practice_id}: the end of the audit trail does not fit its last entry, {last.seq}."
    return None


def _walk(practice_id: int) -> Iterator[Entry]:
    last = 0
    while page := db.rows(
        Entry,
        f"SELECT {_COLUMNS} FROM audit_entry WHERE practice_id = %(practice)s AND seq > %(last)s ORDER BY seq LIMIT %(page)s",
        practice=practice_id, last=last, page=_PAGE,
    ):  # fmt: skip
        yield from page
        last = page[-1].seq
