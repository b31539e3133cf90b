"""The hold: something came in from an address, and no automation goes there until it is understood (science 6.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recare.base import audit, db
from recare.consent.points import lock_points

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


def hold(practice_id: int, point_ids: Iterable[int], event_id: int, now: datetime) -> int:
    """Hold these contact points because of an inbound event, inside the caller's scope; return how many there are.

    A later event takes the hold over, so that reading an earlier one cannot release it.
    """
    locked = lock_points(practice_id, point_ids)
    return db.run(
        "UPDATE contact_point SET held_at = coalesce(held_at, %(now)s), held_event_id = greatest(held_event_id, %(event)s) "
        "WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[])",
        practice=practice_id, ids=locked, event=event_id, now=now,
    )  # fmt: skip


def release(
    practice_id: int, point_id: int, actor: str, why: str, now: datetime, *, only_event: int | None = None
) -> bool:
    """End a hold, with who did it and why on the audit trail; return False when there was none to end.

    ``only_event`` is for the allow-list: the hold ends only if nothing has come in since that event.
    """
    lock_points(practice_id, [point_id])
    ended = db.run(
        "UPDATE contact_point SET held_at = NULL, held_event_id = NULL WHERE practice_id = %(practice)s AND id = %(point)s "
        "AND held_at IS NOT NULL AND (%(event)s::bigint IS NULL OR held_event_id = %(event)s)",
        practice=practice_id, point=point_id, event=only_event,
    )  # fmt: skip
    if ended:
        audit.record(practice_id, actor, "release_hold", f"contact_point:{point_id}", now, {"why": why})
    return bool(ended)
