"""The office's own system in a rehearsal: visits take place or are missed, people book by telephone, and every evening it is synced.

The product learns of all this the way it learns from a real practice: rows of the chart change, and a sync run says when.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from recare.base import db
from recare.bookings import openings, visits
from recare.bookings.schedule import Opening
from recare.patients import changes
from recare.rehearsal.world import World

SOURCE: Final = "rehearsal"
_SEARCH_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class _Visit:
    id: int
    patient_id: int
    starts_at: datetime
    minutes: int
    seen_on: date
    codes: list[str]


def has_visit(practice_id: int, patient_id: int, now: datetime) -> bool:
    """Whether the office has a visit for the patient: whoever has one ignores every further invitation."""
    return bool(
        db.value(
            "SELECT EXISTS (SELECT FROM appointment WHERE practice_id = %(practice)s AND patient_id = %(patient)s "
            "AND status = 'scheduled' AND deleted_at IS NULL AND starts_at > %(now)s)",
            practice=practice_id, patient=patient_id, now=now,
        )
    )  # fmt: skip


def wished_opening(world: World, patient_id: int, now: datetime) -> Opening | None:
    """Return the opening nearest to the day the patient would like, for the visit they need; None when everything is full."""
    practice = world.practice
    today = now.astimezone(practice.zone).date()
    visit = visits.for_patient(practice, patient_id, today)
    lead = world.behaviour.wished_lead(world.people[patient_id].person)
    wanted = date.fromordinal(today.toordinal() + lead)
    for first, days in ((wanted, 5), (today, lead + _SEARCH_DAYS)):
        found = openings.find(practice, first, days, visit.minutes, now, visit.hygiene)
        if found:
            return found[0]
    return None


def book_by_telephone(world: World, patient_id: int, now: datetime) -> bool:
    """The patient rings and the front desk writes the visit into the office's own system; False when there is no room."""
    if has_visit(world.practice.id, patient_id, now):
        return False
    opening = wished_opening(world, patient_id, now)
    if opening is None:
        return False
    minutes = int((opening.ends_at - opening.starts_at).total_seconds() // 60)
    db.run(
        "INSERT INTO appointment (practice_id, source, source_key, patient_id, status, starts_at, minutes, operatory_id, provider_id, "
        "is_hygiene, first_seen_at) VALUES (%(practice)s, %(source)s, %(key)s, %(patient)s, 'scheduled', %(start)s, %(minutes)s, "
        "%(chair)s, %(provider)s, true, %(now)s) ON CONFLICT DO NOTHING",
        practice=world.practice.id, source=SOURCE, key=f"{patient_id}-{opening.starts_at:%Y%m%d%H%M}", patient=patient_id,
        start=opening.starts_at, minutes=minutes, chair=opening.operatory_id, provider=opening.provider_id, now=now,
    )  # fmt: skip
    changes.mark(world.practice.id, [patient_id])
    return True


def close_the_day(world: World, now: datetime) -> None:
    """Settle every visit whose time is over, and sync: the product now knows the office's appointments as of ``now``."""
    practice = world.practice
    over = db.rows(
        _Visit,
        "SELECT a.id, a.patient_id, a.starts_at, coalesce(a.minutes, 60) AS minutes, a.codes, "
        "(a.first_seen_at AT TIME ZONE %(tz)s)::date AS seen_on FROM appointment a WHERE a.practice_id = %(practice)s "
        "AND a.status = 'scheduled' AND a.deleted_at IS NULL AND a.starts_at <= %(now)s ORDER BY a.id",
        practice=practice.id, tz=practice.tz, now=now,
    )  # fmt: skip
    kept = [visit for visit in over if _comes(world, visit)]
    missed = [visit.id for visit in over if visit not in kept]
    _complete(practice.id, practice.tz, kept)
    db.run(
        "UPDATE appointment SET status = 'missed' WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[])",
        practice=practice.id, ids=missed,
    )  # fmt: skip
    changes.mark(practice.id, [visit.patient_id for visit in over])
    sync(practice.id, now)


def sync(practice_id: int, now: datetime) -> None:
    """Note that the office's appointments are known as of ``now``."""
    db.run(
        "INSERT INTO sync_run (practice_id, source, state, actor, appointments_as_of, started_at, finished_at) "
        "VALUES (%(practice)s, %(source)s, 'done', 'rehearsal', %(now)s, %(now)s, %(now)s)",
        practice=practice_id, source=SOURCE, now=now,
    )  # fmt: skip


def _comes(world: World, visit: _Visit) -> bool:
    someone = world.people.get(visit.patient_id)
    if someone is None:
        return True
    lead = (visit.starts_at.date() - visit.seen_on).days
    return world.behaviour.keeps_visit(someone.person, str(visit.id), max(0, lead), reminded=True)


def _complete(practice_id: int, tz: str, kept: list[_Visit]) -> None:
    ids = [visit.id for visit in kept]
    db.run(
        "UPDATE appointment SET status = 'completed' WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[])",
        practice=practice_id, ids=ids,
    )  # fmt: skip
    db.run(
        "INSERT INTO procedure (practice_id, source, source_key, patient_id, code, status, done_on, fee_cents) "
        "SELECT a.practice_id, %(source)s, a.id || '-' || c.code, a.patient_id, c.code, 'completed', (a.starts_at AT TIME ZONE %(tz)s)::date, c.fee "
        "FROM appointment a CROSS JOIN (VALUES ('D0120', 6800), ('D1110', 11200)) AS c (code, fee) "
        "WHERE a.practice_id = %(practice)s AND a.id = ANY(%(ids)s::bigint[]) ON CONFLICT DO NOTHING",
        practice=practice_id, ids=ids, source=SOURCE, tz=tz,
    )  # fmt: skip
