"""Contact points: one number or address of one practice, found again by the keyed hash of its address (I5)."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from recare.base import db
from recare.practices import practice as practices

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime


def address_hash(salt: str, address: str) -> bytes:
    """Return the hash an address is kept and found under; without the practice's salt it says nothing."""
    return hmac.digest(salt.encode(), address.encode(), hashlib.sha256)


def ensure(practice_id: int, wanted: Iterable[tuple[str, str]], now: datetime) -> dict[tuple[str, str], int]:
    """Return the id of each (kind, address), new ones made. Addresses come normalised: E.164, lower-case e-mail.

    A point that exists is returned as it is, with everything the ledger knows about it: an import, a merge or a deleted patient that
    comes back never starts with a clean slate.
    """
    salt = practices.get(practice_id).salt
    keys = {(kind, address): address_hash(salt, address) for kind, address in wanted}
    found = ensure_hashed(practice_id, [(kind, address, key) for (kind, address), key in keys.items()], now)
    return {(kind, address): found[kind, key] for (kind, address), key in keys.items()}


def ensure_hashed(
    practice_id: int, wanted: Sequence[tuple[str, str, bytes]], now: datetime
) -> dict[tuple[str, bytes], int]:
    """Return the id of each (kind, address, hash) by kind and hash, new ones made; see ``ensure``.

    One whose address nobody knows ('') is made too: an import that brings the address finds it out.
    """
    params = {
        "practice": practice_id, "kinds": [kind for kind, _, _ in wanted], "hashes": [key for _, _, key in wanted],
    }  # fmt: skip
    db.run(
        "INSERT INTO contact_point (practice_id, kind, address, address_hash, created_at) SELECT DISTINCT ON (kind, hash) %(practice)s, kind, "
        "address, hash, %(now)s FROM unnest(%(kinds)s::text[], %(addresses)s::text[], %(hashes)s::bytea[]) AS w (kind, address, hash) "
        "ORDER BY kind, hash, address DESC ON CONFLICT (practice_id, kind, address_hash) DO NOTHING",
        addresses=[address for _, address, _ in wanted], now=now, **params,
    )  # fmt: skip
    return {
        (kind, bytes(key)): int(point)
        for kind, key, point in db.tuples(
            "SELECT DISTINCT p.kind, p.address_hash, p.id FROM unnest(%(kinds)s::text[], %(hashes)s::bytea[]) AS w (kind, hash) "
            "JOIN contact_point p ON p.practice_id = %(practice)s AND p.kind = w.kind AND p.address_hash = w.hash",
            **params,
        )
    }


def lock_points(practice_id: int, point_ids: Iterable[int]) -> list[int]:
    """Lock contact points in order of their ids and return the ones there are.

    Revocation, hold and claim all take this lock, so of a STOP and a claim one waits for the other (ENG-02). It does not stop others
    from adding rows that refer to the point.
    """
    return db.values(
        "SELECT id FROM contact_point WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[]) "
        "ORDER BY id FOR NO KEY UPDATE",
        practice=practice_id,
        ids=sorted(set(point_ids)),
    )


def holders(practice_id: int, point_id: int) -> list[int]:
    """Return the patients who are reached at this point today."""
    return db.values(
        "SELECT DISTINCT patient_id FROM patient_contact WHERE practice_id = %(practice)s AND contact_point_id = %(point)s "
        "AND ended_at IS NULL ORDER BY patient_id",
        practice=practice_id,
        point=point_id,
    )


def confirm(practice_id: int, point_ids: Iterable[int], day: date) -> int:
    """Note that these points reached the person they belong to on ``day``: what the reassigned-numbers query asks (RND-01)."""
    return db.run(
        "UPDATE contact_point SET last_confirmed_on = %(day)s WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[]) "
        "AND (last_confirmed_on IS NULL OR last_confirmed_on < %(day)s)",
        practice=practice_id,
        ids=list(point_ids),
        day=day,
    )
