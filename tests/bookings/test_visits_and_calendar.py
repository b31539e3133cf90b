from __future__ import annotations

from datetime import date, timedelta

import pytest
from icalendar import Calendar

from recare.base import db
from recare.bookings import book, ics, visits
from recare.bookings.visits import VisitFacts, visit_for
from tests.bookings.clinic import NOW, Clinic
from tests.factories import make_patient

TODAY = date(2027, 1, 12)
LAST_YEAR = date(2025, 9, 1)


@pytest.mark.parametrize(
    ("facts", "reason", "minutes"),
    [
        (VisitFacts(LAST_YEAR, "prophy"), "recall", 60),
        (VisitFacts(TODAY - timedelta(days=1094), "prophy"), "recall", 60),
        (VisitFacts(TODAY - timedelta(days=1095), "prophy"), "comprehensive", 90),
        (VisitFacts(None), "comprehensive", 90),
        (VisitFacts(LAST_YEAR, "perio"), "perio", 60),
        (
            VisitFacts(LAST_YEAR, "prophy", care=64 + 4096),
            "perio",
            60,
        ),  # gum treatment on record, yet put on the cleaning recall
        (VisitFacts(LAST_YEAR, "child", adult_on=date(2030, 1, 1)), "child", 40),
        (VisitFacts(LAST_YEAR, "child", adult_on=date(2026, 1, 1)), "recall", 60),  # has grown up
    ],
)
def test_who_comes_back_gets_the_right_visit_of_the_right_length(facts: VisitFacts, reason: str, minutes: int) -> None:
    visit = visit_for(facts, TODAY)
    assert (visit.reason, visit.minutes, visit.hygiene) == (reason, minutes, True)


def test_a_practice_has_lengths_of_its_own_and_a_plan_is_talked_about_in_the_doctors_chair() -> None:
    assert visit_for(VisitFacts(LAST_YEAR), TODAY, {"recall": 50}).minutes == 50
    assert visit_for(VisitFacts(LAST_YEAR), TODAY, treatment=True) == visits.Visit("consultation", 30, hygiene=False)
    with pytest.raises(ValueError, match="7 minutes"):
        visit_for(VisitFacts(LAST_YEAR), TODAY, {"recall": 7})


def test_the_visit_is_chosen_from_the_facts_as_last_computed(clinic: Clinic) -> None:
    patient = make_patient(clinic.practice.id)
    assert visits.for_patient(clinic.practice, patient, TODAY).reason == "comprehensive"
    db.run(
        "INSERT INTO patient_facts (practice_id, patient_id, status, contactable, last_visit_on, recall_kind) "
        "VALUES (%(practice)s, %(patient)s, 'active', true, '2025-09-01', 'perio')",
        practice=clinic.practice.id, patient=patient,
    )  # fmt: skip
    assert visits.for_patient(clinic.practice, patient, TODAY).reason == "perio"


def test_the_calendar_entry_says_when_and_where_in_local_time_and_never_why(clinic: Clinic) -> None:
    held = book.hold(clinic.practice.id, make_patient(clinic.practice.id), clinic.openings()[0], "link", NOW)
    made = book.confirm(clinic.practice.id, held.id, NOW)
    text = ics.build(made, clinic.practice, NOW)
    [event] = Calendar.from_ical(text.decode()).walk("VEVENT")
    assert event["dtstart"].dt == made.starts_at
    assert event["dtstart"].params["TZID"] == "America/Chicago"
    assert Calendar.from_ical(text.decode()).walk("VTIMEZONE")
    assert str(event["summary"]) == "Visit at Maple Dental"
    assert not any(word in text.decode().lower() for word in ("ada", made.reason, "clean", "exam", "hygien"))


def test_a_moved_visit_stays_the_same_entry_and_a_cancelled_one_leaves_the_calendar(clinic: Clinic) -> None:
    held = book.hold(clinic.practice.id, make_patient(clinic.practice.id), clinic.openings()[0], "link", NOW)
    made = book.confirm(clinic.practice.id, held.id, NOW)
    moved = book.move(clinic.practice.id, made.id, clinic.openings()[4], NOW)
    gone = book.cancel(clinic.practice.id, moved.id, NOW)
    events = [
        Calendar.from_ical(ics.build(row, clinic.practice, NOW).decode()).walk("VEVENT")[0]
        for row in (made, moved, gone)
    ]
    assert len({str(event["uid"]) for event in events}) == 1
    assert [event["sequence"] for event in events] == [0, 1, 2]
    assert str(events[2]["status"]) == "CANCELLED"
