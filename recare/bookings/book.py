"""Take chair time: hold it, confirm it, move it, give it back. Every verb runs inside the caller's scope and is safe to repeat.

The exclusion constraints of ``booking`` decide who comes first. Inserts say ON CONFLICT DO NOTHING: two patients at the same instant
then wait for one another instead of dying of a deadlock, and one of them is told that the time is gone. A capped day is claimed before
any row is touched, for the same reason.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from recare.base import db
from recare.bookings import caps, chart
from recare.bookings.booking import COLUMNS, AlreadyBooked, Booking, Gone, Taken, Via, get, upcoming
from recare.bookings.visits import for_patient, is_treatment
from recare.practices import practice as practices

if TYPE_CHECKING:
    from recare.bookings.schedule import Opening

HELD_FOR: Final = timedelta(minutes=10)


def hold(
    practice_id: int, patient_id: int, opening: Opening, via: Via, now: datetime, touch_id: int | None = None
) -> Booking:
    """Keep an opening for ten minutes; whatever else the patient was holding is free again.

    Raises Taken when the chair, the provider or the patient is not free, AlreadyBooked when a patient comes by link and has a visit.
    """
    if via == "link" and (there := upcoming(practice_id, patient_id, now)):
        raise AlreadyBooked(there)
    practice = practices.get(practice_id)
    if via == "link" and not caps.claim(practice, opening, now, patient_id):
        raise Taken
    _let_go(practice_id, patient_id, opening, now)
    if chart.conflicts(practice_id, patient_id, opening):
        raise Taken
    today, plan = now.astimezone(practice.zone).date(), is_treatment(practice_id, touch_id)
    return _insert(
        practice_id, opening, state="held", patient=patient_id, via=via, touch=touch_id, now=now,
        reason=for_patient(practice, patient_id, today, treatment=plan).reason, until=now + HELD_FOR,
        enrolment=_enrolment(practice_id, patient_id, touch_id), booked=None, uid=None, sequence=0,
    )  # fmt: skip


def confirm(practice_id: int, booking_id: int, now: datetime) -> Booking:
    """Make a hold a booking, with everything that follows from it, in the caller's transaction; a second time changes nothing.

    A hold that ran out is taken anew when its time is still free. Raises Taken, AlreadyBooked, and Gone for one that was given back.
    """
    _lock_patient(practice_id, booking_id)
    found = get(practice_id, booking_id)
    if found.state == "booked":
        return found
    if found.state not in {"held", "expired"}:
        raise Gone("This booking was cancelled or moved.")
    if found.via == "link" and (there := upcoming(practice_id, found.patient_id, now)):
        raise AlreadyBooked(there)
    if found.state == "expired":
        found = hold(practice_id, found.patient_id, found.opening, found.via, now, found.touch_id)
    if _ran_out(practice_id, found, now) or chart.conflicts(practice_id, found.patient_id, found.opening):
        _end(practice_id, found.id, "held", "expired", now)
        raise Taken
    booked = db.run(
        "UPDATE booking SET state = 'booked', booked_at = %(now)s, held_until = NULL "
        "WHERE practice_id = %(practice)s AND id = %(id)s AND state = 'held'",
        practice=practice_id, id=found.id, now=now,
    )  # fmt: skip
    if not booked:
        raise Taken
    made = get(practice_id, found.id)
    chart.enter(practice_id, made, now)
    chart.stop_outreach(practice_id, made, now)
    return made


def _ran_out(practice_id: int, hold_: Booking, now: datetime) -> bool:
    """Whether a hold past its minutes, which nobody has ended yet, has lost its place among the day's online bookings to others."""
    if hold_.via != "link" or hold_.held_until is None or hold_.held_until > now:
        return False
    return not caps.claim(practices.get(practice_id), hold_.opening, now, hold_.patient_id)


def take(
    practice_id: int, patient_id: int, opening: Opening, via: Via, now: datetime, touch_id: int | None = None
) -> Booking:
    """Book in one step, for a patient who is on the phone or at the desk. Raises Taken."""
    return confirm(practice_id, hold(practice_id, patient_id, opening, via, now, touch_id).id, now)


def cancel(practice_id: int, booking_id: int, now: datetime) -> Booking:
    """Give the time back; a second time changes nothing. Raises Gone for a booking that was moved or has run out."""
    _lock_patient(practice_id, booking_id)
    found = get(practice_id, booking_id)
    if found.state not in {"held", "booked", "cancelled"}:
        raise Gone("This booking is not there any more.")
    if found.state != "cancelled":
        _end(practice_id, found.id, found.state, "cancelled", now)
    if found.state == "booked":
        chart.withdraw(practice_id, found, "booking_cancelled", now)
    return get(practice_id, booking_id)


def move(practice_id: int, booking_id: int, opening: Opening, now: datetime) -> Booking:
    """Swap a booking for another time in one step and return the new one: the patient never has two visits, nor none.

    Raises Taken, with the old booking untouched, when the new time is gone; Gone when there is nothing booked to move.
    """
    _lock_patient(practice_id, booking_id)
    found = get(practice_id, booking_id)
    if found.state != "booked":
        raise Gone("There is no visit to move any more.")
    if found.opening == opening:
        return found
    with db.scope(practice_id):  # a savepoint: what is lost to somebody else leaves all as it was
        made = _swap(practice_id, found, opening, now)
    chart.withdraw(practice_id, found, "booking_moved", now)
    chart.enter(practice_id, made, now)
    return made


