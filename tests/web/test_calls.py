"""The call pages: one patient at a time, what is noted is noted once, and what is booked is booked with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape
from pytest_django.fixtures import Settings

from recare.base import db
from recare.practices import practice as practices
from recare.practices import staff
from recare.practices.practice import Practice
from tests.bookings.clinic import make_clinic
from tests.calls import rows
from tests.calls.rows import Callee, Case
from tests.factories import make_visit

SignIn = Callable[..., Client]


@pytest.fixture
def case(practice: Practice, now: datetime) -> Case:
    practices.set_clock(practice.id, now)
    return rows.make_case(practice.id)


@pytest.fixture
def sign_in(practice: Practice, now: datetime, settings: Settings) -> SignIn:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # slow hashes are tested at the door

    def signed(role: str = "front_desk", who: str = "dana") -> Client:
        email, client = f"{who}-{practice.slug}@example.com", Client()
        staff.create_user(email, "correct horse battery", role, practice.slug, now)
        client.post("/sign-in/", {"email": email, "password": "correct horse battery"})
        return client

    return signed


def outcomes_of(callee: Callee) -> list[tuple[str, str, str]]:
    return db.tuples(
        "SELECT outcome, barrier, note FROM call_outcome WHERE practice_id = %(p)s AND call_id = %(c)s ORDER BY id",
        p=callee.practice_id, c=callee.call,
    )  # fmt: skip


def bookings_of(callee: Callee) -> list[tuple[str, str]]:
    return db.tuples(
        "SELECT state, via FROM booking WHERE practice_id = %(p)s AND patient_id = %(i)s",
        p=callee.practice_id,
        i=callee.patient,
    )


def times(page: str) -> list[str]:
    return re.findall(r'name="time" value="(\d+)"', page)


def end(client: Client, callee: Callee, outcome: str, attempts: int = 0, **more: Any) -> Any:
    return client.post(f"/calls/{callee.call}/end/", {"outcome": outcome, "attempts": attempts} | more)


def test_the_list_shows_who_is_free_and_who_must_wait_with_the_reason(
    case: Case, practice: Practice, sign_in: SignIn, now: datetime
) -> None:
    callee = rows.listed(case, now, first_name="Greta")
    client = sign_in()
    page = client.get("/calls/").content.decode()
    assert f'href="/calls/{callee.call}/"' in page
    assert "data-next-call" in page
    practices.set_clock(practice.id, now.replace(hour=3) + timedelta(days=1))  # nine in the evening in Chicago
    night = client.get("/calls/").content.decode()
    assert f'href="/calls/{callee.call}/"' not in night
    assert "Greta" in night
    assert "Wed 13 Jan 2027, 10:00 am" in night


def test_today_leads_to_the_calls_that_are_free_now(case: Case, sign_in: SignIn, now: datetime) -> None:
    callee = rows.listed(case, now)
    assert f'href="/calls/{callee.call}/"' in sign_in().get("/").content.decode()


def test_HIP_06_the_front_desk_sees_name_number_class_and_script_and_not_the_chart(  # noqa: N802
    case: Case, practice: Practice, sign_in: SignIn, now: datetime
) -> None:
    make_clinic(practice)
    callee = rows.listed(case, now, rows.script(practice.id), first_name="Greta")
    make_visit(practice.id, callee.patient, -900)
    page = sign_in(who="dana.reyes").get(f"/calls/{callee.call}/").content.decode()
    assert "Greta" in page
    assert "tel:+1" in page
    assert "recall" in page
    assert "This is Dana Reyes" in page
    assert escape("Visits make me nervous") in page
    assert "We have Tuesday, January 12 at 1:00 pm, or Wednesday, January 13 at 8:00 am. Which suits you best?" in page
    for hidden in ("2024", f"/patients/{callee.patient}/", "birth", "1980"):
        assert hidden not in page, hidden


def test_a_time_is_booked_and_the_call_noted_in_one_step(
    case: Case, practice: Practice, sign_in: SignIn, now: datetime
) -> None:
    make_clinic(practice)
    callee, client = rows.listed(case, now), sign_in()
    page = client.get(f"/calls/{callee.call}/").content.decode()
    form = {"time": times(page)[0], "attempts": 0, "barrier": "forgot", "note": "glad to come"}
    answer = client.post(f"/calls/{callee.call}/book/", form)
    assert answer["Location"] == "/calls/next/"
    assert bookings_of(callee) == [("booked", "call")]
    assert outcomes_of(callee) == [("booked", "forgot", "glad to come")]
    assert rows.enrolment(callee) == ("stopped", "booked")
    assert client.post(f"/calls/{callee.call}/book/", form)["Location"] == "/calls/next/"  # the second click
    assert bookings_of(callee) == [("booked", "call")]
    assert len(outcomes_of(callee)) == 1


def test_a_time_that_is_gone_leaves_the_call_open_and_the_note_on_the_page(
    case: Case, practice: Practice, sign_in: SignIn, now: datetime
) -> None:
    make_clinic(practice)
    first, second, client = rows.listed(case, now), rows.listed(case, now), sign_in()
    time = times(client.get(f"/calls/{first.call}/").content.decode())[0]
    client.post(f"/calls/{first.call}/book/", {"time": time, "attempts": 0})
    client.get(f"/calls/{second.call}/")
    answer = client.post(f"/calls/{second.call}/book/", {"time": time, "attempts": 0, "note": "mornings only"})
    assert answer.status_code == 409
    assert "mornings only" in answer.content.decode()
    assert bookings_of(second) == []
    assert outcomes_of(second) == []
    assert rows.row(second)["state"] == "open"


def test_a_nervous_patient_gets_a_longer_visit_with_the_hygienist_they_name(
    case: Case, practice: Practice, sign_in: SignIn, now: datetime
) -> None:
    clinic = make_clinic(practice)
    callee, client = rows.listed(case, now), sign_in()
    page = client.get(f"/calls/{callee.call}/?longer=1&with={clinic.hygienist}").content.decode()
    form = {"time": times(page)[0], "attempts": 0, "longer": "1", "with": clinic.hygienist}
    client.post(f"/calls/{callee.call}/book/", form)
    [(minutes, provider)] = db.tuples(
        "SELECT extract(epoch FROM upper(during) - lower(during))::int / 60, provider_id FROM booking WHERE practice_id = %(p)s",
        p=practice.id,
    )
    assert (minutes, provider) == (105, clinic.hygienist)  # 90 for who has not been seen, 15 more
    assert not times(client.get(f"/calls/{callee.call}/?with=999999").content.decode())


@pytest.mark.parametrize(
    ("pressed", "noted", "state"),
    [
        ("left_message", ("left_message", "", ""), "open"),
        ("not_interested", ("not_interested", "", ""), "done"),
        ("moved/moved", ("moved", "moved", ""), "done"),  # a branch of the script
        ("withdrawn", ("withdrawn", "", ""), "withdrawn"),
    ],
)
def test_an_end_is_noted_and_the_next_call_follows(
    pressed: str, noted: tuple[str, str, str], state: str, case: Case, sign_in: SignIn, now: datetime
) -> None:
    callee, other, client = rows.listed(case, now), rows.listed(case, now), sign_in()
    client.get(f"/calls/{callee.call}/")
    answer = end(client, callee, pressed)
    assert answer["Location"] == "/calls/next/"
    assert client.get("/calls/next/")["Location"] == f"/calls/{other.call}/"
    assert outcomes_of(callee) == [noted]
    assert rows.row(callee)["state"] == state


def test_a_second_click_and_an_older_tab_note_nothing(case: Case, sign_in: SignIn, now: datetime) -> None:
    callee, client = rows.listed(case, now), sign_in()
    client.get(f"/calls/{callee.call}/")
    for _ in range(2):  # "no answer" leaves the call open, so its state alone would not tell
        assert end(client, callee, "no_answer")["Location"] == "/calls/next/"
    assert len(outcomes_of(callee)) == 1
    assert rows.row(callee)["attempts"] == 1


def test_a_colleague_who_has_the_number_is_named(case: Case, sign_in: SignIn, now: datetime) -> None:
    callee = rows.listed(case, now)
    sign_in(who="dana").get(f"/calls/{callee.call}/")
    other = sign_in(who="evan")
    refused = other.get(f"/calls/{callee.call}/")
    assert refused.status_code == 409
    assert "dana-" in refused.content.decode()
    assert end(other, callee, "no_answer")["Location"] == "/calls/"
    assert outcomes_of(callee) == []


def test_a_number_that_wrote_in_meanwhile_is_not_dialled(case: Case, sign_in: SignIn, now: datetime) -> None:
    callee = rows.listed(case, now)
    db.run("UPDATE contact_point SET call_out_at = %(n)s WHERE practice_id = %(p)s AND id = %(i)s", n=now, p=case.practice_id, i=callee.point)  # fmt: skip
    page = sign_in().get(f"/calls/{callee.call}/")
    assert page.status_code == 409
    assert "Do not call now." in page.content.decode()


@pytest.mark.parametrize("again", ["", "2020-01-01T10:00", "tomorrow"])
def test_call_again_asks_for_a_time_to_come_and_keeps_the_note(
    again: str, case: Case, sign_in: SignIn, now: datetime
) -> None:
    callee, client = rows.listed(case, now), sign_in()
    client.get(f"/calls/{callee.call}/")
    answer = end(client, callee, "call_later", again=again, note="after the holidays")
    assert answer.status_code == 422
    assert "after the holidays" in answer.content.decode()
    assert outcomes_of(callee) == []


def test_call_again_is_in_the_time_of_the_practice(case: Case, sign_in: SignIn, now: datetime) -> None:
    callee, client = rows.listed(case, now), sign_in()
    client.get(f"/calls/{callee.call}/")
    end(client, callee, "call_later", again="2027-01-20T16:30")
    assert rows.row(callee)["due_at"].isoformat() == "2027-01-20T22:30:00+00:00"


def test_a_call_put_back_is_free_for_others(case: Case, sign_in: SignIn, now: datetime) -> None:
    callee, client = rows.listed(case, now), sign_in(who="dana")
    client.get(f"/calls/{callee.call}/")
    client.post(f"/calls/{callee.call}/put-back/")
    assert sign_in(who="evan").get(f"/calls/{callee.call}/").status_code == 200


def test_an_auditor_reads_no_call_list(case: Case, sign_in: SignIn) -> None:
    assert sign_in("auditor").get("/calls/").status_code == 403
