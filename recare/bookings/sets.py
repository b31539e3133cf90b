"""Visits of one household on one trip: side by side or one after another, held all or none, booked all or none (D8).

Whoever pays for others books for them: the guarantor, for the children and for those who are reached at the guarantor's own telephone.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from recare.base import db
from recare.bookings import book, caps, openings, schedule
from recare.bookings.booking import COLUMNS, Booking, Gone
from recare.bookings.visits import Visit, for_patient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recare.bookings.schedule import Opening
    from recare.practices.practice import Practice

MOST: Final = 5
"""People on one trip; a larger family rings."""
SOON: Final = timedelta(days=60)
"""Whose recall is due within so many days is due."""
APART: Final = timedelta(hours=1)

# Only those whose guarantor the asker is, and of them only minors or who shares a telephone; never an adult who is reached on their own.
_FAMILY: Final = """p.guarantor_id = g.id AND p.id <> g.id AND p.merged_into_id IS NULL
  AND g.birthdate <= (%(today)s::date - interval '18 years')::date
  AND (p.birthdate > (%(today)s::date - interval '18 years')::date OR EXISTS (
        SELECT FROM patient_contact a JOIN patient_contact b ON b.practice_id = a.practice_id AND b.contact_point_id = a.contact_point_id
            AND b.patient_id = g.id AND b.ended_at IS NULL AND b.label <> 'work'
        JOIN contact_point t ON t.practice_id = a.practice_id AND t.id = a.contact_point_id AND t.kind = 'phone'
        WHERE a.practice_id = p.practice_id AND a.patient_id = p.id AND a.ended_at IS NULL AND a.label <> 'work'))"""
# A chart that must not be booked without a word first is left out, as on the person's own page.
_MAY_BOOK: Final = """NOT p.cannot_schedule AND NOT p.premed AND p.hold = '' AND NOT p.do_not_contact AND p.deceased_on IS NULL AND p.dismissed_on IS NULL
  AND p.status NOT IN ('deceased', 'deleted', 'non_patient')
  AND p.standing NOT IN ('dismissed', 'deceased', 'bad_debt', 'scheduling_restricted', 'disputed', 'gone', 'moved', 'transferred')"""
_DUE: Final = f"""
SELECT p.id, coalesce(nullif(p.preferred_name, ''), p.first_name) AS name
FROM patient p JOIN patient g ON g.practice_id = p.practice_id AND g.id = %(guarantor)s
JOIN patient_facts f ON f.practice_id = p.practice_id AND f.patient_id = p.id
WHERE p.practice_id = %(practice)s AND {_FAMILY} AND {_MAY_BOOK}
  AND (f.recall_due_on <= %(soon)s OR (f.recall_due_on IS NULL AND coalesce(f.last_visit_on, '-infinity') < (%(today)s::date - interval '5 months')::date))
  AND NOT EXISTS (SELECT FROM appointment v WHERE v.practice_id = p.practice_id AND v.patient_id = p.id AND v.status = 'scheduled'
                  AND v.deleted_at IS NULL AND v.starts_at > %(now)s)
ORDER BY p.birthdate, p.id LIMIT %(most)s
"""
_THEIRS: Final = f"""
SELECT coalesce(nullif(p.preferred_name, ''), p.first_name), {_MAY_BOOK}, b.*
FROM (SELECT {COLUMNS} FROM booking WHERE practice_id = %(practice)s AND booked_by_id = %(guarantor)s AND patient_id <> booked_by_id
      AND state = 'booked' AND lower(during) > %(now)s) b
JOIN patient p ON p.practice_id = %(practice)s AND p.id = b.patient_id
JOIN patient g ON g.practice_id = %(practice)s AND g.id = %(guarantor)s
WHERE {_FAMILY} ORDER BY b.starts_at, b.id
"""


@dataclass(frozen=True, slots=True)
class Relative:
    """Somebody of the household who is due, by their given name and nothing else."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Theirs:
    """A visit that somebody has booked for a relative, by the given name; ``may_book``: whether it may be moved without a word first."""

    name: str
    may_book: bool
    booking: Booking


@dataclass(frozen=True, slots=True)
class Place:
    """One person's visit within a set."""

    patient_id: int
    opening: Opening


Trip = tuple[Place, ...]


def due(practice: Practice, guarantor_id: int, now: datetime) -> list[Relative]:
    """Return whom this patient may book for and who is due, the oldest first. Nobody, unless the patient is an adult who pays for them."""
    today = now.astimezone(practice.zone).date()
    return db.rows(
        Relative, _DUE, practice=practice.id, guarantor=guarantor_id, today=today, soon=today + SOON, now=now, most=MOST
    )


