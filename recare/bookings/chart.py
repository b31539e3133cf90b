"""Where bookings meet the chart: what stands in their way there, what they leave there, and when the office has entered them.

Practices that sync by files have no way back into their system, so a booking is an appointment of ours (source ``recare``) that every
gate sees at once, and a task for the front desk to enter it; the next import finds the visit and takes over.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from recare.base import db
from recare.campaigns.stop import stop
from recare.consent import hold
from recare.patients import changes, tasks

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from recare.bookings.booking import Booking
    from recare.bookings.schedule import Opening

SOURCE: Final = "recare"
ENTER_TASK: Final = "enter_booking"
SAME_VISIT: Final = timedelta(minutes=15)


def conflicts(practice_id: int, patient_id: int, opening: Opening, but: Booking | None = None) -> bool:
    """Whether the chart has the chair, the provider or the patient elsewhere at this time; ``but``: a booking that is being moved."""
    return bool(
        db.value(
            "SELECT EXISTS (SELECT FROM appointment a WHERE a.practice_id = %(practice)s AND a.deleted_at IS NULL AND a.source <> %(own)s "
            "AND a.status = 'scheduled' AND a.id IS DISTINCT FROM %(but)s "
            "AND a.starts_at > %(start)s - interval '1 day' AND a.starts_at < %(end)s "
            "AND a.starts_at + make_interval(mins => coalesce(nullif(a.minutes, 0), 60)) > %(start)s "
            "AND (a.operatory_id = %(chair)s OR a.provider_id = %(provider)s OR a.patient_id = %(patient)s)) "
            "OR EXISTS (SELECT FROM appointment a WHERE a.practice_id = %(practice)s AND a.deleted_at IS NULL "
            "AND a.status IN ('broken', 'note') AND a.operatory_id = %(chair)s "
            "AND a.starts_at > %(start)s - interval '1 day' AND a.starts_at < %(end)s "
            "AND a.starts_at + make_interval(mins => coalesce(nullif(a.minutes, 0), 60)) > %(start)s)",
            practice=practice_id, own=SOURCE, but=but.appointment_id if but else None, start=opening.starts_at, end=opening.ends_at,
            chair=opening.operatory_id, provider=opening.provider_id, patient=patient_id,
        )
    )  # fmt: skip


def enter(practice_id: int, booking: Booking, now: datetime) -> None:
    """Put the visit where every gate looks, and ask the front desk to enter it into the office's own system."""
    db.run(
        "INSERT INTO appointment (practice_id, source, source_key, patient_id, status, starts_at, minutes, operatory_id, provider_id, "
        "is_hygiene, first_seen_at) SELECT %(practice)s, %(source)s, %(key)s, %(patient)s, 'scheduled', %(start)s, %(minutes)s, o.id, "
        "%(provider)s, o.is_hygiene, %(now)s FROM operatory o WHERE o.practice_id = %(practice)s AND o.id = %(chair)s "
        "ON CONFLICT (practice_id, source, source_key) DO NOTHING",
        practice=practice_id, source=SOURCE, key=str(booking.ref), patient=booking.patient_id, start=booking.starts_at,
        minutes=int((booking.ends_at - booking.starts_at) / timedelta(minutes=1)), provider=booking.provider_id,
        chair=booking.operatory_id, now=now,
    )  # fmt: skip
    tasks.open_task(
        practice_id, ENTER_TASK, 3, now, once_key=_once(booking.ref), patient_id=booking.patient_id, subject_table="booking",
        subject_id=booking.id, due_at=min(now + timedelta(hours=24), booking.starts_at),
    )  # fmt: skip
    changes.mark(practice_id, [booking.patient_id])


def stop_outreach(practice_id: int, booking: Booking, now: datetime) -> None:
    """Stop the campaign's steps. A booking by link also releases the number the link went to, if what held it has been read.

    That is the narrow allow-list: a message nobody has understood yet, or one that waits for a person, keeps its hold.
    """
    stop(practice_id, [booking.patient_id], "booked", now)
    if booking.via != "link" or booking.touch_id is None:
        return
    read = db.tuples(
        "SELECT p.id, p.held_event_id FROM touch t "
        "JOIN contact_point p ON p.practice_id = t.practice_id AND p.id = t.contact_point_id AND p.held_at IS NOT NULL "
        "JOIN inbound_event e ON e.practice_id = p.practice_id AND e.id = p.held_event_id AND e.applied_at IS NOT NULL "
        "WHERE t.practice_id = %(practice)s AND t.id = %(touch)s AND NOT EXISTS (SELECT FROM task k "
        "WHERE k.practice_id = p.practice_id AND k.contact_point_id = p.id AND k.done_at IS NULL)",
        practice=practice_id, touch=booking.touch_id,
    )  # fmt: skip
    for point, event in read:
        hold.release(practice_id, point, "patient", "booked by link", now, only_event=event)


