"""A small practice with chairs, for tests that book."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time

from recare.base import db
from recare.bookings import openings
from recare.bookings.schedule import Opening
from recare.practices.practice import Practice
from tests.factories import insert

NOW = datetime(2027, 1, 12, 17, 0, tzinfo=UTC)  # a Tuesday, 11:00 in Chicago


@dataclass(frozen=True)
class Clinic:
    practice: Practice
    dentist: int
    hygienist: int
    hygiene_chair: int
    doctors_chair: int

    def openings(self, now: datetime = NOW, days: int = 7, minutes: int = 60) -> list[Opening]:
        first_day = now.astimezone(self.practice.zone).date()
        return openings.find(self.practice, first_day, days, minutes, now)


def make_clinic(practice: Practice) -> Clinic:
    """Open Monday to Friday, 8 to 12 and 1 to 5; one hygiene chair that patients may book, and the doctor's."""
    with db.scope(practice.id):
        names = {"practice_id": practice.id, "source": "test"}
        dentist = insert("provider", source_key="D", name="Dr. Rivera", kind="dentist", **names)
        hygienist = insert("provider", source_key="H", name="Sam Ortiz", kind="hygienist", **names)
        hygiene = insert(
            "operatory",
            source_key="1",
            name="Hygiene 1",
            position=1,
            is_hygiene=True,
            bookable=True,
            provider_id=hygienist,
            **names,
        )
        doctors = insert(
            "operatory", source_key="2", name="Doctor", position=2, bookable=True, provider_id=dentist, **names
        )
        for weekday in range(5):
            for starts, ends in ((time(8), time(12)), (time(13), time(17))):
                insert("opening_hours", practice_id=practice.id, weekday=weekday, starts=starts, ends=ends)
    return Clinic(practice, dentist, hygienist, hygiene, doctors)
