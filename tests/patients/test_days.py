"""The day of a visit is a day where the practice is, whoever wrote the visit, and stays so when either of them moves."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from recare.base import db
from tests.factories import insert, make_patient

if TYPE_CHECKING:
    from recare.practices.practice import Practice

LATE = "2026-03-07 23:30-06"
"""Half past eleven in Chicago; in UTC and in London it is the next day."""


@pytest.fixture
def visit(practice: Practice) -> int:
    assert practice.tz == "America/Chicago"
    patient = make_patient(practice.id)
    return insert(
        "appointment", practice_id=practice.id, patient_id=patient, source="test", source_key="1", status="completed", starts_at=LATE
    )  # fmt: skip


def day(visit: int) -> date | None:
    found = db.value("SELECT starts_on FROM appointment WHERE id = %(visit)s", visit=visit)
    assert found is None or isinstance(found, date)
    return found


def test_a_visit_late_in_the_evening_is_on_the_day_of_the_practice(visit: int) -> None:
    assert day(visit) == date(2026, 3, 7)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ("starts_at = '2026-03-08 00:10-06'", date(2026, 3, 8)),
        ("starts_at = '2026-03-08 00:10-06', starts_on = '2026-03-08'", date(2026, 3, 8)),
        ("starts_on = '2026-01-01'", date(2026, 3, 7)),
        ("starts_at = NULL", None),
    ],
)
def test_the_day_follows_the_time_and_nothing_else(visit: int, change: str, wanted: date | None) -> None:
    db.run(f"UPDATE appointment SET {change} WHERE id = %(visit)s", visit=visit)
    assert day(visit) == wanted


def test_a_practice_in_another_zone_has_its_visits_on_other_days_and_all_facts_are_looked_at(
    practice: Practice, visit: int
) -> None:
    other = make_patient(practice.id)
    db.run("DELETE FROM patient_change WHERE practice_id = %(p)s", p=practice.id)
    db.run("UPDATE practice SET tz = 'Europe/London' WHERE id = %(p)s", p=practice.id)
    assert day(visit) == date(2026, 3, 8)
    assert other in db.values("SELECT patient_id FROM patient_change WHERE practice_id = %(p)s", p=practice.id)
