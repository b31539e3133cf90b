"""One booking, as it is kept and as it is read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal
from uuid import UUID

from recare.base import db
from recare.bookings.schedule import Opening

if TYPE_CHECKING:
    from recare.practices.practice import Practice

State = Literal["held", "booked", "expired", "cancelled", "moved"]
Via = Literal["link", "call", "staff"]

COLUMNS: Final = (
    "id, ref, state, patient_id, operatory_id, provider_id, lower(during) AS starts_at, upper(during) AS ends_at, reason, "
    "held_until, via, enrolment_id, touch_id, booked_at, appointment_id, calendar_uid, sequence, set_ref"
)


@dataclass(frozen=True, slots=True)
class Booking:
    """A row of ``booking``; ``appointment_id`` is the visit in the office's own system once it has appeared there."""

    id: int
    ref: UUID
    state: State
    patient_id: int
    operatory_id: int
    provider_id: int
    starts_at: datetime
    ends_at: datetime
    reason: str
    held_until: datetime | None
    via: Via
    enrolment_id: int | None
    touch_id: int | None
    booked_at: datetime | None
    appointment_id: int | None
    calendar_uid: UUID
    sequence: int
    set_ref: UUID | None
    """The visits of a household that were chosen together."""

    @property
    def opening(self) -> Opening:
        """The chair time it takes."""
        return Opening(self.operatory_id, self.provider_id, self.starts_at, self.ends_at)


class Taken(Exception):  # noqa: N818 (what has happened, not that something is broken)
    """Somebody else has this time; ``openings.nearest`` knows what is close to it."""

    def __init__(self) -> None:
        super().__init__("That time has just been taken.")


class AlreadyBooked(Exception):  # noqa: N818
    """The patient has a visit booked by link already; moving it is what they want."""

    def __init__(self, booking: Booking) -> None:
        super().__init__("There is a visit booked already.")
        self.booking = booking


class Gone(LookupError):  # noqa: N818
    """The booking is not there any more, or not in a state that allows this."""


def get(practice_id: int, booking_id: int) -> Booking:
    """Return one booking. Raises Gone when there is none with this id."""
    found = db.one(
        Booking,
        f"SELECT {COLUMNS} FROM booking WHERE practice_id = %(practice)s AND id = %(id)s",
        practice=practice_id,
        id=booking_id,
    )
    if found is None:
        raise Gone("There is no such booking.")
    return found


def upcoming(practice_id: int, patient_id: int, now: datetime) -> Booking | None:
    """Return the patient's next visit booked through Recare, or None."""
    return db.one(
        Booking,
        f"SELECT {COLUMNS} FROM booking WHERE practice_id = %(practice)s AND patient_id = %(patient)s AND state = 'booked' "
        "AND upper(during) > %(now)s ORDER BY lower(during) LIMIT 1",
        practice=practice_id, patient=patient_id, now=now,
    )  # fmt: skip


def held(practice_id: int, patient_id: int, now: datetime) -> Booking | None:
    """Return the time the patient is holding, or None."""
    return db.one(
        Booking,
        f"SELECT {COLUMNS} FROM booking WHERE practice_id = %(practice)s AND patient_id = %(patient)s AND state = 'held' "
        "AND held_until > %(now)s ORDER BY id DESC LIMIT 1",
        practice=practice_id, patient=patient_id, now=now,
    )  # fmt: skip


def between(practice: Practice, start: datetime, end: datetime) -> list[Booking]:
    """Return holds and bookings of a span of time, in order."""
    return db.rows(
        Booking,
        f"SELECT {COLUMNS} FROM booking WHERE practice_id = %(practice)s AND state IN ('held', 'booked') "
        "AND during && tstzrange(%(start)s, %(end)s) ORDER BY lower(during), id",
        practice=practice.id, start=start, end=end,
    )  # fmt: skip