def withdraw(practice_id: int, booking: Booking, kind: str, now: datetime) -> None:
    """Take the visit back. When the office has entered it already, a person must take it out there too (task ``kind``)."""
    db.run(
        "UPDATE appointment SET status = 'cancelled' WHERE practice_id = %(practice)s AND source = %(source)s "
        "AND source_key = %(key)s AND status = 'scheduled'",
        practice=practice_id, source=SOURCE, key=str(booking.ref),
    )  # fmt: skip
    not_entered = tasks.close_known(practice_id, [_once(booking.ref)], "recare", "withdrawn by the patient", now)
    if booking.appointment_id is not None or not not_entered:
        tasks.open_task(
            practice_id, kind, 2, now, once_key=f"{kind}:{booking.ref}", patient_id=booking.patient_id, subject_table="booking",
            subject_id=booking.id, due_at=min(now + timedelta(hours=24), max(now, booking.starts_at)),
        )  # fmt: skip
    changes.mark(practice_id, [booking.patient_id])


def entered(practice_id: int, booking_id: int, actor: str, now: datetime) -> bool:
    """Note that the front desk has entered a visit; return False when that was noted before."""
    refs = db.values(
        "SELECT ref FROM booking WHERE practice_id = %(practice)s AND id = %(id)s", practice=practice_id, id=booking_id
    )
    return bool(tasks.close_known(practice_id, [_once(ref) for ref in refs], actor, "entered", now))


def match_batch(practice_id: int, now: datetime) -> int:
    """Find bookings that the office has entered (same patient, within 15 minutes), and those it has since moved or taken out.

    Returns how many were found or ended. Run it after every sync.
    """
    with db.scope(practice_id):
        return _seen(practice_id, now) + _ended(practice_id, now)


def _seen(practice_id: int, now: datetime) -> int:
    found = db.tuples(
        "WITH seen AS (SELECT DISTINCT ON (b.id) b.id, a.id AS appointment_id FROM booking b JOIN appointment a "
        "ON a.practice_id = b.practice_id AND a.patient_id = b.patient_id AND a.source <> %(source)s AND a.deleted_at IS NULL "
        "AND a.status IN ('scheduled', 'completed') AND a.starts_at BETWEEN lower(b.during) - %(near)s AND lower(b.during) + %(near)s "
        "WHERE b.practice_id = %(practice)s AND b.state = 'booked' AND b.appointment_id IS NULL "
        "ORDER BY b.id, abs(extract(epoch FROM a.starts_at - lower(b.during))), a.id) "
        "UPDATE booking b SET appointment_id = seen.appointment_id FROM seen "
        "WHERE b.practice_id = %(practice)s AND b.id = seen.id AND b.appointment_id IS NULL RETURNING b.ref, b.patient_id",
        practice=practice_id, source=SOURCE, near=SAME_VISIT,
    )  # fmt: skip
    refs = [ref for ref, _ in found]
    db.run(
        "UPDATE appointment SET deleted_at = %(now)s WHERE practice_id = %(practice)s AND source = %(source)s "
        "AND source_key = ANY(%(refs)s) AND deleted_at IS NULL",
        practice=practice_id, source=SOURCE, refs=[str(ref) for ref in refs], now=now,
    )  # fmt: skip
    tasks.close_known(practice_id, [_once(ref) for ref in refs], "recare", "seen in the office's system", now)
    changes.mark(practice_id, [patient for _, patient in found])
    return len(found)


def _ended(practice_id: int, now: datetime) -> int:
    """End bookings whose visit the office has moved or taken out: from now on its own row holds the chair."""
    return db.run(
        "UPDATE booking b SET state = CASE WHEN a.status IN ('scheduled', 'completed') AND a.deleted_at IS NULL THEN 'moved' "
        "ELSE 'cancelled' END, ended_at = %(now)s FROM appointment a WHERE b.practice_id = %(practice)s AND b.state = 'booked' "
        "AND a.practice_id = b.practice_id AND a.id = b.appointment_id AND upper(b.during) > %(now)s "
        "AND (a.deleted_at IS NOT NULL OR a.status NOT IN ('scheduled', 'completed') "
        "OR a.starts_at NOT BETWEEN lower(b.during) - %(near)s AND lower(b.during) + %(near)s)",
        practice=practice_id, now=now, near=SAME_VISIT,
    )  # fmt: skip


def _once(ref: UUID) -> str:
    return f"booking:{ref}"