def theirs(practice: Practice, guarantor_id: int, now: datetime) -> list[Theirs]:
    """Return the visits still to come that this patient booked for others, in order of time; only of those they may still book for."""
    today = now.astimezone(practice.zone).date()
    found = db.tuples(_THEIRS, practice=practice.id, guarantor=guarantor_id, today=today, now=now)
    return [Theirs(name, may_book, Booking(*row)) for name, may_book, *row in found]


def trips(
    practice: Practice, wanted: Sequence[tuple[int, Visit]], first_day: date, days: int, now: datetime
) -> list[Trip]:
    """Return sets of openings for these patients and visits, earliest first, the longest visit first in each, within the days' caps."""
    people = sorted(wanted, key=lambda one: -one[1].minutes)
    loaded = {
        kind: openings.load(practice, first_day, days, now, hygiene=kind) for kind in {v.hygiene for _, v in people}
    }
    found = schedule.together(
        [loaded[visit.hygiene] for _, visit in people], [visit.minutes for _, visit in people], first_day, days, now
    )
    room = caps.Room(practice, first_day, days, now, [patient for patient, _ in people])
    return [
        tuple(Place(patient, opening) for (patient, _), opening in zip(people, one, strict=True))
        for one in found
        if room.takes(one)
    ]


def spread(found: Sequence[Trip]) -> list[Trip]:
    """Keep those that start at least an hour apart: few enough to choose from."""
    kept: list[Trip] = []
    for trip in found:
        if not kept or trip[0].opening.starts_at - kept[-1][0].opening.starts_at >= APART:
            kept.append(trip)
    return kept


def visits(
    practice: Practice, patient_ids: Sequence[int], today: date, treatment_of: int | None = None
) -> list[tuple[int, Visit]]:
    """Choose the right visit of each; ``treatment_of``: for whom it is the plan that brings them."""
    return [(each, for_patient(practice, each, today, treatment=each == treatment_of)) for each in patient_ids]


def hold(practice: Practice, booked_by: int, trip: Trip, now: datetime, touch_id: int | None) -> UUID:
    """Keep a whole set for ten minutes and return its name. Raises Taken or AlreadyBooked, with nothing held.

    ``touch_id`` is what brought the one who chooses, and belongs to their own visit only.
    """
    ref = uuid.uuid4()
    with db.scope(practice.id):  # a savepoint: what was held goes with it
        caps.wait_for_day(practice, trip[0].opening)
        db.run(
            "UPDATE booking SET state = 'expired', ended_at = %(now)s WHERE practice_id = %(practice)s AND booked_by_id = %(by)s AND state = 'held'",
            practice=practice.id, by=booked_by, now=now,
        )  # fmt: skip
        made = [
            book.hold(practice.id, one.patient_id, one.opening, "link", now, touch_id if one.patient_id == booked_by else None).id
            for one in sorted(trip, key=lambda one: (one.opening.operatory_id, one.opening.starts_at))  # all sets in one order
        ]  # fmt: skip
        db.run(
            "UPDATE booking SET set_ref = %(ref)s, booked_by_id = %(by)s WHERE practice_id = %(practice)s AND id = ANY(%(ids)s::bigint[])",
            practice=practice.id, ref=ref, by=booked_by, ids=made,
        )  # fmt: skip
    return ref


def of(practice_id: int, booked_by: int, state: str, now: datetime) -> list[Booking]:
    """Return the visits of the set this patient chose last, that are held (and still run) or booked (and still to come), in order of time."""
    return db.rows(
        Booking,
        f"SELECT {COLUMNS} FROM booking WHERE practice_id = %(practice)s AND booked_by_id = %(by)s AND state = %(state)s "
        "AND CASE WHEN state = 'held' THEN held_until > %(now)s ELSE upper(during) > %(now)s END AND set_ref = ("
        "SELECT set_ref FROM booking WHERE practice_id = %(practice)s AND booked_by_id = %(by)s AND state = %(state)s "
        "ORDER BY id DESC LIMIT 1) ORDER BY lower(during), id",
        practice=practice_id, by=booked_by, state=state, now=now,
    )  # fmt: skip


def confirm(practice: Practice, booked_by: int, ref: UUID, now: datetime) -> list[Booking]:
    """Book every visit of a set, in one step, with all that follows from each; a second time changes nothing.

    Raises Taken, AlreadyBooked or Gone, with none of them booked.
    """
    rows = db.tuples(
        "SELECT b.id, b.patient_id, b.state FROM booking b WHERE b.practice_id = %(practice)s AND b.booked_by_id = %(by)s AND b.set_ref = %(ref)s "
        "ORDER BY b.patient_id",
        practice=practice.id, by=booked_by, ref=ref,
    )  # fmt: skip
    if not rows or any(state not in {"held", "booked"} for _, _, state in rows):
        raise Gone("These visits are not held any more.")
    with db.scope(practice.id):
        return [book.confirm(practice.id, booking_id, now) for booking_id, _, _ in rows]
