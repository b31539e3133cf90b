from __future__ import annotations

import re

import pytest
from django.test import Client

from recare.base import db
from recare.bookings import book, openings
from recare.bookings.schedule import DAY
from recare.practices import practice as practices
from recare.practices import staff
from tests.bookings.clinic import NOW, Clinic
from tests.factories import make_patient


@pytest.fixture
def desk(client: Client, clinic: Clinic) -> Client:
    practices.set_clock(clinic.practice.id, NOW)
    email = f"desk-{clinic.practice.slug}@example.com"
    staff.create_user(email, "correct horse battery", "front_desk", clinic.practice.slug, NOW)
    assert client.login(email=email, password="correct horse battery")
    return client


def state(clinic: Clinic) -> tuple[str, str | None]:
    return db.tuples(
        "SELECT b.state, t.outcome FROM booking b LEFT JOIN task t ON t.practice_id = b.practice_id AND t.subject_id = b.id "
        "WHERE b.practice_id = %(practice)s",
        practice=clinic.practice.id,
    )[0]


def test_the_front_desk_sees_what_was_booked_enters_it_and_may_cancel_it(desk: Client, clinic: Clinic) -> None:
    patient = make_patient(clinic.practice.id, first_name="Grace", last_name="Example")
    made = book.take(clinic.practice.id, patient, clinic.openings()[0], "link", NOW)
    shown = desk.get("/schedule/").content.decode()
    assert "Grace Example" in shown
    assert "1:00 pm" in shown
    desk.post(f"/schedule/{made.id}/entered/")
    assert state(clinic) == ("booked", "entered")
    desk.post(f"/schedule/{made.id}/cancel/")
    assert state(clinic)[0] == "cancelled"


def test_somebody_on_the_phone_is_booked_into_the_right_visit(desk: Client, clinic: Clinic) -> None:
    patient = make_patient(clinic.practice.id)
    path = f"/schedule/book/{patient}/"
    shown = desk.get(path).content.decode()
    assert "comprehensive visit of 90 minutes" in shown
    times = re.findall(r'name="time" value="(\d+)"', shown)
    assert desk.post(path, {"time": times[0]}).status_code == 302
    assert state(clinic) == ("booked", "")
    assert "has just taken that time" in desk.post(path, {"time": times[0]}).content.decode()


def test_today_says_how_many_visits_still_fit_and_a_booking_takes_one(desk: Client, clinic: Clinic) -> None:
    first_day = NOW.astimezone(clinic.practice.zone).date()
    before = openings.free_visits(clinic.practice, first_day, 2, 60, NOW)
    assert before == [(first_day, 4), (first_day + DAY, 8)]  # today after the lunch hour, tomorrow from eight to five
    book.take(clinic.practice.id, make_patient(clinic.practice.id), clinic.openings()[0], "link", NOW)
    assert openings.free_visits(clinic.practice, first_day, 2, 60, NOW) == [(first_day, 3), (first_day + DAY, 8)]
    shown = desk.get("/").content.decode()
    assert re.search(r"Tue 12 Jan</td>\s*<td[^>]*>3<", shown)


def test_a_stranger_to_the_practice_is_not_booked(desk: Client, clinic: Clinic) -> None:
    assert desk.get("/schedule/book/999999999/").status_code == 404


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
def test_a_day_out_of_reach_shows_the_days_from_today(desk: Client, clinic: Clinic, day: str) -> None:
    for path in ("/schedule/", f"/schedule/book/{make_patient(clinic.practice.id)}/"):
        assert desk.get(f"{path}?from={day}").context["days"] == desk.get(path).context["days"] != []
