"""The consent ledger: append-only events, chained per practice, folded into the contact points they are about."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from recare.base import chain, db
from recare.base.chained import Chained
from recare.consent import fold
from recare.consent.deadline import legal_deadline
from recare.consent.event import COLUMNS, GRANTS, STOPS, UNDATED, Event, NewEvent
from recare.consent.points import lock_points
from recare.practices import practice as practices

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from recare.practices.practice import Practice

PEWC_INCOMPLETE: Final = "PEWC_INCOMPLETE"
_FEW: Final = 100  # below it a plain insert is faster than a stream with its temporary table
_GIVEN: Final = tuple(field.name for field in fields(NewEvent))
_CHAIN: Final = Chained("consent_event", "consent_chain", "consent event {}", Event)
end = _CHAIN.end
verify = _CHAIN.verify


@dataclass(frozen=True, slots=True)
class Conflict:
    """A consent that was written down after the person had said no, and that therefore changes nothing (I3, OPT-03)."""

    event_id: int
    contact_point_id: int
    channel: str
    level: int
    granted_at: datetime
    revoked_at: datetime
    revoked_event_id: int
    import_batch: str


def append(practice_id: int, events: Sequence[NewEvent], now: datetime) -> list[int]:
    """Add events in this order inside the caller's scope, fold them into their contact points and return their ids.

    Locks the chain first and then the points, always in this order, so that two writers never wait for each other crosswise. Raises
    LookupError when a contact point does not exist; then nothing is added.
    """
    if not events:
        return []
    before = lock_chain(practice_id)
    ids = {event.contact_point_id for event in events}
    lock_points(practice_id, ids)
    hashes = _address_hashes(practice_id, ids)
    made = list(_chained(practices.get(practice_id), events, hashes, before, now))
    _insert(made)
    last = chain.End(made[-1]["seq"], made[-1]["hash"])
    _CHAIN.move_on(practice_id, last)
    fold.refresh(practice_id, ids)
    _confirm(practice_id, events)
    return db.values(
        "SELECT id FROM consent_event WHERE practice_id = %(practice)s AND seq > %(before)s AND seq <= %(last)s ORDER BY seq",
        practice=practice_id, before=before.seq, last=last.seq,
    )  # fmt: skip


def lock_chain(practice_id: int) -> chain.End:
    """Lock a practice's chain and return its last link. Whoever will lock points and then revoke takes this lock before them."""
    return _CHAIN.lock(practice_id)


def _address_hashes(practice_id: int, ids: set[int]) -> dict[int, bytes]:
    found = {
        int(point): bytes(key)
        for point, key in db.tuples(
            "SELECT id, address_hash FROM contact_point WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[])",
            practice=practice_id, ids=list(ids),
        )
    }  # fmt: skip
    if missing := ids - found.keys():
        raise LookupError(f"Practice {practice_id} has no contact point {min(missing)}.")
    return found


def _chained(
    practice: Practice, events: Iterable[NewEvent], hashes: dict[int, bytes], before: chain.End, now: datetime
) -> Iterator[dict[str, Any]]:
    """Yield the rows to insert, linked; plain dicts, because an import makes hundreds of thousands of them."""
    previous, seq = before.hash, before.seq
    shared = {"practice_id": practice.id, "recorded_at": now, "practice_legal_name": practice.legal_name}
    for event in map(supported, events):
        seq += 1
        agrees = event.type in GRANTS or event.type == "pending"
        at = event.effective_at or (UNDATED if agrees else now)
        if agrees:
            at = min(at, now)  # a wrong date to come must not outlive a stop (I3)
        stops = event.type in STOPS or event.type == "wrong_number"
        content = shared | {name: getattr(event, name) for name in _GIVEN} | {
            "seq": seq, "event_id": uuid.uuid4(), "effective_at": at, "address_hash": hashes[event.contact_point_id],
            "text_sha256": hashlib.sha256(event.exact_text.encode()).hexdigest() if event.exact_text else "",
            "legal_deadline": legal_deadline(at, practice.zone, practice.country) if stops else None,
            "honored_at": now if stops else None,
        }  # fmt: skip
        made = chain.link(previous, content)
        yield content | {"prev_hash": previous, "hash": made}
        previous = made


def supported(event: NewEvent) -> NewEvent:
    """Return the event with the level that its evidence carries (I2, OPT-05); a lowered C3 says so in its reason.

    Signed marketing consent without signature, seller or "not a condition" is C2; an import without any evidence is C1; a keyword
    restores C2 at most.
    """
    if event.type not in GRANTS and event.type != "pending":
        return event
    level, reason = event.level, event.reason
    if level == 3 and not (event.signature and event.seller_named and event.not_condition_of_purchase):
        level, reason = 2, f"{reason} {PEWC_INCOMPLETE}".strip()
    if event.method == "sms_keyword":
        level = min(level, 2)
    if event.method == "import" and not (event.evidence_ref or event.exact_text or event.signature):
        level = min(level, 1)
    return event if (level, reason) == (event.level, event.reason) else replace(event, level=level, reason=reason)


def _insert(rows: Sequence[dict[str, Any]]) -> None:
    if len(rows) > _FEW:
        db.copy("consent_event", COLUMNS, ([row[name] for name in COLUMNS] for row in rows))
        return
    places = ", ".join(f"%({name})s" for name in COLUMNS)
    db.run_many(f"INSERT INTO consent_event ({', '.join(COLUMNS)}) VALUES ({places})", rows)


def _confirm(practice_id: int, events: Iterable[NewEvent]) -> None:
    known = [(event.contact_point_id, event.last_confirmed_on) for event in events if event.last_confirmed_on]
    if known:
        db.run(
            "UPDATE contact_point p SET last_confirmed_on = greatest(p.last_confirmed_on, k.day) FROM ("
            "  SELECT id, max(day) AS day FROM unnest(%(ids)s::bigint[], %(days)s::date[]) AS k (id, day) GROUP BY id) k "
            "WHERE p.practice_id = %(practice)s AND p.id = k.id AND (p.last_confirmed_on IS NULL OR p.last_confirmed_on < k.day)",
            practice=practice_id, ids=[point for point, _ in known], days=[day for _, day in known],
        )  # fmt: skip


def conflicts(practice_id: int, limit: int = 200) -> list[Conflict]:
    """Return consents written down after a no that still stands: they widen nothing, and a person should know of them."""
    return db.rows(
        Conflict,
        "SELECT g.id AS event_id, g.contact_point_id, g.channel, g.level, g.effective_at AS granted_at, "
        "r.effective_at AS revoked_at, r.id AS revoked_event_id, g.import_batch "
        "FROM consent_event g JOIN contact_point p ON p.practice_id = g.practice_id AND p.id = g.contact_point_id "
        "JOIN consent_event r ON r.practice_id = p.practice_id AND r.id = p.revoked_event_id "
        "WHERE g.practice_id = %(practice)s AND g.type IN ('granted', 'confirmed') AND g.seq > r.seq "
        "AND CASE g.channel WHEN 'sms' THEN p.sms_out_at WHEN 'email' THEN p.email_out_at WHEN 'call' THEN p.call_out_at "
        "ELSE r.effective_at END IS NOT NULL ORDER BY g.seq DESC LIMIT %(limit)s",
        practice=practice_id, limit=limit,
    )  # fmt: skip
