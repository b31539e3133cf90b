"""Where lists of patients are read from: facts of the day, computed at each look, or for a large practice a copy of them kept for today.

A list by score needs the score of everybody. Up to ``LIVE_UP_TO`` patients that is computed when asked; beyond it ``patient_today`` holds
the same columns, filled by the same query, once a day and after each change of facts. Both are asked the same questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from recare.base import db
from recare.practices import practice as practices
from recare.segments import bands as band_definitions
from recare.segments import priority

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from recare.practices.practice import Practice
    from recare.segments.bands import Bands

LIVE_UP_TO: Final = 20_000
_TO_INVITE: Final = (
    "f.contactable AND f.next_visit_at IS NULL AND (f.sms_ok OR f.email_ok OR f.call_ok OR f.letter_ok)"
    " AND coalesce(f.recall_due_on, f.last_visit_on + 183, '-infinity') <= %(today)s"
)
_BEHIND: Final = "1e9::float8"
"""Cents, more than any score: who has a visit already, is not due yet (half a year where no recall says when) or cannot be invited stands
behind everybody who can, each group by score."""


@dataclass(frozen=True, slots=True)
class Relation:
    """What to select from, as ``f``: the columns of ``facts_on`` and priority_cents, rank_cents, seen_on, sort_name, find_name, standing, hold,
    paused_until, left_in_peace. Merged charts are left out. ``params`` are its bound values.
    """

    sql: str
    params: dict[str, Any]
    kept: bool
    version: UUID | None = None
    """Of a kept copy: another one after every change of it."""


def relation(practice: Practice, today: date) -> Relation:
    """Return the copy of today when there is a right one, else the query that computes it."""
    bands = band_definitions.of_practice(practice.policy)
    version = db.value(
        "SELECT version FROM patient_today_state WHERE practice_id = %(practice)s AND day = %(today)s AND bands = %(bands)s AND priority = %(label)s",
        practice=practice.id, today=today, bands=bands.label, label=priority.coefficients().label,
    )  # fmt: skip
    return Relation("patient_today", {"today": today}, kept=True, version=version) if version else live(today, bands)


def live(today: date, bands: Bands) -> Relation:
    """Return the query behind the copy. Columns that are not asked for cost nothing."""
    score, params = priority.sql(today, bands)
    sql = (
        f"(SELECT f.*, {score} AS priority_cents, CASE WHEN {_TO_INVITE} THEN {score} ELSE {score} - {_BEHIND} END AS rank_cents,"
        " coalesce(f.last_visit_on, '-infinity') AS seen_on,"
        " lower(p.last_name || ' ' || p.first_name) COLLATE \"C\" AS sort_name, p.find_name, p.standing, p.hold, p.paused_until,"
        " p.do_not_contact OR p.standing = 'do_not_contact' AS left_in_peace"
        " FROM facts_on(%(today)s) f LEFT JOIN patient p ON p.practice_id = f.practice_id AND p.id = f.patient_id"
        " WHERE f.practice_id = %(practice)s AND f.status <> 'merged')"
    )
    return Relation(sql, params | {"today": today}, kept=False)


def refresh_batch(practice_id: int, now: datetime) -> int:
    """Compute the copy of a large practice for today when there is none; return how many patients were written.

    Opens its own transaction; may be killed anywhere and run again.
    """
    with db.scope(practice_id):
        practice = practices.get(practice_id)
        today = now.astimezone(practice.zone).date()
        if relation(practice, today).kept or not _is_large(practice_id):
            return 0
        if not db.value(
            "SELECT pg_try_advisory_xact_lock(hashtext('patient_today'), %(practice)s::int)", practice=practice_id
        ):
            return 0
        return _rebuild(practice, today)


def _is_large(practice_id: int) -> bool:
    few = "SELECT FROM patient_facts WHERE practice_id = %(practice)s LIMIT %(most)s"
    return bool(
        db.value(
            f"SELECT count(*) > %(limit)s FROM ({few}) x", practice=practice_id, most=LIVE_UP_TO + 1, limit=LIVE_UP_TO
        )
    )


def _rebuild(practice: Practice, today: date) -> int:
    bands = band_definitions.of_practice(practice.policy)
    db.analyze(
        "patient", "patient_facts"
    )  # a fresh import has no statistics, and without them this is planned as one loop in another
    db.run("DELETE FROM patient_today WHERE practice_id = %(practice)s", practice=practice.id)
    count = _write(practice.id, live(today, bands), None)
    db.analyze("patient_today")
    db.run(
        "INSERT INTO patient_today_state (practice_id, day, bands, priority) VALUES (%(practice)s, %(today)s, %(bands)s, %(label)s) "
        "ON CONFLICT (practice_id) DO UPDATE SET (day, bands, priority, version) = (excluded.day, excluded.bands, excluded.priority, excluded.version)",
        practice=practice.id, today=today, bands=bands.label, label=priority.coefficients().label,
    )  # fmt: skip
    return count


def _write(practice_id: int, source: Relation, patients: Sequence[int] | None) -> int:
    these = "" if patients is None else " WHERE f.patient_id = ANY(%(patients)s::bigint[])"
    names = ", ".join(columns())
    return db.run(
        f"INSERT INTO patient_today ({names}) SELECT {names} FROM {source.sql} f{these}", practice=practice_id,
        **(source.params | ({} if patients is None else {"patients": list(patients)})),
    )  # fmt: skip


def columns() -> list[str]:
    """Return the columns of the copy."""
    return db.values(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'patient_today'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )


def follow(practice_id: int, patients: Sequence[int]) -> None:
    """Bring the copy up to date for patients whose facts have just been written, in the same transaction; nothing where none is kept."""
    state = db.tuples(
        "SELECT day, bands FROM patient_today_state WHERE practice_id = %(practice)s", practice=practice_id
    )
    if not state:
        return
    # whoever fills the copy at this moment has not seen these facts, so wait until that is done
    db.value("SELECT pg_advisory_xact_lock(hashtext('patient_today'), %(practice)s::int)", practice=practice_id)
    today, label = state[0]
    db.run(
        "DELETE FROM patient_today WHERE practice_id = %(practice)s AND patient_id = ANY(%(patients)s::bigint[])",
        practice=practice_id, patients=list(patients),
    )  # fmt: skip
    _write(practice_id, live(today, band_definitions.get(label)), patients)
    db.run(
        "UPDATE patient_today_state SET version = gen_random_uuid() WHERE practice_id = %(practice)s",
        practice=practice_id,
    )


def forget(practice_ids: Sequence[int]) -> None:
    """Drop the copies of practices whose facts were all written anew; ``refresh_batch`` makes the next."""
    db.run(
        "DELETE FROM patient_today_state WHERE practice_id = ANY(%(practices)s::bigint[])", practices=list(practice_ids)
    )