def _swap(practice_id: int, old: Booking, opening: Opening, now: datetime) -> Booking:
    if old.via == "link" and not caps.claim(practices.get(practice_id), opening, now, old.patient_id, [old.id]):
        raise Taken
    _let_go(practice_id, old.patient_id, opening, now)
    _end(practice_id, old.id, "booked", "moved", now)  # before the new one, so that a patient may move by ten minutes
    if chart.conflicts(practice_id, old.patient_id, opening, but=old):
        raise Taken
    made = _insert(
        practice_id, opening, state="booked", patient=old.patient_id, via=old.via, touch=old.touch_id, now=now, reason=old.reason,
        until=None, enrolment=old.enrolment_id, booked=now, uid=old.calendar_uid, sequence=old.sequence + 1,
    )  # fmt: skip
    db.run(
        "UPDATE booking SET moved_to_id = %(new)s WHERE practice_id = %(practice)s AND id = %(old)s",
        practice=practice_id, old=old.id, new=made.id,
    )  # fmt: skip
    db.run(
        "UPDATE booking new SET set_ref = old.set_ref, booked_by_id = old.booked_by_id FROM booking old WHERE new.practice_id = %(practice)s "
        "AND new.id = %(new)s AND old.practice_id = new.practice_id AND old.id = %(old)s AND old.set_ref IS NOT NULL",
        practice=practice_id, old=old.id, new=made.id,
    )  # fmt: skip
    return made


def expire_batch(practice_id: int, now: datetime) -> int:
    """Let go of every hold that has run out and return how many."""
    with db.scope(practice_id):
        return db.run(
            "UPDATE booking SET state = 'expired', ended_at = %(now)s "
            "WHERE practice_id = %(practice)s AND state = 'held' AND held_until <= %(now)s",
            practice=practice_id,
            now=now,
        )


def _insert(practice_id: int, opening: Opening, **fields: Any) -> Booking:
    """Insert a row that takes the time. Raises Taken when a constraint says that it is somebody's."""
    made = db.one(
        Booking,
        "INSERT INTO booking (practice_id, state, patient_id, operatory_id, provider_id, during, reason, held_until, via, "
        "enrolment_id, touch_id, booked_at, calendar_uid, sequence, created_at) VALUES (%(practice)s, %(state)s, %(patient)s, "
        "%(chair)s, %(provider)s, tstzrange(%(start)s, %(end)s), %(reason)s, %(until)s, %(via)s, %(enrolment)s, %(touch)s, "
        f"%(booked)s, coalesce(%(uid)s::uuid, gen_random_uuid()), %(sequence)s, %(now)s) ON CONFLICT DO NOTHING RETURNING {COLUMNS}",
        practice=practice_id, chair=opening.operatory_id, provider=opening.provider_id, start=opening.starts_at,
        end=opening.ends_at, **fields,
    )  # fmt: skip
    if made is None:
        raise Taken
    return made


def _let_go(practice_id: int, patient_id: int, opening: Opening, now: datetime) -> None:
    """End the patient's other holds, and those of anybody that have run out where they stand in the way."""
    db.run(
        "UPDATE booking SET state = 'expired', ended_at = %(now)s WHERE practice_id = %(practice)s AND state = 'held' "
        "AND (patient_id = %(patient)s OR (held_until <= %(now)s AND during && tstzrange(%(start)s, %(end)s) "
        "AND (operatory_id = %(chair)s OR provider_id = %(provider)s)))",
        practice=practice_id, patient=patient_id, now=now, start=opening.starts_at, end=opening.ends_at,
        chair=opening.operatory_id, provider=opening.provider_id,
    )  # fmt: skip


def _end(practice_id: int, booking_id: int, before: str, after: str, now: datetime) -> None:
    changed = db.run(
        "UPDATE booking SET state = %(after)s, ended_at = %(now)s, held_until = NULL "
        "WHERE practice_id = %(practice)s AND id = %(id)s AND state = %(before)s",
        practice=practice_id, id=booking_id, before=before, after=after, now=now,
    )  # fmt: skip
    if not changed:
        raise Gone("Somebody has just changed this booking.")


def _lock_patient(practice_id: int, booking_id: int) -> None:
    """Let one change of a patient's visits happen at a time, so that two tabs make one visit."""
    db.run(
        "SELECT FROM patient p JOIN booking b ON b.practice_id = p.practice_id AND b.patient_id = p.id "
        "WHERE b.practice_id = %(practice)s AND b.id = %(id)s FOR NO KEY UPDATE OF p",
        practice=practice_id,
        id=booking_id,
    )


def _enrolment(practice_id: int, patient_id: int, touch_id: int | None) -> int | None:
    found: int | None = db.value(
        "SELECT coalesce((SELECT enrolment_id FROM touch WHERE practice_id = %(practice)s AND id = %(touch)s), "
        "(SELECT id FROM enrolment WHERE practice_id = %(practice)s AND patient_id = %(patient)s AND state = 'waiting'))",
        practice=practice_id, patient=patient_id, touch=touch_id,
    )  # fmt: skip
    return found
